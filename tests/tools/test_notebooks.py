import pytest

from tools import notebooks


def test_empty_folder_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="racine du dépôt"):
        notebooks.lab_paths(tmp_path)


def test_a_notebook_survives_the_round_trip(lab, tmp_path):
    path = tmp_path / "un" / "dossier" / "lab.ipynb"
    notebooks.write(lab, path)
    assert notebooks.read(path) == lab
    assert "L'essai" in path.read_text(encoding="utf-8")


def test_title_and_questions(lab):
    assert notebooks.title(lab) == "Lab 1 — L'essai"
    assert len(notebooks.questions(lab)) == 8
