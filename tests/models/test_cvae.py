"""Le VAE conditionnel du lab 04 : ses formes, et ce que la classe y change vraiment."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labkit.models import ConvCVAE, gaussian_kl, vae_loss, vae_loss_from_logits


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("num_classes", [3, 10])
@pytest.mark.parametrize("latent_dim", [2, 10, 20])
@pytest.mark.parametrize("width", [16, 32])
def test_parameter_count(latent_dim, num_classes, width):
    """Convolutions sans biais, deux paramètres par canal normalisé, deux têtes, le miroir."""
    a, b, c = width, 2 * width, 4 * width
    kernels = 16 * a * b + 9 * b * c
    encoder = 16 * (1 + num_classes) * a + kernels + 2 * (a + b + c)
    heads = 2 * latent_dim * (25 * c + 1)
    decoder = 25 * c * (latent_dim + num_classes + 1) + kernels + 2 * (a + b) + 16 * a + 1
    model = ConvCVAE(latent_dim, num_classes, width)
    assert count(model) == encoder + heads + decoder


def test_small_one_is_smaller():
    assert ConvCVAE().latent_dim == 10
    assert ConvCVAE().num_classes == 10
    assert count(ConvCVAE(width=16)) < 0.5 * count(ConvCVAE())


@pytest.mark.parametrize("shape", [(6, 1, 28, 28), (6, 784), (1, 1, 28, 28)])
@pytest.mark.parametrize("width", [16, 32])
def test_shapes(width, shape):
    model = ConvCVAE(latent_dim=4, num_classes=7, width=width)
    x, labels = torch.rand(shape), torch.randint(0, 7, shape[:1])
    x_recon, mu, logvar = model(x, labels)
    assert x_recon.shape == (shape[0], 1, 28, 28)
    assert mu.shape == logvar.shape == (shape[0], 4)
    assert model.decode(torch.randn(5, 4), torch.eye(7)[:5]).shape == (5, 1, 28, 28)


def test_maps_shrink_and_grow_back():
    model = ConvCVAE(width=16)
    sizes = []
    for layer in [*model.encoder, *model.decoder]:
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            layer.register_forward_hook(lambda _, __, out: sizes.append(tuple(out.shape[1:])))
    model(torch.rand(2, 1, 28, 28), torch.tensor([0, 1]))
    assert sizes == [(16, 14, 14), (32, 7, 7), (64, 5, 5), (32, 7, 7), (16, 14, 14), (1, 28, 28)]


def test_encoder_sees_the_image_and_ten_constant_maps():
    model, seen = ConvCVAE(), []
    model.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    x = torch.rand(3, 1, 28, 28)
    model(x, torch.tensor([4, 0, 9]))
    (joined,) = seen
    assert joined.shape == (3, 11, 28, 28)
    assert torch.equal(joined[:, :1], x)
    for row, label in enumerate([4, 0, 9]):
        for digit in range(10):
            assert (joined[row, 1 + digit] == float(digit == label)).all()


def test_one_hot():
    model = ConvCVAE(num_classes=4)
    expected = torch.tensor([[0.0, 0, 0, 1], [1, 0, 0, 0]])
    for dtype in (torch.int64, torch.int32, torch.uint8):
        assert torch.equal(model.one_hot(torch.tensor([3, 0], dtype=dtype)), expected)


def test_labels_and_one_hot_give_the_same_thing():
    model = ConvCVAE().eval()
    x, labels = torch.rand(6, 1, 28, 28), torch.randint(0, 10, (6,))
    torch.manual_seed(1)
    x_recon, mu, logvar = model(x, labels)
    torch.manual_seed(1)
    c = torch.eye(10)[labels]
    by_hand = model.encode(x, c)
    torch.testing.assert_close(by_hand, (mu, logvar))
    torch.testing.assert_close(model.decode(model.reparameterize(*by_hand), c), x_recon)
    torch.manual_seed(1)
    logits = model.reconstruct_logits(x, labels)[0]
    torch.testing.assert_close(logits.sigmoid(), x_recon)


def test_layer_by_layer():
    model = ConvCVAE(latent_dim=3, num_classes=2, width=4).double().eval()
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):  # des moyennes et des échelles quelconques
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)

    def normalized(h, norm):
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        shift = norm.bias - norm.running_mean * scale
        return (h * scale[:, None, None] + shift[:, None, None]).clamp(min=0)

    c = torch.eye(2, dtype=torch.float64)
    h = torch.cat([x := torch.rand(2, 1, 28, 28).double(), c.view(2, 2, 1, 1) + 0 * x], dim=1)
    part = model.encoder
    for i, (stride, padding) in zip((0, 3, 6), [(2, 1), (2, 1), (1, 0)], strict=True):
        h = normalized(F.conv2d(h, part[i].weight, None, stride, padding), part[i + 1])
    mu, logvar = model.encode(x, c)
    torch.testing.assert_close(mu, model.to_mu(h.flatten(1)))
    torch.testing.assert_close(logvar, model.to_logvar(h.flatten(1)))

    z, part = torch.randn(2, 3).double(), model.decoder
    h = part[0](torch.cat([z, c], dim=1)).clamp(min=0).view(2, 16, 5, 5)
    for i, (stride, padding) in zip((3, 6), [(1, 0), (2, 1)], strict=True):
        h = normalized(F.conv_transpose2d(h, part[i].weight, None, stride, padding), part[i + 1])
    expected = F.conv_transpose2d(h, part[9].weight, part[9].bias, 2, 1)
    torch.testing.assert_close(model.decode_logits(z, c), expected)


def test_class_changes_the_code_and_the_image():
    model = ConvCVAE().eval()
    x, z = torch.rand(1, 1, 28, 28).expand(10, -1, -1, -1), torch.randn(1, 10).expand(10, -1)
    codes = model.encode(x, torch.eye(10))[0]
    images = model.decode(z, torch.eye(10)).flatten(1)
    for outputs in (codes, images):
        distances = torch.cdist(outputs, outputs) + torch.eye(10)
        assert distances.min() > 1e-4


def test_class_reaches_the_gradient():
    """Chaque classe demandée a ses poids à elle, à l'encodeur comme au décodeur."""
    model = ConvCVAE(num_classes=3)
    x, labels = torch.rand(8, 1, 28, 28), torch.tensor([0, 2] * 4)
    logits, mu, logvar = model.reconstruct_logits(x, labels)
    vae_loss_from_logits(logits, x, mu, logvar)[0].backward()
    maps = model.encoder[0].weight.grad[:, 1:].abs().sum(dim=(0, 2, 3))
    columns = model.decoder[0].weight.grad[:, 10:].abs().sum(dim=0)
    for gradient in (maps, columns):
        assert gradient[0] > 0
        assert gradient[1] == 0  # personne n'a demandé la classe 1
        assert gradient[2] > 0


