"""EQ-T et EQ-R, contre des générateurs dont l'équivariance est connue."""

import math

import pytest
import torch

from labkit.equivariance import eq_r, eq_t, rotate

SIDE = 32
W = torch.zeros(2, 4)


def waves(w, motion):
    """Des sinusoïdes du plan, d'au plus 8 cycles par image : un générateur équivariant."""
    plane = torch.linalg.inv(motion.double())
    axis = (torch.arange(SIDE, dtype=torch.float64) - (SIDE - 1) / 2) / SIDE
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    p = torch.stack([x, y, torch.ones_like(x)], dim=-1) @ plane.T
    freqs = torch.tensor([[3.0, 1.0], [-5.0, 4.0], [0.5, -7.0], [6.0, 2.0]]).double()
    phases = torch.tensor([0.1, 0.9, 2.0, 4.0]).double()
    image = torch.sin(2 * math.pi * p[..., :2] @ freqs.T + phases).mean(dim=-1)
    return image.expand(len(w), 1, SIDE, SIDE)


def noisy(level):
    source = torch.Generator().manual_seed(0)

    def draw(w, motion):
        noise = torch.randn(len(w), 1, SIDE, SIDE, generator=source, dtype=torch.float64)
        return waves(w, motion) + level * noise

    return draw


def random():
    return torch.Generator().manual_seed(1)


def test_an_equivariant_generator_is_beyond_measure():
    assert eq_t(waves, W, generator=random()) > 250  # l'arrondi de float64
    assert eq_r(waves, W, generator=random()) > 70  # celui du filtre


def test_a_constant_image_has_no_error():
    assert eq_t(lambda w, _: torch.ones(len(w), 3, 16, 16), W) == math.inf


@pytest.mark.parametrize("level", [0.01, 0.1])
def test_a_noise_gives_its_decibels(level):
    """Deux images, deux bruits indépendants : E[e²] = 2 σ², donc 10 log₁₀(4 / 2σ²)."""
    expected = 10 * math.log10(2**2 / (2 * level**2))
    assert eq_t(noisy(level), W, shifts=30, generator=random()) == pytest.approx(expected, abs=0.1)


def test_a_noise_is_filtered_before_a_rotation():
    """Le filtre garde Σ k² du bruit, la même part sur l'image tournée."""
    impulse = torch.zeros(1, 1, SIDE, SIDE, dtype=torch.float64)
    impulse[..., SIDE // 2, SIDE // 2] = 1
    kept = rotate(impulse, 0.0).square().sum().item()
    expected = 10 * math.log10(2**2 / (2 * 0.1**2 * kept))
    assert 0.7 < kept / (math.pi * 0.3**2) < 1  # un peu moins que la surface de la bande gardée
    assert eq_r(noisy(0.1), W, 20, generator=random()) == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("measure", [eq_t, eq_r])
def test_an_image_stuck_to_the_frame_is_measured_as_such(measure):
    stuck = measure(lambda w, _: waves(w, torch.eye(3)), W, generator=random())
    assert stuck < 20


def test_signs_and_axes_matter():
    """Déplacer à rebours, ou échanger les axes, n'est pas équivariant."""

    def backwards(w, motion):
        return waves(w, torch.linalg.inv(motion))

    def swapped(w, motion):
        return waves(w, motion).mT

    for wrong in (backwards, swapped):
        assert eq_t(wrong, W, generator=random()) < 20
        assert eq_r(wrong, W, generator=random()) < 20


def test_a_quarter_turn_moves_pixels_without_mixing_them():
    torch.manual_seed(0)
    images = torch.randn(1, 2, 24, 24, dtype=torch.float64)
    turned = rotate(images, math.pi / 2)  # de la droite vers le bas
    # À 6 pixels tout juste, l'arrondi décide si un pixel compte, d'un poids de 10⁻⁴.
    assert torch.allclose(turned, rotate(images, 0.0).rot90(-1, (2, 3)), atol=2e-3)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="largest : une fraction du côté"):
        eq_t(waves, W, largest=1.5)
    with pytest.raises(ValueError, match="un pixel au moins attendu, reçu 0.01 de 32 pixels"):
        eq_t(waves, W, largest=0.01)
    with pytest.raises(ValueError, match="shifts doit valoir au moins 1"):
        eq_t(waves, W, shifts=0)
    with pytest.raises(ValueError, match="images de 20 pixels de côté au moins"):
        eq_r(lambda w, _: torch.zeros(1, 1, 16, 16), W)
    with pytest.raises(ValueError, match=r"images carrées \[B, C, H, H\] attendues"):
        eq_t(lambda w, _: torch.zeros(1, 16, 8), W)
