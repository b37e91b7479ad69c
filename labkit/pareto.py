"""Le front de Pareto : les choix que rien ne bat à la fois en coût et en qualité."""

from __future__ import annotations

import math
from collections.abc import Iterable


def pareto_front(candidates: Iterable[tuple[str, float, float]]) -> list[str]:
    """Donne les noms des candidats que nul autre ne domine, du moins cher au plus cher.

    Un candidat en domine un autre s'il n'est ni plus cher ni plus défectueux, et mieux placé pour
    l'un au moins.

    Args:
        candidates: (nom, coût, défaut), comme (« DCGAN », secondes, FID) ; moins vaut mieux.

    Raises:
        TypeError: autre chose que des triplets d'un nom et de deux nombres.
        ValueError: aucun candidat, deux du même nom, coût ou défaut NaN.
    """
    candidates = [_checked(candidate) for candidate in candidates]
    if not candidates:
        raise ValueError("candidates : au moins un (nom, coût, défaut) est attendu.")
    names = [name for name, _, _ in candidates]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(
            f"candidates : deux modèles portent le même nom, {', '.join(twice)} ; ajoutez ce qui "
            "les distingue, comme le nombre de pas."
        )
    for name, *values in candidates:
        if any(map(math.isnan, values)):
            raise ValueError(f"candidates : le coût ou le défaut de {name!r} est NaN.")
    front = [
        (cost, defect, name)
        for name, cost, defect in candidates
        if not any(_dominates(other, (cost, defect)) for _, *other in candidates)
    ]
    return [name for _, _, name in sorted(front)]


def _checked(candidate: object) -> tuple[str, float, float]:
    if (
        not isinstance(candidate, tuple | list)
        or len(candidate) != 3
        or not isinstance(candidate[0], str)
        or not all(isinstance(value, int | float) for value in candidate[1:])
    ):
        raise TypeError(
            "candidates : des triplets (nom, coût, défaut) sont attendus, comme "
            f'("DCGAN", 0.01, 27.5) ; reçu {candidate!r}.'
        )
    return tuple(candidate)


def _dominates(one: Iterable[float], other: Iterable[float]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
