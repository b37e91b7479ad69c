"""Les images du cours, en mémoire, vérifiées avant d'être crues.

`digits` vient avec scikit-learn et ne demande aucun réseau ; `mnist` et `fashion_mnist` passent par
torchvision, qui les télécharge. Un ensemble tient en entier dans un tenseur d'octets, et un lot
n'est qu'une indexation : ni lecture image par image, ni processus auxiliaire.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import http.client
import os
import shutil
import socket
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from labkit._names import did_you_mean

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
_TORCHVISION_CLASSES = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}
_FULL_TRAIN_SIZE = 60_000
_MANIFEST = "MD5SUMS"
_NETWORK_TIMEOUT = 30  # secondes sans aucun octet reçu

# MD5 des fichiers décompressés. Ceux de Fashion-MNIST entier se déduisent de ses archives, dont
# torchvision publie les sommes ; ceux d'ici sont d'un extrait de 2 000 images (1 600 et 400).
_UNPACKED_MD5 = {
    "mnist": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    "fashion_mnist": {},
}
_EXTRACT_MD5 = {
    "mnist": {},
    "fashion_mnist": {
        "train-images-idx3-ubyte": "45c84f08c336688b4cf4d66a40b9d6ff",
        "train-labels-idx1-ubyte": "39cb0be86e4d161e33551cbf8375bf3f",
        "t10k-images-idx3-ubyte": "3f028df2b25fdb2c4b40297ea31e6871",
        "t10k-labels-idx1-ubyte": "43acf4ba6b187f5dd2a540ff38b21291",
    },
}


class DataError(RuntimeError):
    """Des données manquent, sont abîmées, ou ne peuvent être ni lues ni écrites."""


@dataclass(frozen=True)
class ImageSet:
    """Un ensemble d'images et leurs classes.

    Args:
        images: uint8 [N, 1, 28, 28].
        labels: int64 [N].

    Raises:
        ValueError: autre taille d'image, autre type, ou pas autant de classes que d'images.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self):
        shape = tuple(self.images.shape)
        if self.images.dtype != torch.uint8 or shape[1:] != (1, _SIDE, _SIDE):
            raise ValueError(
                f"images uint8 [N, 1, {_SIDE}, {_SIDE}] attendues, reçu {self.images.dtype} "
                f"{list(shape)}. Redimensionnez-les d'abord, par exemple avec "
                "torchvision.transforms.functional.resize."
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != shape[:1]:
            raise ValueError(
                f"classes int64 [{shape[0]}] attendues, reçu {self.labels.dtype} "
                f"{list(self.labels.shape)}."
            )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: slice | Tensor) -> ImageSet:
        """Extrait un sous-ensemble : `images[:100]`, `images[images.labels == 3]`."""
        return ImageSet(self.images[index], self.labels[index])

    def tensors(self, value_range: tuple[float, float] = (0.0, 1.0)) -> tuple[Tensor, Tensor]:
        """Donne tout l'ensemble d'un coup.

        Args:
            value_range: intervalle où l'on ramène les pixels, (0, 1) ou (-1, 1).

        Returns:
            x float32 [N, 1, 28, 28] dans `value_range`, et y int64 [N].
        """
        return _to_float(self.images, value_range), self.labels

    def batches(
        self,
        batch_size: int,
        shuffle: bool = False,
        device: torch.device | str | None = None,
        value_range: tuple[float, float] = (0.0, 1.0),
    ) -> Batches:
        """Découpe l'ensemble en lots, relus autant de fois que l'on veut.

        Args:
            batch_size: nombre d'images d'un lot ; le dernier peut être plus petit.
            shuffle: tire un nouvel ordre à chaque parcours, avec le hasard de `torch`.
            device: appareil où tout l'ensemble est copié une fois pour toutes.
            value_range: intervalle où l'on ramène les pixels, (0, 1) ou (-1, 1).

        Returns:
            Un itérable de longueur connue, qui donne x float32 [B, 1, 28, 28] et y int64 [B].

        Raises:
            ValueError: taille de lot nulle ou négative.
        """
        if batch_size < 1:
            raise ValueError(f"la taille de lot doit être au moins 1, reçu {batch_size}.")
        images, labels = self.images.to(device), self.labels.to(device)
        return Batches(images, labels, batch_size, shuffle, value_range)


