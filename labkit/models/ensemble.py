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

from labkit.models.checks import trusted_inputs


class Ensemble(nn.Module):
    """K réseaux indépendants, appelés comme un seul : [K · B, …] -> [K · B, …].

    Le premier lit les B premières lignes de chaque argument, le deuxième les B suivantes, et ainsi
    de suite. Une perte moyenne sur les K · B lignes est la moyenne des K pertes : chaque réseau y
    reçoit son gradient divisé par K, ce qui ne change rien pour Adam, à son ε près.

    Args:
        modules: au moins un réseau, tous de même architecture, leurs poids tirés ou appris à part.

    Raises:
        ValueError: aucun réseau, ou architectures différentes.
    """

    def __init__(self, modules: Sequence[nn.Module]):
        super().__init__()
        _check_same(modules)
        parameters, buffers = stack_module_state(list(modules))
        self._names = {_flat(name): name for name in (*parameters, *buffers)}
        for name, value in parameters.items():
            self.register_parameter(_flat(name), nn.Parameter(value.detach()))
        for name, value in buffers.items():
            self.register_buffer(_flat(name), value)
        self.count = len(modules)
        # Ce qu'un tirage demande à un générateur.
        self.latent_dim = getattr(modules[0], "latent_dim", None)
        self.num_classes = getattr(modules[0], "num_classes", None)
        # Dans une liste : ce modèle sans poids n'est ni entraîné, ni enregistré.
        self._skeleton = [copy.deepcopy(modules[0]).to("meta")]

    def train(self, mode: bool = True) -> Ensemble:
        """Met les K réseaux en mode entraînement, ou évaluation."""
        self._skeleton[0].train(mode)
        return super().train(mode)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Applique chaque réseau à sa part des arguments [K · B, …].

        Raises:
            ValueError: nombre de lignes qui n'est pas un multiple de K.
        """
        parts = [self._split(x) for x in inputs]  # [K, B, …]
        with trusted_inputs():  # vmap ne sait pas lire une valeur pour décider
            outputs = torch.vmap(self._one, randomness="different")(self._state(), *parts)
        return outputs.flatten(0, 1)  # [K, B, …] -> [K · B, …]

    def members(self) -> list[nn.Module]:
        """Les K réseaux, séparés : chacun une copie."""
        weights = {self._names[name]: value for name, value in self.state_dict().items()}
        return [
            self._member({name: w[k] for name, w in weights.items()}) for k in range(self.count)
        ]

    def _member(self, weights: dict[str, Tensor]) -> nn.Module:
        device = next(iter(weights.values())).device
        member = copy.deepcopy(self._skeleton[0]).to_empty(device=device)
        member.load_state_dict(weights)
        return member.train(self.training)

    def _state(self) -> dict[str, Tensor]:
        own = {**self._parameters, **self._buffers}
        return {self._names[name]: value for name, value in own.items()}

    def _one(self, state: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        return functional_call(self._skeleton[0], state, inputs)

    def _split(self, x: Tensor) -> Tensor:
        if len(x) % self.count:
            raise ValueError(
                f"un ensemble de {self.count} réseaux se partage un lot d'un multiple de "
                f"{self.count} lignes, reçu {len(x)}."
            )
        return x.unflatten(0, (self.count, -1))


def _flat(name: str) -> str:
    """Un nom de paramètre sans point : torch les réserve aux sous-modules."""
    return name.replace(".", "__")


def _check_same(modules: Sequence[nn.Module]) -> None:
    shapes = [{n: v.shape for n, v in module.state_dict().items()} for module in modules]
    if not shapes or any(other != shapes[0] for other in shapes):
        raise ValueError(
            "un ensemble réunit au moins un réseau, tous de même architecture : reçu "
            f"{', '.join(type(module).__name__ for module in modules) or 'aucun réseau'}."
        )
