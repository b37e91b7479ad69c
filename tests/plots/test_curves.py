"""Les courbes : les bonnes valeurs, sur la bonne échelle."""

import numpy as np
import pytest
import torch

from labkit import plots
from labkit.training import History


def axes_of(figure):
    return figure.axes


@pytest.mark.parametrize("cast", [list, np.asarray, torch.tensor])
def test_curves_are_the_values_from_one(cast):
    figure = plots.loss_curves(
        {"a": cast([3.0, 2.0, 1.5])}, xlabel="pas", ylabel="perte", title="T"
    )
    ax = figure.axes_grid[0, 0]
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [1, 2, 3])
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [3.0, 2.0, 1.5])
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("pas", "perte", "T")
    assert ax.get_legend() is None
    assert figure.alt == "T : courbes selon pas : a de 3 à 1,5."


def test_curves_may_start_elsewhere_than_at_one():
    figure = plots.loss_curves({"a": [3.0, 2.0, 1.5]}, first=0)
    np.testing.assert_array_equal(figure.axes_grid[0, 0].lines[0].get_xdata(), [0, 1, 2])


@pytest.mark.parametrize(("ratio", "scales"), [(9, 1), (11, 2), (1 / 9, 1), (1 / 11, 2)])
def test_two_scales_beyond_a_ratio_of_ten(ratio, scales):
    figure = plots.loss_curves({"a": [1.0, 1.0], "b": [ratio, ratio]})
    assert len(axes_of(figure)) == scales
    left = figure.axes_grid[0, 0]
    assert [len(ax.lines) for ax in axes_of(figure)] == ([2] if scales == 1 else [1, 1])
    legend = [text.get_text() for text in left.get_legend().get_texts()]
    assert legend == ["a", "b"]
    if scales == 2:
        right = next(ax for ax in axes_of(figure) if ax is not left)
        assert (left.get_ylabel(), right.get_ylabel()) == ("a", "b")
        assert right.spines["right"].get_visible()


def test_log_scale_keeps_one_scale():
    figure = plots.loss_curves({"a": [1.0, 0.1], "b": [1000.0, 900.0]}, log=True)
    assert len(axes_of(figure)) == 1
    assert figure.axes_grid[0, 0].get_yscale() == "log"


def test_history_can_be_plotted_directly():
    history = History({"loss": [2.0, 1.0], "val_loss": [2.5]}, [0.1, 0.1])
    assert len(plots.loss_curves(history).axes_grid[0, 0].lines) == 2


def test_curves_differ_by_more_than_their_colour():
    figure = plots.loss_curves({name: [1.0, 2.0, 3.0] for name in "abcd"})
    lines = figure.axes_grid[0, 0].lines
    assert len({line.get_linestyle() for line in lines}) == 4
    assert len({line.get_color() for line in lines}) == 4


def test_single_point_is_visible():
    (line,) = plots.loss_curves({"a": [1.0]}).axes_grid[0, 0].lines
    assert line.get_marker() == "o"


def test_ticks_have_a_decimal_comma():
    figure = plots.loss_curves({"a": [0.1, 0.2, 0.35]})
    figure.canvas.draw()
    labels = [t.get_text() for t in figure.axes_grid[0, 0].get_yticklabels()]
    assert any("," in label for label in labels)
    assert not any("." in label for label in labels)


@pytest.mark.parametrize("curves", [{}, {"a": [1.0], "b": []}, History()])
def test_nothing_to_draw_is_explained(curves):
    with pytest.raises(ValueError, match="aucune valeur à tracer : l'entraînement a-t-il fini"):
        plots.loss_curves(curves)


def test_description_writes_numbers_in_french():
    figure = plots.loss_curves({"a": [12345.0, -0.5]})
    assert figure.alt == "Courbes selon époque : a de 12 300 à −0,5."


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ([1, 2, 3], r"reçu \[1, 2, 3\] : écrivez loss_curves\(.\"perte\": valeurs"),
        (0.5, "un dictionnaire légende -> valeurs est attendu, reçu 0.5"),
        ({"a": ["x", "y"]}, r"`curves\[\"a\"\]` : un tableau de nombres est attendu"),
        ({"a": [{}, 1]}, r"un tableau de nombres est attendu, reçu \[\{\}, 1\]"),
    ],
)
def test_what_is_not_curves_is_refused(curves, message):
    with pytest.raises(TypeError, match=message):
        plots.loss_curves(curves)


@pytest.mark.parametrize("values", [0.5, None, [[1.0, 2.0]]])
def test_a_curve_is_a_list_of_values(values):
    with pytest.raises(ValueError, match=r"une liste de valeurs \[n\] est attendue, reçu \["):
        plots.loss_curves({"a": values})
