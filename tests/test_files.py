"""Tout ce que labkit écrit : l'ancien fichier ou le nouveau, jamais une moitié, et en français."""

import errno
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from labkit import Lab, references, studies
from labkit.data import ImageSet, ImageSplits
from labkit.files import FileError, check_writable, full_path, write_atomically
from labkit.models import AutoEncoder
from labkit.training import History, fit

# --- écrire d'un bloc -----------------------------------------------------------------------------


def fail_with(code: int, *_args, **_options):
    raise OSError(code, os.strerror(code))


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_failed_write_leaves_the_former_file_intact(call, code, tmp_path, monkeypatch):
    path = tmp_path / "fichier"
    write_atomically(path, b"ancien")
    with monkeypatch.context() as patched:
        patched.setattr(os, call, partial(fail_with, code))
        with pytest.raises(FileError, match=str(path.name)):
            write_atomically(path, b"nouveau", previous=path.with_name("precedent"))
    assert path.read_bytes() == b"ancien"
    assert [file.name for file in tmp_path.iterdir()] == ["fichier"]


def test_rotation_that_stops_half_way_leaves_the_former_file(tmp_path, monkeypatch):
    path, previous, real_replace = tmp_path / "fichier", tmp_path / "precedent", os.replace
    write_atomically(path, b"ancien")

    def replace(source, target):
        if target == path:
            fail_with(errno.EIO)
        real_replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", replace)
        with pytest.raises(FileError):
            write_atomically(path, b"nouveau", previous=previous)
    assert previous.read_bytes() == b"ancien"


@pytest.mark.parametrize("previous", [None, "precedent"])
def test_two_writers_of_one_file_do_not_meet(previous, tmp_path, monkeypatch):
    """Un autre écrit tout pendant que le premier écrit : chacun son fichier provisoire."""
    path, real_fsync, others = tmp_path / "fichier", os.fsync, [b"le second"]
    write = partial(write_atomically, path, previous=previous and tmp_path / previous)

    def fsync(number):
        real_fsync(number)
        if others:
            write(others.pop())

    monkeypatch.setattr(os, "fsync", fsync)
    write(b"le premier")
    assert path.read_bytes() == b"le premier"
    if previous:
        assert (tmp_path / previous).read_bytes() == b"le second"
    assert {file.name for file in tmp_path.iterdir()} == {"fichier", previous} - {None}


def test_a_file_put_aside_by_another_writer_is_not_missed(tmp_path, monkeypatch):
    path, previous, real_replace = tmp_path / "fichier", tmp_path / "precedent", os.replace
    write_atomically(path, b"ancien")

    def replace(source, target):
        if target == previous:  # l'autre vient de le ranger lui-même
            real_replace(source, target)
        real_replace(source, target)

    monkeypatch.setattr(os, "replace", replace)
    write_atomically(path, b"nouveau", previous=previous)
    assert (path.read_bytes(), previous.read_bytes()) == (b"nouveau", b"ancien")


def test_a_written_file_can_be_read_by_others(tmp_path):
    """Le fichier provisoire est privé ; le fichier fini a les droits de tout fichier neuf."""
    (tmp_path / "usuel").write_bytes(b"")
    write_atomically(tmp_path / "fichier", b"")
    assert (tmp_path / "fichier").stat().st_mode == (tmp_path / "usuel").stat().st_mode


@pytest.mark.parametrize("write", [check_writable, partial(write_atomically, content=b"neuf")])
def test_a_folder_is_not_a_file(write, tmp_path):
    (tmp_path / "dossier").mkdir()
    with pytest.raises(FileError, match="dossier est un dossier : donnez aussi le nom du fichier"):
        write(tmp_path / "dossier")
    assert [path.name for path in tmp_path.rglob("*")] == ["dossier"]


@pytest.mark.parametrize("write", [check_writable, partial(write_atomically, content=b"neuf")])
def test_a_folder_that_cannot_be_made_is_named(write, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "mkdir", partial(fail_with, errno.EROFS))
    with pytest.raises(FileError, match="impossible d'écrire .*dossier.*droit d'écrire"):
        write(tmp_path / "dossier" / "fichier")


def test_a_file_can_be_checked_before_it_is_written(tmp_path):
    check_writable(tmp_path / "dossier" / "fichier")
    assert [path.name for path in tmp_path.rglob("*")] == ["dossier"]


