"""Le GAN du lab 05 : réseaux, pertes et pénalités contre leurs formules, pas contre une boucle."""

import copy
import itertools
import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from labkit.models import (
    LOSSES,
    DCDiscriminator,
    DCGenerator,
    Discriminator,
    Generator,
    discriminator_step,
    draw,
    generator_step,
    gradient_norms,
    penalty_step,
    r1_penalty,
    r1_r2_penalty,
    unit_gradient_penalty,
)
from labkit.training import CheckpointError, Player
from tests.training.helpers import images, quiet_fit, same_weights

ADAM = partial(torch.optim.Adam, betas=(0.5, 0.999))
PENALTIES = [
    partial(r1_penalty, gamma=1.0),
    partial(r1_r2_penalty, gamma=1.0),
    partial(unit_gradient_penalty, weight=10.0),
]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


# --- les réseaux ----------------------------------------------------------------------------------


def dense_count(*sizes: int) -> int:
    return sum((a + 1) * b for a, b in itertools.pairwise(sizes))


@pytest.mark.parametrize(("latent_dim", "img_dim"), [(100, 784), (2, 9)])
def test_parameter_counts(latent_dim, img_dim):
    expected = dense_count(latent_dim, 256, 512, 1024, img_dim)
    assert count(Generator(latent_dim, img_dim)) == expected
    assert count(Discriminator(img_dim)) == dense_count(img_dim, 1024, 512, 256, 1)


@pytest.mark.parametrize("hidden_dims", [(7,), [5, 3], torch.Size([8, 8, 8, 8])])
def test_hidden_layers_of_the_sizes_given(hidden_dims):
    generator, discriminator = Generator(4, 9, hidden_dims), Discriminator(9, hidden_dims)
    assert count(generator) == dense_count(4, *hidden_dims, 9)
    assert count(discriminator) == dense_count(9, *hidden_dims, 1)
    layers = len(hidden_dims)
    assert [type(m) for m in generator.layers] == [nn.Linear, nn.LeakyReLU] * layers + [nn.Linear]
    judged = [nn.Linear, nn.LeakyReLU, nn.Dropout] * layers + [nn.Linear]
    assert [type(m) for m in discriminator.layers] == judged
    assert discriminator(generator(torch.randn(3, 4))).shape == (3, 1)


def test_sizes_of_the_worksheet():
    assert (count(Generator()), count(Discriminator())) == (1_486_352, 1_460_225)


@pytest.mark.parametrize("options", [{}, {"hidden_dims": (6, 5)}], ids=["worksheet", "small"])
def test_networks_layer_by_layer(options):
    def dense(h, layers):
        for layer in layers[:-1]:
            h = h @ layer.weight.T + layer.bias
            h = torch.where(h > 0, h, 0.2 * h)
        return h @ layers[-1].weight.T + layers[-1].bias

    generator, discriminator = Generator(3, 16, **options), Discriminator(16, **options).eval()
    z, x = torch.randn(5, 3), torch.rand(5, 16)
    layers = [[m for m in net.layers if isinstance(m, nn.Linear)] for net in
              (generator, discriminator)]  # fmt: skip
    torch.testing.assert_close(generator(z), 1 / (1 + torch.exp(-dense(z, layers[0]))))
    torch.testing.assert_close(discriminator(x), dense(x, layers[1]))
    assert torch.equal(discriminator(x.view(5, 1, 4, 4)), discriminator(x))


def test_images_stay_in_the_unit_interval():
    drawn = Generator()(100 * torch.randn(50, 100))
    assert drawn.shape == (50, 784)
    assert drawn.min() >= 0
    assert drawn.max() <= 1


def test_dropout_is_of_thirty_percent_and_stops_in_evaluation():
    discriminator, x = Discriminator(), torch.rand(4, 784)
    assert [m.p for m in discriminator.modules() if isinstance(m, nn.Dropout)] == [0.3] * 3
    assert not torch.equal(discriminator(x), discriminator(x))
    discriminator.eval()
    assert torch.equal(discriminator(x), discriminator(x))


# --- les pertes -----------------------------------------------------------------------------------


