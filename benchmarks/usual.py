"""Ce que font les tutoriels, à quoi labkit se compare."""

from __future__ import annotations

import torch

from labkit.data import data_root

BATCH_SIZE = 128


def usual_loader(count: int | None = None, centred: bool = False) -> torch.utils.data.DataLoader:
    """Le DataLoader habituel de MNIST : une image à la fois par les transformations.

    Args:
        count: nombre d'images ; toutes par défaut.
        centred: ramène les pixels dans [-1, 1] au lieu de [0, 1].
    """
    from torchvision import datasets, transforms

    steps = [transforms.ToTensor(), *([transforms.Normalize(0.5, 0.5)] if centred else [])]
    dataset = datasets.MNIST(data_root(), train=True, transform=transforms.Compose(steps))
    part = torch.utils.data.Subset(dataset, range(count or len(dataset)))
    return torch.utils.data.DataLoader(part, BATCH_SIZE, shuffle=True)
