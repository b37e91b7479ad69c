"""Refait les références : exécute en profil `complet` les labs qui en enregistrent, et installe.

    python -m tools.references [lab …]
    python -m tools.references --check

Cela peut durer des heures sur deux cœurs ; un lab interrompu repart de ses points de reprise.
`--check` n'entraîne rien : il compare les fiches installées aux sources d'aujourd'hui.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

from labkit.files import FileError, write_atomically
from labkit.fingerprints import code_sums, sums_in
from labkit.references import RUN_VARIABLE
from tools import execute, notebooks
from tools.cache import code_sum, fingerprint

PROFILE = {"profil": "complet", "graine": 0}
_SAVES = re.compile(r"\b(lab\.(reference|results)|save_(reference|results))\(")


class InstallError(RuntimeError):
    """Une référence enregistrée ne peut être installée ; le message dit pourquoi."""


def labs_with_references(labs: Path) -> list[Path]:
    """Les labs qui enregistrent une référence ou un tableau dans leur profil complet."""
    return [
        path
        for path in notebooks.lab_paths(labs)
        if any(_SAVES.search(cell.source) for cell in notebooks.code_cells(notebooks.read(path)))
    ]


def install(saved: Path, package: Path, runs: Mapping[str, str], sums: Sums) -> list[str]:
    """Copie dans le paquet ce que ces exécutions ont enregistré, et rien d'autre.

    Ce qu'un autre lab, ou une exécution plus ancienne, a laissé dans le dossier n'est pas touché.
    Une fiche est installée avec ses poids, ou ni l'une ni les autres.

    Args:
        saved: dossier où les labs les ont écrits, des fiches JSON et leurs poids.
        package: dossier `labkit/reference`.
        runs: nom du lab -> exécution, `cache.fingerprint`, que ses fiches doivent porter.
        sums: sources d'aujourd'hui, auxquelles l'empreinte de chaque fiche doit s'accorder.

    Returns:
        Les noms installés.

    Raises:
        InstallError: lab qui n'a rien enregistré, poids absents ou d'une autre somme, sources qui
            ont changé depuis. Rien n'est alors installé.
        FileError: disque plein, ou dossier protégé ; le paquet reste tel qu'il était.
    """
    contents, labs = {}, set()
    for path in sorted(saved.rglob("*.json")):
        card = json.loads(path.read_text(encoding="utf-8"))
        if card["lab"] in runs and card.get("run") == runs[card["lab"]]:
            _check_sources(path.stem, sums.differing(card))
            weights = _read_weights(path, card)
            destination = package / path.relative_to(saved)
            if weights is not None:
                contents[destination.with_suffix(".safetensors")] = weights
            contents[destination] = path.read_bytes()
            labs.add(card["lab"])
    if missing := sorted(set(runs) - labs):
        raise InstallError(
            f"aucune fiche de cette exécution pour {', '.join(missing)} : rien n'est installé. "
            "Retirez le notebook exécuté de _build/complet, puis relancez make references."
        )
    _write_together(contents)
    return sorted(path.stem for path in contents if path.suffix == ".json")


def _write_together(contents: Mapping[Path, bytes]) -> None:
    """Écrit tout à côté, puis met tout en place : un disque plein ne laisse rien à moitié."""
    staged = {path: path.with_name(f"{path.name}.neuf") for path in contents}
    try:
        for path, beside in staged.items():
            write_atomically(beside, contents[path])
        for path, beside in staged.items():
            os.replace(beside, path)
    finally:
        for beside in staged.values():
            beside.unlink(missing_ok=True)


def _check_sources(name: str, differing: list[str]) -> None:
    if differing:
        raise InstallError(
            f"{name} n'est pas installé, ni le reste : depuis qu'il a été calculé, "
            f"{', '.join(differing)} ont changé. Relancez make references."
        )


def _read_weights(path: Path, card: Mapping) -> bytes | None:
    """Les poids que nomme la fiche ; None pour un tableau, qui n'en a pas."""
    if "sha256" not in card:
        return None
    weights = path.with_suffix(".safetensors")
    content = weights.read_bytes() if weights.is_file() else b""
    if hashlib.sha256(content).hexdigest() != card["sha256"]:
        raise InstallError(
            f"les poids {weights} sont absents ou ne sont pas ceux de la fiche : rien n'est "
            f"installé. Retirez {path.name}, puis relancez make references."
        )
    return content