@pytest.fixture
def logits():
    """Logits de 12 vraies images et de 12 tirages, de -30 à 30, en float64."""
    return 30 * (2 * torch.rand(2, 12, 1, dtype=torch.float64) - 1)


@pytest.mark.parametrize(("name", "real_target"), [
    ("minimax", 1.0), ("non_saturating", 1.0), ("smoothed", 0.9),
])  # fmt: skip
def test_losses_are_cross_entropies(name, real_target, logits):
    real, fake = logits

    def cross_entropy(logit, target):
        p = torch.sigmoid(logit)
        q = torch.sigmoid(-logit)  # 1 - p, sans annulation
        return -(target * p.log() + (1 - target) * q.log()).mean()

    loss = LOSSES[name]
    expected = cross_entropy(real, real_target) + cross_entropy(fake, 0.0)
    torch.testing.assert_close(loss.discriminator(real, fake), expected)
    sign, target = (-1, 0.0) if name == "minimax" else (1, 1.0)
    torch.testing.assert_close(loss.generator(None, fake), sign * cross_entropy(fake, target))


def test_losses_of_the_worksheet_to_the_bit():
    real, fake = torch.randn(2, 64, 1)
    bce = nn.BCEWithLogitsLoss()
    loss = LOSSES["non_saturating"]
    expected = bce(real, torch.ones(64, 1)) + bce(fake, torch.zeros(64, 1))
    assert torch.equal(loss.discriminator(real, fake), expected)
    assert torch.equal(loss.generator(None, fake), bce(fake, torch.ones(64, 1)))


def test_losses_where_the_discriminator_cannot_tell():
    """D = 1/2 partout : 2 log 2, et la valeur du jeu, son opposé, est -log 4."""
    zeros = torch.zeros(8, 1, dtype=torch.float64)
    minimax = LOSSES["minimax"]
    assert minimax.discriminator(zeros, zeros).item() == pytest.approx(2 * math.log(2))
    assert -minimax.discriminator(zeros, zeros).item() == pytest.approx(-math.log(4))
    assert minimax.generator(None, zeros).item() == pytest.approx(-math.log(2))
    assert LOSSES["non_saturating"].generator(None, zeros).item() == pytest.approx(math.log(2))
    assert LOSSES["relativistic"].discriminator(zeros, zeros).item() == pytest.approx(math.log(2))


def test_gradients_of_the_two_generator_losses():
    """d/dl : -D pour la perte saturante, -(1 - D) pour l'autre, à la moyenne près."""
    fake = torch.linspace(-12, 12, 25, dtype=torch.float64)[:, None].requires_grad_()
    answers = 1 / (1 + torch.exp(-fake.detach()))
    for name, expected in (("minimax", -answers), ("non_saturating", answers - 1)):
        (gradient,) = torch.autograd.grad(LOSSES[name].generator(None, fake), fake)
        torch.testing.assert_close(25 * gradient, expected)


def test_losses_without_a_sigmoid(logits):
    real, fake = logits
    squares = LOSSES["least_squares"]
    expected = ((real - 1) ** 2).sum() / 12 + (fake**2).sum() / 12
    torch.testing.assert_close(squares.discriminator(real, fake), expected)
    torch.testing.assert_close(squares.generator(None, fake), ((1 - fake) ** 2).sum() / 12)
    distance = LOSSES["wasserstein"]
    gap = real.sum() / 12 - fake.sum() / 12
    torch.testing.assert_close(distance.discriminator(real, fake), -gap)
    torch.testing.assert_close(distance.generator(None, fake), -fake.sum() / 12)


def test_the_relativistic_loss_compares_by_pairs(logits):
    real, fake = logits
    loss = LOSSES["relativistic"]
    wins = 1 / (1 + torch.exp(fake - real))  # chance donnée à la vraie contre la tirée
    torch.testing.assert_close(loss.discriminator(real, fake), -wins.log().sum() / 12)
    torch.testing.assert_close(loss.generator(real, fake), loss.discriminator(fake, real))
    assert loss.is_relative
    # Seul l'écart compte : ajouter 5 à tous les logits ne change rien.
    torch.testing.assert_close(loss.discriminator(real + 5, fake + 5),
                               loss.discriminator(real, fake))  # fmt: skip
    assert not any(other.is_relative for name, other in LOSSES.items() if name != "relativistic")


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_far_logits_stay_finite(name):
    real, fake = torch.full((4, 1), -200.0), torch.full((4, 1), 200.0)
    assert LOSSES[name].discriminator(real, fake).isfinite()
    assert LOSSES[name].generator(real, -fake).isfinite()


