"""Plusieurs réseaux denses de même forme, calculés d'un seul coup : une expérience sur K graines.

Leurs poids sont empilés le long d'un premier axe, et chaque couche fait K produits de matrices en
un ; un petit réseau laisse sinon l'appareil attendre.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """K réseaux indépendants, appelés comme un seul : [K · B, …] -> [K · B, …].

    Le premier lit les B premières lignes de chaque argument, le deuxième les B suivantes, et ainsi
    de suite. Une perte moyenne sur les K · B lignes est la moyenne des K pertes : chaque réseau y
    reçoit son gradient divisé par K, ce qui ne change rien pour Adam, à son ε près.

    Args:
        modules: au moins un réseau, tous de même architecture, leurs poids tirés ou appris à part.
            Ils lisent des vecteurs, par des couches linéaires et des fonctions qui agissent nombre
            par nombre.

    Raises:
        ValueError: aucun réseau, architectures différentes, ou poids d'une autre sorte de couche.
    """

    def __init__(self, modules: Sequence[nn.Module]):
        super().__init__()
        _check_same(modules)
        _check_dense(modules[0])
        self.count = len(modules)
        self.latent_dim = getattr(modules[0], "latent_dim", None)  # ce que demande un tirage
        self.network = _stack(modules)
        # Dans une liste : ce modèle sans poids n'est ni entraîné, ni enregistré.
        self._skeleton = [copy.deepcopy(modules[0]).to("meta")]

    def forward(self, *inputs: Tensor) -> Tensor:
        """Applique chaque réseau à sa part des arguments [K · B, …].

        Raises:
            ValueError: nombre de lignes qui n'est pas un multiple de K.
        """
        parts = [self._split(x) for x in inputs]  # [K, B, …]
        return self.network(*parts).flatten(0, 1)  # [K, B, …] -> [K · B, …]

    def members(self) -> list[nn.Module]:
        """Les K réseaux, séparés : chacun une copie."""
        return [self._member(rank) for rank in range(self.count)]

    def _member(self, rank: int) -> nn.Module:
        weights = {name: value[rank] for name, value in self.network.state_dict().items()}
        device = next(iter(weights.values())).device
        member = copy.deepcopy(self._skeleton[0]).to_empty(device=device)
        member.load_state_dict(weights)
        return member.train(self.training)

    def _split(self, x: Tensor) -> Tensor:
        if len(x) % self.count:
            raise ValueError(
                f"un ensemble de {self.count} réseaux se partage un lot d'un multiple de "
                f"{self.count} lignes, reçu {len(x)}."
            )
        return x.unflatten(0, (self.count, -1))


class StackedLinear(nn.Module):
    """K couches linéaires de mêmes tailles : x_k W_kᵀ + b_k, pour k de 1 à K."""

    def __init__(self, layers: Sequence[nn.Linear]):
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers]))

    def forward(self, x: Tensor) -> Tensor:
        """Change [K, B, entrées] en [K, B, sorties]."""
        return torch.baddbmm(self.bias[:, None], x, self.weight.mT)


def _stack(modules: Sequence[nn.Module]) -> nn.Module:
    """Le premier réseau, où chaque couche linéaire devient les K, empilées."""
    if isinstance(modules[0], nn.Linear):
        return StackedLinear(modules)
    stacked = copy.deepcopy(modules[0])
    for name, layer in modules[0].named_modules():
        if isinstance(layer, nn.Linear):
            stacked.set_submodule(name, StackedLinear([m.get_submodule(name) for m in modules]))
    return stacked


def _check_same(modules: Sequence[nn.Module]) -> None:
    shapes = [{n: v.shape for n, v in module.state_dict().items()} for module in modules]
    if not shapes or any(other != shapes[0] for other in shapes):
        raise ValueError(
            "un ensemble réunit au moins un réseau, tous de même architecture : reçu "
            f"{', '.join(type(module).__name__ for module in modules) or 'aucun réseau'}."
        )


def _check_dense(module: nn.Module) -> None:
    layers = [layer for _, layer in module.named_modules(remove_duplicate=False)]
    owners = [layer for layer in layers if layer._parameters or layer._buffers]
    others = {type(layer).__name__ for layer in owners if not _is_stackable(layer)}
    if others:
        raise ValueError(
            "un ensemble n'empile que des couches nn.Linear avec biais ; ce réseau a aussi des "
            f"poids dans {', '.join(sorted(others))}."
        )
    if len(owners) != len(set(owners)):
        raise ValueError("un ensemble n'empile pas un réseau dont une couche sert deux fois.")


def _is_stackable(layer: nn.Module) -> bool:
    return type(layer) is nn.Linear and layer.bias is not None
