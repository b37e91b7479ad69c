"""La boucle : comparée à une boucle écrite à la main, interrompue, reprise, partagée, abîmée."""

import copy
import itertools
import json
import math
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from labkit import training
from labkit.data import ImageSet
from labkit.files import FileError
from labkit.training import (
    CheckpointError,
    DivergenceError,
    History,
    fit,
    moving_average,
    pick_device,
    set_seed,
)

PROJECT = Path(__file__).resolve().parents[2]
unix_only = pytest.mark.skipif(
    sys.platform == "win32", reason="os.kill(SIGINT) y tue le processus au lieu de l'interrompre"
)


def regression(count: int = 96, size: int = 16):
    """Lots (x, y) d'une régression linéaire bruitée, et ses données."""
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(count, 3, generator=draws)
    noise = 0.1 * torch.randn(count, 1, generator=draws)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.3 + noise
    return list(zip(x.split(size), y.split(size), strict=True)), x, y


def linear_step(model):
    return lambda batch: {"loss": nn.functional.mse_loss(model(batch[0]), batch[1])}


def same_weights(first: nn.Module, second: nn.Module) -> bool:
    return all(
        torch.equal(a, b)
        for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


def quiet_fit(*args, **options) -> History:
    return fit(*args, **{"log_every": 0, "precision": "fp32", **options})


# --- ce que la boucle calcule ---------------------------------------------------------------------


def test_linear_regression_reaches_least_squares():
    batches, x, y = regression(size=96)
    model = nn.Linear(3, 1)
    history = quiet_fit(linear_step(model), batches, 400, model, lr=0.05)
    design = torch.cat([x, torch.ones(len(x), 1)], dim=1).double()
    solution = torch.linalg.lstsq(design, y.double()).solution
    best = (design @ solution - y).square().mean().item()
    assert history["loss"][-1] == pytest.approx(best, rel=1e-4)
    assert history["loss"][0] > 10 * best
    found = torch.cat([model.weight[0], model.bias]).detach().double()
    torch.testing.assert_close(found, solution[:, 0], atol=1e-3, rtol=0)


class Noisy(nn.Module):
    """Un petit réseau où le hasard compte : abandon, puis bruit gaussien."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(784, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 10))

    def forward(self, x):
        logits = self.body(x.flatten(1))
        return logits + 0.1 * torch.randn_like(logits)


def noisy_step(model):
    def step(batch):
        x, y = batch
        logits = model(x)
        return {
            "loss": nn.functional.cross_entropy(logits, y),
            "exactitude": (logits.argmax(1) == y).float().mean(),
        }

    return step


def images(count: int = 100) -> ImageSet:
    draws = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (count, 1, 28, 28), dtype=torch.uint8, generator=draws)
    return ImageSet(pixels, torch.arange(count) % 10)


def new_noisy() -> Noisy:
    torch.manual_seed(3)
    return Noisy()


def test_same_numbers_as_a_loop_written_by_hand():
    train, val = images(100), images(30)
    model = new_noisy()
    history = quiet_fit(
        noisy_step(model), train.batches(32, shuffle=True), 3, model, lr=1e-2,
        validation=val.batches(16),
    )  # fmt: skip

    expected = new_noisy()
    optimizer = torch.optim.Adam(expected.parameters(), lr=1e-2, fused=True)
    step, curves = noisy_step(expected), {}
    for _ in range(3):
        sums = {}
        expected.train()
        for indices in torch.randperm(100).split(32):
            x, y = train.images[indices].float() * (1 / 255), train.labels[indices]
            optimizer.zero_grad()
            values = step((x, y))
            values["loss"].backward()
            optimizer.step()
            for name, value in values.items():
                sums[name] = sums.get(name, 0.0) + value.item() * len(y)
        expected.eval()
        with torch.no_grad(), torch.random.fork_rng():  # la mesure ne change pas la suite
            for start in range(0, 30, 16):
                x = val.images[start : start + 16].float() * (1 / 255)
                y = val.labels[start : start + 16]
                for name, value in step((x, y)).items():
                    sums[f"val_{name}"] = sums.get(f"val_{name}", 0.0) + value.item() * len(y)
        for name, total in sums.items():
            curves.setdefault(name, []).append(total / (30 if name.startswith("val") else 100))
    assert same_weights(model, expected)
    assert dict(history) == curves
    assert list(history) == ["loss", "exactitude", "val_loss", "val_exactitude"]
    assert len(history.seconds) == 3
    assert all(seconds > 0 for seconds in history.seconds)
    assert history.interrupted_at is None


def test_a_validation_that_draws_at_random_changes_nothing_to_training():
    weights = []
    for validation in (None, images(30).batches(16, shuffle=True)):
        model = new_noisy()
        quiet_fit(noisy_step(model), images(100).batches(32, shuffle=True), 3, model,
                  validation=validation)  # fmt: skip
        weights.append(model)
    assert same_weights(*weights)


def test_a_value_given_now_and_then_is_averaged_over_the_steps_that_give_it():
    model, calls = nn.Linear(1, 1), itertools.count()

    def step(x):
        values = {"loss": model(x).square().mean()}
        return values | ({"r1": 1.0} if next(calls) % 2 else {})

    history = quiet_fit(step, [torch.ones(2, 1)] * 4, 1, model)
    assert history["r1"] == [1.0]


def test_numpy_values_do_not_spoil_the_checkpoint(tmp_path):
    model = nn.Linear(1, 1)

    def step(x):
        return {"loss": model(x).square().mean(), "acc": np.float32(0.5)}

    quiet_fit(step, [torch.ones(2, 1)], 1, model, checkpoint=tmp_path / "a.pt")
    history = quiet_fit(step, [torch.ones(2, 1)], 2, model, checkpoint=tmp_path / "a.pt")
    history.save(tmp_path / "h.json")
    assert History.load(tmp_path / "h.json")["acc"] == [0.5, 0.5]


def test_another_optimizer_does_not_resume(tmp_path):
    model = nn.Linear(3, 1)
    options = {"checkpoint": tmp_path / "a.pt"}
    quiet_fit(linear_step(model), regression()[0], 1, model, **options)
    with pytest.raises(CheckpointError, match="optimiseur Adam, ici RMSprop"):
        quiet_fit(linear_step(model), regression()[0], 2, model,
                  optimizer=torch.optim.RMSprop, **options)  # fmt: skip


def test_a_mixed_up_checkpoint_leaves_both_models_untouched(tmp_path):
    first = {"a": nn.Linear(3, 1), "b": nn.Linear(3, 1)}
    steps = {name: linear_step(model) for name, model in first.items()}
    quiet_fit(steps, regression()[0], 1, first, checkpoint=tmp_path / "a.pt")
    second = {"a": nn.Linear(3, 1), "b": nn.Linear(3, 2)}
    before = copy.deepcopy(second["a"])
    with pytest.raises(CheckpointError, match="autre modèle"):
        quiet_fit(steps, regression()[0], 2, second, checkpoint=tmp_path / "a.pt")
    assert same_weights(second["a"], before)


def test_the_model_comes_back_where_it_was():
    model = nn.Linear(3, 1)
    quiet_fit(linear_step(model), regression()[0], 1, model)
    assert model.weight.device == torch.device("cpu") and not model.training


def test_epoch_mean_weighs_each_example_the_same():
    model = nn.Linear(1, 1)

    def step(x):
        return {"loss": 0 * model(x).mean(), "moyenne": x.mean()}

    values = torch.tensor([1.0, 1.0, 1.0, 1.0, 6.0])[:, None]
    batches = list(values.split(4))
    history = quiet_fit(step, batches, 1, model, validation=batches)
    assert history["moyenne"] == [2.0]  # et non (1 + 6) / 2
    assert history["val_moyenne"] == [2.0]


def test_validation_neither_learns_nor_drops_out():
    model, modes = nn.Sequential(nn.Linear(3, 1), nn.Dropout(0.5)), []

    def step(batch):
        modes.append((model.training, torch.is_grad_enabled()))
        return linear_step(model)(batch)

    batches, _, _ = regression(32)
    with_validation = quiet_fit(step, batches, 2, model, validation=batches, lr=0.0)
    assert modes == ([(True, True)] * 2 + [(False, False)] * 2) * 2
    # lr nul et pas d'abandon : la validation redonne la même valeur, l'entraînement non.
    assert with_validation["val_loss"][0] == with_validation["val_loss"][1]
    assert with_validation["loss"][0] != with_validation["loss"][1]
    assert not model.training


def test_validation_leaves_the_weights_alone():
    batches, _, _ = regression()
    torch.manual_seed(0)
    alone = nn.Linear(3, 1)
    watched = copy.deepcopy(alone)
    quiet_fit(linear_step(alone), batches, 2, alone)
    quiet_fit(linear_step(watched), batches, 2, watched, validation=batches)
    assert same_weights(alone, watched)


def one_sgd_step(max_grad_norm: float | None, slope: float) -> torch.Tensor:
    """Le déplacement de deux poids dont le gradient vaut slope · (3, 4), par un pas de SGD."""
    model = nn.Linear(2, 1, bias=False)
    before = model.weight.detach().clone()
    quiet_fit(
        lambda x: {"loss": slope * model(x).sum()}, [torch.tensor([[3.0, 4.0]])], 1, model,
        lr=1.0, optimizer=torch.optim.SGD, max_grad_norm=max_grad_norm,
    )  # fmt: skip
    return before - model.weight.detach()


def test_a_long_gradient_is_shortened_and_keeps_its_direction():
    torch.testing.assert_close(one_sgd_step(None, 10.0), torch.tensor([[30.0, 40.0]]))
    torch.testing.assert_close(one_sgd_step(1.0, 10.0), torch.tensor([[0.6, 0.8]]))


def test_a_short_gradient_is_left_alone():
    torch.testing.assert_close(one_sgd_step(1.0, 0.1), torch.tensor([[0.3, 0.4]]))


def test_each_adversary_has_its_own_gradient_norm():
    models = {name: nn.Linear(1, 1, bias=False) for name in ("long", "short")}
    before = {name: model.weight.item() for name, model in models.items()}
    quiet_fit(
        {
            "long": lambda x: {"loss": 50 * models["long"](x).sum()},
            "short": lambda x: {"loss": 0.5 * models["short"](x).sum()},
        },
        [torch.ones(1, 1)], 1, models, lr=1.0, optimizer=torch.optim.SGD, max_grad_norm=1.0,
    )  # fmt: skip
    moved = {name: before[name] - model.weight.item() for name, model in models.items()}
    assert moved == pytest.approx({"long": 1.0, "short": 0.5}, abs=1e-5)


@pytest.mark.parametrize("settings", [
    {"epochs": 0}, {"epochs": 1, "lr": -1e-3},
    {"epochs": 1, "max_grad_norm": 0.0}, {"epochs": 1, "max_grad_norm": -1.0},
    {"epochs": 1, "max_grad_norm": math.nan},
])  # fmt: skip
def test_impossible_settings_are_refused(settings):
    model = nn.Linear(3, 1)
    before = copy.deepcopy(model)
    with pytest.raises(
        ValueError, match="au moins une époque|doit être positif|strictement positif"
    ):
        fit(linear_step(model), regression()[0], model=model, **settings)
    assert same_weights(model, before)


def test_a_step_that_uses_another_model_is_refused():
    model, other = nn.Linear(3, 1), nn.Linear(3, 1)
    with pytest.raises(ValueError, match="ne dépend pas du modèle donné à fit"):
        quiet_fit(linear_step(other), regression()[0], 1, model)


def test_a_loss_without_gradient_is_refused():
    model = nn.Linear(3, 1)
    with pytest.raises(ValueError, match="n'a pas de gradient"):
        quiet_fit(lambda batch: {"loss": torch.tensor(1.0)}, regression()[0], 1, model)


def test_an_unwritable_checkpoint_is_found_before_the_first_step(tmp_path):
    (tmp_path / "fichier").write_text("", encoding="utf-8")
    calls = []
    with pytest.raises(FileError, match="impossible d'écrire"):
        quiet_fit(calls.append, regression()[0], 1, nn.Linear(3, 1),
                  checkpoint=tmp_path / "fichier" / "point.pt")  # fmt: skip
    assert not calls


def test_a_finished_checkpoint_says_so(tmp_path, capsys):
    model = nn.Linear(3, 1)
    for _ in range(2):
        quiet_fit(linear_step(model), regression()[0], 2, model, checkpoint=tmp_path / "a.pt")
    assert "les 2 époques sont déjà faites" in capsys.readouterr().out


def test_frozen_parameters_stay_frozen():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
    model[0].requires_grad_(False)
    before = copy.deepcopy(model)
    quiet_fit(linear_step(model), regression()[0], 1, model)
    assert same_weights(model[0], before[0])
    assert not same_weights(model[1], before[1])


def test_batches_need_not_be_tensors():
    model = nn.Linear(2, 1)
    history = quiet_fit(
        lambda _: {"loss": model(torch.ones(4, 2)).square().mean()}, range(5), 2, model
    )
    assert history["loss"][1] < history["loss"][0]


def test_one_log_line_an_epoch(capsys):
    batches, _, _ = regression()
    model = nn.Linear(3, 1)
    fit(linear_step(model), batches, 10, model, validation=batches, log_every=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    pattern = r"époque +(\d+)/10 · loss \d+\.\d{4} · val_loss \d+\.\d{4} · \d+\.\d s"
    assert [re.fullmatch(pattern, line)[1] for line in lines] == ["2", "4", "6", "8", "10"]
    quiet_fit(linear_step(model), batches, 1, model)
    assert capsys.readouterr().out == ""


# --- précision, format, optimiseur ----------------------------------------------------------------


def test_bf16_stays_close_to_fp32():
    losses, dtypes = {}, set()
    for precision in ("fp32", "bf16"):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 32), nn.Tanh(), nn.Linear(32, 1))

        def step(batch, model=model, precision=precision):
            output = model(batch[0])
            dtypes.add((precision, output.dtype))
            return {"loss": nn.functional.mse_loss(output.float(), batch[1])}

        history = fit(step, regression()[0], 10, model, lr=1e-2, precision=precision, log_every=0)
        losses[precision] = history["loss"]
        assert next(model.parameters()).dtype == torch.float32
    assert dtypes == {("fp32", torch.float32), ("bf16", torch.bfloat16)}
    # bf16 garde huit bits : 2^-8 d'écart relatif par opération, quelques opérations de suite.
    np.testing.assert_allclose(losses["bf16"], losses["fp32"], rtol=0.05)
    assert losses["bf16"] != losses["fp32"]


@pytest.mark.parametrize("fast", [False, True])
def test_automatic_precision_follows_the_processor(fast, monkeypatch):
    capabilities = {"amx_bf16": False, "avx512_bf16": fast}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert training.loop._wants_bf16(torch.device("cpu"), "auto") is fast


def test_unknown_precision_is_refused():
    model = nn.Linear(3, 1)
    with pytest.raises(ValueError, match="'fp16' inconnue : choisir 'auto', 'fp32' ou 'bf16'"):
        fit(linear_step(model), regression()[0], 1, model, precision="fp16")


def test_convolutions_become_channels_last():
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(), nn.LazyLinear(1))
    x = torch.randn(8, 2, 6, 6)
    model(x)
    before = copy.deepcopy(model)
    seen = []

    def step(batch):
        maps = model[0](batch)
        seen.append(maps.is_contiguous(memory_format=torch.channels_last))
        return {"loss": model[1:](maps).square().mean()}

    quiet_fit(step, [x], 1, model, lr=0.0)
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert seen == [True]
    torch.testing.assert_close(model(x), before(x))


class SpyAdam(torch.optim.Adam):
    """Adam qui retient ce qu'on lui a demandé."""

    seen: list[bool | None] = []
    without_fused = False

    def __init__(self, parameters, lr=1e-3, fused=None):
        self.seen.append(fused)
        if fused and self.without_fused:
            raise RuntimeError("fused=True n'existe pas ici")
        super().__init__(parameters, lr=lr, fused=fused)


@pytest.mark.parametrize(("without_fused", "asked"), [(False, [True]), (True, [True, None])])
def test_fused_optimizer_where_it_exists(without_fused, asked, monkeypatch):
    monkeypatch.setattr(SpyAdam, "without_fused", without_fused)
    monkeypatch.setattr(SpyAdam, "seen", [])
    model = nn.Linear(3, 1)
    history = quiet_fit(linear_step(model), regression()[0], 2, model, optimizer=SpyAdam)
    assert SpyAdam.seen == asked
    assert history["loss"][1] < history["loss"][0]


def test_optimizer_without_fused_version():
    model = nn.Linear(3, 1)
    history = quiet_fit(
        linear_step(model), regression()[0], 3, model, lr=0.05, optimizer=torch.optim.RMSprop
    )
    assert history["loss"][2] < history["loss"][0] / 2


def test_seed_fixes_the_three_generators():
    import random

    def draw():
        return random.random(), np.random.rand(), torch.rand(()).item()

    set_seed(5)
    first = draw()
    set_seed(5)
    assert draw() == first
    set_seed(6)
    assert all(a != b for a, b in zip(draw(), first, strict=True))


def test_device_exists():
    assert torch.ones(2, device=pick_device()).sum().item() == 2


# --- interruption et reprise ----------------------------------------------------------------------


class LazyBatches:
    """Des lots tirés au sort l'un après l'autre, pendant l'époque."""

    def __len__(self):
        return 4

    def __iter__(self):
        for _ in range(4):
            yield torch.rand(32, 784), torch.randint(0, 10, (32,))


SOURCES = {
    "images mêlées": lambda: images().batches(32, shuffle=True),
    "DataLoader": lambda: torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(*images().tensors()), batch_size=32, shuffle=True
    ),
    "tirées pendant l'époque": LazyBatches,
}


