"""Le générateur de StyleGAN3 : ses nombres, contre l'original et contre une écriture naïve."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import labkit
from labkit.equivariance import eq_r, eq_t
from labkit.models import stylegan3
from labkit.models.stylegan3 import Generator, filters, motion, z_from_seed
from labkit.training import moving_average

signal = pytest.importorskip("scipy.signal", reason="SciPy vient avec scikit-learn")

SMALL = {
    "z_dim": 8, "c_dim": 0, "w_dim": 8, "img_resolution": 16, "img_channels": 1,
    "channel_base": 128, "channel_max": 8, "num_layers": 4,
}  # fmt: skip
R = {"conv_kernel": 1, "use_radial_filters": True}


def fixtures(case: str) -> Path:
    """Le dossier des nombres de l'original : ici pour le plus petit cas, sinon près des données."""
    here = Path(__file__).parent / "original"
    if (here / f"{case}.json").is_file():
        return here
    beside = Path(os.environ.get("LABKIT_DATA", Path(labkit.__file__).parents[2] / "shared/data"))
    return beside.absolute().parent / "fixtures" / "stylegan3"


def generator(seed=0, **settings) -> Generator:
    """Un générateur dont aucun paramètre, ni aucune moyenne, n'est à sa valeur de départ."""
    torch.manual_seed(seed)
    model = Generator(**{**SMALL, **settings})
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith(("bias", "w_avg")):
                value += 0.3 * torch.randn_like(value)
            if name.endswith("magnitude_ema"):
                value.uniform_(0.5, 2)
        model.synthesis.input.affine.weight.normal_()
    return model.eval()


# --- l'original -----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["t32-gris", "r32-gris-classes", "t64-couleur"])
def test_the_numbers_of_the_original(case):
    from safetensors.torch import load_file

    folder = fixtures(case)
    if not folder.is_dir():
        pytest.skip(f"pas de nombres de l'original dans {folder}")
    card = json.loads((folder / f"{case}.json").read_text(encoding="utf-8"))
    numbers = np.load(folder / f"{case}.npz")
    weights = load_file(folder / f"{case}.safetensors")
    model = Generator(**card["config"]).eval()
    for name, built in model.state_dict().items():
        if name.endswith("_filter"):
            assert (built - weights[name]).abs().max() < 1e-7
    model.load_state_dict(weights, strict=True)
    assert labkit.count_parameters(model) == card["num_params"]
    assert (model.num_ws, model.synthesis.layer_names) == (card["num_ws"], card["layers"])
    z = z_from_seed(card["seeds"], card["config"]["z_dim"])
    assert torch.equal(z, torch.from_numpy(numbers["z"]))
    with torch.no_grad():
        for psi in (1.0, 0.7, 0.5):
            w = model.mapping(z, card["labels"], truncation_psi=psi)
            assert np.abs(w[:, 0].numpy() - numbers[f"w_psi{psi}"]).max() < 1e-5
            images = model.synthesis(w).numpy()
            assert np.abs(images - numbers[f"images_psi{psi}"]).max() < 1e-5


# --- une écriture naïve, en float64 ---------------------------------------------------------------


def naive_resampling(x, kernel, up, down, before, after):
    """Des zéros entre les échantillons, un bord, un filtre, un échantillon gardé sur `down`."""
    grid = np.zeros((x.shape[0] * up, x.shape[1] * up))
    grid[::up, ::up] = x
    low, high = max(before, 0), max(after, 0)
    grid = np.pad(grid, (low, high))
    side = len(grid) - low - high + before + after
    start = max(-before, 0)
    grid = grid[start : start + side, start : start + side]
    plane = kernel if kernel.ndim == 2 else np.outer(kernel, kernel)
    return signal.convolve2d(grid, plane, mode="valid")[::down, ::down]


def naive_layer(layer, x, w):
    """Une couche, image par image : poids modulés, puis filtres de SciPy."""
    state = {name: value.double().numpy() for name, value in layer.state_dict().items()}
    scale = math.sqrt(state["affine.weight"].shape[1])
    styles = w @ state["affine.weight"].T / scale + state["affine.bias"]
    results = []
    for image, style in zip(x, styles, strict=True):
        weight = state["weight"] * style[:, None, None]
        if layer.is_torgb:
            weight = weight / math.sqrt(weight[0].size)
        else:
            weight = weight / np.sqrt((weight**2).sum(axis=(1, 2, 3), keepdims=True))
        weight = weight / math.sqrt(state["magnitude_ema"])
        side = weight.shape[-1]
        y = F.conv2d(torch.from_numpy(image), torch.from_numpy(weight), padding=side - 1).numpy()
        y = y + state["bias"][:, None, None]
        results.append(y if layer.is_torgb else naive_filtered(layer, state, y))
    return np.stack(results)


