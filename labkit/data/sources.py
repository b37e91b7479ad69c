"""Les jeux d'images du cours : d'où ils viennent, et leurs trois parts, fixées.

`digits` vient avec scikit-learn et ne demande aucun réseau ; `mnist` et `fashion_mnist` passent par
torchvision, qui les télécharge.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from labkit._names import did_you_mean
from labkit.data.download import download as download_files
from labkit.data.files import (
    FILES,
    DataError,
    check_files,
    check_root_exists,
    exists,
    missing_message,
    raw_folder,
)
from labkit.data.sets import ImageSet, ImageSplits

_SIDE = 28
_DIGITS = tuple(str(digit) for digit in range(10))
_CLASSES = {
    "digits": _DIGITS,
    "mnist": _DIGITS,
    "fashion_mnist": (
        "T-shirt", "Pantalon", "Pull", "Robe", "Manteau",
        "Sandale", "Chemise", "Basket", "Sac", "Bottine",
    ),
}  # fmt: skip
_FULL_TRAIN_SIZE = 60_000


def load_images(name: str, root: str | Path | None = None, download: bool = True) -> ImageSplits:
    """Charge un jeu d'images, partagé en entraînement, validation et test.

    `digits` : 1 797 chiffres manuscrits 8×8 de scikit-learn, agrandis à 28×28 (1 297, 250 et 250).
    `mnist` et `fashion_mnist` : 60 000 images d'entraînement ; les 10 000 de test, mêlées car les
    premières de MNIST sont plus faciles, donnent 5 000 images de validation et 5 000 de test.
    Aucune de ces parts ne dépend de la graine de l'expérience.

    Args:
        name: "digits", "mnist" ou "fashion_mnist".
        root: dossier rangé comme celui de torchvision (`MNIST/raw/…`) ; par défaut celui que nomme
            `LABKIT_DATA`, sinon le cache de l'utilisateur.
        download: télécharge ce qui manque.

    Returns:
        Les trois parts et le nom des classes.

    Raises:
        ValueError: jeu inconnu.
        DataError: données absentes, abîmées, d'une autre taille, ou dossier inutilisable.
    """
    if name not in _CLASSES:
        hint = did_you_mean(name, _CLASSES)
        raise ValueError(f"jeu d'images {name!r} inconnu.{hint} Au choix : {', '.join(_CLASSES)}.")
    train, val, test = _digits() if name == "digits" else _torchvision(name, root, download)
    return ImageSplits(name, train, val, test, _CLASSES[name])


def _fixed_order(count: int) -> Tensor:
    # RandomState : NumPy garantit que ses tirages ne changeront jamais d'une version à l'autre.
    return torch.from_numpy(np.random.RandomState(0).permutation(count))


def _digits() -> tuple[ImageSet, ImageSet, ImageSet]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    small = torch.from_numpy(digits.images)[:, None] * (255 / 16)  # float64 [1797, 1, 8, 8]
    images = torch.nn.functional.interpolate(small, size=_SIDE, mode="bilinear")
    # Des milliers de pixels tombent sur 127,5 : le décalage les arrondit pareil sur toute machine.
    images = (images + 1e-6).round().to(torch.uint8)
    whole = ImageSet(images, torch.from_numpy(digits.target).long())
    train, val, test = _fixed_order(len(whole)).split([1297, 250, 250])
    return whole[train], whole[val], whole[test]


def _torchvision(name: str, root, download: bool) -> tuple[ImageSet, ImageSet, ImageSet]:
    raw = raw_folder(name, root)
    missing = [file for file in FILES if not exists(raw / file)]
    if missing:
        check_root_exists(root)
        if not download:
            raise DataError(missing_message(name, raw, f"il y manque {', '.join(missing)}"))
        download_files(name, raw)
    check_files(name, root)
    train, test = _read(raw, "train"), _read(raw, "t10k")
    if len(train) < _FULL_TRAIN_SIZE:
        warnings.warn(
            f"{raw} ne contient qu'un extrait de {name} : {len(train)} images d'entraînement et "
            f"{len(test)} de test.",
            stacklevel=3,
        )
    val, test_part = _fixed_order(len(test)).tensor_split(2)
    return train, test[val], test[test_part]


def _read(raw: Path, part: str) -> ImageSet:
    """Lit les deux fichiers d'une part, "train" ou "t10k"."""
    # Sans passer par la classe de torchvision : elle préfère à raw/, s'il existe, un ancien
    # dossier processed/ que rien ne vérifie.
    from torchvision.datasets.mnist import read_image_file, read_label_file

    try:
        images = read_image_file(raw / f"{part}-images-idx3-ubyte")
        labels = read_label_file(raw / f"{part}-labels-idx1-ubyte")
        return ImageSet(images[:, None], labels)
    except (ValueError, TypeError, KeyError, AssertionError, RuntimeError) as error:
        raise DataError(f"{raw}, fichiers {part}-* illisibles : {error}") from error
