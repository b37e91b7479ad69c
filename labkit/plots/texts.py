"""Quelques petites images dans un texte, pour qu'un tableau enregistré garde ses exemples."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from labkit.plots.pixels import Images, as_images, montage


def to_text(images: Images) -> str:
    """Écrit N images grises carrées, de 0 à 1, en une rangée PNG, en base 64.

    Args:
        images: comme pour `image_grid` ; 256 niveaux de gris sont gardés.

    Raises:
        ValueError: aucune image, images en couleur ou qui ne sont pas carrées.
    """
    images = as_images(images)
    if images.ndim != 3 or images.shape[1] != images.shape[2]:
        raise ValueError(
            f"`images` : des images grises carrées [N, H, H] sont attendues, reçu "
            f"{list(images.shape)}."
        )
    row = montage(images, columns=len(images), gap=0)  # [H, N H]
    buffer = io.BytesIO()
    Image.fromarray((255 * row).round().astype(np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def from_text(text: str) -> np.ndarray:
    """Relit ce qu'a écrit `to_text` : images [N, H, H], de 0 à 1."""
    row = np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))) / 255  # [H, N H]
    return np.stack(np.split(row, row.shape[1] // row.shape[0], axis=1))
