"""Les fichiers de données, tels qu'on les a : sous tous leurs noms, abîmés, absents, illisibles."""

import builtins
import errno
import gzip
import os
import re
import warnings
from functools import partial
from pathlib import Path

import pytest
import torch

from labkit import data
from labkit.data import DataError, ImageSplits, load_images, sources
from labkit.data.checksums import FILES, md5
from labkit.data.files import TORCHVISION_CLASSES as FOLDERS


def flip_last_bit(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def read_quietly(name: str, root: Path) -> ImageSplits:
    """Charge sans réseau, et sans que rien ne mérite un avertissement."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_images(name, root=root, download=False)


# --- les formes que prennent les fichiers ---------------------------------------------------------


def unpacked(file: str, content: bytes) -> tuple[str, bytes]:
    return file, content


def archive(file: str, content: bytes) -> tuple[str, bytes]:
    return f"{file}.gz", gzip.compress(content)


def upper_case_archive(file: str, content: bytes) -> tuple[str, bytes]:
    return f"{file}.gz".upper(), gzip.compress(content)


def dotted(file: str, content: bytes) -> tuple[str, bytes]:
    return file.replace("-idx", ".idx"), content


def dotted_archive(file: str, content: bytes) -> tuple[str, bytes]:
    return f"{file.replace('-idx', '.idx')}.gz", gzip.compress(content)


def upper_case(file: str, content: bytes) -> tuple[str, bytes]:
    return file.upper(), content


def in_its_folder(file: str, content: bytes) -> tuple[str, bytes]:
    return f"{file}/{file}", content


def dotted_in_its_folder(file: str, content: bytes) -> tuple[str, bytes]:
    return f"{file}/{file.replace('-idx', '.idx')}", content


def archive_in_its_folder(file: str, content: bytes) -> tuple[str, bytes]:
    return f"{file}.gz/{file}.gz", gzip.compress(content)


def unpacked_by_the_browser(file: str, content: bytes) -> tuple[str, bytes]:
    return f"{file}.gz", content


FORMS = (
    unpacked, archive, upper_case_archive, dotted, dotted_archive, upper_case, in_its_folder,
    dotted_in_its_folder, archive_in_its_folder, unpacked_by_the_browser,
)  # fmt: skip


def lay_out(folder: Path, contents: dict[str, bytes], form=unpacked) -> None:
    for file, content in contents.items():
        name, stored = form(file, content)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(stored)


def assert_is(splits: ImageSplits, contents: dict[str, bytes]) -> None:
    assert splits.train.images.numpy().tobytes() == contents[FILES[0]][16:]
    assert splits.train.labels.tolist() == list(contents[FILES[1]][8:])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", FOLDERS)
def test_every_usual_form_is_read_in_place(name, form, known_files, tmp_path):
    contents = known_files(name)
    raw = tmp_path / FOLDERS[name] / "raw"
    lay_out(raw, contents, form)
    before = sorted(path for path in tmp_path.rglob("*"))
    assert data.has_folder(name, tmp_path)
    data.check_files(name, tmp_path)
    assert_is(read_quietly(name, tmp_path), contents)
    assert sorted(path for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("folder", ["", "raw", "FashionMNIST", "fashion-mnist", "fashion/raw"])
def test_files_may_lie_in_any_folder_named_after_the_set_or_in_root(folder, known_files, tmp_path):
    contents = known_files("fashion_mnist")
    lay_out(tmp_path / folder, contents, archive)
    assert_is(read_quietly("fashion_mnist", tmp_path), contents)


def test_each_file_may_have_its_own_form(known_files, tmp_path):
    contents = known_files("mnist")
    for (file, content), form in zip(contents.items(), FORMS, strict=False):
        lay_out(tmp_path, {file: content}, form)
    assert_is(read_quietly("mnist", tmp_path), contents)


def test_both_sets_may_share_a_root(known_files, tmp_path):
    digits, clothes = known_files("mnist"), known_files("fashion_mnist")
    lay_out(tmp_path / "fashion", clothes)
    lay_out(tmp_path, digits)
    assert_is(read_quietly("mnist", tmp_path), digits)
    assert_is(read_quietly("fashion_mnist", tmp_path), clothes)


@pytest.mark.parametrize("bad", [FILES[0], f"{FILES[0]}.gz"])
def test_an_intact_copy_is_enough(bad, known_files, tmp_path):
    contents = known_files("mnist")
    lay_out(tmp_path, contents)
    lay_out(tmp_path, contents, archive)
    (tmp_path / bad).write_bytes((tmp_path / bad).read_bytes()[:-9])
    assert_is(read_quietly("mnist", tmp_path), contents)


@pytest.mark.parametrize("damage", [flip_last_bit, lambda c: c[:40], lambda c: c[:2] + c[9:]])
def test_a_damaged_archive_is_named(damage, known_files, tmp_path):
    lay_out(tmp_path, known_files("mnist"), archive)
    path = tmp_path / f"{FILES[2]}.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=f"{FILES[2]}.gz est tronqué ou modifié"):
        load_images("mnist", root=tmp_path, download=False)


def test_what_lies_in_the_folder_is_told(tmp_path):
    raw = tmp_path / "MNIST/raw"
    raw.mkdir(parents=True)
    (raw / "mnist.npz").write_bytes(b"autre format")
    (raw / FILES[1]).write_bytes(b"")
    with pytest.raises(DataError) as caught:
        load_images("mnist", root=tmp_path, download=False)
    assert f"il y manque {FILES[0]}, {FILES[2]}, {FILES[3]}" in str(caught.value)
    assert "on y trouve mnist.npz" in str(caught.value)


# --- les sommes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [unpacked, archive])
def test_files_of_the_other_set_are_called_by_their_name(form, known_files, tmp_path):
    known_files("mnist")
    lay_out(tmp_path / "MNIST/raw", known_files("fashion_mnist"), form)
    for read in (load_images, data.check_files):
        with pytest.raises(DataError, match="ce sont celles de Fashion-MNIST.*FashionMNIST/raw"):
            read("mnist", tmp_path)


def test_a_manifest_does_not_turn_one_set_into_another(known_files, tmp_path):
    known_files("mnist")
    clothes = known_files("fashion_mnist")
    lay_out(tmp_path / "MNIST/raw", clothes)
    write_manifest(tmp_path / "MNIST/raw", clothes)
    with pytest.raises(DataError, match="ce sont celles de Fashion-MNIST"):
        load_images("mnist", root=tmp_path)


def test_files_of_the_other_set_in_an_unnamed_folder_are_left_alone(known_files, tmp_path):
    known_files("mnist")
    lay_out(tmp_path, known_files("fashion_mnist"), archive)
    assert not data.has_folder("mnist", tmp_path)
    with pytest.raises(DataError) as caught:
        load_images("mnist", root=tmp_path, download=False)
    assert f"les données de {tmp_path}, ce sont celles de Fashion-MNIST" in str(caught.value)


def test_files_whose_names_were_exchanged_are_told(known_files, tmp_path):
    contents = known_files("mnist")
    lay_out(tmp_path / "MNIST/raw", contents | {FILES[1]: contents[FILES[3]]})
    with pytest.raises(DataError, match=f"{FILES[1]} contient en fait {FILES[3]}"):
        load_images("mnist", root=tmp_path)


def write_manifest(folder: Path, contents: dict[str, bytes]) -> None:
    lines = [f"{md5(content)}  {file}\n" for file, content in contents.items()]
    (folder / "MD5SUMS").write_text("".join(lines), encoding="utf-8")


@pytest.fixture
def own_files(small_files, tmp_path):
    """Des fichiers d'un utilisateur, que seul un MD5SUMS peut garantir."""
    lay_out(tmp_path / "FashionMNIST/raw", small_files)
    return tmp_path / "FashionMNIST/raw"


def assert_nothing_vouches_for(folder: Path) -> None:
    with pytest.raises(DataError, match=f"{FILES[0]} est tronqué ou modifié.*écrivez cette somme"):
        load_images("fashion_mnist", root=folder.parents[1])


def test_files_that_nothing_vouches_for_are_refused(own_files):
    assert_nothing_vouches_for(own_files)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", b"0123456789abcdef", b"vide", b"d41d8cd98f00b204e9", b"\xff\xfe\x00\x9d" * 8],
)
def test_a_damaged_manifest_vouches_for_nothing(content, own_files):
    (own_files / "MD5SUMS").write_bytes(content)
    assert_nothing_vouches_for(own_files)


