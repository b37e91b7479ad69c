"""Les corpus : trois parts fixées, un texte mis au propre, et des erreurs qui disent quoi faire."""

import os
from pathlib import Path

import pytest

import labkit
from labkit.data import DataError
from labkit.text import load_text, missing_files, normalize

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
ROOT = Path(os.environ.get("LABKIT_DATA", SHARED)).expanduser().absolute()


def test_normalize_makes_signs_one_and_keeps_accents():
    text = "\ufeff  L’été\u00a0; «\u202foui\u202f» ‘ah’ \r\n\r\n\ncafe\u0301s co\u00adupé\n"
    assert normalize(text) == "L'été ; « oui » 'ah'\ncafés coupé\n"
    assert normalize(" \n\n") == ""
    text += "e\u00ad\u0301"  # le trait d'union ôté, l'accent rejoint sa lettre
    assert normalize(text).endswith("\né\n")
    assert normalize(normalize(text)) == normalize(text)


def test_phrases_are_always_the_same():
    splits = load_text("phrases")
    assert [part.count("\n") for part in (splits.train, splits.val, splits.test)] == [
        30_000, 3_000, 3_000,
    ]  # fmt: skip
    assert splits.fingerprint() == {
        "name": "phrases",
        "train": len(splits.train),
        "sha256": "bcf088c978d14edaebf344299d8c3de897717641b01a3d28553f003a0a977617",
    }
    assert load_text("phrases").fingerprint() == splits.fingerprint()


def test_novels_go_whole_to_their_part(published, tmp_path):
    splits = load_text("romans", root=tmp_path)
    assert splits.train == "Première ligne.\nL'été ; c'est « oui ».\n"
    assert splits.val == "Le crime.\n" and splits.test == "La vie.\nUne vie.\n"
    assert [(work.author, work.part) for work in splits.works] == [
        ("Auteur", "train"), ("Boisgobey", "val"), ("Maupassant", "test"),
    ]  # fmt: skip
    assert splits.works[2].text == splits.test


def test_own_file_is_cut_by_paragraphs_in_order(tmp_path):
    path = tmp_path / "conte.txt"
    path.write_text("".join(f"paragraphe {number:03}\n\n" for number in range(100)), "utf-8")
    splits = load_text(path)
    assert splits.name == "conte.txt" and splits.works == ()
    assert [part.count("\n") for part in (splits.train, splits.val, splits.test)] == [90, 5, 5]
    assert splits.val.startswith("paragraphe 090\n")
    assert load_text(str(path)).test == splits.test


@pytest.mark.parametrize("content", ["", " \n\n", "un\n", "un\ndeux\ntrois\n"])
def test_a_file_too_short_to_be_shared(content, tmp_path):
    path = tmp_path / "court.txt"
    path.write_text(content, "utf-8")
    with pytest.raises(DataError, match="court.txt est vide ou trop court"):
        load_text(path)


def test_a_file_that_is_not_utf8(tmp_path):
    path = tmp_path / "vieux.txt"
    text = "été, cœur\n" * 40
    for encoding, first in (("cp1252", "0xe9"), ("utf-16", "0xf[ef]")):
        path.write_bytes(text.encode(encoding))
        message = f'vieux.txt n\'est pas en UTF-8 .*{first} à la position 0.*encoding="{encoding}"'
        with pytest.raises(DataError, match=message):
            load_text(path)


def test_a_path_that_does_not_exist(tmp_path):
    with pytest.raises(DataError, match="absent.txt introuvable : vérifiez le chemin"):
        load_text(tmp_path / "absent.txt")
    with pytest.raises(DataError, match="introuvable : vérifiez le chemin"):
        load_text("dossier/conte")


@pytest.mark.parametrize(("name", "guess"), [("roman", "romans"), ("wikitext2", "wikitext-2")])
def test_an_unknown_corpus_lists_the_known_ones(name, guess):
    with pytest.raises(ValueError, match=f"corpus '{name}' inconnu") as caught:
        labkit.load_text(name)
    assert f"Vouliez-vous dire '{guess}'" in str(caught.value)
    assert "phrases, romans, wikitext-2" in str(caught.value)


def test_a_name_that_is_no_text():
    with pytest.raises(TypeError, match="name attend le nom d'un corpus"):
        load_text(3)


@pytest.mark.skipif(not (ROOT / "romans").is_dir(), reason=f"romans absents de {ROOT}")
def test_real_novels():
    splits = load_text("romans", root=ROOT, download=False)
    assert len(splits.works) == 36
    assert splits.fingerprint() == {
        "name": "romans",
        "train": 20_072_433,
        "sha256": "94489be4439edb3fdf361e1abfce26e3ba1902f155cc24f0796e3d482d3df12c",
    }
    assert not {"\u2019", "\u00a0", "\u00ad"} & set(splits.train + splits.val + splits.test)


def test_missing_files_of_an_unknown_corpus():
    with pytest.raises(ValueError, match="name='roman' inconnu : choisissez 'romans' ou"):
        missing_files("roman")


def test_missing_files(published, tmp_path):
    assert len(missing_files("romans", root=tmp_path)) == 3
    load_text("romans", root=tmp_path)
    assert missing_files("romans", root=tmp_path) == []
    assert missing_files("wikitext-2", root=tmp_path)[0] == "wiki.train.tokens"
