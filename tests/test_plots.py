"""Les figures : les bons pixels, les bonnes courbes, un texte de remplacement juste."""

import base64
import io
import itertools
import re

import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from PIL import Image

from labkit import plots
from labkit.training import History

AS_TENSOR, AS_ARRAY = torch.as_tensor, np.asarray
either = pytest.mark.parametrize("cast", [AS_TENSOR, AS_ARRAY], ids=["tenseur", "tableau"])


@pytest.fixture(autouse=True)
def nothing_registered_with_pyplot():
    before = dict(plt.rcParams)
    yield
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == before


def shown(figure) -> np.ndarray:
    (image,) = figure.axes_grid[0, 0].images
    return np.asarray(image.get_array())


def gray_levels(count: int, side: int = 14) -> np.ndarray:
    """Images unies : celle de rang i vaut (i + 1) / (count + 1)."""
    levels = (np.arange(count) + 1) / (count + 1)
    return np.tile(levels[:, None, None, None], (1, 1, side, side)).astype(np.float32)


# --- grilles d'images -----------------------------------------------------------------------------


@either
def test_image_grid_pixels(cast):
    images = np.random.default_rng(0).random((7, 1, 28, 28), dtype=np.float32)
    canvas = shown(plots.image_grid(cast(images), columns=3))
    gap = 2  # un quatorzième de la largeur
    assert canvas.shape == (3 * 28 + 2 * gap, 3 * 28 + 2 * gap)
    white = np.ones_like(canvas, dtype=bool)
    for index in range(7):
        y, x = (index // 3) * (28 + gap), (index % 3) * (28 + gap)
        np.testing.assert_array_equal(canvas[y : y + 28, x : x + 28], images[index, 0])
        white[y : y + 28, x : x + 28] = False
    assert (canvas[white] == 1).all()


@pytest.mark.parametrize("reshape", [
    lambda x: x, lambda x: x[:, 0], lambda x: x.reshape(4, -1),
    lambda x: np.round(x * 255).astype(np.uint8), lambda x: torch.tensor(np.round(x * 255)).byte(),
])  # fmt: skip
def test_every_shape_and_type_of_images_gives_the_same_picture(reshape):
    images = (np.arange(4 * 14 * 14).reshape(4, 1, 14, 14) % 256 / 255).astype(np.float32)
    expected = shown(plots.image_grid(images))
    np.testing.assert_allclose(shown(plots.image_grid(reshape(images))), expected, atol=1e-6)


def test_colour_images():
    images = np.random.default_rng(0).random((4, 3, 14, 14), dtype=np.float32)
    grid = shown(plots.image_grid(images, columns=2))
    assert grid.shape == (29, 29, 3)
    np.testing.assert_array_equal(grid[15:, 15:], np.moveaxis(images[3], 0, -1))
    pairs = shown(plots.reconstructions(images, images / 2))
    np.testing.assert_array_equal(pairs[15:, :14], np.moveaxis(images[0] / 2, 0, -1))


def test_tensor_that_requires_grad_or_is_bf16():
    images = torch.rand(3, 1, 14, 14, requires_grad=True)
    assert shown(plots.image_grid(images)).shape == (14, 44)
    assert shown(plots.image_grid(images.bfloat16())).shape == (14, 44)


def test_scale_is_absolute():
    """Une image grise reste grise : rien n'est étiré entre son minimum et son maximum."""
    (image,) = plots.image_grid(np.full((1, 1, 14, 14), 0.5)).axes_grid[0, 0].images
    assert image.get_clim() == (0, 1)


@either
def test_reconstructions_pixels(cast):
    images = gray_levels(8)
    canvas = shown(plots.reconstructions(cast(images[:4]), cast(images[4:])))
    assert canvas.shape == (29, 4 * 15 - 1)
    for column in range(4):
        assert (canvas[:14, 15 * column : 15 * column + 14] == images[column]).all()
        assert (canvas[15:, 15 * column : 15 * column + 14] == images[4 + column]).all()


@either
def test_interpolation_strip(cast):
    images = gray_levels(5)
    figure = plots.interpolation_strip(cast(images), title="Trajet")
    canvas = shown(figure)
    top = round(0.4 * 14)
    for column in range(5):
        assert (canvas[top:, 15 * column : 15 * column + 14] == images[column]).all()
    texts = [text.get_text() for text in figure.axes_grid[0, 0].texts]
    assert texts == ["0,00", "0,25", "0,50", "0,75", "1,00"]
    assert figure.alt.startswith("Trajet : interpolation en 5 images")


def test_image_table_puts_each_image_and_label_in_its_place():
    rows = {"haut": gray_levels(3), "bas": torch.tensor(gray_levels(3)).flip(0)}
    figure = plots.image_table(rows, columns=[0, 50, 100])
    ax, canvas = figure.axes_grid[0, 0], shown(figure)
    gap = 1  # un quatorzième de la largeur
    assert canvas.shape == (2 * 14 + gap, 3 * 14 + 2 * gap)
    assert canvas[7, 7] == pytest.approx(0.25) and canvas[22, 7] == pytest.approx(0.75)
    places = {text.get_text(): text.get_position() for text in ax.texts}
    assert places["haut"][0] < 0 and places["haut"][1] == 6.5  # milieu de la première ligne
    assert places["bas"][1] == 6.5 + 14 + gap
    assert [places[label][0] for label in ("0", "50", "100")] == [6.5, 21.5, 36.5]
    assert places["50"][1] < 0
    assert "2 lignes (haut, bas) sur 3 colonnes (0, 50, 100)" in figure.alt


@pytest.mark.parametrize(("label", "count"), [("devinée, image 1", 12), ("ce qui est donné", 5)])
def test_image_table_keeps_its_longest_label_inside_the_figure(label, count):
    rows = {label: gray_levels(count), "b": gray_levels(count), "c": gray_levels(count)}
    figure = plots.image_table(rows, columns=range(count), title="Trois lignes")
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    assert min(text.get_window_extent(renderer).x0 for text in figure.axes[0].texts) >= 2


def test_animation_shows_each_state_in_turn():
    states = [gray_levels(4) * level for level in (0.2, 0.6, 1.0)]
    shown_states = plots.animation(states, columns=2, milliseconds=50, title="Essai")
    film = Image.open(io.BytesIO(shown_states.gif))
    assert film.n_frames == 3
    for index, state in enumerate(states):
        film.seek(index)
        pixels = np.asarray(film.convert("L"))
        assert pixels[7, 7] == pytest.approx(255 * state[0].max(), abs=1)
        assert pixels[22, 22] == pytest.approx(255 * state[3].max(), abs=1)
        done = (pixels[-1] < 128).mean()  # le trait avance d'un tiers par état
        assert done == pytest.approx((index + 1) / 3, abs=0.04)
        assert film.info["duration"] == (2000 if index == 2 else 50)


def test_animation_is_described_and_needs_no_network():
    shown_states = plots.animation([gray_levels(4)], title='Un "titre"')
    page = shown_states._repr_html_()
    assert 'alt="Un &quot;titre&quot; : animation en 1 images' in page
    assert page.startswith('<img src="data:image/gif;base64,')


def test_image_titles_are_over_their_images():
    figure = plots.image_grid(gray_levels(4), columns=2, titles=[7, "b", "c", "d"])
    places = {text.get_text(): text.get_position() for text in figure.axes_grid[0, 0].texts}
    top = round(0.4 * 14)
    assert places["7"] == (6.5, pytest.approx(0.8 * top))
    assert places["d"] == (15 + 6.5, pytest.approx(14 + 1 + top + 0.8 * top))
    assert "légendées 7, b, c, d" in figure.alt


@pytest.mark.parametrize("columns", [2, 10])
def test_grid_alt_text_counts(columns):
    figure = plots.image_grid(gray_levels(7), columns=columns, title="Chiffres")
    assert figure.alt == f"Chiffres : grille de 7 images en {4 if columns == 2 else 1} lignes."


def test_reconstruction_alt_text_counts():
    figure = plots.reconstructions(gray_levels(6), gray_levels(6))
    assert figure.alt == "6 images d'origine (en haut) et leurs reconstructions (en bas)."


# --- courbes --------------------------------------------------------------------------------------


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


# --- plan latent ----------------------------------------------------------------------------------


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


# --- frontière de décision ------------------------------------------------------------------------


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


# --- ce que toutes partagent ----------------------------------------------------------------------

Z, LABELS = np.random.default_rng(0).normal(size=(12, 2)), np.arange(12) % 2


def zero_images(z):
    return torch.zeros(len(z), 16)


def half(points):
    return np.full(len(points), 0.5)


ALL = {
    "loss_curves": lambda **options: plots.loss_curves({"a": [1.0, 2.0]}, **options),
    "latent_scatter": lambda **options: plots.latent_scatter(Z, LABELS, **options),
    "latent_manifold": lambda **options: plots.latent_manifold(
        zero_images, (-1, 1), (-1, 1), size=3, **options
    ),
    "decision_boundary": lambda **options: plots.decision_boundary(half, Z, LABELS, **options),
    "image_grid": lambda **options: plots.image_grid(gray_levels(3), **options),
    "reconstructions": lambda **options: plots.reconstructions(
        gray_levels(3), gray_levels(3), **options
    ),
    "image_table": lambda **options: plots.image_table({"a": gray_levels(3)}, **options),
    "interpolation_strip": lambda **options: plots.interpolation_strip(gray_levels(3), **options),
}


@pytest.mark.parametrize("draw", ALL.values(), ids=ALL)
def test_every_figure_describes_itself_in_the_notebook(draw):
    figure = draw(title="Titre")
    assert isinstance(figure, plots.LabFigure)
    assert figure.alt.startswith("Titre : ")
    assert figure.describe("Une phrase de plus.") is figure
    assert figure.alt.endswith(" Une phrase de plus.")
    contents, metadata = figure._repr_mimebundle_()
    width = round(96 * figure.get_figwidth())
    assert metadata == {"image/png": {"alt": figure.alt, "width": width}}
    assert contents["text/plain"] == figure.alt
    pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(contents["image/png"])))
    # Une fois et demie la largeur affichée : net sur les écrans denses.
    assert pixels.shape[1] == pytest.approx(1.5 * width, abs=2)
    # Fond blanc opaque : lisible sur une page sombre.
    assert (pixels[[0, 0, -1, -1], [0, -1, 0, -1]] == 1).all()
    if pixels.shape[2] == 4:
        assert (pixels[..., 3] == 1).all()


