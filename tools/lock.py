"""Calcule requirements.txt, tous les paquets et leurs empreintes, d'après requirements.in.

    python -m tools.lock [--upgrade] [--upgrade-package NOM]

Le fichier vaut pour tous les Python et tous les systèmes du cours. Les versions déjà retenues sont
gardées, sauf options contraires, qui sont celles d'uv. Il faut un réseau.

N'emploie que la bibliothèque standard : `tools.install` s'en sert avant toute installation.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE, LOCK = "requirements.in", "requirements.txt"
OLDEST_PYTHON = "3.10"
HEADER = f"# Écrit par « make lock » d'après {SOURCE} : ne le modifiez pas à la main.\n"

# `nom==version ; condition \`, des lignes `--hash`, puis `# via` et ce qui demande le paquet.
ENTRY = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>[\w.+!-]+)(?: ; (?P<marker>[^\\\n]+?))?"
    r"(?P<hashes>(?: \\\n    --hash=\S+)+)\n    # via (?P<via>.+)\n",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Entry:
    """Un paquet de requirements.txt."""

    name: str
    version: str
    marker: str  # la condition d'installation, vide s'il n'y en a pas
    parents: tuple[str, ...]  # ce qui le demande : des paquets, ou « -r requirements.in »
    text: str  # ses lignes, telles quelles


def entries(lock: str) -> list[Entry]:
    """Les paquets du texte d'un requirements.txt, dans l'ordre.

    Un même nom y figure plusieurs fois quand sa version dépend de Python.
    """
    return [
        Entry(
            found["name"],
            found["version"],
            found["marker"] or "",
            tuple(found["via"].split(", ")),
            found[0],
        )
        for found in ENTRY.finditer(lock)
    ]


def main(arguments: list[str] | None = None) -> int:
    """Récrit requirements.txt ; renvoie le statut d'uv."""
    command = [
        sys.executable, "-m", "uv", "pip", "compile", SOURCE, "--output-file", LOCK,
        "--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes",
        "--annotation-style", "line", "--no-header", "--no-emit-index-url", "--no-config",
        "--quiet", *(sys.argv[1:] if arguments is None else arguments),
    ]  # fmt: skip
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    if status == 0:
        path = ROOT / LOCK
        path.write_text(HEADER + path.read_text(encoding="utf-8"), encoding="utf-8", newline="\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
