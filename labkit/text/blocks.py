"""Des jetons aux lots : des blocs de longueur fixe, et leur mesure en bits par octet."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from labkit.data.sets import batch_indices, check_batch_size
from labkit.edges import check_real, check_whole


def blocks(ids: Tensor | Sequence[int], block_size: int) -> Tensor:
    """Coupe une suite de jetons en blocs qui se suivent : [N] -> int64 [N // T, T].

    Le reste de la division, moins d'un bloc, est laissé.

    Args:
        ids: jetons, entiers [N].
        block_size: longueur T d'un bloc.

    Raises:
        TypeError, ValueError: `block_size` n'est pas un entier positif, ou le texte est plus court
            qu'un bloc.
    """
    size = check_whole("block_size", block_size)
    flat = torch.as_tensor(ids, dtype=torch.int64).flatten()
    if len(flat) < size:
        raise ValueError(
            f"ids : le texte a {len(flat)} jetons, moins qu'un bloc de {size}. Donnez un texte "
            f"plus long, ou écrivez block_size={max(len(flat), 1)}."
        )
    count = len(flat) // size
    return flat[: count * size].view(count, size)


@dataclass(frozen=True, eq=False)
class TokenSet:
    """Des blocs de jetons, int64 [N, T], que `fit` parcourt par lots.

    Attributes:
        blocks: les blocs, comme les donne `blocks(ids, block_size)`.
    """

    blocks: Tensor

    def __len__(self) -> int:
        return len(self.blocks)

    def batches(
        self, batch_size: int, shuffle: bool = False, device: torch.device | str | None = None
    ) -> TokenBatches:
        """Découpe l'ensemble en lots, relus autant de fois que l'on veut.

        Args:
            batch_size: nombre de blocs d'un lot ; le dernier peut être plus petit.
            shuffle: tire un nouvel ordre à chaque parcours, avec le hasard de `torch`.
            device: appareil où tout l'ensemble est copié une fois pour toutes.

        Returns:
            Un itérable de longueur connue, qui donne des blocs int64 [B, T].

        Raises:
            TypeError, ValueError: `batch_size` n'est pas un entier positif.
        """
        size = check_batch_size(batch_size)
        return TokenBatches(self, self.blocks.to(device), size, shuffle)

    def checksum(self) -> str:
        """SHA-256, en hexadécimal, des blocs ; calculé une fois."""
        return self._checksum

    def fingerprint(self) -> dict:
        """Nombre de blocs, leur longueur et leur SHA-256."""
        return {"blocks": list(self.blocks.shape), "sha256": self.checksum()}

    @cached_property
    def _checksum(self) -> str:
        return hashlib.sha256(self.blocks.cpu().contiguous().numpy()).hexdigest()


@dataclass(frozen=True, eq=False)
class TokenBatches:
    """Les lots d'un `TokenSet`.

    Attributes:
        source: l'ensemble d'où ils viennent.
        blocks: ses blocs, int64 [N, T], sur l'appareil choisi.
        batch_size: nombre de blocs d'un lot.
        shuffle: si l'ordre change à chaque parcours.
    """

    source: TokenSet
    blocks: Tensor
    batch_size: int
    shuffle: bool

    def __len__(self) -> int:
        return -(-len(self.blocks) // self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        indices = batch_indices(self.blocks, self.batch_size, self.shuffle)
        return (self.blocks[index] for index in indices)

    def fingerprint(self) -> dict:
        """Ce qui détermine les lots : somme des blocs, taille, mélange."""
        return {
            "sha256": self.source.checksum(),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
        }


def bits_per_byte(nats_per_token: float, tokens: int, text: str) -> float:
    """Ramène une entropie croisée aux octets du texte : nats · jetons / (ln 2 · octets).

    Deux découpages d'un même texte se comparent ainsi, ce que leurs perplexités ne permettent pas.

    Args:
        nats_per_token: entropie croisée moyenne, en nats par jeton.
        tokens: nombre de jetons du texte.
        text: le texte, dont on compte les octets en UTF-8.

    Raises:
        TypeError, ValueError: `tokens` n'est pas un entier positif, ou le texte est vide.
    """
    check_real("nats_per_token", nats_per_token)
    size = len(text.encode("utf-8"))
    if not size:
        raise ValueError("text : texte vide, sans octet à qui rapporter les bits.")
    return nats_per_token * check_whole("tokens", tokens) / (math.log(2) * size)
