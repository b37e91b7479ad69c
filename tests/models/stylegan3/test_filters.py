"""Les filtres de StyleGAN3, contre SciPy, et leurs deux calculs, l'un contre l'autre."""

import math

import numpy as np
import pytest
import torch

from labkit.models.stylegan3.filters import (
    Resampling,
    down_matrix,
    downsample_by_convolution,
    in_blocks,
    jinc,
    kaiser_beta,
    lowpass,
    up_matrix,
    upsample_by_convolution,
)

signal = pytest.importorskip("scipy.signal", reason="SciPy vient avec scikit-learn")
special = pytest.importorskip("scipy.special", reason="SciPy vient avec scikit-learn")


@pytest.mark.parametrize("taps", [6, 12, 13, 24])
@pytest.mark.parametrize(("cutoff", "width"), [(2.0, 12.0), (5.7, 3.0), (16.0, 0.5)])
def test_the_separable_filter_is_scipys_kaiser_design(taps, cutoff, width):
    expected = signal.firwin(taps, cutoff, width=width, fs=64)
    assert np.abs(lowpass(taps, cutoff, width, 64).numpy() - expected).max() < 1e-7


@pytest.mark.parametrize(("taps", "transition"), [(12, 0.02), (12, 0.4), (24, 1.0), (2, 0.01)])
def test_beta_is_scipys(taps, transition):
    """Sous 21 dB, entre 21 et 50, au-delà : les trois branches de la formule."""
    expected = signal.kaiser_beta(signal.kaiser_atten(taps, transition))
    assert kaiser_beta(taps, transition) == pytest.approx(expected)


def test_the_radial_filter_is_a_jinc_under_a_window():
    taps, cutoff, width, rate = 12, 5.0, 6.0, 32
    x = (np.arange(taps) - 5.5) / rate
    r = np.hypot(x[:, None], x[None])
    window = np.kaiser(taps, signal.kaiser_beta(signal.kaiser_atten(taps, width / 16)))
    expected = special.j1(2 * math.pi * cutoff * r) / r * np.outer(window, window)
    kernel = lowpass(taps, cutoff, width, rate, radial=True).numpy()
    assert np.abs(kernel - expected / expected.sum()).max() < 1e-8
    assert not np.allclose(kernel, np.outer(kernel.sum(0), kernel.sum(1)), atol=1e-4)


def test_a_radial_filter_of_odd_length_has_a_centre():
    kernel = lowpass(7, 5.0, 6.0, 32, radial=True)
    assert kernel[3, 3] == kernel.max()
    assert kernel.sum() == pytest.approx(1)
    near = jinc(5.0, torch.tensor([0.0, 1e-6], dtype=torch.float64))
    assert near[0] == pytest.approx(near[1].item(), rel=1e-6)


@pytest.mark.parametrize("radial", [False, True])
def test_the_filter_passes_its_band_and_stops_the_rest(radial):
    """À la coupure, la moitié ; au-delà de la bande d'arrêt, moins d'un centième."""
    kernel = lowpass(48, 8.0, 8.0, 64, radial)
    line = kernel if kernel.dim() == 1 else kernel.sum(dim=0)  # la réponse le long d'un axe
    x = (torch.arange(48) - 23.5) / 64

    def gain(frequency):
        return (line * torch.cos(2 * math.pi * frequency * x)).sum().item()

    assert gain(3.0) == pytest.approx(1, abs=0.01)
    assert gain(8.0) == pytest.approx(0.5, abs=0.07)
    assert abs(gain(14.0)) < 0.01


CASES = [
    (38, 36, 2, 2, 12, 12), (36, 52, 4, 2, 24, 12), (54, 32, 2, 2, 12, 12), (7, 9, 3, 2, 9, 5),
    (32, 32, 1, 1, 1, 1), (20, 8, 1, 2, 1, 12),
]  # fmt: skip


@pytest.mark.parametrize(("size_in", "size_out", "up", "down", "up_taps", "down_taps"), CASES)
def test_matrices_are_scipys_upfirdn(size_in, size_out, up, down, up_taps, down_taps):
    torch.manual_seed(0)
    how = Resampling.fit(size_in, size_out, up, down, up_taps, down_taps)
    x = torch.randn(size_in, dtype=torch.float64)
    kernel = lowpass(up_taps, 3.0, 4.0, 64).double()
    full = signal.upfirdn(kernel.numpy(), x.numpy(), up=up) * up  # avant tout recadrage
    start = up_taps - 1 - how.before
    expected = [full[i] if 0 <= i < len(full) else 0 for i in range(start, start + how.middle)]
    assert np.abs((up_matrix(kernel, how, size_in) @ x).numpy() - expected).max() < 1e-12
    kernel, y = lowpass(down_taps, 3.0, 4.0, 64).double(), torch.randn(how.middle).double()
    expected = np.convolve(y, kernel, mode="valid")[::down]
    assert len(expected) == size_out
    assert np.abs((down_matrix(kernel, how, size_out) @ y).numpy() - expected).max() < 1e-12


@pytest.mark.parametrize(("size_in", "size_out", "up", "down", "up_taps", "down_taps"), CASES)
def test_matrices_and_convolutions_give_the_same(size_in, size_out, up, down, up_taps, down_taps):
    torch.manual_seed(0)
    how = Resampling.fit(size_in, size_out, up, down, up_taps, down_taps)
    x, kernel = torch.randn(2, 3, size_in, size_in), lowpass(up_taps, 3.0, 4.0, 64)
    matrix = up_matrix(kernel, how, size_in)
    y = matrix @ x @ matrix.T
    assert (upsample_by_convolution(x, kernel, how) - y).abs().max() < 1e-5
    kernel = lowpass(down_taps, 3.0, 4.0, 64)
    matrix = down_matrix(kernel, how, size_out)
    assert (downsample_by_convolution(y, kernel, how) - matrix @ y @ matrix.T).abs().max() < 1e-5
    outer = kernel[:, None] * kernel  # le même filtre, à deux dimensions
    assert (downsample_by_convolution(y, outer, how) - matrix @ y @ matrix.T).abs().max() < 1e-5


def test_output_is_centred_on_the_input():
    """Une bosse au milieu y reste, à un demi-échantillon d'entrée près."""
    how = Resampling.fit(37, 37, 2, 2, 12, 12)
    x = torch.exp(-(((torch.arange(37.0) - 18) / 3) ** 2))
    kernel = lowpass(12, 8.0, 16.0, 64)
    y = down_matrix(kernel, how, 37) @ (up_matrix(kernel, how, 37) @ x)
    assert (y * torch.arange(37)).sum() / y.sum() == pytest.approx(18, abs=0.5)


def test_blocks_change_nothing():
    torch.manual_seed(0)
    x = torch.randn(5, 3, 40, 40)
    seen = []

    def double(block):
        seen.append(len(block))
        return 2 * block

    assert torch.equal(in_blocks(double, x, side=400), 2 * x)  # 3 · 400² : deux images par bloc
    assert seen == [2, 2, 1]