def train_noisy(source, epochs, interrupt_at=None, **options):
    """Entraîne `Noisy` avec un hasard fixé ; envoie Ctrl-C pendant le pas `interrupt_at`."""
    model = new_noisy()
    torch.manual_seed(11)
    count, inner = itertools.count(1), noisy_step(model)

    def step(batch):
        if model.training and next(count) == interrupt_at:
            signal.raise_signal(signal.SIGINT)
        return inner(batch)

    history = quiet_fit(
        step, SOURCES[source](), epochs, model, validation=images(30).batches(16), **options
    )
    return model, history


@pytest.mark.parametrize("source", SOURCES)
def test_resume_after_a_whole_epoch_gives_the_same_bits(source, tmp_path):
    expected, expected_history = train_noisy(source, 4)
    train_noisy(source, 2, checkpoint=tmp_path / "point.pt")
    torch.rand(17)
    resumed, history = train_noisy(source, 4, checkpoint=tmp_path / "point.pt")
    assert same_weights(resumed, expected)
    assert dict(history) == dict(expected_history)
    assert len(history.seconds) == 4


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("interrupt_at", [1, 6, 8, 15])  # quatre pas par époque
def test_resume_after_an_interruption_gives_the_same_bits(source, interrupt_at, tmp_path, capsys):
    expected, expected_history = train_noisy(source, 4)
    _, cut = train_noisy(source, 4, interrupt_at, checkpoint=tmp_path / "point.pt")
    assert cut.interrupted_at == ((interrupt_at - 1) // 4 + 1, (interrupt_at - 1) % 4 + 1)
    assert "pour continuer, relancez la cellule" in capsys.readouterr().out
    torch.rand(17)
    resumed, history = train_noisy(source, 4, checkpoint=tmp_path / "point.pt")
    assert "Reprise de" in capsys.readouterr().out
    assert same_weights(resumed, expected)
    assert dict(history) == dict(expected_history)
    assert history.interrupted_at is None


def test_resume_after_two_interruptions(tmp_path):
    expected, _ = train_noisy("images mêlées", 3)
    for interrupt_at in (2, 3):  # la seconde compte ses pas depuis la reprise
        train_noisy("images mêlées", 3, interrupt_at, checkpoint=tmp_path / "point.pt")
    resumed, _ = train_noisy("images mêlées", 3, checkpoint=tmp_path / "point.pt")
    assert same_weights(resumed, expected)


def test_interruption_before_the_first_step_ends_can_be_resumed(tmp_path):
    """Un pas qui lève lui-même KeyboardInterrupt : le hasard qu'il a tiré ne compte pas."""
    expected, _ = train_noisy("images mêlées", 2)
    model = new_noisy()
    torch.manual_seed(11)

    def step(batch):
        torch.rand(5)
        raise KeyboardInterrupt

    batches = SOURCES["images mêlées"]()
    history = quiet_fit(step, batches, 2, model, checkpoint=tmp_path / "point.pt")
    assert history.interrupted_at == (1, 0)
    assert dict(history) == {}
    assert same_weights(model, new_noisy())
    resumed, _ = train_noisy("images mêlées", 2, checkpoint=tmp_path / "point.pt")
    assert same_weights(resumed, expected)


def test_resume_false_starts_again(tmp_path, capsys):
    expected, _ = train_noisy("images mêlées", 2)
    train_noisy("images mêlées", 1, checkpoint=tmp_path / "point.pt")
    again, history = train_noisy("images mêlées", 2, checkpoint=tmp_path / "point.pt", resume=False)
    assert "Reprise" not in capsys.readouterr().out
    assert same_weights(again, expected)
    assert len(history["loss"]) == 2


def test_finished_training_is_not_done_again(tmp_path):
    trained, history = train_noisy("images mêlées", 2, checkpoint=tmp_path / "point.pt")
    again, again_history = train_noisy("images mêlées", 2, checkpoint=tmp_path / "point.pt")
    assert same_weights(again, trained)
    assert again_history == history


def test_resume_takes_the_new_learning_rate(tmp_path):
    """Le message de divergence conseille un pas plus petit : la reprise doit l'employer."""
    batches, _, _ = regression()
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    quiet_fit(linear_step(model), batches, 1, model, checkpoint=tmp_path / "point.pt")
    before = copy.deepcopy(model)
    quiet_fit(linear_step(model), batches, 2, model, lr=0.0, checkpoint=tmp_path / "point.pt")
    assert same_weights(model, before)


@unix_only
def test_ctrl_c_during_a_step_lets_it_finish(capsys):
    batches, _, _ = regression()
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    expected = copy.deepcopy(model)
    losses = []

    def step(batch):
        if len(losses) == 8:  # troisième pas de la deuxième époque
            os.kill(os.getpid(), signal.SIGINT)
        result = linear_step(model)(batch)
        losses.append(result["loss"].item())
        return result

    handler = signal.getsignal(signal.SIGINT)
    history = quiet_fit(step, batches, 5, model)
    assert signal.getsignal(signal.SIGINT) is handler
    assert len(losses) == 9
    assert history.interrupted_at == (2, 3)
    assert history["loss"] == pytest.approx([np.mean(losses[:6]), np.mean(losses[6:])])
    assert len(history.seconds) == 2
    assert not model.training
    message = "Entraînement interrompu à l'époque 2/5, après le lot 3 : poids et historique"
    assert message in capsys.readouterr().out
    quiet_fit(linear_step(expected), batches + batches[:3], 1, expected)
    assert same_weights(model, expected)


def test_step_that_raises_keyboard_interrupt_keeps_what_is_done():
    batches, _, _ = regression()
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    expected = copy.deepcopy(model)
    count = itertools.count(1)

    def step(batch):
        if next(count) == 3:
            raise KeyboardInterrupt
        return linear_step(model)(batch)

    history = quiet_fit(step, batches, 5, model)
    assert history.interrupted_at == (1, 2)
    quiet_fit(linear_step(expected), batches[:2], 1, expected)
    assert same_weights(model, expected)


def test_training_in_another_thread_leaves_signals_alone():
    batches, _, _ = regression()
    model, histories = nn.Linear(3, 1), []
    thread = threading.Thread(
        target=lambda: histories.append(quiet_fit(linear_step(model), batches, 2, model))
    )
    thread.start()
    thread.join()
    assert len(histories[0]["loss"]) == 2


# --- entrées fautives -----------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_divergence_gives_back_the_last_good_weights(bad):
    batches, _, _ = regression()
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    expected = copy.deepcopy(model)
    quiet_fit(linear_step(expected), batches, 2, expected)
    count = itertools.count(1)

    def step(batch):
        scale = bad if next(count) == 2 * 6 + 4 else 1.0
        return {"loss": linear_step(model)(batch)["loss"] * scale}

    with pytest.raises(DivergenceError) as caught:
        quiet_fit(step, batches, 5, model)
    message = str(caught.value)
    assert f"la perte vaut {bad} à l'époque 3, lot 4" in message
    assert "Causes probables" in message
    assert "poids de la fin de l'époque 2" in message
    assert same_weights(model, expected)
    assert len(caught.value.history["loss"]) == 2
    assert not model.training


def test_divergence_at_the_very_first_step_keeps_the_initial_weights():
    model = nn.Linear(3, 1)
    before = copy.deepcopy(model)
    with pytest.raises(DivergenceError, match="époque 1, lot 1.*poids du départ"):
        quiet_fit(linear_step(model), [(torch.full((4, 3), math.nan), torch.ones(4, 1))], 1, model)
    assert same_weights(model, before)


def test_nan_gradient_behind_a_finite_loss_is_caught(tmp_path):
    """√0 : la perte vaut 0, son gradient est infini, les poids deviennent NaN en silence."""
    model = nn.Linear(3, 1)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    before = copy.deepcopy(model)
    with pytest.raises(
        DivergenceError, match="poids sont devenus infinis ou NaN à l'époque 1, lot 1"
    ):
        quiet_fit(
            lambda x: {"loss": model(x).square().sum().sqrt()}, [torch.ones(4, 3)], 3, model,
            checkpoint=tmp_path / "point.pt",
        )  # fmt: skip
    assert same_weights(model, before)
    assert not (tmp_path / "point.pt").exists()


@pytest.mark.parametrize("empty", [[], iter([]), images()[:0].batches(8)])
def test_no_batch_is_refused(empty):
    model = nn.Linear(3, 1)
    with pytest.raises(ValueError, match="aucun lot à parcourir"):
        quiet_fit(linear_step(model), empty, 1, model)


def test_exhausted_generator_is_refused_at_the_second_epoch():
    model = nn.Linear(3, 1)
    with pytest.raises(ValueError, match="générateur déjà épuisé.*ils se relisent"):
        quiet_fit(linear_step(model), (batch for batch in regression()[0]), 2, model)


def test_empty_validation_is_refused():
    model = nn.Linear(3, 1)
    with pytest.raises(ValueError, match="aucun lot à parcourir"):
        quiet_fit(linear_step(model), regression()[0], 1, model, validation=[])


def test_steps_and_models_must_have_the_same_names():
    model = nn.Linear(3, 1)
    with pytest.raises(ValueError, match=r"\['a'\] et les modèles \['b'\].*mêmes noms"):
        quiet_fit({"a": linear_step(model)}, regression()[0], 1, {"b": model})


@pytest.mark.parametrize(("result", "received"), [
    (torch.tensor(1.0), 'dictionnaire {"loss": perte}, reçu Tensor'),
    (None, 'dictionnaire {"loss": perte}, reçu NoneType'),
    ({"perte": 1}, "reçu les clés ['perte']"),
    ({"loss": None}, "a-t-elle un return"),
    ({"loss": torch.ones(4)}, "d'un seul nombre, reçu un tenseur [4]"),
    ({"loss": 0.5}, "d'un seul nombre, reçu float"),
])  # fmt: skip
def test_step_must_return_a_scalar_loss(result, received):
    model = nn.Linear(3, 1)
    with pytest.raises(TypeError, match=re.escape(received)):
        quiet_fit(lambda batch: result, regression()[0], 1, model)


# --- deux adversaires -----------------------------------------------------------------------------


class Affine(nn.Module):
    """z -> moyenne + échelle · z, coordonnée par coordonnée : une gaussienne du plan."""

    def __init__(self):
        super().__init__()
        self.mean, self.scale = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.ones(2))

    def forward(self, z):
        return self.mean + self.scale * z


