"""Muon pour les matrices d'un réseau, AdamW pour ses autres poids : un seul optimiseur pour `fit`.

K. Jordan et coll., « Muon: an optimizer for hidden layers in neural networks », 2024.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor, nn

from labkit.training.eager import eager
from labkit.training.players import trainable

_A, _B, _C = 3.4445, -4.7750, 2.0315  # les coefficients de Jordan et coll.


def muon(model: nn.Module, weight_decay: float = 0.0) -> Callable[..., torch.optim.Optimizer]:
    """Donne la fabrique à passer à `fit(optimizer=…)`, qui partage les poids d'un modèle.

    Muon remplace le gradient, inertie comprise, par la matrice orthogonale la plus proche : toutes
    les directions avancent d'autant. Les matrices des couches cachées le suivent ; plongements,
    biais et normes gardent AdamW. La longueur du pas est ramenée à celle d'AdamW, et le même taux
    d'apprentissage convient donc aux deux (J. Liu et coll., 2025, § 2.2).

    Args:
        model: modèle à entraîner ; `torch.nn.Embedding` y désigne les plongements.
        weight_decay: à chaque pas, les poids perdent la part weight_decay · taux.
    """
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    matrices = [p.dim() == 2 and id(p) not in embeddings for p in trainable(model)]
    # Des rangs plutôt que des poids : l'empreinte d'un point de reprise les lit.
    hidden = tuple(rank for rank, is_hidden in enumerate(matrices) if is_hidden)
    return partial(MuonAdamW, hidden=hidden, weight_decay=weight_decay)


def orthogonalize(matrix: Tensor) -> Tensor:
    """Approche U Vᵀ, la matrice orthogonale la plus proche de U S Vᵀ, sans décomposition.

    Cinq fois X <- a X + b (X Xᵀ) X + c (X Xᵀ)² X, polynôme qui mène toute valeur singulière de
    ]0, 1] près de 1. `torch.optim.Muon` le fait toujours en bfloat16, qu'un processeur sans ces
    instructions calcule bien plus lentement ; ici, dans le type de la matrice.

    Args:
        matrix: [m, n], réelle.

    Returns:
        [m, n], de valeurs singulières entre 0,7 et 1,2 environ, sauf les presque nulles.
    """
    x = matrix if len(matrix) <= matrix.shape[1] else matrix.T  # X Xᵀ du plus petit côté
    x = x / x.norm().clamp(min=1e-7)  # valeurs singulières d'au plus 1
    for _ in range(5):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x if len(matrix) <= matrix.shape[1] else x.T


class Muon(eager(torch.optim.Optimizer)):
    """Avance selon l'inertie du gradient, orthogonalisée (Jordan et coll., 2024).

    Args:
        parameters: matrices à apprendre.
        lr: taux d'apprentissage ; la longueur du pas est celle d'AdamW (`muon`).
        weight_decay: voir `muon`.
        momentum: part de l'inertie que garde un pas, dans [0, 1[.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
    ):
        options = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(parameters, options)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Fait un pas des matrices qui ont un gradient."""
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is not None:
                    self._move(matrix, **group)

    def _move(self, matrix: Tensor, lr: float, weight_decay: float, momentum: float, **_) -> None:
        state = self.state[matrix]
        if not state:
            state["momentum"] = torch.zeros_like(matrix)
        state["momentum"].lerp_(matrix.grad, 1 - momentum)
        ahead = matrix.grad.lerp(state["momentum"], momentum)  # l'inertie de Nesterov
        length = 0.2 * math.sqrt(max(matrix.shape))  # la taille moyenne d'un pas d'AdamW
        matrix.mul_(1 - lr * weight_decay)
        matrix.add_(orthogonalize(ahead), alpha=-lr * length)


class MuonAdamW(eager(torch.optim.Optimizer)):
    """Muon sur les poids de rangs `hidden`, AdamW sur les autres.

    Args:
        parameters: poids à apprendre.
        lr: taux d'apprentissage des deux.
        hidden: rangs, dans parameters, des matrices que Muon apprend.
        weight_decay: voir `muon`.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        hidden: Iterable[int],
        weight_decay: float,
    ):
        parameters, hidden = list(parameters), set(hidden)
        matrices = [p for rank, p in enumerate(parameters) if rank in hidden]
        others = [p for rank, p in enumerate(parameters) if rank not in hidden]
        options = {"lr": lr, "weight_decay": weight_decay}
        self._parts = [
            Muon(matrices, **options),
            eager(torch.optim.AdamW)(others, fused=True, betas=(0.9, 0.95), **options),
        ]
        super().__init__([group for part in self._parts for group in part.param_groups], {})
        self._share()

    def load_state_dict(self, state_dict: dict) -> None:
        """Reprend ce que donnait `state_dict()`."""
        super().load_state_dict(state_dict)
        self._share()

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Fait un pas de chacun."""
        for part in self._parts:
            part.step()

    def _share(self) -> None:
        """Les deux lisent et écrivent ici leurs moments et leurs réglages."""
        for part, group in zip(self._parts, self.param_groups, strict=True):
            part.state, part.param_groups = self.state, [group]
