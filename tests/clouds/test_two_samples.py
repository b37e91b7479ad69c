"""Le test à deux échantillons, sur des lois égales, voisines et disjointes."""

import math

import pytest
import torch
from torch import nn

from labkit.clouds import two_sample_test


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_one_law_is_not_told_from_itself():
    found = two_sample_test(network, torch.randn(400, 2), torch.randn(400, 2))
    assert found["error"] == pytest.approx(0.5 / math.sqrt(400))
    assert abs(found["accuracy"] - 0.5) < 4 * found["error"]
    assert found["p_value"] > 1e-4


def test_two_laws_apart_are_told():
    found = two_sample_test(network, torch.randn(400, 2), torch.randn(400, 2) + 6, epochs=20)
    assert found["accuracy"] > 0.99
    assert found["p_value"] < 1e-20


def test_accuracy_nears_that_of_the_best_judge():
    """Entre N(0, I) et N(2 e₁, I), le meilleur juge a raison Φ(1) fois sur une : 84,1 %."""
    shift = torch.tensor([2.0, 0.0])
    real, generated = torch.randn(4000, 2), torch.randn(4000, 2) + shift
    found = two_sample_test(network, real, generated)
    assert found["accuracy"] == pytest.approx(0.841, abs=0.02)


def test_p_value_of_a_known_gap():
    """Tous les exemples égaux : les réponses sont justes une fois sur deux, et p vaut 1/2."""
    found = two_sample_test(network, torch.ones(8, 2), torch.ones(8, 2), epochs=1)
    assert found == {"accuracy": 0.5, "error": 0.5 / math.sqrt(8), "p_value": 0.5}


def test_the_seed_decides_of_everything():
    real, generated = torch.randn(60, 2), torch.randn(60, 2) + 1
    first = two_sample_test(network, real, generated, seed=4)
    torch.rand(3)
    assert two_sample_test(network, real, generated, seed=4) == first


@pytest.mark.parametrize(("real", "generated"), [
    (torch.randn(9, 2), torch.randn(8, 2)),
    (torch.randn(9, 2), torch.randn(9, 3)),
    (torch.randn(3, 2), torch.randn(3, 2)),
    ([1.0] * 9, torch.randn(9, 2)),
])  # fmt: skip
def test_sets_of_other_sizes_are_refused(real, generated):
    with pytest.raises(ValueError, match="deux tenseurs de même forme"):
        two_sample_test(network, real, generated)


def test_epochs_must_be_a_count():
    with pytest.raises(ValueError, match="epochs doit valoir au moins 1"):
        two_sample_test(network, torch.randn(9, 2), torch.randn(9, 2), epochs=0)
