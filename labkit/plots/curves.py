"""Des courbes d'apprentissage, sur une échelle ou sur deux."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator

from labkit.edges import received
from labkit.plots.style import (
    PALETTE,
    LabFigure,
    as_numbers,
    axes_or_new,
    finish,
    legend_below,
    use_decimal_comma,
)
from labkit.tables import rounded

_LINE_STYLES = ["-", "--", "-.", ":"]
_TWO_SCALES_RATIO = 10


def _split_scales(curves: Mapping[str, np.ndarray]) -> tuple[list[str], list[str]]:
    """Sépare les courbes dont l'ordre de grandeur diffère de plus de dix fois de la première."""
    levels = {name: float(np.nanmedian(np.abs(values))) for name, values in curves.items()}
    reference = next(iter(levels.values()))

    def is_far(level: float) -> bool:
        low, high = sorted((level, reference))
        return low > 0 and high / low > _TWO_SCALES_RATIO

    far = [name for name, level in levels.items() if is_far(level)]
    return [name for name in curves if name not in far], far


def _describe_curves(curves: Mapping[str, np.ndarray], xlabel: str) -> str:
    parts = [f"{name} de {rounded(v[0])} à {rounded(v[-1])}" for name, v in curves.items()]
    return f"Courbes selon {xlabel} : {' ; '.join(parts)}."


def _curve(values: Sequence[float], name: str) -> np.ndarray:
    curve = as_numbers(values, name).astype(float)
    if curve.ndim != 1:
        raise ValueError(
            f"`{name}` : une liste de valeurs [n] est attendue, reçu {list(curve.shape)}."
        )
    return curve


def loss_curves(
    curves: Mapping[str, Sequence[float]],
    xlabel: str = "époque",
    ylabel: str = "perte",
    title: str | None = None,
    log: bool = False,
    first: int = 1,
    ax: Axes | None = None,
) -> LabFigure:
    """Trace des courbes d'apprentissage, sur deux échelles si leurs grandeurs diffèrent beaucoup.

    Une courbe dont la médiane est plus de dix fois celle de la première, ou moins du dixième, est
    graduée à droite.

    Args:
        curves: légende -> valeurs [n]. Un `History` convient.
        xlabel: nom de l'abscisse.
        ylabel: nom de l'ordonnée.
        log: ordonnée logarithmique (alors sur une seule échelle).
        first: abscisse de la première valeur : 1 pour des époques, 0 pour les instants de `labkit`.

    Raises:
        TypeError: autre chose qu'un dictionnaire de nombres.
        ValueError: aucune courbe, une courbe vide, ou un tableau à plusieurs dimensions.
    """
    if not isinstance(curves, Mapping):
        raise TypeError(
            f"`curves` : un dictionnaire légende -> valeurs est attendu, reçu {received(curves)} : "
            'écrivez loss_curves({"perte": valeurs}).'
        )
    values = {name: _curve(curve, f'curves["{name}"]') for name, curve in curves.items()}
    if not values or not all(len(curve) for curve in values.values()):
        raise ValueError("aucune valeur à tracer : l'entraînement a-t-il fini une époque ?")
    ax = axes_or_new(ax)
    left, right = (list(values), []) if log else _split_scales(values)
    twin = ax.twinx() if right else None
    lines = []
    for index, (name, curve) in enumerate(values.items()):
        look = {
            "color": PALETTE[index % 10],
            "linestyle": _LINE_STYLES[index % 4],
            "marker": "o" if len(curve) < 3 else None,
        }
        steps = np.arange(first, first + len(curve))
        target = twin if name in right else ax
        lines += target.plot(steps, curve, linewidth=1.8, label=name, **look)
    ax.set_xlabel(xlabel)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.set_ylabel(ylabel if twin is None else ", ".join(left))
    if log:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(numticks=8))
    if twin is not None:
        twin.set_ylabel(", ".join(right))
        use_decimal_comma(twin)
    if len(lines) > 1:
        legend_below(ax, lines)
    return finish(ax, title, _describe_curves(values, xlabel))