class Quadratic(nn.Module):
    """Critique quadratique : le logit de deux gaussiennes de covariances diagonales en est un."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x):
        return self.linear(torch.cat([x, x.square()], dim=1))


def adversarial_steps(generator, discriminator):
    bce = nn.functional.binary_cross_entropy_with_logits

    def discriminator_step(real):
        fake = generator(torch.randn_like(real))  # sans detach : fit ne doit rien lui faire
        real_logits, fake_logits = discriminator(real), discriminator(fake)
        loss = bce(real_logits, torch.ones_like(real_logits))
        loss = loss + bce(fake_logits, torch.zeros_like(fake_logits))
        # Une pénalité amortit les oscillations autour de l'équilibre (Mescheder et al., 2018).
        return {"loss": loss + 0.1 * discriminator.linear.weight.square().sum()}

    def generator_step(real):
        logits = discriminator(generator(torch.randn_like(real)))
        return {"loss": bce(logits, torch.ones_like(logits)), "logit": logits.mean()}

    return {"discriminator": discriminator_step, "generator": generator_step}


def test_adversaries_reach_the_gaussian_they_are_shown():
    torch.manual_seed(0)
    mean, scale = torch.tensor([1.0, -0.5]), torch.tensor([0.5, 1.5])
    batches = list((mean + scale * torch.randn(64 * 256, 2)).split(256))
    generator, discriminator = Affine(), Quadratic()
    history = quiet_fit(
        adversarial_steps(generator, discriminator), batches, 20,
        {"discriminator": discriminator, "generator": generator},
        lr=5e-3, optimizer=torch.optim.RMSprop,
    )  # fmt: skip
    assert set(history) == {"discriminator_loss", "generator_loss", "generator_logit"}
    # À l'équilibre D = 1/2 partout : pertes 2 ln 2 et ln 2. Les paramètres s'arrêtent à ce que
    # RMSprop bouge en quelques pas (5e-3 chacun) et au bruit d'un lot de 256 (1/√256 · échelle).
    tolerance = 10 * 5e-3 + 3 * scale / math.sqrt(256)
    assert (generator.mean - mean).abs().le(tolerance).all(), generator.mean
    assert (generator.scale.abs() - scale).abs().le(tolerance).all(), generator.scale
    assert history["discriminator_loss"][-1] == pytest.approx(2 * math.log(2), abs=0.05)
    assert history["generator_loss"][-1] == pytest.approx(math.log(2), abs=0.05)


def test_each_step_moves_its_own_model_only():
    generator, discriminator = Affine(), Quadratic()
    nn.init.normal_(discriminator.linear.weight)
    models = {"discriminator": discriminator, "generator": generator}
    steps, moves, gradients = adversarial_steps(generator, discriminator), [], []
    snapshot = {name: copy.deepcopy(model) for name, model in models.items()}

    def watched(name):
        def step(real):
            moves.append({key for key in models if not same_weights(models[key], snapshot[key])})
            snapshot.update({key: copy.deepcopy(model) for key, model in models.items()})
            if name == "generator":
                gradients.append(discriminator.linear.weight.grad.clone())
            return steps[name](real)

        return step

    quiet_fit({name: watched(name) for name in models}, torch.randn(4, 16, 2), 1, models)
    # Avant chaque pas : ce qu'a changé le pas d'avant, et lui seul.
    assert moves == [set()] + [{"discriminator"}, {"generator"}] * 3 + [{"discriminator"}]
    # Le pas du générateur traverse le discriminateur sans rien ajouter à ses gradients.
    assert torch.equal(discriminator.linear.weight.grad, gradients[-1])


def test_adversarial_training_resumes_to_the_bit(tmp_path):
    def train(epochs, interrupt_at=None, **options):
        torch.manual_seed(0)
        generator, discriminator = Affine(), Quadratic()
        steps = adversarial_steps(generator, discriminator)
        count, inner = itertools.count(1), steps["generator"]

        def generator_step(real):
            if next(count) == interrupt_at:
                signal.raise_signal(signal.SIGINT)
            return inner(real)

        models = {"discriminator": discriminator, "generator": generator}
        steps["generator"] = generator_step
        quiet_fit(
            steps, list(torch.linspace(-1, 1, 40).reshape(5, 4, 2)), epochs, models, **options
        )
        return generator, discriminator

    expected = train(3)
    train(3, interrupt_at=7, checkpoint=tmp_path / "point.pt")
    resumed = train(3, checkpoint=tmp_path / "point.pt")
    assert all(same_weights(a, b) for a, b in zip(resumed, expected, strict=True))


# --- historique -----------------------------------------------------------------------------------


@pytest.mark.parametrize("interrupted_at", [None, (2, 7)])
def test_history_survives_a_round_trip(interrupted_at, tmp_path):
    history = History({"loss": [0.1 + 0.2, 1 / 3], "val_loss": [2.0]}, [0.5, 0.25], interrupted_at)
    history.save(tmp_path / "dossier" / "histoire.json")
    loaded = History.load(tmp_path / "dossier" / "histoire.json")
    assert loaded == history
    assert loaded.interrupted_at == interrupted_at
    assert loaded["loss"] == history["loss"]


def test_history_plots_itself_in_french():
    history = History({"loss": [3.0, 2.0, 1.0], "val_loss": [4.0, 3.0, 2.5], "kld": [1, 2, 3]})
    figure = history.plot(title="Perte")
    ax = figure.axes_grid[0, 0]
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["entraînement", "validation", "kld (entraînement)"]
    assert list(ax.lines[1].get_ydata()) == [4.0, 3.0, 2.5]


# --- plusieurs processus --------------------------------------------------------------------------

SCRIPT = """
import json
import os
import sys

