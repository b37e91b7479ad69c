"""La diffusion du lab 08 : le UNet, puis DDPM et DDIM contre diffusers et contre leurs lois."""

import math
from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, DDPMScheduler
from torch import nn

from labkit.data import ImageSet
from labkit.models import DDPM, UNet, cosine_betas, diffusion, linear_betas, time_embedding

SCHEDULES = [("linear", "linear"), ("cosine", "squaredcos_cap_v2")]  # nos noms, ceux de diffusers


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def float32(monkeypatch):
    """Sans bf16, que les bibliothèques comparées n'emploient pas."""
    monkeypatch.setattr(diffusion, "fast_inference", lambda device: nullcontext())


class Zero(nn.Module):
    """Prédit toujours 0, et retient ce qu'il a reçu."""

    num_classes = None

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, x, t, labels=None):
        self.calls.append((x, t, labels))
        return torch.zeros_like(x)


class Oracle(nn.Module):
    """Le bruit exact, quand toutes les images d'apprentissage sont `image`."""

    def __init__(self, image: torch.Tensor):
        super().__init__()
        self.image = image

    def forward(self, x, t):
        alpha_bar = self.alpha_bars[t][:, None, None, None]
        return (x - alpha_bar.sqrt() * self.image) / (1 - alpha_bar).sqrt()


class ByClass(nn.Module):
    """Prédit 3 x pour la classe 0, 5 x pour la 1, et x sans classe."""

    num_classes = 2

    def forward(self, x, t, labels=None):
        if labels is None:
            return x.clone()
        return torch.tensor([3.0, 5.0, 1.0])[labels][:, None, None, None] * x


def oracle(image: torch.Tensor, *settings, **options) -> DDPM:
    model = Oracle(image)
    ddpm = DDPM(model, *settings, **options)
    model.alpha_bars = ddpm.alpha_bars
    return ddpm


def tiny(timesteps: int = 1000, **options) -> DDPM:
    return DDPM(UNet(width=2, time_emb_dim=8).eval(), timesteps, **options)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def images(number: int = 4, side: int = 8) -> torch.Tensor:
    return 2 * torch.rand(number, 1, side, side) - 1


# --- le plongement du temps -----------------------------------------------------------------------


def test_time_embedding_entries():
    t = torch.tensor([0, 1, 7, 999])
    emb = time_embedding(t, 64)
    assert emb.shape == (4, 64)
    assert emb.dtype == torch.float32
    assert torch.equal(emb[0], torch.tensor([0.0] * 32 + [1.0] * 32))
    torch.testing.assert_close(emb[:, 0], torch.sin(t.float()))  # fréquence 1
    torch.testing.assert_close(emb[:, 32], torch.cos(t.float()))
    torch.testing.assert_close(emb[:, 31], torch.sin(t / 10_000))  # la plus basse
    torch.testing.assert_close(emb[:, 63], torch.cos(t / 10_000))
    middle = 10_000 ** (-5 / 31)
    assert emb[2, 5].item() == pytest.approx(math.sin(7 * middle), abs=1e-6)
    assert emb[2, 37].item() == pytest.approx(math.cos(7 * middle), abs=1e-6)


def test_time_embedding_tells_all_instants_apart():
    emb = time_embedding(torch.arange(1000), 64)
    distances = torch.cdist(emb, emb) + 10 * torch.eye(1000)
    assert distances.min() > 0.1
    torch.testing.assert_close(emb.square().sum(1), torch.full((1000,), 32.0))  # sin² + cos² = 1


@pytest.mark.parametrize("dim", [63, 1, 2, 0, -2])
def test_odd_or_small_embedding_is_refused(dim):
    with pytest.raises(ValueError, match=f"doit être paire et valoir au moins 4, reçu {dim}"):
        time_embedding(torch.zeros(1), dim)
    with pytest.raises(ValueError, match="plongement du temps doit être paire"):
        UNet(time_emb_dim=dim)


# --- le UNet --------------------------------------------------------------------------------------


def test_parameter_count_of_the_report():
    assert count(UNet()) == 2_495_457


@pytest.mark.parametrize("classes", [None, 10])
@pytest.mark.parametrize(("channels", "width", "dim"), [(1, 16, 64), (3, 32, 64), (1, 8, 16)])
def test_parameter_count(channels, width, dim, classes):
    """Une convolution k×k de n à m canaux a m (n k² + 1) paramètres, une couche m (n + 1)."""
    c1, c2, c3, c4 = (width * 2**floor for floor in range(4))

    def block(n, m):
        return m * (9 * n + 1) + m * (9 * m + 1) + m * (dim + 1)

    down = block(channels, c1) + block(c1, c2) + block(c2, c3) + block(c3, c4)
    up = sum(m * 16 * n + m + block(2 * m, m) for n, m in ((c4, c3), (c3, c2), (c2, c1)))
    time = 2 * dim * (dim + 1) + (0 if classes is None else (classes + 1) * dim)
    unet = UNet(channels, channels, dim, width=width, num_classes=classes)
    assert count(unet) == time + down + up + channels * (9 * c1 + 1)


