"""Les tirages de la diffusion : DDPM et DDIM contre diffusers et leurs lois, les guidages."""

import math
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from labkit.models import (
    DDPM,
    UNet,
    autoguidance,
    class_guidance,
    cosine_betas,
    linear_betas,
    prediction,
    samplers,
)
from labkit.models.samplers import ddim_times
from tests.models.diffusion_toys import SCHEDULES, ByClass, Zero, images, oracle, tiny


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def float32(monkeypatch):
    """Sans bf16, que les bibliothèques comparées n'emploient pas."""
    monkeypatch.setattr(samplers, "fast_inference", lambda device: nullcontext())


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
    start = ddpm.starting_noise(3)
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
    x = start = ddpm.starting_noise(3, (8, 8))
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
    start = ddpm.starting_noise(3)
    torch.manual_seed(1)
    ancestral = list(ddpm.ancestral_steps(start))
    torch.manual_seed(1)
    ddim = list(ddpm.ddim_steps(start, timesteps, eta=1.0))
    assert [t for t, _ in ancestral] == [t for t, _ in ddim] == list(range(timesteps))[::-1]
    for (_, one), (_, other) in zip(ancestral, ddim, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_only_eta_brings_chance_into_ddim():
    ddpm = tiny()
    start = ddpm.starting_noise(2)
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
    assert ddim_times(timesteps, timesteps) == list(range(timesteps))[::-1]
    for steps in range(1, timesteps + 1):
        times = ddim_times(timesteps, steps)
        assert len(times) == steps
        assert times[0] == timesteps - 1
        assert times[-1] >= 0
        assert all(a > b for a, b in zip(times[:-1], times[1:], strict=True))


@pytest.mark.parametrize(("steps", "gap"), [(10, 100), (20, 50), (50, 20), (100, 10)])
def test_ddim_instants_are_regular(steps, gap):
    assert ddim_times(1000, steps) == list(range(999, 0, -gap))


@pytest.mark.parametrize(("steps", "error", "message"), [
    (0, ValueError, "steps doit valoir au moins 1, reçu steps=0"),
    (-1, ValueError, "steps doit valoir au moins 1, reçu steps=-1"),
    (1001, ValueError, "de 1 à 1000 .*, reçu steps = 1001"),
    (2.5, TypeError, "steps attend un nombre entier, reçu 2.5"),
    ("10", TypeError, "steps attend un nombre entier, reçu '10' : écrivez steps=10"),
])  # fmt: skip
def test_impossible_number_of_ddim_steps_is_refused(steps, error, message):
    ddpm = DDPM(Zero())
    for call in (
        lambda: ddim_times(1000, steps),
        lambda: ddpm.sample_ddim(1, steps),
        lambda: ddpm.ddim_steps(torch.randn(1, 1, 8, 8), steps),
    ):
        with pytest.raises(error, match=message):
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
    *_, (t, last) = ddpm.ancestral_steps(ddpm.starting_noise(2))
    torch.manual_seed(3)
    assert t == 0
    assert torch.equal(ddpm.sample(2), ((last + 1) / 2).clamp(0, 1))
    torch.manual_seed(3)
    *_, (_, last) = ddpm.ddim_steps(ddpm.starting_noise(2), 4, 0.5)
    torch.manual_seed(3)
    assert torch.equal(ddpm.sample_ddim(2, 4, 0.5), ((last + 1) / 2).clamp(0, 1))


def test_starting_noise_is_a_standard_gaussian():
    x = tiny().starting_noise(64, (28, 28))
    assert abs(x.mean().item()) < 5 / math.sqrt(x.numel())
    assert abs(x.var().item() - 1) < 5 * math.sqrt(2 / x.numel())


@pytest.mark.parametrize("number", [0, -3])
def test_no_image_asked_is_refused(number):
    ddpm = DDPM(Zero())
    for call in (ddpm.sample, ddpm.sample_ddim, ddpm.starting_noise):
        with pytest.raises(ValueError, match=f"doit valoir au moins 1, reçu num_samples={number}"):
            call(number)


def test_prediction_keeps_no_gradient_and_is_float32(monkeypatch):
    ddpm, x = tiny(), torch.randn(2, 1, 28, 28)
    exact = ddpm.predict_noise(x, 5)
    monkeypatch.setattr(
        samplers, "fast_inference", lambda device: torch.autocast("cpu", torch.bfloat16)
    )
    rounded = ddpm.predict_noise(x, 5)
    assert rounded.dtype == torch.float32
    assert not rounded.requires_grad
    # bf16 garde huit bits : 2^-8 d'écart par opération, une vingtaine de couches de suite.
    assert not torch.equal(rounded, exact)
    torch.testing.assert_close(rounded, exact, atol=0.05 * exact.abs().max().item(), rtol=0)


# --- guidages -------------------------------------------------------------------------------------


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
    start = ddpm.starting_noise(3, (8, 8))

    def after(make, predict=None):
        torch.manual_seed(1)
        return [x for _, x in make(start, predict=predict)][0]

    for make in (ddpm.ancestral_steps, lambda x, predict: ddpm.ddim_steps(x, 4, predict=predict)):
        plain, conditional = after(make), after(make, prediction(ddpm.model, labels))
        assert not torch.equal(plain, conditional)
        assert not torch.equal(conditional, after(make, class_guidance(ddpm.model, labels, 2.0)))
        torch.testing.assert_close(after(make, class_guidance(ddpm.model, labels, 0.0)), plain)
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
        lambda: prediction(ddpm.model, [0]),
        lambda: class_guidance(ddpm.model, [0], 2.0),
    ):
        with pytest.raises(ValueError, match="n'a pas de classes : entraînez un UNet"):
            call()


