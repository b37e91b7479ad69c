"""La grammaire de `phrases` : une loi exacte, et des accords que l'on peut fausser."""

import numpy as np
import pytest

from labkit.text.grammar import PHRASES, Grammar
from labkit.text.lexicon import determiners


@pytest.mark.parametrize("sentence", [
    "le chat que les voisins regardent dort",
    "les voisines que le vieux berger regarde semblent très contentes",
    "le garçon dort souvent",
    "les jeunes danseuses devant la maison regardent un livre rouge",
    "la fille qui écoute attend",
])  # fmt: skip
def test_french_sentences_are_grammatical(sentence):
    assert PHRASES.is_grammatical(sentence)


@pytest.mark.parametrize("sentence", [
    "le chat que les voisins regardent dorment",
    "le chat que les voisins regarde dort",
    "la chat dort",
    "les voisines sont contents",
    "le chat dort le",
    "le chat",
    "",
    "le chat dort\nle chat dort",
    "le chat ronronne",
    "<masque> chat dort",
])  # fmt: skip
def test_others_are_not(sentence):
    assert not PHRASES.is_grammatical(sentence)


def test_log_prob_by_hand():
    """« le garçon rit » : déterminant, nom puis verbe, chacun au rang que donne sa liste."""

    def share(rank: int, count: int) -> float:
        return 1 / (rank + 3) / sum(1 / (k + 3) for k in range(count))

    # 0,3 pour le masculin singulier, 0,7 sans adjectif, puis le verbe parmi tout ce qui suit un
    # sujet, de poids 2,15 en tout, et la fin plutôt qu'un adverbe.
    moves = 0.3 * 0.7 * (0.35 / 2.15) * 0.7
    words = share(1, 9) * share(2, 22) * share(5, 21)
    assert PHRASES.log_prob("le garçon rit") == pytest.approx(np.log(moves * words), rel=1e-12)


def test_entropy_against_a_large_sample():
    tokens, _ = PHRASES.model.sample(8000, np.random.RandomState(7))
    inside = np.arange(tokens.shape[1]) <= (tokens != 0).sum(1)[:, None]
    surprise = -np.where(inside, PHRASES.model.causal_log_probs(tokens), 0).sum(1)
    error = surprise.std() / np.sqrt(len(surprise))
    assert abs(surprise.mean() - PHRASES.model.sentence_entropy) < 3 * error
    assert error < 0.1
    lengths = inside.sum(1)
    assert abs(lengths.mean() - PHRASES.model.mean_length) < 3 * lengths.std() / np.sqrt(8000)


def test_entropy_is_what_the_pages_quote():
    assert PHRASES.entropy == pytest.approx(2.9121897, abs=1e-7)
    assert np.exp(PHRASES.entropy) == pytest.approx(18.397, abs=1e-3)


def test_context_cannot_hurt():
    """Connaître les deux côtés aide : la perplexité masquée est sous la causale."""
    ids = PHRASES.tokenizer.encode("\n".join(PHRASES.sample(300)) + "\n").numpy()[:1280]
    ids = ids.reshape(-1, 32)
    chosen = np.random.RandomState(0).random_sample(ids.shape) < 0.15
    masked = PHRASES.model.masked_log_probs(ids, np.where(chosen, 1, ids), from_start=False)
    causal = PHRASES.model.causal_log_probs(ids, from_start=False)
    assert masked[chosen].mean() > causal[chosen].mean() + 0.3
    assert (masked[~chosen] == 0).all()


def test_a_single_mask_against_every_word():
    sentence = "le chat que les voisins regardent dort"
    words = PHRASES.tokenizer.tokens
    ids = PHRASES.tokenizer.encode(sentence + "\n").numpy()
    for place in (0, 1, 6):
        shown = ids.copy()
        shown[place] = PHRASES.tokenizer.mask_id
        parts = sentence.split()
        scores = np.array([
            np.exp(PHRASES.log_prob(" ".join([*parts[:place], word, *parts[place + 1 :]])))
            for word in words
        ])  # fmt: skip
        # La fin de phrase n'est pas un mot : « … <fin> … » serait deux phrases.
        found = PHRASES.model.posteriors(shown[None])[0, place]
        np.testing.assert_allclose(found, scores / scores.sum(), atol=1e-12)