import torch
from torch import nn

from labkit.data import ImageSet
from labkit.training import fit, set_seed

batch_size, folder = int(sys.argv[1]), sys.argv[2]
set_seed(0)
rank = int(os.environ.get("RANK", 0))
draws = torch.Generator().manual_seed(1)
pixels = torch.randint(0, 256, (128, 1, 28, 28), dtype=torch.uint8, generator=draws)
images = ImageSet(pixels, torch.arange(128) % 10)
model = nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 10))
if rank:
    nn.init.zeros_(model[1].weight)  # fit doit partir partout des poids du premier processus


def step(batch):
    return {"loss": nn.functional.cross_entropy(model(batch[0]), batch[1])}


history = fit(
    step, images.batches(batch_size, shuffle=True), 4, model, precision="fp32",
    validation=images[:40].batches(16), checkpoint=f"{folder}/point.pt",
)
torch.save(model.state_dict(), f"{folder}/weights-{rank}.pt")
with open(f"{folder}/history-{rank}.json", "w", encoding="utf-8") as file:
    json.dump(history.curves, file)
try:
    fit(step, images[:8].batches(8), 1, model)
    print("aucune erreur")
except ValueError as error:
    print(error)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_script(folder: Path) -> Path:
    folder.mkdir()
    (folder / "train.py").write_text(SCRIPT, encoding="utf-8")
    return folder / "train.py"


