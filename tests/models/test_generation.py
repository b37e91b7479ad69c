"""Les tirages : lois restreintes, cache, fenêtre qui glisse, blancs remplis, refus."""

import pytest
import torch

from labkit.models import CausalLM, MaskedLM, generation, token_probabilities
from tests.models.language_toys import draw_ids, shaken

MASK = 49


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def causal(**options) -> CausalLM:
    return shaken(CausalLM, **options)


def draw_logits() -> torch.Tensor:
    return 2 * torch.randn(20, 30, generator=seeded())


# --- la loi d'un jeton ----------------------------------------------------------------------------


def test_temperature_divides_the_logits():
    logits = draw_logits()
    assert torch.equal(token_probabilities(logits), logits.softmax(dim=1))
    odds = token_probabilities(logits, temperature=0.5).log()
    torch.testing.assert_close(odds[:, 0] - odds[:, 1], 2 * (logits[:, 0] - logits[:, 1]))


@pytest.mark.parametrize(("top_k", "top_p"), [(5, None), (None, 0.8), (7, 0.6), (100, 1.0)])
def test_restricted_laws_are_those_of_transformers(top_k, top_p):
    transformers = pytest.importorskip("transformers")
    logits = draw_logits()
    expected = transformers.TemperatureLogitsWarper(0.7)(None, logits)
    if top_k:
        expected = transformers.TopKLogitsWarper(top_k)(None, expected)
    if top_p:
        expected = transformers.TopPLogitsWarper(top_p)(None, expected)
    found = token_probabilities(logits, 0.7, top_k, top_p)
    torch.testing.assert_close(found, expected.softmax(dim=1))


def test_top_p_keeps_the_fewest_tokens_that_reach_it():
    logits = torch.tensor([[0.1, 0.5, 0.15, 0.25]]).log()
    found = token_probabilities(logits, top_p=0.7)
    torch.testing.assert_close(found, torch.tensor([[0, 2 / 3, 0, 1 / 3]]))
    assert torch.equal(token_probabilities(logits, top_p=0.01), torch.tensor([[0, 1.0, 0, 0]]))


@pytest.mark.parametrize("logits", [[2.0, 7.0, -torch.inf, 6.9], [-50.0, -51.0, -torch.inf, -80]])
def test_extreme_settings_have_their_limit_law(logits):
    """Froid : le plus probable ; chaud : uniforme sur le possible ; jamais de NaN."""
    logits = torch.tensor([logits, logits])
    likely = (logits == logits.amax(dim=1, keepdim=True)).float()
    for options in ({"temperature": 1e-60}, {"temperature": 1e-7}, {"top_p": 1e-60}):
        assert torch.equal(token_probabilities(logits, **options), likely)
    for temperature in (1e60, float("inf")):
        torch.testing.assert_close(
            token_probabilities(logits, temperature), torch.tensor([[1 / 3, 1 / 3, 0, 1 / 3]] * 2)
        )


def test_equal_tokens_at_the_edge_of_top_p():
    """Quatre quarts : deux atteignent 0,5 ; à 1, tous restent, la loi au bit près."""
    equal = torch.zeros(3, 4)
    assert ((token_probabilities(equal, top_p=0.5) == 0.5).sum(dim=1) == 2).all()
    logits = draw_logits()
    assert torch.equal(token_probabilities(logits, top_p=1.0), logits.softmax(dim=1))


def test_top_k_keeps_k_tokens_even_when_equal():
    assert (token_probabilities(torch.zeros(1, 6), top_k=2) > 0).sum() == 2


# --- prolonger ------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"positions": "rotary", "norm": "rms"}])
@torch.no_grad()
def test_cached_logits_are_those_of_the_whole_text(options):
    model, ids = causal(**options), draw_ids()
    pasts = model.no_past()
    found = [model.next_logits(ids[:, :4], pasts)]
    found += [model.next_logits(ids[:, t : t + 1], pasts) for t in range(4, 12)]
    torch.testing.assert_close(torch.stack(found, dim=1), model(ids)[:, 3:], rtol=0, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"positions": "rotary"}])
@torch.no_grad()
def test_several_tokens_after_a_past_do_not_read_their_future(options):
    model, ids = causal(**options), draw_ids()
    pasts = model.no_past()
    model.next_logits(ids[:, :3], pasts)
    model.next_logits(ids[:, 3:8], pasts)
    found = model.next_logits(ids[:, 8:], pasts)
    torch.testing.assert_close(found, model(ids)[:, -1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"positions": "rotary"}])
