"""`phrases` : une grammaire régulière du français, dont la loi est connue exactement.

Une phrase est un sujet, un complément facultatif qui l'éloigne de son verbe, et un groupe verbal :
« les voisines que le vieux berger regarde semblent très contentes ». Le nom, son déterminant et ses
adjectifs s'accordent en genre et en nombre, le verbe en nombre, l'attribut en genre et en nombre.
Une relative n'en contient pas d'autre, et six mots au plus séparent le sujet de son verbe : la
grammaire est un automate fini, donc un modèle de Markov caché (`labkit.text.hmm`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from labkit._names import did_you_mean
from labkit.edges import check_whole
from labkit.text import lexicon
from labkit.text.hmm import HiddenMarkov
from labkit.text.tokenizers import WordTokenizer

_SIZES = (30_000, 3_000, 3_000)  # phrases d'entraînement, de validation et de test
_FEATURES = {"ms": 0.3, "fs": 0.3, "mp": 0.2, "fp": 0.2}
_GAP = 5  # mots que la grammaire met au plus entre le sujet et son verbe
_ZIPF = 3.0  # le mot de rang k d'une liste a un poids proportionnel à 1 / (k + 3), k à partir de 0
_ROLES = {  # rôle d'un groupe nominal -> sorte de nom
    "subject": "being", "que": "being", "company": "being", "place": "place",
    "object_being": "being", "object_thing": "thing",
}  # fmt: skip


class State(NamedTuple):
    """Un état de la grammaire : la place du mot, et ce que la suite doit retenir.

    Attributes:
        slot: sorte de mot : « noun », « verb »…
        role: rôle du groupe nominal ou du verbe où il se trouve.
        features: genre et nombre de ce groupe, "ms", "fs", "mp" ou "fp".
        head: genre et nombre du sujet, tant que son verbe n'est pas venu ; "" après.
        room: mots que l'on peut encore mettre avant ce verbe.
    """

    slot: str
    role: str = ""
    features: str = ""
    head: str = ""
    room: int = 0


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
        self.states, transitions = _explore()
        emitted = [_words(state) for state in self.states]
        words = sorted({word for row in emitted for word in row if word})
        self.tokenizer = WordTokenizer(words)
        self._numbers = {word: number + 2 for number, word in enumerate(words)}
        emissions = np.zeros((len(self.states), self.tokenizer.vocab_size))
        emissions[0, self.tokenizer.end_id] = 1.0
        for row, found in enumerate(emitted):
            for word, probability in found.items():
                emissions[row, self._numbers[word]] += probability
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
        if not nearest <= check_whole("distance", distance) <= _GAP + 1:
            raise ValueError(
                f"distance doit être entre {nearest} et {_GAP + 1} pour kind={kind!r}, reçu "
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
            wrong = [*words[:place], _disagreeing(words[place], state), *words[place + 1 :]]
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


_DRAWN = 4000  # phrases tirées à la fois pour y chercher des accords
_AGREEING = {"verb": ("intransitive", "transitive", "copula"), "adjective": ("attribute",)}


# --- la grammaire : ce qui peut suivre chaque état ------------------------------------------------


def _explore() -> tuple[list[State], np.ndarray]:
    """Tous les états que l'on peut atteindre, et leurs transitions [S, S]."""
    states, moves = [State("end")], []
    numbers = {states[0]: 0}
    for state in states:  # la liste s'allonge pendant le parcours
        options = list(_next(state))
        total = sum(weight for weight, _ in options)
        for weight, successor in options:
            if successor not in numbers:
                numbers[successor] = len(states)
                states.append(successor)
            moves.append((numbers[state], numbers[successor], weight / total))
    transitions = np.zeros((len(states), len(states)))
    for start, stop, probability in moves:
        transitions[start, stop] += probability
    return states, transitions


def _next(state: State) -> Iterator[tuple[float, State]]:
    """Les états qui peuvent suivre, et leur poids."""
    slot = state.slot
    if slot == "end":
        yield from ((p, State("determiner", "subject", f)) for f, p in _FEATURES.items())
    elif slot == "determiner":
        yield from _after_determiner(state)
    elif slot == "before":
        yield 1.0, _step(state, "noun")
    elif slot == "noun" and state.role == "subject":
        yield 0.25, _step(state, "after")
        yield from _after_subject(state)
    elif slot == "noun":
        if state.room > _owed(state.role) or not state.head:
            yield 0.2, _step(state, "after")
        yield from _after_group(state)
    elif slot == "after":
        yield from _after_subject(state) if state.role == "subject" else _after_group(state)
    elif slot in ("que", "place", "company"):
        yield from _group(state, slot)
    elif slot == "qui":
        yield 0.6, _step(state, "inner_intransitive")
        if state.room >= 3:
            yield 0.4, _step(state, "inner_transitive")
    elif slot in ("inner_intransitive", "inner_que", "adverb"):
        yield from _after_inner_verb(state)
    elif slot in ("inner_transitive", "transitive"):
        yield from _objects(state)
    else:
        yield from _after_main_verb(state)


def _after_determiner(state: State) -> Iterator[tuple[float, State]]:
    yield 0.7, _step(state, "noun")
    is_free = not state.head  # sujet, ou complément du verbe principal
    if is_free or state.room >= 2 + _owed(state.role):
        yield 0.3, _step(state, "before")