@pytest.mark.parametrize("draw", ALL.values(), ids=ALL)
def test_figures_can_be_composed(draw):
    figure = plots.new_figure(1, 2, size=(8, 4))
    ax = figure.axes_grid[0, 1]
    assert draw(ax=ax, title="À droite") is figure
    assert ax.get_title() == "À droite"
    assert ax.has_data()
    assert not figure.axes_grid[0, 0].has_data()
    first = figure.alt
    draw(ax=figure.axes_grid[0, 0], title="À gauche")
    assert figure.alt.startswith(first)
    assert "À gauche : " in figure.alt


def test_new_figure_grid():
    figure = plots.new_figure(2, 3, size=(9, 5))
    assert figure.axes_grid.shape == (2, 3)
    assert tuple(figure.get_size_inches()) == (9, 5)
    assert plots.new_figure().axes_grid.shape == (1, 1)


@pytest.mark.parametrize(("draw", "message"), [
    (lambda: plots.image_grid(np.zeros((0, 1, 28, 28))), "aucune image"),
    (lambda: plots.interpolation_strip(torch.zeros(0, 784)), "aucune image"),
    (lambda: plots.image_grid(np.zeros((3, 15))), "15 pixels : ce n'est pas un carré"),
    (lambda: plots.image_grid(np.zeros(9)), r"reçu \[9\]"),
    (lambda: plots.image_grid(np.zeros((3, 2, 5, 5))), r"reçu \[3, 2, 5, 5\]"),
    (lambda: plots.image_grid(gray_levels(3), titles=["a"]), "1 légendes pour 3 images"),
    (lambda: plots.image_table({}), "lignes de même longueur"),
    (lambda: plots.image_table({"a": gray_levels(3), "b": gray_levels(2)}), "même longueur"),
    (lambda: plots.image_table({"a": gray_levels(3)}, columns=[1]), "et 1 légendes"),
    (
        lambda: plots.image_table({"a": gray_levels(3), "b": gray_levels(3, side=7)}),
        r"\[3, 14, 14\], \[3, 7, 7\]",
    ),
    (lambda: plots.animation([]), "au moins un état et une colonne, reçu 0 et 8"),
    (lambda: plots.animation([gray_levels(3)], columns=0), "reçu 1 et 0"),
    (lambda: plots.reconstructions(gray_levels(3), gray_levels(2)), "3 originaux pour 2"),
    (lambda: plots.loss_curves({}), "aucune valeur à tracer"),
    (lambda: plots.loss_curves({"a": [1.0], "b": []}), "aucune valeur à tracer"),
    (lambda: plots.loss_curves(History()), "l'entraînement a-t-il fini une époque"),
    (lambda: plots.latent_scatter(np.zeros((4, 2)), np.zeros(3)), r"\[4, 2\] et \[3\]"),
    (lambda: plots.latent_scatter(np.zeros(4), np.zeros(4)), r"\[4\] et \[4\]"),
    (lambda: plots.latent_scatter(Z, LABELS, classes=["a"]), "classe 1 sans nom.*que 1"),
    (lambda: plots.latent_scatter(Z, -LABELS, classes=["a", "b"]), "classe -1 sans nom"),
    (lambda: plots.latent_scatter(Z * np.nan, LABELS), "infinis ou NaN"),
    (lambda: plots.latent_scatter(np.zeros((1, 3)), [0]), "t-SNE en demande au moins deux"),
    (lambda: plots.latent_manifold(zero_images, (0, 1), (0, 1), size=1), "moins 2, reçu 1"),
    (lambda: plots.image_grid(gray_levels(3), columns=0), "au moins 1, reçu 0"),
    (
        lambda: plots.reconstructions(gray_levels(3), gray_levels(3, side=7)),
        r"\[14, 14\] et reconstructions \[7, 7\]",
    ),
])  # fmt: skip
def test_wrong_shapes_are_explained(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


# --- couleurs -------------------------------------------------------------------------------------

# Simulation des dichromates, sévérité 1, sur le RVB linéaire : G. Machado, M. Oliveira et
# L. Fernandes, « A physiologically-based model for simulation of color vision deficiency », 2009.
VISIONS = {
    "trichromate": np.eye(3),
    "protanopie": np.array([
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ]),
    "deutéranopie": np.array([
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]),
}  # fmt: skip
# Écart que l'œil distingue sans peine entre deux aplats, en CIELAB (un écart de 2 à 3 se devine).
DISTINCT = 10.0


def to_linear(colors: np.ndarray) -> np.ndarray:
    return np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)