def test_draws_are_the_same_without_the_cache_even_past_the_block(options):
    model, start = causal(**options), draw_ids(3)
    with_cache, without = (
        model.generate(start, 40, generator=seeded(), use_cache=use) for use in (True, False)
    )
    assert with_cache.shape == (3, 43)
    assert torch.equal(with_cache[:, :3], start)
    assert torch.equal(with_cache, without)
    assert not torch.equal(with_cache, model.generate(start, 40, generator=seeded(1)))


def test_past_the_block_the_oldest_half_is_forgotten():
    """Le treizième jeton dépend encore du premier ; le quatorzième, des six d'avant."""
    model, ids = causal(), draw_ids()
    text = model.generate(ids, 10, top_k=1)
    for length, start in ((12, 0), (13, 7), (19, 7), (20, 14)):
        likely = model(text[:, start:length])[:, -1].argmax(dim=1)
        assert torch.equal(text[:, length], likely), length


def test_draws_follow_the_law_of_the_model():
    model = causal()
    start = torch.full((20_000, 1), 3)
    drawn = model.generate(start, 1, temperature=2.0, top_k=4, generator=seeded())[:, 1]
    law = token_probabilities(model(start[:1])[:, -1], 2.0, 4)[0]
    found = drawn.bincount(minlength=50) / len(drawn)
    assert (found - law).abs().max() < 0.015  # quatre écarts types
    assert not found[law == 0].any()


@pytest.mark.parametrize("u, token", [(0.0, 1), (0.2499, 1), (0.25, 3), (1 - 2**-53, 3)])
def test_a_draw_is_the_first_token_whose_sum_passes_u(monkeypatch, u, token):
    """Aux bords aussi, un jeton de probabilité nulle n'est jamais tiré."""
    monkeypatch.setattr(torch, "rand", lambda *shape, dtype, **_: torch.full(shape, u, dtype=dtype))
    law = torch.tensor([[0.0, 0.25, 0.0, 0.75, 0.0], [0.0, 0.1, 0.0, 0.3, 0.0]])
    assert generation.Choice().draw(law).tolist() == [token, token]


def test_tall_matrices_lie_by_columns_while_tokens_are_drawn():
    model = causal()
    before = {name: (p.data_ptr(), p.clone()) for name, p in model.named_parameters()}
    with pytest.raises(KeyboardInterrupt), generation.tall_by_columns(model):
        assert model.tokens.weight.stride() == (1, 50)
        assert model.blocks[0].narrow.weight.is_contiguous()  # plus large que haute
        assert all(torch.equal(p, before[name][1]) for name, p in model.named_parameters())
        raise KeyboardInterrupt
    for name, p in model.named_parameters():
        assert p.is_contiguous() and p.data_ptr() == before[name][0]


def test_generation_changes_neither_mode_nor_gradients():
    model = causal(dropout=0.5).train()
    text = model.generate(draw_ids(3), 5, top_k=1)
    assert model.training and not text.requires_grad
    assert torch.equal(text, model.eval().generate(draw_ids(3), 5, top_k=1))


@pytest.mark.parametrize(("ids", "options", "error", "message"), [
    (draw_ids(13), {}, ValueError, "13 jetons, le modèle en lit au plus 12"),
    (draw_ids(12) + 40, {}, ValueError, "jetons entre 0 et 49 attendus"),
    (draw_ids(0), {}, ValueError, r"d'au moins un jeton, reçu \[3, 0\]"),
    (draw_ids(3), {"count": 0}, ValueError, "count doit valoir au moins 1"),
    (draw_ids(3), {"temperature": 0}, ValueError, "strictement positive, reçu 0 ; top_k=1"),
    (draw_ids(3), {"temperature": -1.0}, ValueError, "strictement positive, reçu -1.0"),
    (draw_ids(3), {"temperature": float("nan")}, ValueError, "strictement positive, reçu nan"),
    (draw_ids(3), {"temperature": "1"}, TypeError, "temperature attend un nombre"),
    (draw_ids(3), {"top_k": 0}, ValueError, "top_k doit valoir au moins 1, reçu top_k=0"),
    (draw_ids(3), {"top_k": 2.5}, TypeError, "top_k attend un nombre entier"),
    (draw_ids(3), {"top_p": 0.0}, ValueError, "top_p doit être entre 0 exclu et 1 compris"),
    (draw_ids(3), {"top_p": 1.1}, ValueError, "reçu 1.1"),
])  # fmt: skip
def test_impossible_draws_are_refused(ids, options, error, message):
    with pytest.raises(error, match=message):
        causal().generate(ids, **{"count": 3, **options})


