"""Les pertes et les masques : comparés à ceux de Transformers, et à leurs formules."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F

import labkit
from labkit.models import CausalLM, MaskedLM, causal_step, mask_tokens, masked_step, token_loss

SIZES = {"block_size": 16, "n_layer": 1, "n_head": 2, "n_embd": 16}
MASK = 49


def draw_ids(*shape: int, words: int = 49) -> torch.Tensor:
    return torch.randint(words, shape, generator=torch.Generator().manual_seed(0))


def test_the_loss_is_the_mean_over_known_targets():
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[1, -100, 4], [-100, -100, 0]])
    log_p = logits.log_softmax(dim=2)
    expected = -(log_p[0, 0, 1] + log_p[0, 2, 4] + log_p[1, 2, 0]) / 3
    torch.testing.assert_close(token_loss(logits, targets), expected)
    assert token_loss(logits, torch.full((2, 3), -100)) == 0


def test_the_loss_is_computed_in_float32():
    logits = torch.zeros(1, 1000, dtype=torch.bfloat16)
    assert token_loss(logits, torch.tensor([3])).item() == pytest.approx(math.log(1000), abs=1e-5)


def test_causal_targets_are_the_next_tokens():
    """40 × 15 positions : plusieurs paquets de logits, le dernier incomplet."""
    model, ids = CausalLM(50, **SIZES), draw_ids(40, 16)
    loss = causal_step(model, ids)["loss"]
    expected = F.cross_entropy(model(ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    torch.testing.assert_close(loss, expected)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    others = torch.autograd.grad(expected, list(model.parameters()))
    for found, wanted in zip(gradients, others, strict=True):
        torch.testing.assert_close(found, wanted)


def test_a_block_one_token_longer_uses_the_whole_context():
    model = CausalLM(50, **SIZES)
    assert causal_step(model, draw_ids(2, 17))["loss"].isfinite()
    with pytest.raises(ValueError, match="17 jetons, le modèle en lit au plus 16"):
        causal_step(model, draw_ids(2, 18))


@pytest.mark.parametrize(("batch", "message"), [
    (draw_ids(2, 1), r"T d'au moins 2, reçu \[2, 1\]"),
    (draw_ids(5), r"jetons \[B, T\] attendus, T d'au moins 2, reçu \[5\]"),
    ([draw_ids(2, 4)], "un tenseur est attendu, reçu list"),
    (draw_ids(2, 4) + 9, "jetons entre 0 et 49 attendus"),
])  # fmt: skip
def test_impossible_batches_are_refused(batch, message):
    with pytest.raises(ValueError, match=message):
        causal_step(CausalLM(50, **SIZES), batch)


def test_masked_loss_counts_the_hidden_tokens_alone():
    model, ids = MaskedLM(50, **SIZES), draw_ids(40, 16)
    step = masked_step(model, MASK)
    torch.manual_seed(3)
    loss = step(ids)["loss"]
    torch.manual_seed(3)
    inputs, targets = mask_tokens(ids, MASK, 50)
    expected = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
    torch.testing.assert_close(loss, expected)
    assert torch.equal(step((inputs, targets))["loss"], loss)  # masques fixés


def test_a_batch_where_nothing_is_hidden_costs_nothing():
    model, ids = MaskedLM(50, **SIZES), draw_ids(1, 4)
    loss = masked_step(model, MASK)((ids, torch.full_like(ids, -100)))["loss"]
    assert loss == 0


def masking_shares(ids, inputs, targets) -> list[float]:
    """Parts cachées ; puis, de celles-ci, masquées, laissées, remplacées par un autre jeton."""
    hidden = targets != -100
    assert torch.equal(targets[hidden], ids[hidden])
    assert torch.equal(inputs[~hidden], ids[~hidden])
    seen, true = inputs[hidden], ids[hidden]
    changed = (seen != true) & (seen != MASK)
    return [m.float().mean().item() for m in (hidden, seen == MASK, seen == true, changed)]


def test_masking_proportions_are_those_of_transformers():
    """Deux cent mille jetons : les écarts types sont de 0,001 (caché) et 0,002 (le reste)."""
    transformers = pytest.importorskip("transformers")

    tokenizers = pytest.importorskip("tokenizers")
    words = {f"mot{i}": i for i in range(MASK)} | {"[MASK]": MASK}
    vocabulary = tokenizers.Tokenizer(tokenizers.models.WordLevel(words))
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=vocabulary, mask_token="[MASK]"
    )
    collator = transformers.DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    ids = draw_ids(1000, 200)
    torch.manual_seed(0)
    ours = masking_shares(ids, *mask_tokens(ids, MASK, 50))
    assert ours == pytest.approx([0.15, 0.8 + 0.1 / 50, 0.1 + 0.1 / 50, 0.1 * 48 / 50], abs=0.008)
    theirs = masking_shares(ids, *collator.torch_mask_tokens(ids.clone()))
    assert ours == pytest.approx(theirs, abs=0.008)


def test_words_in_place_of_others_are_uniform():
    ids = torch.zeros(1000, 200, dtype=torch.long)
    inputs, targets = mask_tokens(ids, MASK, 50, share=1.0)
    words = inputs[(inputs != MASK) & (inputs != 0)]
    counts = words.bincount(minlength=50)[1:MASK].double()
    assert (counts / counts.mean() - 1).abs().max() < 0.25  # 400 par mot : cinq écarts types
    assert torch.equal(targets, ids)


def test_masks_come_from_the_generator():
    ids = draw_ids(4, 50)
    first, again = (
        mask_tokens(ids, MASK, 50, generator=torch.Generator().manual_seed(5)) for _ in range(2)
    )
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], mask_tokens(ids, MASK, 50)[0])


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ((draw_ids(2, 3).float(), 49, 50), ValueError, "jetons entiers int64"),
    ((draw_ids(2, 3), 50, 50), ValueError, "mask_id doit être un jeton.*de 0 à 49, reçu 50"),
    ((draw_ids(2, 3), "[MASK]", 50), TypeError, "mask_id attend un nombre entier"),
    ((draw_ids(2, 3), 49, 50, 0.0), ValueError, "share doit être entre 0 exclu et 1 compris"),
    ((draw_ids(2, 3), 49, 50, 15), ValueError, "reçu 15"),
    ((draw_ids(2, 3) + 49, 49, 50), ValueError, "jetons entre 0 et 49 attendus"),
])  # fmt: skip
def test_impossible_masks_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        mask_tokens(*arguments)


def trained(model, step, ids) -> float:
    """Perte de validation après quarante époques, partie de plus d'un nat."""
    history = labkit.fit(step, ids.split(16), 40, model, lr=1e-2, validation=[ids], log_every=0)
    assert history["val_loss"][0] > 1.0
    return history["val_loss"][-1]


def test_a_causal_model_learns_a_cycle():
    """0 1 2 … 9 0 1 : le suivant est certain."""
    torch.manual_seed(0)
    ids = (torch.arange(64)[:, None] + torch.arange(16)) % 10
    model = CausalLM(11, **SIZES)
    assert trained(model, partial(causal_step, model), ids) < 0.1
    text = model.generate(ids[:3, :4], 12, top_k=1)
    assert torch.equal(text, ids[:3])


def test_a_masked_model_learns_to_read_its_neighbours():
    """Textes d'un seul jeton répété : celui que l'on cache se lit à côté."""
    torch.manual_seed(0)
    ids = (torch.arange(64)[:, None] % 10).expand(64, 16)
    model = MaskedLM(11, **SIZES)
    assert trained(model, masked_step(model, 10), ids) < 0.1
    ids = torch.tensor([[10, 10, 7, 10]])
    assert torch.equal(model.fill(ids, 10).argmax(dim=1), torch.tensor([7, 7, 7]))
