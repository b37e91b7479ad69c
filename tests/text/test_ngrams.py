"""Les n-grammes interpolés : des lois, comptées à la main, dont EM règle le mélange."""

import numpy as np
import pytest

from labkit.text.grammar import PHRASES
from labkit.text.ngrams import NGramModel

TRAIN = np.array([1, 2, 1, 2, 1, 3])


def test_frequencies_by_hand():
    model = NGramModel(TRAIN, vocab_size=4, order=2)
    assert model.weights.tolist() == pytest.approx([1 / 3] * 3)
    # 2 après 1 : deux fois sur les trois où 1 est un contexte ; 2 est un tiers du texte.
    model.weights = np.array([0.1, 0.3, 0.6])
    expected = 0.1 / 4 + 0.3 * 2 / 6 + 0.6 * 2 / 3
    assert np.exp(model.log_probs(np.array([1, 2])))[1] == pytest.approx(expected)
    # Le premier jeton suit `<fin>`, vu une fois, et toujours suivi de 1.
    first = 0.1 / 4 + 0.3 * 3 / 6 + 0.6 * 1
    assert np.exp(model.log_probs(np.array([1, 2])))[0] == pytest.approx(first)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_each_context_has_a_law(order):
    """Les probabilités de tous les jetons ont 1 pour somme, contexte vu ou non."""
    model = NGramModel(TRAIN, vocab_size=5, order=order)
    for context in ([1, 2, 1], [2, 1], [3, 3, 3], [4, 4], []):
        texts = [np.array([*context, word]) for word in range(5)]
        assert sum(np.exp(model.log_probs(text)[-1]) for text in texts) == pytest.approx(1.0)


def test_em_reaches_the_best_mixture():
    draws = np.random.RandomState(0)
    train, held_out = (draws.randint(0, 6, size) // 2 * 2 for size in (60, 400))
    held_out[::7] = 5
    model = NGramModel(train, vocab_size=6, order=2).fit_weights(held_out)
    best = model.log_probs(held_out).mean()
    assert model.weights.sum() == pytest.approx(1.0)
    for shift in ([0.01, -0.01, 0], [-0.01, 0.01, 0], [0, -0.01, 0.01], [-0.01, 0, 0.01]):
        moved = np.clip(model.weights + shift, 0, None)
        model.weights, kept = moved / moved.sum(), model.weights
        assert model.log_probs(held_out).mean() <= best + 1e-5
        model.weights = kept


def test_longer_contexts_help_down_to_the_exact_bound():
    train, val, test = (PHRASES.tokenizer.encode(part) for part in PHRASES.splits())
    size = PHRASES.tokenizer.vocab_size
    perplexities = [
        NGramModel(train, size, order).fit_weights(val).perplexity(test) for order in (1, 2, 3)
    ]
    assert perplexities == sorted(perplexities, reverse=True)
    assert perplexities[2] > np.exp(PHRASES.entropy)


@pytest.mark.parametrize(("ids", "message"), [
    (np.array([], dtype=np.int64), "jetons entiers"),
    (np.array([0.5]), "jetons entiers"),
    (np.array([[1]]), "jetons entiers"),
    (np.array([4]), "hors du vocabulaire de 4"),
    (np.array([-1]), "hors du vocabulaire de 4"),
])  # fmt: skip
def test_tokens_that_are_none(ids, message):
    with pytest.raises(ValueError, match=message):
        NGramModel(ids, vocab_size=4)


@pytest.mark.parametrize("size", [25_000, np.int64(25_000)])  # int64 déborderait sans bruit
def test_too_many_ngrams(size):
    with pytest.raises(ValueError, match="trop nombreux"):
        NGramModel(TRAIN, vocab_size=size, order=5)