# --- remplir --------------------------------------------------------------------------------------


def masked() -> MaskedLM:
    return shaken(MaskedLM)


def blanked() -> torch.Tensor:
    """Trois textes, de 1, 4 et 12 masques."""
    ids = draw_ids() % MASK
    ids[0, 5], ids[1, 2:6], ids[2] = MASK, MASK, MASK
    return ids


def test_fill_gives_the_laws_at_the_masks_in_reading_order():
    model, ids = masked(), blanked()
    found = model.fill(ids, MASK)
    logits = model(ids)
    expected = torch.cat([logits[0, 5:6], logits[1, 2:6], logits[2]])
    expected[:, MASK] = -torch.inf
    torch.testing.assert_close(found, expected.softmax(dim=1))
    assert not found.requires_grad


@pytest.mark.parametrize("order", generation.ORDERS)
def test_each_step_reveals_an_equal_share(order, monkeypatch):
    counts, logits = [], generation.blank_logits

    def counted(model, ids, mask_id):
        counts.append((ids == mask_id).sum(dim=1).tolist())
        return logits(model, ids, mask_id)

    monkeypatch.setattr(generation, "blank_logits", counted)
    ids = blanked()
    text = masked().unmask(ids, MASK, 4, order=order, generator=seeded())
    assert counts == [[1, 4, 12], [0, 3, 9], [0, 2, 6], [0, 1, 3]]
    assert torch.equal(text[ids != MASK], ids[ids != MASK])
    assert not (text == MASK).any()


@pytest.mark.parametrize("order", generation.ORDERS)
def test_filling_draws_from_its_generator(order):
    model, ids = masked(), blanked()
    first, again, other = (
        model.unmask(ids, MASK, 4, order=order, generator=seeded(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_one_step_more_than_masks_is_no_trouble():
    assert not (masked().unmask(blanked(), MASK, 30, generator=seeded()) == MASK).any()


def test_the_most_certain_are_revealed_first(monkeypatch):
    """Quand chaque tirage est le plus probable, l'ordre se prévoit."""
    monkeypatch.setattr(generation.Choice, "draw", lambda _, law: law.argmax(dim=1))
    model, ids = masked(), blanked()[1:2]
    text = ids.clone()
    for _ in range(4):
        laws = model.fill(text, MASK)
        sure, words = laws.max(dim=1)
        places = (text[0] == MASK).nonzero()[:, 0]
        text[0, places[sure.argmax()]] = words[sure.argmax()]
    assert torch.equal(model.unmask(ids, MASK, 4), text)


def test_random_order_ignores_certainty(monkeypatch):
    seen, logits = [], generation.blank_logits

    def recorded(model, ids, mask_id):
        seen.append(ids)
        return logits(model, ids, mask_id)

    monkeypatch.setattr(generation, "blank_logits", recorded)
    ids = blanked()[2:].repeat(3000, 1)  # douze masques
    masked().unmask(ids, MASK, 12, order="random", generator=seeded())
    first = (seen[1] != MASK).double()
    assert (first.sum(dim=1) == 1).all()
    assert (first.mean(dim=0) - 1 / 12).abs().max() < 0.02  # quatre écarts types


@pytest.mark.parametrize(("ids", "options", "error", "message"), [
    (draw_ids() % MASK, {}, ValueError, "ids ne contient aucun masque, le jeton 49"),
    (blanked().float(), {}, ValueError, "jetons entiers int64"),
    (blanked(), {"order": "sure"}, ValueError, "order='sure' inconnu"),
    (blanked(), {"steps": 0}, ValueError, "steps doit valoir au moins 1"),
    (blanked(), {"temperature": 0.0}, ValueError, "strictement positive"),
])  # fmt: skip
def test_impossible_blanks_are_refused(ids, options, error, message):
    with pytest.raises(error, match=message):
        masked().unmask(ids, MASK, **{"steps": 2, **options})


def test_filling_refuses_a_text_without_masks():
    with pytest.raises(ValueError, match="aucun masque"):
        masked().fill(draw_ids() % MASK, MASK)