class Sums:
    """Les sommes des fonctions d'aujourd'hui, de labkit et de chaque lab."""

    def __init__(self, root: Path):
        self.labs = root / "labs"
        self.package = _package_sums(root / "labkit")
        self.by_lab: dict[str, dict[str, str]] = {}

    def differing(self, card: Mapping) -> list[str]:
        """Les fonctions que nomme l'empreinte d'une fiche et dont la source n'est plus la même.

        Une fonction sans nom (`lambda`) ne se retrouve pas dans un texte : elle n'est pas jugée.
        """
        today = self.package | self._lab_sums(card["lab"])
        return sorted(
            name.replace(".<locals>", "")
            for name, digest in code_sums(card.get("made_by", {})).items()
            if "<lambda>" not in name and today.get(name) != digest
        )

    def _lab_sums(self, lab: str) -> dict[str, str]:
        if lab not in self.by_lab:
            path = self.labs / f"{lab}.ipynb"
            self.by_lab[lab] = _notebook_sums(path) if path.is_file() else {}
        return self.by_lab[lab]


def _package_sums(package: Path) -> dict[str, str]:
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = (package.name, *path.relative_to(package).with_suffix("").parts)
        module = ".".join(part for part in parts if part != "__init__")
        for name, digest in sums_in(path.read_text(encoding="utf-8")).items():
            found[f"{module}.{name}"] = digest
    return found


def _notebook_sums(path: Path) -> dict[str, str]:
    found = {}
    for cell in notebooks.code_cells(notebooks.read(path)):
        found |= sums_in(TransformerManager().transform_cell(cell.source))
    return found


def describe(package: Path, sums: Sums) -> list[str]:
    """Ce que l'on sait de chaque référence et de chaque tableau installés, une ligne chacun.

    Args:
        package: dossier `labkit/reference`.
        sums: sources d'aujourd'hui.
    """
    lines = []
    for path in sorted(package.rglob("*.json")):
        card = json.loads(path.read_text(encoding="utf-8"))
        known = len(code_sums(card.get("made_by", {})))
        differing = sums.differing(card)
        if not known:
            verdict = "d'avant les empreintes"
        elif differing:
            python = card["machine"]["python"]  # d'une version à l'autre, une source peut différer
            verdict = (
                f"fait sous Python {python} ; sources changées depuis ({len(differing)} sur {known}"
                f") : {', '.join(differing)}"
            )
        else:
            verdict = f"aucune de ses {known} fonctions n'a changé"
        lines.append(f"{path.stem} ({card['lab']}, {card['commit'][:8]}) : {verdict}")
    return lines


def remake(names: list[str], root: Path) -> int:
    """Exécute ces labs en profil `complet`, installe le résultat ; statut 1 en cas d'échec."""
    labs, output, package = root / "labs", root / "_build" / "complet", root / "labkit"
    paths = [execute.find_lab(name, labs) for name in names] or labs_with_references(labs)
    code = code_sum(package)
    runs = {path.stem: fingerprint(path, PROFILE, code) for path in paths}
    records = []
    try:
        for path in paths:
            os.environ[RUN_VARIABLE] = runs[path.stem]  # le noyau en hérite, la fiche le garde
            records += execute.execute_all([path], output, PROFILE, package, jobs=1)
    finally:
        os.environ.pop(RUN_VARIABLE, None)
    if execute.report(records):
        return 1
    try:
        saved = output / "sorties" / "references"
        installed = install(saved, package / "reference", runs, Sums(root))
    except (InstallError, FileError) as error:
        print(error, file=sys.stderr)
        return 1
    for name in installed:
        print(f"{name} : installé dans labkit/reference")
    return 0


@notebooks.reports_file_errors
def main(arguments: list[str] | None = None, root: Path = notebooks.ROOT) -> int:
    """Refait et installe les références, ou dit ce que l'on sait de celles qui le sont."""
    parser = argparse.ArgumentParser(description="Refait les références.")
    parser.add_argument("labs", nargs="*", help="chemins ou noms (tous ceux qui en ont par défaut)")
    parser.add_argument("--check", action="store_true", help="compare les fiches aux sources")
    options = parser.parse_args(arguments)
    if not options.check:
        return remake(options.labs, root)
    print(*describe(root / "labkit" / "reference", Sums(root)), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
