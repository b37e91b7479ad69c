"""Une classe rend le lab 3 : dix copies justes, fausses, vides, cassées, et leur relevé."""

import contextlib
import copy as copying
import csv
import html
import io
import json

import pytest
from nbformat.v4 import new_markdown_cell, new_output

from tests.answers import lab_03
from tools import collect, collect_page, notebooks, student
from tools.collect import FAILED, NOT_RUN, PASSED
from tools.teaching import POINTS

LAB = notebooks.ROOT / "labs" / "03_vae.ipynb"
PREDICTIONS, QUESTIONS = 18, 15
KL, DRAW = lab_03.RIGHT[1]["expm1"], lab_03.RIGHT[2]["rsample"]
CYCLE = lab_03.RIGHT[3]["modulo seul"]
WRONG_KL = lab_03.WRONG[1]["sans le demi"][0]


@pytest.fixture(scope="module")
def distributed():
    """La copie du lab 3 telle qu'on la distribue."""
    return student.student_copy(notebooks.read(LAB))


def stubs(copy):
    """Les cellules à compléter, dans l'ordre des exercices."""
    headings = [i for i, c in enumerate(copy.cells) if notebooks.EXERCISE.match(c.source)]
    return [copy.cells[i + 1] for i in headings]


def fill(copy, text="Je pense que oui."):
    """Écrit la même phrase dans chaque place à remplir."""
    for cell in copy.cells:
        cell.source = cell.source.replace(student.EMPTY_ANSWER, f"{student.EMPTY_ANSWER}\n\n{text}")
        cell.source = cell.source.replace(student.EMPTY_PREDICTION, text)
    return copy


def answer(copy, *programs):
    """Écrit les programmes des exercices."""
    for cell, program in zip(stubs(copy), programs, strict=True):
        cell.source = program
    return copy


def run(copy):
    """Numérote les cellules, et exécute vraiment exercices et vérifications."""
    names = lab_03.names()
    exercises = stubs(copy)
    for count, cell in enumerate(notebooks.code_cells(copy), start=1):
        cell.execution_count = count
        is_run = collect.title(cell) or any(cell is other for other in exercises)
        if is_run:
            shown = io.StringIO()
            with contextlib.redirect_stdout(shown):
                exec(cell.source, names)
            cell.outputs = [new_output("stream", name="stdout", text=shown.getvalue())]
    return copy


def without_ids(copy):
    """Comme Colab enregistre : format 4.0, aucune étiquette, aucun identifiant connu."""
    copy.nbformat_minor = 0
    for cell in copy.cells:
        cell.pop("id", None)
        cell.metadata = {}
    return copy


