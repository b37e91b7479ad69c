import errno
import json

import pytest

from tools import contract, execute, normalize, notebooks, references, site, student

EMPTY = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
BLANK_CELL = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "\n"}
INCOMPLETE = {
    "vide": (b"", "le fichier est vide"),
    "blanc": (b" \n", "le fichier est vide"),
    "interrompu": (b'{\n "cells": [\n  {\n', "interrompu ou abîmé, ligne 4"),
    "binaire": (b"\xff\xfe\x00x", "pas un notebook au format 4"),
    "autre": (b"[]", "pas un notebook au format 4"),
    "objet": (b"{}", "pas un notebook au format 4"),
    "version": (json.dumps(EMPTY | {"nbformat": 9}).encode(), "pas un notebook au format 4"),
    "neuf": (json.dumps(EMPTY).encode(), "celle du titre, est vide ou manque"),
    "sans titre": (json.dumps(EMPTY | {"cells": [BLANK_CELL]}).encode(), "celle du titre"),
}


@pytest.fixture(params=INCOMPLETE)
def incomplete(request, course):
    """Un lab incomplet dans le cours miniature, et ce que son erreur doit dire."""
    content, problem = INCOMPLETE[request.param]
    path = course / "labs" / "02_incomplet.ipynb"
    path.write_bytes(content)
    return path, problem


def test_an_incomplete_lab_is_named_with_what_to_do(incomplete):
    path, problem = incomplete
    with pytest.raises(notebooks.LabError) as caught:
        notebooks.read(path)
    message = str(caught.value)
    assert str(path) in message and problem in message
    assert "git restore" in message and f"sortez-le de {path.parent}" in message


COMMANDS = {
    "contract": lambda root: contract.main([], root),
    "execute": lambda root: execute.main(["--output", str(root / "_build")]),
    "normalize": lambda root: normalize.main(root),
    "references": lambda root: references.main([], root),
    "site": lambda root: site.main([], root),
    "student": lambda root: student.main([], root),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_stops_on_a_half_written_lab(command, course, monkeypatch, capsys):
    lab = course / "labs" / "01_essai.ipynb"
    notebooks.write(notebooks.read(lab), course / "_build" / "executed" / lab.name)
    lab.write_text('{"cells": [', encoding="utf-8")
    monkeypatch.setattr(notebooks, "ROOT", course)
    monkeypatch.setattr(execute, "read_status", lambda _: {"01_essai": {"status": "réussi"}})
    assert COMMANDS[command](course) == 1
    message = capsys.readouterr().err
    assert "01_essai.ipynb n'est pas un lab complet" in message
    assert message.count("\n") == 1


def test_a_full_disk_leaves_the_lab_as_it_was(course, monkeypatch, capsys):
    path = course / "_build" / "student" / "01_essai.ipynb"
    assert student.main([], course) == 0
    before = path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("labkit.files.os.fsync", full)
    assert student.main([], course) == 1
    assert "disque plein" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert {file.name for file in path.parent.iterdir()} == {path.name, "requirements.txt"}


def test_an_absent_lab_is_named(tmp_path):
    with pytest.raises(notebooks.LabError, match="99_absent.ipynb"):
        notebooks.read(tmp_path / "99_absent.ipynb")


def test_empty_folder_says_what_to_do(tmp_path):
    with pytest.raises(notebooks.LabError, match="racine du dépôt"):
        notebooks.lab_paths(tmp_path)


def test_a_notebook_survives_the_round_trip(lab, tmp_path):
    path = tmp_path / "un" / "dossier" / "lab.ipynb"
    notebooks.write(lab, path)
    assert notebooks.read(path) == lab
    assert "L'essai" in path.read_text(encoding="utf-8")


def test_title_and_questions(lab):
    assert notebooks.title(lab) == "Lab 1 — L'essai"
    assert len(notebooks.questions(lab)) == 8
