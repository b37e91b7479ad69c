"""Le discriminateur qui entraîne le générateur : des résidus, aucune normalisation.

T. Karras et coll., « Analyzing and improving the image quality of StyleGAN », 2020, § 4.1 :
StyleGAN3 garde ce discriminateur-là, que rien n'oblige à suivre les déplacements de l'image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit.edges import check_whole
from labkit.models.checks import check_sizes
from labkit.models.gan import check_drawn
from labkit.models.stylegan3.layers import Dense


class Convolution(nn.Module):
    """Convolution à taux d'apprentissage égalisé : y = (W / √n) ∗ x + b, côté inchangé.

    Args:
        channels_in, channels_out: canaux de x et de y.
        kernel_size: côté impair du noyau ; n = channels_in · kernel_size².
    """

    def __init__(self, channels_in: int, channels_out: int, kernel_size: int = 3):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels_out, channels_in, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        """Change x [B, channels_in, H, W] en [B, channels_out, H, W]."""
        scale = 1 / math.sqrt(self.weight[0].numel())
        padding = self.weight.shape[-1] // 2
        return F.conv2d(x, self.weight * scale, self.bias, padding=padding)


class Residual(nn.Module):
    """Deux convolutions et un raccourci, puis le côté de la carte est divisé par deux."""

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.first = Convolution(channels_in, channels_in)
        self.second = Convolution(channels_in, channels_out)
        self.shortcut = Convolution(channels_in, channels_out, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Change x [B, C, H, H] en [B, C', H/2, H/2]."""
        h = _activate(self.second(_activate(self.first(x))))
        # √2 : la somme de deux cartes de même puissance garde cette puissance.
        return F.avg_pool2d(h + self.shortcut(x), 2) / math.sqrt(2)


class Discriminator(nn.Module):
    """Juge une image : [B, img_channels, H, H] dans [0, 1] -> logit de « vraie ».

    Args:
        img_resolution: côté H de l'image.
        img_channels: canaux de l'image.
        channels: canaux de la première carte, puis de celle qui sort de chaque `Residual`.

    Raises:
        TypeError, ValueError: taille impossible, côté qui ne se divise pas autant de fois par deux.
    """

    def __init__(
        self, img_resolution: int, img_channels: int, channels: Sequence[int] = (32, 64, 128, 128)
    ):
        super().__init__()
        first, *others = widths = check_sizes("channels", channels)
        side, rest = divmod(check_whole("img_resolution", img_resolution), 2 ** len(others))
        if rest or not side:
            raise ValueError(
                f"img_resolution : un multiple de {2 ** len(others)} attendu pour {len(others)} "
                f"divisions par deux, reçu {img_resolution}."
            )
        self.shape = check_whole("img_channels", img_channels), img_resolution, img_resolution
        self.from_image = Convolution(img_channels, first, kernel_size=1)
        self.blocks = nn.Sequential(*map(Residual, widths, others))
        last = widths[-1]
        self.last = Convolution(last + 1, last)  # + 1 : la carte de l'écart type du lot
        self.dense = Dense(last * side * side, last)
        self.to_logit = Dense(last, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Juge x [B, img_channels, H, H], dans [0, 1] : logits [B, 1].

        Raises:
            ValueError: images hors de [0, 1], d'une autre forme, ou d'une autre précision que les
                poids.
        """
        if check_drawn(self, x).shape[1:] != self.shape:
            raise ValueError(
                f"images [B, {', '.join(map(str, self.shape))}] attendues, reçu {list(x.shape)} ; "
                "des images de 28 pixels de côté s'entourent de noir : F.pad(x, (2, 2, 2, 2))."
            )
        h = _activate(self.from_image(2 * x - 1))  # centré, comme en sort le générateur
        h = self.blocks(h)
        h = _activate(self.last(torch.cat([h, _batch_spread(h)], dim=1)))
        return self.to_logit(_activate(self.dense(h.flatten(start_dim=1))))


def _activate(x: Tensor) -> Tensor:
    """√2 LeakyReLU(x) : la puissance de x est gardée."""
    return F.leaky_relu(x, 0.2) * math.sqrt(2)


def _batch_spread(h: Tensor) -> Tensor:
    """Une carte [B, 1, H, W] constante : l'écart type de h [B, C, H, W] d'une image à l'autre.

    Moyenné sur canaux et pixels : des tirages trop semblables s'y trahissent (Karras et coll.,
    2018, § 3).
    """
    spread = (h.var(dim=0, correction=0) + 1e-8).sqrt().mean()
    return spread.expand(len(h), 1, *h.shape[2:])
