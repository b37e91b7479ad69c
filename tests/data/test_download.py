"""Le téléchargement, depuis un serveur local : entier et vérifié, ou rien."""

import builtins
import errno
import os
import socket
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
import torchvision

from labkit.data import DataError, load_images
from labkit.data.checksums import FILES
from labkit.data.files import TORCHVISION_CLASSES as FOLDERS


def left_in(raw: Path) -> list[str]:
    return sorted(path.name for path in raw.iterdir()) if raw.is_dir() else []


@pytest.mark.parametrize("name", FOLDERS)
def test_download_then_offline_reload(name, serve, server, tmp_path, capsys):
    files = serve(name)
    splits = load_images(name, root=tmp_path)
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [30, 5, 5]
    assert splits.train.images.numpy().tobytes() == files[FILES[0]][16:]
    assert splits.train.labels.tolist() == [i % 10 for i in range(30)]
    raw = tmp_path / FOLDERS[name] / "raw"
    assert {file: (raw / file).read_bytes() for file in left_in(raw)} == files
    shown = capsys.readouterr()
    assert shown.out == f"Téléchargement de {name} dans {raw}\n"
    assert shown.err == ""

    asked = len(server.requests)
    again = load_images(name, root=tmp_path, download=False)
    assert torch.equal(again.val.images, splits.val.images)
    assert torch.equal(again.test.labels, splits.test.labels)
    assert len(server.requests) == asked


def test_only_missing_files_are_put_in_place(serve, tmp_path):
    files = serve("fashion_mnist")
    load_images("fashion_mnist", root=tmp_path)
    raw = tmp_path / "FashionMNIST/raw"
    (raw / FILES[3]).unlink()
    damaged = files[FILES[0]][:-5]
    (raw / FILES[0]).write_bytes(damaged)
    with pytest.raises(DataError, match=f"{FILES[0]} est tronqué ou modifié"):
        load_images("fashion_mnist", root=tmp_path)
    assert (raw / FILES[3]).read_bytes() == files[FILES[3]]
    assert (raw / FILES[0]).read_bytes() == damaged


def test_archives_at_hand_spare_the_download_of_their_files(serve, server, tmp_path):
    files = serve("fashion_mnist")
    raw = tmp_path / "FashionMNIST/raw"
    raw.mkdir(parents=True)
    (raw / f"{FILES[0]}.gz").write_bytes(server.files[f"{FILES[0]}.gz"])
    assert len(load_images("fashion_mnist", root=tmp_path).train) == 30
    assert left_in(raw) == sorted([f"{FILES[0]}.gz", *FILES[1:]])
    assert (raw / FILES[1]).read_bytes() == files[FILES[1]]


def test_a_failed_download_tells_what_lies_in_the_folder(serve, server, tmp_path):
    serve("mnist")
    server.fault = "missing"
    (tmp_path / "MNIST").mkdir()
    (tmp_path / "MNIST" / f"{FILES[1]}.gz").write_bytes(server.files[f"{FILES[1]}.gz"])
    (tmp_path / "MNIST" / "mnist_test.csv").touch()
    with pytest.raises(DataError) as caught:
        load_images("mnist", root=tmp_path)
    assert f"introuvable dans {tmp_path / 'MNIST'} (il y manque {FILES[0]}" in str(caught.value)
    assert "on y trouve mnist_test.csv" in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows donne à cette erreur un autre code")
def test_an_empty_folder_in_the_place_of_a_file(serve, tmp_path):
    serve("mnist")
    (tmp_path / "MNIST/raw" / FILES[1]).mkdir(parents=True)
    with pytest.raises(DataError, match="impossible d'écrire dans .*raw"):
        load_images("mnist", root=tmp_path)


def assert_three_ways_out(message: str, folder: str) -> None:
    for expected in ("Trois façons", "réseau", "LABKIT_DATA", f"{folder}/raw", 'profil = "rapide"'):
        assert expected in message


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("fault", ["wrong", "truncated", "missing", "garbled"])
def test_bad_transfers_leave_nothing_behind(name, fault, serve, server, tmp_path):
    serve(name)
    server.fault = fault
    with pytest.raises(DataError) as caught:
        load_images(name, root=tmp_path)
    assert_three_ways_out(str(caught.value), FOLDERS[name])
    assert left_in(tmp_path / FOLDERS[name] / "raw") == []
    server.fault = None
    assert len(load_images(name, root=tmp_path).train) == 30


def test_a_server_that_fails_late_leaves_nothing_behind(serve, server, tmp_path):
    serve("mnist")
    del server.files[f"{FILES[3]}.gz"]
    with pytest.raises(DataError, match=FILES[3]):
        load_images("mnist", root=tmp_path)
    assert left_in(tmp_path / "MNIST/raw") == []


def test_no_server_at_all(point_at, small_files, tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # port pris mais où personne n'écoute : connexion refusée
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        point_at("mnist", small_files, address)
        with pytest.raises(DataError) as caught:
            load_images("mnist", root=tmp_path)
    assert_three_ways_out(str(caught.value), "MNIST")
    assert left_in(tmp_path / "MNIST/raw") == []


def test_timeout_is_set_during_the_download_only(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(
        torchvision.datasets.MNIST, "download", lambda self: seen.append(socket.getdefaulttimeout())
    )
    before = socket.getdefaulttimeout()
    with pytest.raises(DataError):
        load_images("mnist", root=tmp_path)
    assert seen == [30]
    assert socket.getdefaulttimeout() == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows donne à cette erreur un autre code")
def test_root_inside_a_file(serve, tmp_path):
    serve("mnist")
    (tmp_path / "fichier").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="impossible d'écrire dans .*fichier.*LABKIT_DATA"):
        load_images("mnist", root=tmp_path / "fichier")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_folder_where_nothing_can_be_written(code, serve, monkeypatch, tmp_path, raise_os_error):
    serve("mnist")
    monkeypatch.setattr(os, "mkdir", partial(raise_os_error, code))
    with pytest.raises(DataError, match="impossible d'écrire dans .*LABKIT_DATA"):
        load_images("mnist", root=tmp_path)


class _FullDisk:
    """Un fichier ouvert en écriture sur un disque où il n'y a plus de place."""

    def __init__(self, file, fail):
        self.file, self.fail = file, fail

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, content):
        self.file.write(content[: len(content) // 2])
        self.fail(errno.ENOSPC)


@pytest.mark.parametrize("victim", ["images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte"])
def test_full_disk_during_the_download(victim, serve, monkeypatch, tmp_path, raise_os_error):
    serve("mnist")
    real_open = builtins.open

    def small_open(file, mode="r", *args, **options):
        opened = real_open(file, mode, *args, **options)
        return (
            _FullDisk(opened, raise_os_error)
            if "w" in mode and str(file).endswith(victim)
            else opened
        )

    monkeypatch.setattr(builtins, "open", small_open)
    with pytest.raises(DataError, match="disque plein.*Libérez de la place"):
        load_images("mnist", root=tmp_path)
    assert left_in(tmp_path / "MNIST/raw") == []


def test_full_disk_while_files_are_put_in_place(serve, monkeypatch, tmp_path, raise_os_error):
    serve("fashion_mnist")
    with monkeypatch.context() as patched:
        real_replace = os.replace

        def replace(source, target):
            if str(target).endswith(FILES[1]):
                raise_os_error(errno.ENOSPC)
            real_replace(source, target)

        patched.setattr(os, "replace", replace)
        with pytest.raises(DataError, match="disque plein"):
            load_images("fashion_mnist", root=tmp_path)
    assert len(load_images("fashion_mnist", root=tmp_path).train) == 30
