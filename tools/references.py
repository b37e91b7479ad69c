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
    parser.add_argument("labs", nargs="*", type=Path, help="tous ceux qui en ont par défaut")
    options = parser.parse_args(arguments)
    output = root / "_build" / "complet"
    records = execute.execute_all(
        options.labs or labs_with_references(root / "labs"),
        output,
        {"profil": "complet", "graine": 0},
        root / "labkit",
        jobs=1,
    )
    errors = [record["error"] for record in records if record["status"] == execute.FAILURE]
    for error in errors:
        print(f"\n{error}", file=sys.stderr)
    if not errors:
        for name in install(output / "sorties" / "references", root / "labkit" / "reference"):
            print(f"{name} : installée dans labkit/reference")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