def test_paths_are_full_and_know_the_home_folder(tmp_path, monkeypatch):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert full_path("~/x.pt") == full_path("x.pt") == tmp_path / "x.pt"
    write_atomically("~/dossier/x.pt", b"")
    assert (tmp_path / "dossier" / "x.pt").is_file()


def test_without_a_home_folder_a_full_path_is_asked_for(no_home):
    with pytest.raises(FileError, match="dossier personnel introuvable pour ~/x.pt.*sans ~"):
        write_atomically("~/x.pt", b"")


# --- tout ce qui s'écrit --------------------------------------------------------------------------
# Chaque auteur écrit, dans le dossier courant, une première puis une seconde version.


def data() -> ImageSplits:
    part = ImageSet(torch.zeros(1, 1, 28, 28, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64))
    return ImageSplits("digits", part, part, part, tuple("0123456789"))


def save_reference(version: int) -> None:
    torch.manual_seed(version)
    references.save_reference(
        "essai", AutoEncoder(2), {"class": "labkit.models.AutoEncoder", "latent_dim": 2},
        lab="02", data=data(), seed=version, history=History(), metrics={},
    )  # fmt: skip


def save_results(version: int) -> None:
    references.save_results("table", [{"x": version}] * 50, lab="02", data=data(), seed=0)


def save_history(version: int) -> None:
    History({"loss": [version / 3] * 500}).save("histoire.json")


def save_checkpoint(version: int) -> None:
    torch.manual_seed(0)
    model = nn.Linear(20, 20)
    batches = [torch.ones(2, 20)]
    fit(
        lambda x: {"loss": model(x).square().mean()}, batches, version, model,
        checkpoint="points/point.pt", log_every=0,
    )  # fmt: skip


def keep_images(version: int) -> None:
    Lab("02_essai", "complet", 0, {"complet": {}}).cached(
        "bruit", lambda count: torch.rand(count, 100), 20, block=20, version=version
    )


def evaluate(settings: dict) -> dict:
    return {"loss": settings["x"]}


def run_study(version: int) -> None:
    studies.run_study(f"étude {version}", evaluate, {"x": [1, 2]}, "etudes.db")


WRITERS = (save_reference, save_results, save_history, save_checkpoint, keep_images)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "bouche-trou")
    return {path.name: path.read_bytes() for path in files}


@contextmanager
def simulated(monkeypatch, code: int):
    """Un disque où plus rien ne s'écrit : le système refuse au moment où `code` se voit."""
    with monkeypatch.context() as patched:
        if code == errno.ENOSPC:
            patched.setattr(os, "fsync", partial(fail_with, code))
        else:
            patched.setattr(tempfile, "mkstemp", partial(fail_with, code))
        yield


TROUBLES = {
    errno.ENOSPC: "disque plein : .* Libérez",
    errno.EROFS: "impossible d'écrire .*en lecture seule.*droit",
}


@pytest.mark.parametrize("code", TROUBLES, ids=["full", "read-only"])
@pytest.mark.parametrize("write", WRITERS)
def test_what_cannot_be_written_leaves_the_former(write, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(1)
    before = contents(tmp_path)
    with simulated(monkeypatch, code), pytest.raises(FileError, match=TROUBLES[code]):
        write(2)
    assert contents(tmp_path) == before
    write(2)
    assert contents(tmp_path).keys() >= before.keys() and contents(tmp_path) != before


@pytest.fixture
def small_disk(tmp_path, monkeypatch):
    """Un vrai disque de 4 Mo, dossier courant le temps du test."""
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)]
    is_linux = sys.platform.startswith("linux")
    if not is_linux or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("monter un petit disque demande Linux et d'être administrateur")
    with monkeypatch.context() as patched:
        patched.chdir(tmp_path)
        yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


@contextmanager
def full(disk: Path):
    filler = disk / "bouche-trou"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    yield
    filler.unlink()


@contextmanager
def read_only(disk: Path):
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    yield
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)


@pytest.mark.parametrize("trouble", [full, read_only])
@pytest.mark.parametrize("write", [*WRITERS, run_study])
def test_a_real_disk_that_refuses_leaves_the_former(write, trouble, small_disk, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # Optuna en met entre ses essais
    write(1)
    before = contents(small_disk)
    with trouble(small_disk), pytest.raises(FileError, match="disque plein|d'écrire"):
        write(2)
    assert contents(small_disk) == before
    write(2)
    assert contents(small_disk).keys() >= before.keys() and contents(small_disk) != before
