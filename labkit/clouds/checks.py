"""Ce que les mesures vérifient de leurs nuages, et le rééchantillonnage qu'elles partagent."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.edges import check_whole


def check_cloud(name: str, points: Tensor, at_least: int = 1) -> Tensor:
    """Renvoie le nuage [N, F], N ≥ `at_least`, en float64 sur le processeur ; `name` le nomme.

    Raises:
        ValueError: autre chose qu'un tenseur de nombres réels [N, F], trop peu de points, ou NaN.
    """
    wanted = f"{name} : nuage de points [N, F] attendu"
    if not isinstance(points, Tensor):
        advice = " ; écrivez torch.as_tensor(…)" if hasattr(points, "__len__") else ""
        raise ValueError(f"{wanted}, reçu {type(points).__name__}{advice}.")
    if points.dim() != 2 or not points.shape[1]:
        advice = (
            " ; images.flatten(1) compare des pixels, metrics.features(classifier, images) des "
            "caractéristiques"
            if points.dim() > 2
            else ""
        )
        raise ValueError(f"{wanted}, reçu {list(points.shape)}{advice}.")
    if not points.is_floating_point():
        raise ValueError(f"{wanted}, de nombres réels, reçu {points.dtype} ; écrivez .float().")
    if len(points) < at_least:
        raise ValueError(f"{name} : {at_least} points au moins sont attendus, reçu {len(points)}.")
    if not points.isfinite().all():
        raise ValueError(f"{name} : des coordonnées sont infinies ou NaN.")
    return points.detach().cpu().double()


def check_pair(real: Tensor, generated: Tensor, at_least: int = 1) -> tuple[Tensor, Tensor]:
    """Renvoie les deux nuages [N, F] et [M, F], N et M ≥ `at_least`, comme `check_cloud`.

    Raises:
        ValueError: nuage impossible, ou dimensions différentes.
    """
    real = check_cloud("real", real, at_least)
    generated = check_cloud("generated", generated, at_least)
    check_same_space("real", real, "generated", generated)
    return real, generated


def check_same_space(one: str, points: Tensor, other: str, others: Tensor) -> None:
    """Refuse deux nuages [N, F] et [M, F'] de dimensions différentes ; les noms les désignent."""
    if points.shape[1] != others.shape[1]:
        raise ValueError(
            f"{one} [N, {points.shape[1]}] et {other} [N, {others.shape[1]}] : les deux nuages "
            "doivent avoir la même dimension, donc venir du même réseau ou d'images de même taille."
        )


def resamplings(count: int, draws: int, seed: int) -> Tensor:
    """Combien de fois chaque point est pris dans `draws` tirages avec remise, [draws, count].

    Raises:
        TypeError, ValueError: nombre de tirages qui n'est pas un entier d'au moins 2.
    """
    draws = check_whole("draws", draws, at_least=2)
    generator = torch.Generator().manual_seed(seed)
    picks = torch.randint(count, (draws, count), generator=generator)
    counts = torch.zeros(draws, count, dtype=torch.float64)
    return counts.scatter_add_(1, picks, torch.ones_like(counts))
