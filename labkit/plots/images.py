"""Des images : en grille, en tableau, sur une ligne, en animation."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from labkit.edges import check_whole
from labkit.plots.pixels import Images, as_images, gap_of, montage, transparent_gaps
from labkit.plots.style import PIXELS, LabFigure, axes_or_new, finish
from labkit.tables import number

# Au-delà, la figure dépasserait vite ce que matplotlib sait dessiner (65 536 pixels de haut).
_MOST_IMAGES = 2000


def _draw_montage(
    images: np.ndarray,
    columns: int,
    titles: Sequence[str] | None,
    title: str | None,
    sentence: str,
    ax: Axes | None,
    margins: tuple[float, float] = (0.0, 0.0),
    title_pad: float | None = None,
) -> LabFigure:
    """Dessine des images déjà passées par `as_images` ; marges à gauche et en haut, en pouces."""
    height, width = images.shape[1:3]
    gap, top = gap_of(width), round(0.4 * height) if titles is not None else 0
    canvas = montage(images, columns, gap, top)
    # Une légende demande de la place ; sans elle, la grille tient sur un téléphone.
    labelled = titles is not None or margins[0] > 0
    size_x = min(6.6, 0.75 * columns + 0.4) if labelled else min(5.4, 0.5 * columns + 0.4)
    size_y = size_x * canvas.shape[0] / canvas.shape[1] + (0.35 if title else 0)
    ax = axes_or_new(ax, (size_x + margins[0], size_y + margins[1]))
    ax.imshow(transparent_gaps(canvas), **PIXELS)
    ax.set_axis_off()
    for index, text in enumerate(titles or ()):
        x = (index % columns) * (width + gap) + (width - 1) / 2
        y = (index // columns) * (height + top + gap) + 0.8 * top
        ax.text(x, y, text, ha="center", va="bottom", fontsize=8)
    return finish(ax, title, sentence, title_pad)


def image_grid(
    images: Images,
    columns: int = 10,
    titles: Sequence[object] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> LabFigure:
    """Dessine des images en grille, dans l'ordre de lecture.

    Args:
        images: tableau ou tenseur [N, 1, H, W], [N, 3, H, W], [N, H, W] ou [N, H*W], liste de N
            images (PIL comprises) ou `ImageSet` ; flottants de 0 à 1, ou entiers de 0 à 255.
        columns: nombre d'images par ligne, au moins 1.
        titles: N légendes, une au-dessus de chaque image.

    Raises:
        TypeError: autre chose que des images, nombre de colonnes qui n'est pas entier.
        ValueError: aucune image ou plus de 2 000, forme impossible, pixels hors de l'échelle,
            aucune colonne, ou nombre de légendes différent de N.
    """
    columns = check_whole("columns", columns)
    images = as_images(images)
    count = len(images)
    if count > _MOST_IMAGES:
        raise ValueError(
            f"`images` : {number(_MOST_IMAGES)} images au plus dans une grille, reçu "
            f"{number(count)}. Donnez-en une partie, comme images[:100]."
        )
    if titles is not None and len(titles) != count:
        raise ValueError(f"{len(titles)} légendes pour {count} images.")
    titles = None if titles is None else [str(text) for text in titles]
    columns = min(columns, count)
    sentence = f"Grille de {count} images en {-(-count // columns)} lignes"
    sentence += f", légendées {', '.join(titles)}." if titles is not None else "."
    return _draw_montage(images, columns, titles, title, sentence, ax)


def image_table(
    rows: Mapping[str, Images],
    columns: Sequence[object] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> LabFigure:
    """Range des images en tableau, une légende devant chaque ligne et au-dessus de chaque colonne.

    Args:
        rows: légende -> N images, comme pour `image_grid`, le même nombre dans chaque ligne.
        columns: N légendes de colonnes.

    Raises:
        ValueError: aucune ligne, lignes ou légendes de colonnes de longueurs différentes.
    """
    pictures = [as_images(images, f'rows["{label}"]') for label, images in rows.items()]
    _check_table(pictures, columns)
    count, images = len(pictures[0]), np.concatenate(pictures)
    sentence = f"Tableau d'images, {len(rows)} lignes ({', '.join(rows)}) sur {count} colonnes"
    sentence += "." if columns is None else f" ({', '.join(map(str, columns))})."
    # La place des légendes : un douzième de pouce par caractère à gauche, une ligne en haut.
    margins = max(map(len, rows)) / 12 + 0.1, 0.2 if columns is None else 0.3
    title_pad = None if columns is None else 16  # au-dessus des légendes de colonnes
    figure = _draw_montage(images, count, None, title, sentence, ax, margins, title_pad)
    if ax is None:
        ax = figure.axes[0]
        # « compressed » compte les légendes avec l'image réduite, dont le rapport est imposé.
        figure.set_layout_engine("compressed", w_pad=0.1)
    _label_table(ax, rows, () if columns is None else columns, images.shape[1:3])
    return figure


def _check_table(pictures: Sequence[np.ndarray], columns: Sequence[object] | None) -> None:
    counts = {len(images) for images in pictures} | (set() if columns is None else {len(columns)})
    if len(counts) != 1 or len({images.shape for images in pictures}) != 1:
        raise ValueError(
            "un tableau d'images demande des lignes de même longueur, des images de même taille et "
            f"autant de légendes de colonnes ; reçu {[list(images.shape) for images in pictures]}"
            f"{'' if columns is None else f' et {len(columns)} légendes'}."
        )


def _label_table(
    ax: Axes, rows: Sequence[str], columns: Sequence[object], size: tuple[int, int]
) -> None:
    """Écrit les légendes autour d'un tableau d'images de cette taille, [H, W]."""
    height, width = size
    gap = gap_of(width)
    for index, label in enumerate(rows):
        y = index * (height + gap) + (height - 1) / 2
        ax.text(-2 * gap, y, label, ha="right", va="center", fontsize=9)
    for index, label in enumerate(columns):
        x = index * (width + gap) + (width - 1) / 2
        ax.text(x, -gap, str(label), ha="center", va="bottom", fontsize=8)


class LabAnimation:
    """Animation GIF qui porte son texte de remplacement dans la sortie du notebook.

    Attributes:
        gif: le fichier, en octets.
        alt: description, lue par les lecteurs d'écran.
        conclusion: ce qu'il faut en conclure, écrit dessous.
    """

    conclusion = ""

    def __init__(self, gif: bytes, alt: str, width: int):
        self.gif, self.alt, self._width = gif, alt, width

    def caption(self, sentence: str) -> LabAnimation:
        """Écrit dessous ce qu'il faut en conclure : la phrase `sentence`. Renvoie l'animation."""
        self.conclusion = sentence
        return self

    def _repr_html_(self) -> str:
        content = base64.b64encode(self.gif).decode("ascii")
        # Le navigateur agrandit : le fichier garde un octet par pixel dessiné.
        style = f"width: {self._width}px; max-width: 100%; image-rendering: pixelated"
        source, caption = f"data:image/gif;base64,{content}", html.escape(self.conclusion)
        image = (
            f'<img src="{source}" alt="{html.escape(self.alt)}" data-caption="{caption}" '
            f'style="{style}">'
        )
        return f"{image}<p><em>{caption}</em></p>" if caption else image


def animation(
    frames: Sequence[Images], columns: int = 8, milliseconds: int = 100, title: str = "Animation"
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
        TypeError: nombre de colonnes ou durée qui ne sont pas des entiers.
        ValueError: aucun état, aucune image, aucune colonne, ou durée nulle.
    """
    columns = check_whole("columns", columns)
    milliseconds = check_whole("milliseconds", milliseconds)
    if not len(frames):
        raise ValueError("`frames` : une animation demande au moins un état.")
    states = [as_images(images, f"frames[{index}]") for index, images in enumerate(frames)]
    pages = [
        _page(images, columns, (index + 1) / len(states)) for index, images in enumerate(states)
    ]
    durations = [milliseconds] * (len(pages) - 1) + [2000]
    buffer = io.BytesIO()
    pages[0].save(buffer, "GIF", save_all=True, append_images=pages[1:], duration=durations, loop=0)
    alt = f"{title} : animation en {len(pages)} images d'une grille de {len(states[0])} dessins."
    scale = max(1, round(480 / pages[0].width))  # à peu près la largeur d'une colonne de texte
    return LabAnimation(buffer.getvalue(), alt, scale * pages[0].width)


