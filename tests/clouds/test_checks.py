"""Ce que toutes les mesures refusent d'un nuage."""

import math

import pytest
import torch

from labkit import clouds
from labkit.clouds.checks import resamplings

MEASURES = [
    clouds.frechet_distance,
    clouds.kernel_distance,
    clouds.precision_recall,
    clouds.density_coverage,
]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(("bad", "message"), [
    (torch.rand(9, 1, 4, 4), r"reçu \[9, 1, 4, 4\] ; images.flatten\(1\) compare des pixels"),
    (torch.rand(9), r"nuage de points \[N, F\] attendu, reçu \[9\]"),
    (torch.ones(9, 2).long(), "nombres réels, reçu torch.int64"),
    (torch.full((9, 2), math.nan), "infinies ou NaN"),
    (torch.rand(9, 3), r"même dimension, donc venir du même réseau"),
    ([[0.0, 1.0]] * 9, "reçu list ; écrivez torch.as_tensor"),
])  # fmt: skip
def test_what_is_not_a_cloud_of_the_same_space_is_refused(measure, bad, message):
    good = torch.rand(9, 2)
    with pytest.raises(ValueError, match=message):
        measure(good, bad)
    with pytest.raises(ValueError, match=message):
        measure(bad, good)


def test_measures_need_no_gradient_and_keep_none():
    points = torch.rand(9, 2, requires_grad=True)
    for measure in MEASURES:
        measure(points, points * 2)


def test_resamplings_draw_as_many_points_as_there_are():
    counts = resamplings(50, 2000, seed=0)
    assert counts.shape == (2000, 50)
    assert (counts.sum(dim=1) == 50).all()
    assert counts.mean().item() == 1
    # Chaque point suit une loi binomiale(50, 1/50), de variance 0,98.
    assert counts.var(dim=0).mean().item() == pytest.approx(0.98, rel=0.03)