def to_lab(linear: np.ndarray) -> np.ndarray:
    """RVB linéaire (sRGB, D65) -> CIELAB."""
    to_xyz = np.array([
        [0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ])  # fmt: skip
    ratios = linear @ to_xyz.T / to_xyz.sum(axis=1)
    f = np.where(ratios > (6 / 29) ** 3, np.cbrt(ratios), ratios / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack(
        [116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1
    )


def smallest_difference(colors: list[str], vision: np.ndarray) -> float:
    linear = to_linear(np.array([to_rgb(color) for color in colors]))
    lab = to_lab(np.clip(linear @ vision.T, 0, 1))
    return min(np.linalg.norm(a - b) for a, b in itertools.combinations(lab, 2))


def test_lab_conversion_against_published_values():
    found = to_lab(to_linear(np.array([to_rgb("white"), to_rgb("red"), to_rgb("blue")])))
    expected = [[100, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86]]
    np.testing.assert_allclose(found, expected, atol=0.05)


@pytest.mark.parametrize("vision", VISIONS.values(), ids=VISIONS)
def test_palette_is_distinct_for_colour_blind_readers(vision):
    assert len(set(plots.PALETTE)) == 10
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for color in plots.PALETTE)
    assert smallest_difference(plots.PALETTE, vision) > DISTINCT


def test_the_measure_of_difference_tells_a_bad_palette():
    """La palette par défaut de matplotlib, elle, confond des couleurs."""
    default = [f"C{index}" for index in range(10)]
    worst = min(smallest_difference(default, vision) for vision in VISIONS.values())
    ours = min(smallest_difference(plots.PALETTE, vision) for vision in VISIONS.values())
    assert worst < DISTINCT / 2 < ours