@dataclass(frozen=True)
class Batches:
    """Les lots d'un `ImageSet`, qui reste en octets : seul le lot courant est en flottants."""

    images: Tensor
    labels: Tensor
    batch_size: int
    shuffle: bool
    value_range: tuple[float, float]

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        count, size = len(self.images), self.batch_size
        if self.shuffle:
            # L'ordre se tire ici, avant le premier lot, et sur le processeur : le même partout.
            indices = torch.randperm(count).to(self.images.device).split(size)
        else:
            indices = [slice(start, start + size) for start in range(0, count, size)]
        return (
            (_to_float(self.images[index], self.value_range), self.labels[index])
            for index in (indices if count else ())
        )


@dataclass(frozen=True)
class ImageSplits:
    """Les trois parts d'un jeu d'images, fixées une fois pour toutes, et ses classes."""

    name: str
    train: ImageSet
    val: ImageSet
    test: ImageSet
    classes: tuple[str, ...]


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


def data_root(root: str | Path | None = None) -> Path:
    """Donne le dossier des données : `root`, sinon `LABKIT_DATA`, sinon un cache personnel.

    Args:
        root: dossier, relatif ou absolu, où `~` désigne le dossier personnel.

    Returns:
        Un chemin absolu ; rien ne dit que le dossier existe.
    """
    from platformdirs import user_cache_path

    root = root or os.environ.get("LABKIT_DATA") or user_cache_path("labkit")
    # Absolu : les messages d'erreur le montrent en entier.
    return Path(root).expanduser().absolute()


def raw_folder(name: str, root: str | Path | None = None) -> Path:
    """Donne le dossier des quatre fichiers d'un jeu, rangés comme ceux de torchvision.

    Args:
        name: "mnist" ou "fashion_mnist".
        root: comme pour `load_images`.

    Returns:
        Un chemin absolu ; rien ne dit que le dossier existe.
    """
    return data_root(root) / _TORCHVISION_CLASSES[name] / "raw"


def has_folder(name: str, root: str | Path | None = None) -> bool:
    """Dit si le dossier `raw_folder(name, root)` existe.

    Args:
        name: "mnist" ou "fashion_mnist".
        root: comme pour `load_images`.

    Raises:
        DataError: un droit de lecture manque sur le chemin.
    """
    return _exists(raw_folder(name, root))


def check_files(name: str, root: str | Path | None = None) -> None:
    """Vérifie la somme de contrôle de chaque fichier de `mnist` ou de `fashion_mnist`.

    Args:
        name: "mnist" ou "fashion_mnist".
        root: comme pour `load_images`.

    Raises:
        DataError: fichier absent, illisible, ou dont la somme ne correspond pas ; le message le
            nomme.
    """
    raw = raw_folder(name, root)
    for file in _file_names(name):
        if not _exists(raw / file):
            raise DataError(_missing_message(name, raw / file, "il n'y est pas"))
        try:
            digest = _md5((raw / file).read_bytes())
            extract = _EXTRACT_MD5[name].get(file)
            is_sound = digest == extract or digest == _expected_md5(name, raw, file)
        except OSError as error:
            place = error.filename or raw / file
            raise DataError(_unreadable_message(place, error)) from error
        if not is_sound:
            raise DataError(
                f"{raw / file} est tronqué ou modifié (MD5 {digest}) : il n'est ni lu ni supprimé. "
                "Retirez-le vous-même, puis relancez pour le télécharger à nouveau."
            )


def _to_float(images: Tensor, value_range: tuple[float, float]) -> Tensor:
    low, high = value_range
    x = images.float().mul_((high - low) / 255)
    return x.add_(low) if low else x


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
    missing = [file for file in _file_names(name) if not _exists(raw / file)]
    if missing:
        _check_root_exists(root)
        if not download:
            raise DataError(_missing_message(name, raw, f"il y manque {', '.join(missing)}"))
        _download(name, raw)
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


def _check_root_exists(root) -> None:
    """Refuse de télécharger dans un dossier mal nommé ; le cache, lui, est créé au besoin."""
    named = root or os.environ.get("LABKIT_DATA")
    if named and not _exists(data_root(root)):
        source = "`root` désigne" if root else "LABKIT_DATA désigne"
        raise DataError(
            f"{source} {data_root(root)}, qui n'existe pas : vérifiez l'orthographe, ou créez ce "
            "dossier."
        )


