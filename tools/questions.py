"""Compose la page qui réunit les questions de tous les labs, réponses repliées.

Sans script, c'est une simple liste, où chaque question a son adresse. `questions.js` y ajoute un
tri, un tirage, des marques et l'export d'un carnet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from docutils.nodes import make_id
from nbformat import NotebookNode

from tools import answers, notebooks

INTRODUCTION = """# Toutes les questions

Les questions des labs, dans l'ordre du cours."""
FOLDED = " Chaque réponse est repliée : cherchez avant d'ouvrir."

# Des lignes vides autour du texte : il reste du Markdown.
QUESTION = """<div class="question" id="lab-{lab}-question-{number}" data-level="{level}">

{source}

<p class="question-links"><a href="#lab-{lab}-question-{number}" \
aria-label="Adresse de la question {number} du lab {lab}">Adresse</a> \
<a href="../labs/{stem}.html#question-{number}" \
aria-label="{place}, question {number}">{place}</a></p>

</div>"""

# Ce que l'on verrait en lisant la question dans son lab, et que cette page ne montre pas.
POINTING = re.compile(r"\bci-des(?:sus|sous)\b|\b(?:le|ce|du) tableau\b(?! ci-dessus)")
SECTION = re.compile(r"^## (?P<number>\d+)\. (?P<title>.+)$", re.MULTILINE)
NAMED_SECTION = re.compile(r"\bsection (?P<number>\d+)\b(?! du lab)")

# Les énoncés en Markdown, que l'export recopie.
NOTES = """<script type="application/json" id="enonces">{notes}</script>
<script src="../_static/questions.js" defer></script>"""


def questions_page(paths: list[Path], shown: str = answers.SHOWN) -> str:
    """La page Markdown des questions, une partie par lab.

    Args:
        paths: les notebooks, voisins du dossier où la page sera posée (`../labs/…`).
        shown: « oui » ou « non », selon que la page donne les réponses.

    Returns:
        Le texte de la page.
    """
    labs = {path.stem: notebooks.read(path) for path in paths}
    notes = json.dumps([_notes(*lab) for lab in labs.items()], ensure_ascii=False)
    hidden = shown == answers.HIDDEN
    if hidden:
        labs = {stem: answers.hide(lab) for stem, lab in labs.items()}
    introduction = INTRODUCTION + ("" if hidden else FOLDED) + "\n"
    sections = [_lab_section(*lab) for lab in labs.items()]
    # « </ » refermerait le script.
    return "\n".join([introduction, *sections, NOTES.format(notes=notes.replace("</", "<\\/"))])


def _lab_section(stem: str, lab: NotebookNode) -> str:
    heading = f"## {notebooks.title(lab)}\n\n[Ouvrir le lab](../labs/{stem}.ipynb)"
    return "\n\n".join([heading, *_questions(stem, lab)]) + "\n"


def _questions(stem: str, lab: NotebookNode) -> Iterator[str]:
    number = int(stem[:2])
    sections = dict(_sections(stem, lab))
    place = f"Dans le lab {number}"
    for cell in lab.cells:
        if cell.cell_type != "markdown":
            continue
        for section in SECTION.finditer(cell.source):
            place = f"Dans le lab {number}, section {section['number']}"
        if asked := notebooks.QUESTION.match(cell.source):
            address = f"../labs/{stem}.html#question-{asked[1]}"
            yield QUESTION.format(
                lab=number,
                number=asked[1],
                level=notebooks.level(cell),
                stem=stem,
                place=place,
                source=linked(cell.source.strip(), address, sections),
            )


def _sections(stem: str, lab: NotebookNode) -> Iterator[tuple[str, str]]:
    """Numéro et adresse de chaque section numérotée ; l'ancre est celle que Sphinx lui donne."""
    for cell in lab.cells:
        for section in SECTION.finditer(cell.source if cell.cell_type == "markdown" else ""):
            anchor = make_id(re.sub(r"[$`*]", "", section["title"]))
            yield section["number"], f"../labs/{stem}.html#{anchor}"


def linked(source: str, address: str, sections: dict[str, str]) -> str:
    """Une question où « ci-dessus », « le tableau », « section 2 » mènent à ce qu'ils désignent.

    Args:
        source: l'énoncé et sa réponse, en Markdown.
        address: celle de la question dans son lab, où l'on voit ce qui précède.
        sections: numéro -> adresse des sections du lab.
    """

    def named(found: re.Match) -> str:
        target = sections.get(found["number"])
        return f'<a href="{target}">{found[0]}</a>' if target else found[0]

    source = NAMED_SECTION.sub(named, source)
    return POINTING.sub(lambda found: f'<a href="{address}">{found[0]}</a>', source)


def _notes(stem: str, lab: NotebookNode) -> dict[str, object]:
    """Ce que l'export du carnet recopie d'un lab : titre, prédictions, énoncés sans réponse."""
    sources = [notebooks.ANSWER.sub("", cell.source) for cell in notebooks.questions(lab)]
    return {
        "lab": int(stem[:2]),
        "page": f"labs/{stem}.html",
        "title": notebooks.title(lab),
        "predictions": [" ".join(asked.split()) for asked in notebooks.predictions(lab)],
        "questions": [" ".join(source.split()) for source in sources],
    }
