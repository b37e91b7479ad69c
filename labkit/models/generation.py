"""Les tirages des modèles de langue du lab 09 : prolonger un texte, en remplir les blancs.

`CausalLM.generate`, `MaskedLM.fill` et `MaskedLM.unmask` vérifient leurs arguments, puis passent
par ici.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from labkit.edges import check_real, check_whole
from labkit.models.checks import check_ids

ORDERS = ("confident", "random")
_COLDEST, _HOTTEST = 1e-30, 1e30  # au-delà, la loi ne change plus et float32 déborde


@dataclass(frozen=True)
class Choice:
    """La façon de tirer un jeton de ses logits, vérifiée : voir `token_probabilities`."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    generator: torch.Generator | None = None

    def __post_init__(self):
        if not check_real("temperature", self.temperature) > 0:
            raise ValueError(
                f"temperature doit être strictement positive, reçu {self.temperature} ; top_k=1 "
                "donne toujours le jeton le plus probable."
            )
        if self.top_k is not None:
            check_whole("top_k", self.top_k)
        if self.top_p is not None and not 0 < check_real("top_p", self.top_p) <= 1:
            raise ValueError(
                f"top_p doit être entre 0 exclu et 1 compris, reçu {self.top_p} ; 0.9 garde les "
                "jetons les plus probables jusqu'à neuf dixièmes de la probabilité."
            )

    def probabilities(self, logits: Tensor) -> Tensor:
        """Les lois [N, V] d'où se tirent les jetons de logits [N, V]."""
        logits = logits.float()
        # Le plus grand logit à 0 : une température minuscule envoie les autres à -inf, et lui non.
        logits = logits - logits.amax(dim=1, keepdim=True)
        logits = logits / min(max(self.temperature, _COLDEST), _HOTTEST)
        if self.top_k is not None:
            kept = logits.topk(min(self.top_k, logits.shape[1])).indices
            logits = torch.full_like(logits, -torch.inf).scatter(1, kept, logits.gather(1, kept))
        return _nucleus(logits.softmax(dim=1), self.top_p)

    def draw(self, probabilities: Tensor) -> Tensor:
        """Tire un jeton par ligne de [N, V] : le premier où la somme des p dépasse u, uniforme.

        `torch.multinomial` tire un nombre par jeton du vocabulaire ; ici, un seul.
        """
        sums = probabilities.double().cumsum(dim=1)  # [N, V]
        u = torch.rand(len(sums), 1, dtype=sums.dtype, device=sums.device, generator=self.generator)
        return torch.searchsorted(sums, u * sums[:, -1:], right=True)[:, 0]


