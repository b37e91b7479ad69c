"""Ce que tous les outils ont besoin de savoir d'un notebook du cours."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent

QUESTION = re.compile(r"\A\*\*Question (\d+)")  # large : une question mal écrite doit se voir
EXERCISE = re.compile(r"\A### Exercice (\d+) — ")
ANSWER = re.compile(r"<details>\s*<summary>Réponse</summary>(.*?)</details>", re.DOTALL)


def lab_paths(labs: Path) -> list[Path]:
    """Les notebooks d'un dossier, dans l'ordre du cours.

    Args:
        labs: dossier des notebooks.

    Returns:
        Les chemins triés par nom, au moins un.

    Raises:
        FileNotFoundError: le dossier ne contient aucun notebook.
    """
    paths = sorted(labs.glob("*.ipynb"))
    if not paths:
        raise FileNotFoundError(
            f"Aucun notebook dans {labs} : lancez la commande depuis la racine du dépôt."
        )
    return paths


def read(path: Path) -> NotebookNode:
    """Lit un notebook au format 4."""
    return nbformat.read(path, as_version=4)


def write(notebook: NotebookNode, path: Path) -> None:
    """Écrit un notebook en UTF-8, dossier créé au besoin."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def tags(cell: NotebookNode) -> set[str]:
    """Les étiquettes d'une cellule."""
    return set(cell.metadata.get("tags", []))


def title(notebook: NotebookNode) -> str:
    """Le titre de niveau 1 du notebook, sans le dièse."""
    first_line = notebook.cells[0].source.splitlines()[0]
    return first_line.lstrip("# ").strip()


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Les cellules de code, dans l'ordre."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def questions(notebook: NotebookNode) -> list[NotebookNode]:
    """Les cellules de question, dans l'ordre."""
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "markdown" and QUESTION.match(cell.source)
    ]