def launch_two(folder: Path, batch_size: int) -> str:
    """Lance deux processus et renvoie ce qu'ils affichent."""
    # --multi_gpu : c'est ainsi qu'Accelerate lance plusieurs processus ; ACCELERATE_USE_CPU les
    # met sur le processeur. Avec --cpu il n'en lancerait qu'un, sauf sous mpirun.
    command = [
        sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu",
        "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no",
        "--dynamo_backend", "no", "--main_process_port", str(free_port()),
        str(write_script(folder)), str(batch_size), str(folder),
    ]  # fmt: skip
    loopback = {"linux": {"GLOO_SOCKET_IFNAME": "lo"}, "darwin": {"GLOO_SOCKET_IFNAME": "lo0"}}
    environment = {
        **os.environ, **loopback.get(sys.platform, {"USE_LIBUV": "0"}), "PYTHONUTF8": "1",
        "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true",
    }  # fmt: skip
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def run_alone(folder: Path, batch_size: int, monkeypatch) -> None:
    """Exécute le même script dans ce processus-ci."""
    script = write_script(folder)
    monkeypatch.setattr(sys, "argv", [str(script), str(batch_size), str(folder)])
    runpy.run_path(str(script), run_name="__main__")


def test_two_processes_learn_as_one_with_the_doubled_batch(tmp_path, monkeypatch):
    output = launch_two(tmp_path / "two", batch_size=16)
    run_alone(tmp_path / "one", 32, monkeypatch)
    curves = {
        name: json.loads((tmp_path / name).read_text(encoding="utf-8"))
        for name in ("two/history-0.json", "two/history-1.json", "one/history-0.json")
    }
    assert curves["two/history-0.json"] == curves["two/history-1.json"]
    for name, values in curves["one/history-0.json"].items():
        np.testing.assert_allclose(curves["two/history-0.json"][name], values, atol=1e-4, rtol=0)
    weights = [
        torch.load(tmp_path / name, weights_only=True)
        for name in ("two/weights-0.pt", "two/weights-1.pt", "one/weights-0.pt")
    ]
    for key, value in weights[0].items():
        assert torch.equal(value, weights[1][key])
        torch.testing.assert_close(value, weights[2][key], atol=1e-4, rtol=0)
    # Une ligne par époque, du premier processus seulement.
    assert len([line for line in output.splitlines() if line.startswith("époque")]) == 4
    assert output.count("1 lot(s) ne suffisent pas à 2 processus") == 2


