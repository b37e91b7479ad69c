"""La dispersion : plusieurs graines, leur moyenne et leur étendue."""

import numpy as np
import pytest
import torch

import labkit
from labkit.spreads import over_seeds, spread


@pytest.mark.parametrize("cast", [list, np.array, torch.tensor, iter])
def test_spread_is_the_mean_and_the_range(cast):
    assert spread(cast([11.8, 12.9, 12.2]), 1) == "12,3 (11,8 à 12,9)"
    assert spread(cast([11.8]), 1) == "11,8"


def test_spread_of_nothing():
    with pytest.raises(ValueError, match="`values` : aucune mesure"):
        spread([])


def test_spread_of_a_failed_measure_is_refused():
    with pytest.raises(ValueError, match="contient NaN, 1 fois : une mesure a échoué"):
        spread([1.0, float("nan")])


def test_over_seeds_sets_the_seed_before_each_measure():
    def measure(seed):
        return {"tirage": torch.rand(()), "graine": seed}

    found = over_seeds(measure, range(3, 6))
    expected = []
    for seed in (3, 4, 5):
        labkit.set_seed(seed)
        expected.append(torch.rand(()).item())
    assert found == {"tirage": expected, "graine": [3.0, 4.0, 5.0]}
    assert all(type(value) is float for value in found["tirage"])
    assert over_seeds(measure, []) == {}


@pytest.mark.parametrize(("measure", "seeds", "error", "message"), [
    (lambda seed: {"a": 1}, 5, TypeError, r"`seeds` .*range\(5\), reçu 5"),
    (lambda seed: 1.5, range(2), TypeError, "`measure` doit renvoyer un dictionnaire.*reçu 1.5"),
    (lambda seed: {f"a{seed}": 1}, range(2), ValueError, "a0 d'abord, puis a1 pour la graine 1"),
])  # fmt: skip
def test_mistakes_over_seeds_are_explained(measure, seeds, error, message):
    with pytest.raises(error, match=message):
        over_seeds(measure, seeds)
