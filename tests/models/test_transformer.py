"""Le Transformer : parité avec GPT-2 et avec PyTorch, ce que chaque position lit, refus."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labkit.models import CausalLM, MaskedLM
from labkit.models.checks import trusted_inputs
from tests.models.language_toys import SIZES, draw_ids, shaken


@torch.no_grad()
def test_causal_logits_are_those_of_gpt2():
    transformers = pytest.importorskip("transformers")
    model = shaken(CausalLM)
    config = transformers.GPT2Config(
        vocab_size=50, n_positions=12, n_embd=24, n_layer=2, n_head=3, bos_token_id=0,
        eos_token_id=0,
    )  # fmt: skip
    gpt2 = transformers.GPT2LMHeadModel(config).eval()
    body = gpt2.transformer
    body.wte.weight.copy_(model.tokens.weight)
    body.wpe.weight.copy_(model.places.weight)
    body.ln_f.load_state_dict(model.norm.state_dict())
    for ours, theirs in zip(model.blocks, body.h, strict=True):
        theirs.ln_1.load_state_dict(ours.norm1.state_dict())
        theirs.ln_2.load_state_dict(ours.norm2.state_dict())
        for linear, conv in (
            (ours.attention.to_qkv, theirs.attn.c_attn),
            (ours.attention.merge, theirs.attn.c_proj),
            (ours.widen, theirs.mlp.c_fc),
            (ours.narrow, theirs.mlp.c_proj),
        ):
            conv.weight.copy_(linear.weight.T)  # GPT-2 range ses matrices [entrées, sorties]
            conv.bias.copy_(linear.bias)
    ids = draw_ids()
    expected = gpt2(ids).logits
    assert expected.std() > 0.3
    torch.testing.assert_close(model(ids), expected, rtol=0, atol=1e-4)


@torch.no_grad()
def test_masked_logits_are_those_of_the_encoder_of_torch():
    model = shaken(MaskedLM)
    layer = nn.TransformerEncoderLayer(
        24, 3, 96, dropout=0.0, activation=partial(F.gelu, approximate="tanh"), batch_first=True,
        norm_first=True,
    )  # fmt: skip
    encoder = nn.TransformerEncoder(layer, 2, model.norm, enable_nested_tensor=False).eval()
    for ours, theirs in zip(model.blocks, encoder.layers, strict=True):
        theirs.norm1.load_state_dict(ours.norm1.state_dict())
        theirs.norm2.load_state_dict(ours.norm2.state_dict())
        theirs.self_attn.in_proj_weight.copy_(ours.attention.to_qkv.weight)
        theirs.self_attn.in_proj_bias.copy_(ours.attention.to_qkv.bias)
        theirs.self_attn.out_proj.load_state_dict(ours.attention.merge.state_dict())
        theirs.linear1.load_state_dict(ours.widen.state_dict())
        theirs.linear2.load_state_dict(ours.narrow.state_dict())
    ids = draw_ids()
    h = encoder(model.tokens(ids) + model.places.weight)
    torch.testing.assert_close(model.features(ids), h, rtol=0, atol=1e-5)
    torch.testing.assert_close(model(ids), h @ model.tokens.weight.T, rtol=0, atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"positions": "rotary", "norm": "rms"}])
@torch.no_grad()
def test_only_the_masked_model_reads_the_future(options):
    ids, changed = draw_ids(), draw_ids()
    changed[:, 7] = (changed[:, 7] + 1) % 50
    causal, masked = (shaken(kind, **options) for kind in (CausalLM, MaskedLM))
    assert torch.equal(causal(ids)[:, :7], causal(changed)[:, :7])
    assert ((causal(ids) - causal(changed)).abs().amax(dim=2)[:, 7:] > 1e-4).all()
    assert ((masked(ids) - masked(changed)).abs().amax(dim=2) > 1e-4).all()


@pytest.mark.parametrize("kind", [CausalLM, MaskedLM])
@torch.no_grad()
def test_a_new_model_is_nearly_uniform(kind):
    """Des logits d'écart type 0,02 √C = 0,32 ajoutent à log V la moitié de leur variance."""
    torch.manual_seed(0)
    ids, targets = torch.randint(1000, (2, 8, 32))
    loss = F.cross_entropy(kind(1000, 32)(ids).mT, targets)
    assert loss.item() == pytest.approx(math.log(1000) + 0.32**2 / 2, abs=0.03)


def test_new_weights_are_those_of_gpt2():
    torch.manual_seed(0)
    model = CausalLM(1000, n_layer=2)
    for linear in (model.blocks[1].attention.to_qkv, model.blocks[1].widen, model.tokens):
        assert linear.weight.std().item() == pytest.approx(0.02, rel=0.02)
    for linear in (model.blocks[1].attention.merge, model.blocks[1].narrow):
        assert linear.weight.std().item() == pytest.approx(0.02 / 4**0.5, rel=0.02)
        assert not linear.bias.any()


