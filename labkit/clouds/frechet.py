"""La distance de Fréchet entre deux nuages, résumés par leurs moyennes et leurs covariances."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.clouds.checks import check_pair, resamplings


def frechet_distance(real: Tensor, generated: Tensor) -> float:
    """Calcule ‖m₁ - m₂‖² + tr(S₁ + S₂ - 2 (S₁ S₂)^½), m et S moyenne et covariance d'un nuage.

    C'est la FID de ces points (Heusel et coll., 2017, éq. 6), et le carré de la distance de
    Wasserstein entre les deux gaussiennes de mêmes moments. Estimée sur N points, elle est trop
    grande, d'un biais en 1/N : comparez à nombre de points égal.

    Args:
        real: vrais points [N, F], N supérieur à F.
        generated: points tirés [M, F], M supérieur à F.

    Raises:
        ValueError: nuages impossibles, de dimensions différentes, ou pas plus de points que de
            dimensions : la covariance n'aurait pas d'inverse, et la distance, pas de sens.
    """
    real, generated = _check(real, generated)
    return between_moments(*moments(real), *moments(generated)).item()


def frechet_errors(real: Tensor, generated: Tensor, draws: int = 200, seed: int = 0) -> Tensor:
    """Refait `frechet_distance` sur `draws` rééchantillonnages des points tirés : [draws].

    L'écart type de ces valeurs estime celui de la distance d'un tirage à l'autre (*bootstrap*,
    Efron, 1979), un peu par excès : près du double quand les deux lois sont égales. Leur moyenne
    est biaisée, car un point pris deux fois n'apprend rien. Les vrais points restent fixes : ce
    sont les mêmes pour tous les modèles comparés.

    Raises:
        TypeError, ValueError: comme `frechet_distance`, ou moins de deux rééchantillonnages.
    """
    real, generated = _check(real, generated)
    fixed = moments(real)
    weights = resamplings(len(generated), draws, seed)
    return torch.stack([between_moments(*fixed, *moments(generated, w)) for w in weights])


def _check(real: Tensor, generated: Tensor) -> tuple[Tensor, Tensor]:
    real, generated = check_pair(real, generated)
    fewest, dimension = min(len(real), len(generated)), real.shape[1]
    if fewest <= dimension:
        raise ValueError(
            f"{fewest} points de {dimension} coordonnées : il en faut plus que de coordonnées, "
            f"donc {dimension + 1} au moins de chaque côté, pour estimer une covariance."
        )
    return real, generated


def moments(points: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Moyenne [F] et covariance [F, F], chaque point compté `weights` fois."""
    weights = torch.ones(len(points), dtype=points.dtype) if weights is None else weights
    total = weights.sum()
    mean = weights @ points / total
    centred = points - mean
    return mean, centred.T @ (weights[:, None] * centred) / (total - 1)


def between_moments(
    mean: Tensor, covariance: Tensor, mean_2: Tensor, covariance_2: Tensor
) -> Tensor:
    """Distance de Fréchet de deux gaussiennes, de moyennes [F] et de covariances [F, F]."""
    # tr (S₁ S₂)^½ : la somme des racines des valeurs propres de S₁ S₂, positives à l'arrondi près.
    roots = torch.linalg.eigvals(covariance @ covariance_2).real.clamp(min=0).sqrt()
    spread = covariance.trace() + covariance_2.trace() - 2 * roots.sum()
    return (mean - mean_2).square().sum() + spread
