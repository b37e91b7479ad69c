"""Les poids raccourcis sur le disque : ce qui reste d'eux, et quand."""

import pytest
import torch

from labkit.compact import pack, unpack

LARGE = 2_100_000  # deux matrices de cette taille passent les huit millions d'octets


@pytest.fixture(scope="module")
def large():
    """Un gros modèle : deux matrices, dont les lignes n'ont pas la même taille, et un biais."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.logspace(-3, 1, 2100)[:, None]
    return {
        "first": rows * torch.randn(2100, LARGE // 2100, generator=generator),
        "second": torch.randn(1000, LARGE // 1000 // 7, 7, generator=generator),
        "bias": torch.randn(2100, generator=generator),
        "steps": torch.tensor(12_345_678),
    }


def test_a_small_model_keeps_eleven_bits():
    weight = torch.randn(30, 20, generator=torch.Generator().manual_seed(0))
    packed = pack({"weight": weight})
    assert packed["weight"].dtype == torch.float16
    assert torch.equal(unpack(packed)["weight"], weight.half())


def test_a_large_one_is_within_half_a_step_of_its_row(large):
    back = unpack(pack(large))
    for name in ("first", "second"):
        error = (back[name] - large[name]).abs().flatten(1).amax(1)
        step = large[name].abs().flatten(1).amax(1) / 127
        assert (error <= 0.5001 * step).all()
        # Une seule échelle pour toute la matrice effacerait les lignes les plus petites.
        assert error.max() > 0


def test_a_large_one_takes_half_the_place(large):
    packed = pack(large)
    size = sum(value.numel() * value.element_size() for value in packed.values())
    assert size < 1.01 * sum(value.numel() for value in large.values())


def test_names_whole_numbers_and_vectors_come_back(large):
    back = unpack(pack(large))
    assert list(back) == list(large)
    assert torch.equal(back["steps"], large["steps"])
    assert torch.equal(back["bias"], large["bias"].half())


def test_a_weight_named_scale_is_a_weight():
    state = {"norm.scale": torch.ones(3), "norm.weight": torch.ones(2, 2)}
    assert list(unpack(pack(state))) == list(state)


def test_a_row_of_zeros_stays_so(large):
    large = {**large, "first": large["first"].clone()}
    large["first"][3] = 0
    assert torch.equal(unpack(pack(large))["first"][3], torch.zeros(LARGE // 2100))


def test_packing_what_was_unpacked_changes_nothing(large):
    packed = pack(large)
    again = pack(unpack(packed))
    assert all(torch.equal(again[name], value) for name, value in packed.items() if value.ndim > 1)
