"""Les fichiers de données : ceux qui manquent, sont abîmés ou ne peuvent être lus."""

import builtins
import errno
import os
from functools import partial
from pathlib import Path

import pytest
import torch

from labkit import data
from labkit.data import DataError, files, load_images
from labkit.data.files import FILES, md5


def flip_last_bit(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "damage", [flip_last_bit, lambda c: c[:-7], lambda c: b"", lambda c: c * 2]
)
def test_damaged_file_is_named_not_read_and_kept(file, damage, installed, server):
    path = installed / file
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    asked = len(server.requests)
    with pytest.raises(DataError) as caught:
        load_images("fashion_mnist", root=installed.parents[1])
    assert str(path) in str(caught.value)
    assert "ni lu ni supprimé" in str(caught.value)
    assert "Retirez-le vous-même" in str(caught.value)
    assert path.read_bytes() == damaged
    assert len(server.requests) == asked


def test_files_that_nothing_vouches_for_are_refused(installed):
    (installed / "MD5SUMS").unlink()
    with pytest.raises(DataError, match=r"rien ne permet de vérifier.*écrivez sa somme MD5"):
        load_images("fashion_mnist", root=installed.parents[1])


@pytest.mark.parametrize("content", ["", "\n\n", "0123456789abcdef", "vide", "d41d8cd98f00b204e9"])
def test_a_damaged_manifest_vouches_for_nothing(content, installed):
    (installed / "MD5SUMS").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="rien ne permet de vérifier"):
        load_images("fashion_mnist", root=installed.parents[1])


def test_a_binary_manifest_vouches_for_nothing(installed):
    (installed / "MD5SUMS").write_bytes(b"\xff\xfe\x00\x9d" * 8)
    with pytest.raises(DataError, match="rien ne permet de vérifier"):
        load_images("fashion_mnist", root=installed.parents[1])


def test_intact_archives_vouch_for_unpacked_files(installed, server):
    """Le dossier que laisse torchvision : archives à côté des fichiers, sans MD5SUMS."""
    (installed / "MD5SUMS").unlink()
    for archive, content in server.files.items():
        (installed / archive).write_bytes(content)
    root = installed.parents[1]
    assert len(load_images("fashion_mnist", root=root, download=False).train) == 30
    archive = installed / f"{FILES[0]}.gz"
    archive.write_bytes(archive.read_bytes()[:-1])
    with pytest.raises(DataError, match="rien ne permet de vérifier"):
        load_images("fashion_mnist", root=root, download=False)


def test_manifest_written_by_md5sum_on_binary_files_is_read(installed):
    text = (installed / "MD5SUMS").read_text(encoding="utf-8")
    (installed / "MD5SUMS").write_text(text.replace("  ", " *"), encoding="utf-8")
    assert len(load_images("fashion_mnist", root=installed.parents[1], download=False).train) == 30


def test_old_torchvision_cache_is_not_read(installed):
    """Torchvision préférerait à raw/ ces fichiers que rien ne vérifie."""
    processed = installed.parent / "processed"
    processed.mkdir()
    fake = (torch.zeros(30, 28, 28, dtype=torch.uint8), torch.zeros(30, dtype=torch.long))
    for file in ("training.pt", "test.pt"):
        torch.save(fake, processed / file)
    splits = load_images("fashion_mnist", root=installed.parents[1], download=False)
    assert splits.train.labels.tolist() == [i % 10 for i in range(30)]


@pytest.mark.parametrize("root", ["absent", "absent/plus/profond"])
def test_missing_folder_without_download(root, tmp_path):
    with pytest.raises(DataError) as caught:
        load_images("mnist", root=tmp_path / root, download=False)
    assert f"{tmp_path / root}, qui n'existe pas : vérifiez l'orthographe" in str(caught.value)
    assert not (tmp_path / root).exists()


def test_checking_a_missing_file_names_it(installed):
    (installed / FILES[2]).unlink()
    with pytest.raises(DataError, match=FILES[2]):
        data.check_files("fashion_mnist", installed.parents[1])


def test_read_only_folder_that_has_the_data_is_enough(installed, monkeypatch, raise_os_error):
    real_open = builtins.open

    def read_only(file, mode="r", *args, **options):
        if set(mode) & set("wax+"):
            raise_os_error(errno.EROFS)
        return real_open(file, mode, *args, **options)

    monkeypatch.setattr(builtins, "open", read_only)
    monkeypatch.setattr(os, "mkdir", partial(raise_os_error, errno.EROFS))
    monkeypatch.setattr(os, "replace", partial(raise_os_error, errno.EROFS))
    assert len(load_images("fashion_mnist", root=installed.parents[1]).train) == 30


def test_file_that_cannot_be_opened(installed, monkeypatch, raise_os_error):
    monkeypatch.setattr(Path, "read_bytes", partial(raise_os_error, errno.EACCES))
    with pytest.raises(DataError, match=f"impossible de lire .*{FILES[0]}"):
        load_images("fashion_mnist", root=installed.parents[1])


@pytest.mark.parametrize("download", [True, False])
def test_folder_that_cannot_be_read(download, monkeypatch, tmp_path, raise_os_error):
    # exists et is_file laissent passer cette erreur ou répondent False, selon la version de Python.
    for method in ("stat", "exists", "is_file", "is_dir"):
        monkeypatch.setattr(Path, method, partial(raise_os_error, errno.EACCES))
    for read in (
        partial(load_images, "mnist", tmp_path, download),
        partial(data.check_files, "mnist", tmp_path),
    ):
        with pytest.raises(DataError, match="impossible de lire .*LABKIT_DATA"):
            read()


def test_manifest_that_cannot_be_read(installed, monkeypatch, raise_os_error):
    monkeypatch.setattr(Path, "read_text", partial(raise_os_error, errno.EACCES))
    with pytest.raises(DataError, match="impossible de lire"):
        load_images("fashion_mnist", root=installed.parents[1])


def test_folder_is_root_then_labkit_data_then_the_user_cache(monkeypatch, tmp_path):
    from platformdirs import user_cache_path

    assert data.data_root() == user_cache_path("labkit")
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path / "a"))
    assert data.data_root() == tmp_path / "a"
    assert data.data_root(tmp_path / "b") == tmp_path / "b"
    monkeypatch.setenv("LABKIT_DATA", "~/donnees")
    assert data.data_root() == Path.home() / "donnees"
    monkeypatch.chdir(tmp_path)
    assert data.data_root("relatif") == Path.cwd() / "relatif"


def test_an_extract_is_believed_only_under_its_own_name(tmp_path, monkeypatch):
    raw = data.raw_folder("mnist", tmp_path)
    raw.mkdir(parents=True)
    for file in FILES:
        (raw / file).write_bytes(b"vetements")
    digest = md5(b"vetements")
    monkeypatch.setitem(files.EXTRACT_MD5, "fashion_mnist", dict.fromkeys(FILES, digest))
    with pytest.raises(DataError, match="tronqué ou modifié"):
        data.check_files("mnist", tmp_path)