def token_probabilities(
    logits: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Tensor:
    """Donne la loi [N, V] d'où se tire un jeton : softmax(logits / température), restreinte.

    Args:
        logits: [N, V].
        temperature: strictement positive ; sous 1 la loi se resserre, au-dessus elle s'étale.
        top_k: nombre de jetons gardés, les plus probables ; au moins 1.
        top_p: les jetons les plus probables sont gardés jusqu'à ce que leur probabilité, après
            `top_k`, atteigne top_p, dans ]0, 1] (A. Holtzman et coll., 2020, § 3.1).

    Raises:
        TypeError, ValueError: réglage hors de ses bornes.
    """
    return Choice(temperature, top_k, top_p).probabilities(logits)


def _nucleus(probabilities: Tensor, top_p: float | None) -> Tensor:
    """Annule ce qui vient après les jetons dont la somme atteint top_p, et remet la somme à 1."""
    if top_p is None or top_p == 1:
        return probabilities
    sorted_, order = probabilities.sort(dim=1, descending=True, stable=True)
    before = sorted_.cumsum(dim=1) - sorted_  # ce que pèsent les jetons plus probables
    reached = before >= top_p
    reached[:, 0] = False  # le plus probable reste, si petit que soit top_p
    kept = sorted_.masked_fill(reached, 0.0)
    kept = torch.zeros_like(probabilities).scatter(1, order, kept)
    return kept / kept.sum(dim=1, keepdim=True)


@contextmanager
def tall_by_columns(model: nn.Module) -> Iterator[None]:
    """Range par colonnes, le temps d'un tirage, les matrices plus hautes que larges.

    Un jeton à la fois, chaque couche est le produit d'un vecteur et d'une matrice, et sa durée
    celle de lire la matrice en mémoire. Par lignes courtes, un processeur la lit deux fois moins
    vite. Les valeurs, les formes et les poids que voit l'appelant ne changent pas.
    """
    tall = [p for p in model.parameters() if p.dim() == 2 and p.shape[0] > p.shape[1]]
    by_rows = [p.data for p in tall]
    try:
        for p in tall:
            p.data = p.data.T.contiguous().T
        yield
    finally:
        for p, data in zip(tall, by_rows, strict=True):
            p.data = data


def continued(model: nn.Module, ids: Tensor, count: int, choice: Choice, use_cache: bool) -> Tensor:
    """Prolonge ids [B, T] de `count` jetons ; `start` est le premier que le modèle lit encore."""
    start, pasts = 0, model.no_past()
    for _ in range(count):
        if ids.shape[1] - start > model.block_size:  # des positions neuves : rien n'est à garder
            start, pasts = ids.shape[1] - max(1, model.block_size // 2), model.no_past()
        if use_cache:  # les positions nouvelles seules
            logits = model.next_logits(ids[:, start + pasts[0].length :], pasts)  # [B, V]
        else:
            logits = model(ids[:, start:])[:, -1]
        drawn = choice.draw(choice.probabilities(logits))
        ids = torch.cat([ids, drawn[:, None]], dim=1)
    return ids


def check_blanks(model: nn.Module, ids: Tensor, mask_id: int) -> None:
    """Refuse un texte que le modèle ne peut pas lire, ou qui n'a pas de masque."""
    check_ids(ids, model.vocab_size, model.block_size)
    if not (ids == check_whole("mask_id", mask_id, at_least=0)).any():
        raise ValueError(
            f"ids ne contient aucun masque, le jeton {mask_id} : mettez-le à la place des jetons à "
            "deviner."
        )


def blank_logits(model: nn.Module, ids: Tensor, mask_id: int) -> Tensor:
    """Logits [M, V] des positions masquées de ids [B, T] ; le masque lui-même y est exclu."""
    h = model.features(ids)[ids == mask_id]  # [M, C]
    logits = model.to_logits(h)
    logits[:, mask_id] = -torch.inf
    return logits


def unmasked(
    model: nn.Module, ids: Tensor, mask_id: int, steps: int, order: str, choice: Choice
) -> Tensor:
    """Remplit en `steps` pas les masques de ids [B, T]."""
    total = (ids == mask_id).sum(dim=1)  # [B]
    for step in range(1, steps + 1):
        blank = ids == mask_id  # [B, T]
        probabilities = choice.probabilities(blank_logits(model, ids, mask_id))  # [M, V]
        drawn = choice.draw(probabilities)  # [M]
        if order == "confident":
            scores = probabilities.gather(1, drawn[:, None])[:, 0]
        else:
            scores = torch.rand(drawn.shape, generator=choice.generator, device=ids.device)
        kept = _best(blank, scores, blank.sum(dim=1) - total * (steps - step) // steps)
        ids = ids.masked_scatter(kept, drawn[kept[blank]])
        if not (ids == mask_id).any():
            break
    return ids


def _best(blank: Tensor, scores: Tensor, counts: Tensor) -> Tensor:
    """Dans chaque ligne de blank [B, T], les counts [B] positions de plus grand score."""
    board = torch.full(blank.shape, -torch.inf, device=blank.device).masked_scatter(blank, scores)
    ranks = board.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return blank & (ranks < counts[:, None])
