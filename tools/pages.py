"""Achève les pages que Jupyter Book a construites : ce que Sphinx ne sait pas dire d'une page.

`finish` est appelé par `tools.site`. Une page reste lisible sans script : les scripts du site
n'ajoutent que des commandes aux éléments marqués ici.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from bs4 import BeautifulSoup, Tag
from PIL import Image, ImageSequence

from tools import figures, glosses

DESCRIPTION_LENGTH = 160
DEFAULT_DELAY = 100  # ms entre deux images d'un GIF qui n'en dit rien
# Ce que le thème apporte, et qu'aucune page ne charge.
UNUSED = ("locales", "vendor", "scripts/fontawesome.js", "scripts/*.map", "styles/*.map")
ICON_RULE = re.compile(r"(?<=[{}])\.fa-[^{}]*\{[^{}]*\}")
# Noms, ponctuation et blancs du code : le thème leur donne la couleur du texte qui les entoure.
PLAIN_CODE = re.compile(r'<span class="[npw]">([^<]*)</span>')
HEADINGS = ["h1", "h2", "h3", "h4"]
PREDICTION = "Prédiction."
QUESTION = re.compile(r"Question (\d+)")
# Entre les textes des figures d'une même cellule, et entre remplacement et légende : voir
# tools.site.
ALT_SEPARATOR, CAPTION_SEPARATOR = "\u241e", "\u241f"


def finish(html: Path, references: Path) -> None:
    """Achève sur place toutes les pages d'un site.

    Args:
        html: dossier du site construit.
        references: la bibliographie, au format BibTeX.
    """
    explained = glosses.read(html, references)
    for path in built_pages(html):
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for change in CHANGES:
            change(page)
        unroll_animations(page, path.parent)
        size_images(page, path.parent)
        figures.frame(page, path.parent)
        explained.mark(page, path.relative_to(html).as_posix())
        path.write_text(lightened(str(page)), encoding="utf-8")
    explained.write(html)


def lightened(text: str) -> str:
    """La page sans les balises du code qui n'en changent pas la couleur : le quart de son HTML.

    Args:
        text: le HTML de la page.
    """
    return PLAIN_CODE.sub(r"\1", text)


def prune(static: Path) -> None:
    """Ôte ce dont aucune page ne se sert : des fichiers, et dans les styles les icônes du thème.

    Args:
        static: dossier `_static` du site construit.
    """
    for pattern in UNUSED:
        for path in static.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in static.glob("styles/*.css"):
        path.write_text(ICON_RULE.sub("", path.read_text(encoding="utf-8")), encoding="utf-8")


def built_pages(html: Path) -> list[Path]:
    """Les pages que Sphinx a écrites, triées, sans celles que le site copie telles quelles."""
    pages = (path for path in html.rglob("*.html") if "_static" not in path.parts)
    return sorted(path for path in pages if 'http-equiv="Refresh"' not in path.read_text("utf-8"))


def describe(page: BeautifulSoup) -> None:
    """Donne à la page la description que montrent les aperçus de lien : son premier paragraphe."""
    paragraph = page.select_one("article p")
    if paragraph is None:
        return
    text = " ".join(paragraph.get_text().split())
    if len(text) > DESCRIPTION_LENGTH:
        text = text[: DESCRIPTION_LENGTH - 1].rsplit(" ", 1)[0] + "…"
    for name in ("name", "property"):
        for meta in page.find_all("meta", {name: re.compile(r"^(og:)?description$")}):
            meta["content"] = text


def list_sources(page: BeautifulSoup) -> None:
    """Retire à la bibliographie des rôles que la norme ne permet pas d'emboîter ainsi."""
    for element in page.select(".citation-list, .citation-list [role]"):
        del element["role"]


def fill_headers(page: BeautifulSoup) -> None:
    """Fait d'une case d'en-tête vide une case ordinaire : elle n'intitule rien."""
    for cell in page.find_all("th"):
        if not cell.get_text(strip=True):
            cell.name = "td"


def name_figures(page: BeautifulSoup) -> None:
    """Rend à chaque figure d'une cellule le texte qui la décrit et sa légende."""
    for cell in page.select("div.cell"):
        images = [image for image in cell.find_all("img") if CAPTION_SEPARATOR in image["alt"]]
        texts = images[0]["alt"].split(ALT_SEPARATOR) if images else []
        for image, text in zip(images, texts, strict=True):
            image["alt"], image["data-caption"] = text.split(CAPTION_SEPARATOR)


