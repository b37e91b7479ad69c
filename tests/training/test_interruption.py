"""S'arrêter et reprendre : tout est gardé, et la suite est la même au bit près."""

import contextlib
import copy
import os
import signal
import sys
import threading

import numpy as np
import pytest
import torch
from torch import nn

from labkit.training import Interruption
from tests.training.helpers import (
    alarm,
    images,
    linear_step,
    new_noisy,
    noisy_step,
    quiet_fit,
    regression,
    same_weights,
)

unix_only = pytest.mark.skipif(
    sys.platform == "win32", reason="os.kill(SIGINT) y tue le processus au lieu de l'interrompre"
)


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


def train_noisy(source, epochs, interrupt_at=None, during_training=True, **options):
    """Entraîne `Noisy` avec un hasard fixé ; envoie Ctrl-C pendant le pas `interrupt_at`."""
    model = new_noisy()
    torch.manual_seed(11)
    bell, inner = alarm(interrupt_at), noisy_step(model)

    def step(batch):
        if model.training or not during_training:
            next(bell)
        return inner(batch)

    try:
        history = quiet_fit(
            step, SOURCES[source](), epochs, model, validation=images(30).batches(16), **options
        )
    except Interruption as interruption:
        history = interruption.history
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
    with pytest.raises(KeyboardInterrupt) as caught:
        quiet_fit(step, batches, 5, model)
    history = caught.value.history
    assert signal.getsignal(signal.SIGINT) is handler
    assert len(losses) == 9
    assert history.interrupted_at == (2, 3)
    assert history["loss"] == pytest.approx([np.mean(losses[:6]), np.mean(losses[6:])])
    assert len(history.seconds) == 2
    assert not model.training
    message = "Entraînement interrompu à l'époque 2/5, après le lot 3 : le modèle garde ses poids"
    assert message in capsys.readouterr().out
    quiet_fit(linear_step(expected), batches + batches[:3], 1, expected)
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


def test_two_presses_stop_a_step_that_never_ends(tmp_path, capsys):
    """Le deuxième Ctrl-C interrompt le pas lui-même ; la dernière époque finie se reprend."""
    expected, _ = train_noisy("images mêlées", 3)
    model = new_noisy()
    torch.manual_seed(11)
    presses, inner = iter([0] * 5 + [2] + [0] * 99), noisy_step(model)

    def step(batch):
        if model.training:
            for _ in range(next(presses)):
                signal.raise_signal(signal.SIGINT)
        return inner(batch)

    options = {"validation": images(30).batches(16), "checkpoint": tmp_path / "point.pt"}
    with pytest.raises(KeyboardInterrupt) as caught:
        quiet_fit(step, SOURCES["images mêlées"](), 3, model, **options)
    assert caught.value.history.interrupted_at == (2, 1)
    assert "au milieu d'un pas" in capsys.readouterr().out
    torch.manual_seed(11)
    resumed = new_noisy()
    inner, model = noisy_step(resumed), resumed
    torch.manual_seed(11)
    quiet_fit(step, SOURCES["images mêlées"](), 3, resumed, **options)
    assert same_weights(resumed, expected)


@pytest.mark.parametrize(("interrupt_at", "stopped_at"), [
    (5, (2, 0)), (6, (2, 0)), (11, (3, 0)), (17, None), (18, None),
])  # fmt: skip
def test_interruption_during_a_validation_ends_with_it(interrupt_at, stopped_at, tmp_path):
    """Quatre pas puis deux mesures par époque ; pendant les dernières, tout est déjà fini."""
    expected, expected_history = train_noisy("images mêlées", 3)
    path = tmp_path / "point.pt"
    _, cut = train_noisy("images mêlées", 3, interrupt_at, during_training=False, checkpoint=path)
    assert cut.interrupted_at == stopped_at
    assert len(cut["val_loss"]) == (interrupt_at - 1) // 6 + 1
    resumed, history = train_noisy("images mêlées", 3, during_training=False, checkpoint=path)
    assert same_weights(resumed, expected)
    assert dict(history) == dict(expected_history)