@pytest.mark.parametrize("side", [28, 32, 17, 8])
def test_noise_has_the_shape_of_the_image(side):
    unet = UNet(3, 2, width=4)
    assert unet(torch.randn(2, 3, side, side), torch.tensor([0, 9])).shape == (2, 2, side, side)


def test_every_floor_of_the_unet():
    """28 devient 14, 7 et 3, puis remonte par 7 et 14 malgré l'arrondi."""
    unet, sides = UNet(width=2), []
    for name in ("down1", "down2", "down3", "bottleneck", "merge3", "merge2", "merge1"):
        getattr(unet, name).register_forward_hook(
            lambda module, args, output: sides.append(tuple(output.shape[1:]))
        )
    unet(torch.randn(1, 1, 28, 28), torch.zeros(1))
    assert sides == [
        (2, 28, 28), (4, 14, 14), (8, 7, 7), (16, 3, 3), (8, 7, 7), (4, 14, 14), (2, 28, 28),
    ]  # fmt: skip


def test_the_instant_changes_the_noise_of_its_own_image_only():
    unet, x = UNet(width=4), torch.randn(2, 1, 28, 28)
    early, late = unet(x, torch.tensor([3, 3])), unet(x, torch.tensor([3, 900]))
    torch.testing.assert_close(early[0], late[0])
    assert (early[1] - late[1]).abs().max() > 1e-3


def test_convolutions_read_the_neighbourhood_and_the_skips():
    """Sans le fond du U, les étages du haut portent encore le détail de l'image."""
    unet, x = UNet(width=4), torch.randn(1, 1, 28, 28)
    reference = unet(x, torch.zeros(1))
    nn.init.zeros_(unet.up1.weight)
    other = x.clone()
    other[0, 0, 5, 5] += 1
    moved = (unet(other, torch.zeros(1)) - unet(x, torch.zeros(1)))[0, 0].nonzero()
    assert len(moved) > 0
    # Cinq convolutions 3×3 séparent l'image du bruit au premier étage : cinq pixels de portée.
    assert (moved - 5).abs().max() <= 5
    assert not torch.equal(unet(x, torch.zeros(1)), reference)


@pytest.mark.parametrize("classes", [None, 3])
def test_every_parameter_learns(classes):
    unet = UNet(width=8, num_classes=classes)
    labels = None if classes is None else torch.tensor([0, 1, 2, 3] * 4)
    unet(torch.randn(16, 1, 28, 28), torch.arange(16) * 60, labels).square().mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in unet.parameters())
    if classes is not None:
        assert (unet.class_embedding.weight.grad.abs().sum(1) > 0).all()


def test_a_channel_negative_everywhere_still_learns():
    """Une ReLU aurait rendu nul le gradient de ces canaux, et pour toujours."""
    unet = UNet(width=4)
    for convolution in (unet.down2.conv1, unet.merge2.conv2):
        nn.init.constant_(convolution.bias, -100)
    unet(torch.randn(4, 1, 28, 28), torch.zeros(4)).square().mean().backward()
    for convolution in (unet.down2.conv1, unet.merge2.conv2):
        assert (convolution.weight.grad.abs().amax((1, 2, 3)) > 0).all()


def test_the_second_convolution_of_a_block_only_retouches():
    """À poids nuls, elle laisse passer ce qu'elle lit : la première, plus l'instant projeté."""
    block, x, emb = UNet(width=4).down2, torch.randn(2, 4, 6, 6), torch.randn(2, 64)
    nn.init.zeros_(block.conv2.weight), nn.init.zeros_(block.conv2.bias)
    read = F.leaky_relu(block.conv1(x), 0.1) + block.to_channels(emb)[:, :, None, None]
    torch.testing.assert_close(block(x, emb), read)


def test_labels_change_the_noise_and_the_last_one_means_none():
    unet, x, t = UNet(width=4, num_classes=10), torch.randn(3, 1, 28, 28), torch.tensor([1, 2, 3])
    without = unet(x, t)
    torch.testing.assert_close(unet(x, t, torch.full((3,), 10)), without)
    mixed = unet(x, t, torch.tensor([10, 4, 5]))
    torch.testing.assert_close(mixed[0], without[0])
    assert ((mixed - without).abs().amax((1, 2, 3)) > 1e-3).tolist() == [False, True, True]


@pytest.mark.parametrize("labels", [[0, 11], [-1, 0], [1], [[1, 2]]])
def test_labels_out_of_range_are_refused(labels):
    unet = UNet(width=2, num_classes=10)
    with pytest.raises(ValueError, match=r"classes \[2\] entre 0 et 9 attendues, ou 10"):
        unet(torch.randn(2, 1, 8, 8), torch.tensor([0, 1]), torch.tensor(labels))


def test_labels_without_classes_are_refused():
    with pytest.raises(ValueError, match=r"n'a pas de classes : créez-le par UNet\(num_classes"):
        UNet(width=2)(torch.randn(1, 1, 8, 8), torch.tensor([0]), torch.tensor([0]))