# --- les pénalités --------------------------------------------------------------------------------


class Linear(nn.Module):
    """Critique x -> w · x : son gradient est w partout."""

    def __init__(self, dim: int = 6):
        super().__init__()
        self.w = nn.Parameter(torch.randn(dim, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1) @ self.w)[:, None]


class Quadratic(nn.Module):
    """Critique x -> xᵀ A x / 2, A = S + Sᵀ : son gradient est A x."""

    def __init__(self, dim: int = 6):
        super().__init__()
        self.slopes = nn.Parameter(torch.randn(dim, dim, dtype=torch.float64))

    def matrix(self) -> Tensor:
        return self.slopes + self.slopes.T

    def forward(self, x: Tensor) -> Tensor:
        return ((x @ self.matrix()) * x).sum(dim=1, keepdim=True) / 2


@pytest.fixture
def pair():
    """Huit vraies images et huit tirages de six pixels, en float64."""
    return torch.rand(2, 8, 6, dtype=torch.float64)


def test_gradient_norms_of_known_critics(pair):
    x, linear, quadratic = pair[0], Linear(), Quadratic()
    torch.testing.assert_close(gradient_norms(linear, x), linear.w.square().sum().sqrt().repeat(8))
    expected = (x @ quadratic.matrix()).square().sum(dim=1).sqrt()
    torch.testing.assert_close(gradient_norms(quadratic, x), expected)
    assert not x.requires_grad
    with torch.no_grad():  # elles se mesurent aussi là où rien ne s'apprend
        torch.testing.assert_close(gradient_norms(quadratic, x), expected.detach())


@pytest.mark.parametrize("build", [
    Discriminator, partial(DCDiscriminator, width=2),
    partial(DCDiscriminator, width=2, norm="spectral"),
], ids=["dense", "batch", "spectral"])  # fmt: skip
def test_gradient_norms_by_finite_differences(build):
    critic = build().double().eval()
    x, h = 0.2 + 0.6 * torch.rand(1, 784, dtype=torch.float64), 1e-6
    shifts = h * torch.eye(784, dtype=torch.float64)
    with torch.no_grad():
        slopes = (critic(x + shifts) - critic(x - shifts)) / (2 * h)  # [784, 1], un par pixel
    torch.testing.assert_close(gradient_norms(critic, x)[0], slopes.norm(), rtol=1e-5, atol=0)


def test_r1_looks_at_real_images_and_r2_at_drawn_ones(pair):
    (real, fake), critic = pair, Quadratic()
    on_real, on_fake = ((x @ critic.matrix()).square().sum() / 8 for x in (real, fake))
    torch.testing.assert_close(r1_penalty(critic, real, fake, gamma=3.0), 1.5 * on_real)
    both = r1_r2_penalty(critic, real, fake, gamma=3.0)
    torch.testing.assert_close(both, 1.5 * (on_real + on_fake))


def test_unit_gradient_penalty_of_a_linear_critic(pair):
    critic = Linear()
    expected = 10 * (critic.w.square().sum().sqrt() - 1) ** 2
    torch.testing.assert_close(unit_gradient_penalty(critic, *pair, weight=10.0), expected)


def test_unit_gradient_penalty_looks_between_the_two(pair):
    """Un point par paire, sur son segment : la même part pour tous les pixels d'une image."""
    real, fake = (x.view(8, 1, 2, 3) for x in pair)
    linear, seen = Linear(), []
    unit_gradient_penalty(lambda x: seen.append(x) or linear(x), real, fake, weight=1.0)
    shares = ((seen[0].detach() - fake) / (real - fake)).flatten(1)  # [8, 6]
    torch.testing.assert_close(shares, shares[:, :1].expand(-1, 6))
    assert shares.min() >= 0
    assert shares.max() <= 1
    assert shares[:, 0].std() > 0.1


