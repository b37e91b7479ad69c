"""Les points : chacun à sa place, de la couleur de sa classe."""

import itertools

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from labkit import plots
from tests.plots.pictures import either

Z, LABELS = np.random.default_rng(0).normal(size=(12, 2)), np.arange(12) % 2


@either
def test_latent_scatter_in_the_plane(cast):
    draws = np.random.default_rng(0)
    z, labels = draws.normal(size=(90, 2)).astype(np.float32), np.arange(90) % 3
    figure = plots.latent_scatter(cast(z), cast(labels), classes=("a", "b", "c"))
    ax = figure.axes_grid[0, 0]
    assert len(ax.collections) == 3
    for label, cloud in enumerate(ax.collections):
        np.testing.assert_allclose(cloud.get_offsets(), z[labels == label])
        np.testing.assert_allclose(cloud.get_facecolor()[0, :3], to_rgb(plots.PALETTE[label]))
    assert [text.get_text() for text in ax.texts] == ["a", "b", "c"]
    np.testing.assert_allclose(ax.texts[1].get_position(), np.median(z[labels == 1], axis=0))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("z1", "z2")
    assert figure.alt == "Nuage de 90 codes latents de 3 classes."


def test_latent_scatter_beyond_the_plane_keeps_clusters_apart():
    draws = np.random.default_rng(0)
    labels = np.arange(60) % 3
    z = draws.normal(size=(60, 5)) + 30 * np.eye(5)[labels]
    figure = plots.latent_scatter(z, labels)
    ax = figure.axes_grid[0, 0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("t-SNE 1", "t-SNE 2")
    assert "projetés par t-SNE depuis 5 dimensions" in figure.alt
    centres = [cloud.get_offsets().mean(0) for cloud in ax.collections]
    spread = max(cloud.get_offsets().std() for cloud in ax.collections)
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(centres, 2)) > spread


def test_latent_scatter_on_a_line():
    figure = plots.latent_scatter(np.arange(6.0)[:, None], np.arange(6) % 2)
    offsets = np.asarray(figure.axes_grid[0, 0].collections[0].get_offsets())
    np.testing.assert_array_equal(offsets, [[0, 0], [2, 0], [4, 0]])


def test_latent_manifold_puts_each_code_where_it_is():
    seen = []

    def decode(z):
        seen.append(z)
        assert not torch.is_grad_enabled()
        level = (z[:, :1] + 10 * z[:, 1:]) / 40  # croît avec z1, dix fois plus avec z2
        return level.repeat(1, 16)

    figure = plots.latent_manifold(decode, (0.0, 2.0), (0.0, 3.0), size=4)
    (z,) = seen
    assert z.shape == (16, 2)
    ax = figure.axes_grid[0, 0]
    (image,) = ax.images
    canvas = np.asarray(image.get_array())
    assert canvas.shape == (16, 16)
    left, right, bottom, top = image.get_extent()
    for row, column in itertools.product(range(4), repeat=2):
        # Le centre de la vignette, en coordonnées du repère.
        x = left + (right - left) * (column + 0.5) / 4
        y = top - (top - bottom) * (row + 0.5) / 4
        tile = canvas[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        np.testing.assert_allclose(tile, (x + 10 * y) / 40, atol=1e-6)
    assert image.origin == "upper"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("z1", "z2")
    assert figure.alt == "4 × 4 images décodées sur une grille du plan latent."


@either
def test_decision_boundary_is_where_the_output_is_one_half(cast):
    inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float64)

    def predict(points):
        assert isinstance(points, np.ndarray)
        return cast(1 / (1 + np.exp(-8 * (points[:, 0] + points[:, 1] - 1.5))))

    figure = plots.decision_boundary(predict, cast(inputs), cast(np.array([0, 0, 0, 1])))
    ax = figure.axes_grid[0, 0]
    paths = [
        path.vertices
        for collection in ax.collections
        if type(collection).__name__ == "QuadContourSet"
        for path in collection.get_paths()
    ]
    vertices = np.concatenate(paths)
    assert len(vertices) > 50
    np.testing.assert_allclose(vertices.sum(axis=1), 1.5, atol=1e-2)
    zeros, ones = ax.collections[-2:]
    np.testing.assert_array_equal(zeros.get_offsets(), inputs[:3])
    np.testing.assert_array_equal(ones.get_offsets(), inputs[3:])
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["cible 0", "cible 1"]
    assert figure.alt.endswith("exemples bien classés : 4 sur 4.")


def test_decision_boundary_counts_mistakes():
    inputs = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    figure = plots.decision_boundary(lambda p: np.full(len(p), 0.2), inputs, [0, 1, 1, 0])
    assert figure.alt.endswith("exemples bien classés : 2 sur 4.")


EQUAL = [
    np.zeros((50, 5), np.float32),
    np.ones((50, 5)),
    1 + 1e-8 * np.random.default_rng(0).normal(size=(50, 5)),  # égaux en float32
    1e-25 * np.random.default_rng(0).normal(size=(50, 5)),  # leurs carrés sont nuls en float32
    torch.full((2, 3), 0.1),
]


