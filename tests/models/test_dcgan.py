"""Le DCGAN du lab 05 : ses formes, ce que la classe y change, ses damiers, ses normalisations."""

import itertools
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import labkit
from labkit.models import DCDiscriminator, DCGenerator, discriminator_step, draw, generator_step
from labkit.training import Player
from tests.training.helpers import images, quiet_fit

UPSAMPLINGS = ["transposed", "uneven", "nearest"]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("num_classes", [None, 3])
@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize(("upsampling", "kernel"), [
    ("transposed", 16), ("uneven", 9), ("nearest", 9),
])  # fmt: skip
@pytest.mark.parametrize("width", [5, 64])
def test_generator_parameter_count(width, upsampling, kernel, norm, num_classes):
    """Une couche dense, deux agrandissements, une convolution ; une normalisation, ou un biais."""
    half = width // 2
    dense = (20 + (num_classes or 0)) * 98 * width
    ups = kernel * (2 * width * width + width * half)
    norms = 2 * (2 * width + width + half) if norm == "batch" else 98 * width + width + half
    model = DCGenerator(20, width, num_classes, norm, upsampling)
    assert count(model) == dense + ups + norms + 9 * half + 1


@pytest.mark.parametrize("num_classes", [None, 3])
@pytest.mark.parametrize("norm", ["batch", "spectral", "none"])
@pytest.mark.parametrize("width", [4, 64])
def test_discriminator_parameter_count(width, norm, num_classes):
    convolutions = 16 * (1 + (num_classes or 0)) * width + width + 16 * 2 * width**2
    norms = 2 * 2 * width if norm == "batch" else 2 * width
    model = DCDiscriminator(width, num_classes, norm)
    assert count(model) == convolutions + norms + 98 * width + 1


@pytest.mark.parametrize("build", [
    *[partial(DCGenerator, norm=norm, upsampling=upsampling)
      for norm in ("batch", "none") for upsampling in UPSAMPLINGS],
    *[partial(DCDiscriminator, norm=norm) for norm in ("batch", "spectral", "none")],
])  # fmt: skip
def test_a_bias_where_no_batch_normalization_follows(build):
    """Chaque normalisation par lot retranche la moyenne du canal, et a son propre décalage."""
    kinds = nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d
    layers = [m for m in build(width=4).modules() if isinstance(m, kinds)]
    for layer, after in itertools.pairwise([*layers, None]):
        if not isinstance(layer, nn.BatchNorm2d):
            assert (layer.bias is None) == isinstance(after, nn.BatchNorm2d)


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_images_of_28_by_28_in_the_unit_interval(norm, upsampling):
    drawn = DCGenerator(7, 4, norm=norm, upsampling=upsampling)(100 * torch.randn(20, 7))
    assert drawn.shape == (20, 1, 28, 28)
    assert drawn.min() >= 0
    assert drawn.max() <= 1


def test_images_drawn_in_bf16_are_float32():
    """Une sigmoïde en bf16 s'arrondirait à 1 dès un logit de 6,25."""
    with torch.autocast("cpu", torch.bfloat16):
        assert DCGenerator(width=4)(torch.randn(2, 100)).dtype == torch.float32


def test_logits_and_features():
    model, x = DCDiscriminator(4).eval(), torch.rand(5, 1, 28, 28)
    assert model(x).shape == (5, 1)
    assert model.features(x).shape == (5, 98 * 4)
    assert torch.equal(model.to_logit(model.features(x)), model(x))
    assert torch.equal(model(x.flatten(1)), model(x))
    assert model(x).min() < model(x).max()


def test_maps_grow_in_the_generator_and_shrink_in_the_discriminator():
    generator, discriminator, sizes = DCGenerator(width=8), DCDiscriminator(width=8), []
    for layer in [*generator.layers, *discriminator.body]:
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Unflatten)):
            layer.register_forward_hook(lambda _, __, out: sizes.append(tuple(out.shape[1:])))
    discriminator(generator(torch.randn(2, 100)))
    up, down = [(16, 7, 7), (8, 14, 14), (4, 28, 28), (1, 28, 28)], [(8, 14, 14), (16, 7, 7)]
    assert sizes == up + down


