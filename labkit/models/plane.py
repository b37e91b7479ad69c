"""Les petits réseaux du lab 06, qui jouent dans le plan.

`gan` donne les pertes et les pas : un point du plan y tient lieu d'image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from labkit._names import did_you_mean
from labkit.edges import check_whole
from labkit.models.checks import check_sizes

NOISES = ("gaussian", "uniform")


def dense_layers(sizes: Sequence[int]) -> nn.Sequential:
    """Des couches linéaires de tailles successives, une LeakyReLU de pente 0,2 entre deux."""
    layers = []
    for size_in, size_out in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(size_in, size_out), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1])


class PlaneGenerator(nn.Module):
    """G du plan : un bruit de dimension 1 ou 2 -> un point, sans borne.

    Args:
        latent_dim: dimension du bruit.
        hidden_dims: neurones de chaque couche cachée, une au moins.
        noise: "gaussian" ou "uniform", de moyenne nulle et de variance 1 l'un et l'autre.

    Raises:
        TypeError, ValueError: tailles qui ne sont pas des entiers d'au moins 1, aucune couche,
            loi de bruit inconnue.
    """

    def __init__(
        self, latent_dim: int = 2, hidden_dims: Sequence[int] = (32, 32), noise: str = "gaussian"
    ):
        super().__init__()
        self.latent_dim = check_whole("latent_dim", latent_dim)
        if noise not in NOISES:
            raise ValueError(
                f"noise={noise!r} inconnu : choisissez {' ou '.join(map(repr, NOISES))}."
                f"{did_you_mean(noise, NOISES)}"
            )
        self.noise = noise
        self.layers = dense_layers([latent_dim, *_check_hidden(hidden_dims), 2])

    def forward(self, z: Tensor) -> Tensor:
        """Change z ~ N(0, I) [B, latent_dim], mis à la loi du bruit, en points [B, 2]."""
        return self.layers(self.to_noise(z))

    def to_noise(self, z: Tensor) -> Tensor:
        """Le bruit que lisent les couches : z, ou √3 (2 Φ(z) - 1), uniforme, de variance 1."""
        return z if self.noise == "gaussian" else math.sqrt(3) * torch.erf(z / math.sqrt(2))


class PlaneDiscriminator(nn.Module):
    """D du plan : point [B, 2] -> logit [B, 1] de « ce point est vrai ».

    Args:
        hidden_dims: neurones de chaque couche cachée, une au moins.

    Raises:
        TypeError, ValueError: tailles qui ne sont pas des entiers d'au moins 1, aucune couche.
    """

    def __init__(self, hidden_dims: Sequence[int] = (32, 32)):
        super().__init__()
        self.layers = dense_layers([2, *_check_hidden(hidden_dims), 1])

    def forward(self, x: Tensor) -> Tensor:
        """Juge des points [B, 2] : logits [B, 1]."""
        return self.layers(x)


def _check_hidden(hidden_dims: Sequence[int]) -> tuple[int, ...]:
    if isinstance(hidden_dims, Sequence) and not len(hidden_dims):
        raise ValueError(
            "hidden_dims : il faut au moins une couche cachée, reçu () ; sans elle, le réseau "
            "serait linéaire. Écrivez hidden_dims=(32,)."
        )
    return check_sizes("hidden_dims", hidden_dims)
