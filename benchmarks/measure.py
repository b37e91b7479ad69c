"""Une mesure et sa borne."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from labkit.precision import has_fast_bf16
from labkit.tables import number
from labkit.training import pick_device


@dataclass(frozen=True)
class Measure:
    """Une valeur mesurée, l'intervalle où elle doit tomber, et de quoi l'afficher."""

    name: str
    value: float
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    digits: int = 2

    @property
    def held(self) -> bool:
        low = float("-inf") if self.at_least is None else self.at_least
        high = float("inf") if self.at_most is None else self.at_most
        return low <= self.value <= high

    def line(self) -> str:
        value = f"{number(self.value, self.digits)} {self.unit}".strip()
        return f"{self.name:<58} {value:>10} {self._bound():>16} {'✓' if self.held else '✗'}"

    def _bound(self) -> str:
        bounds = self.at_least, self.at_most
        low, high = (None if bound is None else number(bound, self.digits) for bound in bounds)
        if low is None and high is None:
            return "aucune"
        if low is not None and high is not None:
            return f"{low} à {high}"
        return f"≥ {low}" if low is not None else f"≤ {high}"


@dataclass(frozen=True)
class Skipped:
    """Une mesure impossible ici, et pourquoi ; sauf `held=False`, ce n'est pas un échec."""

    name: str
    reason: str
    held: bool = True

    def line(self) -> str:
        return f"{self.name} : non mesuré, {self.reason}{'' if self.held else ' ✗'}"


def alternate(
    actions: Mapping[str, Callable[[], object]],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Chronomètre chaque action tour à tour, pour que toutes subissent la même machine.

    Args:
        actions: nom -> ce qu'il faut chronométrer.
        repeats: nombre de tours.
        clock: horloge, en secondes ; `time.process_time` ne compte pas l'attente d'un cœur occupé
            par d'autres programmes.

    Returns:
        Durées en secondes, `repeats` par action.
    """
    seconds = {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            start = clock()
            action()
            seconds[name].append(clock() - start)
    return seconds


def median_ratio(numerators: list[float], denominators: list[float]) -> float:
    """Médiane des rapports de durées mesurées au même tour."""
    return statistics.median(n / d for n, d in zip(numerators, denominators, strict=True))


def bounded_where_bf16_is_fast(name: str, ratio: float, at_least: float) -> Measure:
    """Un rapport que le cours n'annonce que là où bf16 est rapide ; ailleurs, sans borne."""
    if has_fast_bf16(pick_device()):
        return Measure(name, ratio, at_least=at_least)
    return Measure(f"{name} (sans borne : bf16 lent ici)", ratio)