def test_every_parameter_learns():
    model, x = ConvCVAE(), torch.rand(16, 1, 28, 28)
    logits, mu, logvar = model.reconstruct_logits(x, torch.arange(16) % 10)
    vae_loss_from_logits(logits, x, mu, logvar)[0].backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


def test_ranges():
    model = ConvCVAE().eval()
    decoded = model.decode(1e4 * torch.randn(10, 10), torch.eye(10))
    assert decoded.min() >= 0
    assert decoded.max() <= 1
    mu, logvar = model.encode(torch.rand(10, 784), torch.eye(10))
    assert mu.min() < 0 < mu.max()
    assert (gaussian_kl(mu, logvar) >= 0).all()


@pytest.mark.parametrize("width", [16, 32])
def test_normalization_by_batch_then_by_running_means(width):
    model = ConvCVAE(width=width)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [n.num_features for n in norms] == [width, 2 * width, 4 * width, 2 * width, width]
    x, c = torch.rand(32, 1, 28, 28), torch.eye(10)[torch.arange(32) % 10]

    model.train()
    alone = model.encode(x[:4], c[:4])[0]
    among = model.encode(x, c)[0][:4]
    assert not torch.allclose(alone, among, atol=1e-4)  # le reste du lot compte
    assert all(norm.running_mean.abs().sum() > 0 for norm in norms[:3])

    model.eval()
    before = [norm.running_mean.clone() for norm in norms]
    torch.testing.assert_close(model.encode(x[:4], c[:4])[0], model.encode(x, c)[0][:4])
    assert all(torch.equal(n.running_mean, b) for n, b in zip(norms, before, strict=True))


def test_losses_of_the_vae_apply():
    model, x = ConvCVAE().eval(), torch.rand(6, 1, 28, 28)
    labels = torch.arange(6)
    torch.manual_seed(1)
    logits, mu, logvar = model.reconstruct_logits(x, labels)
    torch.manual_seed(1)
    from_images = vae_loss(model(x, labels)[0], x, mu, logvar, beta=2)
    torch.testing.assert_close(from_images, vae_loss_from_logits(logits, x, mu, logvar, beta=2))


