"""Le flux des lots : époques d'un nombre de pas, lots sans fin, reprises au milieu."""

import contextlib
import itertools

import pytest
import torch
from torch import nn

from labkit.training import Interruption
from tests.training.helpers import (
    alarm,
    images,
    new_noisy,
    noisy_step,
    quiet_fit,
    regression,
    same_weights,
)


class Endless:
    """Des lots tirés au sort sans fin, comme les points d'une loi du plan."""

    def __iter__(self):
        while True:
            yield torch.rand(8, 784), torch.randint(0, 10, (8,))


SOURCES = {
    "sans fin": Endless,
    "parcours plus courts que l'époque": lambda: images(40).batches(16, shuffle=True),  # 3 lots
    "parcours plus longs que l'époque": lambda: images(150).batches(16, shuffle=True),  # 10 lots
}


def train(source, epochs=4, interrupt_at=None, **options):
    """Entraîne `Noisy`, cinq pas par époque."""
    model = new_noisy()
    torch.manual_seed(11)
    bell, inner = alarm(interrupt_at), noisy_step(model)

    def step(batch):
        if model.training:
            next(bell)
        return inner(batch)

    with contextlib.suppress(Interruption):
        quiet_fit(
            step, SOURCES[source](), epochs, model, steps_per_epoch=5,
            validation=images(30).batches(16), **options,
        )  # fmt: skip
    return model


def test_an_epoch_of_steps_goes_on_from_one_pass_to_the_next():
    model, seen = nn.Linear(1, 1), []

    def step(x):
        seen.append(int(x))
        return {"loss": model(x[:, None]).square().mean()}

    batches = [torch.tensor([float(n)]) for n in range(4)]
    history = quiet_fit(step, batches, 3, model, steps_per_epoch=3)
    assert seen == [0, 1, 2, 3, 0, 1, 2, 3, 0]
    assert len(history["loss"]) == 3


def test_endless_batches_end_with_the_epochs():
    batches = itertools.cycle(regression()[0])
    model, steps = nn.Linear(3, 1), itertools.count()

    def step(batch):
        next(steps)
        return {"loss": nn.functional.mse_loss(model(batch[0]), batch[1])}

    quiet_fit(step, batches, 2, model, steps_per_epoch=7)
    assert next(steps) == 14


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("interrupt_at", [None, 1, 3, 5, 8, 10, 13, 20])
def test_streams_resume_to_the_bit(source, interrupt_at, tmp_path):
    expected, path = train(source), tmp_path / "a.pt"
    train(source, 2 if interrupt_at is None else 4, interrupt_at, checkpoint=path)
    torch.rand(17)
    assert same_weights(train(source, checkpoint=path), expected)


def test_a_generator_that_runs_dry_is_refused():
    model = nn.Linear(3, 1)
    batches = (batch for batch in regression()[0])  # six lots
    with pytest.raises(ValueError, match="générateur déjà épuisé"):
        quiet_fit(
            lambda b: {"loss": model(b[0]).square().mean()}, batches, 2, model, steps_per_epoch=5
        )
