"""Liste les cibles d'un Makefile d'après leurs commentaires `##` (bibliothèque standard seule).

Usage : `python tools/list_targets.py Makefile`
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

TARGET = re.compile(r"^(?P<name>[\w-]+):.*?## (?P<help>.+)$", re.MULTILINE)


def list_targets(makefile: Path) -> list[tuple[str, str]]:
    """Les couples (cible, phrase) d'un Makefile, dans l'ordre du fichier."""
    return TARGET.findall(makefile.read_text(encoding="utf-8"))


if __name__ == "__main__":
    for name, sentence in list_targets(Path(sys.argv[1])):
        print(f"make {name:<10} {sentence}")
