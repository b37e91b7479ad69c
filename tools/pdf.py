"""Fait du site un seul PDF, avec table des matières, par le navigateur qui le contrôle.

    python -m tools.pdf [--reponses ouvertes|fermees]

Le site doit être construit (`make site`). Il faut Chromium et l'option « navigateur » du paquet
(`pip install -e ".[navigateur]"`). Le PDF est écrit dans `_build/pdf`, et le site le propose.
"""

from __future__ import annotations

import argparse
import posixpath
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bs4 import BeautifulSoup, Tag

from tools import archives, check_site, downloads, notebooks, page_checks
from tools.answers import check_choice

HOME = "book/index.html"
ANSWERS = ("ouvertes", "fermees")
LEFT_OUT = (
    "a.headerlink, script, link, img.only-dark, .animation-controls, [data-demo], "
    "section:has([data-download]):not(:has(section))"
)
NO_NUMBER = "000"  # la place d'un numéro de page, que l'on ne connaît qu'une fois le PDF fait
FOOTER = (
    '<p style="width: 100%; font: 8px sans-serif; text-align: center">'
    '<span class="pageNumber"></span></p>'
)
MARGINS = {"top": "18mm", "bottom": "18mm", "left": "18mm", "right": "18mm"}
PATIENCE = 600_000  # ms pour ouvrir tout le cours en une page, sur une machine occupée
A4_WIDTH = 658  # pixels entre les marges

PAGE = """<!doctype html>
<html lang="fr" data-theme="light" data-mode="light">
<head><meta charset="utf-8"><title>{title}</title>{styles}</head>
<body class="course-pdf"><main class="bd-main"><div class="bd-content">
<div class="bd-article-container">
<header class="pdf-cover"><h1>{title}</h1><p>{answers}</p></header>
<nav class="pdf-contents"><h2>Table des matières</h2><ol>{contents}</ol></nav>
{articles}
</div></div></main></body></html>
"""
ENTRY = (
    '<li class="level-{level}"><a href="#{anchor}">{title}</a>'
    '<span data-page="{anchor}">' + NO_NUMBER + "</span></li>"
)


@dataclass(frozen=True)
class Chapter:
    """Une page du site, devenue un chapitre : son adresse et son article, ancres comprises."""

    name: str
    article: Tag

    def entries(self) -> Iterator[tuple[int, str, str]]:
        """Niveau, ancre et titre de ses sections, des deux premiers niveaux."""
        for level, tag in enumerate(("h1", "h2"), 1):
            for heading in self.article.find_all(tag):
                section = heading.find_parent("section")
                yield level, section["id"], heading.get_text().strip()


def chapters(html: Path, answers: str) -> list[Chapter]:
    """Les chapitres, dans l'ordre du plan du cours.

    Args:
        html: dossier du site construit.
        answers: réponses et solutions « ouvertes » ou « fermees ».
    """
    names = page_order(html)
    return [Chapter(name, _article(html, name, names, answers == "ouvertes")) for name in names]


def page_order(html: Path) -> list[str]:
    """Les pages, dans l'ordre du plan que montre l'accueil."""
    home = BeautifulSoup((html / HOME).read_text(encoding="utf-8"), "html.parser")
    links = home.select("nav.bd-docs-nav a[href]")
    folder = posixpath.dirname(HOME)
    names = [posixpath.normpath(posixpath.join(folder, link["href"])) for link in links]
    return [HOME, *(name for name in names if (html / name).is_file())]


def _article(html: Path, name: str, names: list[str], opened: bool) -> Tag:
    page = BeautifulSoup((html / name).read_text(encoding="utf-8"), "html.parser")
    article = page.select_one("article.bd-article")
    for useless in article.select(LEFT_OUT):
        useless.decompose()
    for element in article.select("[id]"):
        element["id"] = anchor(name, element["id"])
    for link in article.select("a[href]"):
        _redirect(link, name, names)
    for image in article.select("img[src]"):
        image["src"] = posixpath.join("../html", posixpath.dirname(name), image["src"])
        image["loading"] = "eager"
    for details in article.select("details"):
        if opened:
            details["open"] = ""
    return article


def anchor(name: str, identifier: str) -> str:
    """L'ancre d'un élément dans le document entier, où deux pages ne se confondent pas."""
    return f"{name.removesuffix('.html').replace('/', '-')}--{identifier}"


def _redirect(link: Tag, name: str, names: list[str]) -> None:
    """Fait d'un lien vers une page du cours un lien dans le document ; ôte ceux vers un fichier."""
    address = urlsplit(link["href"])
    if address.scheme:
        return
    folder = posixpath.dirname(name)
    target = posixpath.normpath(posixpath.join(folder, address.path)) if address.path else name
    if target not in names:
        link.unwrap()
        return
    link["href"] = f"#{anchor(target, address.fragment)}" if address.fragment else f"#{target}"


