"""L'attention du lab 09, et l'étage de Transformer qui la contient.

A. Vaswani et coll., « Attention is all you need », 2017, dans la forme de GPT-2, où la norme vient
avant chaque calcul (A. Radford et coll., « Language models are unsupervised multitask learners »,
2019, § 2.3).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORMS = {"layer": nn.LayerNorm, "rms": nn.RMSNorm}
EPSILON = 1e-5


class Past:
    """Les clés et les valeurs qu'une couche a déjà calculées, pour ne pas les refaire.

    La place de `longest` positions est prise d'avance : en ajouter une ne recopie pas les autres.
    """

    def __init__(self, longest: int):
        self.longest, self.length = longest, 0
        self.keys = self.values = None  # [B, H, longest, D]

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Ajoute celles de nouvelles positions, [B, H, T, D] ; renvoie toutes celles connues."""
        if self.length == 0:
            shape = (*keys.shape[:2], self.longest, keys.shape[3])
            self.keys, self.values = keys.new_empty(shape), values.new_empty(shape)
        new = slice(self.length, self.length + keys.shape[2])
        self.keys[:, :, new], self.values[:, :, new] = keys, values
        self.length = new.stop
        return self.keys[:, :, : new.stop], self.values[:, :, : new.stop]


class Rotary(nn.Module):
    """Positions par rotation : la paire i d'un vecteur tourne de t · 10000^(-2i/D) à la position t.

    Le produit d'une question et d'une clé dépend alors de leur seule distance (Su et coll., 2021,
    § 3.2.2). La paire i est faite des composantes i et i + D/2.

    Args:
        dim: D, taille des vecteurs d'une tête, paire.
        length: nombre de positions.
    """

    def __init__(self, dim: int, length: int):
        super().__init__()
        speeds = 10_000.0 ** (-torch.arange(0, dim, 2).float() / dim)  # [D/2]
        angles = torch.arange(length).float()[:, None] * speeds  # [T, D/2]
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        """Fait tourner x [B, H, T, D], dont la première position est `start`."""
        span = slice(start, start + x.shape[2])
        cos, sin = self.cos[span].to(x.dtype), self.sin[span].to(x.dtype)
        a, b = x.chunk(2, dim=-1)  # [B, H, T, D/2]
        return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class Attention(nn.Module):
    """Attention à H têtes : softmax(Q Kᵀ / √D) V, puis un mélange des têtes (§ 3.2).

    Args:
        n_embd: C, taille du vecteur d'une position.
        n_head: H ; chaque tête lit D = C / H composantes.
        causal: une position se lit elle-même, et celles d'avant.
        rotary: positions par rotation, ou None.
    """

    def __init__(self, n_embd: int, n_head: int, causal: bool, rotary: Rotary | None):
        super().__init__()
        self.n_head, self.causal, self.rotary = n_head, causal, rotary
        self.to_qkv = nn.Linear(n_embd, 3 * n_embd)
        self.merge = nn.Linear(n_embd, n_embd)

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        """Ce que chaque position [B, T, C] retient de celles qu'elle lit."""
        q, k, v = self.heads(x, past)
        new, known = q.shape[2], k.shape[2]
        readable = None
        if self.causal and 1 < new < known:  # plusieurs positions, après un passé gardé
            readable = torch.ones(new, known, dtype=torch.bool, device=x.device).tril(known - new)
        # Une position seule lit tout ce qui est connu : il n'y a rien à masquer.
        h = F.scaled_dot_product_attention(
            q, k, v, readable, is_causal=self.causal and new == known
        )  # [B, H, T, D]
        return self.merge(h.transpose(1, 2).flatten(2))  # [B, T, C]

    def heads(self, x: Tensor, past: Past | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Questions, clés et valeurs de x [B, T, C], chacune [B, H, T, D]."""
        qkv = self.to_qkv(x).unflatten(2, (3, self.n_head, -1))  # [B, T, 3, H, D]
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind()  # [B, H, T, D]
        if self.rotary is not None:
            start = 0 if past is None else past.length
            q, k = self.rotary(q, start), self.rotary(k, start)
        return (q, k, v) if past is None else (q, *past.extend(k, v))

    def weights(self, x: Tensor) -> Tensor:
        """Les poids softmax(Q Kᵀ / √D) [B, H, T, T] que `forward` ne garde pas."""
        q, k, _ = self.heads(x)
        scores = q @ k.transpose(2, 3) / q.shape[3] ** 0.5  # [B, H, T, T]
        if self.causal:
            future = torch.ones_like(scores, dtype=torch.bool).triu(1)
            scores = scores.masked_fill(future, float("-inf"))
        return scores.softmax(dim=3)


class Block(nn.Module):
    """Un étage : x + attention(norme(x)), puis x + réseau(norme(x)), position par position."""

    def __init__(self, n_embd: int, dropout: float, norm: str, attention: Attention):
        super().__init__()
        self.norm1 = NORMS[norm](n_embd, eps=EPSILON)
        self.attention = attention
        self.norm2 = NORMS[norm](n_embd, eps=EPSILON)
        self.widen = nn.Linear(n_embd, 4 * n_embd)
        self.narrow = nn.Linear(4 * n_embd, n_embd)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        """[B, T, C] -> [B, T, C]."""
        x = x + self.dropout(self.attention(self.norm1(x), past))
        h = F.gelu(self.widen(self.norm2(x)), approximate="tanh")  # [B, T, 4C], comme GPT-2
        return x + self.dropout(self.narrow(h))
