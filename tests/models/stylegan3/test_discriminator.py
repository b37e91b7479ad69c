"""Le discriminateur : sa forme, la puissance de ses cartes, et l'écart type du lot."""

from __future__ import annotations

import pytest
import torch

from labkit.models.stylegan3 import Discriminator
from labkit.models.stylegan3.discriminator import Convolution, Residual


@pytest.fixture
def discriminator() -> Discriminator:
    torch.manual_seed(0)
    return Discriminator(16, 1, channels=(8, 16))


def test_judges_each_image(discriminator):
    assert discriminator(torch.rand(5, 1, 16, 16)).shape == (5, 1)


def test_parameters_are_those_of_the_layers():
    """Le réseau du lab, compté à la main : noyaux, biais, couche dense."""
    blocks = sum(
        9 * a * a + a + 9 * a * b + b + a * b + b for a, b in [(32, 64), (64, 128), (128, 128)]
    )
    ends = (32 + 32) + (9 * 129 * 128 + 128) + (128 * 16 * 128 + 128) + 129
    found = sum(p.numel() for p in Discriminator(32, 1).parameters())
    assert found == blocks + ends


def test_convolution_keeps_the_power():
    """Poids de variance 1 divisés par √n : y garde la variance de x, loin des bords."""
    torch.manual_seed(0)
    y = Convolution(64, 256)(torch.randn(8, 64, 16, 16))
    assert y[..., 1:-1, 1:-1].var().item() == pytest.approx(1, rel=0.05)


def test_residual_halves_the_side():
    assert Residual(4, 6)(torch.randn(2, 4, 8, 8)).shape == (2, 6, 4, 4)


def test_identical_images_are_seen(discriminator):
    """La seule chose qui distingue une image seule de la même répétée est le lot."""
    image, others = torch.rand(1, 1, 16, 16), torch.rand(3, 1, 16, 16)
    alike = discriminator(image.expand(4, -1, -1, -1))
    mixed = discriminator(torch.cat([image, others]))
    assert torch.allclose(alike, alike[:1].expand(4, 1), atol=1e-6)
    assert not torch.allclose(alike[0], mixed[0], atol=1e-4)


def test_real_images_are_centred(discriminator):
    """Un gris moyen vaut zéro pour la première couche : seul son biais, nul au départ, reste."""
    x = torch.full((2, 1, 16, 16), 0.5)
    assert discriminator(x).abs().max() < 1e-3


@pytest.mark.parametrize("shape", [(2, 1, 28, 28), (2, 3, 16, 16), (1, 16, 16)])
def test_refuses_other_shapes(discriminator, shape):
    with pytest.raises(ValueError, match=r"images \[B, 1, 16, 16\] attendues, reçu"):
        discriminator(torch.rand(shape))


def test_refuses_another_scale(discriminator):
    with pytest.raises(ValueError, match=r"hors de \[0, 1\]"):
        discriminator(2 * torch.rand(2, 1, 16, 16) - 1)


def test_refuses_a_side_that_does_not_divide():
    with pytest.raises(ValueError, match="un multiple de 8 attendu pour 3 divisions"):
        Discriminator(28, 1)
    with pytest.raises(ValueError, match="un multiple de 8"):
        Discriminator(4, 1)
