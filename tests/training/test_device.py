"""L'appareil : graines, précision, lots de toute forme, hasard rendu comme il était."""

import random

import numpy as np
import pytest
import torch

from labkit.training import pick_device, set_seed
from labkit.training.device import (
    batch_size,
    one_thread,
    preserved_rng,
    rng_state,
    set_rng_state,
    wants_bf16,
)


def test_seed_fixes_the_three_generators():
    def draw():
        return random.random(), np.random.rand(), torch.rand(()).item()

    set_seed(5)
    first = draw()
    set_seed(5)
    assert draw() == first
    set_seed(6)
    assert all(a != b for a, b in zip(draw(), first, strict=True))


def test_device_exists():
    assert torch.ones(2, device=pick_device()).sum().item() == 2


@pytest.mark.parametrize("fast", [False, True])
def test_automatic_precision_follows_the_processor(fast, monkeypatch):
    capabilities = {"amx_bf16": False, "avx512_bf16": fast}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert wants_bf16(torch.device("cpu"), "auto") is fast


@pytest.mark.parametrize(("batch", "size"), [
    (torch.zeros(5, 2), 5),
    ((torch.zeros(4), torch.zeros(9)), 4),
    ({"texte": "abc", "x": [torch.zeros(3, 1)]}, 3),
    (7, 1),
    ([], 1),
    (torch.tensor(2.0), 1),
])  # fmt: skip
def test_size_of_a_batch(batch, size):
    assert batch_size(batch) == size


def test_random_state_comes_back_even_after_an_error():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    with pytest.raises(ZeroDivisionError), preserved_rng():
        torch.rand(10)
        raise ZeroDivisionError
    assert torch.equal(torch.rand(4), expected)


def test_state_of_an_absent_device_is_ignored():
    state = {**rng_state(), "cuda": torch.zeros(16, dtype=torch.uint8)}
    if not torch.cuda.is_available():
        set_rng_state(state)
        assert torch.equal(torch.get_rng_state(), state["cpu"])


def test_one_thread_gives_the_others_back_after_an_error():
    earlier = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(RuntimeError, match="panne"), one_thread():
            assert torch.get_num_threads() == 1
            raise RuntimeError("panne")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(earlier)
