"""Les réseaux du plan : formes, lois du bruit, refus."""

import pytest
import torch

from labkit.models import PlaneDiscriminator, PlaneGenerator


def test_shapes():
    assert PlaneGenerator(1, (5,))(torch.zeros(7, 1)).shape == (7, 2)
    assert PlaneDiscriminator((5, 4))(torch.zeros(7, 2)).shape == (7, 1)


def test_both_noises_have_mean_zero_and_variance_one():
    torch.manual_seed(0)
    z = torch.randn(100_000, 2)
    for noise in ("gaussian", "uniform"):
        found = PlaneGenerator(noise=noise).to_noise(z)
        assert found.mean().abs() < 0.01 and (found.var() - 1).abs() < 0.015
    assert found.abs().max() <= 3**0.5 + 1e-6
    assert (found.abs() < 3**0.5 / 2).float().mean().item() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("build", "error", "message"), [
    (lambda: PlaneGenerator(hidden_dims=()), ValueError, "au moins une couche cachée"),
    (lambda: PlaneDiscriminator([]), ValueError, "au moins une couche cachée"),
    (lambda: PlaneDiscriminator((0,)), ValueError, r"hidden_dims\[0\] doit valoir au moins 1"),
    (lambda: PlaneDiscriminator(32), TypeError, "suite d'entiers"),
    (lambda: PlaneGenerator(0), ValueError, "latent_dim doit valoir au moins 1"),
    (lambda: PlaneGenerator(noise="uniforme"), ValueError, "Vouliez-vous dire 'uniform'"),
])  # fmt: skip
def test_impossible_networks_are_refused(build, error, message):
    with pytest.raises(error, match=message):
        build()