def compose(html: Path, answers: str) -> str:
    """Le document entier, en une page HTML à ranger dans un dossier voisin du site.

    Args:
        html: dossier du site construit.
        answers: « ouvertes » ou « fermees ».
    """
    home = BeautifulSoup((html / HOME).read_text(encoding="utf-8"), "html.parser")
    folder = posixpath.join("../html", posixpath.dirname(HOME))
    sheets = [link["href"] for link in home.select('link[rel="stylesheet"]')]
    styles = [f'<link rel="stylesheet" href="{folder}/{sheet}">' for sheet in sheets]
    found = chapters(html, answers)
    entries = [
        ENTRY.format(level=level, anchor=identifier, title=title)
        for chapter in found
        for level, identifier, title in chapter.entries()
    ]
    articles = [f'<div id="{chapter.name}">{chapter.article}</div>' for chapter in found]
    return PAGE.format(
        title=home.select_one("h1").find(string=True).strip(),
        answers=f"Réponses {answers.replace('fermees', 'fermées')}",
        styles="".join(styles),
        contents="".join(entries),
        articles="".join(articles),
    )


def number_pages(composed: str, pages: dict[str, int]) -> str:
    """Le même document, les numéros de page dans sa table des matières."""
    document = BeautifulSoup(composed, "html.parser")
    for place in document.select("[data-page]"):
        place.string = str(pages.get(place["data-page"], ""))
    return str(document)


def anchored_pages(pdf: Path) -> dict[str, int]:
    """La page, comptée de 1, de chaque ancre d'un PDF."""
    from pypdf import PdfReader

    reader = PdfReader(pdf)
    places = reader.named_destinations.items()
    return {name.lstrip("/"): reader.get_destination_page_number(to) + 1 for name, to in places}


def write(html: Path, output: Path, answers: str) -> list[str]:
    """Écrit le PDF du cours.

    Args:
        html: dossier du site construit.
        output: fichier PDF, dans un dossier voisin de `html`.
        answers: « ouvertes » ou « fermees ».

    Returns:
        Ce qui y serait coupé, une phrase par tableau, formule ou figure trop large.
    """
    from playwright.sync_api import sync_playwright

    output.parent.mkdir(parents=True, exist_ok=True)
    composed = compose(html, answers)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=check_site.find_browser())
        page = browser.new_page(
            color_scheme="light", viewport={"width": A4_WIDTH, "height": 1000}, locale="fr-FR"
        )
        page.set_default_timeout(PATIENCE)
        _print(page, composed, output)
        # Les numéros ont leur place d'avance : les écrire ne déplace rien.
        _print(page, number_pages(composed, anchored_pages(output)), output)
        page.emulate_media(media="print")
        found = page_checks.overflow(page, page_checks.WIDE_SCREEN)
        browser.close()
    return found


def publish(html: Path, pdf: Path) -> None:
    """Met le PDF parmi les téléchargements du site, dont les liens apparaissent.

    Args:
        html: dossier du site construit.
        pdf: le fichier ; un PDF déjà publié est remplacé.
    """
    folder = html / downloads.FOLDER
    folder.mkdir(exist_ok=True)
    shutil.copy(pdf, folder / f"{archives.COURSE}.pdf")
    downloads.complete(html)


def _print(page, text: str, output: Path) -> None:
    source = output.with_suffix(".html")
    source.write_text(text, encoding="utf-8")
    page.goto(source.resolve().as_uri())
    page.evaluate(page_checks.LOAD_IMAGES)
    page.pdf(
        path=output, format="A4", margin=MARGINS, print_background=True, outline=True, tagged=True,
        display_header_footer=True, header_template="<p></p>", footer_template=FOOTER,
    )  # fmt: skip


@notebooks.reports_file_errors
def main(arguments: list[str] | None = None, root: Path = notebooks.ROOT) -> int:
    """Écrit `_build/pdf/cours-reponses-….pdf` ; statut 1 si quelque chose y est coupé."""
    parser = argparse.ArgumentParser(description="Fait du site un seul PDF.")
    parser.add_argument("--reponses", default="fermees")
    options = parser.parse_args(arguments)
    check_choice(options.reponses, ANSWERS)
    html = root / "_build" / "html"
    if not (html / HOME).is_file():
        print(f"Pas de site dans {html} : lancez make site.", file=sys.stderr)
        return 1
    output = root / "_build" / "pdf" / f"cours-reponses-{options.reponses}.pdf"
    try:
        found = write(html, output, options.reponses)
    except ModuleNotFoundError:
        print('Playwright ou pypdf manque : pip install -e ".[navigateur]"', file=sys.stderr)
        return 1
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    publish(html, output)
    print(f"PDF du cours : {output}")
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