@pytest.mark.parametrize("guidance", [0.0, 2.0])
def test_guidance_without_labels_is_refused(guidance):
    with pytest.raises(ValueError, match=rf"guidance = {guidance}\) demande des classes"):
        DDPM(ByClass()).sample_ddim(1, 5, guidance=guidance)


@pytest.mark.parametrize("guidance", [-0.5, math.nan])
def test_negative_guidance_is_refused(guidance):
    with pytest.raises(ValueError, match="guidage doit être positive ou nulle, reçu"):
        DDPM(ByClass()).sample_ddim(1, 5, labels=torch.tensor([0]), guidance=guidance)
    with pytest.raises(ValueError, match="guidage doit être positive ou nulle, reçu"):
        autoguidance(Zero(), Zero(), guidance)


@pytest.mark.parametrize("labels", [[0, 11], [-1, 2], [3]])
@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_samples_of_impossible_labels_are_refused(labels, guidance):
    ddpm = DDPM(UNet(width=2, num_classes=10).eval(), 10)
    with pytest.raises(ValueError, match="entre 0 et 9 attendues"):
        ddpm.sample_ddim(2, 5, labels=torch.tensor(labels), guidance=guidance)


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_labels_may_be_a_list(guidance):
    ddpm, x = DDPM(ByClass()), torch.randn(2, 1, 8, 8)
    expected = ddpm.predict_noise(x, 3, torch.tensor([1, 0]), guidance)
    assert torch.equal(ddpm.predict_noise(x, 3, [1, 0], guidance), expected)
    torch.manual_seed(1)
    drawn = ddpm.sample_ddim(2, 5, labels=[1, 0], guidance=guidance)
    torch.manual_seed(1)
    tensor = torch.tensor([1, 0])
    assert torch.equal(ddpm.sample_ddim(2, 5, labels=tensor, guidance=guidance), drawn)


@pytest.mark.parametrize("labels", [[0.0, 1.0], [0, 1, 1], 0, [[0, 1]]])
def test_labels_that_are_not_one_integer_an_image_are_refused(labels):
    ddpm = DDPM(ByClass())
    for call in (
        lambda: ddpm.sample_ddim(2, 5, labels=labels),
        lambda: ddpm.loss(images(2), labels),
    ):
        with pytest.raises(
            ValueError, match=r"labels : classes entières \[2\] entre 0 et 1 .* reçu"
        ):
            call()


@pytest.mark.parametrize(("scale", "factor"), [(0, 5), (1, 2), (1.5, 0.5), (3, -4)])
def test_autoguidance_moves_away_from_the_bad_network(scale, factor):
    """ε_mauvais + s (ε_bon - ε_mauvais), avec ε_bon = 2 x et ε_mauvais = 5 x."""
    predict = autoguidance(lambda x, t: 2 * x, lambda x, t: 5 * x, scale)
    x = torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(predict(x, torch.zeros(3, dtype=torch.long)), factor * x)