@pytest.mark.parametrize("options", [
    {"in_channels": 0}, {"out_channels": 0}, {"width": 0}, {"num_classes": 0}, {"width": -8},
])  # fmt: skip
def test_impossible_sizes_are_refused(options):
    with pytest.raises(ValueError, match="doivent valoir au moins 1"):
        UNet(**options)


# --- les programmes de bruit ----------------------------------------------------------------------


@pytest.mark.parametrize("settings", [(1000, 1e-4, 0.02), (100, 1e-3, 0.2), (1, 0.1, 0.2)])
def test_linear_schedule_against_diffusers(settings):
    timesteps, beta_start, beta_end = settings
    ddpm = DDPM(Zero(), *settings)
    scheduler = DDPMScheduler(timesteps, beta_start, beta_end, "linear")
    for ours, theirs in (
        (ddpm.betas, scheduler.betas),
        (ddpm.alphas, scheduler.alphas),
        (ddpm.alpha_bars, scheduler.alphas_cumprod),
    ):
        assert ours.shape == (timesteps,)
        assert ours.dtype == torch.float32
        # Leur produit de mille facteurs est en float32 : 1000 · 2^-24 d'écart relatif au pire.
        torch.testing.assert_close(ours, theirs, atol=1e-7, rtol=6e-5)


@pytest.mark.parametrize("timesteps", [1, 10, 1000])
def test_cosine_schedule_against_diffusers(timesteps):
    ddpm = DDPM(Zero(), timesteps, schedule="cosine")
    scheduler = DDPMScheduler(timesteps, beta_schedule="squaredcos_cap_v2")
    torch.testing.assert_close(ddpm.betas, scheduler.betas, atol=1e-7, rtol=1e-5)
    torch.testing.assert_close(ddpm.alpha_bars, scheduler.alphas_cumprod, atol=1e-5, rtol=0)
    assert ddpm.betas.max() <= 0.999


def test_schedules_at_known_points():
    linear, cosine = DDPM(Zero()), DDPM(Zero(), schedule="cosine")
    assert linear.betas[[0, -1]].tolist() == pytest.approx([1e-4, 0.02])
    # ln ᾱ_T = Σ ln(1 - β) ; la série en β donne -(Σβ + Σβ²/2 + Σβ³/3 + …).
    betas = [1e-4 + (0.02 - 1e-4) * t / 999 for t in range(1000)]
    log = sum(math.log1p(-beta) for beta in betas)
    assert linear.alpha_bars[-1].item() == pytest.approx(math.exp(log), rel=1e-6)
    assert linear.alpha_bars[-1].item() == pytest.approx(4.036e-5, rel=1e-3)
    half = math.cos((0.5 + 0.008) / 1.008 * math.pi / 2) ** 2
    half /= math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    assert cosine.alpha_bars[499].item() == pytest.approx(half, rel=1e-6)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_noise_always_grows(schedule):
    ddpm = DDPM(Zero(), schedule=schedule)
    assert (ddpm.betas > 0).all() and (ddpm.betas < 1).all()
    assert (ddpm.alpha_bars.diff() < 0).all()
    assert ddpm.alpha_bars[0] > 0.999
    assert 0 < ddpm.alpha_bars[-1] < 1e-4
    torch.testing.assert_close(ddpm.alphas, 1 - ddpm.betas)


def test_schedules_are_computed_again_rather_than_saved():
    ddpm = tiny(10)
    assert all(name.startswith("model.") for name in ddpm.state_dict())
    ddpm.load_state_dict(tiny(1000).state_dict())


@pytest.mark.parametrize(("start", "end"), [
    (0.02, 1e-4), (0.01, 0.01), (0, 0.02), (-0.1, 0.02), (1e-4, 1), (math.nan, 0.02),
])  # fmt: skip
def test_betas_out_of_order_are_refused(start, end):
    with pytest.raises(ValueError, match="il faut 0 < beta_start < beta_end < 1"):
        DDPM(Zero(), beta_start=start, beta_end=end)
    with pytest.raises(ValueError, match=f"beta_start = {start} et beta_end = {end}"):
        linear_betas(10, start, end)


@pytest.mark.parametrize("timesteps", [0, -5])
@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_no_step_of_noise_is_refused(schedule, timesteps):
    with pytest.raises(ValueError, match=f"au moins un pas de bruit, reçu timesteps = {timesteps}"):
        DDPM(Zero(), timesteps, schedule=schedule)
    with pytest.raises(ValueError, match="au moins un pas de bruit"):
        cosine_betas(timesteps)


def test_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="programme 'sqrt' inconnu : choisir 'linear' ou 'cosine'"):
        DDPM(Zero(), schedule="sqrt")


# --- l'aller --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("schedule", "name"), SCHEDULES)
def test_one_noising_against_diffusers(schedule, name):
    ddpm, scheduler = DDPM(Zero(), schedule=schedule), DDPMScheduler(beta_schedule=name)
    t = torch.tensor([0, 1, 10, 250, 500, 998, 999])
    x0, noise = images(7), torch.randn(7, 1, 8, 8)
    expected = scheduler.add_noise(x0, noise, t)
    torch.testing.assert_close(ddpm.forward_process(x0, t, noise), expected, atol=1e-5, rtol=0)