@pytest.mark.parametrize("penalty", PENALTIES, ids=["r1", "r1_r2", "unit"])
@pytest.mark.parametrize(("build", "shape"), [
    (partial(Discriminator, img_dim=16), (4, 16)),
    (partial(DCDiscriminator, width=2), (4, 1, 28, 28)),
    (partial(DCDiscriminator, width=2, norm="spectral"), (4, 1, 28, 28)),
    (partial(DCDiscriminator, width=2, norm="none"), (4, 1, 28, 28)),
], ids=["dropout", "batch", "spectral", "none"])  # fmt: skip
def test_penalties_teach_the_critic(build, shape, penalty):
    """Leur gradient par rapport aux poids de D, le long d'une direction, par différences finies."""
    critic = build().double()
    if hasattr(critic, "norm"):  # une normalisation spectrale s'affine à chaque appel
        critic.train(critic.norm != "spectral")
    real, fake = 0.1 + 0.8 * torch.rand(2, *shape, dtype=torch.float64)
    weights = parameters_to_vector(critic.parameters()).detach().clone()
    direction = F.normalize(torch.randn_like(weights), dim=0)

    def value(shift: float) -> Tensor:
        vector_to_parameters(weights + shift * direction, critic.parameters())
        torch.manual_seed(1)  # le même abandon, les mêmes points du segment
        return penalty(critic, real, fake)

    gradients = torch.autograd.grad(
        value(0.0), list(critic.parameters()), allow_unused=True, materialize_grads=True
    )
    slope = torch.cat([g.flatten() for g in gradients]) @ direction
    expected = (value(1e-6) - value(-1e-6)).item() / 2e-6
    assert slope.item() == pytest.approx(expected, rel=1e-4)
    assert abs(expected) > 1e-9


# --- les pas --------------------------------------------------------------------------------------


def dense_networks() -> tuple[nn.Module, nn.Module]:
    return Generator(hidden_dims=(64, 48)), Discriminator(hidden_dims=(64, 48))


def convolutional_networks(**options) -> tuple[nn.Module, nn.Module]:
    return DCGenerator(width=4, **options), DCDiscriminator(width=4, **options)


def players(networks, loss=LOSSES["non_saturating"], penalty=None, g_every=1) -> dict[str, Player]:
    """D, une pénalité un pas sur quatre s'il y en a une, et G un pas sur `g_every`."""
    generator, discriminator = networks
    settings = {"lr": 2e-4, "optimizer": ADAM}
    steps = {
        "discriminator": Player(discriminator, discriminator_step(*networks, loss), **settings)
    }
    if penalty is not None:
        lazy = penalty_step(*networks, penalty)
        steps["penalty"] = Player(discriminator, lazy, every=4, **settings)
    learn = generator_step(*networks, loss)
    return steps | {"generator": Player(generator, learn, every=g_every, **settings)}


@pytest.mark.parametrize("networks", [dense_networks, convolutional_networks])
def test_discriminator_step_gives_nothing_to_the_generator(networks):
    generator, discriminator = networks()
    batch = next(iter(images().batches(8)))
    result = discriminator_step(generator, discriminator, penalty=PENALTIES[1])(batch)
    result["loss"].backward()
    assert all(p.grad is None for p in generator.parameters())
    assert any(p.grad.abs().sum() > 0 for p in discriminator.parameters())


def test_generator_step_leaves_the_discriminator_as_it_was():
    networks = generator, discriminator = dense_networks()
    before = copy.deepcopy(networks)
    quiet_fit({"generator": players(networks)["generator"]}, images(32).batches(8), 1)
    assert same_weights(discriminator, before[1])
    assert all(p.grad is None for p in discriminator.parameters())
    assert not same_weights(generator, before[0])


