"""La convolution transposée réordonnée calcule ce que calcule celle de PyTorch."""

import pytest
import torch
from torch import nn

from labkit.models.layers import ConvTranspose2d


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("options", "output_size"),
    [({}, None), ({"stride": 2, "padding": 1}, None), ({"stride": 2, "padding": 1}, [11, 13])],
)
def test_same_output_and_gradients_as_pytorch(options, output_size, bias):
    torch.manual_seed(0)
    theirs = nn.ConvTranspose2d(3, 4, 4, bias=bias, **options).double()
    ours = ConvTranspose2d(3, 4, 4, bias=bias, **options).double()
    ours.load_state_dict(theirs.state_dict())
    found, expected = [], []
    for layer, results in ((ours, found), (theirs, expected)):
        x = torch.linspace(-1, 1, 2 * 3 * 5 * 6).double().view(2, 3, 5, 6).requires_grad_()
        y = layer(x, output_size=output_size)
        y.pow(3).sum().backward()
        results += [y, x.grad, *(p.grad for p in layer.parameters())]
    for ours_value, their_value in zip(found, expected, strict=True):
        torch.testing.assert_close(ours_value, their_value, rtol=1e-10, atol=1e-10)


def test_output_keeps_the_reduced_precision_of_autocast():
    layer = ConvTranspose2d(2, 3, 4, stride=2, padding=1)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(torch.ones(1, 2, 3, 3))
    assert y.dtype == torch.bfloat16
    y.float().sum().backward()
    assert layer.bias.grad.tolist() == [36.0] * 3  # une sortie 6×6 : le biais y entre 36 fois
