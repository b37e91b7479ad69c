"""Ce que partagent les modèles qui partent du bruit : des images dans [-1, 1], un bruit de départ.

DDPM et FlowMatching, le premier à petits pas, le second en suivant une vitesse, l'emploient tous
deux.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from labkit.edges import check_whole, received
from labkit.models.checks import check_real_images, check_tensor
from labkit.tables import rounded

ImageSize = int | tuple[int, int]  # côté d'un carré, ou (hauteur, largeur), en pixels

_TO_CENTRED = (
    "les lots de `images.batches(…, value_range=(-1., 1.))` y sont ; sinon, x0 = 2 x - 1, ou "
    "x0 = octets / 127.5 - 1"
)


def check_centred(model: nn.Module, x0: Tensor) -> Tensor:
    """Renvoie le plus petit pixel, si ce sont des images [B, C, H, W] dans [-1, 1]."""
    check_real_images(x0, _TO_CENTRED)
    check_shape(model, x0)
    low, high = x0.aminmax()
    if not (low >= -1 and high <= 1):  # vrai aussi pour NaN
        found = f"de {rounded(low)} à {rounded(high)}"
        raise ValueError(f"images hors de [-1, 1] ({found}) : {_TO_CENTRED}.")
    return low


def check_shape(model: nn.Module, x: Tensor) -> None:
    """Refuse ce qui n'est pas [B, C, H, W], B ≥ 1, que le modèle sache lire."""
    channels, smallest = getattr(model, "in_channels", None), _smallest_side(model)
    is_batch = check_tensor(x).dim() == 4 and len(x) and channels in (None, x.shape[1])
    if not is_batch or min(x.shape[2:]) < smallest:
        raise ValueError(
            f"images [B, {channels or 'C'}, H, W] attendues, B au moins 1, H et W au moins "
            f"{smallest}, reçu {list(x.shape)}."
        )


def check_noise(noise: Tensor, x0: Tensor) -> Tensor:
    """Renvoie le bruit, s'il a la forme des images."""
    if check_tensor(noise, "noise").shape != x0.shape:
        raise ValueError(
            f"le bruit {list(noise.shape)} doit avoir la forme des images {list(x0.shape)}."
        )
    return noise


def warn_if_not_centred(low: Tensor) -> None:
    """Avertit, une fois par ligne appelante, si le plus petit pixel n'est pas négatif."""
    if low >= 0:
        warnings.warn(
            "aucun pixel de x0 n'est négatif ; or ce modèle apprend d'images dans [-1, 1] : "
            f"{_TO_CENTRED}.",
            stacklevel=3,
        )


def starting_noise(
    model: nn.Module, num_samples: int, image_size: ImageSize, device: torch.device
) -> Tensor:
    """Tire N(0, I), [num_samples, C, H, W], C les canaux que lit le modèle, 1 s'il n'en dit rien.

    Raises:
        TypeError: nombre d'images qui n'est pas entier.
        ValueError: aucune image demandée, ou taille qui n'est ni un côté ni un couple.
    """
    num_samples = check_whole("num_samples", num_samples)
    sides = _sides(image_size, _smallest_side(model))
    return torch.randn(num_samples, getattr(model, "in_channels", 1), *sides, device=device)


def last_image(states: Iterator[tuple[float, Tensor]]) -> Tensor:
    """Le dernier état d'un tirage, ramené de [-1, 1] à [0, 1] ; ce qui dépasse est borné."""
    _, x = deque(states, maxlen=1).pop()  # sans garder les autres en mémoire
    return ((x + 1) / 2).clamp(0, 1)


def _smallest_side(model: nn.Module) -> int:
    return getattr(model, "smallest_side", 1)


def _sides(image_size: ImageSize, smallest: int) -> tuple[int, int]:
    """Hauteur et largeur, d'un couple ou du côté d'un carré, d'au moins `smallest` pixels."""
    sides = image_size if isinstance(image_size, tuple | list) else (image_size, image_size)
    try:
        height, width = (check_whole("image_size", side, smallest) for side in sides)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "image_size : (hauteur, largeur) attendu, comme (28, 28), ou le côté d'un carré, en "
            f"pixels entiers, {smallest} au moins, reçu {received(image_size)}."
        ) from error
    return height, width
