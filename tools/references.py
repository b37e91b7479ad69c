"""Refait les références : exécute en complet les labs qui en enregistrent, puis les installe.

    python -m tools.references [lab …]

Cela peut durer des heures sur deux cœurs ; un lab interrompu repart de ses points de reprise.
"""

from __future__ import annotations

import argparse
import shutil
import sys
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


def install(saved: Path, package: Path) -> list[str]:
    """Copie les références enregistrées dans le paquet.

    Args:
        saved: dossier où les labs les ont écrites.
        package: dossier `labkit/reference`.

    Returns:
        Les noms des références installées.
    """
    shutil.copytree(
        saved, package, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.pt*", "*.db")
    )
    return sorted(path.stem for path in saved.rglob("*.json"))


def main(arguments: list[str] | None = None, root: Path = notebooks.ROOT) -> int:
    """Refait et installe les références ; statut 1 si un lab a échoué."""
    parser = argparse.ArgumentParser(description="Refait les références.")
    parser.add_argument("labs", nargs="*", help="chemins ou noms (tous ceux qui en ont par défaut)")
    options = parser.parse_args(arguments)
    labs, output = root / "labs", root / "_build" / "complet"
    records = execute.execute_all(
        [execute.find_lab(name, labs) for name in options.labs] or labs_with_references(labs),
        output,
        {"profil": "complet", "graine": 0},
        root / "labkit",
        jobs=1,
    )
    status = execute.report(records)
    if status == 0:
        for name in install(output / "sorties" / "references", root / "labkit" / "reference"):
            print(f"{name} : installé dans labkit/reference")
    return status


if __name__ == "__main__":
    sys.exit(main())
