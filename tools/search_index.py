"""Écrit les textes que cherche `search.js` : une entrée par section, sans code ni formule."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from bs4 import BeautifulSoup, Tag

from tools import pages

# Ce qui n'est pas de la prose, ou n'appartient pas à la section elle-même.
LEFT_OUT = (
    "pre, script, style, .math, .headerlink, .cell_output, .above-input, section, form, "
    ".next-question"
)
FORMULA = "…"


def write_index(html: Path) -> int:
    """Écrit `_static/search_data.js`, un script plutôt que du JSON : il se charge d'un fichier.

    Args:
        html: dossier du site construit et achevé.

    Returns:
        Le nombre de sections.
    """
    found = []
    for path in pages.built_pages(html):
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        found += sections(page, path.relative_to(html).as_posix())
    content = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    (html / "_static" / "search_data.js").write_text(
        f"window.SEARCH_DATA = {content};\n", encoding="utf-8"
    )
    return len(found)


def sections(page: BeautifulSoup, name: str) -> Iterator[dict[str, str]]:
    """Les sections d'une page : adresse, titre, titre de la page et texte.

    Args:
        page: page du site, laissée telle quelle.
        name: son chemin dans le site.
    """
    first = page.select_one("article h1")
    for section in page.select("article section[id]"):
        heading = section.find(pages.HEADINGS, recursive=False)
        if heading is not None:
            yield {
                "url": f"{name}#{section['id']}",
                "title": _text(heading, ".headerlink"),
                "page": _text(first, ".headerlink"),
                "text": " ".join(_text(part, LEFT_OUT) for part in _own_parts(section)).strip(),
            }


def _own_parts(section: Tag) -> Iterator[Tag]:
    for child in section.find_all(recursive=False):
        if child.name != "section" and child.name not in pages.HEADINGS:
            yield child


def _text(element: Tag, left_out: str) -> str:
    copy = BeautifulSoup(str(element), "html.parser")
    for part in copy.select(left_out):
        part.replace_with(f" {FORMULA} " if "math" in part.get("class", []) else " ")
    # Un bloc finit un mot, une balise dans le texte n'en finit pas.
    for block in copy.find_all(["p", "li", "td", "th", "dt", "dd", "summary", "div"]):
        block.append(" ")
    text = re.sub(r"\s+", " ", copy.get_text())
    return re.sub(r" ([,.)])", r"\1", text).strip()