# --- moyenne mobile des poids ---------------------------------------------------------------------


def average_by_hand(snapshots: list[nn.Module], decay: float) -> nn.Module:
    """La moyenne des poids laissés par chaque pas, d'après sa formule."""
    average = copy.deepcopy(snapshots[0])  # le premier pas la fait partir de là
    for n, model in enumerate(snapshots[1:], start=1):
        d = min(decay, (1 + n) / (10 + n))
        for mean, weight in zip(average.parameters(), model.parameters(), strict=True):
            mean.data = d * mean.data + (1 - d) * weight.data
    return average


def fit_watched(model: nn.Module, average, epochs: int = 2, **options) -> list[nn.Module]:
    """Entraîne `model` et renvoie ses copies après chaque pas."""
    snapshots = []

    def step(batch):
        if model.training:
            snapshots.append(copy.deepcopy(model))
        return linear_step(model)(batch)

    quiet_fit(step, regression()[0], epochs, model, average=average, lr=0.1, **options)
    return [*snapshots[1:], copy.deepcopy(model)]  # le premier pas voit les poids du départ


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.5, 0.999])
def test_moving_average_follows_its_formula(decay):
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    average = moving_average(model, decay)
    snapshots = fit_watched(model, average)
    assert len(snapshots) == 12
    expected = average_by_hand(snapshots, decay)
    for key, value in average.module.state_dict().items():
        torch.testing.assert_close(value, expected.state_dict()[key])
    assert same_weights(average.module, model) is (decay == 0)


