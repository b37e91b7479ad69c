"""Un lab neuf respecte le contrat, sans retouche, et ses exercices se vérifient."""

import pytest

from tools import contract, new_lab, notebooks, student


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """La racine d'un dépôt où un lab vient d'être commencé, et le notebook."""
    root = tmp_path_factory.mktemp("depot")
    (root / "labs").mkdir()
    address = contract.current_address(notebooks.ROOT)
    (root / "pyproject.toml").write_text(
        f'[project]\nname = "labkit"\n\n[project.urls]\nDepot = "{address}"\n', encoding="utf-8"
    )
    assert new_lab.main(["11_essai"], root) == 0
    return root, notebooks.read(root / "labs" / "11_essai.ipynb")


def test_a_fresh_lab_keeps_the_contract(fresh, capsys):
    root, _ = fresh
    assert contract.main([str(root / "labs" / "11_essai.ipynb")], root) == 0
    assert "1 notebook(s) conformes" in capsys.readouterr().out


def test_a_fresh_lab_has_every_part(fresh):
    _, lab = fresh
    text = "\n".join(cell.source for cell in lab.cells)
    assert notebooks.title(lab) == "Lab 11 — Titre à écrire"
    assert "@" not in text.replace("labkit @ git", "")
    assert len(notebooks.questions(lab)) == 8
    assert text.count("**Prédiction.**") == 2
    assert text.count("### Exercice ") == 2


def test_the_outputs_of_a_fresh_lab_are_computed(fresh):
    _, lab = fresh
    shown = "".join(
        output.get("text", "") for cell in notebooks.code_cells(lab) for output in cell.outputs
    )
    assert "tirages nécessaires : 834\n" in shown  # le premier n tel que 1 / 12n < 10⁻⁴
    assert "écart type divisé par 10\n" in shown
    assert shown.count("réussi.\n") == 2


def test_the_copy_of_a_fresh_lab_runs_and_its_checks_say_so(fresh, tmp_path):
    root, _ = fresh
    path = tmp_path / "11_essai.ipynb"
    lab = notebooks.read(root / "labs" / "11_essai.ipynb")
    notebooks.write(student.student_copy(lab), path)
    assert student.problems(path) == []


@pytest.mark.parametrize(
    "name",
    ["essai", "1_essai", "11-essai", "11_Essai", "11_été", "11_a b", "../11_a", "11_essai\n"],
)
def test_a_bad_name_is_refused_with_a_better_one(course, capsys, name):
    assert new_lab.main([name], course) == 1
    said = capsys.readouterr().err
    assert f"NOM={name} ne convient pas" in said and "NOM=11_essai" in said
    assert [path.name for path in (course / "labs").iterdir()] == ["01_essai.ipynb"]


def test_a_missing_name_is_asked_for(course, capsys):
    assert new_lab.main([""], course) == 1
    assert "make lab NOM=11_essai" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["01_essai", "01_essai.ipynb", "01_autre"])
def test_an_existing_lab_is_left_alone(course, capsys, name):
    before = (course / "labs" / "01_essai.ipynb").read_bytes()
    assert new_lab.main([name], course) == 1
    assert "labs/01_essai.ipynb porte déjà le numéro 01" in capsys.readouterr().err
    assert (course / "labs" / "01_essai.ipynb").read_bytes() == before
    assert len(list((course / "labs").iterdir())) == 1