@pytest.mark.parametrize("z", EQUAL)
def test_equal_codes_are_refused_rather_than_projected(z):
    """Un VAE effondré : la projection arrêterait le processus."""
    with pytest.raises(ValueError, match=f"les {len(z)} codes sont égaux.*effondré"):
        plots.latent_scatter(z, [0] * len(z))


def test_equal_codes_of_the_plane_are_drawn():
    figure = plots.latent_scatter(np.ones((50, 2)), [0] * 50)
    assert (figure.axes[0].collections[0].get_offsets() == 1).all()


@pytest.mark.parametrize("z", [
    1e-6 * np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32),
    np.repeat(np.eye(5)[:2], 10, axis=0),
    np.eye(20)[:, :5],
], ids=["minuscules", "deux points", "presque tous égaux"])  # fmt: skip
def test_codes_that_differ_are_projected(z):
    figure = plots.latent_scatter(z, [0] * len(z))
    assert np.isfinite(np.asarray(figure.axes[0].collections[0].get_offsets())).all()


@pytest.mark.parametrize(("draw", "message"), [
    (lambda: plots.latent_scatter(np.zeros((4, 2)), np.zeros(3)), r"\[4, 2\] et \[3\]"),
    (lambda: plots.latent_scatter(np.zeros(4), np.zeros(4)), r"\[4\] et \[4\]"),
    (lambda: plots.latent_scatter(Z, LABELS, classes=["a"]), "classe 1 sans nom.*que 1"),
    (lambda: plots.latent_scatter(Z, -LABELS, classes=["a", "b"]), "classe -1 sans nom"),
    (lambda: plots.latent_scatter(Z * np.nan, LABELS), "infinis ou NaN"),
    (lambda: plots.latent_scatter(np.zeros((1, 3)), [0]), "t-SNE en demande au moins deux"),
    (lambda: plots.latent_scatter(1e20 * np.eye(4), [0] * 4), "atteignent 10²⁰"),
    (lambda: plots.latent_manifold(lambda z: z, (0, 1), (0, 1), size=1), "au moins 2, reçu size=1"),
    (
        lambda: plots.latent_manifold(lambda z: -torch.ones(len(z), 4), (0, 1), (0, 1)),
        r"`decode\(z\)` : pixels attendus",
    ),
])  # fmt: skip
def test_mistakes_are_explained(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


@pytest.mark.parametrize(("draw", "message"), [
    (lambda: plots.latent_scatter(Z, ["a"] * len(Z)), "`labels` : des classes .* par classes="),
    (lambda: plots.latent_scatter(Z, ["1"] * len(Z)), "`labels` : des classes entières"),
    (lambda: plots.latent_scatter(Z, [0.5] * len(Z)), "`labels` : des classes entières"),
    (lambda: plots.latent_scatter(Z, [np.nan] * len(Z)), "`labels` : des classes entières"),
    (lambda: plots.latent_scatter([["a", "b"]], [0]), "`z` : un tableau de nombres .* reçu"),
    (lambda: plots.latent_manifold(lambda z: z, (0, 1), (0, 1), size=2.5), "size attend .* 2.5"),
    (lambda: plots.decision_boundary(len, [[0, 1], [2]], [0, 1]), "`inputs` : un tableau de"),
    (lambda: plots.decision_boundary(len, [[0, 1]], ["oui"]), "`targets` : un tableau de nombres"),
])  # fmt: skip
def test_what_is_not_a_number_is_refused(draw, message):
    with pytest.raises(TypeError, match=message):
        draw()


@pytest.mark.parametrize(("inputs", "targets", "predict", "message"), [
    (np.eye(3), [0, 1, 1], len, r"\[N, 2\] .* reçu \[3, 3\] et \[3\] ; .*inputs\[:, :2\]"),
    (np.eye(2), [0, 1, 1], len, r"reçu \[2, 2\] et \[3\]"),
    (np.zeros((0, 2)), [], len, r"reçu \[0, 2\]"),
    (np.eye(2), [0, 1], lambda x: x, r"une sortie par point .*, reçu \[22500, 2\] pour 22500"),
])  # fmt: skip
def test_a_boundary_is_drawn_in_the_plane(inputs, targets, predict, message):
    with pytest.raises(ValueError, match=message):
        plots.decision_boundary(predict, inputs, targets)


def test_whole_labels_of_any_type_are_drawn_alike():
    wanted = plots.latent_scatter(Z, LABELS).alt
    for labels in (torch.as_tensor(LABELS), *(np.asarray(LABELS, t) for t in (float, np.uint8))):
        assert plots.latent_scatter(Z, labels).alt == wanted


def test_the_bounds_of_a_manifold_are_two_numbers():
    with pytest.raises(TypeError, match="`x_range` : un tableau de nombres est attendu"):
        plots.latent_manifold(lambda z: z, ("a", "b"), (0, 1))
    with pytest.raises(ValueError, match=r"`y_range` : deux bornes .*\(-3, 3\), reçu 3"):
        plots.latent_manifold(lambda z: z, (0, 1), 3)
