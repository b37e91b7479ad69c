"""Installe dans l'environnement courant les paquets de requirements.txt, puis labkit.

    .venv/bin/python -m tools.install [--torch cpu|gpu]

uv, pris par pip, installe ; sans lui, pip. Sous Linux sans GPU NVIDIA, torch vient de l'index des
versions pour processeur, plus légères de plusieurs gigaoctets, si cet index répond ; les empreintes
de requirements.txt, celles de l'autre version, ne s'appliquent alors pas à torch et torchvision.

N'emploie que la bibliothèque standard : rien d'autre n'est encore installé.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tools.lock import LOCK, ROOT, Entry, entries

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PATIENCE = 3.0  # secondes laissées à cet index pour répondre
TORCH = ("torch", "torchvision")
LABELS = {"cpu": ("légère, sans GPU", "gpu"), "gpu": ("complète, GPU compris", "cpu")}
GPU_ONLY = re.compile(r"(nvidia|cuda|triton)(-|$)")  # ce que seule la version pour GPU demande

# Pour pip et uv, 2.15.0+cpu satisfait ==2.15.0 : sans cela, l'autre version resterait.
REPLACE = ["--force-reinstall"]

# Comment pip est réglé, et la variable par laquelle uv l'apprend.
UV_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "cert": "SSL_CERT_FILE",
}


class InstallError(Exception):
    """Une installation impossible ; le message dit que faire."""


@dataclass(frozen=True)
class Choice:
    """La version de torch à installer, `cpu` ou `gpu`, et pourquoi."""

    kind: str
    reason: str
    forced: bool = False

    def __str__(self) -> str:
        label, other = LABELS[self.kind]
        return f"torch : version {label} ({self.reason}). L'autre : make setup TORCH={other}"


def choose(forced: str | None) -> Choice | None:
    """Choisit la version de torch ; None là où il n'y en a qu'une, hors de Linux."""
    if not sys.platform.startswith("linux"):
        return None
    if forced:
        return Choice(forced, "demandée", forced=True)
    if installed_torch():
        return Choice("cpu" if is_light() else "gpu", "déjà installée")
    if has_nvidia_gpu():
        return Choice("gpu", "un GPU NVIDIA est là")
    if answers(CPU_INDEX, PATIENCE):
        return Choice("cpu", "aucun GPU NVIDIA")
    return Choice("gpu", f"l'index de la version légère ne répond pas en {PATIENCE:g} s")


def has_nvidia_gpu() -> bool:
    """Vrai si le pilote NVIDIA est installé."""
    return shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia").exists()


def installed_torch() -> str:
    """La version de torch installée, suffixe compris (`2.15.0+cpu`) ; vide sans torch."""
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        return ""


def is_light() -> bool:
    """Vrai si la version de torch installée est celle pour processeur."""
    return "+cpu" in installed_torch()


def answers(index: str, patience: float) -> bool:
    """Vrai si un index de paquets propose torch avant `patience` secondes, DNS compris."""
    reached = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(f"{index}/torch/", timeout=patience) as response:
                reached.append(response.status == 200)
        except (OSError, ValueError):  # pas de réseau, refus, certificat, réponse illisible
            return

    # Dans un fil : le délai d'urlopen ne couvre pas la résolution du nom.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(patience)
    return any(reached)


def uv_environment(pip_settings: str) -> dict[str, str]:
    """L'environnement d'uv, qui ignore les réglages de pip : les index de pip y sont reportés.

    Args:
        pip_settings: ce qu'écrit `pip config list`.
    """
    environment = dict(os.environ, UV_INDEX_STRATEGY="unsafe-best-match")
    for line in pip_settings.splitlines():
        key, _, value = line.partition("=")
        variable = UV_VARIABLES.get(key.rpartition(".")[2])
        if variable:
            environment.setdefault(variable, " ".join(ast.literal_eval(value).split()))
    return environment


class Installer:
    """Installe par uv si pip a pu le prendre, par pip sinon."""

    def __init__(self, lock: str):
        self.entries = entries(lock)
        self.commands = [pip("install", "--disable-pip-version-check")]
        self.environment: dict[str, str] | None = None

    def add_uv(self) -> None:
        """Prend uv par pip ; sans lui, la suite se fait par pip, plus lent."""
        if not self.install(only(self.entries, {"uv"})):
            print("uv n'a pas pu être installé : pip installe tout, en plusieurs minutes.")
            return
        listed = subprocess.run(pip("config", "list"), capture_output=True, text=True, check=False)
        self.environment = uv_environment(listed.stdout)
        uv = [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable]
        if sys.dont_write_bytecode:  # sinon, chaque noyau compilerait torch de nouveau
            uv.append("--compile-bytecode")
        self.commands.insert(0, uv)

    def install(self, chosen: Iterable[Entry], *options: str) -> bool:
        """Installe des paquets de requirements.txt, empreintes vérifiées."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / LOCK
            path.write_text("".join(entry.text for entry in chosen), encoding="utf-8")
            return self.run("--no-deps", "--require-hashes", *options, "-r", str(path))

    def install_light_torch(self) -> bool:
        """Installe torch et torchvision de l'index pour processeur, à la place des autres."""
        pinned = [
            f"{entry.name}=={entry.version}" + (f" ; {entry.marker}" if entry.marker else "")
            for entry in only(self.entries, TORCH)
        ]
        replaced = bool(installed_torch()) and not is_light()
        options = REPLACE if replaced else []
        done = self.run("--no-deps", "--index-url", CPU_INDEX, *options, *pinned)
        if done and replaced:
            useless = sorted({entry.name for entry in self.entries if GPU_ONLY.match(entry.name)})
            subprocess.run(pip("uninstall", "--quiet", "--yes", *useless), check=False)
        return done

    def install_labkit(self) -> bool:
        """Installe le paquet du cours, modifiable ; setuptools est déjà là."""
        return self.run("--no-deps", "--no-build-isolation", "--editable", str(ROOT))

    def run(self, *arguments: str) -> bool:
        """Lance uv, puis pip si uv échoue ; vrai dès que l'un réussit."""
        return any(self._succeeds([*command, *arguments]) for command in self.commands)

    def _succeeds(self, command: list[str]) -> bool:
        return subprocess.run(command, env=self.environment, check=False).returncode == 0


