"""La sonde linéaire : ce qui est linéaire, elle le trouve ; XOR, non."""

import pytest
import torch

from labkit.clouds import linear_probe


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_three_linear_regions_are_found_whatever_the_scale():
    points = torch.randn(1200, 2)
    labels = (points @ torch.tensor([[1.0, 0.0, -1.0], [0.0, 1.0, -1.0]])).argmax(dim=1)
    scaled = points * torch.tensor([1000.0, 0.001]) + 7
    assert linear_probe(scaled[:1000], labels[:1000], scaled[1000:], labels[1000:]) > 0.97


def test_xor_is_out_of_reach_until_it_is_untangled():
    points = torch.randn(2000, 2)
    labels = (points.prod(dim=1) > 0).long()
    halves = labels[:1000], points[1000:], labels[1000:]
    assert linear_probe(points[:1000], *halves) < 0.6
    product = points.prod(dim=1, keepdim=True)
    assert linear_probe(product[:1000], labels[:1000], product[1000:], labels[1000:]) > 0.97


def test_labels_that_do_not_fit_are_refused():
    points, labels = torch.randn(6, 2), torch.tensor([0, 1, 0, 1, 0, 1])
    with pytest.raises(ValueError, match=r"train_labels : une classe par point, \[6\], attendue"):
        linear_probe(points, labels[:5], points, labels)
    with pytest.raises(ValueError, match="test_labels : .* reçu list"):
        linear_probe(points, labels, points, labels.tolist())
    with pytest.raises(ValueError, match="deux classes au moins"):
        linear_probe(points, torch.zeros(6).long(), points, labels)
    with pytest.raises(ValueError, match="même dimension"):
        linear_probe(points, labels, torch.randn(6, 3), labels)