def test_steps_report_the_loss_and_the_mean_answers():
    generator, discriminator = dense_networks()
    discriminator.eval()
    nn.init.normal_(discriminator.layers[-1].weight)  # des réponses variées
    batch = next(iter(images().batches(8)))
    torch.manual_seed(1)
    result = discriminator_step(generator, discriminator)(batch)
    torch.manual_seed(1)
    fake = draw(generator, 8)
    answers = [torch.sigmoid(discriminator(x)) for x in (batch[0].flatten(1), fake)]
    assert result["real"].item() == pytest.approx(answers[0].mean().item(), rel=1e-6)
    assert result["fake"].item() == pytest.approx(answers[1].mean().item(), rel=1e-6)
    expected = -answers[0].log().mean() - (1 - answers[1]).log().mean()
    assert result["loss"].item() == pytest.approx(expected.item(), rel=1e-5)
    torch.manual_seed(1)
    result = generator_step(generator, discriminator, LOSSES["relativistic"])(batch)
    wins = torch.sigmoid(discriminator(fake) - discriminator(batch[0]))
    assert result["loss"].item() == pytest.approx(-wins.log().mean().item(), rel=1e-5)
    assert result["fake"].item() == pytest.approx(answers[1].mean().item(), rel=1e-6)


def test_a_penalty_is_added_to_the_loss():
    networks = dense_networks()
    networks[1].eval()
    batch = next(iter(images().batches(8)))
    penalty = PENALTIES[0]
    values = []
    for step in (discriminator_step(*networks, penalty=penalty), discriminator_step(*networks),
                 penalty_step(*networks, penalty)):  # fmt: skip
        torch.manual_seed(1)
        values.append(step(batch)["loss"].item())
    assert values[2] == pytest.approx(penalty(networks[1], batch[0].flatten(1), None).item())
    assert values[0] == pytest.approx(values[1] + values[2])


def loop_of_the_worksheet(networks, batches, epochs, penalty=None, g_every=1):
    """La boucle écrite à la main : D sur du vrai et du faux détaché, puis G à travers D."""
    generator, discriminator = networks
    optimizer_g, optimizer_d = (
        ADAM(network.parameters(), lr=2e-4, fused=True) for network in networks
    )
    bce, number = nn.BCEWithLogitsLoss(), 0
    for network in networks:
        network.to(memory_format=torch.channels_last).train()
    for _ in range(epochs):
        for x, _ in batches:
            number, size = number + 1, len(x)
            fake = generator(torch.randn(size, 100))
            loss_d = bce(discriminator(x), torch.ones(size, 1))
            loss_d = loss_d + bce(discriminator(fake.detach()), torch.zeros(size, 1))
            optimizer_d.zero_grad()
            loss_d.backward()
            optimizer_d.step()
            if penalty is not None and number % 4 == 0:
                fake = generator(torch.randn(size, 100)).detach()
                optimizer_d.zero_grad()
                penalty(discriminator, x.view_as(fake), fake).backward()
                optimizer_d.step()
            if number % g_every == 0:
                loss_g = bce(discriminator(generator(torch.randn(size, 100))), torch.ones(size, 1))
                optimizer_g.zero_grad()
                loss_g.backward()
                optimizer_g.step()


@pytest.mark.parametrize("options", [
    {}, {"g_every": 5}, {"penalty": PENALTIES[0]}, {"penalty": PENALTIES[2], "g_every": 5},
], ids=["alternate", "five", "lazy", "lazy_five"])  # fmt: skip
@pytest.mark.parametrize("build", [dense_networks, convolutional_networks])
def test_fit_is_the_loop_of_the_worksheet_to_the_bit(build, options):
    batches = images(88).batches(8, shuffle=True)  # onze pas par époque
    trained = build()
    by_hand, start = copy.deepcopy(trained), copy.deepcopy(trained)
    torch.manual_seed(1)
    quiet_fit(players(trained, **options), batches, 2)
    torch.manual_seed(1)
    loop_of_the_worksheet(by_hand, batches, 2, **options)
    for ours, theirs, initial in zip(trained, by_hand, start, strict=True):
        assert same_weights(ours, theirs)
        assert not same_weights(ours, initial)


def spectral_networks() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    return DCGenerator(width=4), DCDiscriminator(4, norm="spectral")