def normalized(h, norm):
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return (h - norm.running_mean[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None]


def test_layer_by_layer():
    generator, discriminator = DCGenerator(5, 4).eval(), DCDiscriminator(3).eval()
    norms = [m for net in (generator, discriminator) for m in net.modules()
             if isinstance(m, nn.BatchNorm2d)]  # fmt: skip
    for norm in norms:  # des moyennes et des échelles quelconques
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    z, part = torch.randn(4, 5), generator.layers
    h = normalized((z @ part[0].weight.T).view(4, 8, 7, 7), norms[0]).clamp(min=0)
    h = F.conv_transpose2d(h, part[4].weight, stride=2, padding=1)
    h = normalized(h, norms[1]).clamp(min=0)
    h = F.conv_transpose2d(h, part[7].weight, stride=2, padding=1)
    h = normalized(h, norms[2]).clamp(min=0)
    h = F.conv2d(h, part[10].weight, part[10].bias, padding=1)
    x = 1 / (1 + torch.exp(-h))
    torch.testing.assert_close(generator(z), x)

    part = discriminator.body
    h = F.conv2d(2 * x - 1, part[0].weight, part[0].bias, stride=2, padding=1)
    h = torch.where(h > 0, h, 0.2 * h)
    h = normalized(F.conv2d(h, part[2].weight, stride=2, padding=1), norms[3])
    h = torch.where(h > 0, h, 0.2 * h).flatten(1)
    torch.testing.assert_close(discriminator.features(x), h)
    expected = h @ discriminator.to_logit.weight.T + discriminator.to_logit.bias
    torch.testing.assert_close(discriminator(x), expected)


@pytest.mark.parametrize("norm", ["batch", "spectral", "none"])
def test_every_parameter_learns(norm):
    generator, discriminator = DCGenerator(width=4), DCDiscriminator(4, norm=norm)
    F.softplus(-discriminator(generator(torch.randn(16, 100)))).mean().backward()
    for network in (generator, discriminator):
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
        assert all(p.grad.abs().max() > 1e-6 for p in network.parameters())


# --- les damiers ----------------------------------------------------------------------------------


def doublings(model: DCGenerator) -> list[nn.Module]:
    """Ce qui double le côté des cartes : 7 -> 14, puis 14 -> 28."""
    return [m for m in model.layers if isinstance(m, (nn.ConvTranspose2d, nn.Sequential))]


def all_ones(upsampling: str) -> DCGenerator:
    """Un générateur dont tous les poids valent 1, et les biais 0."""
    model = DCGenerator(width=2, norm="none", upsampling=upsampling)
    for name, weight in model.named_parameters():
        nn.init.constant_(weight, float("weight" in name))
    return model


@pytest.mark.parametrize("stage", [0, 1])
@pytest.mark.parametrize(("upsampling", "inside"), [
    ("transposed", [2, 2]), ("uneven", [1, 2]), ("nearest", [3, 3]),
])  # fmt: skip
def test_who_receives_how_much(upsampling, inside, stage):
    """Tous les poids à 1, une carte de 1 : chaque pixel produit compte les termes qu'il reçoit.

    Le long d'un axe, noyau 3 et pas 2 donnent 1, 2, 1, 2… ; les deux autres, autant à tous.
    """
    double, channels, side = doublings(all_ones(upsampling))[stage], (4, 2)[stage], (7, 14)[stage]
    counts = double(torch.ones(1, channels, side, side))[0, 0, 1:-1, 1:-1]  # sans le bord
    line = torch.tensor(inside[::-1] * (side - 1), dtype=torch.float32)  # part du pixel 1
    assert torch.equal(counts, channels * line[:, None] * line)


def test_bordering_pixels_of_the_uneven_upsampling():
    row = doublings(all_ones("uneven"))[1](torch.ones(1, 2, 14, 14))[0, 0, 0]
    assert row.tolist() == [2 * terms for terms in [1, 2] * 13 + [1, 1]]


@pytest.mark.parametrize(("upsampling", "inside"), [
    ("transposed", [12, 12, 12, 12]), ("uneven", [7, 6, 8, 6]), ("nearest", [27, 27, 27, 27]),
])  # fmt: skip
def test_the_last_convolution_does_not_hide_the_checkerboard(upsampling, inside):
    """Les termes que reçoit chaque pixel de l'image, d'une carte 7×7 uniforme.

    Deux fois noyau 3 et pas 2 donnent 1, 3, 2, 3… ; trois voisins font alors 7, 6, 8, 6…
    """
    counts = all_ones(upsampling).layers[1:](torch.ones(1, 4 * 49))[0, 0, 8:-8, 8:-8]
    line = torch.tensor(inside * 3, dtype=torch.float32)  # part du pixel 8
    assert torch.equal(counts, 4 * 2 * line[:, None] * line)


def test_nearest_doubles_each_pixel_before_its_convolution():
    double, convolution = doublings(DCGenerator(width=2, upsampling="nearest"))[1]
    x = torch.rand(2, 2, 14, 14)
    assert torch.equal(double(x), x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3))
    assert convolution(double(x)).shape == (2, 1, 28, 28)


