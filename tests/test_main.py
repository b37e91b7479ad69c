"""`python -m labkit` : chaque manque est dit avec son remède, et le statut suit."""

import errno
import gzip
import importlib
import io
import os
import re
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import pytest

import labkit
from labkit import __main__ as diagnosis
from labkit import data, references
from labkit.data import checksums


def test_a_healthy_machine_can_run_the_labs(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path))
    assert diagnosis.main() == 0
    output = capsys.readouterr().out
    assert "Tous les labs peuvent tourner en profil rapide." in output
    assert "1\u202f297 images" in output and str(tmp_path) in output
    assert "mnist absent" in output and "LABKIT_DATA" in output
    assert "✗" not in output


def test_a_damaged_file_is_named_with_what_to_do(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path))
    raw = data.raw_folder("mnist")
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").write_bytes(b"coupe")
    assert diagnosis.main() == 0  # le profil rapide n'en a pas besoin
    output = capsys.readouterr().out
    assert "mnist inutilisable" in output
    assert "train-images-idx3-ubyte est tronqué" in output


def test_a_machine_without_a_home_folder_can_run_the_labs(capsys, monkeypatch, no_home):
    monkeypatch.delenv("LABKIT_DATA", raising=False)
    assert diagnosis.main() == 0
    output = capsys.readouterr().out
    assert "! aucun dossier des données (profil complet seulement)" in output
    assert re.search("→ dossier personnel introuvable.*LABKIT_DATA", output)
    assert "dossier courant :" in output and "données :" not in output
    assert "Tous les labs peuvent tourner en profil rapide." in output


def test_archives_alone_are_enough(capsys, monkeypatch, tmp_path):
    contents = {file: file.encode() for file in checksums.FILES}
    for file, content in contents.items():
        (tmp_path / f"{file}.gz").write_bytes(gzip.compress(content))
    sums = {file: checksums.md5(content) for file, content in contents.items()}
    monkeypatch.setitem(checksums.PUBLISHED, "mnist", sums)
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path))
    assert diagnosis.main() == 0
    output = capsys.readouterr().out
    assert "✓ mnist : fichiers présents, sommes de contrôle justes" in output
    assert "! fashion_mnist absent" in output


def test_a_package_that_does_not_import_blocks(capsys, monkeypatch):
    real = importlib.import_module

    def broken(name, *arguments):
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist")
        return real(name, *arguments)

    monkeypatch.setattr(importlib, "import_module", broken)
    assert diagnosis.main() == 1
    output = capsys.readouterr().out
    assert "✗ torchvision ne s'importe pas : operator torchvision::nms" in output
    assert "requirements.txt" in output
    assert "Il manque de quoi lancer les labs" in output
    assert "Calcul" not in output  # les contrôles suivants supposent celui-ci réussi


def test_every_dependency_is_checked():
    # Dans le fichier même : ce qui est installé peut dater d'une version d'avant.
    project = Path(labkit.__file__).parents[1] / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    block = re.search(r"^dependencies = \[(.*?)^\]", text, re.DOTALL | re.MULTILINE)[1]
    names = set(re.findall(r'"([\w-]+)', block))
    assert {"torch", "scikit-learn", "sqlalchemy"} <= names
    checked = {diagnosis._DISTRIBUTIONS.get(module, module) for module in diagnosis._NEEDED}
    assert names <= checked
    assert "ipykernel" in checked  # sans lui, aucun notebook ne s'exécute


def test_a_console_that_is_not_utf8(monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path))
    console = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", console)
    assert diagnosis.main() == 0
    console.flush()
    assert "✓ Python" in console.buffer.getvalue().decode("utf-8")


def test_a_check_that_stops_is_a_finding(capsys, monkeypatch):
    def stop(*_):
        raise KeyError("images")

    monkeypatch.setattr(data, "load_images", stop)
    assert diagnosis.main() == 1
    output = capsys.readouterr().out
    assert "✗ contrôle interrompu par KeyError : 'images'" in output
    assert "requirements.txt" in output
    assert "Il manque de quoi lancer les labs" in output


def test_a_data_folder_that_cannot_be_read(capsys, monkeypatch, tmp_path):
    closed = tmp_path / "interdit"
    real_stat = os.stat

    def stat(path, *arguments, **options):
        if str(path).startswith(str(closed)):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real_stat(path, *arguments, **options)

    monkeypatch.setenv("LABKIT_DATA", str(closed))
    monkeypatch.setattr(os, "stat", stat)
    monkeypatch.setattr(Path, "stat", lambda self, **options: stat(self, **options))
    assert diagnosis.main() == 0  # le profil rapide n'en a pas besoin
    output = capsys.readouterr().out
    assert "! mnist inutilisable" in output
    assert "impossible de lire" in output and str(closed) in output
    assert "données :" in output  # la place disponible est celle du dossier parent


@pytest.mark.parametrize("content", ["{", "\xe9".encode("latin-1")])
def test_a_damaged_reference_card_is_named(capsys, monkeypatch, tmp_path, content):
    monkeypatch.setattr(references, "_INSTALLED", tmp_path)
    path = tmp_path / "essai.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert diagnosis.main() == 1
    output = capsys.readouterr().out
    assert "✗ référence inutilisable" in output
    assert str(path) in output and "Réinstallez labkit" in output


def test_no_reference_at_all_is_said(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(references, "_INSTALLED", tmp_path)
    assert diagnosis.main() == 1
    output = capsys.readouterr().out
    assert "✗ aucune référence installée\n      → réinstallez labkit" in output


def test_little_disk_is_said(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**10, 10**10, 5 * 10**8))
    assert diagnosis.main() == 0
    assert "moins de 2 Go" in capsys.readouterr().out


@pytest.mark.parametrize(
    "blocking, remedy, mark", [(True, "a", "✗"), (False, "a", "!"), (False, "", "✓")]
)
def test_marks(blocking, remedy, mark):
    assert str(diagnosis.Finding("texte", remedy, blocking)).strip().startswith(mark)


def test_the_checkpoint_to_give_is_named(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path))
    monkeypatch.delenv("LABKIT_STYLEGAN3", raising=False)
    assert diagnosis.main() == 0
    output = capsys.readouterr().out
    assert "! pas de point de reprise StyleGAN3 (visages du lab 07 seulement)" in output
    assert "donnez son chemin à LABKIT_STYLEGAN3" in output


def test_a_hostile_checkpoint_is_refused_and_blocks_nothing(capsys, monkeypatch, tmp_path):
    path = tmp_path / "visages.pkl"
    path.write_bytes(b"cos\nsystem\n(S'exit 3'\ntR.")
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path))
    monkeypatch.setenv("LABKIT_STYLEGAN3", str(path))
    assert diagnosis.main() == 0
    output = capsys.readouterr().out
    assert "! point de reprise StyleGAN3 inutilisable" in output
    assert "le fichier demande 'os.system'" in output