def test_splits_hold_grammatical_sentences_of_the_vocabulary():
    train, val, test = PHRASES.splits()
    assert all(map(PHRASES.is_grammatical, val.splitlines()[:200]))
    ids = PHRASES.tokenizer.encode(train + val + test)
    assert len(ids.unique()) == PHRASES.tokenizer.vocab_size - 1  # tout mot sert, sauf <masque>


def test_draws_depend_on_their_seed():
    assert PHRASES.sample(5, seed=1) == PHRASES.sample(5, seed=1) != PHRASES.sample(5, seed=2)


def distances() -> list[tuple[str, int]]:
    return [("verb", d) for d in range(1, 7)] + [("adjective", d) for d in range(2, 7)]


@pytest.mark.parametrize(("kind", "distance"), distances())
def test_agreement_pairs_differ_by_one_agreement(kind, distance):
    pairs = PHRASES.agreement_pairs(distance, count=20, kind=kind)
    assert len(pairs) == 20
    for pair in pairs:
        right, wrong = pair.right.split(), pair.wrong.split()
        differing = [i for i, (a, b) in enumerate(zip(right, wrong, strict=True)) if a != b]
        assert differing == [pair.position] and pair.distance == distance
        assert PHRASES.is_grammatical(pair.right) and not PHRASES.is_grammatical(pair.wrong)


def test_attractors_are_of_the_other_number():
    plural = set(determiners("mp", indefinite=True))
    singular = {word for f in ("ms", "fs") for word in determiners(f, indefinite=True)}
    for pair in PHRASES.agreement_pairs(4, count=60):
        words = pair.right.split()[: pair.position]
        numbers = [word in plural for word in words if word in plural | singular]
        assert pair.attractor == (numbers[0] != numbers[-1])


def test_the_subject_is_never_further_than_six_words():
    tokens, states = PHRASES.model.sample(20_000, np.random.RandomState(0))
    head, verbs = PHRASES._is_head[states].argmax(1), PHRASES._is_agreed["verb"][states]
    gaps = np.bincount(verbs.argmax(1) - head, minlength=7)
    assert verbs.any(1).all() and len(gaps) == 7
    assert gaps[0] == 0 and gaps[1:].min() > 0.02 * 20_000


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"distance": 7}, ValueError, "distance doit être entre 1 et 6"),
    ({"distance": 1, "kind": "adjective"}, ValueError, "distance doit être entre 2 et 6"),
    ({"distance": "3"}, TypeError, "distance attend un nombre entier"),
    ({"distance": 3, "kind": "verbe"}, ValueError, "Vouliez-vous dire 'verb'"),
    ({"distance": 3, "count": 0}, ValueError, "count doit valoir au moins 1"),
])  # fmt: skip
def test_impossible_pairs(arguments, error, message):
    with pytest.raises(error, match=message):
        PHRASES.agreement_pairs(**arguments)


def test_many_sentences_at_once():
    sentences = ["le chat dort", "le chat que les voisins regardent dort", "la chat dort", ""]
    found = PHRASES.log_probs(sentences)
    assert found.tolist() == [PHRASES.log_prob(sentence) for sentence in sentences]
    assert np.isfinite(found).tolist() == [True, True, False, False]
    assert PHRASES.log_probs([]).shape == (0,)


def test_fingerprint_does_not_depend_on_what_was_computed():
    fresh = Grammar()
    before = fresh.fingerprint()
    assert fresh.entropy and fresh.model.stationary.any() and fresh.agreement_pairs(3, count=1)
    assert fresh.fingerprint() == before == PHRASES.fingerprint()