def mark_predictions(page: BeautifulSoup) -> None:
    """Entoure chaque prédiction, et marque ce qui en donne la réponse.

    La réponse : les résultats des cellules qui suivent, et le texte qui les commente, jusqu'au
    titre, à la question ou à la prédiction qui vient après. Le script `predictions.js` la voile.
    """
    starts = [
        mark.parent
        for mark in page.select("article p > strong:first-child")
        if mark.get_text(strip=True) == PREDICTION
    ]
    for number, start in enumerate(starts, 1):
        answer = list(_answer(start))
        if answer:
            start.wrap(
                page.new_tag("div", attrs={"class": "prediction", "id": f"prediction-{number}"})
            )
            for element in answer:
                element["data-prediction"] = str(number)


def _answer(start: Tag) -> Iterator[Tag]:
    shown = commented = False
    for element in start.find_next_siblings():
        if element.name == "section" or element.name in HEADINGS or _asks(element):
            return
        if "cell" in element.get("class", []):
            outputs = element.select(".cell_output")
            if outputs and commented:
                return
            shown = shown or bool(outputs)
            yield from outputs
        elif shown:
            commented = True
            yield element


def link_questions(page: BeautifulSoup) -> None:
    """Mène, au clavier ou d'un clic, d'une question d'un lab à la suivante.

    La page qui les réunit toutes, où les numéros recommencent, a déjà un plan.
    """
    marks = page.select("article p > strong:first-child")
    asked = [mark.parent for mark in marks if QUESTION.match(mark.get_text(strip=True))]
    if [_number(question) for question in asked] != list(range(1, len(asked) + 1)):
        return
    for number, question in enumerate(asked, 1):
        question["id"], question["tabindex"] = f"question-{number}", "-1"
        if number < len(asked):
            answer = question.find_next_sibling("details") or question
            answer.insert_after(_link_to(page, number + 1))
    skip = page.select_one("#pst-skip-link")
    if asked and skip is not None:
        skip.append(_link_to(page, 1).a)


def _number(question: Tag) -> int:
    return int(QUESTION.match(question.get_text(strip=True))[1])


def _link_to(page: BeautifulSoup, number: int) -> Tag:
    paragraph = page.new_tag("p", attrs={"class": "next-question"})
    link = page.new_tag("a", attrs={"href": f"#question-{number}"})
    link.string = f"Aller à la question {number}"
    paragraph.append(link)
    return paragraph


def _asks(element: Tag) -> bool:
    first = element.find("strong") if element.name == "p" else None
    text = first.get_text(strip=True) if first else ""
    return text == PREDICTION or QUESTION.match(text) is not None


def size_images(page: BeautifulSoup, folder: Path) -> None:
    """Donne leur taille aux images, que le texte ne saute pas, et ne charge que celles qu'on voit.

    Args:
        page: la page, modifiée sur place.
        folder: dossier de la page, dont partent les adresses des images.
    """
    for image in page.select("article img"):
        path = folder / image.get("src", "")
        if image["src"].startswith("data:") or path.suffix != ".png" or not path.is_file():
            continue
        with Image.open(path) as picture:
            width, height = picture.size
        image["loading"] = "lazy"
        image["decoding"] = "async"
        style = image.get("style", f"width: {width}px").rstrip("; ")
        image["style"] = f"{style}; aspect-ratio: {width} / {height}"


def unroll_animations(page: BeautifulSoup, folder: Path) -> None:
    """Remplace chaque GIF de la page par sa dernière image, que `animations.js` sait animer.

    Un GIF ne s'arrête pas. Ses images sont écrites l'une sous l'autre dans une planche.

    Args:
        page: la page, modifiée sur place.
        folder: dossier de la page ; les images vont dans `../_images`.
    """
    for image in page.select('article img[src^="data:image/gif"]'):
        content = base64.b64decode(image["src"].partition(",")[2])
        with Image.open(BytesIO(content)) as gif:
            frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(gif)]
            delay = gif.info.get("duration", DEFAULT_DELAY)
        width, height = frames[0].size
        sheet = Image.new("RGB", (width, height * len(frames)))
        for row, frame in enumerate(frames):
            sheet.paste(frame, (0, row * height))
        name = f"animation-{hashlib.sha256(content).hexdigest()[:12]}"
        _save_png(sheet, folder / "../_images" / f"{name}.png")
        _save_png(frames[-1], folder / "../_images" / f"{name}-fin.png")
        image["src"] = f"../_images/{name}-fin.png"
        image["data-sheet"] = f"../_images/{name}.png"
        image["data-frames"], image["data-delay"] = str(len(frames)), str(delay)


def _save_png(picture: Image.Image, path: Path) -> None:
    picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(path, optimize=True)


def name_folds(page: BeautifulSoup) -> None:
    """Laisse au bouton qui déplie du code le nom que l'on voit, et non un autre, en anglais."""
    for summary in page.select("details.hide > summary[aria-label]"):
        del summary["aria-label"]


CHANGES = (
    describe,
    list_sources,
    fill_headers,
    name_figures,
    mark_predictions,
    link_questions,
    name_folds,
)
