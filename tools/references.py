"""Refait les références : exécute en complet les labs qui en enregistrent, puis les installe.

    python -m tools.references [lab …]

Cela peut durer des heures sur deux cœurs ; un lab interrompu repart de ses points de reprise.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Collection
from pathlib import Path

from tools import execute, notebooks

SAVES_A_REFERENCE = "save_reference("


def labs_with_references(labs: Path) -> list[Path]:
    """Les labs qui enregistrent une référence dans leur profil complet."""
    return [
        path
        for path in notebooks.lab_paths(labs)
        if any(
            SAVES_A_REFERENCE in cell.source for cell in notebooks.code_cells(notebooks.read(path))
        )
    ]


def install(saved: Path, package: Path, labs: Collection[str]) -> list[str]:
    """Copie dans le paquet les références et les résultats que ces labs ont enregistrés.

    Ceux d'un autre lab, restés d'une exécution plus ancienne, ne sont pas touchés.

    Args:
        saved: dossier où les labs les ont écrits, des fiches JSON et leurs poids.
        package: dossier `labkit/reference`.
        labs: noms des labs qui viennent d'être exécutés, `08_ddpm`.

    Returns:
        Les noms installés.
    """
    installed = []
    for card in sorted(saved.rglob("*.json")):
        if json.loads(card.read_text(encoding="utf-8"))["lab"] not in labs:
            continue
        destination = package / card.relative_to(saved)
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(card, destination)
        weights = card.with_suffix(".safetensors")  # un tableau de résultats n'en a pas
        if weights.is_file():
            shutil.copy(weights, destination.parent)
        installed.append(card.stem)
    return sorted(installed)


@notebooks.reports_file_errors
def main(arguments: list[str] | None = None, root: Path = notebooks.ROOT) -> int:
    """Refait et installe les références ; statut 1 si un lab a échoué."""
    parser = argparse.ArgumentParser(description="Refait les références.")
    parser.add_argument("labs", nargs="*", help="chemins ou noms (tous ceux qui en ont par défaut)")
    options = parser.parse_args(arguments)
    labs, output = root / "labs", root / "_build" / "complet"
    paths = [execute.find_lab(name, labs) for name in options.labs] or labs_with_references(labs)
    records = execute.execute_all(
        paths,
        output,
        {"profil": "complet", "graine": 0},
        root / "labkit",
        jobs=1,
    )
    status = execute.report(records)
    if status == 0:
        saved, package = output / "sorties" / "references", root / "labkit" / "reference"
        for name in install(saved, package, {path.stem for path in paths}):
            print(f"{name} : installé dans labkit/reference")
    return status


if __name__ == "__main__":
    sys.exit(main())
