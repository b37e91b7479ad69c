"""Les figures du cours : un seul style, lisible sur fond clair et sur fond sombre.

Chaque fonction reçoit des tableaux ou des tenseurs et renvoie une figure. Toutes acceptent `ax=`,
pour composer plusieurs dessins avec `new_figure`. Les figures ne passent pas par pyplot : elles
s'affichent quand elles sont la dernière expression d'une cellule, ou par `display(figure)`, et
emportent dans la sortie du notebook un texte de remplacement (`figure.alt`).
"""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator, ScalarFormatter

# Dix couleurs distinctes pour les daltoniens : M. Petroff, « Accessible Color Sequences for Data
# Visualization », 2021 (arXiv:2107.02270).
PALETTE = [
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
]  # fmt: skip

# Fond blanc opaque : la figure garde ses contrastes quelle que soit la page qui la porte.
_STYLE = {
    "figure.facecolor": "white",
    "figure.dpi": 144,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.edgecolor": "#767676",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "image.cmap": "gray",
    "image.interpolation": "nearest",
}
_LINE_STYLES = ["-", "--", "-.", ":"]
_CSS_PIXELS_PER_INCH = 96
_TWO_SCALES_RATIO = 10

Array = np.ndarray | torch.Tensor
_styled = mpl.rc_context(_STYLE)


class LabFigure(Figure):
    """Figure matplotlib qui porte son texte de remplacement dans la sortie du notebook.

    Attributes:
        alt: description en une ou quelques phrases, lue par les lecteurs d'écran.
        axes_grid: repères de la figure, tableau [lignes, colonnes].
    """

    alt = ""
    axes_grid: np.ndarray

    def describe(self, sentence: str) -> LabFigure:
        """Ajoute la phrase `sentence` au texte de remplacement et renvoie la figure."""
        self.alt = f"{self.alt} {sentence}".strip()
        return self

    def _repr_mimebundle_(self, **_: object) -> tuple[dict, dict]:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        width = round(self.get_figwidth() * _CSS_PIXELS_PER_INCH)
        png = base64.b64encode(buffer.getvalue()).decode("ascii")
        return (
            {"image/png": png, "text/plain": self.alt},
            {"image/png": {"alt": self.alt, "width": width}},
        )


class _CommaFormatter(ScalarFormatter):
    """Graduations avec la virgule décimale."""

    def __call__(self, x, pos=None):
        return super().__call__(x, pos).replace(".", ",")


def _use_decimal_comma(ax: Axes) -> None:
    for axis in (ax.xaxis, ax.yaxis):
        if axis.get_scale() == "linear":
            axis.set_major_formatter(_CommaFormatter())


@_styled
def new_figure(
    rows: int = 1, columns: int = 1, size: tuple[float, float] = (6.4, 4.0)
) -> LabFigure:
    """Crée une figure au style du cours, à remplir par les fonctions qui acceptent `ax=`.

    Args:
        rows: nombre de lignes de repères.
        columns: nombre de colonnes de repères.
        size: largeur et hauteur, en pouces.

    Returns:
        La figure ; ses repères sont dans `axes_grid` [rows, columns].
    """
    figure = LabFigure(figsize=size)
    figure.axes_grid = figure.subplots(rows, columns, squeeze=False)
    for ax in figure.axes_grid.flat:
        _use_decimal_comma(ax)
    return figure


def _axes(ax: Axes | None, size: tuple[float, float] = (6.4, 4.0)) -> Axes:
    return new_figure(size=size).axes_grid[0, 0] if ax is None else ax


def _legend_below(ax: Axes, artists: Sequence[Artist]) -> None:
    """Légende sous le repère : elle ne cache aucune donnée, même avec deux échelles."""
    names = [artist.get_label() for artist in artists]
    ax.legend(artists, names, loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=3)


def _finish(ax: Axes, title: str | None, sentence: str) -> LabFigure:
    """Titre, virgules décimales et texte de remplacement : la fin commune de tous les dessins."""
    if title:
        ax.set_title(title)
        sentence = f"{title} : {sentence[0].lower()}{sentence[1:]}"
    _use_decimal_comma(ax)
    figure = ax.figure
    if isinstance(figure, LabFigure):
        figure.describe(sentence)
    return figure


def _numpy(values: Array | Sequence) -> np.ndarray:
    if isinstance(values, torch.Tensor):
        return values.detach().float().cpu().numpy()
    return np.asarray(values)


