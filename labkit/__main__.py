"""`python -m labkit` : ce qu'a cette machine, ce qui lui manque, et comment y remédier."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_NEEDED = (
    "torch", "torchvision", "numpy", "scipy", "matplotlib", "sklearn", "accelerate", "safetensors",
    "platformdirs", "optuna", "sqlalchemy", "tokenizers", "ipykernel",
)  # fmt: skip
_DISTRIBUTIONS = {"sklearn": "scikit-learn"}
_COMFORTABLE_DISK = 2e9  # octets : les données du profil complet et les sorties des labs


@dataclass
class Finding:
    """Une ligne du diagnostic ; `blocking` si le profil rapide ne peut pas tourner sans."""

    text: str
    remedy: str = ""
    blocking: bool = False

    def __str__(self) -> str:
        mark = "✗" if self.blocking else "!" if self.remedy else "✓"
        return f"  {mark} {self.text}" + (f"\n      → {self.remedy}" if self.remedy else "")


def main() -> int:
    """Affiche le diagnostic.

    Returns:
        0 si les labs peuvent tourner en profil rapide, 1 sinon.
    """
    if hasattr(sys.stdout, "reconfigure"):  # une console en cp1252 n'a ni ✓ ni ✗
        sys.stdout.reconfigure(encoding="utf-8")
    print(f"labkit {importlib.import_module('labkit').__version__}")
    blocked = False
    for title, inspect in _SECTIONS.items():
        print(title)
        for finding in _findings(inspect):
            print(finding)
            blocked |= finding.blocking
        if blocked:  # les contrôles suivants supposent celui-ci réussi
            break
    print(
        "Il manque de quoi lancer les labs : voir les lignes ✗."
        if blocked
        else "Tous les labs peuvent tourner en profil rapide."
    )
    return int(blocked)


def _findings(inspect: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Les lignes d'un contrôle, dont l'arrêt imprévu n'arrête pas le diagnostic."""
    try:
        yield from inspect()
    except Exception as error:
        yield Finding(
            f"contrôle interrompu par {type(error).__name__} : {error}",
            "réinstallez l'ensemble : python -m pip install -r requirements.txt",
            blocking=True,
        )


def _versions() -> Iterator[Finding]:
    yield Finding(f"Python {platform.python_version()}, {platform.platform(terse=True)}")
    for module in _NEEDED:
        name = _DISTRIBUTIONS.get(module, module)
        try:
            importlib.import_module(module)
            yield Finding(f"{name} {importlib.metadata.version(name)}")
        except Exception as error:  # un paquet mal assorti peut échouer de toutes les façons
            yield Finding(
                f"{name} ne s'importe pas : {error}",
                "réinstallez l'ensemble : python -m pip install -r requirements.txt",
                blocking=True,
            )


def _devices() -> Iterator[Finding]:
    import torch

    from labkit.precision import has_fast_bf16
    from labkit.training import pick_device

    device = pick_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    yield Finding(f"calcul sur {name}, {torch.get_num_threads()} fils d'exécution")
    has_bf16 = has_fast_bf16(device)
    yield Finding(
        "bf16 rapide : employé par fit" if has_bf16 else "pas de bf16 rapide : fit calcule en fp32"
    )


def _data() -> Iterator[Finding]:
    from labkit import data, number

    train = data.load_images("digits").train
    yield Finding(f"digits : {number(len(train))} images d'entraînement, livrées avec scikit-learn")
    try:
        yield Finding(f"dossier des données : {data.data_root()}")
    except data.DataError as error:
        yield Finding("aucun dossier des données (profil complet seulement)", str(error))
        return
    for name in ("mnist", "fashion_mnist"):
        yield _inspect_data(name)
    for name in ("romans", "wikitext-2"):
        yield _inspect_text(name)


def _inspect_data(name: str) -> Finding:
    from labkit import data

    try:
        if not data.has_folder(name):
            return Finding(
                f"{name} absent (profil complet seulement)",
                "il sera téléchargé au premier usage, ou donnez à LABKIT_DATA un dossier qui l'a",
            )
        data.check_files(name)
    except data.DataError as error:
        return Finding(f"{name} inutilisable (profil complet seulement)", str(error))
    return Finding(f"{name} : fichiers présents, sommes de contrôle justes")


def _inspect_text(name: str) -> Finding:
    from labkit import data, text

    try:
        missing = text.missing_files(name)
    except data.DataError as error:
        return Finding(f"{name} inutilisable (profil complet seulement)", str(error))
    if not missing:
        return Finding(f"{name} : fichiers présents")
    return Finding(
        f"{name} : il manque {len(missing)} fichier(s), dont {missing[0]} (profil complet "
        "seulement)",
        "ils seront téléchargés au premier usage, ou donnez à LABKIT_DATA un dossier qui les a",
    )


def _references() -> Iterator[Finding]:
    from labkit.references import ReferenceModelError, list_references, load_reference

    try:
        cards = list_references()
        for name, card in cards.items():
            load_reference(name)
            yield Finding(f"{name} : {card['lab']}, {card['dataset']['name']}")
    except ReferenceModelError as error:
        yield Finding("référence inutilisable", str(error), blocking=True)
        return
    if not cards:
        yield Finding("aucune référence installée", "réinstallez labkit", blocking=True)


def _checkpoints() -> Iterator[Finding]:
    from labkit.models import stylegan3

    path = stylegan3.given_checkpoint()
    if path is None:
        yield Finding(
            "pas de point de reprise StyleGAN3 (visages du lab 07 seulement)",
            "téléchargez stylegan3-r-ffhq-1024x1024.pkl et donnez son chemin à LABKIT_STYLEGAN3",
        )
        return
    try:
        config, _ = stylegan3.read_checkpoint(path)
    except stylegan3.CheckpointError as error:
        yield Finding("point de reprise StyleGAN3 inutilisable", str(error))
        return
    yield Finding(f"StyleGAN3 : {path.name}, images de côté {config.get('img_resolution')}")


def _disk() -> Iterator[Finding]:
    for label, folder in _used_folders().items():
        existing = next(parent for parent in (folder, *folder.parents) if os.path.exists(parent))
        free = shutil.disk_usage(existing).free
        remedy = "libérez de la place : moins de 2 Go" if free < _COMFORTABLE_DISK else ""
        yield Finding(f"{label} : {free / 1e9:.0f} Go libres", remedy)


def _used_folders() -> dict[str, Path]:
    from labkit.data import DataError, data_root

    folders = {"dossier courant": Path.cwd()}
    with contextlib.suppress(DataError):  # la section « Données » l'a déjà dit
        folders["données"] = data_root()
    return folders


_SECTIONS = {
    "Versions": _versions,
    "Calcul": _devices,
    "Données": _data,
    "Références": _references,
    "Points de reprise": _checkpoints,
    "Disque": _disk,
}

if __name__ == "__main__":
    sys.exit(main())
