"""Les images en mémoire : un tenseur d'octets, et des lots qui n'en sont que des indexations."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

ValueRange = tuple[float, float]


class Fingerprinted(Protocol):
    """Des données qui savent dire lesquelles elles sont : images, texte ou points du plan."""

    def fingerprint(self) -> dict:
        """De quoi reconnaître ces données, en valeurs que JSON sait écrire."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Des images de même taille et leurs classes : uint8 [N, C, H, W] et int64 [N].

    `images[0]` est un couple (image, classe), si bien qu'un `DataLoader` accepte l'ensemble ; une
    tranche ou un tenseur d'indices en donne un sous-ensemble.

    Raises:
        ValueError: autre forme, autre type, ou pas autant de classes que d'images.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self):
        _check_images(self.images)
        _check_labels(self.labels, len(self.images))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int | slice | Tensor) -> tuple[Tensor, int] | ImageSet:
        """Une image et sa classe (`images[0]`), ou un sous-ensemble.

        Returns:
            Pour un entier, x float32 [C, H, W] dans [0, 1] et sa classe ; pour une tranche ou un
            tenseur (`images[:100]`, `images[images.labels == 3]`), un `ImageSet`.

        Raises:
            TypeError, IndexError: pas un indice, ou pas d'image de ce numéro.
        """
        if isinstance(index, (slice, list)) or getattr(index, "ndim", 0):
            return ImageSet(self.images[index], self.labels[index])
        number = _checked_index(index, len(self))
        return to_float(self.images[number], (0.0, 1.0)), int(self.labels[number])

    def __iter__(self) -> Iterator[tuple[Tensor, int]]:
        return (self[number] for number in range(len(self)))

    def tensors(self, value_range: ValueRange = (0.0, 1.0)) -> tuple[Tensor, Tensor]:
        """Tout l'ensemble d'un coup : x float32 [N, C, H, W] et y int64 [N].

        Args:
            value_range: intervalle où l'on ramène les pixels, (0, 1) ou (-1, 1).

        Raises:
            TypeError, ValueError: comme `batches`.
        """
        return to_float(self.images, _checked_range(value_range)), self.labels

    def batches(
        self,
        batch_size: int,
        shuffle: bool = False,
        device: torch.device | str | None = None,
        value_range: ValueRange = (0.0, 1.0),
    ) -> Batches:
        """Découpe l'ensemble en lots, relus autant de fois que l'on veut.

        Args:
            batch_size: nombre d'images d'un lot ; le dernier peut être plus petit.
            shuffle: tire un nouvel ordre à chaque parcours, avec le hasard de `torch`.
            device: appareil où tout l'ensemble est copié une fois pour toutes.
            value_range: intervalle où l'on ramène les pixels, (0, 1) ou (-1, 1).

        Returns:
            Un itérable de longueur connue, qui donne x float32 [B, C, H, W] et y int64 [B].

        Raises:
            TypeError: `batch_size` n'est pas un entier, ou `value_range` pas deux nombres.
            ValueError: taille de lot nulle ou négative, intervalle vide ou hors de [-1, 1].
        """
        size, bounds = check_batch_size(batch_size), _checked_range(value_range)
        images, labels = self.images.to(device), self.labels.to(device)
        return Batches(self, images, labels, size, shuffle, bounds)

    def checksum(self) -> str:
        """SHA-256, en hexadécimal, des octets des images puis des classes ; calculé une fois."""
        return self._checksum

    def fingerprint(self) -> dict:
        """Nombre d'images et SHA-256."""
        return {"images": len(self), "sha256": self.checksum()}

    @cached_property
    def _checksum(self) -> str:
        digest = hashlib.sha256(_bytes(self.images))
        digest.update(_bytes(self.labels))
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Batches:
    """Les lots d'un `ImageSet`, qui reste en octets : seul le lot courant est en flottants.

    Attributes:
        source: l'ensemble d'où ils viennent.
        images: ses images, uint8 [N, C, H, W], sur l'appareil choisi.
        labels: ses classes, int64 [N], sur cet appareil.
        batch_size: nombre d'images d'un lot.
        shuffle: si l'ordre change à chaque parcours.
        value_range: intervalle où sont ramenés les pixels.
    """

    source: ImageSet
    images: Tensor
    labels: Tensor
    batch_size: int
    shuffle: bool
    value_range: ValueRange

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        indices = batch_indices(self.images, self.batch_size, self.shuffle)
        return (
            (to_float(self.images[index], self.value_range), self.labels[index])
            for index in indices
        )

    def fingerprint(self) -> dict:
        """Ce qui détermine les lots : somme des données, taille, mélange, intervalle."""
        return {
            "sha256": self.source.checksum(),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "value_range": list(self.value_range),
        }


