"""Complète la page d'accueil : une image prise à un lab, et la durée de chacun, mesurée ou lue."""

from __future__ import annotations

import re
from pathlib import Path

from labkit.tables import number
from tools import notebooks, pages

# Dans le Markdown, une ligne « % figure : 08_ddpm Trois descentes » demande la première figure de
# ce lab dont la description commence ainsi.
PICTURE = re.compile(r"^% figure : (?P<lab>\w+) (?P<start>.+)$", re.MULTILINE)
FRAME = '<div class="cell cell_output">\n\n![{alt}]({file})\n\n</div>'
FILE = "accueil.svg"
STATE = "| État |"
DURATION = "| Durée |"
AVAILABLE = re.compile(
    r"^(?P<start>\| .*\(\.\./labs/(?P<lab>\w+)\.ipynb\).*\|) disponible \|$", re.M
)
WORK = re.compile(r"\*\*Durée\*\* : (?P<work>[\w ]+? heures?(?: et demie)?)\b")


def complete(text: str, executed: Path, records: dict[str, dict], output: Path) -> str:
    """L'accueil, avec son image et la durée de chaque lab.

    Args:
        text: le Markdown de l'accueil.
        executed: dossier des notebooks exécutés.
        records: ce que `status.json` en retient, par nom de lab.
        output: dossier où écrire l'image.

    Returns:
        Le Markdown complété.

    Raises:
        LabError: un lab ne donne pas sa durée, ou n'a pas la figure demandée.
    """

    def row(found: re.Match) -> str:
        notebook = notebooks.read(executed / f"{found['lab']}.ipynb")
        seconds = number(records[found["lab"]]["seconds"], 0)
        return f"{found['start']} {work_of(notebook)} ; calcul, {seconds} s |"

    def picture(found: re.Match) -> str:
        svg, alt, caption = figure_of(executed / f"{found['lab']}.ipynb", found["start"])
        (output / FILE).write_text(svg, encoding="utf-8")
        alt = pages.CAPTION_SEPARATOR.join([alt, caption]).replace("[", "(").replace("]", ")")
        return FRAME.format(alt=alt, file=FILE)

    text = AVAILABLE.sub(row, text).replace(STATE, DURATION)
    return PICTURE.sub(picture, text)


def work_of(notebook: notebooks.NotebookNode) -> str:
    """Le temps de travail que donne l'en-tête d'un lab, « deux à trois heures » par exemple.

    Raises:
        LabError: l'en-tête n'en donne pas.
    """
    found = WORK.search(notebook.cells[0].source)
    if found is None:
        raise notebooks.LabError(
            f"{notebooks.title(notebook)} : l'en-tête doit donner la durée, « **Durée** : trois "
            "heures de travail »."
        )
    return found["work"]


def figure_of(path: Path, start: str) -> tuple[str, str, str]:
    """Fichier, description et légende d'une figure d'un notebook exécuté.

    Args:
        path: le notebook.
        start: le début de la description.

    Raises:
        LabError: aucune figure ne commence ainsi.
    """
    for cell in notebooks.code_cells(notebooks.read(path)):
        for output in cell.outputs:
            facts = output.get("metadata", {}).get("image/svg+xml", {})
            if facts.get("alt", "").startswith(start):
                return output["data"]["image/svg+xml"], facts["alt"], facts["caption"]
    raise notebooks.LabError(f"{path.name} : aucune figure dont la description soit « {start}… ».")
