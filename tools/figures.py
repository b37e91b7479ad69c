"""Achève les figures du site : légères, numérotées, lisibles de jour, de nuit et sur un téléphone.

`labkit.plots` donne des figures vectorielles sur fond blanc. Ici, chacune est resserrée, reçoit des
couleurs de nuit, que montre l'adresse `figure.svg#sombre`, et une légende. Rien de cela ne demande
de script.
"""

from __future__ import annotations

import base64
import copy
import math
import re
from io import BytesIO
from pathlib import Path

from bs4 import BeautifulSoup, Tag
from PIL import Image

NIGHT = "sombre"
SMALLEST_TEXT = 9  # pixels, à l'écran
POINTS_TO_PIXELS = 96 / 72

VIEW_BOX = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
NUMBER = re.compile(r"-?\d+\.\d+")
SCALED_TEXT = re.compile(r"scale\((0\.\d+) -0\.\d+\)")  # un centième du corps, en points
EMBEDDED = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")
BLANKS = (
    (re.compile(r"<!--.*?-->|<metadata>.*?</metadata>", re.DOTALL), ""),
    (re.compile(r">\s+<"), "><"),
    (re.compile(r"\s+"), " "),
    (re.compile(r' (?=")|(?<=[";]) (?=[a-z-]+: )|(?<=:) '), ""),
)

# Ce que matplotlib écrit dans un attribut `style`, et ce qu'il en est la nuit. Le texte n'a pas de
# couleur dans le fichier : il est noir par défaut.
NIGHT_COLORS = {
    "fill": {"#ffffff": "transparent", "#000000": "#e8e8e8", "#dddddd": "#3a3a3a"},
    "stroke": {
        "#ffffff": "#121212",
        "#000000": "#e8e8e8",
        "#333333": "#d0d0d0",
        "#555555": "#b5b5b5",
        "#767676": "#909090",
        "#e3e3e3": "#3a3a3a",
    },
}
# Les couleurs du cours trop sombres pour un fond noir.
LIGHTENED = {"#bd1f01": "#f4603f", "#832db6": "#bd7ce8", "#a96b59": "#c98d7b", "#717581": "#9a9eab"}


def lighten(svg: str) -> str:
    """Un fichier SVG resserré : nombres arrondis, blancs ôtés, images en palette.

    Args:
        svg: ce que matplotlib a écrit.
    """
    svg = EMBEDDED.sub(lambda found: _lighter_png(found[1]), svg)
    pieces = re.split(r"(data:image/png;base64,[^\"]+)", svg)
    for rank in range(0, len(pieces), 2):
        pieces[rank] = NUMBER.sub(lambda found: _rounded(found[0]), pieces[rank])
        for pattern, replacement in BLANKS:
            pieces[rank] = pattern.sub(replacement, pieces[rank])
    return "".join(pieces).strip()


def _rounded(number: str) -> str:
    value = float(number)
    # Une échelle ou une opacité garde sa précision ; une position, le centième de point.
    text = f"{value:.4f}" if abs(value) < 1 else f"{value:.2f}"
    return text.rstrip("0").rstrip(".") or "0"


def _lighter_png(encoded: str) -> str:
    content = base64.b64decode(encoded)
    with Image.open(BytesIO(content)) as picture:
        buffer = BytesIO()
        _palette(picture).save(buffer, "PNG", optimize=True)
    smallest = min(content, buffer.getvalue(), key=len)
    return f"data:image/png;base64,{base64.b64encode(smallest).decode('ascii')}"