# --- les classes ----------------------------------------------------------------------------------


def test_class_changes_the_image_and_the_answer():
    generator = DCGenerator(num_classes=10, width=4).eval()
    discriminator = DCDiscriminator(num_classes=10, width=4).eval()
    z, x = torch.randn(1, 100).expand(10, -1), torch.rand(1, 784).expand(10, -1)
    for outputs in (generator(z, range(10)).flatten(1), discriminator(x, range(10))):
        distances = torch.cdist(outputs, outputs) + torch.eye(10)
        assert distances.min() > 1e-5


def test_discriminator_sees_the_centred_image_and_its_class_in_constant_maps():
    model, seen = DCDiscriminator(4, num_classes=10), []
    model.body.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    x = torch.rand(3, 1, 28, 28)
    model(x, torch.tensor([4, 0, 9]))
    (joined,) = seen
    assert joined.shape == (3, 11, 28, 28)
    torch.testing.assert_close(joined[:, :1], 2 * x - 1)
    for row, label in enumerate([4, 0, 9]):
        for other in range(10):
            assert (joined[row, 1 + other] == float(other == label)).all()


def test_each_class_has_its_own_weights():
    generator, discriminator = DCGenerator(5, 4, num_classes=3), DCDiscriminator(4, num_classes=3)
    labels = torch.tensor([0, 2] * 4)
    discriminator(generator(torch.randn(8, 5), labels), labels).sum().backward()
    columns = generator.layers[0].weight.grad[:, 5:].abs().sum(dim=0)
    maps = discriminator.body[0].weight.grad[:, 1:].abs().sum(dim=(0, 2, 3))
    for gradient in (columns, maps):
        assert gradient[0] > 0
        assert gradient[1] == 0  # personne n'a demandé la classe 1
        assert gradient[2] > 0


def test_steps_ask_for_the_classes_of_the_batch():
    """G et D les reçoivent, D pour les vraies images comme pour les tirées."""
    networks = generator, discriminator = (
        DCGenerator(width=4, num_classes=10),
        DCDiscriminator(4, num_classes=10),
    )
    seen = []
    for network in networks:
        network.register_forward_pre_hook(lambda net, args: seen.append((net, args[1])))
    batch = torch.rand(4, 1, 28, 28), torch.tensor([3, 1, 4, 1])
    discriminator_step(*networks)(batch)
    generator_step(*networks)(batch)
    assert [net for net, _ in seen] == [generator, discriminator, discriminator, *networks]
    assert all(torch.equal(labels, batch[1]) for _, labels in seen)


