"""Les taux d'apprentissage : comparés à ceux de torch, lus dans le déplacement d'un poids."""

import pytest
import torch
from torch import nn

from labkit.training import stepped, warmup_cosine
from tests.training.helpers import linear_step, quiet_fit, regression


def rates_of(lr) -> list[float]:
    """Le taux de chaque pas, lu dans le déplacement d'un poids de gradient 1 par SGD."""
    model = nn.Linear(1, 1, bias=False)
    model.double()
    positions = []

    def step(x):
        positions.append(model.weight.item())
        return {"loss": model(x).sum()}

    batches = [torch.ones(1, 1, dtype=torch.float64)] * 10
    quiet_fit(step, batches, 4, model, lr=lr, optimizer=torch.optim.SGD)
    positions.append(model.weight.item())
    return [a - b for a, b in zip(positions[:-1], positions[1:], strict=True)]


def test_cosine_with_warm_up_is_that_of_torch():
    found = rates_of(warmup_cosine(0.1, warmup=0.25))
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.SequentialLR(
        optimizer,
        [
            torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1e-12, total_iters=10),
            torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=30),
        ],
        milestones=[10],
    )
    expected = []
    for _ in range(40):
        expected.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert found == pytest.approx(expected, abs=1e-9)


def test_stepped_rate_changes_exactly_at_its_epochs():
    found = rates_of(stepped([(1, 0.5), (3, 0.25), (4, 0.125)]))
    assert found == pytest.approx([0.5] * 10 + [0.25] * 20 + [0.125] * 10, abs=1e-12)


def test_a_step_may_ask_for_the_progress():
    model, seen = nn.Linear(3, 1), []

    def step(batch, progress):
        seen.append(progress)
        return linear_step(model)(batch)

    quiet_fit(step, regression()[0], 2, model, validation=regression()[0][:1])
    assert seen == [*(n / 12 for n in range(6)), 0.5, *(n / 12 for n in range(6, 12)), 1.0]


def test_progress_of_batches_without_a_length_needs_the_number_of_steps():
    model = nn.Linear(3, 1)
    endless = (batch for batch in regression()[0])
    with pytest.raises(ValueError, match="donnez steps_per_epoch"):
        quiet_fit(linear_step(model), endless, 1, model, lr=warmup_cosine(0.1))


@pytest.mark.parametrize(("make", "words"), [
    (lambda: warmup_cosine(0.0), "peak > 0"),
    (lambda: warmup_cosine(0.1, warmup=1.0), r"warmup dans \[0, 1\["),
    (lambda: stepped([]), "époques croissantes"),
    (lambda: stepped([(3, 0.1), (3, 0.2)]), "époques croissantes"),
])  # fmt: skip
def test_impossible_rates_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
