"""Le UNet du lab 08 : lire une image bruitée et l'instant, prédire le bruit.

O. Ronneberger, P. Fischer et T. Brox, « U-Net: convolutional networks for biomedical image
segmentation », 2015.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit.edges import check_whole
from labkit.models.checks import check_dtype, check_tensor, inputs_are_trusted


def time_embedding(t: Tensor, dim: int) -> Tensor:
    """Écrit des instants t [B] en float32 [B, dim] : dim/2 sinus, puis dim/2 cosinus.

    Leurs fréquences vont de 1 à 1/10 000 (Vaswani et coll., 2017, § 3.5) : les hautes distinguent
    deux instants voisins, les basses situent l'instant parmi tous les autres.

    Raises:
        ValueError: dim impair ou inférieur à 4.
    """
    if dim % 2 or dim < 4:
        raise ValueError(
            "la taille du plongement de l'instant doit être paire et valoir au moins 4, reçu "
            f"{dim} : une moitié porte les sinus, l'autre les cosinus."
        )
    exponents = torch.linspace(0, 1, dim // 2, device=t.device, dtype=torch.float32)
    angles = t[:, None] * torch.exp(-math.log(10_000) * exponents)  # [B, dim/2]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class UNetBlock(nn.Module):
    """Deux convolutions 3×3 ; l'instant, projeté sur les canaux, s'ajoute entre les deux.

    h = f(conv1(x)) + W e(t), puis h + f(conv2(h)) : la seconde convolution s'ajoute à ce qu'elle
    lit (He et coll., 2016), et n'apprend qu'une retouche, sans un poids de plus.
    """

    def __init__(self, channels_in: int, channels_out: int, time_emb_dim: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.to_channels = nn.Linear(time_emb_dim, channels_out)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """Calcule les cartes [B, channels_out, H, W] de x [B, channels_in, H, W] et e(t) [B, E]."""
        h = _activation(self.conv1(x))  # [B, C, H, W]
        h = h + self.to_channels(emb)[:, :, None, None]  # le même nombre en tout point d'une carte
        return h + _activation(self.conv2(h))


def _activation(h: Tensor) -> Tensor:
    """Redresse h sur place ; la pente 0,1 garde un gradient aux canaux partout négatifs."""
    return F.leaky_relu(h, 0.1, inplace=True)


class UNet(nn.Module):
    """Prédit le bruit que contient une image : ε_θ(x_t, t), ou ε_θ(x_t, t, c) avec des classes.

    La descente résume (32, 64, 128 canaux, puis 256), la remontée redessine ; à chaque étage, les
    cartes de la descente rejoignent celles de la remontée.

    Args:
        in_channels: canaux de l'image lue.
        out_channels: canaux du bruit prédit.
        time_emb_dim: taille du plongement de l'instant, paire, au moins 4.
        width: canaux du premier étage ; 32 est la taille normale, 16 la petite.
        num_classes: nombre de classes d'un modèle conditionnel, ou None.
        block: classe des blocs de chaque étage, à construire et à appeler comme `UNetBlock`.

    Raises:
        TypeError, ValueError: taille de plongement impaire, canaux, largeur ou classes qui ne
            sont pas des entiers d'au moins 1.
    """

    smallest_side = 8  # pixels : trois divisions par deux

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        time_emb_dim: int = 64,
        *,
        width: int = 32,
        num_classes: int | None = None,
        block: Callable[[int, int, int], nn.Module] = UNetBlock,
    ):
        super().__init__()
        in_channels = check_whole("in_channels", in_channels)
        out_channels = check_whole("out_channels", out_channels)
        width = check_whole("width", width)
        if num_classes is not None:
            num_classes = check_whole("num_classes", num_classes)
        time_emb_dim = check_whole("time_emb_dim", time_emb_dim, at_least=4)
        time_embedding(torch.zeros(1), time_emb_dim)  # refuse tout de suite une taille impaire
        self.in_channels, self.time_emb_dim = in_channels, time_emb_dim
        self.num_classes = num_classes
        self.time_mlp = nn.Sequential(
            nn.Linear(time_emb_dim, time_emb_dim), nn.SiLU(), nn.Linear(time_emb_dim, time_emb_dim)
        )
        if num_classes is not None:  # une ligne par classe, et une dernière pour « sans classe »
            self.class_embedding = nn.Embedding(num_classes + 1, time_emb_dim)
        c1, c2, c3, c4 = width, 2 * width, 4 * width, 8 * width
        self.down1 = block(in_channels, c1, time_emb_dim)
        self.down2 = block(c1, c2, time_emb_dim)
        self.down3 = block(c2, c3, time_emb_dim)
        self.bottleneck = block(c3, c4, time_emb_dim)
        self.up3 = nn.ConvTranspose2d(c4, c3, 4, stride=2, padding=1)
        self.merge3 = block(2 * c3, c3, time_emb_dim)
        self.up2 = nn.ConvTranspose2d(c3, c2, 4, stride=2, padding=1)
        self.merge2 = block(2 * c2, c2, time_emb_dim)
        self.up1 = nn.ConvTranspose2d(c2, c1, 4, stride=2, padding=1)
        self.merge1 = block(2 * c1, c1, time_emb_dim)
        self.to_noise = nn.Conv2d(c1, out_channels, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """Prédit le bruit [B, out_channels, H, W] de x [B, in_channels, H, W] aux instants t [B].

        labels sont les classes int64 [B] ; `num_classes` veut dire « sans classe », comme None.

        Raises:
            ValueError: images d'une autre forme, classes hors de 0 … num_classes, ou modèle sans
                classes.
        """
        if not inputs_are_trusted():
            self._check_inputs(x, labels)
        check_dtype(self, x)
        emb = self._embed(t, labels)  # [B, time_emb_dim]
        h1 = self.down1(x, emb)  # [B, 32, 28, 28]
        h2 = self.down2(F.max_pool2d(h1, 2), emb)  # [B, 64, 14, 14]
        h3 = self.down3(F.max_pool2d(h2, 2), emb)  # [B, 128, 7, 7]
        h = self.bottleneck(F.max_pool2d(h3, 2), emb)  # [B, 256, 3, 3]
        # output_size : 3 doublé donne 6, et l'étage d'en face en a 7.
        h = self.up3(h, output_size=h3.shape[-2:])  # [B, 128, 7, 7]
        h = self.merge3(torch.cat([h, h3], dim=1), emb)
        h = self.up2(h, output_size=h2.shape[-2:])  # [B, 64, 14, 14]
        h = self.merge2(torch.cat([h, h2], dim=1), emb)
        h = self.up1(h, output_size=h1.shape[-2:])  # [B, 32, 28, 28]
        h = self.merge1(torch.cat([h, h1], dim=1), emb)
        return self.to_noise(h)

    def _embed(self, t: Tensor, labels: Tensor | None) -> Tensor:
        embedding = time_embedding(t, self.time_emb_dim).to(self.to_noise.weight.dtype)
        emb = self.time_mlp(embedding)
        if self.num_classes is None:
            return emb
        if labels is None:
            labels = torch.full_like(t, self.num_classes, dtype=torch.long)
        elif labels.shape != t.shape:  # des formes : le GPU n'a rien à attendre
            raise ValueError(
                f"classes [{len(t)}], une par image, attendues, reçu {list(labels.shape)}."
            )
        return emb + self.class_embedding(labels)

    def _check_inputs(self, x: Tensor, labels: Tensor | None) -> None:
        """Ce que DDPM vérifie une fois par tirage ; un appel direct du réseau passe par ici."""
        is_batch = check_tensor(x).dim() == 4 and len(x) and x.shape[1] == self.in_channels
        if not is_batch or min(x.shape[2:]) < self.smallest_side:
            raise ValueError(
                f"images [B, {self.in_channels}, H, W] attendues, B au moins 1, H et W au "
                f"moins {self.smallest_side}, reçu {list(x.shape)}."
            )
        if labels is None:
            return
        if self.num_classes is None:
            raise ValueError(
                "ce UNet n'a pas de classes : créez-le par UNet(num_classes=10) pour le guider."
            )
        if check_tensor(labels, "labels").min() < 0 or labels.max() > self.num_classes:
            raise ValueError(
                f"classes [{len(x)}] entre 0 et {self.num_classes - 1} attendues, ou "
                f"{self.num_classes} pour « sans classe », reçu {labels.tolist()}."
            )