def test_draw_is_the_generator_on_standard_noise():
    plain, conditional = DCGenerator(4, 2).eval(), DCGenerator(4, 2, num_classes=10).eval()
    torch.manual_seed(1)
    drawn = draw(plain, 3), draw(conditional, 3, [7, 8, 9])
    torch.manual_seed(1)
    assert torch.equal(drawn[0], plain(torch.randn(3, 4)))
    assert torch.equal(drawn[1], conditional(torch.randn(3, 4), torch.tensor([7, 8, 9])))
    noise = []
    plain.register_forward_pre_hook(lambda _, args: noise.append(args[0]))
    draw(plain, 5_000)
    assert noise[0].mean().abs() < 0.03
    assert noise[0].std() == pytest.approx(1, abs=0.03)


# --- les normalisations ---------------------------------------------------------------------------


def test_spectral_norm_brings_the_largest_singular_value_to_one():
    model = DCDiscriminator(4, norm="spectral")
    layers = [model.body[0], model.body[2], model.to_logit]
    for layer in layers:
        with torch.no_grad():
            layer.parametrizations.weight.original.mul_(30)
    for _ in range(100):  # chaque appel affine l'estimation
        model(torch.rand(2, 784))
    for layer in layers:
        largest = torch.linalg.svdvals(layer.weight.flatten(1))[0]
        assert largest.item() == pytest.approx(1, abs=1e-3)
    plain = torch.linalg.svdvals(DCDiscriminator(4, norm="none").to_logit.weight)[0]
    assert abs(plain - 1) > 0.1


def test_batch_normalization_by_the_batch_then_by_running_means():
    generator, discriminator = DCGenerator(width=4), DCDiscriminator(width=4)
    z, x = torch.randn(32, 100), torch.rand(32, 1, 28, 28)
    for model, inputs in ((generator, z), (discriminator, x)):
        model.train()
        assert not torch.allclose(model(inputs[:4]), model(inputs)[:4], atol=1e-4)
        model.eval()
        torch.testing.assert_close(model(inputs[:4]), model(inputs)[:4])


MODELS = {"generator": (DCGenerator, torch.zeros(1, 100)),
          "discriminator": (DCDiscriminator, torch.zeros(1, 1, 28, 28))}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_one_image_alone_cannot_be_normalized(name):
    build, inputs = MODELS[name]
    model = build(width=4)
    with pytest.raises(ValueError, match=r"au moins deux images .*lot de 1 .*model.eval\(\)"):
        model(inputs)
    model(inputs.repeat(2, *[1] * (inputs.dim() - 1)))
    assert model.eval()(inputs).isfinite().all()
    assert build(width=4, norm="none")(inputs).isfinite().all()


def test_one_image_alone_under_spectral_norm():
    assert DCDiscriminator(4, norm="spectral")(torch.zeros(1, 784)).isfinite().all()


def test_the_last_batch_of_one_stops_fit_in_words():
    networks = DCGenerator(width=4), DCDiscriminator(width=4)
    players = {"discriminator": Player(networks[1], discriminator_step(*networks))}
    with pytest.raises(ValueError, match="normalisation par lot .*lot de 1"):
        quiet_fit(players, images(9).batches(8), 1)


# --- les références -------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "options"), [
    ("DCGenerator", {"latent_dim": 8, "width": 4, "num_classes": 10, "upsampling": "nearest"}),
    ("DCGenerator", {"latent_dim": 8, "width": 4, "norm": "none"}),
    ("DCDiscriminator", {"width": 4, "num_classes": 10}),
    ("DCDiscriminator", {"width": 4, "norm": "spectral"}),
    ("Generator", {"latent_dim": 8}),
    ("Generator", {"latent_dim": 8, "hidden_dims": [32, 64]}),
    ("Discriminator", {"img_dim": 784}),
    ("Discriminator", {"img_dim": 784, "hidden_dims": [64, 32]}),
])  # fmt: skip
def test_networks_are_rebuilt_from_their_architecture(model, options):
    architecture = {"class": f"labkit.models.{model}", **options}
    first, second = labkit.build(architecture), labkit.build(architecture)
    inputs = torch.rand(3, options.get("latent_dim", 784))
    labels = ([0, 1, 2],) if "num_classes" in options else ()
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.eval()(inputs, *labels), second.eval()(inputs, *labels))
    assert type(first).__name__ == model


