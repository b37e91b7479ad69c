"""Compose la page qui réunit les questions de tous les labs, réponses repliées."""

from __future__ import annotations

from pathlib import Path

from tools import notebooks

INTRODUCTION = """# Toutes les questions

Les questions des labs, dans l'ordre du cours. Chaque réponse est repliée : cherchez avant d'ouvrir.
"""


def questions_page(paths: list[Path]) -> str:
    """La page Markdown des questions, une partie par lab.

    Args:
        paths: les notebooks, voisins du dossier où la page sera posée (`../labs/…`).

    Returns:
        Le texte de la page.
    """
    return "\n".join([INTRODUCTION, *(_lab_section(path) for path in paths)])


def _lab_section(path: Path) -> str:
    notebook = notebooks.read(path)
    heading = f"## {notebooks.title(notebook)}\n\n[Ouvrir le lab](../labs/{path.name})"
    sources = [cell.source.strip() for cell in notebooks.questions(notebook)]
    return "\n\n".join([heading, *sources]) + "\n"
