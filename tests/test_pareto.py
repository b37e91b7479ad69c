"""Le front de Pareto, sur des plans que l'on dessine de tête."""

import math

import pytest

from labkit import pareto_front

PLANE = [("a", 1, 9), ("b", 2, 5), ("c", 3, 6), ("d", 4, 1), ("e", 9, 1), ("f", 1, 12)]


def test_only_those_nobody_beats_are_kept_in_order_of_cost():
    assert pareto_front(PLANE) == ["a", "b", "d"]
    assert pareto_front(PLANE[::-1]) == ["a", "b", "d"]


def test_equals_do_not_beat_each_other():
    assert pareto_front([("a", 1, 1), ("b", 1, 1)]) == ["a", "b"]


def test_one_that_is_first_everywhere_stands_alone():
    assert pareto_front([*PLANE, ("best", 0.5, 0.5)]) == ["best"]


def test_two_models_under_one_name_are_refused():
    with pytest.raises(ValueError, match="deux modèles portent le même nom, b ; ajoutez"):
        pareto_front([*PLANE, ("b", 7, 7)])


@pytest.mark.parametrize("values", [(math.nan, 1), (1, math.nan)])
def test_nan_is_refused(values):
    with pytest.raises(ValueError, match="'x' est NaN"):
        pareto_front([*PLANE, ("x", *values)])


def test_no_candidate_is_refused():
    with pytest.raises(ValueError, match="au moins un"):
        pareto_front([])


@pytest.mark.parametrize("wrong", [("a", 1), "abc", ("a", "1", 2), ("a", None, 2), (1, 2, 3), 7])
def test_anything_but_a_name_and_two_numbers_is_refused(wrong):
    with pytest.raises(TypeError, match=r"triplets \(nom, coût, défaut\)"):
        pareto_front([*PLANE, wrong])