def test_a_stopped_game_goes_on_to_the_bit(tmp_path):
    """Normalisations et pénalité paresseuse comprises."""
    batches, ends = images(16).batches(8), []
    for stops in ([3], [1, 3]):
        for epochs in stops:
            networks = spectral_networks()
            quiet_fit(
                players(networks, penalty=PENALTIES[0]), batches, epochs,
                checkpoint=tmp_path / f"{len(stops)}.pt",
            )  # fmt: skip
        ends.append(networks)
    assert all(same_weights(*pair) for pair in zip(*ends, strict=True))


@pytest.mark.parametrize("others", [
    {"loss": LOSSES["wasserstein"], "penalty": PENALTIES[0]},
    {"penalty": partial(r1_penalty, gamma=2.0)}, {"penalty": PENALTIES[1]},
], ids=["loss", "gamma", "penalty"])  # fmt: skip
def test_another_loss_or_penalty_is_another_training(others, tmp_path):
    batches, path = images(16).batches(8), tmp_path / "gan.pt"
    first = players(spectral_networks(), penalty=PENALTIES[0])
    quiet_fit(first, batches, 1, checkpoint=path)
    with pytest.raises(CheckpointError, match="vient d'un autre entraînement"):
        quiet_fit(players(spectral_networks(), **others), batches, 2, checkpoint=path)


class FixedLaw(nn.Module):
    """Un générateur qui donne toujours les mêmes points d'un pixel, dans les mêmes proportions."""

    latent_dim = 1

    def __init__(self, points: Tensor):
        super().__init__()
        self.points = nn.Parameter(points[:, None])

    def forward(self, z: Tensor) -> Tensor:
        return self.points[: len(z)]


class TableCritic(nn.Module):
    """Un logit libre pour chacun des quatre points 0, 1/3, 2/3 et 1."""

    def __init__(self):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        return self.logits[(3 * x).round().long()]


def test_the_best_discriminator_and_the_value_of_the_game():
    """D* = p / (p + q), et la valeur 2·JS(p, q) - log 4 (Goodfellow et coll., 2014, § 4.1)."""
    p, q = torch.tensor([0.4, 0.3, 0.2, 0.1]), torch.tensor([0.1, 0.1, 0.3, 0.5])
    points = torch.tensor([0.0, 1 / 3, 2 / 3, 1.0])
    real, fake = (points.repeat_interleave((10 * law).round().long()) for law in (p, q))
    generator, critic = FixedLaw(fake), TableCritic()
    step = discriminator_step(generator, critic, LOSSES["minimax"])
    batch = (real[:, None], torch.zeros(10, dtype=torch.int64))
    history = quiet_fit(step, [batch] * 100, 5, critic, lr=0.05)

    torch.testing.assert_close(critic.logits.sigmoid().detach(), p / (p + q), atol=1e-4, rtol=0)
    m = (p + q) / 2
    js = ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2
    assert -history["loss"][-1] == pytest.approx(2 * js.item() - math.log(4), abs=1e-5)


def test_the_same_laws_leave_no_better_answer_than_one_half():
    law = torch.tensor([0.0, 1 / 3, 2 / 3, 1.0])
    critic = TableCritic()
    nn.init.normal_(critic.logits)
    step = discriminator_step(FixedLaw(law), critic)
    history = quiet_fit(step, [(law[:, None], None)] * 100, 4, critic, lr=0.05)
    torch.testing.assert_close(critic.logits.sigmoid().detach(), torch.full((4,), 0.5))
    assert history["loss"][-1] == pytest.approx(2 * math.log(2))


# --- en bf16 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("build", [
    dense_networks, convolutional_networks, partial(convolutional_networks, num_classes=10),
], ids=["dense", "convolutional", "conditional"])  # fmt: skip
def test_losses_in_bf16_are_near_those_in_float32(build, name):
    batches, networks = images(24).batches(8), build()
    curves = []
    for precision in ("fp32", "bf16"):
        torch.manual_seed(1)
        trained = players(copy.deepcopy(networks), LOSSES[name])
        curves.append(quiet_fit(trained, batches, 1, precision=precision))
    for key, values in curves[0].items():
        assert curves[1][key] == pytest.approx(values, abs=0.02, rel=0.02), key


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("norm", [None, "spectral", "none"])
def test_penalties_in_bf16(norm, penalty):
    """Une pénalité jouée à tous les pas, ou un sur quatre, change bien D."""
    networks = dense_networks() if norm is None else (DCGenerator(width=4, norm="none"),
                                                      DCDiscriminator(4, norm=norm))  # fmt: skip
    step = discriminator_step(*networks, penalty=penalty)
    batches, before = images(32).batches(8), copy.deepcopy(networks[1])
    history = quiet_fit(step, batches, 1, networks[1], precision="bf16")
    assert history["loss"][0] > 0
    assert not same_weights(networks[1], before)
    lazy = quiet_fit(players(networks, penalty=penalty), batches, 1, precision="bf16")
    assert lazy["penalty_loss"][0] > 0


