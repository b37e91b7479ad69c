"""Les blocs et leurs lots : sans perte, mêlés par `torch`, et ce que vaut un nat par jeton."""

import math

import pytest
import torch
from torch import nn

import labkit
from labkit.text import TokenSet, bits_per_byte, blocks


def test_blocks_follow_each_other():
    cut = blocks(range(11), 4)
    assert cut.dtype == torch.int64
    assert cut.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_a_text_shorter_than_a_block():
    with pytest.raises(ValueError, match="le texte a 3 jetons, moins qu'un bloc de 4"):
        blocks([1, 2, 3], 4)
    with pytest.raises(ValueError, match="block_size doit valoir au moins 1"):
        blocks([1], 0)


def test_batches_cover_the_set_once():
    tokens = TokenSet(blocks(range(70), 10))
    batches = tokens.batches(3)
    assert len(batches) == 3 and [len(batch) for batch in batches] == [3, 3, 1]
    assert torch.equal(torch.cat(list(batches)), tokens.blocks)


def test_shuffled_batches_depend_on_the_seed_only():
    batches = TokenSet(blocks(range(700), 10)).batches(8, shuffle=True)
    torch.manual_seed(1)
    first, second = torch.cat(list(batches)), torch.cat(list(batches))
    torch.manual_seed(1)
    assert torch.equal(torch.cat(list(batches)), first)
    assert not torch.equal(first, second)
    assert torch.equal(first.sort(0).values, second.sort(0).values)


@pytest.mark.parametrize(("size", "error"), [("4", TypeError), (0, ValueError)])
def test_impossible_batch_size(size, error):
    with pytest.raises(error, match="batch_size"):
        TokenSet(blocks(range(8), 4)).batches(size)


def test_fingerprints_change_with_the_data():
    one, other = TokenSet(blocks(range(8), 4)), TokenSet(blocks(range(1, 9), 4))
    assert one.fingerprint() == TokenSet(blocks(range(8), 4)).fingerprint()
    assert one.fingerprint()["blocks"] == [2, 4]
    assert one.fingerprint() != other.fingerprint()
    assert one.batches(2).fingerprint() != one.batches(1).fingerprint()


def test_fit_takes_batches_directly():
    torch.manual_seed(0)
    model = nn.Embedding(5, 5)
    batches = TokenSet(blocks([0, 1, 2, 3, 4] * 40, 5)).batches(8, shuffle=True)

    def step(ids):
        logits = model(ids[:, :-1])
        return {"loss": nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())}

    history = labkit.fit(step, batches, epochs=20, model=model, lr=0.1)
    assert history["loss"][-1] < 0.1


def test_bits_per_byte():
    # Deux octets par jeton et ln 4 nats par jeton : deux bits pour deux octets.
    assert bits_per_byte(math.log(4), 3, "éàù") == pytest.approx(1.0)
    with pytest.raises(ValueError, match="texte vide"):
        bits_per_byte(1.0, 1, "")
