"""Les plus proches voisins, contre une recherche naïve."""

import pytest
import torch

from labkit.clouds import nearest


def test_against_a_naive_search():
    torch.manual_seed(0)
    points, among = torch.randn(1200, 4), torch.randn(30, 4)  # plus de deux blocs
    distances, found = nearest(points, among)
    expected = (points[:, None] - among).norm(dim=2).min(dim=1)
    assert torch.equal(found, expected.indices)
    torch.testing.assert_close(distances.float(), expected.values)


def test_copies_are_at_no_distance_even_far_from_the_origin():
    torch.manual_seed(0)
    among = 1000 + torch.rand(40, 784)
    distances, found = nearest(among[[7, 3]], among)
    assert found.tolist() == [7, 3]
    assert distances.tolist() == [0, 0]


def test_clouds_of_other_spaces_are_refused():
    with pytest.raises(ValueError, match=r"points \[N, 2\] et among \[N, 3\] .* même dimension"):
        nearest(torch.randn(4, 2), torch.randn(4, 3))


def test_an_empty_cloud_is_refused():
    with pytest.raises(ValueError, match="among : 1 points au moins"):
        nearest(torch.randn(4, 2), torch.empty(0, 2))
