"""Le vocabulaire de `phrases` : des mots sans élision, accordés, en nombre."""

import pytest

from labkit.text import lexicon
from labkit.text.grammar import PHRASES
from labkit.text.lexicon import FEATURES

KINDS = ("being", "thing", "place")


def test_some_hundreds_of_words():
    assert PHRASES.tokenizer.vocab_size == 425


@pytest.mark.parametrize("features", FEATURES)
def test_no_elision_is_needed(features):
    """« le », « la », « ma », « ce », « beau » ne conviennent qu'avant une consonne."""
    after_determiner = [
        *lexicon.adjectives("before", features),
        *(word for kind in KINDS for word in lexicon.nouns(kind, features)),
    ]
    assert not [word for word in after_determiner if word[0] in "aàâeéèêhiîoôuyœ"]
    after_que = lexicon.determiners(features, indefinite=False)
    assert not [word for word in after_que if word[0] in "aeiou"]


@pytest.mark.parametrize("kind", KINDS)
def test_nouns_tell_gender_and_number(kind):
    """Aucun nom n'a deux sens : il lève le doute que laissent « les » ou « jeunes »."""
    forms = [word for k in KINDS for f in FEATURES for word in lexicon.nouns(k, f)]
    assert len(set(forms)) == len(forms)
    others = {word for f in FEATURES for k in ("before", "being", "thing")
              for word in lexicon.adjectives(k, f)}  # fmt: skip
    others |= {w for k in ("intransitive", "transitive", "copula") for n in "sp"
               for w in lexicon.verbs(k, n)}  # fmt: skip
    assert others.isdisjoint(forms)


def test_verbs_tell_number():
    for kind in ("intransitive", "transitive", "copula"):
        singular, plural = lexicon.verbs(kind, "s"), lexicon.verbs(kind, "p")
        assert set(singular).isdisjoint(plural)
        assert all(form.endswith(("nt", "ont")) for form in plural)


def test_agreement_by_hand():
    assert lexicon.adjectives("before", "fp")[:2] == ("petites", "grandes")
    assert lexicon.determiners("fs", indefinite=True)[:3] == ("une", "la", "cette")
    assert lexicon.determiners("mp", False) == lexicon.determiners("fp", False)