def _exists(path: Path) -> bool:
    """Comme `Path.exists`, qui pour un dossier interdit répond selon la version de Python."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise DataError(_unreadable_message(path, error)) from error
    return True


def _dataset_class(name: str):
    from torchvision import datasets

    return getattr(datasets, _TORCHVISION_CLASSES[name])


def _file_names(name: str) -> list[str]:
    return [archive.removesuffix(".gz") for archive, _ in _dataset_class(name).resources]


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


def _expected_md5(name: str, raw: Path, file: str) -> str:
    """La somme que doit avoir un fichier décompressé, de la source la plus sûre."""
    known = _UNPACKED_MD5[name].get(file) or _read_manifest(raw / _MANIFEST).get(file)
    return known or _md5_from_archive(name, raw, file)


def _read_manifest(path: Path) -> dict[str, str]:
    """Relit un fichier au format de la commande md5sum : « somme  nom » par ligne."""
    if not path.is_file():
        return {}
    # replace : un fichier qui n'est pas du texte ne garantit rien, comme un fichier mal écrit.
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = [line.partition(" ") for line in text.splitlines()]
    return {file.strip().removeprefix("*"): digest for digest, _, file in lines}


def _md5_from_archive(name: str, raw: Path, file: str) -> str:
    archive = raw / f"{file}.gz"
    published = dict(_dataset_class(name).resources)[archive.name]
    if not archive.is_file() or _md5(archive.read_bytes()) != published:
        raise DataError(
            f"rien ne permet de vérifier {raw / file} : ni {archive.name} intact à côté, ni somme "
            f"dans {_MANIFEST}. Retirez {raw} pour tout télécharger à nouveau ; si ce fichier est "
            f"le vôtre et que vous en êtes sûr, écrivez sa somme MD5 puis son nom dans {_MANIFEST}."
        )
    return _md5(gzip.decompress(archive.read_bytes()))


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _download(name: str, raw: Path) -> None:
    """Télécharge dans un dossier provisoire, vérifie, puis met en place : jamais de moitié."""
    partial = None
    try:
        raw.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partiel-", dir=raw))
        _fetch(name, partial)
        _install(name, raw_folder(name, partial), raw)
    except OSError as error:
        raise DataError(_explain_os_error(name, raw, error)) from error
    except (RuntimeError, http.client.HTTPException) as error:
        # De torchvision, si aucun miroir ne répond, si une somme est fausse ou un envoi coupé.
        reason = f"et {_interrupted_file(name, partial)} : {_explain_transfer(error)}"
        raise DataError(_missing_message(name, raw, reason)) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def _interrupted_file(name: str, folder: Path) -> str:
    """L'archive sur laquelle le téléchargement s'est arrêté : la première sans son contenu."""
    raw = raw_folder(name, folder)
    return next((f"{f}.gz" for f in _file_names(name) if not (raw / f).exists()), "les archives")


def _explain_transfer(error: Exception) -> str:
    if isinstance(error, http.client.HTTPException) or "corrupted" in str(error):
        return "reçu incomplet ou abîmé"
    return "réseau absent, ou serveur qui ne répond pas"


def _fetch(name: str, folder: Path) -> None:
    earlier = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_NETWORK_TIMEOUT)
    try:
        _dataset_class(name)(folder, download=True)
    finally:
        socket.setdefaulttimeout(earlier)


def _install(name: str, source: Path, raw: Path) -> None:
    """Met en place les fichiers qui manquent, sans toucher à ceux qui sont déjà là."""
    files = _file_names(name)
    lines = [f"{_md5((source / file).read_bytes())}  {file}\n" for file in files]
    (source / _MANIFEST).write_text("".join(lines), encoding="utf-8")
    # Les sommes d'abord : un arrêt ici laisse des fichiers absents, jamais invérifiables.
    os.replace(source / _MANIFEST, raw / _MANIFEST)
    for file in files:
        if not (raw / file).exists():
            os.replace(source / file, raw / file)


def _explain_os_error(name: str, raw: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"disque plein : {name} n'a pas été écrit dans {raw}. Libérez de la place (100 Mo)."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        return (
            f"impossible d'écrire dans {raw} ({error.strerror}). Donnez à LABKIT_DATA un dossier "
            "où vous avez le droit d'écrire, ou un dossier qui contient déjà les données."
        )
    return _missing_message(name, raw, f"et {_explain_transfer(error)}")


def _unreadable_message(place: str | Path, error: OSError) -> str:
    return (
        f"impossible de lire {place} ({error.strerror}). Donnez à LABKIT_DATA un dossier que vous "
        "avez le droit de lire."
    )


def _missing_message(name: str, place: Path, reason: str) -> str:
    return (
        f"{name} introuvable dans {place} ({reason}). Trois façons d'en sortir : "
        "(1) connectez-vous au réseau et relancez, le téléchargement recommencera ; "
        f"(2) donnez à LABKIT_DATA un dossier qui contient {_TORCHVISION_CLASSES[name]}/raw ; "
        '(3) gardez profil = "rapide", qui n\'emploie que les chiffres livrés avec scikit-learn.'
    )
