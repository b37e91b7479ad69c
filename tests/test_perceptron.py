"""Le neurone du lab 01 : les nombres du cours, la règle delta, les entrées refusées."""

import warnings

import numpy as np
import pytest
import torch

from labkit.perceptron import Perceptron, sigmoid

INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
TARGETS = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "XOR": [0, 1, 1, 0]}
# Poids annoncés par le rapport d'origine du cours : taux 0,7 et 1 000 passages.
REPORTED = {
    "AND": (14.50, 9.56, 9.56),
    "OR": (4.92, 10.77, 10.77),
    "XOR": (-0.42, -0.85, -0.42),
}


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("function", TARGETS)
def test_weights_match_the_course_report_for_any_seed(function, seed):
    weights = Perceptron(rate=0.7, seed=seed).fit(INPUTS, TARGETS[function]).weights
    reported = np.array(REPORTED[function])
    tolerance = np.maximum(0.005 * np.abs(reported), 0.03)
    assert (np.abs(weights - reported) <= tolerance).all(), weights


@pytest.mark.parametrize("seed", range(8))
def test_small_rate_stops_short(seed):
    weights = Perceptron(rate=0.01, seed=seed).fit(INPUTS, TARGETS["AND"]).weights
    assert weights == pytest.approx([2.9, 1.8, 1.8], abs=0.5)


@pytest.mark.parametrize("rate", [0.5, 0.7, 2.0])
def test_xor_ends_on_the_cycle_given_in_the_lab(rate):
    """Le cycle est (-c, -2c, -c) avec c = η σ(c) : le lab 01 le montre."""
    c = 0.0
    for _ in range(200):
        c = rate * sigmoid(c)
    weights = Perceptron(rate=rate).fit(INPUTS, TARGETS["XOR"], iterations=2000).weights
    assert weights == pytest.approx([-c, -2 * c, -c], abs=1e-6)


@pytest.mark.parametrize("function", ["AND", "OR"])
def test_separable_functions_are_learnt(function):
    neuron = Perceptron().fit(INPUTS, TARGETS[function])
    assert neuron.predict(INPUTS).tolist() == TARGETS[function]
    assert np.abs(neuron.predict_proba(INPUTS) - TARGETS[function]).max() < 0.02


def test_history_has_the_initial_draw_then_one_row_an_iteration():
    neuron = Perceptron(seed=3).fit(INPUTS, TARGETS["AND"], iterations=25)
    assert neuron.history.weights.shape == (26, 3)
    assert neuron.history.errors.shape == (25,)
    drawn = np.random.default_rng(3).uniform(-1, 1, 3)
    np.testing.assert_array_equal(neuron.history.weights[0], drawn)
    np.testing.assert_array_equal(neuron.history.weights[-1], neuron.weights)


def test_errors_are_the_mean_gaps_met_during_each_pass():
    neuron = Perceptron(rate=0.7, seed=1).fit(INPUTS, TARGETS["OR"], iterations=2)
    weights = np.random.default_rng(1).uniform(-1, 1, 3)
    for iteration in range(2):
        gaps = []
        for (x1, x2), target in zip(INPUTS, TARGETS["OR"], strict=True):
            x = np.array([-1, x1, x2])
            delta = target - 1 / (1 + np.exp(-(x @ weights)))
            weights = weights + 0.7 * x * delta
            gaps.append(abs(delta))
        assert neuron.history.errors[iteration] == pytest.approx(np.mean(gaps), abs=1e-12)
        np.testing.assert_allclose(neuron.history.weights[iteration + 1], weights, atol=1e-12)


@pytest.mark.parametrize("target", [0, 1])
@pytest.mark.parametrize("x", [[0, 0], [1, 1], [0.3, -2.0, 5.0]])
def test_one_step_descends_the_gradient_of_cross_entropy(x, target):
    neuron = Perceptron(rate=0.7, seed=5).fit([x], [target], iterations=1)
    before, after = neuron.history.weights
    weights = torch.tensor(before, requires_grad=True)
    output = torch.sigmoid(torch.tensor([-1.0, *x], dtype=torch.float64) @ weights)
    loss = torch.nn.functional.binary_cross_entropy(
        output, torch.tensor(target, dtype=torch.float64)
    )
    loss.backward()
    np.testing.assert_allclose(after - before, -0.7 * weights.grad.numpy(), atol=1e-12)


