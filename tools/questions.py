"""Compose la page qui réunit les questions de tous les labs, réponses repliées."""

from __future__ import annotations

from pathlib import Path

from tools import answers, notebooks

INTRODUCTION = """# Toutes les questions

Les questions des labs, dans l'ordre du cours."""
FOLDED = " Chaque réponse est repliée : cherchez avant d'ouvrir."


def questions_page(paths: list[Path], shown: str = answers.SHOWN) -> str:
    """La page Markdown des questions, une partie par lab.

    Args:
        paths: les notebooks, voisins du dossier où la page sera posée (`../labs/…`).
        shown: « oui » ou « non », selon que la page donne les réponses.

    Returns:
        Le texte de la page.
    """
    hidden = shown == answers.HIDDEN
    introduction = INTRODUCTION + ("" if hidden else FOLDED) + "\n"
    return "\n".join([introduction, *(_lab_section(path, hidden) for path in paths)])


def _lab_section(path: Path, hidden: bool) -> str:
    notebook = notebooks.read(path)
    notebook = answers.hide(notebook) if hidden else notebook
    heading = f"## {notebooks.title(notebook)}\n\n[Ouvrir le lab](../labs/{path.name})"
    sources = [cell.source.strip() for cell in notebooks.questions(notebook)]
    return "\n\n".join([heading, *sources]) + "\n"
