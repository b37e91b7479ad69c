"""Une partie dans le plan : ses points, ce que D en pense, ce que G fait d'une grille."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap

from labkit.plots.style import (
    PALETTE,
    Array,
    LabFigure,
    as_numbers,
    axes_or_new,
    finish,
    legend_below,
)
from labkit.points import signed_areas
from labkit.tables import number, percent, rounded

_REAL, _DRAWN = PALETTE[0], PALETTE[1]
_OPINION = LinearSegmentedColormap.from_list("opinion", [_DRAWN, "white", _REAL])
_EDGE = 1.15  # demi-côté montré : un peu plus que le carré [-1, 1]²
_LONGEST = 0.3  # longueur de la plus longue flèche


def _points(values: Array | Sequence, name: str) -> np.ndarray:
    points = as_numbers(values, name)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(f"`{name}` : des points [N, 2] sont attendus, reçu {list(points.shape)}.")
    return points


def _square(ax: Axes) -> None:
    ax.set(xlim=(-_EDGE, _EDGE), ylim=(-_EDGE, _EDGE), aspect="equal", xlabel="x1", ylabel="x2")
    ax.grid(False)


def point_cloud(
    real: Array,
    drawn: Array,
    pushes: Array | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> LabFigure:
    """Dessine les vrais points, ceux de G, et peut-être où D pousse ces derniers.

    Args:
        real: vrais points [N, 2], des ronds vides.
        drawn: points de G [M, 2], des carrés pleins.
        pushes: une flèche par point de G [M, 2] ; la plus longue a toujours la même longueur.

    Raises:
        TypeError: autre chose que des nombres.
        ValueError: autre forme, aucun point, ou pas une flèche par point.
    """
    real, drawn = _points(real, "real"), _points(drawn, "drawn")
    ax = axes_or_new(ax, (4.4, 4.6))
    _square(ax)
    if pushes is not None:
        pushes = _points(pushes, "pushes")
        if len(pushes) != len(drawn):
            raise ValueError(
                f"`pushes` : une flèche par point est attendue, reçu {len(pushes)} flèches pour "
                f"{len(drawn)} points."
            )
        scaled = pushes * (_LONGEST / max(np.linalg.norm(pushes, axis=1).max(), 1e-12))
        ax.quiver(
            *drawn.T, *scaled.T, angles="xy", scale_units="xy", scale=1, width=0.004,
            color="#555555", zorder=2, rasterized=True,
        )  # fmt: skip
    ax.scatter(
        *real.T, s=10, facecolors="none", edgecolors=_REAL, linewidths=0.7, label="vrais points",
        rasterized=True, zorder=1,
    )  # fmt: skip
    ax.scatter(
        *drawn.T, s=9, marker="s", color=_DRAWN, linewidths=0, label="points de G",
        rasterized=True, zorder=3,
    )  # fmt: skip
    legend_below(ax, ax.collections[-2:])
    outside = int((np.abs(drawn) > 1).any(axis=1).sum())
    return finish(
        ax,
        title,
        f"{len(real)} vrais points et {len(drawn)} points de G, dont {outside} hors du carré.",
    )


def square_map(
    values: Array,
    points: Array | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> LabFigure:
    """Dessine une carte de valeurs de [0, 1] sur le carré [-1, 1]² : l'opinion de D.

    Bleu pour 1 (vrai), orange pour 0 (tiré), blanc pour 1/2 ; une case NaN reste grise.

    Args:
        values: une valeur par case [côté²], dans l'ordre de `labkit.points.cell_shares`.
        points: points [N, 2] à montrer par-dessus.

    Raises:
        TypeError: autre chose que des nombres.
        ValueError: nombre de valeurs qui n'est pas un carré.
    """
    values = as_numbers(values, "values").reshape(-1)
    side = round(len(values) ** 0.5)
    if not side or side * side != len(values):
        raise ValueError(
            f"`values` : une valeur par case d'une grille carrée est attendue, reçu {len(values)} "
            "valeurs."
        )
    ax = axes_or_new(ax, (4.4, 4.4))
    _square(ax)
    ax.set_facecolor("#dddddd")
    image = ax.imshow(
        values.reshape(side, side), cmap=_OPINION, vmin=0, vmax=1, origin="lower",
        extent=(-1, 1, -1, 1), interpolation="none",
    )  # fmt: skip
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.75, ticks=[0, 0.5, 1])
    bar.ax.set_yticklabels(["0", "1/2", "1"])
    if points is not None:
        ax.scatter(*_points(points, "points").T, s=3, color="black", linewidths=0, rasterized=True)
    known = values[~np.isnan(values)]
    bounds = f"de {number(known.min(), 2)} à {number(known.max(), 2)}" if len(known) else "vide"
    return finish(ax, title, f"Carte de {side} × {side} cases, {bounds}.")


def grid_image(
    corners: Array,
    title: str | None = None,
    ax: Axes | None = None,
) -> LabFigure:
    """Dessine l'image par G d'une grille régulière du bruit.

    Une case est d'autant plus foncée que G l'a rétrécie, donc que ses points y sont serrés ; celles
    que G a retournées, là où l'image se replie, sont bleues. Un bruit de dimension 1 donne une
    courbe, jalonnée de repères entre lesquels la probabilité est la même.

    Args:
        corners: images des nœuds [n, n, 2], ou [n, 2] pour un bruit de dimension 1.

    Raises:
        TypeError: autre chose que des nombres.
        ValueError: autre forme.
    """
    corners = as_numbers(corners, "corners")
    if corners.ndim not in (2, 3) or corners.shape[-1] != 2 or min(corners.shape[:-1]) < 2:
        raise ValueError(
            "`corners` : les images des nœuds [n, n, 2], ou [n, 2] en dimension 1, sont attendues, "
            f"reçu {list(corners.shape)}."
        )
    ax = axes_or_new(ax, (4.4, 4.4))
    _square(ax)
    if corners.ndim == 2:
        ax.plot(*corners.T, color=_DRAWN, linewidth=2)
        ax.scatter(*corners.T, s=6, color="black", zorder=3)
        sentence = f"Image d'un segment de bruit : une courbe de {len(corners)} nœuds."
        return finish(ax, title, sentence)
    faces, turned = _faces(corners)
    cells = np.stack(
        [corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1]], axis=2
    )  # [n-1, n-1, 4, 2]
    ax.add_collection(
        PolyCollection(
            cells.reshape(-1, 4, 2), facecolors=faces.reshape(-1, 4), edgecolors="#555555",
            linewidths=0.3,
        )
    )  # fmt: skip
    return finish(ax, title, f"Image d'une grille de bruit, dont {percent(turned)} est retourné.")


def _faces(corners: np.ndarray) -> tuple[np.ndarray, float]:
    """La couleur de chaque case [n-1, n-1, 4], et la part des cases retournées."""
    areas = signed_areas(torch.as_tensor(corners)).numpy()
    turned = areas * (np.sign(areas.sum()) or 1) < 0
    density = 1 / (areas.size * np.maximum(np.abs(areas), 1e-4))
    opacity = np.clip(0.12 + 0.13 * np.log1p(density), 0, 0.85)
    colors = np.where(turned[..., None], _rgb(_REAL), _rgb(_DRAWN))
    return np.concatenate([colors, opacity[..., None]], axis=-1), turned.mean()


def _rgb(color: str) -> np.ndarray:
    return np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255


def seed_curves(
    steps: Sequence[int],
    curves: Mapping[str, Array],
    ylabel: str,
    level: tuple[str, float] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> LabFigure:
    """Trace des mesures refaites sur plusieurs graines : leur médiane, et toute leur étendue.

    Args:
        steps: pas des mesures [T].
        curves: légende -> mesures [T, S], une colonne par graine.
        ylabel: nom de l'ordonnée.
        level: un repère horizontal, (légende, valeur).

    Raises:
        TypeError: autre chose que des nombres.
        ValueError: aucune courbe, ou pas une ligne de mesures par pas.
    """
    measured = {name: as_numbers(values, f'curves["{name}"]') for name, values in curves.items()}
    if not measured:
        raise ValueError("`curves` : au moins une courbe est attendue.")
    for name, values in measured.items():
        if values.ndim != 2 or len(values) != len(steps):
            raise ValueError(
                f'`curves["{name}"]` : des mesures [{len(steps)}, graines] sont attendues, une '
                f"ligne par pas, reçu {list(values.shape)}."
            )
    ax = axes_or_new(ax)
    lines, parts = [], []
    for rank, (name, values) in enumerate(measured.items()):
        color, middle = PALETTE[rank % 10], np.median(values, axis=1)
        ax.fill_between(steps, values.min(1), values.max(1), color=color, alpha=0.2, linewidth=0)
        lines += ax.plot(steps, middle, color=color, linewidth=1.8, label=name)
        first, last = rounded(middle[0]), rounded(middle[-1])
        parts.append(f"{name} de {first} à {last}")
    if level is not None:
        name, value = level
        lines.append(ax.axhline(value, color="#555555", linestyle=":", label=name))
    ax.set(xlabel="pas", ylabel=ylabel)
    legend_below(ax, lines)
    return finish(ax, title, f"Médianes sur les graines : {' ; '.join(parts)}.")
