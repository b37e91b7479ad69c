"""La distance de Fréchet, contre son expression explicite et celle de SciPy."""

import numpy as np
import pytest
import scipy.linalg
import torch

from labkit.clouds import frechet_distance, frechet_errors


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def whitened(count: int, dimension: int) -> torch.Tensor:
    """Un nuage de moyenne nulle et de covariance identité, exactement."""
    points = torch.randn(count, dimension, dtype=torch.float64)
    points = points - points.mean(dim=0)
    root = torch.linalg.cholesky(torch.cov(points.T))
    return torch.linalg.solve_triangular(root, points.T, upper=False).T


def test_two_gaussians_of_diagonal_covariances():
    """‖m₁ - m₂‖² + Σ (σ₁ - σ₂)²."""
    cloud = whitened(100, 3)
    scale, shift = torch.tensor([1.0, 2.0, 5.0]), torch.tensor([3.0, 0.0, -1.0])
    assert frechet_distance(cloud, cloud * scale + shift) == pytest.approx(10 + 0 + 1 + 16)
    assert frechet_distance(cloud, cloud) == pytest.approx(0, abs=1e-9)


def test_covariances_that_do_not_commute():
    real = whitened(50, 2) @ torch.tensor([[1.0, 2.0], [0.0, 1.0]]).double()
    generated = whitened(80, 2) @ torch.tensor([[3.0, 0.0], [1.0, 1.0]]).double()
    a, b = (np.cov(points.numpy().T) for points in (real, generated))
    expected = np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real)
    assert frechet_distance(real, generated) == pytest.approx(expected)
    assert frechet_distance(generated, real) == pytest.approx(expected)


def test_errors_estimate_the_spread_between_draws():
    """L'écart type des rééchantillonnages d'un tirage, face à celui de 300 tirages neufs."""
    real = whitened(400, 2)
    draws = [torch.randn(300, 2) + torch.tensor([1.0, 0.0]) for _ in range(300)]
    between = torch.tensor([frechet_distance(real, draw) for draw in draws]).std()
    within = torch.stack([frechet_errors(real, draw, 100).std() for draw in draws[:20]]).mean()
    assert within.item() == pytest.approx(between.item(), rel=0.15)


def test_errors_are_those_of_the_repeated_points():
    real, generated = whitened(30, 2), whitened(20, 2) + 1
    found = frechet_errors(real, generated, draws=5, seed=3)
    generator = torch.Generator().manual_seed(3)
    picks = torch.randint(20, (5, 20), generator=generator)
    expected = [frechet_distance(real, generated[chosen]) for chosen in picks]
    assert found.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("count", [2, 8])
def test_fewer_points_than_coordinates_are_refused(count):
    few, many = torch.randn(count, 8), torch.randn(50, 8)
    for pair in ((few, many), (many, few)):
        with pytest.raises(ValueError, match=f"{count} points de 8 coordonnées .* 9 au moins"):
            frechet_distance(*pair)
        with pytest.raises(ValueError, match="9 au moins de chaque côté"):
            frechet_errors(*pair)


def test_a_single_resampling_has_no_spread():
    with pytest.raises(ValueError, match="draws doit valoir au moins 2"):
        frechet_errors(torch.randn(9, 2), torch.randn(9, 2), draws=1)
