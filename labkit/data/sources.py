"""Les jeux d'images du cours : d'où ils viennent, et leurs trois parts, fixées.

`digits` vient avec scikit-learn et ne demande aucun réseau ; `mnist` et `fashion_mnist` sont quatre
fichiers au format IDX, lus sur place ou téléchargés.
"""

from __future__ import annotations

import importlib.util
import struct
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from labkit._names import did_you_mean
from labkit.data.download import download as download_files
from labkit.data.files import (
    DataError,
    VerifiedFiles,
    check_root_exists,
    find_files,
    missing_message,
    read_files,
)
from labkit.data.sets import ImageSet, ImageSplits
from labkit.tables import number

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
        root: dossier qui contient les quatre fichiers ou leurs archives `.gz`, sous `MNIST/raw`
            comme les range torchvision, ou directement ; par défaut celui que nomme
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
    train, val, test = _digits() if name == "digits" else _idx_files(name, root, download)
    return ImageSplits(name, train, val, test, _CLASSES[name])


def _fixed_order(count: int) -> Tensor:
    # RandomState : NumPy garantit que ses tirages ne changeront jamais d'une version à l'autre.
    return torch.from_numpy(np.random.RandomState(0).permutation(count))


def _digits() -> tuple[ImageSet, ImageSet, ImageSet]:
    rows = torch.from_numpy(np.loadtxt(_digits_file(), delimiter=","))  # 64 pixels, la classe
    small = rows[:, :64].reshape(-1, 1, 8, 8) * (255 / 16)  # float64 [1797, 1, 8, 8]
    images = torch.nn.functional.interpolate(small, size=_SIDE, mode="bilinear")
    # Des milliers de pixels tombent sur 127,5 : le décalage les arrondit pareil sur toute machine.
    images = (images + 1e-6).round().to(torch.uint8)
    whole = ImageSet(images, rows[:, 64].long())
    train, val, test = _fixed_order(len(whole)).split([1297, 250, 250])
    return whole[train], whole[val], whole[test]


def _digits_file() -> Path:
    """Le fichier que lit `sklearn.datasets.load_digits`, sans la seconde que coûte son import."""
    (folder,) = importlib.util.find_spec("sklearn").submodule_search_locations
    return Path(folder, "datasets", "data", "digits.csv.gz")


def _idx_files(name: str, root, download: bool) -> tuple[ImageSet, ImageSet, ImageSet]:
    if find_files(name, root).missing:
        check_root_exists(root)
        if not download:
            raise DataError(missing_message(name, root))
        download_files(name, root)
    files = read_files(name, root)
    train, test = _part(files, "train"), _part(files, "t10k")
    _warn_if_unusual(name, files, train, test)
    val, test_part = _fixed_order(len(test)).tensor_split(2)
    return train, test[val], test[test_part]


def _warn_if_unusual(name: str, files: VerifiedFiles, train: ImageSet, test: ImageSet) -> None:
    if len(train) < _FULL_TRAIN_SIZE:
        warnings.warn(
            f"{files.folder} ne contient qu'un extrait de {name} : {number(len(train))} images "
            f"d'entraînement et {number(len(test))} de test.",
            stacklevel=4,
        )
    if not files.are_known:
        warnings.warn(
            f"les fichiers de {files.folder} ne sont pas ceux que publient les auteurs de {name} : "
            "seul votre MD5SUMS les garantit.",
            stacklevel=4,
        )


def _part(files: VerifiedFiles, part: str) -> ImageSet:
    """Décode les deux fichiers d'une part, "train" ou "t10k"."""
    try:
        images = _decode_idx(files.contents[f"{part}-images-idx3-ubyte"], dimensions=3)[:, None]
        labels = _decode_idx(files.contents[f"{part}-labels-idx1-ubyte"], dimensions=1).long()
        if images.shape[2:] != (_SIDE, _SIDE):
            raise ValueError(
                f"images [N, 1, {_SIDE}, {_SIDE}] attendues, reçu {list(images.shape)}. "
                "Redimensionnez-les d'abord, par exemple avec "
                "torchvision.transforms.functional.resize."
            )
        return ImageSet(images, labels)
    except (ValueError, struct.error) as error:
        raise DataError(f"{files.folder}, fichiers {part}-* illisibles : {error}") from error


def _decode_idx(content: bytes, dimensions: int) -> Tensor:
    """Format IDX : 0, 0, 8 (des octets), nombre de dimensions, tailles sur 4 octets, valeurs."""
    if content[:4] != bytes([0, 0, 8, dimensions]):
        raise ValueError(f"ce ne sont pas des octets au format IDX à {dimensions} dimension(s).")
    shape = struct.unpack_from(f">{dimensions}I", content, offset=4)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions)
    return torch.from_numpy(values.reshape(shape).copy())