def test_first_step_of_the_average_copies_the_weights():
    model = nn.Linear(3, 1)
    average = moving_average(model)
    before = copy.deepcopy(model)
    quiet_fit(linear_step(model), regression()[0][:1], 1, model, average=average)
    assert same_weights(average.module, model)
    assert not same_weights(model, before)


def test_average_forgets_its_noisy_beginning_then_remembers_a_thousand_steps():
    """Poids constant à partir du deuxième pas : ce qui reste du premier est le produit des d."""
    model = nn.Linear(1, 1, bias=False)
    average = moving_average(model, 0.9)
    for step in range(200):
        nn.init.constant_(model.weight, 1.0 if step == 0 else 0.0)
        average.update_parameters(model)
        remains = math.prod(min(0.9, (1 + n) / (10 + n)) for n in range(1, step + 1))
        assert average.module.weight.item() == pytest.approx(remains, rel=1e-4)


def test_averaging_changes_nothing_to_the_training():
    models = []
    for averaged in (False, True):
        model = new_noisy()
        quiet_fit(noisy_step(model), images(100).batches(32, shuffle=True), 2, model,
                  average=moving_average(model) if averaged else None)  # fmt: skip
        models.append(model)
    assert same_weights(*models)


def test_average_is_a_copy_that_comes_back_in_evaluation_mode():
    model = nn.Sequential(nn.Linear(3, 1), nn.Dropout(0.5))
    average = moving_average(model)
    assert average.module[0].weight is not model[0].weight
    assert same_weights(average.module, model)
    quiet_fit(linear_step(model), regression()[0], 1, model, average=average)
    assert not average.training
    assert not average.module[1].training
    assert average.module[0].weight.device == torch.device("cpu")


