"""`phrases` : une grammaire régulière du français, dont la loi est connue exactement.

Une phrase est un sujet, un complément facultatif qui l'éloigne de son verbe, et un groupe verbal :
« les voisines que le vieux berger regarde semblent très contentes ». Le nom, son déterminant et ses
adjectifs s'accordent en genre et en nombre, le verbe en nombre, l'attribut en genre et en nombre.
Les règles (`labkit.text.rules`) sont celles d'un automate fini, donc d'un modèle de Markov caché
(`labkit.text.hmm`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from labkit._names import did_you_mean
from labkit.edges import check_whole
from labkit.text.hmm import HiddenMarkov
from labkit.text.rules import GAP, disagreeing, explore, words_of
from labkit.text.tokenizers import WordTokenizer

_SIZES = (30_000, 3_000, 3_000)  # phrases d'entraînement, de validation et de test
_DRAWN = 4000  # phrases tirées à la fois pour y chercher des accords
_AGREEING = {"verb": ("intransitive", "transitive", "copula"), "adjective": ("attribute",)}


@dataclass(frozen=True)
class AgreementPair:
    """Une phrase juste, et la même où un seul mot est mal accordé.

    Attributes:
        right, wrong: les deux phrases, sans `<fin>`.
        position: rang du mot qui les distingue, à partir de 0.
        distance: de combien de mots il suit le nom avec lequel il s'accorde.
        attractor: si le nom le plus proche avant lui est un autre, de l'autre nombre.
    """

    right: str
    wrong: str
    position: int
    distance: int
    attractor: bool


class Grammar:
    """La grammaire de `phrases` : tirages, probabilités exactes, paires d'accord.

    Attributes:
        tokenizer: un jeton par mot, `<fin>` et `<masque>`.
        states: les états ; le premier émet `<fin>`.
        model: le modèle de Markov caché, qui donne entropie, lois causales et masquées.
    """

    def __init__(self):
        self.states, transitions = explore()
        emitted = [words_of(state) for state in self.states]
        self.tokenizer = WordTokenizer(sorted({word for row in emitted[1:] for word in row}))
        numbers = {token: number for number, token in enumerate(self.tokenizer.tokens)}
        emissions = np.zeros((len(self.states), len(numbers)))
        for row, found in enumerate(emitted):
            for word, probability in found.items():
                emissions[row, numbers[word]] = probability
        self._numbers = {word: numbers[word] for word in self.tokenizer.words}
        self.model = HiddenMarkov(transitions, emissions)

    @property
    def entropy(self) -> float:
        """Entropie exacte du texte, en nats par jeton, `<fin>` compris (`HiddenMarkov.entropy`)."""
        return self.model.entropy

    def splits(self) -> tuple[str, str, str]:
        """Les trois parts du corpus, toujours les mêmes, une phrase par ligne."""
        tokens, _ = self.model.sample(sum(_SIZES), np.random.RandomState(0))
        cuts = np.cumsum(_SIZES)[:-1]
        return tuple(
            "".join(map("{}\n".format, self._text(part))) for part in np.split(tokens, cuts)
        )

    def sample(self, count: int, seed: int = 0) -> list[str]:
        """Tire des phrases, sans `<fin>`.

        Args:
            count: nombre de phrases.
            seed: graine du tirage.
        """
        random = np.random.RandomState(seed)
        return self._text(self.model.sample(check_whole("count", count), random)[0])

    def log_probs(self, sentences: Sequence[str]) -> np.ndarray:
        """Log-probabilité exacte de chaque phrase, en nats, fin comprise : float64 [N].

        Args:
            sentences: phrases, mots séparés par une espace, sans `<fin>`.

        Returns:
            Des nombres négatifs ; -inf pour ce que la grammaire ne peut pas produire.
        """
        split = [sentence.split() for sentence in sentences]
        # Un mot inconnu devient un masque, que rien n'émet : sa phrase est impossible.
        rows = [[self._numbers.get(word, self.tokenizer.mask_id) for word in row] for row in split]
        lengths = np.array([len(row) for row in rows])
        ids = np.zeros((len(rows), max(lengths, default=0) + 1), dtype=np.int64)
        for row, words in zip(ids, rows, strict=True):
            row[: len(words)] = words
        inside = np.arange(ids.shape[1]) <= lengths[:, None]
        return np.where(inside, self.model.causal_log_probs(ids), 0.0).sum(1)

    def log_prob(self, sentence: str) -> float:
        """Log-probabilité exacte d'une phrase, en nats, fin comprise ; comme `log_probs`."""
        return float(self.log_probs([sentence])[0])

    def is_grammatical(self, sentence: str) -> bool:
        """Dit si la grammaire peut produire cette phrase, entière et seule."""
        return self.log_prob(sentence) > -np.inf

    def fingerprint(self) -> dict:
        """De quoi reconnaître la grammaire : nombre d'états, vocabulaire et loi."""
        return {"states": len(self.states), "law": self.model.fingerprint(),
                "tokenizer": self.tokenizer.fingerprint()}  # fmt: skip

    def agreement_pairs(
        self, distance: int, count: int = 200, kind: str = "verb", seed: int = 0
    ) -> list[AgreementPair]:
        """Donne des phrases et leur double mal accordé, où l'accord se fait à cette distance.

        Le verbe est mis à l'autre nombre ; l'adjectif attribut à l'autre genre, ou à l'autre
        nombre si sa forme ne dépend pas du genre (Linzen et coll. 2016, arXiv:1611.01368).

        Args:
            distance: de combien de mots l'accordé suit le nom ; de 1 à 6 pour un verbe, de 2 à 6
                pour un attribut, que le verbe sépare de son sujet.
            count: nombre de paires.
            kind: "verb" ou "adjective".
            seed: graine du tirage.

        Raises:
            TypeError, ValueError: distance ou sorte d'accord impossible.
        """
        if kind not in _AGREEING:
            raise ValueError(
                f"kind={kind!r} inconnu : choisissez parmi {', '.join(map(repr, _AGREEING))}."
                f"{did_you_mean(kind, _AGREEING)}"
            )
        nearest = 1 if kind == "verb" else 2
        if not nearest <= check_whole("distance", distance) <= GAP + 1:
            raise ValueError(
                f"distance doit être entre {nearest} et {GAP + 1} pour kind={kind!r}, reçu "
                f"{distance}."
            )
        random, pairs = np.random.RandomState(seed), []
        while len(pairs) < check_whole("count", count):
            tokens, states = self.model.sample(_DRAWN, random)
            pairs += self._pairs(tokens, states, distance, kind)
        return pairs[:count]

    def _pairs(self, tokens, states, distance: int, kind: str) -> Iterator[AgreementPair]:
        head, agreed = self._is_head[states].argmax(1), self._is_agreed[kind][states]
        position = agreed.argmax(1)
        for row in np.flatnonzero(agreed.any(1) & (position - head == distance)):
            place = position[row]
            words = self._text(tokens[row : row + 1])[0].split()
            state = self.states[states[row, place]]
            wrong = [*words[:place], disagreeing(words[place], state), *words[place + 1 :]]
            between = [self.states[s] for s in states[row, :place] if self.states[s].slot == "noun"]
            yield AgreementPair(
                right=" ".join(words),
                wrong=" ".join(wrong),
                position=int(place),
                distance=distance,
                attractor=between[-1].features[1] != state.head[1],
            )

    @cached_property
    def _is_head(self) -> np.ndarray:
        return np.array([(s.slot, s.role) == ("noun", "subject") for s in self.states])

    @cached_property
    def _is_agreed(self) -> dict[str, np.ndarray]:
        return {
            kind: np.array([s.slot in slots and bool(s.head) for s in self.states])
            for kind, slots in _AGREEING.items()
        }

    def _text(self, tokens: np.ndarray) -> list[str]:
        names = np.array(self.tokenizer.tokens, dtype=object)
        lengths = (tokens != 0).sum(1)
        return [" ".join(row[:length]) for row, length in zip(names[tokens], lengths, strict=True)]


PHRASES = Grammar()