# --- erreurs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("labels", "message"), [
    ([10], "entre 0 et 9 attendues, .*reçu de 10 à 10"),
    ([-1], "entre 0 et 9 attendues, .*reçu de -1 à -1"),
    ([0, 1], r"classes entières \[1\] .* reçu torch.int64 \[2\]"),
    (torch.tensor([0.0]), r"classes entières \[1\] .* labels.long\(\)"),
    (None, "attend la classe de chaque image : donnez labels"),
])  # fmt: skip
def test_classes_that_do_not_fit(name, labels, message):
    build, inputs = MODELS[name]
    with pytest.raises(ValueError, match=message):
        build(width=2, num_classes=10).eval()(inputs, labels)


@pytest.mark.parametrize("name", MODELS)
def test_classes_that_nobody_reads(name):
    build, inputs = MODELS[name]
    with pytest.raises(ValueError, match="ne lit pas de classe : ôtez labels, .*num_classes=10"):
        build(width=2).eval()(inputs, [0])


def test_classes_of_another_set_stop_fit_in_words():
    networks = DCGenerator(width=4, num_classes=5), DCDiscriminator(4, num_classes=5)
    players = {"generator": Player(networks[0], generator_step(*networks))}
    with pytest.raises(ValueError, match="entre 0 et 4 attendues"):
        quiet_fit(players, images(8).batches(8), 1)


@pytest.mark.parametrize("bad", [-0.1, 1.5, 255.0, float("nan")])
def test_images_outside_the_unit_interval(bad):
    x = torch.rand(2, 1, 28, 28)
    x[0, 0, 3, 3] = bad
    with pytest.raises(ValueError, match=r"images hors de \[0, 1\] .*où dessine le générateur"):
        DCDiscriminator(width=2)(x)


@pytest.mark.parametrize(("x", "message"), [
    (torch.rand(3, 1, 27, 28), r"images de 784 pixels attendues, reçu \[3, 1, 27, 28\]"),
    (torch.zeros(3, 784, dtype=torch.uint8), r"reçu torch.uint8 ; x / 255"),
    (torch.rand(3, 784).double(), "images en torch.float64 pour un modèle en torch.float32"),
])  # fmt: skip
def test_images_that_do_not_fit(x, message):
    with pytest.raises(ValueError, match=message):
        DCDiscriminator(width=2)(x)


@pytest.mark.parametrize(("build", "message"), [
    (partial(DCGenerator, norm="spectral"), "norm : batch, none sont connus, reçu 'spectral'"),
    (partial(DCGenerator, upsampling="nearst"), "upsampling : .*Vouliez-vous dire 'nearest'"),
    (partial(DCDiscriminator, norm=None), "norm : batch, spectral, none sont connus, reçu None"),
    (partial(DCGenerator, latent_dim=0), "latent_dim doit valoir au moins 1"),
    (partial(DCGenerator, width=1), "width doit valoir au moins 2, reçu width=1"),
    (partial(DCDiscriminator, width=0), "width doit valoir au moins 1"),
    (partial(DCDiscriminator, num_classes=0), "num_classes doit valoir au moins 1"),
])  # fmt: skip
def test_unknown_names_and_sizes(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_sizes_must_be_whole():
    with pytest.raises(TypeError, match="width attend un nombre entier, reçu 2.5"):
        DCDiscriminator(width=2.5)
