"""Le Transformer du lab 09 : prédire le jeton suivant, ou des jetons masqués, d'un texte.

La forme est celle de GPT-2 (A. Radford et coll., « Language models are unsupervised multitask
learners », 2019). Une seule chose distingue `CausalLM` et `MaskedLM` : ce que chaque position a le
droit de lire ; leurs étages sont dans `attention`, leurs pertes dans `language`, leurs tirages dans
`generation`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit._names import did_you_mean
from labkit.edges import check_real, check_whole
from labkit.models import generation
from labkit.models.attention import EPSILON, NORMS, Attention, Block, Past, Rotary
from labkit.models.checks import check_ids, inputs_are_trusted
from labkit.models.modes import evaluating

POSITIONS = ("learned", "rotary")


class Transformer(nn.Module):
    """Ce que `CausalLM` et `MaskedLM` ont en commun : jetons [B, T] -> logits [B, T, V].

    Args:
        vocab_size: V, nombre de jetons du vocabulaire.
        block_size: plus grand nombre de jetons lus ensemble.
        n_layer, n_head: nombres d'étages et de têtes.
        n_embd: C, taille du vecteur d'une position, multiple de `n_head`.
        dropout: part des sorties mises à zéro à l'entraînement, après les plongements et dans
            chaque étage, dans [0, 1[ ; jamais dans l'attention, pour qu'elle reste fusionnée.
        positions: "learned", un vecteur appris par position, ou "rotary".
        norm: "layer" (LayerNorm) ou "rms", x / √(moyenne de x²) (Zhang et Sennrich, 2019).

    Raises:
        TypeError, ValueError: taille qui n'est pas un entier d'au moins 1, n_embd qui ne se partage
            pas entre les têtes, dropout hors de [0, 1[, positions ou norme inconnues.
    """

    causal: bool

    def __init__(
        self,
        vocab_size: int,
        block_size: int = 128,
        n_layer: int = 4,
        n_head: int = 4,
        n_embd: int = 256,
        dropout: float = 0.0,
        *,
        positions: str = "learned",
        norm: str = "layer",
    ):
        super().__init__()
        self.vocab_size = check_whole("vocab_size", vocab_size, at_least=2)
        self.block_size = check_whole("block_size", block_size)
        _check_shape(check_whole("n_head", n_head), check_whole("n_embd", n_embd), positions)
        _check_choices(dropout, positions, norm)
        self.tokens = nn.Embedding(vocab_size, n_embd)
        self.places = nn.Embedding(block_size, n_embd) if positions == "learned" else None
        self.dropout = nn.Dropout(dropout)
        rotary = Rotary(n_embd // n_head, block_size) if positions == "rotary" else None
        self.blocks = nn.ModuleList(
            Block(n_embd, dropout, norm, Attention(n_embd, n_head, self.causal, rotary))
            for _ in range(check_whole("n_layer", n_layer))
        )
        self.norm = NORMS[norm](n_embd, eps=EPSILON)
        self._initialize()

    def forward(self, ids: Tensor) -> Tensor:
        """Donne les logits [B, T, V] de jetons int64 [B, T], T au plus `block_size`.

        Raises:
            ValueError: autre chose que des entiers int64 [B, T], jetons hors du vocabulaire, texte
                plus long que `block_size`.
        """
        return self.to_logits(self.features(ids))

    def features(self, ids: Tensor) -> Tensor:
        """Résume chaque position de ids [B, T] en [B, T, C], tout ce que lit la dernière couche."""
        if not inputs_are_trusted():
            check_ids(ids, self.vocab_size, self.block_size)
        return self._features(ids, [None] * len(self.blocks))

    def to_logits(self, h: Tensor) -> Tensor:
        """[…, C] -> [V] : le produit avec le plongement de chaque jeton (Press et Wolf, 2017)."""
        return F.linear(h, self.tokens.weight)

    def attention_maps(self, ids: Tensor) -> Tensor:
        """Les poids d'attention [L, B, H, T, T] : ligne, la position qui lit ; colonne, la lue.

        Mesurés en mode évaluation et sans gradient, sur ids [B, T].
        """
        check_ids(ids, self.vocab_size, self.block_size)
        maps = []
        with evaluating(self):
            x = self._embed(ids, 0)
            for block in self.blocks:
                maps.append(block.attention.weights(block.norm1(x)))
                x = block(x)
        return torch.stack(maps)

    def _features(self, ids: Tensor, pasts: list[Past | None]) -> Tensor:
        x = self._embed(ids, pasts[0].length if pasts[0] else 0)
        for block, past in zip(self.blocks, pasts, strict=True):
            x = block(x, past)
        return self.norm(x)

    def _embed(self, ids: Tensor, start: int) -> Tensor:
        """[B, T] -> [B, T, C] ; la première position est `start`."""
        x = self.tokens(ids)
        if self.places is not None:
            x = x + self.places.weight[start : start + ids.shape[1]]
        return self.dropout(x)

    @torch.no_grad()
    def _initialize(self) -> None:
        """Poids tirés de N(0, 0,02²), biais nuls ; N(0, 0,02² / 2L) pour ce qui s'ajoute à x.

        Les 2L ajouts ont alors ensemble la variance d'un seul (Radford et coll., 2019, § 2.3).
        """
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
        for block in self.blocks:
            for added in (block.attention.merge, block.narrow):
                added.weight /= (2 * len(self.blocks)) ** 0.5


class CausalLM(Transformer):
    """Modèle causal : p(x) = ∏ p(x_t | x_<t) ; rien de ce qui suit une position n'y est lu.

    Arguments de `Transformer` ; les logits de la position t prédisent le jeton t + 1.
    """

    causal = True

    def generate(
        self,
        ids: Tensor,
        count: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        generator: torch.Generator | None = None,
        use_cache: bool = True,
    ) -> Tensor:
        """Prolonge des débuts ids [B, T] de `count` jetons tirés un à un : [B, T + count].

        Quand le texte dépasse `block_size`, la moitié la plus ancienne de ce que le modèle lit est
        oubliée, et les positions repartent de 0 : il lit toujours au moins block_size / 2 jetons.

        Args:
            ids: jetons int64 [B, T], T de 1 à `block_size`.
            count: nombre de jetons à tirer.
            temperature, top_k, top_p: voir `generation.token_probabilities`.
            generator: hasard des tirages, celui de torch par défaut.
            use_cache: garde les clés et les valeurs des positions déjà lues ; les tirages sont les
                mêmes sans, plus lents.

        Raises:
            TypeError, ValueError: début vide ou plus long que `block_size`, jetons impossibles,
                température, top_k ou top_p hors de leurs bornes.
        """
        check_ids(ids, self.vocab_size, self.block_size)
        choice = generation.Choice(temperature, top_k, top_p, generator)
        check_whole("count", count)
        with evaluating(self), generation.tall_by_columns(self):
            return generation.continued(self, ids, count, choice, use_cache)

    def next_logits(self, ids: Tensor, pasts: list[Past]) -> Tensor:
        """Logits [B, V] du jeton qui suit ids [B, T], lus après ce que `pasts` a gardé."""
        return self.to_logits(self._features(ids, pasts)[:, -1])

    def no_past(self) -> list[Past]:
        """Un passé vide par étage, que `next_logits` remplit."""
        return [Past(self.block_size) for _ in self.blocks]


class MaskedLM(Transformer):
    """Modèle masqué : chaque position lit toutes les autres, et prédit le jeton qu'on y a caché.

    Arguments de `Transformer` (J. Devlin et coll., « BERT », 2019, § 3.1).
    """

    causal = False

    def fill(self, ids: Tensor, mask_id: int) -> Tensor:
        """Lois p(x_t | jetons visibles) [M, V] des M positions masquées, dans l'ordre de lecture.

        Args:
            ids: jetons int64 [B, T], où `mask_id` tient la place des inconnus.
            mask_id: numéro du jeton de masque ; sa propre probabilité est nulle.

        Raises:
            ValueError: jetons impossibles, ou aucun masque.
        """
        generation.check_blanks(self, ids, mask_id)
        with evaluating(self):
            return generation.blank_logits(self, ids, mask_id).softmax(dim=1)

    def unmask(
        self,
        ids: Tensor,
        mask_id: int,
        steps: int,
        *,
        order: str = "confident",
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Tire les jetons masqués de ids [B, T] en `steps` pas, une part égale à chacun : [B, T].

        À chaque pas, un jeton est tiré à chaque masque, et quelques-uns de ces tirages sont gardés
        (H. Chang et coll., « MaskGIT », 2022, § 3.2) ; les autres redeviennent des masques.

        Args:
            ids: jetons int64 [B, T] ; tous masqués, la phrase entière est inventée.
            mask_id: numéro du jeton de masque, jamais tiré.
            steps: nombre de pas ; 1 tire tous les jetons à la fois, indépendants.
            order: tirages gardés, "confident" (les plus probables) ou "random".
            temperature: voir `generation.token_probabilities`.
            generator: hasard des tirages, celui de torch par défaut.

        Raises:
            TypeError, ValueError: jetons impossibles, aucun masque, ordre inconnu, température
                nulle ou négative.
        """
        generation.check_blanks(self, ids, mask_id)
        if order not in generation.ORDERS:
            raise ValueError(
                f"order={order!r} inconnu : choisissez 'confident' ou 'random'."
                f"{did_you_mean(order, generation.ORDERS)}"
            )
        choice = generation.Choice(temperature, generator=generator)
        with evaluating(self):
            return generation.unmasked(
                self, ids, mask_id, check_whole("steps", steps), order, choice
            )


def _check_shape(n_head: int, n_embd: int, positions: str) -> None:
    if n_embd % n_head:
        raise ValueError(
            f"n_embd={n_embd} ne se partage pas entre n_head={n_head} têtes : prenez pour n_embd "
            f"un multiple de {n_head}, comme {n_head * max(1, round(n_embd / n_head))}."
        )
    if positions == "rotary" and n_embd // n_head % 2:
        raise ValueError(
            f"positions='rotary' tourne des paires : n_embd / n_head doit être pair, reçu "
            f"{n_embd} / {n_head} = {n_embd // n_head}."
        )


def _check_choices(dropout: float, positions: str, norm: str) -> None:
    if not 0 <= check_real("dropout", dropout) < 1:
        raise ValueError(f"dropout doit être entre 0 compris et 1 exclu, reçu {dropout}.")
    for name, value, known in (("positions", positions, POSITIONS), ("norm", norm, NORMS)):
        if value not in known:
            raise ValueError(
                f"{name}={value!r} inconnu : choisissez {' ou '.join(map(repr, known))}."
                f"{did_you_mean(value, known)}"
            )
