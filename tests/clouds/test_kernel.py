"""La distance par noyau, contre la double somme de sa définition et contre des lois connues."""

import math

import pytest
import torch

from labkit.clouds import kernel_distance, kernel_errors


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def kernel(x, y):
    return (x @ y / len(x) + 1).item() ** 3


def by_pairs(real, generated):
    """La définition, paire par paire."""

    def others(points):
        pairs = [(x, y) for i, x in enumerate(points) for j, y in enumerate(points) if i != j]
        return sum(kernel(x, y) for x, y in pairs) / len(pairs)

    cross = sum(kernel(x, y) for x in real for y in generated) / len(real) / len(generated)
    return others(real) + others(generated) - 2 * cross


def test_it_is_the_double_sum_of_its_definition():
    real, generated = torch.randn(7, 3), torch.randn(5, 3) + 1
    expected = by_pairs(real.double(), generated.double())
    assert kernel_distance(real, generated) == pytest.approx(expected)


def test_two_points_repeated():
    """Tous les points en a, tous les autres en b : k(a, a) + k(b, b) - 2 k(a, b)."""
    real, generated = torch.tensor([[2.0]] * 4), torch.tensor([[1.0]] * 3)
    assert kernel_distance(real, generated) == pytest.approx(5**3 + 2**3 - 2 * 3**3)


def test_it_is_unbiased_where_the_laws_are_one():
    values = torch.tensor(
        [kernel_distance(torch.randn(30, 2), torch.randn(20, 2)) for _ in range(1000)]
    )
    assert values.mean().abs() < 4 * values.std() / math.sqrt(1000)
    assert (values < 0).any()


def test_errors_count_no_pair_of_a_point_with_itself():
    real, generated = torch.randn(6, 2).double(), torch.randn(5, 2).double()
    found = kernel_errors(real, generated, draws=4, seed=1)
    picks = torch.randint(5, (4, 5), generator=torch.Generator().manual_seed(1))
    for value, chosen in zip(found, picks.tolist(), strict=True):
        pairs = [(i, j) for i in chosen for j in chosen if i != j]
        own = sum(kernel(generated[i], generated[j]) for i, j in pairs) / len(pairs)
        cross = sum(kernel(generated[i], x) for i in chosen for x in real) / 30
        within = by_pairs(real, real) - by_pairs_own(real)
        assert value.item() == pytest.approx(within + own - 2 * cross)


def by_pairs_own(real):
    """Ce que `by_pairs(real, real)` a de trop pour ne garder que E[k(x, x')]."""
    cross = sum(kernel(x, y) for x in real for y in real) / len(real) ** 2
    others = (cross * len(real) ** 2 - sum(kernel(x, x) for x in real)) / (
        len(real) * (len(real) - 1)
    )
    return others - 2 * cross


def test_errors_estimate_the_spread_between_draws():
    real = torch.randn(300, 2)
    draws = [torch.randn(200, 2) + 0.5 for _ in range(300)]
    between = torch.tensor([kernel_distance(real, draw) for draw in draws]).std()
    within = torch.stack([kernel_errors(real, draw, 100).std() for draw in draws[:20]]).mean()
    assert within.item() == pytest.approx(between.item(), rel=0.15)


def test_one_point_has_no_pair():
    with pytest.raises(ValueError, match="generated : 2 points au moins sont attendus, reçu 1"):
        kernel_distance(torch.randn(3, 2), torch.randn(1, 2))
    with pytest.raises(ValueError, match="real : 2 points au moins sont attendus, reçu 1"):
        kernel_errors(torch.randn(1, 2), torch.randn(3, 2))


def test_a_resampling_without_a_pair_is_left_out():
    found = kernel_errors(torch.randn(5, 3), torch.randn(2, 3), draws=40)
    assert 2 <= len(found) < 40 and found.isfinite().all()