def test_a_manifest_vouches_only_for_the_file_it_names(own_files, small_files):
    write_manifest(own_files, {FILES[0]: b"autre", FILES[1]: small_files[FILES[0]]})
    assert_nothing_vouches_for(own_files)


MANIFEST_LINES = {
    "md5sum": "{digest}  {file}\n",
    "md5sum, binaire": "{digest} *{file}\n",
    "tabulation": "{digest}\t{file}\n",
    "chemin": "{digest}  ./{file}\n",
    "chemin de Windows": "{digest}  .\\{file}\r\n",
    "dossier": "{digest}  /données/FashionMNIST/raw/{file}\n",
    "macOS": "MD5 ({file}) = {digest}\n",
    "PowerShell": "MD5             {digest}  C:\\Données\\{file}   \r\n",
    "autre miroir": "{digest}  {dotted}\n",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("change_case", [str.lower, str.upper])
@pytest.mark.parametrize("line", MANIFEST_LINES.values(), ids=MANIFEST_LINES)
def test_manifests_of_every_tool_vouch_for_files(
    line, change_case, encoding, own_files, small_files, monkeypatch
):
    monkeypatch.setattr(sources, "_FULL_TRAIN_SIZE", 30)
    lines = [
        line.format(
            digest=change_case(md5(content)), file=file, dotted=file.replace("-idx", ".idx")
        )
        for file, content in small_files.items()
    ]
    (own_files / "MD5SUMS").write_bytes("".join(lines).encode(encoding))
    with pytest.warns(UserWarning, match="ne sont pas ceux que publient.*votre MD5SUMS"):
        splits = load_images("fashion_mnist", root=own_files.parents[1], download=False)
    assert_is(splits, small_files)


def test_a_part_of_a_set_loads_with_a_warning(own_files, small_files):
    write_manifest(own_files, small_files)
    with pytest.warns(UserWarning) as caught:
        splits = load_images("fashion_mnist", root=own_files.parents[1], download=False)
    assert_is(splits, small_files)
    messages = " ".join(str(warning.message) for warning in caught)
    assert "extrait de fashion_mnist : 30 images d'entraînement et 10 de test" in messages


@pytest.mark.filterwarnings("ignore:.*extrait:UserWarning", "ignore:.*MD5SUMS:UserWarning")
@pytest.mark.parametrize("manifest", ["MD5SUMS.txt", "md5sums"])
@pytest.mark.parametrize("form", [archive, in_its_folder, dotted_archive])
def test_a_manifest_may_list_archives_or_files(form, manifest, small_files, tmp_path):
    lay_out(tmp_path, small_files, form)
    stored = [path for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    lines = [f"{md5(path.read_bytes())}  {path.name}\n" for path in stored]
    (tmp_path / manifest).write_text("".join(lines), encoding="utf-8")
    assert_is(load_images("fashion_mnist", root=tmp_path, download=False), small_files)


def test_files_left_by_torchvision_need_no_manifest(known_files, tmp_path):
    """Archives à côté des fichiers : les sommes connues suffisent, archives abîmées ou non."""
    contents = known_files("fashion_mnist")
    lay_out(tmp_path / "FashionMNIST/raw", contents)
    lay_out(tmp_path / "FashionMNIST/raw", contents, archive)
    assert_is(read_quietly("fashion_mnist", tmp_path), contents)
    (tmp_path / f"FashionMNIST/raw/{FILES[0]}.gz").write_bytes(b"\x1f\x8b")
    assert_is(read_quietly("fashion_mnist", tmp_path), contents)


# --- fichiers abîmés, absents ou inaccessibles ----------------------------------------------------


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


def test_manifest_that_cannot_be_read(own_files, monkeypatch, raise_os_error):
    real_read = Path.read_bytes

    def read(path):
        return raise_os_error(errno.EACCES) if path.name == "MD5SUMS" else real_read(path)

    (own_files / "MD5SUMS").touch()
    monkeypatch.setattr(Path, "read_bytes", read)
    with pytest.raises(DataError, match="impossible de lire .*MD5SUMS"):
        load_images("fashion_mnist", root=own_files.parents[1])


def test_a_folder_that_cannot_be_listed(installed, monkeypatch, raise_os_error):
    monkeypatch.setattr(Path, "iterdir", partial(raise_os_error, errno.EACCES))
    place = re.escape(str(installed))
    with pytest.raises(DataError, match=f"impossible de lire {place}.*LABKIT_DATA"):
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


@pytest.mark.parametrize("root", [None, "~/donnees", "~personne/donnees"])
def test_without_a_home_folder_labkit_data_is_named(root, no_home):
    for read in (load_images, data.has_folder, data.check_files):
        with pytest.raises(DataError, match="dossier personnel introuvable.*LABKIT_DATA"):
            read("mnist", root)
    assert len(load_images("digits").train) == 1297


def test_without_a_home_folder_a_given_root_is_enough(no_home, known_files, tmp_path):
    contents = known_files("mnist")
    lay_out(tmp_path, contents, archive)
    assert_is(read_quietly("mnist", tmp_path), contents)