@pytest.fixture(scope="module")
def class_folder(tmp_path_factory, distributed):
    """Le dossier que l'enseignant a reçu."""
    folder = tmp_path_factory.mktemp("copies")
    new = lambda: copying.deepcopy(distributed)  # noqa: E731

    right = run(answer(fill(new()), KL, DRAW, CYCLE))
    wrong = run(answer(fill(new()), WRONG_KL, DRAW, "def cyclical_weight(a, b):\n    return a / 0"))
    untouched = run(new())
    unrun = answer(fill(new()), KL, DRAW, CYCLE)

    cheat = run(answer(new(), KL, DRAW, CYCLE))
    check = next(cell for cell in cheat.cells if collect.title(cell) == "Exercice 2")
    check.source = 'labkit.verify("Exercice 2", {"tout": lambda: True})'
    check.outputs[0].text = "✓ tout\nExercice 2 : réussi.\n"
    asked = next(cell for cell in cheat.cells if cell.source.startswith("**Question 4."))
    asked.source = "Je ne réponds pas à celle-ci."
    cheat.cells = [c for c in cheat.cells if not c.source.startswith("**Question 5.")]

    colab = run(answer(new(), KL, DRAW, CYCLE))
    rank = next(i for i, c in enumerate(colab.cells) if c.source.startswith("**Question 2."))
    colab.cells.insert(
        rank + 1, new_markdown_cell("Ma réponse, dessous : <script>alert(1)</script>")
    )
    fill_one = next(cell for cell in colab.cells if "**Prédiction.**" in cell.source)
    fill_one.source += "\n\nUn tiers."
    without_ids(colab)

    failing = run(answer(new(), KL, DRAW, CYCLE))
    code = notebooks.code_cells(failing)
    code[3].outputs = [new_output("error", ename="NameError", evalue="data", traceback=[])]
    stubs(failing)[0].execution_count = 1000

    other = student.student_copy(notebooks.read(LAB.with_name("04_cvae.ipynb")))
    copies = {
        "alice.ipynb": right, "bruno.ipynb": wrong, "chloe.ipynb": untouched, "denis.ipynb": unrun,
        "emma/tricherie.ipynb": cheat, "fatou.ipynb": colab, "gilles.ipynb": failing,
        "hugo.ipynb": other, "TP final (2) – été.ipynb": right,
    }  # fmt: skip
    for name, copy in copies.items():
        notebooks.write(copy, folder / name)
    (folder / "ines.ipynb").write_text('{"cells": [\n {"cell_type"', encoding="utf-8")
    (folder / "jean.ipynb").write_bytes(b"")
    odd = run(answer(new(), KL, DRAW, CYCLE))
    stubs(odd)[0].execution_count = "un"
    (folder / "karim.ipynb").write_text(json.dumps(odd), encoding="utf-8")
    (folder / "lea.txt").write_text("Je n'ai pas réussi.", encoding="utf-8")
    foreign = notebooks.nbformat.v4.new_notebook(cells=[new_markdown_cell("# Recettes")])
    notebooks.write(foreign, folder / "marc.ipynb")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "alice.ipynb").write_text("{}", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def copies(class_folder):
    found = collect.collect(class_folder, LAB.parent)
    return {copy.file: copy for copy in found}


def filled_places(answers):
    return [answer.place for answer in answers if answer.text]


def test_every_file_has_its_line_and_work_files_have_none(copies):
    assert len(copies) == 14
    assert [name for name, copy in copies.items() if copy.problem] == [
        "ines.ipynb", "jean.ipynb", "karim.ipynb", "lea.txt", "marc.ipynb",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["alice.ipynb", "TP final (2) – été.ipynb"])
def test_a_right_copy_is_right_whatever_its_name(copies, name):
    copy = copies[name]
    assert copy.lab == "03_vae"
    assert len(filled_places(copy.predictions)) == len(copy.predictions) == PREDICTIONS
    assert len(filled_places(copy.answers)) == len(copy.answers) == QUESTIONS
    assert {answer.text for answer in copy.answers + copy.predictions} == {"Je pense que oui."}
    assert [exercise.title for exercise in copy.exercises] == [f"Exercice {n}" for n in (1, 2, 3)]
    assert all(set(exercise.verdicts.values()) == {PASSED} for exercise in copy.exercises)
    assert copy.errors == copy.modified == copy.remarks == []


def test_a_wrong_copy_says_which_check_and_why(copies):
    first, second, third = copies["bruno.ipynb"].exercises
    assert first.verdicts["entre deux lois égales, zéro"] == PASSED
    assert first.verdicts["contre N(0, 1), la formule de la section 2"] == FAILED
    assert "écart maximal" in first.reasons["contre N(0, 1), la formule de la section 2"]
    assert set(second.verdicts.values()) == {PASSED}
    assert set(third.verdicts.values()) == {FAILED}
    assert all("ZeroDivisionError" in reason for reason in third.reasons.values())
    assert copies["bruno.ipynb"].errors == []


def test_an_empty_copy_is_empty(copies):
    copy = copies["chloe.ipynb"]
    assert filled_places(copy.predictions) == filled_places(copy.answers) == []
    assert all(exercise.passed == 0 for exercise in copy.exercises)
    assert all(set(exercise.verdicts.values()) == {FAILED} for exercise in copy.exercises)
    assert copy.modified == []


def test_a_copy_that_was_not_run_has_answers_and_no_verdict(copies):
    copy = copies["denis.ipynb"]
    assert len(filled_places(copy.answers)) == QUESTIONS
    assert all(set(exercise.verdicts.values()) == {NOT_RUN} for exercise in copy.exercises)
    assert copy.executed.startswith("0 sur ")
    assert copy.remarks == ["aucune cellule n'a été exécutée"]


def test_what_should_not_change_and_did_is_named(copies):
    copy = copies["emma/tricherie.ipynb"]
    assert copy.modified == [
        "question 4 : énoncé modifié",
        "question 5 : cellule supprimée",
        "vérification : Exercice 2",
    ]
    assert filled_places(copy.answers) == ["question 4"]
    second = copy.exercises[1].verdicts
    assert second.pop("tout") == PASSED
    assert set(second.values()) == {NOT_RUN}


def test_a_copy_without_identifiers_is_read_as_well(copies):
    copy = copies["fatou.ipynb"]
    assert copy.lab == "03_vae"
    assert copy.modified == []
    assert filled_places(copy.answers) == ["question 2"]
    assert filled_places(copy.predictions) == ["prédiction 1"]
    assert copy.predictions[0].text == "Un tiers."
    assert all(set(exercise.verdicts.values()) == {PASSED} for exercise in copy.exercises)


def test_errors_and_stale_checks_are_named(copies):
    copy = copies["gilles.ipynb"]
    assert copy.errors == ["cellule 6 (NameError)"]
    assert copy.remarks == ["Exercice 1 : la réponse a été exécutée après sa vérification"]


def test_another_lab_is_recognised(copies):
    copy = copies["hugo.ipynb"]
    assert copy.lab == "04_cvae"
    assert "c'est le lab 04_cvae, les autres copies sont de 03_vae" in copy.remarks


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("ines.ipynb", "son contenu est interrompu ou abîmé, ligne 2"),
        ("jean.ipynb", "le fichier est vide"),
        ("karim.ipynb", "le notebook n'a pas la structure attendue"),
        ("lea.txt", "ce fichier n'est pas un notebook"),
        ("marc.ipynb", "ce notebook n'est tiré d'aucun lab du cours"),
    ],
)
def test_an_unreadable_file_has_its_sentence(copies, name, problem):
    assert copies[name].problem.startswith(problem)


