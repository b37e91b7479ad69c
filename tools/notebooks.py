"""Ce que tous les outils ont besoin de savoir d'un notebook du cours."""

from __future__ import annotations

import functools
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from labkit.files import FileError, write_atomically

ROOT = Path(__file__).resolve().parent.parent

QUESTION = re.compile(r"\A\*\*Question (\d+)")  # large : une question mal écrite doit se voir
LEVEL = re.compile(r"\A\*\*Question \d+\.\*\* \*\((?P<level>[^)]+)\)\*")
LEVELS = ("rappel", "compréhension", "application", "analyse", "ouverte")
PREDICTION = re.compile(r"^\*\*Prédiction\.\*\*.*?(?=\n\s*\n|\Z)", re.DOTALL | re.MULTILINE)
EXERCISE = re.compile(r"\A### Exercice (\d+) — ")
ANSWER = re.compile(r"<details>\s*<summary>Réponse</summary>(.*?)</details>", re.DOTALL)


class LabError(FileError):
    """Un lab absent, illisible ou pas encore exécuté ; le message dit lequel et que faire."""


class UnreadableLab(LabError):
    """Un fichier qui n'est pas un notebook complet ; `problem` dit ce qui lui manque."""

    def __init__(self, path: Path, problem: str):
        super().__init__(
            f"{path} n'est pas un lab complet : {problem}. Rétablissez-le (git restore, ou "
            f"Jupyter), ou sortez-le de {path.parent}."
        )
        self.problem = problem


def reports_file_errors(main: Callable[..., int]) -> Callable[..., int]:
    """Décore la fonction `main` d'un outil : `FileError` devient une phrase et le statut 1."""

    @functools.wraps(main)
    def wrapped(*arguments, **options) -> int:
        try:
            return main(*arguments, **options)
        except FileError as error:
            print(error, file=sys.stderr)
            return 1

    return wrapped


def lab_paths(labs: Path) -> list[Path]:
    """Les notebooks d'un dossier, dans l'ordre du cours.

    Args:
        labs: dossier des notebooks.

    Returns:
        Les chemins triés par nom, au moins un.

    Raises:
        LabError: le dossier ne contient aucun notebook.
    """
    paths = sorted(labs.glob("*.ipynb"))
    if not paths:
        raise LabError(
            f"Aucun notebook dans {labs} : lancez la commande depuis la racine du dépôt."
        )
    return paths


def read(path: Path) -> NotebookNode:
    """Lit un notebook au format 4, dont la première cellule n'est pas vide.

    Raises:
        LabError: fichier absent.
        UnreadableLab: fichier vide, interrompu ou d'un autre format, notebook sans titre.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LabError(f"Impossible de lire {path} ({error.strerror}).") from error
    if not content.strip():
        raise UnreadableLab(path, "le fichier est vide")
    try:
        text = content.decode("utf-8")
        json.loads(text)
        notebook = nbformat.reads(text, as_version=4)
    except json.JSONDecodeError as error:
        problem = f"son contenu est interrompu ou abîmé, ligne {error.lineno}"
        raise UnreadableLab(path, problem) from error
    except Exception as error:  # nbformat laisse passer des erreurs de toutes sortes
        raise UnreadableLab(path, "ce n'est pas un notebook au format 4") from error
    if not notebook.cells or not notebook.cells[0].source.strip():
        raise UnreadableLab(path, "la première cellule, celle du titre, est vide ou manque")
    return notebook


def write(notebook: NotebookNode, path: Path) -> None:
    """Écrit un notebook en UTF-8, d'un bloc, dossier créé au besoin."""
    write_atomically(path, f"{nbformat.writes(notebook)}\n".encode())


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


def level(question: NotebookNode) -> str:
    """Le niveau d'une question, « rappel » par exemple ; vide si elle n'en donne pas."""
    found = LEVEL.match(question.source)
    return found["level"] if found else ""


def predictions(notebook: NotebookNode) -> list[str]:
    """Les paragraphes de prédiction, dans l'ordre."""
    cells = (cell for cell in notebook.cells if cell.cell_type == "markdown")
    return [found[0] for cell in cells for found in PREDICTION.finditer(cell.source)]
