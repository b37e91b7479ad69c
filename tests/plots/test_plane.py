"""Les vues d'une partie du plan : chaque chose à sa place, de sa couleur."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from labkit import plots
from tests.plots.pictures import either

DRAWS = np.random.default_rng(0)
REAL, DRAWN = DRAWS.normal(size=(9, 2)), DRAWS.normal(size=(7, 2)) / 3


def ax_of(figure):
    return figure.axes_grid[0, 0]


@either
def test_points_and_arrows(cast):
    pushes = np.zeros((7, 2))
    pushes[2] = [0.0, 10.0]
    pushes[3] = [-5.0, 0.0]
    figure = plots.point_cloud(cast(REAL), cast(DRAWN), cast(pushes))
    arrows, real, drawn = ax_of(figure).collections
    np.testing.assert_allclose(real.get_offsets(), REAL)
    np.testing.assert_allclose(drawn.get_offsets(), DRAWN)
    np.testing.assert_allclose((arrows.U[3], arrows.V[2]), (-0.15, 0.3))
    assert len(real.get_facecolor()) == 0
    assert figure.alt == "9 vrais points et 7 points de G, dont 0 hors du carré."
    assert len(ax_of(plots.point_cloud(REAL, DRAWN)).collections) == 2


@either
def test_the_map_is_the_right_way_up(cast):
    values = np.arange(9) / 8
    values[4] = np.nan
    figure = plots.square_map(cast(values), points=cast(DRAWN))
    ax = ax_of(figure)
    (image,) = ax.images
    shown = np.ma.filled(image.get_array(), np.nan)
    np.testing.assert_allclose(shown[0], values[:3], atol=1e-6)  # en bas, comme l'axe
    assert image.origin == "lower" and list(image.get_extent()) == [-1, 1, -1, 1]
    np.testing.assert_allclose(image.cmap(1.0)[:3], to_rgb(plots.PALETTE[0]))
    np.testing.assert_allclose(image.cmap(0.0)[:3], to_rgb(plots.PALETTE[1]))
    assert figure.alt == "Carte de 3 × 3 cases, de 0,00 à 1,00."


def test_folded_cells_take_the_other_color():
    corners = torch.stack(torch.meshgrid(torch.arange(4.0), torch.arange(3.0), indexing="ij"), -1)
    corners = corners / 4
    corners[3, :, 0] = corners[1, :, 0]  # la dernière rangée revient en arrière
    figure = plots.grid_image(corners)
    (cells,) = ax_of(figure).collections
    colors = cells.get_facecolor()[:, :3]
    np.testing.assert_allclose(colors[:4], [to_rgb(plots.PALETTE[1])] * 4)
    np.testing.assert_allclose(colors[4:], [to_rgb(plots.PALETTE[0])] * 2)
    assert "33\u202f% est retourné" in figure.alt
    squeezed = corners.clone()
    squeezed[1:, :, 0] = squeezed[1:, :, 0] / 2
    opacity = ax_of(plots.grid_image(squeezed)).collections[0].get_facecolor()[:, 3]
    assert opacity[2] > opacity[0] * 0.99 and opacity[0] > cells.get_facecolor()[0, 3]


def test_a_line_of_noise_is_a_curve():
    corners = np.array([[0.0, 0.0], [0.5, 0.5], [1.0, 0.0]])
    figure = plots.grid_image(corners)
    np.testing.assert_allclose(ax_of(figure).lines[0].get_xydata(), corners)
    assert figure.alt == "Image d'un segment de bruit : une courbe de 3 nœuds."


def test_seeds_show_their_median_and_their_range():
    values = np.array([[0.6, 0.7, 0.8], [0.1, 0.2, 0.6]])
    figure = plots.seed_curves([0, 10], {"JS": values}, "nats", level=("log 2", 0.69))
    ax = ax_of(figure)
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[0, 0.7], [10, 0.2]])
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == 0.1 and band[:, 1].max() == 0.8
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["JS", "log 2"]
    assert figure.alt == "Médianes sur les graines : JS de 0,7 à 0,2."


@pytest.mark.parametrize(("draw", "message"), [
    (lambda: plots.point_cloud(REAL, DRAWN[:0]), r"`drawn` : des points \[N, 2\] .* \[0, 2\]"),
    (lambda: plots.point_cloud(REAL[:, :1], DRAWN), r"`real` .* reçu \[9, 1\]"),
    (lambda: plots.point_cloud(REAL, DRAWN, REAL), "9 flèches pour 7 points"),
    (lambda: plots.square_map(np.zeros(5)), "grille carrée est attendue, reçu 5"),
    (lambda: plots.grid_image(np.zeros((3, 3))), r"`corners` .* reçu \[3, 3\]"),
    (lambda: plots.seed_curves([0], {}, "y"), "au moins une courbe"),
    (lambda: plots.seed_curves([0, 1], {"a": [1, 2]}, "y"), r"mesures \[2, graines\]"),
])  # fmt: skip
def test_mistakes_are_explained(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
