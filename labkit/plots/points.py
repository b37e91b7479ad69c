"""Des points : les codes latents et leur plan, la frontière d'un classifieur."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patheffects import withStroke

from labkit.edges import check_whole, received
from labkit.plots.pixels import as_images, montage
from labkit.plots.style import (
    PALETTE,
    PIXELS,
    WIDTH,
    Array,
    LabFigure,
    as_array,
    as_numbers,
    axes_or_new,
    finish,
    legend_below,
)
from labkit.tables import rounded

_TWO_CLASSES = LinearSegmentedColormap.from_list("deux_classes", [PALETTE[0], "white", PALETTE[1]])


def _check_codes_and_classes(
    z: np.ndarray, labels: np.ndarray, classes: Sequence[str] | None
) -> None:
    if z.ndim != 2 or labels.shape != z.shape[:1]:
        raise ValueError(
            f"codes [N, D] et classes [N] attendus, reçu {list(z.shape)} et {list(labels.shape)}."
        )
    if not np.isfinite(z).all():
        raise ValueError("des codes sont infinis ou NaN : l'entraînement a-t-il divergé ?")
    unnamed = [] if classes is None else np.setdiff1d(labels, np.arange(len(classes)))
    if len(unnamed):
        raise ValueError(f"classe {unnamed[0]} sans nom : `classes` n'en donne que {len(classes)}.")


def _whole_labels(labels: Array) -> np.ndarray:
    """Les classes, en entiers ; leurs noms passent par `classes`."""
    array = as_array(labels)
    if array.dtype.kind not in "iuf" or (array != np.round(array)).any():
        raise TypeError(
            f"`labels` : des classes entières [N] sont attendues, reçu {received(labels)}. Donnez "
            "leurs numéros 0, 1, … et leurs noms par classes=[…]."
        )
    return array.astype(int)


def _check_projectable(z: np.ndarray) -> None:
    """Refuse ce qui arrêterait t-SNE, ou le processus avec lui."""
    if len(z) < 2:
        raise ValueError(
            f"{len(z)} code de dimension {z.shape[1]} : la projection par t-SNE en demande au "
            "moins deux."
        )
    largest = np.abs(z).max()
    if largest > 1e15:  # les carrés des distances ne tiendraient pas en float32
        raise ValueError(
            f"`z` : des codes atteignent {rounded(largest, 1)} : l'entraînement a-t-il divergé ?"
        )
    # Un écart de l'ordre des arrondis ne dessinerait que du bruit ; nul, il arrête le processus.
    if np.ptp(z, axis=0).max() <= max(1e-6 * largest, 1e-12):
        raise ValueError(
            f"`z` : les {len(z)} codes sont égaux, aux arrondis près : aucun voisinage à dessiner. "
            "L'encodeur s'est-il effondré ? Regardez la KL de chaque dimension."
        )


def _project(z: np.ndarray) -> tuple[np.ndarray, str]:
    """Ramène le nuage à deux dimensions, par t-SNE au besoin (van der Maaten et Hinton, 2008)."""
    if z.shape[1] <= 2:
        return np.pad(z, ((0, 0), (0, 2 - z.shape[1]))), "z"
    _check_projectable(z)
    from sklearn.manifold import TSNE

    perplexity = min(30, (len(z) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(z), "t-SNE "


def latent_scatter(
    z: Array,
    labels: Array,
    classes: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> LabFigure:
    """Dessine les codes latents, une couleur par classe, nommée au milieu de son nuage.

    Au-delà de deux dimensions, les codes sont projetés par t-SNE : seuls les voisinages y ont un
    sens, ni les distances ni les tailles des nuages.

    Args:
        z: codes latents [N, D].
        labels: classes [N], entières.
        classes: noms des classes 0, 1, … ; par défaut leurs numéros.

    Raises:
        TypeError: codes qui ne sont pas des nombres, classes qui ne sont pas des entiers.
        ValueError: z n'est pas [N, D] ou n'est pas fini, pas autant de classes que de codes, classe
            sans nom ; au-delà de deux dimensions, un seul code, ou des codes tous égaux.
    """
    z, labels = as_numbers(z, "z"), _whole_labels(labels)
    _check_codes_and_classes(z, labels, classes)
    points, axis_name = _project(z)
    ax = axes_or_new(ax, (WIDTH, 4.6))
    for label in np.unique(labels):
        cloud = points[labels == label]
        color = PALETTE[label % 10]
        ax.scatter(*cloud.T, s=5, color=color, alpha=0.6, linewidths=0, rasterized=True)
        name = classes[label] if classes is not None else str(label)
        outline = [withStroke(linewidth=3, foreground="white")]
        ax.text(
            *np.median(cloud, axis=0), name, ha="center", weight="bold", color="black",
            path_effects=outline,
        )  # fmt: skip
    ax.set_xlabel(f"{axis_name}1")
    ax.set_ylabel(f"{axis_name}2")
    method = "" if axis_name == "z" else f", projetés par t-SNE depuis {z.shape[1]} dimensions"
    return finish(
        ax,
        title,
        f"Nuage de {len(z)} codes latents de {len(np.unique(labels))} classes{method}.",
    )


def latent_manifold(
    decode: Callable[[torch.Tensor], torch.Tensor],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    size: int = 15,
    title: str | None = None,
    ax: Axes | None = None,
) -> LabFigure:
    """Décode une grille régulière du plan latent : ce que le modèle dessine en chaque point.

    Args:
        decode: codes [N, 2] -> images, comme pour `image_grid`.
        x_range: bornes de z1.
        y_range: bornes de z2 ; les grandes valeurs sont en haut.
        size: nombre d'images par côté, au moins 2.

    Returns:
        La figure, graduée en coordonnées latentes.

    Raises:
        TypeError, ValueError: nombre d'images par côté qui n'est pas un entier d'au moins 2,
            bornes qui ne sont pas deux nombres.
    """
    size = check_whole("size", size, at_least=2)
    for name, bounds in (("x_range", x_range), ("y_range", y_range)):
        if as_numbers(bounds, name).shape != (2,):
            raise ValueError(
                f"`{name}` : deux bornes sont attendues, comme (-3, 3), reçu {received(bounds)}."
            )
    xs, ys = torch.linspace(*x_range, size), torch.linspace(*reversed(y_range), size)
    z = torch.stack([xs.repeat(size), ys.repeat_interleave(size)], dim=1)  # [size², 2]
    with torch.no_grad():
        images = as_images(decode(z), "decode(z)")
    ax = axes_or_new(ax, (WIDTH, WIDTH))
    # Les bornes passent par le centre des vignettes extrêmes.
    half_x = (x_range[1] - x_range[0]) / (size - 1) / 2
    half_y = (y_range[1] - y_range[0]) / (size - 1) / 2
    extent = (x_range[0] - half_x, x_range[1] + half_x, y_range[0] - half_y, y_range[1] + half_y)
    ax.imshow(montage(images, size, gap=0), extent=extent, aspect="auto", **PIXELS)
    ax.set_box_aspect(1)
    ax.grid(False)
    # Un filet entre les vignettes : les chiffres qui touchent le bord ne se rejoignent pas.
    ax.set_xticks(np.linspace(*extent[:2], size + 1), minor=True)
    ax.set_yticks(np.linspace(*extent[2:], size + 1), minor=True)
    ax.tick_params(which="minor", length=0)
    ax.grid(which="minor", color="#767676", linewidth=0.6)
    ax.set_xlabel("z1")
    ax.set_ylabel("z2")
    return finish(ax, title, f"{size} × {size} images décodées sur une grille du plan latent.")


def decision_boundary(
    predict: Callable[[np.ndarray], Array],
    inputs: Array,
    targets: Array,
    title: str | None = None,
    ax: Axes | None = None,
) -> LabFigure:
    """Dessine la sortie d'un classifieur du plan, sa frontière (sortie 1/2) et les exemples.

    Args:
        predict: points [N, 2] -> sorties [N] dans [0, 1].
        inputs: exemples [N, 2].
        targets: leurs classes [N], 0 ou 1.

    Returns:
        La figure : ronds pour la classe 0, carrés pour la classe 1.

    Raises:
        TypeError: exemples ou classes qui ne sont pas des nombres.
        ValueError: aucun exemple, exemples qui ne sont pas [N, 2], pas une classe par exemple, ou
            pas une sortie par point.
    """
    inputs, targets = as_numbers(inputs, "inputs"), as_numbers(targets, "targets").reshape(-1)
    if inputs.ndim != 2 or inputs.shape[1] != 2 or not len(inputs) or len(targets) != len(inputs):
        raise ValueError(
            "exemples `inputs` [N, 2] et classes `targets` [N] attendus, N au moins 1, reçu "
            f"{list(inputs.shape)} et {list(targets.shape)} ; de plus de colonnes, donnez-en deux, "
            "comme inputs[:, :2], à un `predict` qui n'en lit que deux."
        )
    margin = 0.35 * np.ptp(inputs, axis=0).max()
    (x0, y0), (x1, y1) = inputs.min(0) - margin, inputs.max(0) + margin
    grid_x, grid_y = np.meshgrid(np.linspace(x0, x1, 150), np.linspace(y0, y1, 150))
    outputs = as_numbers(predict(np.stack([grid_x.ravel(), grid_y.ravel()], axis=1)), "predict(x)")
    if outputs.size != grid_x.size:
        raise ValueError(
            f"`predict` : une sortie par point est attendue, reçu {list(outputs.shape)} pour "
            f"{grid_x.size} points."
        )
    outputs = outputs.reshape(grid_x.shape)
    ax = axes_or_new(ax, (4.6, 4.4))
    ax.pcolormesh(
        grid_x, grid_y, outputs, cmap=_TWO_CLASSES, vmin=0, vmax=1, alpha=0.55, rasterized=True
    )
    if outputs.min() < 0.5 < outputs.max():
        ax.contour(grid_x, grid_y, outputs, levels=[0.5], colors="#333333", linewidths=1.6)
    for value, marker, color in ((0, "o", PALETTE[0]), (1, "s", PALETTE[1])):
        ax.scatter(
            *inputs[targets == value].T, s=90, marker=marker, color=color, edgecolor="black",
            label=f"cible {value}", zorder=3,
        )  # fmt: skip
    ax.set(xlabel="x1", ylabel="x2", aspect="equal")
    ax.grid(False)
    legend_below(ax, ax.collections[-2:])
    found = as_array(predict(inputs)).reshape(-1) > 0.5
    right = int((found == (targets > 0.5)).sum())
    return finish(
        ax,
        title,
        f"Frontière de décision dans le plan ; exemples bien classés : {right} sur {len(inputs)}.",
    )