def test_same_seed_same_weights_and_other_seed_other_draw():
    first, again, other = (
        Perceptron(seed=seed).fit(INPUTS, TARGETS["AND"], iterations=5) for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(first.weights, again.weights)
    assert not np.array_equal(first.history.weights[0], other.history.weights[0])


def test_sigmoid_never_overflows():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = sigmoid(np.array([-1000.0, -1.0, 0.0, 1.0, 1000.0]))
        assert sigmoid(-1000) == 0.0
        assert sigmoid(1000) == 1.0
    np.testing.assert_allclose(values, [0, 1 / (1 + np.e), 0.5, np.e / (1 + np.e), 1])


@pytest.mark.parametrize("targets", [[-1, 1, 1, -1], [0, 0.5, 1, 1], [0, 1, 1, float("nan")]])
def test_targets_other_than_zero_and_one_are_refused(targets):
    with pytest.raises(ValueError, match=r"les cibles doivent valoir 0 ou 1.*\(cibles \+ 1\) / 2"):
        Perceptron().fit(INPUTS, targets)


@pytest.mark.parametrize(
    ("inputs", "targets"),
    [
        (INPUTS, [0, 1, 1]),
        (INPUTS, [[0], [1], [1], [0]]),
        ([0, 1, 1, 0], [0, 1, 1, 0]),
        (np.zeros((0, 2)), []),
    ],
)
def test_wrong_shapes_are_refused(inputs, targets):
    with pytest.raises(ValueError, match=r"entrées \[N, D\] et cibles \[N\] attendues"):
        Perceptron().fit(inputs, targets)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_inputs_that_are_not_finite_are_refused(value):
    with pytest.raises(ValueError, match="infinie ou NaN"):
        Perceptron().fit([[0, 0], [0, value]], [0, 1])


@pytest.mark.parametrize("rate", [0, -0.7, float("nan"), float("inf")])
def test_rate_must_be_positive(rate):
    with pytest.raises(ValueError, match="doit être fini et strictement positif"):
        Perceptron(rate=rate)


def test_at_least_one_iteration():
    with pytest.raises(ValueError, match="iterations doit valoir au moins 1, reçu iterations=0"):
        Perceptron().fit(INPUTS, TARGETS["AND"], iterations=0)


def test_predicting_before_learning_says_what_to_do():
    with pytest.raises(RuntimeError, match="appelez d'abord fit"):
        Perceptron().predict(INPUTS)


@pytest.mark.parametrize("inputs", [[[0, 1, 1]], [[-1, 0, 1], [-1, 1, 1]], [[1]], [0, 1], 1.0])
def test_predicting_inputs_of_another_width_is_explained(inputs):
    neuron = Perceptron().fit(INPUTS, TARGETS["AND"], iterations=1)
    for call in (neuron.predict, neuron.predict_proba):
        with pytest.raises(ValueError, match=r"inputs : entrées \[N, 2\] attendues, .* reçu \["):
            call(inputs)


def test_predicting_nothing_gives_nothing():
    neuron = Perceptron().fit(INPUTS, TARGETS["AND"], iterations=1)
    assert neuron.predict(np.zeros((0, 2))).shape == (0,)


def test_settings_of_another_type_are_refused():
    with pytest.raises(TypeError, match="rate attend un nombre, reçu '0.7' : écrivez rate=0.7"):
        Perceptron(rate="0.7")
    for iterations, example in (("3", 3), (2.5, 3), (True, 1)):
        said = f"reçu {iterations!r} : écrivez iterations={example}"
        with pytest.raises(TypeError, match=f"iterations attend un nombre entier, {said}"):
            Perceptron().fit(INPUTS, TARGETS["AND"], iterations)


def test_settings_of_numpy_learn_the_same():
    plain = Perceptron(rate=0.5).fit(INPUTS, TARGETS["OR"], 20)
    other = Perceptron(rate=np.float64(0.5)).fit(INPUTS, TARGETS["OR"], np.int64(20))
    np.testing.assert_array_equal(other.history.weights, plain.history.weights)


def test_examples_that_are_not_numbers_are_refused():
    with pytest.raises(ValueError, match=r"inputs : un tableau de nombres attendu, reçu \[\['a'"):
        Perceptron().fit([["a", "b"]], [1])
    with pytest.raises(ValueError, match=r"targets : un tableau de nombres attendu, reçu \['oui'"):
        Perceptron().fit([[0, 1]], ["oui"])
