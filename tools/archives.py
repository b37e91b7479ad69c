"""Écrit ce que le site donne à télécharger : chaque copie étudiante, seule et en archive.

Une archive tient dans un dossier : le notebook à compléter, labkit en paquet installable (wheel),
les poids des références que le lab charge, les licences et un mode d'emploi. Celle du cours
contient aussi le site, pour un ordinateur sans réseau.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zipfile
from importlib.metadata import distribution
from io import BytesIO
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tools import downloads, notebooks, student

FOLDER = downloads.FOLDER
COURSE = "cours-apprentissage-profond-generatif"
LICENSES = ("LICENSE", "LICENSE-PROSE.md")
WEIGHTS, SITE = "poids", "site"

# La mise en place d'un notebook d'archive : labkit est dans le dossier, torch reste ce qu'il est.
SETUP = """from importlib.util import find_spec

if find_spec("labkit") is None:  # le paquet du cours est dans ce dossier
    %pip install -q {wheel}

import labkit"""
PLACE_WEIGHTS = f"""
from pathlib import Path
from shutil import copy

# Les modèles déjà entraînés que charge ce lab, à leur place dans labkit.
for weights in Path("{WEIGHTS}").glob("*.safetensors"):
    copy(weights, Path(labkit.__file__).parent / "reference")
"""
# De « import sys » à ce qui suit la mise en place que pose tools.student.
INSTALL = re.compile(
    r"^import sys\n\nif \"google\.colab\".*?(?=^from labkit|^import (?!labkit|sys)|\Z)",
    re.DOTALL | re.MULTILINE,
)

README = """Apprentissage profond génératif

1. Il faut Python 3.10 ou plus récent, et Jupyter : pip install jupyterlab torch torchvision
   (sous Linux sans GPU, ajoutez --index-url https://download.pytorch.org/whl/cpu).
2. Dans ce dossier, lancez : jupyter lab
3. Ouvrez le notebook et exécutez ses cellules dans l'ordre. La première installe labkit, le paquet
   du cours, depuis ce dossier, et ne touche pas à PyTorch.
"""
OFFLINE = f"""
Le site du cours est dans le dossier {SITE} : ouvrez {SITE}/index.html dans un navigateur. Il se lit
sans réseau. Pour exécuter les labs sans réseau, faites l'étape 1 d'avance, là où il y en a un.
"""


def write_downloads(root: Path, html: Path) -> list[Path]:
    """Écrit les copies étudiantes, une archive par lab et celle du cours entier.

    Args:
        root: racine du dépôt.
        html: dossier du site construit.

    Returns:
        Les fichiers écrits, dans le dossier `telechargements` du site.
    """
    output = html / FOLDER
    output.mkdir(parents=True, exist_ok=True)
    wheel_name, wheel = build_wheel(root / "labkit")
    course: dict[str, bytes] = {wheel_name: wheel}
    written = []
    for path in notebooks.lab_paths(root / "labs"):
        notebook = notebooks.read(path)
        weights = weights_of(notebook, path.stem, root / "labkit" / "reference")
        copy = student.student_copy(notebook)
        written.append(output / path.name)
        notebooks.write(copy, written[-1])
        content = {path.name: for_archive(copy, wheel_name, bool(weights)), wheel_name: wheel}
        content |= {f"{WEIGHTS}/{file.name}": file.read_bytes() for file in weights}
        course |= content
        written.append(_archive(root, output / f"{path.stem}.zip", content))
    course |= offline_site(html)
    return [*written, _archive(root, output / f"{COURSE}.zip", course)]


def offline_site(html: Path) -> dict[str, bytes]:
    """Les fichiers du site à mettre dans l'archive du cours, qui remplace celles des labs.

    Args:
        html: dossier du site construit, copies étudiantes comprises.

    Returns:
        Chemin dans l'archive -> contenu ; les liens vers les archives y sont cachés.
    """
    files = {
        path.relative_to(html).as_posix(): path.read_bytes()
        for path in sorted(html.rglob("*"))
        if path.is_file() and not (path.parent.name == FOLDER and path.suffix != ".ipynb")
    }
    available = {Path(n).name: len(data) for n, data in files.items() if n.startswith(FOLDER)}
    return {
        f"{SITE}/{name}": downloads.filled(data.decode(), available).encode()
        if name.endswith(".html")
        else data
        for name, data in files.items()
    }


def for_archive(copy: NotebookNode, wheel: str, weighted: bool) -> bytes:
    """La copie étudiante dont la mise en place installe labkit depuis le dossier de l'archive.

    Args:
        copy: copie étudiante, laissée telle quelle.
        wheel: nom du paquet installable.
        weighted: l'archive contient des poids, à mettre à leur place.
    """
    copy = nbformat.from_dict(copy)
    setup = SETUP.format(wheel=wheel) + "\n" + (PLACE_WEIGHTS if weighted else "")
    for cell in notebooks.code_cells(copy):
        cell.source = INSTALL.sub(lambda _: f"{setup}\n", cell.source).rstrip()
    return f"{nbformat.writes(copy)}\n".encode()


def weights_of(notebook: NotebookNode, lab: str, folder: Path) -> list[Path]:
    """Les poids qu'un lab charge : ceux qu'il a entraînés, et ceux que son code nomme.

    Args:
        notebook: le lab.
        lab: son nom de fichier, sans suffixe ; les fiches le citent.
        folder: dossier des références de labkit.
    """
    code = "\n".join(cell.source for cell in notebooks.code_cells(notebook))
    found = []
    for card in sorted(folder.glob("*.json")):
        named = re.search(rf"""["']{card.stem}["']""", code)
        if named or json.loads(card.read_text(encoding="utf-8"))["lab"] == lab:
            found.append(card.with_suffix(".safetensors"))
    return found


def build_wheel(package: Path) -> tuple[str, bytes]:
    """Fait de labkit un paquet installable, sans les poids, qui pèsent vingt mégaoctets.

    Args:
        package: dossier des sources de labkit.

    Returns:
        Le nom du fichier, qui dit version et compatibilité, et son contenu.
    """
    installed = distribution("labkit")
    label = f"labkit-{installed.version}"
    files = {
        file.relative_to(package.parent).as_posix(): file.read_bytes()
        for file in sorted(package.rglob("*"))
        if file.is_file() and file.suffix not in (".safetensors", ".pyc")
    }
    about = f"{label}.dist-info"
    # Depuis la racine du dépôt, Python peut voir d'abord labkit.egg-info, où le nom est PKG-INFO.
    metadata = installed.read_text("METADATA") or installed.read_text("PKG-INFO")
    files[f"{about}/METADATA"] = metadata.encode()
    files[f"{about}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: tools.archives\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in files.items()]
    files[f"{about}/RECORD"] = "\n".join([*record, f"{about}/RECORD,,", ""]).encode()
    buffer = BytesIO()
    _write_zip(buffer, files)
    return f"{label}-py3-none-any.whl", buffer.getvalue()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _archive(root: Path, path: Path, content: dict[str, bytes]) -> Path:
    licenses = {name: root / name for name in LICENSES}
    content = content | {n: file.read_bytes() for n, file in licenses.items() if file.is_file()}
    readme = README + (OFFLINE if f"{SITE}/index.html" in content else "")
    content["LISEZMOI.txt"] = readme.encode()
    _write_zip(path, {f"{path.stem}/{name}": data for name, data in content.items()})
    return path


def _write_zip(target, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            # Une date fixe : mêmes sources, même archive.
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, 8)
