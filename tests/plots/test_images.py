"""Les images : les bons pixels, chacun à sa place, et un texte de remplacement juste."""

import io

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from labkit import plots
from tests.plots.pictures import either, gray_levels, shown


@either
def test_image_grid_pixels(cast):
    images = np.random.default_rng(0).random((7, 1, 28, 28), dtype=np.float32)
    canvas = shown(plots.image_grid(cast(images), columns=3))
    gap = 2  # un quatorzième de la largeur
    assert canvas.shape == (3 * 28 + 2 * gap, 3 * 28 + 2 * gap)
    empty = np.ones_like(canvas, dtype=bool)
    for index in range(7):
        y, x = (index // 3) * (28 + gap), (index % 3) * (28 + gap)
        np.testing.assert_array_equal(canvas[y : y + 28, x : x + 28], images[index, 0])
        empty[y : y + 28, x : x + 28] = False
    assert np.isnan(canvas[empty]).all()


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
    assert grid.shape == (29, 29, 4)
    np.testing.assert_array_equal(grid[15:, 15:, :3], np.moveaxis(images[3], 0, -1))
    assert (grid[15:, 15:, 3] == 1).all()
    assert (grid[14, :, 3] == 0).all()
    pairs = shown(plots.reconstructions(images, images / 2))
    np.testing.assert_array_equal(pairs[15:, :14, :3], np.moveaxis(images[0] / 2, 0, -1))


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
@pytest.mark.parametrize("more", [1, 7])
@pytest.mark.parametrize("end", ["", " : entraînement"])
def test_image_table_keeps_its_longest_label_inside_the_figure(label, count, more, end):
    rows = {label + end: gray_levels(count)} | {str(k): gray_levels(count) for k in range(more)}
    figure = plots.image_table(rows, columns=range(count), title="Plusieurs lignes")
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


def test_animation_of_colour_images():
    states = [np.full((2, 3, 14, 14), level) for level in (0.2, 0.8)]
    film = Image.open(io.BytesIO(plots.animation(states).gif))
    assert film.convert("RGB").getpixel((7, 7)) == (51, 51, 51)


@pytest.mark.parametrize(("draw", "message"), [
    (lambda: plots.image_grid(gray_levels(3), titles=["a"]), "1 légendes pour 3 images"),
    (lambda: plots.image_grid(gray_levels(3), columns=0), "au moins 1, reçu columns=0"),
    (
        lambda: plots.image_grid(np.zeros((60_000, 4))),
        "2 000 images au plus dans une grille, reçu 60 000",
    ),
    (lambda: plots.image_table({}), "lignes de même longueur"),
    (lambda: plots.image_table({"a": gray_levels(3), "b": gray_levels(2)}), "même longueur"),
    (lambda: plots.image_table({"a": gray_levels(3)}, columns=[1]), "et 1 légendes"),
    (
        lambda: plots.image_table({"a": gray_levels(3), "b": gray_levels(3, side=7)}),
        r"\[3, 14, 14\], \[3, 7, 7\]",
    ),
    (lambda: plots.image_table({"a": gray_levels(3) - 1}), r'`rows\["a"\]` : pixels'),
    (lambda: plots.animation([]), "une animation demande au moins un état"),
    (lambda: plots.animation([gray_levels(3)], columns=0), "columns doit valoir au moins 1"),
    (lambda: plots.animation([gray_levels(3), -gray_levels(3)]), r"`frames\[1\]` : pixels"),
    (lambda: plots.reconstructions(gray_levels(3), gray_levels(2)), "3 originaux pour 2"),
    (lambda: plots.reconstructions(gray_levels(3), -gray_levels(3)), "`reconstructed` : pixels"),
    (
        lambda: plots.reconstructions(gray_levels(3), gray_levels(3, side=7)),
        r"\[14, 14\] et reconstructions \[7, 7\]",
    ),
    (lambda: plots.interpolation_strip(torch.zeros(0, 784)), "aucune image"),
])  # fmt: skip
def test_mistakes_are_explained(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


@pytest.mark.parametrize(("draw", "message"), [
    (lambda: plots.image_grid(gray_levels(3), columns=2.5), "columns attend .* reçu 2.5"),
    (lambda: plots.image_grid(gray_levels(3), columns="3"), "écrivez columns=3"),
    (lambda: plots.animation([gray_levels(3)], columns=2.5), "columns attend un nombre entier"),
    (lambda: plots.animation([gray_levels(3)], milliseconds="80"), "écrivez milliseconds=80"),
])  # fmt: skip
def test_numbers_of_another_type_are_refused(draw, message):
    with pytest.raises(TypeError, match=message):
        draw()


def test_columns_of_numpy_are_a_number():
    figure = plots.image_grid(gray_levels(4), columns=np.int64(2))
    assert figure.alt == "Grille de 4 images en 2 lignes."