@pytest.mark.parametrize(("scale", "images_read"), [(0, 3), (1, 3), (2, 6)])
def test_a_guidance_of_0_or_1_reads_each_image_once(scale, images_read):
    """L'une des deux prédictions ne compte pas : elle n'est pas calculée."""
    x, t = torch.randn(3, 1, 8, 8), torch.zeros(3, dtype=torch.long)
    network = Zero()
    network.num_classes = 2
    class_guidance(network, [0, 1, 0], scale)(x, t)
    assert sum(len(x) for x, _, _ in network.calls) == images_read
    expected = {0: [2, 2, 2], 1: [0, 1, 0], 2: [0, 1, 0, 2, 2, 2]}
    assert network.calls[0][2].tolist() == expected[scale]
    good, bad = Zero(), Zero()
    autoguidance(good, bad, scale)(x, t)
    assert (len(good.calls), len(bad.calls)) == {0: (0, 1), 1: (1, 0), 2: (1, 1)}[scale]


def test_any_function_serves_as_predictor():
    """Les mêmes tirages, que le bruit vienne du réseau, du guidage ou d'une fonction."""
    ddpm, good = tiny(8, beta_start=0.01, beta_end=0.4), UNet(width=2, time_emb_dim=8).eval()

    def draws(predict):
        torch.manual_seed(1)
        one = ddpm.sample(2, predict=predict)
        two = ddpm.sample_ddim(2, 4, eta=0.5, predict=predict)
        three = ddpm.reverse_process(torch.ones(2, 1, 28, 28), 3, predict=predict)
        return torch.stack([one, two, three])

    plain = draws(None)
    assert torch.equal(draws(prediction(ddpm.model)), plain)
    torch.testing.assert_close(draws(autoguidance(ddpm.model, good, 1.0)), plain)
    assert not torch.allclose(draws(autoguidance(ddpm.model, good, 4.0)), plain)
    assert torch.equal(draws(lambda x, t: prediction(good)(x, t)), draws(prediction(good)))


@pytest.mark.parametrize("options", [{"labels": [0]}, {"guidance": 2.0}])
def test_a_predictor_replaces_labels_and_guidance(options):
    ddpm = DDPM(ByClass())
    for call in (ddpm.sample, ddpm.sample_ddim):
        with pytest.raises(ValueError, match="predict remplace labels et guidance"):
            call(1, predict=prediction(ddpm.model), **options)


def test_an_image_size_may_be_one_side():
    ddpm = tiny(3, beta_start=0.1, beta_end=0.3)
    for size in (12, (12, 12), [12, 12], torch.Size([12, 12])):
        assert ddpm.sample(2, size).shape == (2, 1, 12, 12)
        assert ddpm.sample_ddim(2, 2, image_size=size).shape == (2, 1, 12, 12)
        assert ddpm.starting_noise(2, size).shape == (2, 1, 12, 12)


@pytest.mark.parametrize("size", [0, (28, 0), (1, 28, 28), 28.0, "28", None])
def test_another_image_size_is_refused(size):
    with pytest.raises(ValueError, match=r"image_size : \(hauteur, largeur\) attendu, comme"):
        DDPM(Zero()).sample(1, size)


def test_the_loop_checks_nothing_and_runs_the_network_once_a_step(monkeypatch):
    """Les instants sont justes par construction : les vérifier mille fois coûterait pour rien."""
    model = Zero()
    ddpm = DDPM(model, 30, 0.01, 0.2)
    monkeypatch.setattr(DDPM, "_times", lambda *args: pytest.fail("instants vérifiés"))
    ddpm.sample(2, 8)
    assert [t.tolist() for _, t, _ in model.calls] == [[t, t] for t in reversed(range(30))]
    ddpm.sample_ddim(2, 5, image_size=8)
    assert [t.tolist() for _, t, _ in model.calls[30:]] == [[t, t] for t in (29, 23, 17, 11, 5)]


# --- ce que l'on donne de travers -----------------------------------------------------------------


@pytest.mark.parametrize("size", [4, np.int64(4), (4, np.int32(4))])
def test_sizes_of_numpy_are_sides(size):
    assert DDPM(Zero(), 3).sample(np.int64(2), size).shape == (2, 1, 4, 4)


def test_images_too_small_for_the_network_are_refused():
    for call in (tiny(5).sample, tiny(5).starting_noise):
        with pytest.raises(ValueError, match="en pixels entiers, 8 au moins, reçu 4"):
            call(1, 4)
    assert tiny(5).sample(1, 8).shape == (1, 1, 8, 8)


@pytest.mark.parametrize("size", [(28.0, 28), ("28", 28), (True, 28)])
def test_sides_that_are_not_whole_are_refused(size):
    with pytest.raises(ValueError, match="en pixels entiers, 1 au moins, reçu"):
        DDPM(Zero()).starting_noise(1, size)


