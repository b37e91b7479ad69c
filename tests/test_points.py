"""Les lois du plan : densités, parts de grille et écarts, contre des calculs refaits autrement."""

import math

import pytest
import torch

from labkit import points
from labkit.points import Law, cell_shares, js_divergence, kl_divergence, optimal_discriminator


@pytest.mark.parametrize("name", points.LAW_NAMES)
def test_the_shares_are_the_integral_of_the_density(name):
    law, side, fine = points.law(name), 8, 60
    middles = (torch.arange(side * fine) + 0.5) / (side * fine) * 2 - 1
    y, x = torch.meshgrid(middles, middles, indexing="ij")
    density = law.density(torch.stack([x.flatten(), y.flatten()], dim=1)).double()
    summed = density.view(side, fine, side, fine).sum(dim=(1, 3)) * (2 / (side * fine)) ** 2
    torch.testing.assert_close(law.shares(side)[:-1], summed.flatten(), atol=2e-5, rtol=0)
    assert law.shares(side).sum().item() == pytest.approx(1)


@pytest.mark.parametrize("name", points.LAW_NAMES)
def test_the_points_follow_the_law(name):
    torch.manual_seed(0)
    law = points.law(name)
    found, exact = cell_shares(law.sample(40_000), side=8), law.shares(8)
    # Écart type d'une part : sqrt(p (1 - p) / N), soit 0,0025 au plus.
    torch.testing.assert_close(found, exact, atol=0.0125, rtol=0)
    assert law.sample(2, 3).shape == (2, 3, 2)


def test_each_drawing_is_what_its_name_says():
    ring = points.law("ring").centres
    torch.testing.assert_close(ring.norm(dim=1), torch.full((len(ring),), 0.6))
    assert len(points.law("gaussians").centres) == 8
    heights = points.law("two_lines").centres[:, 1]
    torch.testing.assert_close(heights.unique(), torch.tensor([-0.4, 0.4]))
    gaps = points.law("spiral").centres.diff(dim=0).norm(dim=1)
    assert gaps[40:].max() < 1.6 * gaps[40:].min()


def test_a_law_of_given_points():
    law = Law([[0.0, 0.5], [0.0, -0.5]], sigma=0.1)
    assert law.density(torch.tensor([[0.0, 0.5]])).item() == pytest.approx(
        1 / (2 * 2 * math.pi * 0.01), rel=1e-4
    )


def test_every_point_is_counted_once():
    corners = torch.tensor([[-1.0, -1], [0.99, -0.99], [-0.5, 0.5], [1.0, 0], [7.0, 7]])
    shares = cell_shares(corners, side=2)
    assert shares.tolist() == [0.2, 0.2, 0.2, 0, 0.4]  # le bord droit et (7, 7) sont dehors
    assert cell_shares(corners, side=2, added=1).tolist() == pytest.approx(
        [0.2, 0.2, 0.2, 0.1, 0.3]
    )


def test_many_games_are_counted_apart():
    torch.manual_seed(0)
    drawn = torch.randn(3, 50, 2)
    for alone, together in zip(drawn, cell_shares(drawn, side=4), strict=True):
        assert torch.equal(cell_shares(alone, side=4), together)


def test_the_divergences_of_known_laws():
    p, q = torch.tensor([0.5, 0.5, 0.0]).double(), torch.tensor([0.25, 0.25, 0.5]).double()
    assert kl_divergence(p, q).item() == pytest.approx(math.log(2))
    assert kl_divergence(q, p).item() == math.inf
    assert js_divergence(p, p).item() == 0
    apart = torch.tensor([0.0, 0.0, 1.0]).double()
    assert js_divergence(p, apart).item() == pytest.approx(math.log(2))
    assert js_divergence(p, q).item() == pytest.approx(js_divergence(q, p).item())


def test_the_best_discriminator():
    best = optimal_discriminator(torch.tensor([0.2, 0.0, 0.1]), torch.tensor([0.2, 0.3, 0.0]))
    assert best.tolist() == [0.5, 0, 1]
    assert optimal_discriminator(torch.zeros(1), torch.zeros(1)).isnan().all()


def test_signed_areas_count_and_fold():
    corners = torch.stack(torch.meshgrid(torch.arange(3.0), torch.arange(4.0), indexing="ij"), -1)
    assert torch.equal(points.signed_areas(corners).abs(), torch.ones(2, 3))
    flipped = corners * torch.tensor([-1.0, 2.0])
    assert torch.equal(points.signed_areas(flipped), -2 * points.signed_areas(corners))


@pytest.mark.parametrize(("given", "message"), [
    (torch.zeros(4), r"\[N, 2\], est attendue, reçu \[4\]"),
    (torch.zeros(4, 3), r"reçu \[4, 3\]"),
    (torch.zeros(0, 2), "au moins deux, reçu 0"),
    ([[0.1, 0.2]], "au moins deux, reçu 1"),
    ([[0.1, math.nan], [0, 0]], "infinies ou NaN"),
    ([[0.1, math.inf], [0, 0]], "infinies ou NaN"),
    ([[0.1, 30.0], [0, 0]], r"dans \[-1, 1\], reçu jusqu'à 30"),
])  # fmt: skip
def test_bad_points_are_explained(given, message):
    with pytest.raises(ValueError, match=message):
        Law(given)


def test_what_is_not_points_is_refused():
    with pytest.raises(TypeError, match="tableau de nombres"):
        Law("anneau")
    with pytest.raises(ValueError, match="sigma=0"):
        Law([[0, 0], [1, 1]], sigma=0)
    with pytest.raises(TypeError, match="sigma attend un nombre"):
        Law([[0, 0], [1, 1]], sigma="fin")
    with pytest.raises(ValueError, match="'rings' inconnue.*Vouliez-vous dire 'ring'"):
        points.law("rings")
    with pytest.raises(ValueError, match=r"attendus, N au moins 1, reçu \[0, 2\]"):
        cell_shares(torch.zeros(0, 2))
    with pytest.raises(ValueError, match="G a-t-il divergé"):
        cell_shares(torch.full((3, 2), math.nan))
