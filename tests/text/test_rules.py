"""Les règles de `phrases` : un automate fini, dont chaque état a une suite et des mots."""

import numpy as np
import pytest

from labkit.text.rules import GAP, State, disagreeing, explore, words_of


def test_every_state_has_a_law():
    states, transitions = explore()
    assert states[0] == State("end") and len(set(states)) == len(states) == 750
    np.testing.assert_allclose(transitions.sum(1), 1)
    assert (transitions >= 0).all()
    for state in states:
        assert sum(words_of(state).values()) == pytest.approx(1)
    assert words_of(states[0]) == {"<fin>": 1.0}


def test_room_before_the_main_verb():
    """La place qui reste décroît d'un mot à l'autre, et le verbe vient avant qu'elle ne manque."""
    states, transitions = explore()
    for row, column in zip(*np.nonzero(transitions), strict=True):
        before, after = states[row], states[column]
        if before.head and after.head and after.room:
            assert after.room == before.room - 1
        assert 0 <= after.room <= GAP


def test_no_relative_within_a_relative():
    states, transitions = explore()
    inner = {"inner_intransitive", "inner_transitive", "inner_que"}
    for row, column in zip(*np.nonzero(transitions), strict=True):
        if states[row].slot in inner:
            assert states[column].slot not in {"que", "qui"}


@pytest.mark.parametrize(("word", "state", "wrong"), [
    ("dort", State("intransitive", features="ms"), "dorment"),
    ("sont", State("copula", features="fp"), "est"),
    ("content", State("attribute", features="ms"), "contente"),
    ("calme", State("attribute", features="fs"), "calmes"),
    ("heureux", State("attribute", features="mp"), "heureuses"),
])  # fmt: skip
def test_wrong_forms_by_hand(word, state, wrong):
    assert disagreeing(word, state) == wrong
