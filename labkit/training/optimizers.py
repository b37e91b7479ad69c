"""Muon pour les matrices d'un réseau, AdamW pour ses autres poids : un seul optimiseur pour `fit`.

K. Jordan et coll., « Muon: an optimizer for hidden layers in neural networks », 2024.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import nn

from labkit.training.players import trainable


def muon(model: nn.Module, weight_decay: float = 0.0) -> Callable[..., torch.optim.Optimizer]:
    """Donne la fabrique à passer à `fit(optimizer=…)`, qui partage les poids d'un modèle.

    Muon remplace le gradient, inertie comprise, par la matrice orthogonale la plus proche : toutes
    les directions avancent d'autant. Les matrices des couches cachées le suivent ; plongements,
    biais et normes gardent AdamW. La longueur du pas est ramenée à celle d'AdamW, et le même taux
    d'apprentissage convient donc aux deux (J. Liu et coll., 2025, § 2.2).

    Args:
        model: modèle à entraîner ; `torch.nn.Embedding` y désigne les plongements.
        weight_decay: à chaque pas, les poids perdent la part weight_decay · taux.

    Raises:
        RuntimeError: PyTorch d'avant 2.9, qui n'a pas Muon.
    """
    if not hasattr(torch.optim, "Muon"):
        raise RuntimeError(
            f"Muon demande PyTorch 2.9 ou plus récent, reçu {torch.__version__} : mettez PyTorch à "
            "jour, ou entraînez avec torch.optim.AdamW."
        )
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    matrices = [p.dim() == 2 and id(p) not in embeddings for p in trainable(model)]
    # Des rangs plutôt que des poids : l'empreinte d'un point de reprise les lit.
    hidden = tuple(rank for rank, is_hidden in enumerate(matrices) if is_hidden)
    return partial(MuonAdamW, hidden=hidden, weight_decay=weight_decay)


class MuonAdamW(torch.optim.Optimizer):
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
            torch.optim.Muon(matrices, adjust_lr_fn="match_rms_adamw", **options),
            torch.optim.AdamW(others, fused=True, betas=(0.9, 0.95), **options),
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