def test_one_instant_serves_the_whole_batch():
    ddpm, x0, noise = DDPM(Zero()), images(), torch.randn(4, 1, 8, 8)
    expected = ddpm.forward_process(x0, torch.full((4,), 123), noise)
    assert torch.equal(ddpm.forward_process(x0, 123, noise), expected)
    assert torch.equal(ddpm.forward_process(x0, torch.tensor(123), noise), expected)


@pytest.mark.parametrize("t", [0, 100, 999])
def test_moments_of_a_noised_image(t):
    """E[x_t] = √ᾱ_t x0 et Var[x_t] = 1 - ᾱ_t, à cinq erreurs types près."""
    ddpm, number = DDPM(Zero()), 50_000
    x0 = torch.tensor([-1.0, -0.3, 0.0, 0.8]).view(1, 1, 2, 2).expand(number, 1, 2, 2)
    x_t = ddpm.forward_process(x0, t, torch.randn(number, 1, 2, 2)).double()
    alpha_bar = ddpm.alpha_bars[t].double()
    error = 5 * ((1 - alpha_bar) / number).sqrt()
    assert ((x_t.mean(0) - alpha_bar.sqrt() * x0[0]).abs() < error).all()
    relative = 5 * math.sqrt(2 / number)  # la variance estimée de N tirages : σ² √(2/N)
    assert ((x_t.var(0) / (1 - alpha_bar) - 1).abs() < relative).all()


def test_noising_at_once_is_noising_step_by_step():
    ddpm, number = DDPM(Zero(), 10, 0.05, 0.4), 100_000
    x = torch.full((number,), 0.7, dtype=torch.float64)
    for t in range(10):
        x = ddpm.alphas[t].sqrt() * x + ddpm.betas[t].sqrt() * torch.randn_like(x)
        mean, variance = 0.7 * ddpm.alpha_bars[t].sqrt(), 1 - ddpm.alpha_bars[t]
        assert abs(x.mean() - mean) < 5 * (variance / number).sqrt()
        assert abs(x.var() / variance - 1) < 5 * math.sqrt(2 / number)


@pytest.mark.parametrize("t", [0, 1, 300, 999])
def test_predicting_x0_undoes_the_noising(t):
    ddpm, x0, noise = DDPM(Zero()), images(), torch.randn(4, 1, 8, 8)
    x_t = ddpm.forward_process(x0, t, noise)
    # x_t est arrondi à 2^-24 près, ce que la division par √ᾱ_t amplifie.
    tolerance = 8 * 2**-24 * x_t.abs().max().item() / ddpm.alpha_bars[t].sqrt().item()
    torch.testing.assert_close(ddpm.predict_x0(x_t, t, noise), x0, atol=tolerance, rtol=0)


def test_predicted_x0_stays_an_image():
    ddpm = DDPM(Zero())
    guess = ddpm.predict_x0(torch.randn(4, 1, 8, 8), 999, torch.zeros(4, 1, 8, 8))
    assert guess.abs().max() == 1


@pytest.mark.parametrize(
    "t", [-1, 1000, 3.0, True, torch.tensor([0, 5, 1000, 1]), torch.tensor([1, 2])]
)
def test_instants_out_of_the_schedule_are_refused(t):
    ddpm, x = DDPM(Zero()), images()
    for call in (
        lambda: ddpm.forward_process(x, t, x),
        lambda: ddpm.predict_x0(x, t, x),
        lambda: ddpm.predict_noise(x, t),
        lambda: ddpm.reverse_process(x, t),
    ):
        with pytest.raises(ValueError, match="instants entiers de 0 à 999 attendus, un seul ou un"):
            call()


@pytest.mark.parametrize("bad", [1.01, -1.5, 255.0, math.nan])
def test_images_out_of_range_are_refused(bad):
    ddpm, x0 = DDPM(Zero()), images()
    x0[2, 0, 3, 3] = bad
    with pytest.raises(ValueError, match=r"images hors de \[-1, 1\].*value_range=\(-1., 1.\)"):
        ddpm.forward_process(x0, 5, torch.randn_like(x0))
    with pytest.raises(ValueError, match=r"images hors de \[-1, 1\]"):
        ddpm.loss(x0)


def test_images_without_a_batch_axis_are_refused():
    with pytest.raises(ValueError, match=r"images \[B, C, H, W\] attendues, reçu \[1, 28, 28\]"):
        DDPM(Zero()).loss(torch.zeros(1, 28, 28))


def test_all_grey_levels_of_the_batches_are_accepted():
    grey = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1).expand(256, 1, 28, 28)
    ((x0, _),) = ImageSet(grey, torch.zeros(256).long()).batches(256, value_range=(-1.0, 1.0))
    assert DDPM(Zero()).forward_process(x0, 0, torch.zeros_like(x0)).shape == x0.shape


def test_noise_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"bruit \[1, 1, 8, 8\] doit avoir la forme"):
        DDPM(Zero()).forward_process(images(), 5, torch.randn(1, 1, 8, 8))


# --- la perte -------------------------------------------------------------------------------------


