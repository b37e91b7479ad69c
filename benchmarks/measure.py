"""Une mesure et sa borne ; les vitesses d'une famille de modèles."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sized
from dataclasses import asdict, dataclass
from itertools import repeat

import torch

from labkit.data import ImageSet
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

    def record(self) -> dict:
        """Ce que `_build/bench.json` en garde."""
        return {"kind": "measure", "held": self.held, **asdict(self)}

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

    def record(self) -> dict:
        """Ce que `_build/bench.json` en garde."""
        return {"kind": "skipped", **asdict(self)}


LABKIT, USUAL, LIMIT = "labkit", "boucle habituelle", "limite"
FLOAT32 = "labkit en float32"


@dataclass(frozen=True)
class Speeds:
    """Ce que chaque boucle d'une famille traite par seconde, `labkit`, l'habituelle, la limite.

    La limite refait les pas de labkit, dans la même précision, sur un seul lot déjà en place.
    """

    name: str
    unit: str  # ce que l'on compte : images, jetons
    count: int  # combien par passage
    seconds: Mapping[str, list[float]]  # boucle -> durée de chaque passage
    held = True  # une vitesse n'a pas de borne ; les rapports en ont

    def ratio(self, slow: str, fast: str = LABKIT) -> float:
        """Combien de fois une boucle est plus rapide qu'une autre, médiane des tours."""
        return median_ratio(self.seconds[slow], self.seconds[fast])

    def rates(self) -> dict[str, tuple[float, float, float]]:
        """Par boucle : médiane, plus lent et plus rapide des tours, par seconde."""
        return {
            name: tuple(self.count / pick(found) for pick in (statistics.median, max, min))
            for name, found in self.seconds.items()
        }

    def line(self) -> str:
        parts = (
            f"{name} {number(middle, 0)} ({number(low, 0)} à {number(high, 0)})"
            for name, (middle, low, high) in self.rates().items()
        )
        return f"{self.name}, {self.unit} par seconde : {', '.join(parts)}"

    def record(self) -> dict:
        """Ce que `_build/bench.json` en garde."""
        return {"kind": "speeds", "name": self.name, "unit": self.unit, "rates": self.rates()}

    def to_limit(self) -> Measure:
        """Ce que coûtent les lots et la boucle, en plus des pas."""
        return Measure(f"{self.name}, labkit / limite", self.ratio(LABKIT, LIMIT), at_most=1.1)


class Resident:
    """Le même lot, déjà en place, autant de fois qu'une époque a de lots.

    Args:
        batches: les lots de l'époque, dont seul le premier sert.
    """

    def __init__(self, batches: Sized):
        self._batch, self._count = next(iter(batches)), len(batches)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator:
        return repeat(self._batch, self._count)


def any_images(count: int) -> ImageSet:
    """Des images quelconques [count, 1, 28, 28] : ce qu'elles montrent ne change rien au coût."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (count, 1, 28, 28), generator=generator, dtype=torch.uint8)
    return ImageSet(pixels, torch.zeros(count, dtype=torch.long))


def compare(
    name: str,
    count: int,
    loops: Mapping[str, Callable[[], object]],
    repeats: int,
    unit: str = "images",
    clock: Callable[[], float] = time.perf_counter,
) -> Speeds:
    """Chronomètre tour à tour les boucles d'une famille, après un premier passage de chacune.

    Args:
        name: la famille.
        count: ce que traite un passage.
        loops: nom de la boucle -> un passage.
        repeats: nombre de tours.
        unit: ce que compte `count`.
        clock: comme pour `alternate`.
    """
    for loop in loops.values():  # premiers appels : imports, allocations
        loop()
    return Speeds(name, unit, count, alternate(loops, repeats, clock))


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
