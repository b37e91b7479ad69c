"""La distance par noyau entre deux nuages (KID) : sans biais, quel que soit le nombre de points."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.clouds.checks import check_pair, resamplings


def kernel_distance(real: Tensor, generated: Tensor) -> float:
    """Estime sans biais E[k(x, x')] + E[k(y, y')] - 2 E[k(x, y)], où k(x, y) = (x·y / F + 1)³.

    C'est la KID de ces points, le carré de la MMD (Bińkowski et coll., 2018, § 3 ; Gretton et
    coll., 2012, lemme 6). x et x' sont deux vrais points distincts, y et y' deux points tirés. La
    valeur peut être un peu négative : son espérance est nulle quand les deux lois sont la même.

    Args:
        real: vrais points [N, F], N au moins 2.
        generated: points tirés [M, F], M au moins 2.

    Raises:
        ValueError: nuages impossibles, ou de dimensions différentes.
    """
    real, generated = check_pair(real, generated, at_least=2)
    ones = torch.ones(len(generated), dtype=torch.float64)
    cross = _kernel(generated, real).mean(dim=1)  # [M]
    within = _between_others(_kernel(real, real), torch.ones(len(real), dtype=torch.float64))
    return _distance(within, _kernel(generated, generated), cross, ones).item()


def kernel_errors(real: Tensor, generated: Tensor, draws: int = 200, seed: int = 0) -> Tensor:
    """Refait `kernel_distance` sur `draws` rééchantillonnages des points tirés : [draws] au plus.

    Un point pris deux fois n'est pas comparé à lui-même : la moyenne reste sans biais. L'écart type
    estime celui de la distance d'un tirage à l'autre, un peu par excès : près du double quand les
    deux lois sont égales. Les vrais points restent fixes ; un rééchantillonnage réduit à un seul
    point, sans paire, est écarté.

    Raises:
        TypeError, ValueError: comme `kernel_distance`, ou moins de deux rééchantillonnages.
    """
    real, generated = check_pair(real, generated, at_least=2)
    cross, own = _kernel(generated, real).mean(dim=1), _kernel(generated, generated)
    within = _between_others(_kernel(real, real), torch.ones(len(real), dtype=torch.float64))
    weights = resamplings(len(generated), draws, seed)
    weights = weights[weights.count_nonzero(dim=1) > 1]
    return torch.stack([_distance(within, own, cross, w) for w in weights])


def _kernel(points: Tensor, others: Tensor) -> Tensor:
    return (points @ others.T / points.shape[1] + 1) ** 3


def _distance(within: Tensor, own: Tensor, cross: Tensor, weights: Tensor) -> Tensor:
    return within + _between_others(own, weights) - 2 * (weights @ cross) / weights.sum()


def _between_others(kernel: Tensor, weights: Tensor) -> Tensor:
    """Moyenne de k(x, x') sur les paires de points distincts, chacun compté `weights` fois."""
    pairs = weights @ kernel @ weights - weights.square() @ kernel.diagonal()
    return pairs / (weights.sum() ** 2 - weights.square().sum())
