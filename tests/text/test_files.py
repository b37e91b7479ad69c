"""Les fichiers des corpus : téléchargés un à un, repris, et refusés si leur somme est fausse."""

import errno
import os
import socket
from functools import partial
from pathlib import Path

import pytest

from labkit.data import DataError
from labkit.files import FileError
from labkit.text import files, load_text

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
ROOT = Path(os.environ.get("LABKIT_DATA", SHARED)).expanduser().absolute()


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_download_then_offline_reload(published, tmp_path, capsys):
    splits = load_text("romans", root=tmp_path)
    for path, content in published.files.items():
        if path.startswith("romans/"):
            assert (tmp_path / path).read_bytes() == content
    assert capsys.readouterr().out == f"Téléchargement de romans dans {tmp_path / 'romans'}\n"
    asked = len(published.requests)
    again = load_text("romans", root=tmp_path, download=False)
    assert again.fingerprint() == splits.fingerprint()
    assert len(published.requests) == asked


def test_a_download_resumes_where_it_stopped(published, tmp_path):
    last = published.files.pop("romans/Maupassant_UneVie-rd0056.txt")
    with pytest.raises(DataError, match="il y manque Maupassant_UneVie-rd0056.txt"):
        load_text("romans", root=tmp_path)
    assert len(left_in(tmp_path / "romans")) == 2
    published.files["romans/Maupassant_UneVie-rd0056.txt"] = last
    published.requests.clear()
    load_text("romans", root=tmp_path)
    assert published.requests == ["/romans/Maupassant_UneVie-rd0056.txt"]


def test_files_directly_in_the_root(published, tmp_path):
    load_text("romans", root=tmp_path)
    inside = load_text("romans", root=tmp_path / "romans", download=False)
    assert inside.train.startswith("Première ligne.")


def test_a_novel_whose_sum_is_wrong_is_named(published, tmp_path):
    load_text("romans", root=tmp_path)
    damaged = tmp_path / "romans" / "Auteur_Un.txt"
    damaged.write_bytes(damaged.read_bytes()[:-3])
    with pytest.raises(DataError, match="Auteur_Un.txt est tronqué ou modifié"):
        load_text("romans", root=tmp_path)
    assert damaged.is_file()


@pytest.mark.parametrize("fault", ["wrong", "truncated", "missing", "garbled"])
def test_bad_transfers_leave_nothing_behind(fault, published, tmp_path):
    published.fault = fault
    with pytest.raises(DataError, match="Trois façons d'en sortir") as caught:
        load_text("romans", root=tmp_path)
    assert "Auteur_Un.txt" in str(caught.value) and "cligs/textbox" in str(caught.value)
    assert left_in(tmp_path / "romans") == []


def test_no_server_at_all(published, monkeypatch, tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # port pris mais où personne n'écoute : connexion refusée
        monkeypatch.setattr(files, "_ROMANS", f"http://127.0.0.1:{unused.getsockname()[1]}/")
        with pytest.raises(DataError, match="réseau absent"):
            load_text("romans", root=tmp_path)


def test_folder_where_nothing_can_be_written(published, monkeypatch, tmp_path, raise_os_error):
    monkeypatch.setattr(os, "mkdir", partial(raise_os_error, errno.EACCES))
    with pytest.raises(FileError, match="impossible d'écrire"):
        load_text("romans", root=tmp_path)


def test_a_root_that_does_not_exist_is_not_created(published, tmp_path):
    with pytest.raises(DataError, match="n'existe pas"):
        load_text("romans", root=tmp_path / "absent")


def test_wikitext_is_downloaded_and_checked(published, tmp_path):
    splits = load_text("wikitext-2", root=tmp_path)
    assert splits.train == "= Titre =\nun mot <unk> .\n"
    assert splits.test == "fin\n"
    assert left_in(tmp_path / "wikitext-2") == [
        "wiki.test.tokens", "wiki.train.tokens", "wiki.valid.tokens",
    ]  # fmt: skip


def test_wikitext_without_its_train_file(published, tmp_path):
    load_text("wikitext-2", root=tmp_path)
    (tmp_path / "wikitext-2" / "wiki.train.tokens").unlink()
    with pytest.raises(DataError) as caught:
        load_text("wikitext-2", root=tmp_path, download=False)
    message = str(caught.value)
    assert "il y manque wiki.train.tokens" in message
    assert "on y trouve wiki.test.tokens, wiki.valid.tokens" in message
    assert "wikitext.smerity.com" in message and "Salesforce/wikitext" in message
    assert 'load_text("wikitext-2-valid")' in message
    splits = load_text("wikitext-2-valid", root=tmp_path, download=False)
    assert splits.name == "wikitext-2-valid"
    assert splits.train.split("\n")[0] == "ligne 0"
    assert [part.count("\n") for part in (splits.train, splits.val, splits.test)] == [18, 2, 1]


def test_a_git_blob_has_its_known_sum():
    # « git hash-object » du texte « bonjour\n ».
    file = files.RemoteFile("a", "b", "1cd909e05d33f0f6bc4ea1caf19b5749b434ceb3")
    assert file.is_intact(b"bonjour\n")
    assert not file.is_intact(b"bonsoir\n")


@pytest.mark.skipif(
    not (ROOT / "wikitext-2/wiki.test.tokens").is_file(), reason=f"WikiText-2 absent de {ROOT}"
)
def test_real_wikitext_files_have_the_published_sums():
    splits = load_text("wikitext-2-valid", root=ROOT, download=False)
    assert splits.train.startswith("= Homarus gammarus =\n")
    assert splits.test.startswith("= Robert <unk> =\n")