def test_answers_in_bf16_are_read_in_float32():
    generator, discriminator = dense_networks()
    batch = next(iter(images().batches(8)))
    with torch.autocast("cpu", torch.bfloat16):
        assert discriminator(batch[0]).dtype == torch.bfloat16
        results = [step(generator, discriminator)(batch) for step in
                   (discriminator_step, generator_step)]  # fmt: skip
        drawn = generator(torch.full((2, 100), 50.0))
    assert {value.dtype for result in results for value in result.values()} == {torch.float32}
    assert drawn.dtype == torch.float32


# --- erreurs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [-1.0, 1.001, 255.0, math.nan])
def test_images_outside_the_interval_that_the_generator_draws_in(bad):
    x = torch.rand(4, 1, 28, 28)
    x[2, 0, 3, 3] = bad
    generator, discriminator = dense_networks()
    for judge in (
        discriminator,
        lambda x: discriminator_step(generator, discriminator)((x, None)),
        lambda x: penalty_step(generator, discriminator, PENALTIES[0])((x, None)),
    ):
        with pytest.raises(ValueError, match=r"hors de \[0, 1\].*où dessine le générateur.*\+ 1"):
            judge(x)


def test_centred_batches_are_refused_by_fit():
    batches = images(16).batches(8, value_range=(-1.0, 1.0))
    with pytest.raises(ValueError, match=r"hors de \[0, 1\] .*où dessine le générateur"):
        quiet_fit(players(dense_networks()), batches, 1)


def test_bytes_are_refused():
    with pytest.raises(ValueError, match=r"nombres réels attendus, reçu torch.uint8 ; x / 255"):
        Discriminator()(torch.zeros(2, 784, dtype=torch.uint8))


@pytest.mark.parametrize(("z", "message"), [
    (torch.zeros(3, 64), r"codes z \[B, 100\] attendus, reçu \[3, 64\]"),
    (torch.zeros(100), r"codes z \[B, 100\] attendus, reçu \[100\]"),
    (torch.zeros(3, 100, dtype=torch.int64), "codes z en torch.int64 pour un modèle en"),
    (torch.zeros(3, 100, dtype=torch.float64), "codes z en torch.float64 pour un modèle en"),
    ([0.0] * 100, "codes z : un tenseur est attendu, reçu list"),
])  # fmt: skip
@pytest.mark.parametrize("build", [Generator, partial(DCGenerator, width=2)], ids=["mlp", "dc"])
def test_noise_that_does_not_fit(build, z, message):
    with pytest.raises(ValueError, match=message):
        build()(z)


@pytest.mark.parametrize(("x", "message"), [
    (torch.rand(3, 100), r"images de 784 pixels attendues, un lot .*, reçu \[3, 100\]"),
    (torch.rand(784), r"images de 784 pixels attendues, un lot .*, reçu \[784\]"),
    (torch.rand(0, 784), "au moins une image est attendue"),
    (torch.rand(3, 784).double(), "images en torch.float64 pour un modèle en torch.float32"),
    ([[0.5] * 784], "images : un tenseur est attendu, reçu list"),
])  # fmt: skip
def test_images_that_do_not_fit(x, message):
    with pytest.raises(ValueError, match=message):
        Discriminator()(x)


def test_real_images_of_another_size_than_drawn_ones():
    batch = (torch.rand(4, 1, 14, 14), torch.zeros(4))
    for networks in (dense_networks(), convolutional_networks()):
        with pytest.raises(ValueError, match=r"vraies images \[1, 14, 14\] et images de G"):
            discriminator_step(*networks)(batch)