def test_bf16_autocast():
    model, x, labels = ConvCVAE(), (torch.rand(32, 1, 28, 28) > 0.8).float(), torch.arange(32) % 10
    logits, mu, logvar = model.reconstruct_logits(x, labels)
    expected = vae_loss_from_logits(logits, x, mu, logvar)[0]
    with torch.autocast("cpu", torch.bfloat16):
        logits, mu, logvar = model.reconstruct_logits(x, labels)
        total = vae_loss_from_logits(logits, x, mu, logvar)[0]
        assert logits.dtype == torch.bfloat16
        assert model(x, labels)[0].dtype == torch.float32
    assert total.dtype == torch.float32
    torch.testing.assert_close(total, expected, rtol=0.01, atol=0)  # bf16 et nouveaux tirages


def test_overfits_ten_images():
    """Le conseil du lab : un modèle sain apprend dix images par cœur."""
    model = ConvCVAE(width=16)
    x, labels = (torch.rand(10, 1, 28, 28) > 0.5).float(), torch.arange(10)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(80):
        optimizer.zero_grad()
        logits, mu, logvar = model.reconstruct_logits(x, labels)
        loss = vae_loss_from_logits(logits, x, mu, logvar)[0]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 10 * 784 * 0.68  # des images tirées à pile ou face : 784 log 2 chacune
    assert losses[-1] < 0.5 * losses[0]


# --- erreurs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [-1, 10, 255])
def test_label_out_of_range(label):
    model, x = ConvCVAE(), torch.rand(3, 1, 28, 28)
    with pytest.raises(ValueError, match=f"entre 0 et 9 attendues, .* reçu de .*{label}"):
        model(x, torch.tensor([0, label, 1]))


@pytest.mark.parametrize("labels", [torch.tensor([0.0, 1.0]), torch.eye(10)[:2].long()])
def test_labels_must_be_integers(labels):
    with pytest.raises(ValueError, match=r"classes entières \[B\] entre 0 et 9 attendues"):
        ConvCVAE()(torch.rand(2, 1, 28, 28), labels)


@pytest.mark.parametrize("c", [torch.eye(8)[:4], torch.eye(10)[:3], torch.zeros(4)])
def test_class_count_must_match(c):
    model = ConvCVAE()
    with pytest.raises(ValueError, match=r"classes c \[4, 10\] attendues"):
        model.encode(torch.rand(4, 1, 28, 28), c)
    with pytest.raises(ValueError, match=r"classes c \[4, 10\] attendues"):
        model.decode(torch.randn(4, 10), c)


def test_as_many_labels_as_images():
    with pytest.raises(ValueError, match=r"classes c \[4, 10\] attendues"):
        ConvCVAE()(torch.rand(4, 1, 28, 28), torch.tensor([1]))


def test_code_of_another_dimension():
    with pytest.raises(ValueError, match=r"codes z \[B, 10\] attendus, reçu \[3, 12\]"):
        ConvCVAE().decode(torch.randn(3, 12), torch.eye(10)[:3])


@pytest.mark.parametrize("bad", [-0.1, 1.5, 255.0, math.nan])
def test_images_outside_the_unit_interval(bad):
    x = torch.rand(2, 1, 28, 28)
    x[0, 0, 3, 3] = bad
    with pytest.raises(ValueError, match=r"images hors de \[0, 1\]"):
        ConvCVAE()(x, torch.tensor([0, 1]))


@pytest.mark.parametrize(("arguments", "message"), [
    ({"latent_dim": 0}, "latent_dim doit valoir au moins 1, reçu latent_dim=0"),
    ({"num_classes": 0}, "num_classes=0"),
    ({"width": -1}, "width=-1"),
])  # fmt: skip
def test_sizes_must_be_positive(arguments, message):
    with pytest.raises(ValueError, match=message):
        ConvCVAE(**arguments)


def test_labels_may_be_a_list():
    model, x = ConvCVAE(width=4).eval(), torch.rand(2, 1, 28, 28)
    torch.manual_seed(1)
    expected = model(x, torch.tensor([1, 2]))
    torch.manual_seed(1)
    torch.testing.assert_close(model(x, [1, 2]), expected, atol=0, rtol=0)


def test_another_default_dtype_is_explained(default_float64):
    model, x = ConvCVAE(width=4), torch.zeros(2, 1, 28, 28, dtype=torch.float32)
    with pytest.raises(ValueError, match="float32 pour un modèle en torch.float64"):
        model(x, [1, 2])
    with pytest.raises(ValueError, match=r"codes z en torch.float64 pour un .* en torch.float32"):
        model.float().decode(torch.randn(2, 10), torch.eye(10)[:2])


def test_classes_of_another_precision_are_refused():
    model, z, c = ConvCVAE(width=4).eval(), torch.randn(2, 10), torch.eye(10)[:2]
    with pytest.raises(ValueError, match="classes c en torch.float64 pour un modèle en"):
        model.decode(z, c.double())
    assert torch.equal(model.decode(z, c.long()), model.decode(z, c))