def pip(*arguments: str) -> list[str]:
    """Une commande pip de cet environnement."""
    return [sys.executable, "-m", "pip", *arguments]


def only(found: Iterable[Entry], names: Iterable[str]) -> list[Entry]:
    """Les paquets de ces noms."""
    return [entry for entry in found if entry.name in names]


def without_gpu(found: Iterable[Entry]) -> list[Entry]:
    """Tous les paquets, sauf torch, torchvision et ce que demande leur version pour GPU."""
    return [e for e in found if e.name not in TORCH and not GPU_ONLY.match(e.name)]


def place_light_torch(installer: Installer, choice: Choice) -> bool:
    """Met en place la version légère de torch si elle est choisie ; vrai si elle l'est.

    Raises:
        InstallError: elle est demandée, et son index ne la donne pas.
    """
    print(choice, flush=True)
    if choice.kind == "gpu":
        if is_light():
            installer.install(only(installer.entries, TORCH), *REPLACE)
        return False
    if installer.install_light_torch():
        return True
    if choice.forced:
        raise InstallError(
            f"{CPU_INDEX} n'a pas donné la version légère de torch. "
            "Réessayez, ou installez la complète : make setup TORCH=gpu"
        )
    print("La version légère n'a pas pu être installée : voici la complète.", flush=True)
    return False


def install(installer: Installer, choice: Choice | None) -> None:
    """Installe tout : uv, torch, les autres paquets, labkit.

    Raises:
        InstallError: un paquet n'a pas pu l'être.
    """
    installer.add_uv()
    light = choice is not None and place_light_torch(installer, choice)
    packages = without_gpu(installer.entries) if light else installer.entries
    if not (installer.install(packages) and installer.install_labkit()):
        raise InstallError("Installation inachevée : lisez l'erreur ci-dessus, puis relancez.")


def main(arguments: list[str] | None = None) -> int:
    """Installe le cours ; statut 1 si un paquet n'a pas pu l'être."""
    parser = argparse.ArgumentParser(description="Installe les paquets de requirements.txt.")
    parser.add_argument("--torch", choices=("cpu", "gpu"), help="version de torch sous Linux")
    forced = parser.parse_args(arguments).torch
    installer = Installer((ROOT / LOCK).read_text(encoding="utf-8"))
    try:
        install(installer, choose(forced))
    except InstallError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