def test_the_head_is_the_embedding():
    model = CausalLM(50, **SIZES)
    count = sum(p.numel() for p in model.parameters())
    layer = 12 * 24**2 + 13 * 24  # 4 C² et 8 C² poids ; 9 C biais et 4 C poids de normes
    assert count == 50 * 24 + 12 * 24 + 2 * layer + 2 * 24
    h = torch.randn(4, 24)
    assert torch.equal(model.to_logits(h), h @ model.tokens.weight.T)


@pytest.mark.parametrize("kind", [CausalLM, MaskedLM])
@torch.no_grad()
def test_maps_are_the_weights_that_the_model_uses(kind):
    """Refaire tout le calcul à partir des cartes redonne les mêmes traits."""
    model, ids = shaken(kind), draw_ids()
    maps = model.train().attention_maps(ids)
    assert model.training
    assert maps.shape == (2, 3, 3, 12, 12)
    torch.testing.assert_close(maps.sum(dim=-1), torch.ones(2, 3, 3, 12))
    x = model.tokens(ids) + model.places.weight
    for block, weights in zip(model.blocks, maps, strict=True):
        values = block.attention.heads(block.norm1(x))[2]
        x = x + block.attention.merge((weights @ values).transpose(1, 2).flatten(2))
        x = x + block.narrow(F.gelu(block.widen(block.norm2(x)), approximate="tanh"))
    torch.testing.assert_close(model.norm(x), model.features(ids), rtol=0, atol=1e-5)
    assert bool(maps.triu(1).any()) is (kind is MaskedLM)


def test_options_change_what_they_name():
    plain, modern = CausalLM(50, **SIZES), CausalLM(50, **SIZES, positions="rotary", norm="rms")
    assert isinstance(plain.norm, nn.LayerNorm) and isinstance(modern.norm, nn.RMSNorm)
    assert modern.places is None
    assert set(modern.state_dict()) == {
        name for name in plain.state_dict() if "norm" not in name or "weight" in name
    } - {"places.weight"}


@torch.no_grad()
def test_rotary_positions_tell_the_order_of_words():
    model = shaken(CausalLM, positions="rotary")
    forward, swapped = torch.tensor([[1, 2, 3]]), torch.tensor([[2, 1, 3]])
    assert (model(forward)[:, -1] - model(swapped)[:, -1]).abs().max() > 1e-3


def test_dropout_acts_while_training_only():
    ids = draw_ids()
    model = CausalLM(50, **SIZES, dropout=0.5)
    assert not torch.equal(model(ids), model(ids))
    assert torch.equal(model.eval()(ids), model(ids))


@pytest.mark.parametrize(("arguments", "message"), [
    ({"n_embd": 25}, "n_embd=25 ne se partage pas entre n_head=3 têtes.* comme 24"),
    ({"n_embd": 9, "positions": "rotary"}, "doit être pair, reçu 9 / 3 = 3"),
    ({"dropout": 1.0}, "dropout doit être entre 0 compris et 1 exclu, reçu 1.0"),
    ({"positions": "rotatif"}, "positions='rotatif' inconnu.*'learned' ou 'rotary'.*'rotary' ?"),
    ({"norm": "batch"}, "norm='batch' inconnu : choisissez 'layer' ou 'rms'"),
    ({"block_size": 0}, "block_size doit valoir au moins 1"),
    ({"n_layer": 0}, "n_layer doit valoir au moins 1"),
])  # fmt: skip
def test_impossible_models_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        CausalLM(50, **{**SIZES, **arguments})


@pytest.mark.parametrize(("ids", "message"), [
    ([[1, 2]], "un tenseur est attendu, reçu list"),
    (torch.zeros(1, 3), r"int64 attendus, reçu torch.float32 ; écrivez ids.long\(\)"),
    (torch.zeros(1, 3, dtype=torch.int32), "int64 attendus, reçu torch.int32"),
    (torch.zeros(3).long(), r"jetons \[B, T\] attendus.*reçu \[3\] ; ids\[None\]"),
    (torch.zeros(1, 0).long(), r"d'au moins un jeton, reçu \[1, 0\]"),
    (torch.zeros(1, 2, 3).long(), r"reçu \[1, 2, 3\]"),
    (torch.zeros(1, 13).long(), r"13 jetons, le modèle en lit au plus 12.*ids\[:, -12:\]"),
    (torch.tensor([[0, 50]]), "jetons entre 0 et 49 attendus, reçu de 0 à 50"),
    (torch.tensor([[-1, 3]]), "reçu de -1 à 3"),
])  # fmt: skip
def test_impossible_ids_are_refused(ids, message):
    for model in (CausalLM(50, **SIZES), MaskedLM(50, **SIZES)):
        for call in (model, model.features, model.attention_maps):
            with pytest.raises(ValueError, match=message):
                call(ids)


def test_trusted_ids_are_not_read_again(monkeypatch):
    ids, model = draw_ids(), CausalLM(50, **SIZES)
    monkeypatch.setattr(torch.Tensor, "aminmax", lambda ids: pytest.fail("jetons relus"))
    with trusted_inputs():
        model(ids)