def naive_filtered(layer, state, maps):
    how, size_in, size_out = layer.resampling, maps.shape[-1], layer.target.size
    up, down = state.get("up_filter", np.ones(1)), state.get("down_filter", np.ones(1))
    total = (size_out - 1) * how.down + 1 - size_in * how.up + len(up) + len(down) - 2
    before = (total + how.up) // 2
    results = []
    for y in maps:
        y = naive_resampling(y, up * how.up, how.up, 1, before, total - before)
        y = np.clip(np.where(y > 0, y, 0.2 * y) * math.sqrt(2), -layer.conv_clamp, layer.conv_clamp)
        results.append(naive_resampling(y, down, 1, how.down, 0, 0))
    return np.stack(results)


def naive_synthesis(model, w):
    synthesis, w = model.synthesis, w.double()
    with torch.no_grad():
        x = synthesis.input.double()(w[:, 0]).numpy()
    for i, name in enumerate(synthesis.layer_names):
        x = naive_layer(getattr(synthesis, name), x, w[:, i + 1].numpy())
    return synthesis.output_scale * x


@pytest.mark.parametrize("widest", [200, 0])
@pytest.mark.parametrize("settings", [
    {}, R, {"conv_clamp": 0.5}, {"margin_size": 3, "filter_size": 4, "num_critical": 1},
    {"lrelu_upsampling": 4, "output_scale": 1.0}, {"lrelu_upsampling": 1, "num_critical": 0},
    {"first_cutoff": 1.0, "first_stopband": 2.5, "last_stopband_rel": 1.5, "img_channels": 3},
    {**R, "filter_size": 5, "num_layers": 6, "img_resolution": 32},
])  # fmt: skip
def test_synthesis_is_the_naive_one(settings, widest, monkeypatch):
    monkeypatch.setattr(filters, "WIDEST_MATRIX", widest)  # 0 : tout par convolution
    model = generator(**settings)
    w = torch.randn(2, model.num_ws, 8)
    with torch.no_grad():
        images = model.synthesis(w).numpy()
    expected = naive_synthesis(model, w)
    assert np.abs(images - expected).max() < 2e-5 * max(1, np.abs(expected).max())


def test_mapping_is_the_formula():
    model = generator(c_dim=3, mapping_kwargs={"num_layers": 3, "lr_multiplier": 0.1})
    mapping, z, c = model.mapping, torch.randn(4, 8), [0, 2, 1, 1]

    def unit(x):
        return x / (x**2).mean(dim=1, keepdim=True).sqrt()

    embedded = F.one_hot(torch.tensor(c), 3).float() @ mapping.embed.weight.T / math.sqrt(3)
    x = torch.cat([unit(z), unit(embedded + mapping.embed.bias)], dim=1)
    for i in range(3):
        layer = getattr(mapping, f"fc{i}")
        x = 0.1 * (x @ layer.weight.T / math.sqrt(x.shape[1]) + layer.bias)
        x = math.sqrt(2) * torch.where(x > 0, x, 0.2 * x)
    assert torch.allclose(mapping(z, c)[:, 0], x, atol=1e-5)
    for psi in (0.7, 0, -1, 1.5):
        truncated = mapping.w_avg + psi * (x - mapping.w_avg)
        assert torch.allclose(mapping(z, c, truncation_psi=psi)[:, -1], truncated, atol=1e-5)


def test_classes_are_integers_or_vectors():
    model, z = generator(c_dim=3), torch.randn(2, 8)
    vectors = F.one_hot(torch.tensor([2, 0]), 3).float()
    assert torch.equal(model.mapping(z, vectors), model.mapping(z, [2, 0]))
    assert not torch.equal(model.mapping(z, [2, 0]), model.mapping(z, [2, 1]))


def test_input_is_a_sum_of_sines_of_the_learned_plane():
    model = generator()
    layer, w = model.synthesis.input, torch.randn(1, 8)
    layer.transform.copy_(motion((0.1, -0.2), 0.4))
    cos, sin, x, y = (w @ layer.affine.weight.T / math.sqrt(8) + layer.affine.bias)[0].tolist()
    norm = math.hypot(cos, sin)
    cos, sin, x, y = cos / norm, sin / norm, x / norm, y / norm
    row, column = 3, 11
    side, rate, cutoff = layer.signal.size, layer.signal.rate, layer.signal.cutoff
    p = torch.tensor([(column - (side - 1) / 2) / rate, (row - (side - 1) / 2) / rate, 1.0])
    p = layer.transform @ p
    p = torch.tensor([[cos, -sin], [sin, cos]]) @ (p[:2] - torch.tensor([x, y]))
    fade = 1 - (layer.freqs.norm(dim=1) - cutoff) / (rate / 2 - cutoff)
    waves = torch.sin(2 * math.pi * (layer.freqs @ p + layer.phases)) * fade.clamp(0, 1)
    expected = layer.weight @ waves / math.sqrt(len(waves))
    assert torch.allclose(layer(w)[0, :, row, column], expected, atol=1e-5)