def test_loss_of_predicting_nothing_is_one():
    """E[ε²] = 1, et la moyenne de N carrés a pour erreur type √(2/N)."""
    x0 = images(256, 28)
    loss = DDPM(Zero()).loss(x0)
    assert loss.dim() == 0
    assert abs(loss.item() - 1) < 5 * math.sqrt(2 / x0.numel())


def test_loss_compares_the_noise_that_was_really_added():
    class Third(Zero):
        def forward(self, x, t, labels=None):
            super().forward(x, t, labels)
            return x / 3

    model = Third()
    ddpm, x0 = DDPM(model, 20, 0.05, 0.4), images(8)
    loss = ddpm.loss(x0)
    ((x_t, t, labels),) = model.calls
    assert labels is None
    alpha_bar = ddpm.alpha_bars[t][:, None, None, None]
    noise = (x_t - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()
    torch.testing.assert_close(loss, (x_t / 3 - noise).square().mean())


def test_loss_of_the_exact_noise_is_zero():
    image = images(1)
    assert oracle(image).loss(image.expand(64, 1, 8, 8)).item() < 1e-6


def test_loss_visits_all_instants_alike():
    model = Zero()
    DDPM(model, 4, 0.1, 0.2).loss(images(4000, 2))
    counts = torch.bincount(model.calls[0][1], minlength=4)
    assert len(counts) == 4
    assert (counts - 1000).abs().max() < 5 * math.sqrt(4000 * 0.25 * 0.75)


def test_loss_is_float32_under_bf16_autocast():
    ddpm = tiny()
    with torch.autocast("cpu", torch.bfloat16):
        loss = ddpm.loss(images(4, 28))
    assert loss.dtype == torch.float32
    loss.backward()
    assert all(p.grad.isfinite().all() for p in ddpm.parameters())


@pytest.mark.parametrize("unlabelled", [0, 0.1, 1])
def test_loss_hides_a_part_of_the_labels(unlabelled):
    model, number = Zero(), 10_000
    model.num_classes = 10
    labels = torch.arange(number) % 10
    DDPM(model).loss(images(number, 2), labels, unlabelled=unlabelled)
    given = model.calls[0][2]
    hidden = given == 10
    assert torch.equal(given[~hidden], labels[~hidden])
    assert torch.equal(labels, torch.arange(number) % 10)  # le lot de l'appelant est intact
    error = 5 * math.sqrt(unlabelled * (1 - unlabelled) / number)
    assert abs(hidden.float().mean().item() - unlabelled) <= error


def test_loss_hides_one_label_in_ten_unless_told():
    model = Zero()
    model.num_classes = 10
    DDPM(model).loss(images(10_000, 2), torch.zeros(10_000, dtype=torch.long))
    share = (model.calls[0][2] == 10).float().mean().item()
    assert abs(share - 0.1) < 5 * math.sqrt(0.1 * 0.9 / 10_000)


# --- le retour, contre diffusers ------------------------------------------------------------------


def compare_one_reverse_step(t: int, ddpm: DDPM, scheduler: DDPMScheduler) -> None:
    x = ddpm.forward_process(images(4, 28), t, torch.randn(4, 1, 28, 28))
    torch.manual_seed(1)
    ours = ddpm.reverse_process(x, t)
    torch.manual_seed(1)  # le même bruit
    theirs = scheduler.step(ddpm.predict_noise(x, t), t, x).prev_sample
    assert theirs.dtype == torch.float32
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("schedule", "name"), SCHEDULES)
@pytest.mark.parametrize("t", [0, 100, 500, 998, 999])
def test_one_reverse_step_against_diffusers(t, schedule, name):
    scheduler = DDPMScheduler(beta_schedule=name, variance_type="fixed_small", clip_sample=True)
    compare_one_reverse_step(t, tiny(schedule=schedule), scheduler)


@pytest.mark.parametrize(("schedule", "name"), SCHEDULES)
@pytest.mark.parametrize("t", [0, 1, 2, 3, 10, 30])
def test_first_instants_against_diffusers(t, schedule, name):
    """Près de t = 0, diffusers calcule 1 - ᾱ en float32, à 1e-4 près : en float64, il s'accorde."""
    scheduler = DDPMScheduler(beta_schedule=name, variance_type="fixed_small", clip_sample=True)
    betas = linear_betas(1000, 1e-4, 0.02) if schedule == "linear" else cosine_betas(1000)
    scheduler.alphas_cumprod = torch.cumprod(1 - betas, dim=0)
    compare_one_reverse_step(t, tiny(schedule=schedule), scheduler)


@pytest.mark.parametrize(
    ("steps", "eta"), [(10, 0), (20, 0), (50, 0), (50, 0.5), (50, 1), (100, 0)]
)
def test_whole_ddim_trajectory_against_diffusers(steps, eta):
    """Avec le bruit recalculé d'après l'image bornée, comme l'exige DDIM à partir de x0."""
    ddpm = tiny()
    scheduler = DDIMScheduler(
        beta_schedule="linear", timestep_spacing="trailing", clip_sample=True,
        set_alpha_to_one=True,
    )  # fmt: skip
    scheduler.set_timesteps(steps)
    start = ddpm.noise(3)
    torch.manual_seed(1)
    ours = list(ddpm.ddim_steps(start, steps, eta))
    torch.manual_seed(1)
    x = start
    assert [t for t, _ in ours] == scheduler.timesteps.tolist()
    for t, x_ours in ours:
        noise = ddpm.predict_noise(x, t)
        x = scheduler.step(noise, t, x, eta=eta, use_clipped_model_output=True).prev_sample
        torch.testing.assert_close(x_ours, x, atol=1e-5, rtol=0)