def _page(images: np.ndarray, columns: int, progress: float) -> Image.Image:
    """Une image de l'animation : la grille, et le trait qui avance de 0 à 1."""
    canvas = montage(images, min(columns, len(images)), gap_of(images.shape[2]))
    below = ((0, 3), (0, 0), (0, 0))[: canvas.ndim]
    canvas = np.pad(np.nan_to_num(canvas, nan=1.0), below, constant_values=1)
    canvas[-2:, : round(canvas.shape[1] * progress)] = 0.4
    return Image.fromarray((canvas * 255).round().astype(np.uint8))


def reconstructions(
    originals: Images, reconstructed: Images, title: str | None = None, ax: Axes | None = None
) -> LabFigure:
    """Place chaque image d'origine au-dessus de sa reconstruction.

    Args:
        originals: N images, comme pour `image_grid`.
        reconstructed: leurs N reconstructions, de la même taille.

    Raises:
        ValueError: nombres d'images différents, ou tailles différentes.
    """
    above = as_images(originals, "originals")
    below = as_images(reconstructed, "reconstructed")
    if len(above) != len(below):
        raise ValueError(f"{len(above)} originaux pour {len(below)} reconstructions.")
    if above.shape != below.shape:
        raise ValueError(
            f"originaux {list(above.shape[1:])} et reconstructions {list(below.shape[1:])} : les "
            "images doivent avoir la même taille."
        )
    pairs = np.concatenate([above, below])
    sentence = f"{len(above)} images d'origine (en haut) et leurs reconstructions (en bas)."
    return _draw_montage(pairs, len(above), None, title, sentence, ax)


def interpolation_strip(
    images: Images, title: str | None = None, ax: Axes | None = None
) -> LabFigure:
    """Dessine sur une ligne N images, comme pour `image_grid`, légendées de leur position.

    Args:
        images: [N, …], décodées le long d'un trajet, du départ (0) à l'arrivée (1).
    """
    images = as_images(images)
    positions = [number(t, 2) for t in np.linspace(0, 1, len(images))]
    sentence = f"Interpolation en {len(images)} images, de la position 0 à la position 1."
    return _draw_montage(images, len(images), positions, title, sentence, ax)
