"""Les règles de `phrases` : ce qui peut suivre chaque place d'une phrase, et ses mots.

Une relative n'en contient pas d'autre, et cinq mots au plus séparent le sujet de son verbe : les
états sont en nombre fini.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from labkit.text import lexicon
from labkit.text.tokenizers import END

_FEATURES = {"ms": 0.3, "fs": 0.3, "mp": 0.2, "fp": 0.2}
GAP = 5  # mots que la grammaire met au plus entre le sujet et son verbe
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


# --- la grammaire : ce qui peut suivre chaque état ------------------------------------------------


def explore() -> tuple[list[State], np.ndarray]:
    """Donne les états que l'on peut atteindre, dont la fin d'abord, et leurs transitions [S, S]."""
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
        return State(slot, state.role, state.features, state.features, GAP)
    if not state.head:
        return state._replace(slot=slot)
    return state._replace(slot=slot, room=state.room - 1)


def _owed(role: str) -> int:
    """Les mots que doit encore la relative après son sujet : un verbe, pour « que »."""
    return int(role == "que")


# --- les mots de chaque état ----------------------------------------------------------------------


def words_of(state: State) -> dict[str, float]:
    """Les mots qu'émet un état, et leur probabilité."""
    words = _list(state)
    weights = 1 / (np.arange(len(words)) + _ZIPF)
    return dict(zip(words, (weights / weights.sum()).tolist(), strict=True))


def _list(state: State, features: str = "") -> Sequence[str]:
    """La liste où un état prend son mot, accordée selon features plutôt que selon l'état."""
    slot, features = state.slot, features or state.features
    if slot == "end":
        return (END,)
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


def disagreeing(word: str, state: State) -> str:
    """La forme mal accordée d'un mot : autre genre si elle en dépend, sinon autre nombre.

    Args:
        word: mot qu'émet l'état.
        state: l'état.
    """
    rank = list(_list(state)).index(word)
    gender, number = state.features
    other_gender = ("f" if gender == "m" else "m") + number
    other_number = gender + ("p" if number == "s" else "s")
    forms = [_list(state, features)[rank] for features in (other_gender, other_number)]
    return next(form for form in forms if form != word)
