"""Plusieurs réseaux de même forme, calculés d'un seul coup : refaire une expérience sur K graines.

Leurs poids sont empilés le long d'un premier axe, et `torch.vmap` fait des K calculs un seul ; un
petit réseau laisse sinon l'appareil attendre.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state


class Ensemble(nn.Module):
    """K réseaux indépendants, appelés comme un seul : [K · B, …] -> [K · B, …].

    Le premier lit les B premières lignes, le deuxième les B suivantes, et ainsi de suite. Une
    perte moyenne sur les K · B lignes est la moyenne des K pertes : chaque réseau y reçoit son
    gradient divisé par K.

    Args:
        modules: au moins un réseau, tous de même architecture, leurs poids tirés ou appris à part.

    Raises:
        ValueError: aucun réseau, ou architectures différentes.
    """

    def __init__(self, modules: Sequence[nn.Module]):
        super().__init__()
        _check_same(modules)
        weights, _ = stack_module_state(list(modules))
        self._names = {name.replace(".", "__"): name for name in weights}
        for flat, name in self._names.items():  # torch réserve les points aux sous-modules
            self.register_parameter(flat, nn.Parameter(weights[name].detach()))
        self.count = len(modules)
        # Ce qu'un tirage demande à un générateur.
        self.latent_dim = getattr(modules[0], "latent_dim", None)
        # Dans une liste : ce modèle sans poids n'est ni entraîné, ni enregistré.
        self._skeleton = [copy.deepcopy(modules[0]).to("meta")]

    def forward(self, x: Tensor) -> Tensor:
        """Applique chaque réseau à sa part de x [K · B, …].

        Raises:
            ValueError: nombre de lignes qui n'est pas un multiple de K.
        """
        if len(x) % self.count:
            raise ValueError(
                f"un ensemble de {self.count} réseaux se partage un lot d'un multiple de "
                f"{self.count} lignes, reçu {len(x)}."
            )
        parts = x.unflatten(0, (self.count, -1))  # [K, B, …]
        return torch.vmap(self._one)(self._weights(), parts).flatten(0, 1)

    def members(self) -> list[nn.Module]:
        """Les K réseaux, séparés : chacun une copie."""
        return [self._member(rank) for rank in range(self.count)]

    def _member(self, rank: int) -> nn.Module:
        weights = {name: value[rank].detach() for name, value in self._weights().items()}
        device = next(iter(weights.values())).device
        member = copy.deepcopy(self._skeleton[0]).to_empty(device=device)
        member.load_state_dict(weights)
        return member.train(self.training)

    def _weights(self) -> dict[str, Tensor]:
        """Les poids des K réseaux, [K, …], sous les noms qu'ils ont dans un seul."""
        return {self._names[flat]: value for flat, value in self._parameters.items()}

    def _one(self, weights: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(self._skeleton[0], weights, (x,))


def _check_same(modules: Sequence[nn.Module]) -> None:
    shapes = [{n: v.shape for n, v in module.state_dict().items()} for module in modules]
    if not shapes or any(other != shapes[0] for other in shapes):
        raise ValueError(
            "un ensemble réunit au moins un réseau, tous de même architecture : reçu "
            f"{', '.join(type(module).__name__ for module in modules) or 'aucun réseau'}."
        )