def _palette(picture: Image.Image) -> Image.Image:
    """L'image en 256 couleurs, exactes s'il n'y en a pas davantage."""
    if picture.mode == "RGBA" and picture.getextrema()[3] == (255, 255):
        picture = picture.convert("RGB")
    if picture.mode == "RGBA":
        return picture.quantize(256, method=Image.Quantize.FASTOCTREE)
    return picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def add_night(svg: str) -> str:
    """Le même fichier, avec les couleurs que montre l'adresse `#sombre`.

    Args:
        svg: ce que renvoie `lighten`.
    """
    rules = ["g[id^=text]{fill:#e8e8e8}"]
    for attribute, colors in NIGHT_COLORS.items():
        for day, night in (colors | LIGHTENED).items():
            rules.append(f'[style*="{attribute}:{day}"]{{{attribute}:{night}!important}}')
    style = "".join(f":root:target {rule}" for rule in rules)
    return svg.replace("<svg ", f'<svg id="{NIGHT}" ', 1).replace("</style>", f"{style}</style>", 1)


def smallest_text(svg: str) -> float:
    """Le corps du plus petit texte d'une figure, en pixels ; l'infini s'il n'y en a pas."""
    sizes = [100 * float(scale) * POINTS_TO_PIXELS for scale in SCALED_TEXT.findall(svg)]
    return min(sizes, default=float("inf"))


def frame(page: BeautifulSoup, folder: Path) -> None:
    """Met chaque figure d'un résultat dans un élément `figure`, numéroté et légendé.

    Args:
        page: la page, modifiée sur place ; ses images portent leur légende (`data-caption`).
        folder: dossier de la page, dont partent les adresses des images.
    """
    for number, image in enumerate(page.select("article .cell_output img"), 1):
        if image.parent.name == "p":  # une image du texte, que Sphinx met dans un paragraphe
            image.parent.unwrap()
        for repeated in image.find_next_siblings("p"):  # la légende d'une animation
            repeated.decompose()
        shown = _zoomed(image)
        figure = page.new_tag("figure", attrs={"class": "lab-figure", "id": f"figure-{number}"})
        shown.wrap(figure)
        scroll = page.new_tag("div", attrs={"class": "figure-scroll"})
        if shown is image:  # sans lien, rien n'y recevrait le clavier pour la faire défiler
            scroll.attrs |= {"tabindex": "0", "role": "group", "aria-label": f"Figure {number}"}
        shown.wrap(scroll)
        if image["src"].endswith(".svg"):
            _fit(image, folder / image["src"])
            _add_night_copy(image)
        figure.append(_caption(page, number, image.attrs.pop("data-caption", "")))


def _zoomed(image: Tag) -> Tag:
    """Le lien de Sphinx vers le fichier, qui l'agrandit, ou l'image seule."""
    link = image.parent
    if link.name != "a":
        return image
    link["title"] = "Agrandir"
    return link


def _fit(image: Tag, path: Path) -> None:
    """Resserre le fichier, et donne à l'image la largeur où son texte reste lisible."""
    svg = path.read_text(encoding="utf-8")
    if f'id="{NIGHT}"' not in svg:  # deux pages montrent parfois la même figure
        svg = add_night(lighten(svg))
        path.write_text(svg, encoding="utf-8")
    width, height = (float(size) for size in VIEW_BOX.search(svg).groups())
    width, height = round(width * POINTS_TO_PIXELS), round(height * POINTS_TO_PIXELS)
    text = smallest_text(svg)
    narrowest = min(width, math.ceil(width * SMALLEST_TEXT / text))
    image["style"] = f"width: {width}px; --narrowest: {narrowest}px"
    image["style"] += f"; aspect-ratio: {width} / {height}"
    image["loading"], image["decoding"], image["class"] = "lazy", "async", ["only-light"]
    if math.isfinite(text):
        image["data-text"] = f"{text / width:.5f}"  # corps du plus petit texte, par pixel de large


def _add_night_copy(image: Tag) -> None:
    night = copy.copy(image)
    night["src"], night["class"] = f"{image['src']}#{NIGHT}", ["only-dark"]
    del night["data-caption"]
    image.insert_after(night)


def _caption(page: BeautifulSoup, number: int, sentence: str) -> Tag:
    caption = page.new_tag("figcaption")
    label = page.new_tag("strong")
    label.string = f"Figure {number}."
    caption.append(label)
    caption.append(f" {sentence}" if sentence else "")
    return caption
