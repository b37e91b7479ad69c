import base64
import re
from io import BytesIO

import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from labkit import plots
from tools import figures


def svg_of(figure):
    return figure._repr_mimebundle_()[0]["image/svg+xml"]


def curve():
    return plots.loss_curves({"a": [1.0, 2.0]}, title="Perte")


@pytest.fixture
def framed(tmp_path):
    """Une page de deux figures, l'une légendée, telle que Sphinx l'écrit, puis achevée."""
    (tmp_path / "labs").mkdir()
    (tmp_path / "_images").mkdir()
    (tmp_path / "_images" / "a.svg").write_text(svg_of(curve()), encoding="utf-8")
    page = BeautifulSoup(
        '<article><div class="cell_output"><a class="image-reference" href="../_images/a.svg">'
        '<img alt="Une courbe." data-caption="Elle monte." src="../_images/a.svg"></a></div>'
        '<div class="cell_output"><img alt="La même." src="../_images/a.svg"></div></article>',
        "html.parser",
    )
    figures.frame(page, tmp_path / "labs")
    return page, (tmp_path / "_images" / "a.svg").read_text(encoding="utf-8")


def test_a_figure_is_lighter_and_keeps_its_shapes():
    before = svg_of(curve())
    after = figures.lighten(before)
    assert len(after) < 0.9 * len(before)
    assert after.count("<path") == before.count("<path")
    assert "\n" not in after
    assert re.search(r"\d\.\d{5}", after) is None


def test_an_embedded_picture_keeps_its_pixels():
    images = (np.arange(4 * 14 * 14).reshape(4, 14, 14) % 200 / 255).astype(np.float32)
    pixels = []
    for svg in (
        svg_of(plots.image_grid(images)),
        figures.lighten(svg_of(plots.image_grid(images))),
    ):
        encoded = re.search(r"base64,([A-Za-z0-9+/=\s]+)", svg)[1]
        with Image.open(BytesIO(base64.b64decode(encoded))) as picture:
            pixels.append(np.asarray(picture.convert("RGBA")).astype(int))
    opaque = pixels[0][..., 3] > 0
    assert (pixels[0][..., 3] == pixels[1][..., 3]).all()
    assert np.abs(pixels[0][opaque] - pixels[1][opaque]).max() <= 8


def test_night_colors_are_one_address_away():
    night = figures.add_night(figures.lighten(svg_of(curve())))
    assert night.startswith('<svg id="sombre" ')
    assert ':root:target [style*="fill:#ffffff"]{fill:transparent!important}' in night
    assert 'style="fill:#ffffff"' in night  # de jour, rien ne change


def test_each_figure_is_numbered_and_captioned(framed):
    page, _ = framed
    found = page.select("figure.lab-figure")
    assert [figure["id"] for figure in found] == ["figure-1", "figure-2"]
    texts = [figure.figcaption.get_text() for figure in found]
    assert texts == ["Figure 1. Elle monte.", "Figure 2."]
    assert all(len(figure.select(".figure-scroll img")) == 2 for figure in found)
    day, night = found[0].select("img")
    assert (day["class"], night["class"]) == (["only-light"], ["only-dark"])
    assert night["src"] == f"{day['src']}#sombre"
    assert day["alt"] == night["alt"] == "Une courbe."
    assert found[0].a["title"] == "Agrandir"


def test_a_figure_scrolls_by_keyboard_with_or_without_a_link(framed):
    linked, bare = framed[0].select(".figure-scroll")
    assert linked.a and not linked.has_attr("tabindex")  # le lien reçoit déjà le clavier
    assert not bare.a and (bare["tabindex"], bare["aria-label"]) == ("0", "Figure 2")


def test_a_figure_stays_wide_enough_for_its_text(framed):
    page, svg = framed
    style = page.img["style"]
    width, narrowest = (int(found) for found in re.findall(r"(\d+)px", style))
    assert width == 480
    assert narrowest == pytest.approx(480 * 9 / figures.smallest_text(svg), abs=1)
    assert narrowest <= 328  # la colonne d'un téléphone de 360 pixels
