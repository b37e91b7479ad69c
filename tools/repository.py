"""Écrit l'adresse publique du dépôt partout où elle figure.

    python -m tools.repository https://github.com/organisation/cours

L'adresse actuelle, lue dans `[project.urls]` de pyproject.toml, est remplacée dans les fichiers.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tools import notebooks

DECLARATION = re.compile(r'^Depot = "(?P<url>[^"]+)"$', re.MULTILINE)
FILES = ("pyproject.toml", "CITATION.cff", "README.md")
FOLDERS = {"labs": "*.ipynb", "book": "*.md"}


def current_address(root: Path) -> str:
    """L'adresse du dépôt que déclare pyproject.toml.

    Args:
        root: racine du dépôt.

    Returns:
        L'adresse, sans barre finale.

    Raises:
        ValueError: pyproject.toml n'en déclare pas.
    """
    match = DECLARATION.search((root / "pyproject.toml").read_text(encoding="utf-8"))
    if match is None:
        raise ValueError('pyproject.toml : ligne « Depot = "https://…" » absente.')
    return match["url"]


def checked_address(address: str) -> str:
    """Vérifie une adresse de dépôt et lui retire sa barre finale et son `.git`.

    Args:
        address: adresse que `pip install git+…` saura cloner.

    Returns:
        L'adresse normalisée.

    Raises:
        ValueError: l'adresse n'est pas de la forme https://machine/chemin.
    """
    cleaned = address.strip().removesuffix("/").removesuffix(".git")
    parts = urlsplit(cleaned)
    safe = re.fullmatch(r"[\w.~/:@-]+", cleaned)
    if parts.scheme != "https" or not parts.netloc or not parts.path or not safe:
        raise ValueError(
            f"Adresse de dépôt refusée : « {address} ». "
            "Donnez-la entière : make depot URL=https://github.com/organisation/cours"
        )
    return cleaned


def rewrite(root: Path, address: str) -> list[Path]:
    """Remplace l'adresse du dépôt dans tous les fichiers qui la citent.

    Args:
        root: racine du dépôt.
        address: nouvelle adresse, https.

    Returns:
        Les fichiers changés.

    Raises:
        ValueError: adresse mal formée, ou pyproject.toml sans adresse.
    """
    old, new = current_address(root), checked_address(address)
    candidates = [root / name for name in FILES]
    for folder, pattern in FOLDERS.items():
        candidates += sorted((root / folder).glob(pattern))
    changed = []
    for path in candidates:
        # En octets : les fins de ligne restent ce qu'elles étaient.
        content = path.read_bytes() if path.exists() else b""
        replaced = content.replace(old.encode(), new.encode())
        if replaced != content:
            path.write_bytes(replaced)
            changed.append(path)
    return changed


def main(arguments: list[str] | None = None, root: Path = notebooks.ROOT) -> int:
    """Réécrit l'adresse ; statut 1 si elle est mal formée."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        changed = rewrite(root, arguments[0] if arguments else "")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    for path in changed:
        print(f"{path.relative_to(root)} : adresse réécrite")
    if not changed:
        print("L'adresse était déjà celle-là.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