def test_ddim_without_clipping_against_diffusers():
    """Là où rien n'est borné, recalculer le bruit ne change rien."""
    ddpm = oracle(images(1))
    scheduler = DDIMScheduler(
        beta_schedule="linear", timestep_spacing="trailing", clip_sample=False,
        set_alpha_to_one=True,
    )  # fmt: skip
    scheduler.set_timesteps(50)
    x = start = ddpm.noise(3, (8, 8))
    for t, x_ours in ddpm.ddim_steps(start, 50):
        x = scheduler.step(ddpm.predict_noise(x, t), t, x).prev_sample
        torch.testing.assert_close(x_ours, x, atol=1e-5, rtol=0)


# --- le retour, contre ses lois -------------------------------------------------------------------


def check_law(x: torch.Tensor, image: torch.Tensor, alpha_bar: float) -> None:
    """x suit-il N(√ᾱ x0, 1 - ᾱ), à cinq erreurs types près ?"""
    number, variance = x.numel(), 1 - alpha_bar
    assert abs(x.double().mean() - math.sqrt(alpha_bar) * image) < 5 * math.sqrt(variance / number)
    assert abs(x.double().var() / variance - 1) < 5 * math.sqrt(2 / number)


@pytest.mark.parametrize("image", [-0.6, 0.9])
def test_reverse_step_undoes_a_forward_step(image):
    """Si le bruit prédit est exact, x_t tiré de q(x_t | x0) donne x_{t-1} de q(x_{t-1} | x0)."""
    x0 = torch.full((50_000, 1, 1, 1), image)
    ddpm = oracle(x0[:1], 10, 0.05, 0.4)
    for t in (9, 5, 1):
        x = ddpm.reverse_process(ddpm.forward_process(x0, t, torch.randn_like(x0)), t)
        check_law(x, image, ddpm.alpha_bars[t - 1].item())


@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
def test_ddim_keeps_the_law_of_each_instant(eta):
    image = 0.4
    ddpm = oracle(torch.full((1, 1, 1, 1), image), 50, 0.01, 0.3)
    states = list(ddpm.ddim_steps(torch.randn(50_000, 1, 1, 1), 5, eta))
    times = [t for t, _ in states]
    for (_, x), following in zip(states, times[1:], strict=False):
        check_law(x, image, ddpm.alpha_bars[following].item())


