"""La moyenne mobile des poids : sa formule, ses reprises, ses refus."""

import contextlib
import copy
import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from labkit.training import (
    CheckpointError,
    DivergenceError,
    Interruption,
    moving_average,
)
from tests.training.helpers import (
    Affine,
    Quadratic,
    adversaries,
    alarm,
    images,
    linear_step,
    new_noisy,
    noisy_step,
    quiet_fit,
    regression,
    same_weights,
)


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
    bell, inner = alarm(interrupt_at), noisy_step(model)

    def step(batch):
        next(bell)
        return inner(batch)

    with contextlib.suppress(Interruption):
        quiet_fit(
            step, images().batches(32, shuffle=True), epochs, model, average=average, **options
        )
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


@pytest.mark.parametrize("decay", [-0.1, 1.0, 1.5, math.nan])
def test_impossible_decay_is_refused(decay):
    with pytest.raises(ValueError, match="entre 0 compris et 1 exclu, reçu"):
        moving_average(nn.Linear(3, 1), decay)


def test_one_adversary_may_be_averaged_without_the_other(tmp_path):
    def train(epochs, **options):
        torch.manual_seed(0)
        models = {"discriminator": Quadratic(), "generator": Affine()}
        players = adversaries(models["generator"], models["discriminator"])
        average = moving_average(models["generator"], 0.9)
        players["generator"] = replace(players["generator"], average=average)
        batches = list(torch.linspace(-1, 1, 40).reshape(5, 4, 2))
        quiet_fit(players, batches, epochs, **options)
        return models, average

    models, average = train(3)
    assert average.n_averaged.item() == 15  # une fois par lot, après le pas du générateur
    assert not same_weights(average.module, models["generator"])
    train(1, checkpoint=tmp_path / "a.pt")
    resumed_models, resumed = train(3, checkpoint=tmp_path / "a.pt")
    assert same_weights(resumed, average)
    assert all(same_weights(resumed_models[name], models[name]) for name in models)


def test_an_average_that_is_not_one_is_refused():
    model = nn.Linear(3, 1)
    with pytest.raises(TypeError, match="labkit.moving_average.*reçu Linear"):
        quiet_fit(linear_step(model), regression()[0], 1, model, average=copy.deepcopy(model))
