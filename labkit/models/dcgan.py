"""Le DCGAN du lab 05 : générateur et discriminateur convolutifs, avec ou sans classes.

A. Radford, L. Metz et S. Chintala, « Unsupervised representation learning with deep convolutional
generative adversarial networks », 2016, § 3. Les pertes et les pas sont dans `gan`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from labkit._names import did_you_mean
from labkit.edges import check_whole
from labkit.models.checks import as_images, check_codes, check_dtype, class_tensor
from labkit.models.gan import check_drawn

Labels = Tensor | Sequence[int]


def _transposed(channels_in: int, channels_out: int, bias: bool) -> nn.Module:
    """Noyau 4, pas 2 : chaque pixel produit reçoit autant de pixels d'entrée que son voisin."""
    return nn.ConvTranspose2d(channels_in, channels_out, 4, stride=2, padding=1, bias=bias)


def _uneven(channels_in: int, channels_out: int, bias: bool) -> nn.Module:
    """Noyau 3, pas 2 : un pixel sur deux en reçoit le double, d'où un damier."""
    return nn.ConvTranspose2d(
        channels_in, channels_out, 3, stride=2, padding=1, output_padding=1, bias=bias
    )


def _nearest(channels_in: int, channels_out: int, bias: bool) -> nn.Module:
    """Doubler chaque pixel, puis convoluer (Odena et coll., 2016)."""
    return nn.Sequential(
        nn.Upsample(scale_factor=2), nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=bias)
    )


_UPSAMPLINGS = {"transposed": _transposed, "uneven": _uneven, "nearest": _nearest}
_NORMS = ("batch", "spectral", "none")