def test_two_presses_during_a_validation_lose_only_the_measure(tmp_path):
    expected, expected_history = train_noisy("images mêlées", 3)
    model = new_noisy()
    presses, inner = iter([0] * 4 + [2] + [0] * 99), noisy_step(model)

    def step(batch):
        for _ in range(next(presses)):
            signal.raise_signal(signal.SIGINT)
        return inner(batch)

    options = {"validation": images(30).batches(16), "checkpoint": tmp_path / "point.pt"}
    for _ in range(2):
        torch.manual_seed(11)
        with contextlib.suppress(Interruption):
            history = quiet_fit(step, SOURCES["images mêlées"](), 3, model, **options)
    assert same_weights(model, expected)
    assert dict(history) == dict(expected_history)


def test_interruption_after_the_last_measure_still_stops_the_caller(capsys):
    model = nn.Linear(3, 1)
    with pytest.raises(Interruption) as caught:
        quiet_fit(
            linear_step(model), regression()[0], 2, model,
            after_epoch=lambda epoch: epoch == 2 and signal.raise_signal(signal.SIGINT),
        )  # fmt: skip
    assert caught.value.history.interrupted_at is None  # l'entraînement, lui, est fini
    assert len(caught.value.history["loss"]) == 2
    assert "une fois l'entraînement fini" in capsys.readouterr().out


def test_a_step_that_interrupts_itself_leaves_the_last_whole_epoch(tmp_path):
    """Un pas à moitié fait n'est pas enregistré : poids et hasard n'y seraient plus d'accord."""
    expected, _ = train_noisy("images mêlées", 3)
    model = new_noisy()
    torch.manual_seed(11)
    verdicts, inner = iter([False] * 6 + [True] + [False] * 99), noisy_step(model)

    def step(batch):
        if model.training and next(verdicts):
            torch.rand(5)
            raise KeyboardInterrupt
        return inner(batch)

    options = {"validation": images(30).batches(16), "checkpoint": tmp_path / "point.pt"}
    with pytest.raises(KeyboardInterrupt) as caught:
        quiet_fit(step, SOURCES["images mêlées"](), 3, model, **options)
    assert caught.value.history.interrupted_at == (2, 2)
    assert len(caught.value.history["loss"]) == 1
    torch.manual_seed(11)
    quiet_fit(step, SOURCES["images mêlées"](), 3, model, **options)
    assert same_weights(model, expected)


def test_what_follows_an_interruption_does_not_run(tmp_path):
    """« Tout exécuter » s'arrête avec l'entraînement : rien n'enregistre un modèle inachevé."""
    reached = []
    model, bell = new_noisy(), alarm(2)

    def step(batch):
        next(bell)
        return noisy_step(model)(batch)

    with pytest.raises(KeyboardInterrupt):
        quiet_fit(step, SOURCES["images mêlées"](), 2, model, checkpoint=tmp_path / "point.pt")
        reached.append("référence")
    assert not reached


def test_an_interruption_during_a_step_that_fails_is_not_forgotten():
    """Sinon une étude noterait un échec, et passerait au point suivant."""
    model = nn.Linear(3, 1)

    def step(batch):
        signal.raise_signal(signal.SIGINT)
        return {"loss": linear_step(model)(batch)["loss"] * float("nan")}

    with pytest.raises(KeyboardInterrupt):
        quiet_fit(step, regression()[0], 2, model)
    assert not model.training


def test_an_interruption_before_any_checkpoint_promises_nothing(tmp_path, capsys):
    model = nn.Linear(3, 1)

    def step(batch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quiet_fit(step, regression()[0], 2, model, checkpoint=tmp_path / "a.pt")
    assert "relancez la cellule" not in capsys.readouterr().out