def test_frequencies_are_uniform_in_the_disc():
    torch.manual_seed(0)
    model = Generator(**{**SMALL, "channel_base": 2**16, "channel_max": 4000})
    radius = model.synthesis.input.freqs.norm(dim=1)
    assert radius.max() <= 2
    assert (radius < math.sqrt(2)).float().mean() == pytest.approx(0.5, abs=0.03)  # demi-surface


# --- l'apprentissage ------------------------------------------------------------------------------


def test_training_updates_the_averages_and_evaluation_does_not():
    model = generator()
    layer = getattr(model.synthesis, model.synthesis.layer_names[0])
    before = {name: value.clone() for name, value in model.state_dict().items()}
    z = torch.randn(4, 8)
    model(z)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    w = model.mapping(z)[:, 0].mean(dim=0)
    power = model.synthesis.input(model.mapping(z)[:, 0]).square().mean()
    model.train()(z)
    expected = 0.998 * before["mapping.w_avg"] + 0.002 * w
    assert torch.allclose(model.mapping.w_avg, expected, atol=1e-6)
    old = before[f"synthesis.{model.synthesis.layer_names[0]}.magnitude_ema"]
    assert layer.magnitude_ema == pytest.approx((0.999 * old + 0.001 * power).item(), rel=1e-6)


def test_the_magnitude_average_brings_every_layer_to_unit_power():
    torch.manual_seed(0)
    model = Generator(**SMALL, magnitude_ema_beta=0.0, output_scale=1.0)
    model(torch.randn(64, 8))
    powers = {}
    for name, layer in model.synthesis.named_children():
        layer.register_forward_hook(
            lambda _, __, x, name=name: powers.update({name: x.square().mean().item()})
        )
    model.eval()(torch.randn(64, 8))
    names = model.synthesis.layer_names[:-1]
    assert all(0.2 < powers[name] < 5 for name in names), powers


def test_every_parameter_learns():
    model = generator(c_dim=3).train()
    model(torch.randn(4, 8), [0, 1, 2, 0]).square().sum().backward()
    assert {n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()} == set()


@pytest.mark.parametrize("settings", [{}, R, {"alias_free": False}])
def test_gradients_are_those_of_finite_differences(settings):
    model = generator(img_resolution=8, num_layers=3, channel_max=3, conv_clamp=None, **settings)
    model.double()
    w = torch.randn(2, model.num_ws, 8, dtype=torch.float64)
    direction = torch.randn_like(w)
    with torch.no_grad():
        steps = [synthesized_sum(model, w + h * direction) for h in (1e-6, -1e-6)]
    w.requires_grad_()
    synthesized_sum(model, w).backward()
    slope = (steps[0] - steps[1]) / 2e-6
    assert (w.grad * direction).sum().item() == pytest.approx(slope.item(), rel=1e-4)


def synthesized_sum(model, w):
    torch.manual_seed(3)
    images = model.synthesis(w)
    return (images.double() * torch.randn(images.shape)).sum()


def test_the_averaged_weights_keep_the_averages_of_the_model():
    model = generator().train()
    average = moving_average(model)
    model(torch.randn(4, 8))
    average.update_parameters(model)
    assert torch.equal(average.module.mapping.w_avg, model.mapping.w_avg)


def test_the_twin_has_the_same_parameters():
    original, twin = generator(), generator(alias_free=False)
    twin.load_state_dict(original.state_dict(), strict=True)
    w = torch.randn(3, original.num_ws, 8)
    assert (original.synthesis(w) - twin.synthesis(w)).abs().max() > 1e-3


# --- les déplacements -----------------------------------------------------------------------------


def decibels(measure, seed, **settings):
    model = generator(seed, img_resolution=32, num_layers=6, output_scale=1.0, **settings)
    model.train()
    for layer in model.modules():
        if hasattr(layer, "magnitude_ema_beta"):
            layer.magnitude_ema_beta = 0.0
    model(torch.randn(16, 8))  # chaque couche à la puissance 1
    w = model.eval().mapping(torch.randn(4, 8))
    return measure(model.synthesis, w, 4)


def test_an_integer_translation_moves_the_image():
    """Plus de 60 dB avec la LeakyReLU filtrée, pour tout tirage ; 20 de moins sans."""
    for seed in range(3):
        filtered = decibels(eq_t, seed)
        assert filtered > 60
        assert filtered > decibels(eq_t, seed, alias_free=False) + 20


