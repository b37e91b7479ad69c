"""Les exercices des labs : leurs vérifications acceptent le juste et nomment la faute.

Les réponses sont dans `tests/answers`, un fichier par lab : exercice -> nom -> réponse, et pour une
réponse fausse un morceau de ce que doit en dire la vérification.
"""

import importlib

import pytest

from tools import notebooks

LABS = {
    path.stem: importlib.import_module(f"tests.answers.lab_{path.stem[:2]}")
    for path in sorted((notebooks.ROOT / "labs").glob("[0-9][0-9]_*.ipynb"))
}


def tagged(lab: str, tag: str) -> list[str]:
    """Les cellules d'un lab qui portent cette étiquette."""
    cells = notebooks.code_cells(notebooks.read(notebooks.ROOT / "labs" / f"{lab}.ipynb"))
    return [cell.source for cell in cells if tag in notebooks.tags(cell)]


def verdict(capsys, lab: str, exercise: int, answer: str) -> str:
    """Ce qu'affiche la vérification d'un exercice, pour cette réponse."""
    names = LABS[lab].names()
    exec(answer, names)
    exec(tagged(lab, "verification")[exercise - 1], names)
    return capsys.readouterr().out


def cases(kind: str) -> list:
    return [
        pytest.param(lab, exercise, answer, id=f"{lab[:2]}.{exercise} {name}")
        for lab, module in LABS.items()
        for exercise, answers in getattr(module, kind).items()
        for name, answer in answers.items()
    ]


@pytest.mark.parametrize("lab, exercise, answer", cases("RIGHT"))
def test_right_answers_pass_however_written(capsys, lab, exercise, answer):
    said = verdict(capsys, lab, exercise, answer)
    assert said.endswith("réussi.\n"), said


@pytest.mark.parametrize("lab, exercise, answer", cases("WRONG"))
def test_wrong_answers_are_told_why(capsys, lab, exercise, answer):
    program, reason = answer
    said = verdict(capsys, lab, exercise, program)
    assert "à reprendre" in said
    assert reason in said


@pytest.mark.parametrize("lab", LABS)
def test_the_solutions_of_the_lab_pass(capsys, lab):
    for exercise, answer in enumerate(tagged(lab, "solution"), start=1):
        assert verdict(capsys, lab, exercise, answer).endswith("réussi.\n")


@pytest.mark.parametrize("lab", LABS)
def test_an_answer_left_empty_is_told_why(capsys, lab):
    for exercise, answer in enumerate(tagged(lab, "solution"), start=1):
        said = verdict(capsys, lab, exercise, emptied(answer))
        assert "✗" in said
        assert "ce n'est pas le cas" not in said, f"exercice {exercise} : {said}"


def emptied(answer: str) -> str:
    """La cellule telle que la reçoit un étudiant : chaque solution remplacée par `pass`."""
    kept, hidden = [], False
    for line in answer.splitlines():
        if "# --- début solution" in line:
            kept.append(line.replace("# --- début solution", "pass"))
            hidden = True
        elif "# --- fin solution" in line:
            hidden = False
        elif not hidden:
            kept.append(line)
    return "\n".join(kept)


@pytest.mark.parametrize("lab", LABS)
def test_every_exercise_has_its_answers(lab):
    exercises = set(range(1, len(tagged(lab, "solution")) + 1))
    right, wrong = LABS[lab].RIGHT, LABS[lab].WRONG
    assert set(right) == set(wrong) == exercises
    assert all(len(answers) >= 3 for answers in right.values())
    assert all(len(answers) >= 4 for answers in wrong.values())