def _as_images(images: Array) -> np.ndarray:
    """Ramène des images à [N, H, W] (gris) ou [N, H, W, 3] (couleur), entre 0 et 1."""
    if not len(images):
        raise ValueError("aucune image à dessiner.")
    is_bytes = images.dtype in (torch.uint8, np.uint8)
    array = _numpy(images).astype(np.float32) / (255 if is_bytes else 1)
    if array.ndim == 2:  # [N, H*W] -> [N, H, W]
        side = math.isqrt(array.shape[1])
        if side * side != array.shape[1]:
            raise ValueError(
                f"images aplaties de {array.shape[1]} pixels : ce n'est pas un carré. "
                "Donnez un tableau [N, 1, H, W]."
            )
        return array.reshape(-1, side, side)
    if array.ndim == 4 and array.shape[1] in (1, 3):  # [N, C, H, W] -> [N, H, W(, 3)]
        return array[:, 0] if array.shape[1] == 1 else np.moveaxis(array, 1, -1)
    if array.ndim != 3:
        raise ValueError(
            "images attendues [N, 1, H, W], [N, 3, H, W], [N, H, W] ou [N, H*W], reçu "
            f"{list(array.shape)}."
        )
    return array


def _gap(width: int) -> int:
    """Pixels blancs entre deux images de cette largeur."""
    return max(1, width // 14)


def _montage(images: np.ndarray, columns: int, gap: int, top: int) -> np.ndarray:
    """Assemble des images [N, H, W(, 3)] en une seule, `top` pixels blancs au-dessus de chacune."""
    count, height, width = images.shape[:3]
    rows = -(-count // columns)
    canvas = np.ones(
        (rows * (height + top + gap), columns * (width + gap) - gap, *images.shape[3:]), np.float32
    )
    for index, image in enumerate(images):
        y = (index // columns) * (height + top + gap) + top
        x = (index % columns) * (width + gap)
        canvas[y : y + height, x : x + width] = image
    return canvas[:-gap] if gap else canvas


def _draw_montage(
    images: np.ndarray,
    columns: int,
    titles: Sequence[str] | None,
    title: str | None,
    sentence: str,
    ax: Axes | None,
    margins: tuple[float, float] = (0.0, 0.0),
) -> LabFigure:
    """Dessine des images déjà passées par `_as_images` ; marges à gauche et en haut, en pouces."""
    height, width = images.shape[1:3]
    gap, top = _gap(width), round(0.4 * height) if titles is not None else 0
    canvas = _montage(images, columns, gap, top)
    size_x = min(9.0, 0.75 * columns + 0.4)
    size_y = size_x * canvas.shape[0] / canvas.shape[1] + (0.35 if title else 0)
    ax = _axes(ax, (size_x + margins[0], size_y + margins[1]))
    ax.imshow(canvas, vmin=0, vmax=1)
    ax.set_axis_off()
    for index, text in enumerate(titles or ()):
        x = (index % columns) * (width + gap) + (width - 1) / 2
        y = (index // columns) * (height + top + gap) + 0.8 * top
        ax.text(x, y, text, ha="center", va="bottom", fontsize=8)
    return _finish(ax, title, sentence)


@_styled
def image_grid(
    images: Array,
    columns: int = 10,
    titles: Sequence[object] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> LabFigure:
    """Dessine des images en grille, dans l'ordre de lecture.

    Args:
        images: [N, 1, H, W], [N, 3, H, W], [N, H, W] ou [N, H*W] ; uint8, ou flottants dans [0, 1].
        columns: nombre d'images par ligne, au moins 1.
        titles: N légendes, une au-dessus de chaque image.
        title: titre.
        ax: repère où dessiner, sinon une nouvelle figure.

    Returns:
        La figure.

    Raises:
        ValueError: aucune image, forme impossible, aucune colonne, ou nombre de légendes différent
            de N.
    """
    if columns < 1:
        raise ValueError(
            f"`columns`, le nombre d'images par ligne, vaut au moins 1, reçu {columns}."
        )
    images = _as_images(images)
    count = len(images)
    if titles is not None and len(titles) != count:
        raise ValueError(f"{len(titles)} légendes pour {count} images.")
    titles = None if titles is None else [str(text) for text in titles]
    columns = min(columns, count)
    sentence = f"Grille de {count} images en {-(-count // columns)} lignes"
    sentence += f", légendées {', '.join(titles)}." if titles is not None else "."
    return _draw_montage(images, columns, titles, title, sentence, ax)


@_styled
def image_table(
    rows: Mapping[str, Array],
    columns: Sequence[object] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> LabFigure:
    """Range des images en tableau, une légende devant chaque ligne et au-dessus de chaque colonne.

    Args:
        rows: légende -> N images, comme pour `image_grid`, le même nombre dans chaque ligne.
        columns: N légendes de colonnes.
        title: titre.
        ax: repère où dessiner, sinon une nouvelle figure.

    Returns:
        La figure.

    Raises:
        ValueError: aucune ligne, lignes ou légendes de colonnes de longueurs différentes.
    """
    pictures = [_as_images(images) for images in rows.values()]
    counts = [len(images) for images in pictures] + ([] if columns is None else [len(columns)])
    if not rows or len(set(counts)) > 1 or len({images.shape for images in pictures}) > 1:
        raise ValueError(
            "un tableau d'images demande des lignes de même longueur, des images de même taille et "
            f"autant de légendes de colonnes ; reçu {[list(images.shape) for images in pictures]}"
            f"{'' if columns is None else f' et {len(columns)} légendes'}."
        )
    count, images = counts[0], np.concatenate(pictures)
    sentence = f"Tableau d'images, {len(rows)} lignes ({', '.join(rows)}) sur {count} colonnes"
    sentence += "." if columns is None else f" ({', '.join(map(str, columns))})."
    # La place des légendes : un dixième de pouce par caractère à gauche, une ligne en haut.
    margins = 0.1 * max(map(len, rows)) + 0.1, 0.2 if columns is None else 0.3
    figure = _draw_montage(images, count, None, title, sentence, ax, margins)
    if ax is None:
        ax = figure.axes[0]
        figure.get_layout_engine().set(w_pad=0.1)  # sinon la plus longue légende touche le bord
    height, width = images.shape[1:3]
    gap = _gap(width)
    for index, label in enumerate(rows):
        y = index * (height + gap) + (height - 1) / 2
        ax.text(-2 * gap, y, label, ha="right", va="center", fontsize=9)
    for index, label in enumerate(columns or ()):
        x = index * (width + gap) + (width - 1) / 2
        ax.text(x, -gap, str(label), ha="center", va="bottom", fontsize=8)
    if title and columns is not None:
        ax.set_title(title, pad=16)  # au-dessus des légendes de colonnes
    return figure


class LabAnimation:
    """Animation GIF qui porte son texte de remplacement dans la sortie du notebook.

    Attributes:
        gif: le fichier, en octets.
        alt: description, lue par les lecteurs d'écran.
    """

    def __init__(self, gif: bytes, alt: str, width: int):
        self.gif, self.alt, self._width = gif, alt, width

    def _repr_html_(self) -> str:
        content = base64.b64encode(self.gif).decode("ascii")
        # Le navigateur agrandit : le fichier garde un octet par pixel dessiné.
        style = f"width: {self._width}px; max-width: 100%; image-rendering: pixelated"
        source = f"data:image/gif;base64,{content}"
        return f'<img src="{source}" alt="{html.escape(self.alt)}" style="{style}">'


def animation(
    frames: Sequence[Array], columns: int = 8, milliseconds: int = 100, title: str = "Animation"
) -> LabAnimation:
    """Anime une suite de grilles d'images ; un trait, en bas, dit où l'on en est.

    Args:
        frames: états successifs, chacun de N images comme pour `image_grid`.
        columns: nombre d'images par ligne, au moins 1.
        milliseconds: durée d'un état ; le dernier reste deux secondes, puis tout recommence.
        title: ce que l'on voit, pour le texte de remplacement.

    Returns:
        L'animation, qui s'affiche quand elle est la dernière expression d'une cellule.

    Raises:
        ValueError: aucun état, aucune image, ou aucune colonne.
    """
    from PIL import Image

    if not len(frames) or columns < 1:
        raise ValueError(
            f"une animation demande au moins un état et une colonne, reçu {len(frames)} et "
            f"{columns}."
        )
    pages = []
    for index, images in enumerate(frames):
        images = _as_images(images)
        canvas = _montage(images, min(columns, len(images)), _gap(images.shape[2]), top=0)
        canvas = np.pad(canvas, ((0, 3), (0, 0)), constant_values=1)
        canvas[-2:, : round(canvas.shape[1] * (index + 1) / len(frames))] = 0.4
        pages.append(Image.fromarray((canvas.clip(0, 1) * 255).round().astype(np.uint8)))
    durations = [milliseconds] * (len(pages) - 1) + [2000]
    buffer = io.BytesIO()
    pages[0].save(buffer, "GIF", save_all=True, append_images=pages[1:], duration=durations, loop=0)
    alt = f"{title} : animation en {len(pages)} images d'une grille de {len(frames[0])} dessins."
    scale = max(1, round(480 / pages[0].width))  # à peu près la largeur d'une colonne de texte
    return LabAnimation(buffer.getvalue(), alt, scale * pages[0].width)


@_styled
def reconstructions(
    originals: Array, reconstructed: Array, title: str | None = None, ax: Axes | None = None
) -> LabFigure:
    """Place chaque image d'origine au-dessus de sa reconstruction.

    Args:
        originals: N images, comme pour `image_grid`.
        reconstructed: leurs N reconstructions, de la même taille.
        title: titre.
        ax: repère où dessiner, sinon une nouvelle figure.

    Returns:
        La figure : originaux sur la première ligne, reconstructions sur la seconde.

    Raises:
        ValueError: nombres d'images différents, ou tailles différentes.
    """
    if len(originals) != len(reconstructed):
        raise ValueError(f"{len(originals)} originaux pour {len(reconstructed)} reconstructions.")
    above, below = _as_images(originals), _as_images(reconstructed)
    if above.shape != below.shape:
        raise ValueError(
            f"originaux {list(above.shape[1:])} et reconstructions {list(below.shape[1:])} : les "
            "images doivent avoir la même taille."
        )
    pairs = np.concatenate([above, below])
    sentence = f"{len(originals)} images d'origine (en haut) et leurs reconstructions (en bas)."
    return _draw_montage(pairs, len(originals), None, title, sentence, ax)


@_styled
def interpolation_strip(
    images: Array, title: str | None = None, ax: Axes | None = None
) -> LabFigure:
    """Dessine sur une ligne les images décodées le long d'un trajet, légendées de leur position.

    Args:
        images: N images du départ (position 0) à l'arrivée (position 1), comme pour `image_grid`.
        title: titre.
        ax: repère où dessiner, sinon une nouvelle figure.

    Returns:
        La figure.
    """
    positions = [f"{t:.2f}".replace(".", ",") for t in np.linspace(0, 1, len(images))]
    sentence = f"Interpolation en {len(images)} images, de la position 0 à la position 1."
    return _draw_montage(_as_images(images), len(images), positions, title, sentence, ax)


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
    def number(value: float) -> str:
        return f"{value:.3g}".replace(".", ",")

    parts = [f"{name} de {number(v[0])} à {number(v[-1])}" for name, v in curves.items()]
    return f"Courbes selon {xlabel} : {' ; '.join(parts)}."


@_styled
def loss_curves(
    curves: Mapping[str, Sequence[float]],
    xlabel: str = "époque",
    ylabel: str = "perte",
    title: str | None = None,
    log: bool = False,
    ax: Axes | None = None,
) -> LabFigure:
    """Trace des courbes d'apprentissage, sur deux échelles si leurs grandeurs diffèrent beaucoup.

    Une courbe dont la médiane est plus de dix fois celle de la première, ou moins du dixième, est
    graduée à droite.

    Args:
        curves: légende -> valeurs [n], numérotées à partir de 1. Un `History` convient.
        xlabel: nom de l'abscisse.
        ylabel: nom de l'ordonnée.
        title: titre.
        log: ordonnée logarithmique (alors sur une seule échelle).
        ax: repère où dessiner, sinon une nouvelle figure.

    Returns:
        La figure.

    Raises:
        ValueError: aucune courbe, ou une courbe vide.
    """
    values = {name: _numpy(curve).astype(float) for name, curve in curves.items()}
    if not values or not all(len(curve) for curve in values.values()):
        raise ValueError("aucune valeur à tracer : l'entraînement a-t-il fini une époque ?")
    ax = _axes(ax)
    left, right = (list(values), []) if log else _split_scales(values)
    twin = ax.twinx() if right else None
    lines = []
    for index, (name, curve) in enumerate(values.items()):
        target = twin if name in right else ax
        color, style = PALETTE[index % 10], _LINE_STYLES[index % 4]
        marker = "o" if len(curve) < 3 else None
        steps = np.arange(1, len(curve) + 1)
        lines += target.plot(steps, curve, style, color=color, label=name, marker=marker)
    ax.set_xlabel(xlabel)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.set_ylabel(ylabel if twin is None else ", ".join(left))
    if log:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(numticks=8))
    if twin is not None:
        twin.set_ylabel(", ".join(right))
        twin.spines["right"].set_visible(True)
        twin.grid(False)
        _use_decimal_comma(twin)
    if len(lines) > 1:
        _legend_below(ax, lines)
    return _finish(ax, title, _describe_curves(values, xlabel))


def _project(z: np.ndarray) -> tuple[np.ndarray, str]:
    """Ramène le nuage à deux dimensions, par t-SNE au besoin (van der Maaten et Hinton, 2008)."""
    if z.shape[1] <= 2:
        return np.pad(z, ((0, 0), (0, 2 - z.shape[1]))), "z"
    if len(z) < 2:
        raise ValueError(
            f"{len(z)} code de dimension {z.shape[1]} : la projection par t-SNE en demande au "
            "moins deux."
        )
    from sklearn.manifold import TSNE

    perplexity = min(30, (len(z) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(z), "t-SNE "


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


@_styled
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
        title: titre.
        ax: repère où dessiner, sinon une nouvelle figure.

    Returns:
        La figure.

    Raises:
        ValueError: z n'est pas [N, D] ou n'est pas fini, pas autant de classes que de codes, classe
            sans nom, ou un seul code au-delà de deux dimensions.
    """
    z, labels = _numpy(z), _numpy(labels).astype(int)
    _check_codes_and_classes(z, labels, classes)
    points, axis_name = _project(z)
    ax = _axes(ax, (6.0, 5.4))
    for label in np.unique(labels):
        cloud = points[labels == label]
        color = PALETTE[label % 10]
        ax.scatter(*cloud.T, s=5, color=color, alpha=0.6, linewidths=0, rasterized=True)
        name = classes[label] if classes is not None else str(label)
        outline = [withStroke(linewidth=3, foreground="white")]
        ax.text(*np.median(cloud, axis=0), name, ha="center", weight="bold", path_effects=outline)
    ax.set_xlabel(f"{axis_name}1")
    ax.set_ylabel(f"{axis_name}2")
    method = "" if axis_name == "z" else f", projetés par t-SNE depuis {z.shape[1]} dimensions"
    return _finish(
        ax,
        title,
        f"Nuage de {len(z)} codes latents de {len(np.unique(labels))} classes{method}.",
    )


@_styled
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
        title: titre.
        ax: repère où dessiner, sinon une nouvelle figure.

    Returns:
        La figure, graduée en coordonnées latentes.

    Raises:
        ValueError: moins de deux images par côté.
    """
    if size < 2:
        raise ValueError(f"`size`, le nombre d'images par côté, vaut au moins 2, reçu {size}.")
    xs, ys = torch.linspace(*x_range, size), torch.linspace(*reversed(y_range), size)
    z = torch.stack([xs.repeat(size), ys.repeat_interleave(size)], dim=1)  # [size², 2]
    with torch.no_grad():
        images = _as_images(decode(z))
    ax = _axes(ax, (6.4, 6.4))
    # Les bornes passent par le centre des vignettes extrêmes.
    half_x = (x_range[1] - x_range[0]) / (size - 1) / 2
    half_y = (y_range[1] - y_range[0]) / (size - 1) / 2
    extent = (x_range[0] - half_x, x_range[1] + half_x, y_range[0] - half_y, y_range[1] + half_y)
    ax.imshow(_montage(images, size, 0, 0), vmin=0, vmax=1, extent=extent, aspect="auto")
    ax.set_box_aspect(1)
    ax.grid(False)
    # Un filet entre les vignettes : les chiffres qui touchent le bord ne se rejoignent pas.
    ax.set_xticks(np.linspace(*extent[:2], size + 1), minor=True)
    ax.set_yticks(np.linspace(*extent[2:], size + 1), minor=True)
    ax.tick_params(which="minor", length=0)
    ax.grid(which="minor", color="#767676", linewidth=0.6)
    ax.set_xlabel("z1")
    ax.set_ylabel("z2")
    return _finish(ax, title, f"{size} × {size} images décodées sur une grille du plan latent.")


_TWO_CLASSES = LinearSegmentedColormap.from_list("deux_classes", [PALETTE[0], "white", PALETTE[1]])


@_styled
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
        title: titre.
        ax: repère où dessiner, sinon une nouvelle figure.

    Returns:
        La figure : ronds pour la classe 0, carrés pour la classe 1.
    """
    inputs, targets = _numpy(inputs), _numpy(targets).reshape(-1)
    margin = 0.35 * np.ptp(inputs, axis=0).max()
    (x0, y0), (x1, y1) = inputs.min(0) - margin, inputs.max(0) + margin
    grid_x, grid_y = np.meshgrid(np.linspace(x0, x1, 150), np.linspace(y0, y1, 150))
    outputs = _numpy(predict(np.stack([grid_x.ravel(), grid_y.ravel()], axis=1)))
    outputs = outputs.reshape(grid_x.shape)
    ax = _axes(ax, (4.6, 4.4))
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
    _legend_below(ax, ax.collections[-2:])
    found = _numpy(predict(inputs)).reshape(-1) > 0.5
    right = int((found == (targets > 0.5)).sum())
    return _finish(
        ax,
        title,
        f"Frontière de décision dans le plan ; exemples bien classés : {right} sur {len(inputs)}.",
    )
