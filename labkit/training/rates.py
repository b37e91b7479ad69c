"""Des taux d'apprentissage qui suivent l'avancement de l'entraînement, de 0 (départ) à 1 (fin)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Rate = Callable[[float], float]


def warmup_cosine(peak: float, warmup: float = 0.05) -> Rate:
    """Monte de 0 à `peak` en ligne droite, puis redescend à 0 le long d'un demi-cosinus.

    Args:
        peak: plus grand taux, strictement positif.
        warmup: part de l'entraînement passée à monter, dans [0, 1[.

    Returns:
        Fonction avancement -> taux, pour `fit(lr=…)` (Loshchilov et Hutter, 2017, éq. 5).

    Raises:
        ValueError: taux nul ou négatif, part hors de [0, 1[.
    """
    if not peak > 0 or not 0 <= warmup < 1:
        raise ValueError(
            f"il faut peak > 0 et warmup dans [0, 1[, reçu peak = {peak} et warmup = {warmup}."
        )

    def rate(progress: float) -> float:
        if progress < warmup:
            return peak * progress / warmup
        return peak * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2

    return rate


def stepped(stages: Sequence[tuple[int, float]]) -> Rate:
    """Garde un taux constant par paliers, comme `[(16, 5e-4), (38, 5e-5)]`.

    Args:
        stages: (dernière époque du palier, taux), d'époques croissantes ; la dernière est celle
            où finit l'entraînement.

    Returns:
        Fonction avancement -> taux, pour `fit(lr=…)`.

    Raises:
        ValueError: aucun palier, ou époques qui ne croissent pas.
    """
    ends = [0, *(end for end, _ in stages)]
    if len(ends) == 1 or any(a >= b for a, b in zip(ends[:-1], ends[1:], strict=True)):
        raise ValueError(
            f"des paliers (époque de fin, taux) d'époques croissantes sont attendus, reçu {stages}."
        )

    def rate(progress: float) -> float:
        return next((lr for end, lr in stages if progress < end / ends[-1]), stages[-1][1])

    return rate
