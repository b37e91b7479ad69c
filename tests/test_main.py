"""`python -m labkit` : chaque manque est dit avec son remède, et le statut suit."""

import importlib
import shutil
from collections import namedtuple

import pytest

from labkit import __main__ as diagnosis
from labkit import data


def test_a_healthy_machine_can_run_the_labs(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path))
    assert diagnosis.main() == 0
    output = capsys.readouterr().out
    assert "Tous les labs peuvent tourner en profil rapide." in output
    assert "1297 images" in output and str(tmp_path) in output
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
