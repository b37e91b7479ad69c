"""Refaire une mesure sur plusieurs graines, et en dire la moyenne et l'étendue.

Un écart entre deux modèles ne veut rien dire s'il est plus petit que celui qu'une autre graine
donnerait : toute comparaison du cours passe par ici.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from labkit.tables import number
from labkit.training import set_seed


def spread(values: Iterable[float], digits: int | None = None) -> str:
    """Écrit la moyenne et l'étendue de quelques mesures : « 12,3 (11,8 à 12,9) ».

    D'une seule mesure, le nombre, sans étendue.

    Args:
        values: les mesures, une par graine ou par tirage.
        digits: nombre de décimales, comme pour `number`.

    Raises:
        ValueError: aucune mesure.
    """
    values = [float(value) for value in values]
    if not values:
        raise ValueError("`values` : aucune mesure, donc ni moyenne ni étendue.")
    if any(math.isnan(value) for value in values):
        raise ValueError(
            f"`values` contient NaN, {sum(map(math.isnan, values))} fois : une mesure a échoué. "
            "Ôtez-la en le disant, ou refaites-la."
        )
    if len(values) == 1:
        return number(values[0], digits)
    mean = sum(values) / len(values)
    low, high = number(min(values), digits), number(max(values), digits)
    return f"{number(mean, digits)} ({low} à {high})"


def over_seeds(
    measure: Callable[[int], Mapping[str, float]], seeds: Iterable[int]
) -> dict[str, list[float]]:
    """Refait une mesure pour chaque graine, celle de `labkit.set_seed` : nom -> valeurs [graines].

    Args:
        measure: reçoit la graine, renvoie nom -> nombre, avec les mêmes noms à chaque fois.
        seeds: les graines, comme range(5).

    Returns:
        Pour chaque nom, une valeur par graine, dans l'ordre ; `spread` les résume.

    Raises:
        TypeError: `seeds` n'est pas une suite, ou `measure` ne renvoie pas un dictionnaire.
        ValueError: d'une graine à l'autre, les noms changent.
    """
    if not isinstance(seeds, Iterable):
        raise TypeError(
            f"`seeds` : une suite de graines est attendue, comme range({seeds}), reçu {seeds!r}."
        )
    results: dict[str, list[float]] = {}
    for seed in seeds:
        set_seed(seed)
        found = measure(seed)
        _check_measures(found, results, seed)
        for name, value in found.items():
            results.setdefault(name, []).append(float(value))
    return results


def _check_measures(found: object, earlier: Mapping[str, list[float]], seed: int) -> None:
    if not isinstance(found, Mapping):
        raise TypeError(f"`measure` doit renvoyer un dictionnaire nom -> nombre, reçu {found!r}.")
    if earlier and found.keys() != earlier.keys():
        raise ValueError(
            f"`measure` doit renvoyer les mêmes noms pour chaque graine : {', '.join(earlier)} "
            f"d'abord, puis {', '.join(found)} pour la graine {seed}."
        )