def test_exact_noise_gives_back_the_only_image():
    image = images(1)
    ddpm = oracle(image)
    expected = ((image + 1) / 2).expand(3, 1, 8, 8)
    for drawn in (
        ddpm.sample(3, (8, 8)),
        ddpm.sample_ddim(3, 50, image_size=(8, 8)),
        ddpm.sample_ddim(3, 1, image_size=(8, 8)),
        ddpm.sample_ddim(3, 10, eta=1.0, image_size=(8, 8)),
    ):
        # D'un seul pas, x0 est divisé par √ᾱ_T ≈ 1/157 : 2^-24 · 157 · |x| d'arrondi.
        torch.testing.assert_close(drawn, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("timesteps", [1, 40])
def test_full_ddim_with_all_its_noise_is_ancestral_sampling(timesteps):
    ddpm = tiny(timesteps, beta_start=1e-3, beta_end=0.2)
    start = ddpm.noise(3)
    torch.manual_seed(1)
    ancestral = list(ddpm.ancestral_steps(start))
    torch.manual_seed(1)
    ddim = list(ddpm.ddim_steps(start, timesteps, eta=1.0))
    assert [t for t, _ in ancestral] == [t for t, _ in ddim] == list(range(timesteps))[::-1]
    for (_, one), (_, other) in zip(ancestral, ddim, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_only_eta_brings_chance_into_ddim():
    ddpm = tiny()
    start = ddpm.noise(2)
    ends = {eta: [list(ddpm.ddim_steps(start, 5, eta))[-1][1] for _ in range(2)] for eta in (0, 1)}
    assert torch.equal(*ends[0])
    assert not torch.equal(*ends[1])
    before = torch.get_rng_state()
    list(ddpm.ddim_steps(start, 5))
    assert torch.equal(torch.get_rng_state(), before)


def test_each_image_may_be_at_its_own_instant():
    ddpm, x, instants = tiny(), torch.randn(3, 1, 8, 8), torch.tensor([0, 400, 999])
    torch.manual_seed(1)
    together = ddpm.reverse_process(x, instants)
    for index, t in enumerate(instants.tolist()):
        torch.manual_seed(1)  # le même bruit pour tout le lot
        alone = ddpm.reverse_process(x, t)
        torch.testing.assert_close(together[index], alone[index], atol=1e-6, rtol=1e-5)


def test_last_ancestral_step_adds_no_noise():
    ddpm, x = tiny(), torch.randn(2, 1, 28, 28)
    assert torch.equal(ddpm.reverse_process(x, 0), ddpm.reverse_process(x, 0))
    assert not torch.equal(ddpm.reverse_process(x, 1), ddpm.reverse_process(x, 1))


@pytest.mark.parametrize("timesteps", [1, 7, 1000])
def test_ddim_instants(timesteps):
    ddpm = DDPM(Zero(), timesteps)
    assert ddpm.ddim_times(timesteps) == list(range(timesteps))[::-1]
    for steps in range(1, timesteps + 1):
        times = ddpm.ddim_times(steps)
        assert len(times) == steps
        assert times[0] == timesteps - 1
        assert times[-1] >= 0
        assert all(a > b for a, b in zip(times[:-1], times[1:], strict=True))


@pytest.mark.parametrize(("steps", "gap"), [(10, 100), (20, 50), (50, 20), (100, 10)])
def test_ddim_instants_are_regular(steps, gap):
    assert DDPM(Zero()).ddim_times(steps) == list(range(999, 0, -gap))


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_impossible_number_of_ddim_steps_is_refused(steps):
    ddpm = DDPM(Zero())
    for call in (
        lambda: ddpm.ddim_times(steps),
        lambda: ddpm.sample_ddim(1, steps),
        lambda: next(ddpm.ddim_steps(torch.randn(1, 1, 8, 8), steps)),
    ):
        with pytest.raises(ValueError, match=rf"de 1 à 1000 .*, reçu steps = {steps}"):
            call()


@pytest.mark.parametrize("eta", [-0.1, 1.5, math.nan])
def test_impossible_eta_is_refused(eta):
    with pytest.raises(ValueError, match="eta doit être entre 0 et 1, reçu"):
        DDPM(Zero()).sample_ddim(1, 10, eta)


# --- tirages --------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_samples_are_images(channels):
    ddpm = DDPM(UNet(channels, channels, 8, width=2).eval(), 5, 0.1, 0.3)
    torch.manual_seed(2)
    drawn = [ddpm.sample(2, (9, 12)), ddpm.sample_ddim(2, 3, image_size=(9, 12))]
    for x in drawn:
        assert x.shape == (2, channels, 9, 12)
        assert x.dtype == torch.float32
        assert x.min() >= 0
        assert x.max() <= 1
        assert not x.requires_grad
    torch.manual_seed(2)
    assert torch.equal(ddpm.sample(2, (9, 12)), drawn[0])
    assert not torch.equal(ddpm.sample(2, (9, 12)), drawn[0])


def test_default_samples_are_those_of_the_lab():
    ddpm = tiny(50)
    assert ddpm.sample().shape == (16, 1, 28, 28)
    assert ddpm.sample_ddim().shape == (16, 1, 28, 28)


def test_samples_match_the_steps_one_looks_at():
    ddpm = tiny(6)
    torch.manual_seed(3)
    *_, (t, last) = ddpm.ancestral_steps(ddpm.noise(2))
    torch.manual_seed(3)
    assert t == 0
    assert torch.equal(ddpm.sample(2), ((last + 1) / 2).clamp(0, 1))
    torch.manual_seed(3)
    *_, (_, last) = ddpm.ddim_steps(ddpm.noise(2), 4, 0.5)
    torch.manual_seed(3)
    assert torch.equal(ddpm.sample_ddim(2, 4, 0.5), ((last + 1) / 2).clamp(0, 1))


def test_starting_noise_is_a_standard_gaussian():
    x = tiny().noise(64, (28, 28))
    assert abs(x.mean().item()) < 5 / math.sqrt(x.numel())
    assert abs(x.var().item() - 1) < 5 * math.sqrt(2 / x.numel())


@pytest.mark.parametrize("number", [0, -3])
def test_no_image_asked_is_refused(number):
    ddpm = DDPM(Zero())
    for call in (ddpm.sample, ddpm.sample_ddim, ddpm.noise):
        with pytest.raises(ValueError, match=f"au moins une image, reçu {number}"):
            call(number)


def test_prediction_keeps_no_gradient_and_is_float32(monkeypatch):
    ddpm, x = tiny(), torch.randn(2, 1, 28, 28)
    exact = ddpm.predict_noise(x, 5)
    monkeypatch.setattr(
        diffusion, "fast_inference", lambda device: torch.autocast("cpu", torch.bfloat16)
    )
    rounded = ddpm.predict_noise(x, 5)
    assert rounded.dtype == torch.float32
    assert not rounded.requires_grad
    # bf16 garde huit bits : 2^-8 d'écart par opération, une vingtaine de couches de suite.
    assert not torch.equal(rounded, exact)
    torch.testing.assert_close(rounded, exact, atol=0.05 * exact.abs().max().item(), rtol=0)


# --- guidance -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("guidance", "factors"), [
    (1, (3, 5)), (0, (1, 1)), (2, (5, 9)), (0.5, (2, 3)),  # 1 + s (f - 1), f de la classe
])  # fmt: skip
def test_guidance_extrapolates_from_the_unconditional_noise(guidance, factors):
    ddpm, x = DDPM(ByClass()), torch.randn(2, 1, 8, 8)
    expected = torch.tensor(factors, dtype=torch.float32)[:, None, None, None] * x
    found = ddpm.predict_noise(x, 7, torch.tensor([0, 1]), guidance)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(ddpm.predict_noise(x, 7), x)