def test_only_radial_filters_turn_with_the_input():
    for seed in range(3):
        radial = decibels(eq_r, seed, **R)
        assert radial > 45
        assert radial > decibels(eq_r, seed) + 15


def test_a_motion_is_composed_with_that_of_the_checkpoint():
    """Après un quart de tour déjà noté dans `transform`, déplacer l'image la déplace encore."""
    model = generator(img_resolution=32, num_layers=6)
    model.synthesis.input.transform.copy_(motion(angle=1.0))
    w = torch.randn(1, model.num_ws, 8)
    still = model.synthesis(w)
    moved = model.synthesis(w, motion((4 / 32, -2 / 32)))
    assert (moved[..., :-2, 4:] - still[..., 2:, :-4]).abs().max() < 1e-2 * still.std()


def test_one_motion_for_each_image():
    model = generator()
    w = torch.randn(2, model.num_ws, 8)
    moves = torch.stack([motion(), motion((0.25, 0.0), 0.3)])
    both = model.synthesis(w, moves)
    for i in range(2):
        assert torch.allclose(both[i], model.synthesis(w[i : i + 1], moves[i])[0], atol=1e-5)


def test_a_motion_turns_then_moves():
    x, y, _ = motion((0.5, 0.25), math.pi / 2) @ torch.tensor([1.0, 0.0, 1.0])
    assert (x.item(), y.item()) == pytest.approx((0.5, 1.25))


# --- z et les erreurs -----------------------------------------------------------------------------


def test_z_is_drawn_as_the_original_tool_does():
    z = z_from_seed([2, 674], 5)
    assert np.array_equal(z[0].numpy(), np.random.RandomState(2).randn(5).astype(np.float32))
    assert torch.equal(z[1:], z_from_seed(674, 5))


@pytest.mark.parametrize("psi", [math.nan, math.inf, -math.inf])
def test_a_truncation_that_is_not_finite_is_refused(psi):
    with pytest.raises(ValueError, match=f"truncation_psi : un nombre fini attendu, reçu {psi}"):
        generator().mapping(torch.randn(1, 8), truncation_psi=psi)


def test_a_truncation_that_is_not_a_number_is_refused():
    with pytest.raises(TypeError, match="truncation_psi attend un nombre, reçu '0.7'"):
        generator().mapping(torch.randn(1, 8), truncation_psi="0.7")


@pytest.mark.parametrize(("c", "message"), [
    (None, "attend une classe par image, un entier de 0 à 2"),
    ([3], "entre 0 et 2 attendues.*reçu de 3 à 3"),
    ([-1], "reçu de -1 à -1"),
    ([0, 1], r"reçu torch.int64 \[2\]"),
    ([0.5], "reçu torch.float32"),
    (torch.zeros(1, 4), r"c : \[1, 3\] attendu, reçu \[1, 4\]"),
])  # fmt: skip
def test_a_wrong_class_is_refused(c, message):
    with pytest.raises(ValueError, match=message):
        generator(c_dim=3).mapping(torch.randn(1, 8), c)


def test_a_class_too_many_is_refused():
    model = generator()
    with pytest.raises(ValueError, match="ne lit pas de classe"):
        model.mapping(torch.randn(1, 8), [0])
    z = torch.randn(1, 8)
    assert torch.equal(model.mapping(z, torch.zeros(1, 0)), model.mapping(z))  # comme l'original


def test_other_wrong_inputs_are_refused():
    model = generator()
    with pytest.raises(ValueError, match=r"codes z \[B, 8\] attendus"):
        model.mapping(torch.randn(1, 9))
    with pytest.raises(ValueError, match=r"styles w \[B, 6, 8\] ou \[B, 8\] attendus"):
        model.synthesis(torch.randn(1, 5, 8))
    with pytest.raises(ValueError, match=r"motion : une matrice \[3, 3\]"):
        model.synthesis(torch.randn(1, 8), torch.eye(2))
    with pytest.raises(ValueError, match="puissance de deux"):
        Generator(**{**SMALL, "img_resolution": 28})
    with pytest.raises(ValueError, match="z_dim doit valoir au moins 1"):
        Generator(**{**SMALL, "z_dim": 0})


def test_a_single_style_serves_every_layer():
    model, w = generator(), torch.randn(2, 8)
    repeated = w[:, None].expand(-1, model.num_ws, -1)
    assert torch.equal(model.synthesis(w), model.synthesis(repeated))


def test_a_new_model_is_reached_by_its_path():
    architecture = {"class": "labkit.models.stylegan3.Generator", **SMALL}
    assert isinstance(labkit.build(architecture), stylegan3.Generator)
    assert isinstance(labkit.build(architecture), nn.Module)