def _after_subject(state: State) -> Iterator[tuple[float, State]]:
    """Ce qui éloigne le sujet de son verbe : relative, complément ; ou le verbe."""
    yield 0.35, _main_verb(state, "intransitive")
    yield 0.25, _main_verb(state, "transitive")
    yield 0.30, _main_verb(state, "copula")
    for slot, weight, needed in (("que", 0.4, 4), ("qui", 0.3, 2), ("place", 0.2, 3),
                                 ("company", 0.1, 3)):  # fmt: skip
        if state.room >= needed:
            yield weight, _step(state, slot)


def _after_group(state: State) -> Iterator[tuple[float, State]]:
    """Après un groupe nominal qui n'est pas le sujet : le verbe attendu, ou la fin."""
    if state.role == "que":
        yield 1.0, _step(state, "inner_que")
    elif state.head:
        yield from _main_verbs(state)
    else:
        yield 1.0, State("end")


def _after_inner_verb(state: State) -> Iterator[tuple[float, State]]:
    """Après le verbe d'une relative : un adverbe, ou le verbe principal."""
    if not state.head:
        yield 1.0, State("end")
        return
    yield from _main_verbs(state)
    if state.slot != "adverb" and state.room:
        yield 0.3, _step(state, "adverb")


def _main_verbs(state: State) -> Iterator[tuple[float, State]]:
    yield 0.35, _main_verb(state, "intransitive")
    yield 0.25, _main_verb(state, "transitive")
    yield 0.40, _main_verb(state, "copula")


def _main_verb(state: State, kind: str) -> State:
    return State(kind, features=state.head, head=state.head)


def _after_main_verb(state: State) -> Iterator[tuple[float, State]]:
    if state.slot == "intransitive":
        yield 0.7, State("end")
        yield 0.3, State("adverb")
    elif state.slot == "copula":
        yield 0.6, State("attribute", features=state.head, head=state.head)
        yield 0.4, State("degree", features=state.head, head=state.head)
    elif state.slot == "degree":
        yield 1.0, State("attribute", features=state.head, head=state.head)
    else:  # l'attribut
        yield 1.0, State("end")


def _objects(state: State) -> Iterator[tuple[float, State]]:
    """Le complément d'un verbe transitif, dans une relative ou dans la principale."""
    is_inner = state.slot == "inner_transitive"
    head, room = (state.head, state.room - 1) if is_inner else ("", 0)
    for role, share in (("object_being", 0.5), ("object_thing", 0.5)):
        for features, weight in _FEATURES.items():
            yield share * weight, State("determiner", role, features, head, room)


def _group(state: State, role: str) -> Iterator[tuple[float, State]]:
    for features, weight in _FEATURES.items():
        yield weight, State("determiner", role, features, state.head, state.room - 1)


def _step(state: State, slot: str) -> State:
    """L'état suivant : le sujet trouvé ouvre la place qu'il reste avant son verbe."""
    if slot == "noun" and state.role == "subject":
        return State(slot, state.role, state.features, state.features, _GAP)
    if not state.head:
        return state._replace(slot=slot)
    return state._replace(slot=slot, room=state.room - 1)


def _owed(role: str) -> int:
    """Les mots que doit encore la relative après son sujet : un verbe, pour « que »."""
    return int(role == "que")


# --- les mots de chaque état ----------------------------------------------------------------------


def _words(state: State) -> dict[str, float]:
    """Les mots qu'émet un état, et leur probabilité ; aucun pour `<fin>`."""
    words = _list(state)
    weights = 1 / (np.arange(len(words)) + _ZIPF)
    found: dict[str, float] = {}
    for word, weight in zip(words, weights / weights.sum() if len(words) else (), strict=True):
        found[word] = found.get(word, 0.0) + weight
    return found


def _list(state: State, features: str = "") -> Sequence[str]:
    """La liste où un état prend son mot, accordée selon features plutôt que selon l'état."""
    slot, features = state.slot, features or state.features
    if slot == "end":
        return ()
    if slot == "determiner":
        return lexicon.determiners(features, indefinite=state.role != "que")
    if slot == "noun":
        return lexicon.nouns(_ROLES[state.role], features)
    if slot == "before":
        return lexicon.adjectives("before", features)
    if slot == "after":
        return lexicon.adjectives(_ROLES[state.role], features)
    if slot == "attribute":
        return lexicon.adjectives("being", features)
    if slot in _VERB_LISTS:
        return lexicon.verbs(_VERB_LISTS[slot], features[1])
    return lexicon.fixed(slot)


_VERB_LISTS = {
    "intransitive": "intransitive", "inner_intransitive": "intransitive",
    "transitive": "transitive", "inner_transitive": "transitive", "inner_que": "transitive",
    "copula": "copula",
}  # fmt: skip


def _disagreeing(word: str, state: State) -> str:
    """La forme mal accordée d'un mot : autre genre si elle en dépend, sinon autre nombre."""
    rank = list(_list(state)).index(word)
    gender, number = state.features
    other_gender = ("f" if gender == "m" else "m") + number
    other_number = gender + ("p" if number == "s" else "s")
    forms = [_list(state, features)[rank] for features in (other_gender, other_number)]
    return next(form for form in forms if form != word)


PHRASES = Grammar()