class DCGenerator(nn.Module):
    """Générateur convolutif : z, et peut-être une classe -> image [1, 28, 28] dans [0, 1].

    Args:
        latent_dim: dimension de z.
        width: canaux de la carte 14×14, au moins 2 ; la 7×7 en a le double, la 28×28 la moitié.
        num_classes: nombre de classes d'un modèle conditionnel, ou None.
        norm: "batch", une normalisation par lot après chaque couche cachée, ou "none".
        upsampling: façon de doubler le côté d'une carte : "transposed", convolution transposée de
            noyau 4, "uneven", la même de noyau 3, ou "nearest", pixels doublés puis convolution.

    Raises:
        TypeError, ValueError: taille qui n'est pas un entier d'au moins 1, nom inconnu.
    """

    def __init__(
        self,
        latent_dim: int = 100,
        width: int = 64,
        num_classes: int | None = None,
        norm: str = "batch",
        upsampling: str = "transposed",
    ):
        super().__init__()
        latent_dim = self.latent_dim = check_whole("latent_dim", latent_dim)
        width = check_whole("width", width, at_least=2)
        self.num_classes = _check_classes(num_classes)
        self.norm = _check_name("norm", norm, ("batch", "none"))
        up = _UPSAMPLINGS[_check_name("upsampling", upsampling, tuple(_UPSAMPLINGS))]
        bias = norm == "none"  # BatchNorm apprend son propre décalage, un par canal
        self.layers = nn.Sequential(
            nn.Linear(latent_dim + (num_classes or 0), 2 * width * 49, bias=bias),
            nn.Unflatten(1, (2 * width, 7, 7)), *_normed(norm, 2 * width), nn.ReLU(),
            up(2 * width, width, bias), *_normed(norm, width), nn.ReLU(),  # 7 -> 14
            up(width, width // 2, bias), *_normed(norm, width // 2), nn.ReLU(),  # 14 -> 28
            nn.Conv2d(width // 2, 1, 3, padding=1),
        )  # fmt: skip

    def forward(self, z: Tensor, labels: Labels | None = None) -> Tensor:
        """Change z [B, latent_dim], et labels entiers [B] s'il y en a, en images [B, 1, 28, 28].

        Raises:
            ValueError: z d'une autre forme, classes absentes, de trop ou hors de l'intervalle, lot
                d'une seule image à normaliser.
        """
        check_dtype(self, check_codes(z, self.latent_dim), "codes z")
        _check_batch(self, len(z))
        c = _one_hot(self.num_classes, labels, z)  # [B, num_classes] ou None
        h = self.layers(z if c is None else torch.cat([z, c], dim=1))
        # float : en bf16, la sigmoïde s'arrondirait à 1 dès un logit de 6,25.
        return torch.sigmoid(h.float())


class DCDiscriminator(nn.Module):
    """Discriminateur convolutif : image 28×28, et peut-être sa classe -> logit de « vraie ».

    La classe arrive en cartes constantes jointes à l'image, comme dans `ConvCVAE`.

    Args:
        width: canaux de la carte 14×14 ; la 7×7 en a le double.
        num_classes: nombre de classes d'un modèle conditionnel, ou None.
        norm: "batch", une normalisation par lot sur la seconde convolution, "spectral", des poids
            divisés par leur plus grande valeur singulière (Miyato et coll., 2018), ou "none".

    Raises:
        TypeError, ValueError: taille qui n'est pas un entier d'au moins 1, nom inconnu.
    """

    def __init__(self, width: int = 64, num_classes: int | None = None, norm: str = "batch"):
        super().__init__()
        width = check_whole("width", width)
        self.num_classes = _check_classes(num_classes)
        self.norm = _check_name("norm", norm, _NORMS)
        bounded = spectral_norm if norm == "spectral" else nn.Identity()
        self.body = nn.Sequential(
            bounded(nn.Conv2d(1 + (num_classes or 0), width, 4, stride=2, padding=1)),  # 28 -> 14
            nn.LeakyReLU(0.2),
            bounded(nn.Conv2d(width, 2 * width, 4, 2, padding=1, bias=norm != "batch")),  # 14 -> 7
            *_normed(norm, 2 * width), nn.LeakyReLU(0.2),
            nn.Flatten(),
        )  # fmt: skip
        self.to_logit = bounded(nn.Linear(2 * width * 49, 1))

    def features(self, x: Tensor, labels: Labels | None = None) -> Tensor:
        """Résume x [B, 1, 28, 28] ou [B, 784], dans [0, 1], en [B, 98 · width].

        Raises:
            ValueError: comme `forward`.
        """
        x = check_drawn(self, as_images(x))
        _check_batch(self, len(x))
        x = 2 * x - 1  # centré : sur du noir à 0, la première convolution n'aurait pas de gradient
        c = _one_hot(self.num_classes, labels, x)
        if c is not None:
            x = torch.cat([x, c[:, :, None, None].expand(-1, -1, 28, 28)], dim=1)
        return self.body(x)

    def forward(self, x: Tensor, labels: Labels | None = None) -> Tensor:
        """Juge x [B, 1, 28, 28] ou [B, 784], dans [0, 1] : logits [B, 1].

        Raises:
            ValueError: images hors de [0, 1] ou d'un autre nombre de pixels, classes absentes, de
                trop ou hors de l'intervalle, lot d'une seule image à normaliser.
        """
        return self.to_logit(self.features(x, labels))


def _normed(norm: str, channels: int) -> list[nn.Module]:
    """La normalisation par lot à glisser parmi des couches, ou aucune."""
    return [nn.BatchNorm2d(channels)] if norm == "batch" else []


def _one_hot(num_classes: int | None, labels: Labels | None, like: Tensor) -> Tensor | None:
    """Les classes en vecteurs [B, num_classes], à côté de z ou de x, ou None sans classes."""
    if (labels is None) != (num_classes is None):
        raise ValueError(
            "ce modèle ne lit pas de classe : ôtez labels, ou créez-le avec num_classes=10."
            if num_classes is None
            else "ce modèle attend la classe de chaque image : donnez labels, entiers [B]."
        )
    if labels is None:
        return None
    labels = class_tensor(labels, num_classes, len(like)).to(like.device)
    return F.one_hot(labels, num_classes).to(like.dtype)


def _check_batch(model: nn.Module, count: int) -> None:
    """Une image seule, normalisée par sa propre moyenne, perd son intensité."""
    if model.training and model.norm == "batch" and count < 2:
        raise ValueError(
            "une normalisation par lot demande au moins deux images en mode entraînement, reçu un "
            f"lot de {count} : donnez-en davantage, passez en mode évaluation par model.eval(), ou "
            'créez le modèle avec norm="none".'
        )


def _check_classes(num_classes: int | None) -> int | None:
    return None if num_classes is None else check_whole("num_classes", num_classes)


def _check_name(argument: str, name: object, known: tuple[str, ...]) -> str:
    if name not in known:
        raise ValueError(
            f"{argument} : {', '.join(known)} sont connus, reçu {name!r}."
            f"{did_you_mean(name, known)}"
        )
    return name
