"""Précision, rappel, densité, couverture : à la main sur une droite, puis contre des boucles."""

import pytest
import torch

from labkit.clouds import density_coverage, precision_recall

REAL = torch.tensor([[0.0], [1.0], [3.0], [10.0]])
# Rayons à k = 1 : 1, 1, 2, 7. Région : [-1, 2], [1, 5], [3, 17].
GENERATED = torch.tensor([[-0.5], [1.5], [20.0], [20.5]])
# Rayons à k = 1 : 2 ; 2 ; 0,5 ; 0,5. Région : [-2,5, 3,5] et [19,5, 21].


def test_by_hand_on_a_line():
    assert precision_recall(REAL, GENERATED, k=1) == {"precision": 0.5, "recall": 0.75}
    # -0,5 est dans la boule de 0 ; 1,5 dans celles de 1 et de 3 (1 à 5) : 3 coups sur 4 points.
    assert density_coverage(REAL, GENERATED, k=1) == {"density": 0.75, "coverage": 0.75}


def test_the_border_of_a_ball_is_in_it():
    generated = torch.tensor([[-1.0], [17.0]])
    assert precision_recall(REAL, generated, k=1)["precision"] == 1


def naive(real, generated, k):
    """Les définitions, point par point."""

    def radius(points, i):
        distances = sorted((points[i] - points[j]).norm() for j in range(len(points)) if j != i)
        return distances[k - 1]

    def in_ball(point, points, i):
        return (point - points[i]).norm() <= radius(points, i)

    def share(points, centres):
        return sum(
            any(in_ball(point, centres, i) for i in range(len(centres))) for point in points
        ) / len(points)

    hits = [[bool(in_ball(point, real, i)) for i in range(len(real))] for point in generated]
    return {
        "precision": share(generated, real),
        "recall": share(real, generated),
        "density": sum(map(sum, hits)) / k / len(generated),
        "coverage": sum(map(any, zip(*hits, strict=True))) / len(real),
    }


@pytest.mark.parametrize("k", [1, 3, 5])
def test_against_loops(k):
    torch.manual_seed(k)
    real, generated = torch.randn(25, 3).double(), 1.5 * torch.randn(20, 3).double() + 0.5
    found = precision_recall(real, generated, k) | density_coverage(real, generated, k)
    assert found == pytest.approx(naive(real, generated, k))


def test_a_copy_is_perfect_and_a_single_point_covers_nothing():
    torch.manual_seed(0)
    real = torch.randn(600, 2)  # plus d'un bloc
    assert precision_recall(real, real) == {"precision": 1, "recall": 1}
    assert density_coverage(real, real)["coverage"] == 1
    centre = real[:1].repeat(600, 1)
    assert precision_recall(real, centre) == {"precision": 1, "recall": pytest.approx(1 / 600)}
    assert density_coverage(real, centre)["coverage"] < 0.05


def test_density_is_near_one_for_one_law():
    """E[densité] = 1 quand les deux lois sont la même (Naeem et coll., 2020, § 3.2)."""
    torch.manual_seed(0)
    found = [
        density_coverage(torch.randn(200, 2), torch.randn(200, 2))["density"] for _ in range(50)
    ]
    assert sum(found) / 50 == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("k", [4, 10])
@pytest.mark.parametrize("measure", [precision_recall, density_coverage])
def test_k_larger_than_the_set_is_refused(measure, k):
    with pytest.raises(ValueError, match=f"k = {k} voisins demandés.* real n'en a que 3"):
        measure(REAL, torch.randn(50, 1), k)


def test_k_larger_than_the_generated_set_is_refused():
    with pytest.raises(ValueError, match="chaque point de generated n'en a que 3"):
        precision_recall(torch.randn(50, 1), GENERATED, 4)


@pytest.mark.parametrize(("k", "error"), [(0, ValueError), (1.5, TypeError), (True, TypeError)])
def test_k_that_is_not_a_rank_is_refused(k, error):
    with pytest.raises(error, match="k "):
        precision_recall(REAL, GENERATED, k)