def test_another_default_dtype_is_explained(default_float64):
    networks = dense_networks()
    with pytest.raises(ValueError, match="float32 pour un modèle en torch.float64"):
        networks[1](torch.zeros(2, 784, dtype=torch.float32))


@pytest.mark.parametrize("step", [discriminator_step, generator_step])
def test_a_loss_is_not_a_name(step):
    with pytest.raises(TypeError, match="loss attend une AdversarialLoss, reçu 'minimax' .*LOSSES"):
        step(*dense_networks(), "minimax")


@pytest.mark.parametrize("step", [discriminator_step, penalty_step])
@pytest.mark.parametrize(("penalty", "message"), [
    (r1_penalty, r"r1_penalty attend encore gamma\. .*partial\(r1_penalty, gamma=1\.0\)"),
    (partial(unit_gradient_penalty), "unit_gradient_penalty attend encore weight"),
    (1.0, r"penalty attend une fonction .*, reçu 1\.0 : écrivez partial\(r1_penalty"),
])  # fmt: skip
def test_a_penalty_comes_with_its_weight(step, penalty, message):
    with pytest.raises(TypeError, match=message):
        step(*dense_networks(), penalty=penalty)


@pytest.mark.parametrize("penalty", [
    *PENALTIES,
    lambda critic, real, fake: critic(real).square().mean(),
    lambda critic, real, fake, weight=2.0: weight * critic(fake).square().mean(),
])  # fmt: skip
def test_any_penalty_of_three_arguments_is_taken(penalty):
    batch = torch.rand(4, 784), torch.zeros(4).long()
    assert penalty_step(*dense_networks(), penalty)(batch)["loss"] >= 0


@pytest.mark.parametrize("step", [
    discriminator_step, generator_step, partial(penalty_step, penalty=PENALTIES[0]),
])  # fmt: skip
def test_a_batch_is_images_and_classes(step):
    """batch[0] d'un tenseur serait une seule image : l'entraînement se ferait sans rien dire."""
    with pytest.raises(TypeError, match=r"\(images, classes\) attendus, reçu un tenseur \[8, 1, 2"):
        step(*dense_networks())(torch.rand(8, 1, 28, 28))


def test_a_generator_says_its_latent_dimension():
    with pytest.raises(
        TypeError, match="Sequential n'a pas de latent_dim, .*self.latent_dim = 100"
    ):
        draw(nn.Sequential(nn.Linear(2, 4)), 3)


def test_a_generator_of_your_own_needs_no_classes():
    generator = nn.Sequential(nn.Linear(2, 784), nn.Sigmoid())
    generator.latent_dim = 2
    assert discriminator_step(generator, Discriminator())((torch.rand(4, 784), None))["loss"] > 0


@pytest.mark.parametrize(("build", "message"), [
    (lambda: Generator(latent_dim=0), "latent_dim doit valoir au moins 1"),
    (lambda: Generator(img_dim=-784), "img_dim doit valoir au moins 1"),
    (lambda: Discriminator(img_dim=0), "img_dim doit valoir au moins 1"),
    (lambda: Generator(hidden_dims=(256, 0)), r"hidden_dims\[1\] doit valoir au moins 1"),
    (lambda: Discriminator(hidden_dims=(-1,)), r"hidden_dims\[0\] doit valoir au moins 1"),
])  # fmt: skip
def test_sizes_must_be_positive(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("build", [
    lambda: Generator(100.0), lambda: Discriminator("784"), lambda: Generator(hidden_dims=[2.5]),
])  # fmt: skip
def test_sizes_must_be_whole(build):
    with pytest.raises(TypeError, match="attend un nombre entier"):
        build()


@pytest.mark.parametrize("network", [Generator, Discriminator])
@pytest.mark.parametrize("hidden_dims", [256, (), None])
def test_hidden_sizes_are_a_sequence(network, hidden_dims):
    with pytest.raises(TypeError, match=r"hidden_dims attend une suite d'entiers, .*=\(64, 32\)"):
        network(hidden_dims=hidden_dims)
