"""Compose la page qui met chaque nombre des rapports d'origine à côté de celui du cours.

`tools/reports.json` dit ce que donnaient les rapports, et par quel chemin trouver le nombre du
cours (voir `tools.values`) ; rien d'autre n'est écrit à la main.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from docutils.nodes import make_id

from labkit import count_parameters
from labkit.models import UNet
from labkit.perceptron import Perceptron
from labkit.tables import number
from tools import notebooks
from tools.values import Values, digits_of, is_one_number, path_of

INTRODUCTION = """# Face aux rapports d'origine

Ce cours est parti de rapports d'expériences plus anciens. Voici chaque nombre et chaque conclusion
qu'ils donnaient, ce que le cours trouve à la place, et pourquoi les deux diffèrent quand ils
diffèrent. La colonne « ici » est lue dans les fiches que les labs enregistrent, à la construction
du site.
"""
REPORTS = Path(__file__).with_name("reports.json")

_HEADER = "| | rapport d'origine | ici | quotient | pourquoi |\n| --- | ---: | ---: | ---: | --- |"

_INPUTS = [(0, 0), (0, 1), (1, 0), (1, 1)]
_TARGETS = {"ET": (0, 0, 0, 1), "OU": (0, 1, 1, 1), "XOR": (0, 1, 1, 0)}
_SEEDS = range(5)


def results_page(values: Values, labs: list[Path], reports: Path = REPORTS) -> str:
    """La page Markdown, une partie par modèle.

    Args:
        values: où lire les nombres du cours.
        labs: les notebooks, voisins du dossier où la page sera posée (`../labs/…`) ; une partie
            dont le lab n'est pas parmi eux est omise.
        reports: ce que donnaient les rapports, une partie par modèle.

    Raises:
        LabError: nombre introuvable, ou section que le lab n'a pas.
    """
    by_name = {path.stem: path for path in labs}
    parts = json.loads(reports.read_text(encoding="utf-8"))
    known = [part for part in parts if part["lab"] in by_name]
    return "\n".join([INTRODUCTION, *(_part(part, by_name[part["lab"]], values) for part in known)])


def computed() -> dict[str, dict]:
    """Ce qui se recalcule en un instant, au lieu d'être enregistré : poids, nombres de poids."""
    weights = {
        name: {str(rate): _final_weights(targets, rate) for rate in (0.7, 0.01)}
        for name, targets in _TARGETS.items()
    }
    return {"perceptron": weights, "unet": {"parameters": count_parameters(UNet())}}


def _final_weights(targets: tuple[int, ...], rate: float) -> list[float]:
    """Poids moyens, sur quelques graines, au bout de mille passages."""
    runs = [
        Perceptron(rate=rate, seed=seed).fit(_INPUTS, targets, iterations=1000).weights
        for seed in _SEEDS
    ]
    return [float(sum(column) / len(runs)) for column in zip(*runs, strict=True)]


def _part(part: dict, lab: Path, values: Values) -> str:
    link = f"[{notebooks.title(notebooks.read(lab))}](../labs/{lab.name})"
    anchor = f"../labs/{lab.stem}.html#{_anchor(part['section'], lab)}"
    section = f'<a href="{anchor}">{_plain(part["section"])}</a>'
    lines = "\n".join(_line(row, values) for row in part["rows"])
    return f"## {part['title']}\n\n{link}, section « {section} ».\n\n{_HEADER}\n{lines}\n"


def _anchor(section: str, lab: Path) -> str:
    """L'ancre que Sphinx donne à ce titre du lab, qui doit y être."""
    if section not in _sections(lab):
        raise notebooks.LabError(f"{lab.name} n'a pas de section « {section} ».")
    return make_id(_plain(section))


def _sections(lab: Path) -> Iterator[str]:
    for cell in notebooks.read(lab).cells:
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                if line.startswith(("## ", "### ")):
                    yield line.lstrip("#").strip()


def _plain(section: str) -> str:
    return section.replace("`", "")


def _line(row: dict, values: Values) -> str:
    reported, ours, ratio = row["reported"], row["ours"], ""
    if isinstance(reported, int | float) and is_one_number(ours):
        ratio = number(values.find(path_of(ours)) / reported, 3)
    if isinstance(reported, int | float):
        reported = number(reported, digits_of(ours))
    cells = row["what"], reported, values.fill(ours), ratio, values.fill(row["why"])
    return f"| {' | '.join(cells)} |"
