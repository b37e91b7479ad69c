"""L'attention : la forme fusionnée et celle qu'on écrit, les rotations, le passé gardé."""

import pytest
import torch
from torch import nn

from labkit.models.attention import NORMS, Attention, Past, Rotary


def attention(causal: bool = True, rotary: Rotary | None = None) -> Attention:
    torch.manual_seed(0)
    return Attention(24, 3, causal, rotary)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("rotary", [None, Rotary(8, 10)])
@torch.no_grad()
def test_weights_are_those_of_the_fused_function(causal, rotary):
    layer = attention(causal, rotary)
    x = torch.randn(2, 10, 24)
    _, _, v = layer.heads(x)
    written = layer.merge((layer.weights(x) @ v).transpose(1, 2).flatten(2))
    torch.testing.assert_close(written, layer(x), rtol=0, atol=1e-6)


@torch.no_grad()
def test_attention_is_that_of_torch():
    """`nn.MultiheadAttention` range ses projections dans le même ordre : Q, K, V."""
    layer, other = attention(), nn.MultiheadAttention(24, 3, batch_first=True)
    other.in_proj_weight.copy_(layer.to_qkv.weight)
    other.in_proj_bias.copy_(layer.to_qkv.bias)
    other.out_proj.load_state_dict(layer.merge.state_dict())
    x = torch.randn(2, 7, 24)
    future = torch.ones(7, 7, dtype=torch.bool).triu(1)
    expected, weights = other(x, x, x, attn_mask=future, average_attn_weights=False)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(layer.weights(x), weights, rtol=0, atol=1e-6)


def test_rotary_scores_depend_on_the_distance_alone():
    torch.manual_seed(0)
    rotary = Rotary(8, 64)
    q, k = torch.randn(2, 1, 1, 1, 8)

    def score(i: int, j: int) -> float:
        return (rotary(q, i) * rotary(k, j)).sum().item()

    near = [score(i + 3, i) for i in range(0, 60, 7)]
    assert near == pytest.approx([near[0]] * len(near), abs=1e-5)
    assert abs(score(9, 0) - near[0]) > 0.1  # à une autre distance, un autre produit
    assert abs(score(0, 3) - near[0]) > 0.1  # avant n'est pas après


def test_rotary_turns_pairs_by_the_angle_of_the_formula():
    """Chaque paire vue comme un nombre complexe, multipliée par exp(i t θ)."""
    x = torch.randn(1, 1, 5, 8, generator=torch.Generator().manual_seed(0))
    speeds = torch.tensor([1.0, 0.1, 0.01, 0.001])  # 10000^(-2i/8)
    turns = torch.polar(torch.ones(5, 4), torch.arange(5.0)[:, None] * speeds)
    turned = torch.complex(x[..., :4], x[..., 4:]) * turns
    expected = torch.cat([turned.real, turned.imag], dim=-1)
    torch.testing.assert_close(Rotary(8, 5)(x), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(Rotary(8, 5)(x[:, :, 3:], start=3), expected[:, :, 3:])


def test_rms_norm_divides_by_the_root_mean_square():
    x = torch.randn(3, 16, generator=torch.Generator().manual_seed(0)) + 2
    norm = NORMS["rms"](16, eps=1e-5)
    nn.init.uniform_(norm.weight)
    expected = norm.weight * x / (x.square().mean(dim=1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(norm(x), expected)


@pytest.mark.parametrize("rotary", [None, Rotary(8, 10)])
@torch.no_grad()
def test_keys_already_computed_are_kept(rotary):
    layer, past = attention(rotary=rotary), Past(10)
    x = torch.randn(2, 10, 24)
    parts = [layer(x[:, :6], past), *(layer(x[:, t : t + 1], past) for t in range(6, 10))]
    assert past.length == 10
    torch.testing.assert_close(torch.cat(parts, dim=1), layer(x), rtol=0, atol=1e-6)