@pytest.mark.parametrize(("options", "message"), [
    ({"num_samples": "2"}, "num_samples attend un nombre entier, reçu '2' : écrivez num_samples=2"),
    ({"guidance": "3"}, "guidance attend un nombre, reçu '3' : écrivez guidance=3"),
    ({"guidance": None}, "guidance attend un nombre, reçu None"),
])  # fmt: skip
def test_draws_of_another_type_are_refused(options, message):
    ddpm = DDPM(ByClass(), 3)
    for call in (ddpm.sample, ddpm.sample_ddim):
        with pytest.raises(TypeError, match=message):
            call(**{"num_samples": 1, "labels": [0], **options})


def test_eta_and_scale_of_another_type_are_refused():
    with pytest.raises(TypeError, match="eta attend un nombre, reçu '0.5' : écrivez eta=0.5"):
        DDPM(Zero()).sample_ddim(1, 5, "0.5")
    with pytest.raises(TypeError, match="scale attend un nombre, reçu '3'"):
        class_guidance(ByClass(), [0], "3")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([True, False], "reçu torch.bool"),
        (["a", "b"], r"reçu \['a', 'b'\]"),
        ([None, 1], r"reçu \[None, 1\]"),
        ([10, 10], "reçu de 10 à 10"),
        (np.array([-1, 0]), "reçu de -1 à 0"),
    ],
)
def test_labels_are_checked_at_the_edge_of_every_call(labels, said):
    ddpm = DDPM(UNet(width=2, time_emb_dim=8, num_classes=10).eval(), 4)
    x = images(2)
    for call in (
        lambda: ddpm.sample(2, 8, labels),
        lambda: ddpm.sample_ddim(2, 2, image_size=8, labels=labels, guidance=2.0),
        lambda: ddpm.predict_noise(x, 3, labels),
        lambda: ddpm.loss(x, labels),
        lambda: prediction(ddpm.model, labels),
        lambda: class_guidance(ddpm.model, labels, 2.0),
    ):
        with pytest.raises(ValueError, match=f"labels : classes entières .* 0 et 9 .*{said}"):
            call()


def test_labels_of_any_whole_type_draw_the_same():
    ddpm = DDPM(UNet(width=2, time_emb_dim=8, num_classes=10).eval(), 4)

    def draw(labels):
        torch.manual_seed(1)
        return ddpm.sample(2, 8, labels, guidance=2.0)

    expected = draw([3, 9])
    for labels in (torch.tensor([3, 9], dtype=torch.uint8), np.array([3, 9], np.int32), (3, 9)):
        assert torch.equal(draw(labels), expected)


def test_the_network_reads_its_inputs_again_only_when_called_directly(monkeypatch):
    """Relire les classes à chaque pas ferait attendre le GPU mille fois."""
    unet = UNet(width=2, time_emb_dim=8, num_classes=10).eval()
    ddpm, calls, original = DDPM(unet, 20, 0.01, 0.2), [], UNet._check_inputs
    monkeypatch.setattr(
        UNet, "_check_inputs", lambda self, *args: calls.append(args) or original(self, *args)
    )
    ddpm.sample(2, 8, [1, 2], guidance=2.0)
    ddpm.loss(images(2), [1, 2])
    assert calls == []
    unet(images(2), torch.tensor([0, 1]), torch.tensor([1, 10]))
    assert len(calls) == 1
    with pytest.raises(ValueError, match="classes .* entre 0 et 9 attendues"):
        unet(images(2), torch.tensor([0, 1]), torch.tensor([1, 11]))


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (0, 1, 8, 8), (1, 8, 8), (2, 1, 8, 7)])
def test_images_the_network_cannot_read_are_refused_by_every_call(shape):
    ddpm, x = tiny(5), torch.zeros(shape)
    for call in (
        lambda: ddpm.predict_noise(x, 3),
        lambda: ddpm.predict_x0(x, 3, x),
        lambda: ddpm.reverse_process(x, 3),
        lambda: ddpm.ancestral_steps(x),
        lambda: ddpm.ddim_steps(x, 3),
    ):
        with pytest.raises(ValueError, match=r"images \[B, 1, H, W\] attendues, B au"):
            call()


def test_a_predictor_for_another_number_of_images_is_explained():
    ddpm = DDPM(UNet(width=2, time_emb_dim=8, num_classes=10).eval(), 4)
    predict = prediction(ddpm.model, [1, 2, 3])
    with pytest.raises(ValueError, match=r"classes \[2\], une par image, attendues, reçu \[3\]"):
        ddpm.sample(2, 8, predict=predict)
