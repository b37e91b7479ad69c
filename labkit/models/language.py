"""Les pertes des modèles de langue du lab 09 : le jeton suivant, ou les jetons masqués."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit.edges import check_real, check_whole
from labkit.models.checks import check_ids, check_tensor

IGNORED = -100  # la cible d'une position qui ne compte pas, celle de cross_entropy
_AT_ONCE = 256  # positions dont les logits sont calculés ensemble


def token_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Entropie croisée -log p(cible), moyenne par jeton, en nats : un scalaire.

    logits [..., V], targets int64 [...] ; les cibles -100 ne comptent pas, et une perte sans
    aucune cible vaut 0.
    """
    count = (targets != IGNORED).sum().clamp(min=1)
    return _summed(logits.flatten(0, -2), targets.flatten()) / count


def causal_step(model: nn.Module, ids: Tensor) -> dict[str, Tensor]:
    """Mesure un lot ids [B, T] : {"loss"} est -log p(x_{t+1} | x_≤t) moyen, t de 1 à T - 1.

    Le pas de `fit` s'en déduit : `functools.partial(causal_step, model)`. `model` est un module
    qui a `features` et `to_logits`, comme `CausalLM`. Le décalage des cibles se fait ici, une
    fois : le dernier jeton n'est pas lu, le premier n'est pas prédit.

    Raises:
        ValueError: lot d'une autre forme, ou d'un seul jeton par texte ; jetons impossibles.
    """
    if check_tensor(ids, "lot").dim() != 2 or ids.shape[1] < 2:
        raise ValueError(f"lot : jetons [B, T] attendus, T d'au moins 2, reçu {list(ids.shape)}.")
    h = model.features(ids[:, :-1])  # [B, T - 1, C]
    return {"loss": _head_loss(model, h.flatten(0, 1), ids[:, 1:].flatten())}


def masked_step(model: nn.Module, mask_id: int, share: float = 0.15) -> Callable:
    """Donne le pas d'un `MaskedLM` : {"loss"} est -log p(jeton caché | reste) moyen, en nats.

    Un lot est ids [B, T], masqué ici par `mask_tokens`, ou une paire (inputs, targets) déjà
    masquée : ainsi la validation garde les mêmes masques d'une époque à l'autre.
    """

    def step(batch: Tensor | Sequence[Tensor]) -> dict[str, Tensor]:
        if isinstance(batch, Tensor):
            batch = mask_tokens(batch, mask_id, model.vocab_size, share)
        inputs, targets = batch
        hidden = targets != IGNORED
        h = model.features(inputs)[hidden]  # [M, C] : les seules positions à deviner
        return {"loss": _head_loss(model, h, targets[hidden])}

    return step


def mask_tokens(
    ids: Tensor,
    mask_id: int,
    vocab_size: int,
    share: float = 0.15,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Cache des jetons de ids int64 [B, T], chacun avec la probabilité `share`.

    Un jeton à deviner devient le masque 8 fois sur 10, un jeton tiré du vocabulaire 1 fois sur 10,
    et reste tel quel sinon (J. Devlin et coll., « BERT », 2019, § 3.1).

    Returns:
        (inputs, targets), int64 [B, T] : ce que lit le modèle, et les jetons à deviner, -100
        ailleurs.

    Raises:
        TypeError, ValueError: jetons ou masque hors du vocabulaire, part hors de ]0, 1].
    """
    check_ids(ids, vocab_size)
    if check_whole("mask_id", mask_id, at_least=0) >= vocab_size:
        raise ValueError(
            f"mask_id doit être un jeton du vocabulaire, de 0 à {vocab_size - 1}, reçu {mask_id}."
        )
    if not 0 < check_real("share", share) <= 1:
        raise ValueError(f"share doit être entre 0 exclu et 1 compris, reçu {share}.")
    random = {"generator": generator, "device": ids.device}
    hidden = torch.rand(ids.shape, **random) < share
    fate = torch.rand(ids.shape, **random)
    words = torch.randint(vocab_size, ids.shape, **random)
    inputs = ids.where(~hidden | (fate >= 0.9), words).masked_fill(hidden & (fate < 0.8), mask_id)
    return inputs, ids.masked_fill(~hidden, IGNORED)


def _head_loss(model: nn.Module, h: Tensor, targets: Tensor) -> Tensor:
    """`token_loss` des positions h [M, C], dont toutes les cibles [M] comptent.

    Les logits [M, V] sont le plus grand tenseur du calcul : par paquets, ils restent dans la
    mémoire que le processeur vient d'employer, au lieu d'en demander de la neuve à chaque pas.
    """
    parts = zip(h.split(_AT_ONCE), targets.split(_AT_ONCE), strict=True)
    total = sum(_summed(model.to_logits(part), target) for part, target in parts)
    return total / max(1, len(targets))


def _summed(logits: Tensor, targets: Tensor) -> Tensor:
    # float : en bf16, la somme de V exponentielles perdrait les petites.
    return F.cross_entropy(logits.float(), targets, reduction="sum", ignore_index=IGNORED)