def test_average_keeps_the_statistics_of_the_batch_norm():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    average = moving_average(model)
    quiet_fit(linear_step(model), regression()[0], 1, model, average=average)
    assert torch.equal(average.module[1].running_mean, model[1].running_mean)
    assert average.module[1].running_mean.abs().sum() > 0


def train_averaged(epochs, interrupt_at=None, **options):
    model = new_noisy()
    average = moving_average(model, 0.9)
    torch.manual_seed(11)
    count, inner = itertools.count(1), noisy_step(model)

    def step(batch):
        if next(count) == interrupt_at:
            signal.raise_signal(signal.SIGINT)
        return inner(batch)

    quiet_fit(step, images().batches(32, shuffle=True), epochs, model, average=average, **options)
    return average


@pytest.mark.parametrize("interrupt_at", [None, 1, 6, 8])  # quatre pas par époque
def test_average_resumes_to_the_bit(interrupt_at, tmp_path):
    expected = train_averaged(3)
    train_averaged(2 if interrupt_at is None else 3, interrupt_at, checkpoint=tmp_path / "a.pt")
    resumed = train_averaged(3, checkpoint=tmp_path / "a.pt")
    assert same_weights(resumed, expected)  # le compte des pas en fait partie
    assert resumed.n_averaged.item() == 12


def test_divergence_gives_back_the_last_good_average():
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    expected, average = copy.deepcopy(model), moving_average(model)
    expected_average = moving_average(expected)
    quiet_fit(linear_step(expected), regression()[0], 2, expected, average=expected_average)
    count = itertools.count(1)

    def step(batch):
        return {"loss": linear_step(model)(batch)["loss"] * (math.nan if next(count) == 16 else 1)}

    with pytest.raises(DivergenceError, match="époque 3, lot 4"):
        quiet_fit(step, regression()[0], 5, model, average=average)
    assert same_weights(model, expected)
    assert same_weights(average, expected_average)
    assert not average.training


def test_checkpoint_without_average_does_not_resume_one(tmp_path):
    model = nn.Linear(3, 1)
    quiet_fit(linear_step(model), regression()[0], 1, model, checkpoint=tmp_path / "a.pt")
    before = copy.deepcopy(model)
    with pytest.raises(CheckpointError, match="a la forme absente.*resume=False"):
        quiet_fit(linear_step(model), regression()[0], 2, model,
                  average=moving_average(model), checkpoint=tmp_path / "a.pt")  # fmt: skip
    assert same_weights(model, before)


def test_average_of_an_unknown_model_is_refused():
    models = {"a": nn.Linear(3, 1), "b": nn.Linear(3, 1)}
    steps = {name: linear_step(model) for name, model in models.items()}
    with pytest.raises(ValueError, match=r"\['c'\] sans modèle de ce nom, parmi \['a', 'b'\]"):
        quiet_fit(steps, regression()[0], 1, models, average={"c": moving_average(models["a"])})
    with pytest.raises(ValueError, match="sans modèle de ce nom"):  # sans dire duquel
        quiet_fit(steps, regression()[0], 1, models, average=moving_average(models["a"]))


@pytest.mark.parametrize("decay", [-0.1, 1.0, 1.5, math.nan])
def test_impossible_decay_is_refused(decay):
    with pytest.raises(ValueError, match="entre 0 compris et 1 exclu, reçu"):
        moving_average(nn.Linear(3, 1), decay)


def test_one_adversary_may_be_averaged_without_the_other(tmp_path):
    def train(epochs, **options):
        torch.manual_seed(0)
        models = {"discriminator": Quadratic(), "generator": Affine()}
        steps = adversarial_steps(models["generator"], models["discriminator"])
        average = moving_average(models["generator"], 0.9)
        quiet_fit(steps, list(torch.linspace(-1, 1, 40).reshape(5, 4, 2)), epochs, models,
                  average={"generator": average}, **options)  # fmt: skip
        return models, average

    models, average = train(3)
    assert average.n_averaged.item() == 15  # une fois par lot, après le pas du générateur
    assert not same_weights(average.module, models["generator"])
    train(1, checkpoint=tmp_path / "a.pt")
    resumed_models, resumed = train(3, checkpoint=tmp_path / "a.pt")
    assert same_weights(resumed, average)
    assert all(same_weights(resumed_models[name], models[name]) for name in models)
