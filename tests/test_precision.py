"""bf16 là où il est rapide, float32 ailleurs."""

import pytest
import torch
from torch import nn

from labkit.precision import fast_inference, has_fast_bf16

CPU = torch.device("cpu")


@pytest.mark.parametrize("capabilities", [
    {}, {"amx_bf16": False, "avx512_bf16": False},
    {"amx_bf16": True}, {"avx512_bf16": True}, {"amx_bf16": True, "avx512_bf16": False},
])  # fmt: skip
def test_fast_bf16_is_what_the_processor_says(capabilities, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert has_fast_bf16(CPU) is any(capabilities.values())


@pytest.mark.parametrize(("cap", "fast"), [("default", False), ("avx2", False), ("avx512", True)])
def test_a_capped_processor_computes_as_an_old_one(cap, fast, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", cap)
    assert has_fast_bf16(CPU) is fast


def test_an_older_torch_that_cannot_tell_computes_in_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert has_fast_bf16(CPU) is False


@pytest.mark.parametrize("supported", [False, True])
def test_fast_bf16_of_a_gpu_excludes_emulation(supported, monkeypatch):
    asked = []

    def is_bf16_supported(including_emulation=True):
        asked.append(including_emulation)
        return supported

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_bf16_supported)
    assert has_fast_bf16(torch.device("cuda")) is supported
    assert asked == [False]


def test_other_devices_compute_in_float32():
    assert has_fast_bf16(torch.device("mps")) is False


@pytest.mark.parametrize(("fast", "dtype"), [(False, torch.float32), (True, torch.bfloat16)])
def test_inference_runs_in_bf16_where_it_is_fast(fast, dtype, monkeypatch):
    capabilities = {"avx512_bf16": fast}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    layer, convolution = nn.Linear(3, 2), nn.Conv2d(1, 1, 3)
    with fast_inference(CPU):
        assert layer(torch.ones(1, 3)).dtype == dtype
        assert convolution(torch.ones(1, 1, 4, 4)).dtype == dtype
    assert layer.weight.dtype == torch.float32
    assert layer(torch.ones(1, 3)).dtype == torch.float32  # rien n'en reste au-dehors
