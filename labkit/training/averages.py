"""La moyenne mobile des poids : un second modèle, plus calme, que `fit` tient à jour."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def moving_average(model: nn.Module, decay: float = 0.999) -> AveragedModel:
    """Prépare la moyenne mobile exponentielle des poids d'un modèle, à donner à `fit`.

    À chaque pas, moyenne ← d · moyenne + (1 - d) · poids, où d = min(decay, (1 + n) / (10 + n))
    au pas n : les premiers pas, encore loin du but, s'oublient vite (Ho et coll., 2020, § 4).

    Args:
        model: modèle à entraîner ; la moyenne en est une copie.
        decay: part gardée à chaque pas, dans [0, 1[ ; 0,999 moyenne les mille derniers à peu près.

    Returns:
        La moyenne ; le modèle moyen est son attribut `module`.

    Raises:
        ValueError: decay hors de [0, 1[.
    """
    if not 0 <= decay < 1:
        raise ValueError(f"decay doit être entre 0 compris et 1 exclu, reçu {decay}.")

    @torch.no_grad()
    def update(averages: list[Tensor], weights: list[Tensor], count: Tensor) -> None:
        # Tous les poids d'un coup : lire `count` fait attendre un GPU.
        torch._foreach_lerp_(averages, weights, max(1 - decay, 9 / (10 + int(count))))

    return AveragedModel(model, multi_avg_fn=update)