@dataclass(frozen=True, eq=False)
class ImageSplits:
    """Les trois parts d'un jeu d'images, fixées une fois pour toutes, et ses classes."""

    name: str
    train: ImageSet
    val: ImageSet
    test: ImageSet
    classes: tuple[str, ...]

    def fingerprint(self) -> dict:
        """Nom du jeu, nombre d'images d'entraînement et leur SHA-256, comme sur les fiches."""
        return {"name": self.name, "train": len(self.train), "sha256": self.train.checksum()}


def batch_indices(values: Tensor, size: int, shuffle: bool) -> Sequence[Tensor | slice]:
    """Donne les indices de chaque lot d'un parcours des lignes de `values`, [N, …].

    Args:
        values: ce que l'on découpe en lots, sur son appareil.
        size: taille d'un lot ; le dernier peut être plus petit.
        shuffle: tire l'ordre avec le hasard de `torch`, sur le processeur : le même partout.
    """
    count = len(values)
    if shuffle and count:
        return torch.randperm(count, device="cpu").to(values.device).split(size)
    return [slice(start, start + size) for start in range(0, count, size)]


def to_float(images: Tensor, value_range: ValueRange) -> Tensor:
    """Octets → float32 : x = low + (high - low) · octet / 255, de même forme [..., C, H, W]."""
    low, high = value_range
    x = images.float().mul_((high - low) / 255)
    return x.add_(low) if low else x


def _bytes(values: Tensor) -> np.ndarray:
    return values.cpu().contiguous().numpy()


def _described(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{value.dtype} {list(value.shape)}"
    return f"un objet {type(value).__name__}"


def _check_images(images: Tensor) -> None:
    if isinstance(images, Tensor) and images.dtype == torch.uint8 and images.ndim == 4:
        return
    raise ValueError(
        f"images : tenseur uint8 [N, C, H, W] attendu, reçu {_described(images)}. "
        + _images_remedy(images)
    )


def _images_remedy(images: object) -> str:
    if not isinstance(images, Tensor):
        return "Écrivez torch.as_tensor(images)."
    if images.is_floating_point():
        return "De pixels de [0, 1], écrivez (255 * images).round().to(torch.uint8)."
    if images.dtype != torch.uint8:
        return "De pixels de 0 à 255, écrivez images.to(torch.uint8)."
    if images.ndim == 3:
        return "S'il y a un seul canal, écrivez images[:, None]."
    return "Donnez-leur quatre dimensions : images, canaux, hauteur, largeur."


def _check_labels(labels: Tensor, count: int) -> None:
    is_right = isinstance(labels, Tensor) and labels.dtype == torch.int64
    if not is_right or labels.shape != (count,):
        raise ValueError(
            f"labels : classes int64 [{count}] attendues, une par image, reçu {_described(labels)}."
        )


def _checked_index(index: int, count: int) -> int:
    try:
        number = operator.index(index)
    except TypeError as error:
        raise TypeError(
            f"indice : entier, tranche ou tenseur d'indices attendu, reçu {index!r}."
        ) from error
    if not -count <= number < count:
        raise IndexError(f"pas d'image {number} : l'ensemble en a {count}.")
    return number


def check_batch_size(batch_size: int) -> int:
    """Renvoie batch_size en `int`.

    Raises:
        TypeError, ValueError: ce n'est pas un entier, ou pas un entier positif.
    """
    try:
        size = operator.index(batch_size)
    except TypeError as error:
        raise TypeError(
            f"batch_size : nombre entier attendu, reçu {batch_size!r}. Écrivez par exemple 64."
        ) from error
    if size < 1:
        raise ValueError(f"batch_size : la taille de lot doit être au moins 1, reçu {size}.")
    return size


def _checked_range(value_range: ValueRange) -> ValueRange:
    remedy = "Écrivez (0.0, 1.0) ou (-1.0, 1.0)."
    is_sequence = isinstance(value_range, Sequence) and len(value_range) == 2
    if not is_sequence or not all(isinstance(bound, Real) for bound in value_range):
        raise TypeError(f"value_range : deux nombres attendus, reçu {value_range!r}. {remedy}")
    low, high = (float(bound) for bound in value_range)
    if not -1 <= low < high <= 1:
        raise ValueError(
            f"value_range : intervalle de [-1, 1] attendu, reçu {value_range!r}. {remedy} Les "
            "octets eux-mêmes, de 0 à 255, sont dans .images."
        )
    return low, high
