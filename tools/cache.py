"""Dit si la dernière exécution d'un lab vaut encore, et y reporte les textes qui ont changé.

Elle vaut tant que sont les mêmes le code du lab, celui de labkit, les références, les versions des
paquets et les paramètres. Un texte, un commentaire de labkit ou une étiquette n'y changent rien.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
from importlib import metadata
from pathlib import Path

from nbformat import NotebookNode

from tools import notebooks
from tools.lock import LOCK

PACKAGES = ("torch", "torchvision", "numpy", "scikit-learn", "matplotlib", "accelerate", "labkit")
PARAMETERS = "parameters"  # l'étiquette de la cellule dont papermill change les valeurs
INJECTED = "injected-parameters"  # celle de la cellule qu'il ajoute alors


def versions() -> dict[str, str]:
    """Les versions de Python et des paquets dont dépendent les résultats."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def code_sum(package: Path) -> str:
    """Somme de ce dont dépendent tous les labs : labkit, ses références, les versions.

    Args:
        package: dossier du paquet `labkit` ; requirements.txt est à côté, s'il existe.

    Returns:
        Une somme SHA-256 en hexadécimal. Commentaires et docstrings ne comptent pas.
    """
    digest = hashlib.sha256()
    files = [path for path in sorted(package.rglob("*")) if "__pycache__" not in path.parts]
    for path in [*files, package.parent / LOCK]:
        if path.is_file():
            digest.update(path.relative_to(package.parent).as_posix().encode())
            digest.update(_content(path))
    return digest.hexdigest()


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix != ".py":
        return content
    try:
        tree = ast.parse(content)
    except SyntaxError:  # au lab de le dire
        return content
    for node in ast.walk(tree):
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return ast.dump(tree).encode()


def fingerprint(path: Path, parameters: dict, code: str) -> str:
    """Empreinte de tout ce dont dépend l'exécution d'un lab.

    Args:
        path: le notebook ; seules ses cellules de code comptent, sans leurs sorties.
        parameters: `profil` et `graine`.
        code: la somme que donne `code_sum`.

    Returns:
        Une somme SHA-256 en hexadécimal.
    """
    cells = [
        (cell.source, PARAMETERS in notebooks.tags(cell))
        for cell in notebooks.code_cells(notebooks.read(path))
    ]
    facts = [cells, parameters, versions(), os.environ.get("LABKIT_DATA"), code]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def refresh(path: Path, output: Path) -> None:
    """Reporte dans une copie exécutée les textes et les étiquettes du lab d'aujourd'hui.

    Args:
        path: le lab, aux mêmes cellules de code que la copie.
        output: la copie exécutée, récrite si quelque chose y change.
    """
    executed = notebooks.read(output)
    before = json.dumps(executed, sort_keys=True)
    executed.cells = _merged(notebooks.read(path), executed)
    if json.dumps(executed, sort_keys=True) != before:
        notebooks.write(executed, output)


def _merged(source: NotebookNode, executed: NotebookNode) -> list[NotebookNode]:
    """Les cellules de la source, avec les sorties de la copie exécutée."""
    injected = [cell for cell in executed.cells if INJECTED in notebooks.tags(cell)]
    done = iter(cell for cell in notebooks.code_cells(executed) if cell not in injected)
    cells = []
    for cell in source.cells:
        cells.append(cell)
        if cell.cell_type == "code":
            run = next(done)
            cell.outputs, cell.execution_count = run.outputs, run.execution_count
        if PARAMETERS in notebooks.tags(cell):
            cells += injected
    return cells
