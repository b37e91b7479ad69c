"""Le style : le même pour toutes les figures, quels que soient les réglages du lecteur."""

import base64
import io
import itertools
import re

import matplotlib.image
import matplotlib.style
import matplotlib.text
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from labkit import plots
from labkit.plots.style import CAPTION_MARK
from tests.plots.pictures import gray_levels

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
    facts = {"alt": figure.alt, "caption": "Titre", "width": width}
    assert metadata == {"image/svg+xml": facts}
    assert contents["text/plain"] == figure.alt
    svg = contents["image/svg+xml"]
    assert svg.startswith("<svg ")
    # Fond blanc opaque : lisible sur une page sombre.
    assert 'style="fill: #ffffff"' in svg
    again, _ = draw(title="Titre")._repr_mimebundle_()
    assert again["image/svg+xml"] == svg  # deux fois la même figure, le même fichier


def test_the_caption_says_what_to_conclude():
    figure = plots.loss_curves({"a": [1.0, 2.0]}, title="Titre")
    assert figure.caption("La perte monte.") is figure
    facts = figure._repr_mimebundle_()[1]["image/svg+xml"]
    assert facts["caption"] == "La perte monte."
    bare = plots.new_figure(1, 2).describe("Deux repères vides.")
    facts = bare._repr_mimebundle_()[1]["image/svg+xml"]
    assert facts["caption"] == "Deux repères vides."


def test_images_keep_their_pixels_in_the_file():
    svg = plots.image_grid(gray_levels(3))._repr_mimebundle_()[0]["image/svg+xml"]
    encoded = re.search(r"base64,([A-Za-z0-9+/=\s]+)", svg)[1]
    pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(encoded)))
    assert pixels.shape[:2] == (14, 44)  # ceux que l'on a donnés, non ceux de l'écran
    assert (pixels[:, 14, 3] == 0).all()  # rien entre deux images


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


# --- les réglages du lecteur ----------------------------------------------------------------------

HOSTILE = {
    "text.usetex": True,  # demande LaTeX
    "font.size": 25,
    "lines.color": "white",
    "axes.formatter.use_locale": True,
    "axes.titlecolor": "white",
    "image.cmap": "jet",
    "image.interpolation": "bicubic",
    "xaxis.labellocation": "right",
    "figure.dpi": 20,
    "savefig.dpi": 20,
    "savefig.transparent": True,
    "savefig.bbox": "tight",
}


def lab_figure(**_):
    """Tout ce qu'un lab ajoute lui-même à une figure."""
    figure = plots.new_figure(1, 2, size=(8, 3))
    left, right = figure.axes_grid[0]
    left.plot([1, 2, 5], [3, 2, 1], label="courbe")
    left.axhline(2.5)
    left.set(xscale="log", xlabel="abscisse", title="Titre")
    left.set_xticks([1, 2, 5], ["1", "2", "5"])
    left.legend()
    right.bar([1, 2], [3, 4])
    right.annotate("étiquette", (1, 2))
    right.text(1, 1, "texte")
    twin = right.twinx()
    twin.plot([1, 2], [0.5, 0.7])
    twin.set_ylabel("autre échelle")
    image = left.imshow([[1, 2], [3, 4]], extent=(2, 3, 1, 2), aspect="auto")
    figure.colorbar(image, ax=left)
    figure.suptitle("Grand titre")
    return figure


def pixels(figure, **options) -> np.ndarray:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", **options)
    return matplotlib.image.imread(io.BytesIO(buffer.getvalue()))


@pytest.mark.parametrize("draw", [*ALL.values(), lab_figure], ids=[*ALL, "lab"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_settings_of_the_reader_change_no_pixel(draw, when):
    expected = pixels(draw(title="Titre"))
    if when == "after":
        figure = draw(title="Titre")
    with matplotlib.style.context(["dark_background", HOSTILE]):
        if when == "before":
            figure = draw(title="Titre")
        found = pixels(figure)
    np.testing.assert_array_equal(found, expected)


def test_text_is_dark_on_white_in_a_dark_theme():
    with matplotlib.style.context("dark_background"):
        figure = lab_figure()
        figure.draw_without_rendering()
    written = [text for text in figure.findobj(matplotlib.text.Text) if text.get_text()]
    assert len(written) > 15
    assert all(sum(to_rgb(text.get_color())) < 1.5 for text in written)


def test_foreign_axes_keep_the_style_of_their_owner():
    with matplotlib.style.context("dark_background"):
        ax = matplotlib.figure.Figure().subplots()
        plots.loss_curves({"a": [1.0, 2.0], "b": [2.0, 1.0]}, ax=ax)
        legend = ax.get_legend().get_texts()
    assert {to_rgb(text.get_color()) for text in legend} == {(1, 1, 1)}


def test_a_second_scale_has_its_axis_and_no_second_grid():
    twin = plots.new_figure().axes_grid[0, 0].twinx()
    assert twin.spines["right"].get_visible()
    assert not any(line.get_visible() for line in twin.get_ygridlines())


@pytest.fixture
def shell():
    from IPython.core.interactiveshell import InteractiveShell

    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


@pytest.mark.parametrize("formats", [{"png"}, {"retina"}, {"svg"}, set()])
def test_figure_formats_of_ipython_keep_text_and_width(shell, formats):
    from IPython.core.pylabtools import select_figure_formats
    from IPython.display import display
    from IPython.utils.capture import capture_output

    select_figure_formats(shell, formats)
    figure = plots.new_figure(size=(5, 3)).describe("Une figure vide.")
    with capture_output() as captured:
        display(figure)
    (output,) = captured.outputs
    assert output.data["text/plain"] == "Une figure vide."
    facts = {"alt": "Une figure vide.", "caption": "Une figure vide.", "width": 480}
    assert output.metadata == {"image/svg+xml": facts}
    assert 'viewBox="0 0 360 216"' in output.data["image/svg+xml"]
    assert shell.display_formatter.format(figure) == ({}, {})  # rien n'est montré deux fois


def test_a_notebook_shows_the_caption_below_the_figure(shell):
    from IPython.display import display
    from IPython.utils.capture import capture_output

    with capture_output() as captured:
        display(plots.new_figure().caption("Rien à voir."))
    _, caption = captured.outputs
    assert caption.data["text/markdown"] == "*Rien à voir.*"
    assert caption.metadata == {CAPTION_MARK: True}


@pytest.mark.parametrize(("count", "rasterized"), [(300, False), (301, True)])
def test_a_large_cloud_is_drawn_in_pixels(count, rasterized):
    ax = plots.new_figure().axes_grid[0, 0]
    for x in (np.zeros(count), torch.zeros(count), [0] * count):
        assert ax.scatter(x, x).get_rasterized() is rasterized
    assert ax.scatter(x, x, rasterized=False).get_rasterized() is False
