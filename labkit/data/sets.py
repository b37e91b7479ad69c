"""Les images en mémoire : un tenseur d'octets, et des lots qui n'en sont que des indexations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

SIDE = 28


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
        if self.images.dtype != torch.uint8 or shape[1:] != (1, SIDE, SIDE):
            raise ValueError(
                f"images uint8 [N, 1, {SIDE}, {SIDE}] attendues, reçu {self.images.dtype} "
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


def _to_float(images: Tensor, value_range: tuple[float, float]) -> Tensor:
    low, high = value_range
    x = images.float().mul_((high - low) / 255)
    return x.add_(low) if low else x
