"""Le modèle de Markov caché : chaque calcul exact contre une énumération complète."""

import itertools

import numpy as np
import pytest

from labkit.text.hmm import HiddenMarkov

# Jetons : 0 fin, 1 masque, 2 « a », 3 « b », 4 « c ». L'état 1 mène à 3, l'état 2 à 4, et tous deux
# émettent « a » : seul le mot suivant dit d'où l'on venait.
TRANSITIONS = np.array([
    [0, 0.6, 0.4, 0, 0],
    [0, 0, 0, 1, 0],
    [0, 0, 0, 0.3, 0.7],
    [1, 0, 0, 0, 0],
    [0.5, 0, 0, 0.5, 0],
])  # fmt: skip
EMISSIONS = np.array([
    [1, 0, 0, 0, 0],
    [0, 0, 0.8, 0.2, 0],
    [0, 0, 0.5, 0, 0.5],
    [0, 0, 0, 0.9, 0.1],
    [0, 0, 0.25, 0.25, 0.5],
])  # fmt: skip
SIZE = 5


@pytest.fixture
def model() -> HiddenMarkov:
    return HiddenMarkov(TRANSITIONS, EMISSIONS)


def probability(words: tuple, start: np.ndarray) -> float:
    """La somme sur tous les chemins, sans récurrence."""
    total = 0.0
    for path in itertools.product(range(len(TRANSITIONS)), repeat=len(words)):
        mass = start[path[0]]
        for place, (state, word) in enumerate(zip(path, words, strict=True)):
            mass *= EMISSIONS[state, word]
            if place:
                mass *= TRANSITIONS[path[place - 1], state]
        total += mass
    return total


def sentences() -> dict[tuple, float]:
    """Toutes les phrases, et leur probabilité ; aucune n'a plus de trois mots."""
    found = {}
    for length in range(1, 5):
        for words in itertools.product(range(2, SIZE), repeat=length):
            mass = probability((*words, 0), TRANSITIONS[0])
            if mass:
                found[words, 0] = mass
    return found


def test_entropy_and_length_against_every_sentence(model):
    found = sentences()
    masses = np.array(list(found.values()))
    assert masses.sum() == pytest.approx(1.0)
    entropy = -(masses * np.log(masses)).sum()
    length = sum(mass * (len(words) + 1) for (words, _), mass in found.items())
    assert model.sentence_entropy == pytest.approx(entropy, rel=1e-12)
    assert model.mean_length == pytest.approx(length, rel=1e-12)
    assert model.entropy == pytest.approx(entropy / length, rel=1e-12)


def test_stationary_law_is_left_unchanged(model):
    assert model.stationary.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(model.stationary @ TRANSITIONS, model.stationary, atol=1e-15)


@pytest.mark.parametrize("from_start", [True, False])
def test_causal_log_probs_against_every_path(model, from_start):
    start = TRANSITIONS[0] if from_start else model.stationary
    words = (2, 3, 0, 4) if from_start else (3, 0, 2, 4)
    found = model.causal_log_probs(np.array([words]), from_start)[0]
    for length in range(1, 5):
        expected = np.log(probability(words[:length], start))
        assert found[:length].sum() == pytest.approx(expected, rel=1e-12)


def test_an_impossible_text(model):
    found = model.causal_log_probs(np.array([[2, 3, 0], [2, 0, 2]]))
    assert np.isfinite(found[0]).all()
    assert found[1].tolist()[1:] == [-np.inf, -np.inf]


@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("from_start", [True, False])
def test_posteriors_against_every_text(model, noise, from_start):
    """Deux masques parmi quatre jetons : tous les textes possibles, pesés un à un."""
    start = TRANSITIONS[0] if from_start else model.stationary
    shown = (1, 3, 1, 2)
    expected = np.zeros((4, SIZE))
    for words in itertools.product(range(SIZE), repeat=4):
        mass = probability(words, start)
        for seen, word in zip(shown, words, strict=True):
            if seen != 1:
                mass *= (1 - noise) * (seen == word) + noise / SIZE
        for place, word in enumerate(words):
            expected[place, word] += mass
    expected /= expected.sum(1, keepdims=True)
    found = model.posteriors(np.array([shown]), noise, from_start)[0]
    np.testing.assert_allclose(found, expected, atol=1e-14)
    for truth in (0, 2, 3):
        ids = np.full((1, 4), truth)
        with np.errstate(divide="ignore"):
            wanted = np.log(expected[:, truth])
        scored = model.masked_log_probs(ids, np.array([shown]), noise, from_start)[0]
        np.testing.assert_allclose(scored, wanted, atol=1e-12)


def masking_probability(shown: tuple, words: tuple, target: int) -> float:
    """p(ce qui est montré, place à deviner | texte) : 15 % à deviner, dont 80 / 10 / 10."""
    mass = 1.0
    for place, (seen, word) in enumerate(zip(shown, words, strict=True)):
        chosen = 0.8 * (seen == 1) + 0.1 * (seen == word) + 0.1 / SIZE
        mass *= 0.15 * chosen + (0.85 * (seen == word) if place != target else 0.0)
    return mass


def test_the_bound_of_a_masked_loss_against_every_text(model):
    """À une place à deviner, la règle de Bayes sur tous les textes et tous les masquages."""
    texts = itertools.product((0, 2, 3, 4), repeat=3)
    law = {words: probability(words, TRANSITIONS[0]) for words in texts}
    for shown, target in itertools.product([(1, 3, 0), (2, 4, 3)], range(3)):
        expected = np.zeros(SIZE)
        for words, mass in law.items():
            expected[words[target]] += mass * masking_probability(shown, words, target)
        expected /= expected.sum()
        for truth in np.flatnonzero(expected):
            found = model.masked_log_probs(
                np.full((1, 3), truth), np.array([shown]), noise=0.015 / 0.88, target_noise=0.5
            )
            assert found[0, target] == pytest.approx(np.log(expected[truth]), abs=1e-12)


def test_what_cannot_be_shown_has_no_law(model):
    shown = np.array([[0, 1]])  # une phrase vide
    assert np.isnan(model.posteriors(shown)).all()
    assert np.isnan(model.masked_log_probs(shown, shown)).all()


def test_rows_do_not_depend_on_their_neighbours(model):
    """Les suites sont traitées par paquets : 130 d'entre elles en font trois."""
    tokens, _ = model.sample(130, np.random.RandomState(0))
    together = model.causal_log_probs(tokens)
    alone = np.concatenate([model.causal_log_probs(row[None]) for row in tokens])
    np.testing.assert_allclose(together, alone, atol=1e-15)


def test_draws_follow_the_law(model):
    tokens, states = model.sample(40_000, np.random.RandomState(0))
    assert (tokens[states == 0] == 0).all()
    for (words, _), mass in sentences().items():
        drawn = (tokens[:, : len(words)] == words).all(1) & (tokens[:, len(words)] == 0)
        assert abs(drawn.mean() - mass) < 4 * np.sqrt(mass * (1 - mass) / 40_000)


@pytest.mark.parametrize("ids", [np.array([2, 3]), np.array([[5]]), np.array([[-1]]),
                                 np.array([[2.0]])])  # fmt: skip
def test_tokens_that_are_none(model, ids):
    with pytest.raises(ValueError, match="jetons"):
        model.causal_log_probs(ids)
