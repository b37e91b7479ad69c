"""Ce que l'on donne pour des images, ramené à des pixels de 0 à 1, et leur assemblage."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from labkit.plots.style import Array, as_array
from labkit.tables import number

# Un réseau qui finit par une sigmoïde, ou une moyenne d'images, déborde parfois d'un arrondi.
_ROUNDING = 1e-3

Images = Array | Sequence  # et les objets qui portent un tel tableau, comme `ImageSet`


def as_images(images: Images, name: str = "images") -> np.ndarray:
    """Ramène des images à [N, H, W] (gris) ou [N, H, W, 3] (couleur), de 0 à 1.

    Args:
        images: tableau ou tenseur [N, 1, H, W], [N, 3, H, W], [N, H, W, 3], [N, H, W] ou
            [N, H*W] ; liste de N images de la même taille, images PIL comprises ; `ImageSet`.
            Flottants de 0 à 1, entiers de 0 à 255, ou masques de 0 et de 1.
        name: ce que les messages d'erreur nomment.

    Raises:
        TypeError: autre chose que des images.
        ValueError: aucune image, forme impossible, tailles différentes, pixels hors de l'échelle.
    """
    array = _stack(images, name)
    if not array.size:
        raise ValueError(f"`{name}` : aucune image à dessiner.")
    return _to_unit_scale(_arrange(array, name), name)


def _stack(images: Images, name: str) -> np.ndarray:
    """Un seul tableau, quelle que soit la façon de donner les images."""
    if isinstance(images, Array):
        return as_array(images)
    if isinstance(images, Image.Image):
        images = [images]
    if hasattr(images, "images"):  # un `ImageSet`
        return as_array(images.images)
    if not isinstance(images, Sequence) or isinstance(images, str):
        raise TypeError(_expected(name, type(images).__name__))
    arrays = [_one_image(image, name) for image in images]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        sizes = " et ".join(str(list(shape)) for shape in sorted(shapes))
        raise ValueError(f"`{name}` : des images de la même taille sont attendues, reçu {sizes}.")
    return np.stack(arrays) if arrays else np.empty(0)


def _one_image(image: object, name: str) -> np.ndarray:
    if isinstance(image, Image.Image):
        return np.asarray(image.convert("L" if image.mode in ("1", "L", "LA") else "RGB"))
    if isinstance(image, Array):
        return as_array(image)
    raise TypeError(_expected(name, f"une liste de {type(image).__name__}"))


def _expected(name: str, received: str) -> str:
    return (
        f"`{name}` : un tenseur ou un tableau [N, 1, H, W], une liste d'images ou un ImageSet est "
        f"attendu, reçu {received}. D'un lot (x, y), donnez x ; d'un jeu, data.train[:30]."
    )


def _arrange(array: np.ndarray, name: str) -> np.ndarray:
    """Range les axes en [N, H, W] ou [N, H, W, 3]."""
    if array.ndim == 2:  # [N, H*W] -> [N, H, W]
        side = math.isqrt(array.shape[1])
        if side * side != array.shape[1]:
            raise ValueError(
                f"`{name}` : images aplaties de {array.shape[1]} pixels, ce n'est pas un carré. "
                "Donnez un tableau [N, 1, H, W]."
            )
        return array.reshape(-1, side, side)
    if array.ndim == 4 and array.shape[1] in (1, 3):  # [N, C, H, W] -> [N, H, W(, 3)]
        return array[:, 0] if array.shape[1] == 1 else np.moveaxis(array, 1, -1)
    if array.ndim == 3 or (array.ndim == 4 and array.shape[-1] == 3):
        return array
    raise ValueError(
        f"`{name}` : images attendues [N, 1, H, W], [N, 3, H, W], [N, H, W] ou [N, H*W], reçu "
        f"{list(array.shape)}."
    )


def _to_unit_scale(array: np.ndarray, name: str) -> np.ndarray:
    """Ramène les pixels de 0 à 1 ; refuse ceux dont l'échelle laisserait un doute."""
    if not np.isfinite(array).all():
        raise ValueError(
            f"`{name}` : des pixels sont infinis ou NaN ; l'entraînement a-t-il divergé ?"
        )
    low, high = array.min(), array.max()
    is_bytes = array.dtype == np.uint8 or (array.dtype.kind in "iu" and high > 1)
    top = 255 if is_bytes else 1
    if low < -_ROUNDING or high > top + _ROUNDING:
        raise ValueError(
            f"`{name}` : pixels attendus de 0 à 1 (flottants) ou de 0 à 255 (entiers), reçu de "
            f"{number(low, 2)} à {number(high, 2)}. Écrivez x / 2 + 0.5 pour des images de -1 à 1, "
            "x / 255 pour des flottants de 0 à 255, x.clip(0, 1) pour rogner exprès ce qui dépasse."
        )
    return (array.astype(np.float32) / top).clip(0, 1)


def gap_of(width: int) -> int:
    """Pixels vides entre deux images de cette largeur."""
    return max(1, width // 14)


def montage(images: np.ndarray, columns: int, gap: int, top: int = 0) -> np.ndarray:
    """Assemble des images [N, H, W(, 3)] en une seule, NaN là où il n'y a pas d'image.

    Args:
        images: images déjà passées par `as_images`.
        columns: nombre d'images par ligne.
        gap: pixels vides entre deux images.
        top: pixels vides au-dessus de chaque image.
    """
    count, height, width = images.shape[:3]
    rows = -(-count // columns)
    size = rows * (height + top + gap), columns * (width + gap) - gap, *images.shape[3:]
    canvas = np.full(size, np.nan, np.float32)
    for index, image in enumerate(images):
        y = (index // columns) * (height + top + gap) + top
        x = (index % columns) * (width + gap)
        canvas[y : y + height, x : x + width] = image
    return canvas[:-gap] if gap else canvas


def transparent_gaps(canvas: np.ndarray) -> np.ndarray:
    """Le même assemblage, transparent là où il est vide, pour `imshow`.

    Args:
        canvas: ce que renvoie `montage` ; un assemblage gris reste tel quel, NaN y est transparent.
    """
    if canvas.ndim == 2:
        return canvas
    opacity = ~np.isnan(canvas[..., :1])
    return np.concatenate([np.nan_to_num(canvas), opacity], axis=-1)