def test_the_table_has_a_line_a_copy_and_a_column_a_check(copies):
    rows = list(
        csv.DictReader(io.StringIO(collect_page.as_csv(list(copies.values()))), delimiter=";")
    )
    by_name = {row["copie"]: row for row in rows}
    assert len(rows) == 14
    column = "03_vae, Exercice 1 : contre N(0, 1), la formule de la section 2"
    assert [by_name[f"{n}.ipynb"][column] for n in ("alice", "bruno", "denis", "hugo", "ines")] == [
        "réussi", "manqué", "non exécuté", "", "",
    ]  # fmt: skip
    assert by_name["alice.ipynb"]["prédictions"] == "18 sur 18"
    assert by_name["chloe.ipynb"]["réponses"] == "0 sur 15"
    assert by_name["bruno.ipynb"]["Exercice 3"] == "0 sur 5"
    assert by_name["alice.ipynb"]["vérifications"] == "12 sur 12"
    assert by_name["chloe.ipynb"]["vérifications"] == "0 sur 12"
    assert by_name["gilles.ipynb"]["cellules en erreur"] == "cellule 6 (NameError)"
    assert "interrompu" in by_name["ines.ipynb"]["remarques"]


def test_the_table_runs_no_formula():
    table = collect_page.as_csv([collect.Copy("=1+1.ipynb", "le fichier est vide")])
    assert table.splitlines()[1].startswith("'=1+1.ipynb;")


def test_the_page_shows_the_texts_and_runs_none(copies):
    page = collect_page.as_html(list(copies.values()))
    assert "14 fichiers, dont 5 illisibles." in page
    assert page.count("<details ") == 14
    assert "&lt;script&gt;alert(1)" in page and "<script" not in page
    asked = "Prédiction 1 : L'autoencodeur du lab 2, cette fois à cinq dimensions latentes"
    assert f"<p>{html.escape(asked)}" in page and "<pre>Un tiers.</pre>" in page


def test_each_answer_has_its_points_and_the_answer_of_the_lab(copies):
    page = collect_page.as_html([copies["alice.ipynb"]])
    answer = copies["alice.ipynb"].answers[0]
    assert answer.level in notebooks.LEVELS and len(answer.expected) > 50
    points = POINTS[answer.level]
    assert f"<p>Question 1 ({points} point{'s' * (points > 1)}) : " in page
    folded = f"<summary>La réponse du lab</summary><pre>{html.escape(answer.expected)}</pre>"
    assert folded in page
    assert page.count("La réponse du lab") == 15


def test_the_command_writes_both_and_names_what_it_could_not_read(
    class_folder, course, capsys, monkeypatch
):
    notebooks.write(notebooks.read(LAB), course / "labs" / LAB.name)
    assert student.main(["--collect", str(class_folder)], course) == 0
    said = capsys.readouterr()
    assert [line.rpartition("/")[2] for line in said.out.splitlines()] == [
        "copies.csv", "copies.html",
    ]  # fmt: skip
    assert "jean.ipynb : le fichier est vide" in said.err
    table = (course / "_build" / "copies" / "copies.csv").read_bytes()
    assert table.startswith(b"\xef\xbb\xbfcopie;")


@pytest.mark.parametrize("name", ["absent", "vide"])
def test_no_copy_is_said_in_a_sentence(course, capsys, name):
    (course / "vide").mkdir()
    assert student.main(["--collect", str(course / name)], course) == 1
    said = capsys.readouterr().err
    assert "donnez celui où sont les copies" in said or "Aucune copie" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ("**Q** a ?\n\n*Votre réponse :*", ""),
        ("**Q** a ?\n\n*Votre réponse :* oui", "oui"),
        ("**Q**   a ?\n*Votre réponse :*\n\noui\n\nnon", "oui\n\nnon"),
        ("**Q** a ?\n\noui", "oui"),
        ("**Q** a ?\n\n*Votre réponse\u00a0:* oui", "oui"),
        ("**Q** b ?\n\noui", None),
    ],
)
def test_an_answer_is_read_after_its_place_or_in_it(returned, expected):
    assert collect.filled("**Q** a ?\n\n*Votre réponse :*", returned) == expected
