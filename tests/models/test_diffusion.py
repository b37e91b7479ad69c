"""La diffusion du lab 08 : programmes, aller, perte, contre diffusers et contre leurs lois."""

import math
import warnings

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

from labkit.data import ImageSet
from labkit.models import DDPM, UNet, cosine_betas, linear_betas
from tests.models.diffusion_toys import SCHEDULES, Zero, images, oracle, tiny


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


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
    with pytest.raises(ValueError, match=f"doit valoir au moins 1, reçu timesteps={timesteps}"):
        DDPM(Zero(), timesteps, schedule=schedule)
    with pytest.raises(ValueError, match="timesteps doit valoir au moins 1"):
        cosine_betas(timesteps)


def test_unknown_schedule_is_refused():
    message = "programme 'sqrt' inconnu : choisissez 'linear' ou 'cosine'"
    with pytest.raises(ValueError, match=message):
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
    with pytest.raises(ValueError, match=r"images \[B, C, H, W\] attendues, .* reçu \[1, 28, 28\]"):
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


def test_training_an_unconditional_model_with_labels_is_refused():
    with pytest.raises(ValueError, match="n'a pas de classes : entraînez un UNet"):
        tiny(10).loss(images(4, 28), torch.tensor([0, 1, 2, 3]))


@pytest.mark.parametrize(
    "x0", [torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.zeros(2, 1, 8, 8).int()]
)
def test_integer_images_are_refused(x0):
    ddpm = DDPM(Zero())
    for call in (lambda: ddpm.loss(x0), lambda: ddpm.forward_process(x0, 3, x0)):
        with pytest.raises(ValueError, match=r"nombres réels attendus, reçu torch.*127.5 - 1"):
            call()


def test_what_is_not_a_tensor_is_refused():
    with pytest.raises(ValueError, match="un tenseur est attendu, reçu ndarray"):
        DDPM(Zero()).loss(images().numpy())


def test_images_left_in_the_unit_interval_are_pointed_out_once():
    ddpm = DDPM(Zero())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(5):
            ddpm.loss(images().abs())
    (warning,) = caught
    assert "aucun pixel de x0 n'est négatif" in str(warning.message)
    assert "value_range=(-1., 1.)" in str(warning.message)
    assert warning.filename == __file__  # la ligne montrée est celle de l'appelant


def test_images_of_the_right_range_are_not_pointed_out():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DDPM(Zero()).loss(images())


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


# --- ce que l'on donne de travers -----------------------------------------------------------------


@pytest.mark.parametrize(("options", "message"), [
    ({"timesteps": 2.5}, "timesteps attend un nombre entier, reçu 2.5 : écrivez timesteps=3"),
    ({"timesteps": "50", "schedule": "cosine"}, "reçu '50' : écrivez timesteps=50"),
    ({"beta_start": "1e-4"}, "beta_start attend .*, reçu '1e-4' : écrivez beta_start=0.0001"),
    ({"beta_end": None}, "beta_end attend un nombre, reçu None"),
])  # fmt: skip
def test_settings_of_another_type_are_refused(options, message):
    with pytest.raises(TypeError, match=message):
        DDPM(Zero(), **options)


def test_timesteps_of_numpy_make_the_same_schedule():
    ddpm = DDPM(Zero(), np.int64(7))
    assert type(ddpm.timesteps) is int
    assert torch.equal(ddpm.betas, DDPM(Zero(), 7).betas)


@pytest.mark.parametrize(
    ("x0", "message"),
    [
        (torch.zeros(2, 3, 8, 8), r"images \[B, 1, H, W\] attendues, .* reçu \[2, 3, 8, 8\]"),
        (torch.zeros(0, 1, 8, 8), r"au moins une image est attendue, reçu \[0, 1, 8, 8\]"),
    ],
)
def test_batches_the_network_cannot_read_are_refused(x0, message):
    ddpm = tiny(10)
    for call in (lambda: ddpm.loss(x0), lambda: ddpm.forward_process(x0, 3, x0)):
        with pytest.raises(ValueError, match=message):
            call()


def test_the_hidden_share_is_a_proportion():
    ddpm = DDPM(Zero())
    with pytest.raises(TypeError, match="unlabelled attend un nombre, reçu '0.1'"):
        ddpm.loss(images(), unlabelled="0.1")
    with pytest.raises(ValueError, match="une part entre 0 et 1 attendue, reçu 10"):
        ddpm.loss(images(), unlabelled=10)


@pytest.mark.parametrize("t", ["3", [[1], [2, 3]], None])
def test_instants_that_are_not_numbers_are_refused(t):
    with pytest.raises(ValueError, match="instants entiers de 0 à 999 attendus"):
        DDPM(Zero()).predict_noise(images(), t)