def test_guidance_of_a_unet_is_the_formula_over_two_passes():
    unet = UNet(width=4, num_classes=10).eval()
    ddpm, x, t = DDPM(unet), torch.randn(3, 1, 28, 28), torch.tensor([0, 400, 999])
    labels = torch.tensor([1, 0, 9])
    with torch.no_grad():
        without, conditional = unet(x, t), unet(x, t, labels)
    found = ddpm.predict_noise(x, t, labels, 3.0)
    torch.testing.assert_close(found, without + 3 * (conditional - without))


def test_labels_and_guidance_reach_every_sampler():
    ddpm, labels = DDPM(ByClass(), 10, 0.05, 0.4), torch.tensor([0, 1, 1])
    guided = {"labels": labels, "guidance": 2.0}
    start = ddpm.noise(3, (8, 8))

    def after(make, **options):
        torch.manual_seed(1)
        return [x for _, x in make(start, **options)][0]

    for make in (ddpm.ancestral_steps, lambda x, **options: ddpm.ddim_steps(x, 4, **options)):
        plain, conditional = after(make), after(make, labels=labels)
        assert not torch.equal(plain, conditional)
        assert not torch.equal(conditional, after(make, **guided))
        torch.testing.assert_close(after(make, labels=labels, guidance=0.0), plain)
    for make, steps in ((ddpm.sample, {}), (ddpm.sample_ddim, {"steps": 4})):
        draws = []
        for options in ({}, {"labels": labels}, guided):
            torch.manual_seed(1)
            draws.append(make(3, image_size=(8, 8), **steps, **options))
        assert not torch.equal(draws[0], draws[1])
        assert not torch.equal(draws[1], draws[2])


@pytest.mark.parametrize("options", [
    {"labels": torch.tensor([0])}, {"guidance": 2.0}, {"labels": torch.tensor([0]), "guidance": 2},
])  # fmt: skip
def test_guiding_an_unconditional_model_is_refused(options):
    ddpm = tiny(10)
    for call in (
        lambda: ddpm.sample(1, **options),
        lambda: ddpm.sample_ddim(1, 5, **options),
        lambda: ddpm.predict_noise(torch.randn(1, 1, 28, 28), 3, **options),
        lambda: ddpm.reverse_process(torch.randn(1, 1, 28, 28), 3, **options),
    ):
        with pytest.raises(ValueError, match="n'a pas de classes : entraînez un UNet"):
            call()


def test_training_an_unconditional_model_with_labels_is_refused():
    with pytest.raises(ValueError, match="n'a pas de classes : entraînez un UNet"):
        tiny(10).loss(images(4, 28), torch.tensor([0, 1, 2, 3]))


@pytest.mark.parametrize("guidance", [0.0, 2.0])
def test_guidance_without_labels_is_refused(guidance):
    with pytest.raises(ValueError, match=rf"guidance = {guidance}\) demande des classes"):
        DDPM(ByClass()).sample_ddim(1, 5, guidance=guidance)


@pytest.mark.parametrize("guidance", [-0.5, math.nan])
def test_negative_guidance_is_refused(guidance):
    with pytest.raises(ValueError, match="guidance doit être positive ou nulle, reçu"):
        DDPM(ByClass()).sample_ddim(1, 5, labels=torch.tensor([0]), guidance=guidance)


@pytest.mark.parametrize("labels", [[0, 11], [-1, 2], [3]])
@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_samples_of_impossible_labels_are_refused(labels, guidance):
    ddpm = DDPM(UNet(width=2, num_classes=10).eval(), 10)
    with pytest.raises(ValueError, match="entre 0 et 9 attendues"):
        ddpm.sample_ddim(2, 5, labels=torch.tensor(labels), guidance=guidance)


# --- apprendre ------------------------------------------------------------------------------------


def test_a_small_model_learns_the_only_image_it_sees():
    ddpm = DDPM(UNet(width=8, time_emb_dim=16), 20, 0.01, 0.5)
    optimizer = torch.optim.Adam(ddpm.parameters(), lr=5e-3)
    image = torch.sign(torch.randn(1, 1, 8, 8))
    losses = []
    for _ in range(80):
        optimizer.zero_grad()
        loss = ddpm.loss(image.expand(32, 1, 8, 8))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-20:]) / 20 < 0.3  # ne rien prédire vaut 1
    for drawn in (ddpm.sample(8, (8, 8)), ddpm.sample_ddim(8, 10, image_size=(8, 8))):
        # Une image grise en serait à 1, une autre image de ±1 aussi, en moyenne.
        assert (2 * drawn - 1 - image).abs().mean() < 0.4
