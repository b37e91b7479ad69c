"""Les petits réseaux du lab 06, qui jouent dans le plan, et plusieurs parties côte à côte.

`gan` donne les pertes et les pas : un point du plan y tient lieu d'image.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from labkit._names import did_you_mean
from labkit.edges import check_whole
from labkit.models.checks import check_sizes
from labkit.models.gan import AdversarialLoss

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

    num_classes = None

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

    num_classes = None

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


# --- plusieurs parties à la fois ------------------------------------------------------------------


class SideBySide(nn.Module):
    """S réseaux de même forme, calculés d'un seul coup : [B, S · entrées] -> [B, S · sorties].

    Chacun lit ses colonnes et remplit les siennes, sans rien savoir des autres : pour les pas de
    `gan`, c'est un seul réseau, plus large. Les poids sont rangés par `stack_module_state`, et
    `vmap` change la boucle sur les réseaux en produits de matrices par paquets.

    Args:
        networks: les réseaux, de même classe et de mêmes tailles ; ils sont copiés.
    """

    num_classes = None

    def __init__(self, networks: Sequence[nn.Module]):
        super().__init__()
        stacked, _ = stack_module_state(list(networks))
        self.names = {name.replace(".", "_"): name for name in stacked}
        for ours, name in self.names.items():
            self.register_parameter(ours, nn.Parameter(stacked[name].detach()))
        self.count = len(networks)
        # Dans un n-uplet : un modèle de forme, dont les poids ne sont pas à apprendre.
        self._shape = (copy.deepcopy(networks[0]),)
        if hasattr(networks[0], "latent_dim"):
            self.latent_dim = self.count * networks[0].latent_dim

    def forward(self, x: Tensor) -> Tensor:
        """Calcule les S réseaux, chacun sur ses colonnes de x."""
        columns = x.unflatten(1, (self.count, -1))  # [B, S, entrées]
        outputs = vmap(self._call, in_dims=(0, 1), out_dims=1)(self.weights(), columns)
        return outputs.flatten(1)

    def _call(self, weights: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(self._shape[0], weights, (x,))

    def weights(self) -> dict[str, Tensor]:
        """Les poids des S réseaux, sous les noms d'un seul, [S, …] chacun."""
        return {name: self.get_parameter(ours) for ours, name in self.names.items()}

    def network(self, rank: int) -> nn.Module:
        """Une copie du réseau de rang `rank`, avec ses poids du moment."""
        alone = copy.deepcopy(self._shape[0])
        alone.load_state_dict({name: w[rank].detach() for name, w in self.weights().items()})
        return alone.eval()


def summed(loss: AdversarialLoss, count: int) -> AdversarialLoss:
    """La somme, et non la moyenne, des pertes de `count` parties de front.

    Chaque partie reçoit ainsi le gradient qu'elle aurait seule, quel que soit l'optimiseur.
    """
    return AdversarialLoss(
        lambda real, fake: count * loss.discriminator(real, fake),
        lambda real, fake: count * loss.generator(real, fake),
        loss.is_relative,
    )
