import sys

import pytest
from IPython.core.inputtransformer2 import TransformerManager

import labkit
from tools import notebooks, student

LABS = sorted((notebooks.ROOT / "labs").glob("*.ipynb"))


def test_no_solution_answer_or_output_remains(lab):
    copy = student.student_copy(lab)
    text = "\n".join(cell.source for cell in copy.cells)
    assert "2 * x" not in text
    assert "début solution" not in text
    assert "def double(x):\n    ...  # À compléter\n" in text
    assert "La somme vaut" not in text
    assert text.count(student.EMPTY_ANSWER) == 8
    assert f"Que verra-t-on ?\n\n{student.EMPTY_PREDICTION}" in text
    assert text.count(student.EMPTY_PREDICTION) == 2
    assert all(not cell.outputs for cell in notebooks.code_cells(copy))
    assert not any("solution" in notebooks.tags(cell) for cell in copy.cells)
    assert sum("verification" in notebooks.tags(cell) for cell in copy.cells) == 2


def test_two_blocks_in_a_cell_are_both_replaced():
    block = "    # --- début solution\n    a = {n}\n    # --- fin solution\n"
    source = "def f():\n" + block.format(n=1) + "    b = 3\n" + block.format(n=2)
    stub = "    ...  # À compléter\n"
    assert student.SOLUTION_BLOCK.sub(student.STUB, source) == (
        "def f():\n" + stub + "    b = 3\n" + stub
    )


def setup_program(notebook):
    """La cellule de mise en place d'une copie, en Python ordinaire."""
    cell = next(c for c in notebooks.code_cells(notebook) if "import labkit" in c.source)
    return TransformerManager().transform_cell(cell.source)


def test_a_copy_says_how_to_install_labkit_where_it_is_missing(lab, address, monkeypatch):
    monkeypatch.setitem(sys.modules, "labkit", None)  # comme si rien ne portait ce nom
    with pytest.raises(ImportError, match="n'est pas installé pour ce noyau") as caught:
        exec(setup_program(student.student_copy(lab)), {})
    assert str(caught.value).endswith(f'\n%pip install "labkit @ git+{address}"')
    assert caught.value.__suppress_context__  # pas de ModuleNotFoundError au-dessus


@pytest.mark.parametrize("path", LABS, ids=lambda path: path.stem)
def test_the_setup_of_real_copies_imports_labkit_or_explains(path, monkeypatch):
    program = setup_program(student.student_copy(notebooks.read(path)))
    names = {}
    exec(program, names)
    assert names["labkit"] is labkit
    monkeypatch.setitem(sys.modules, "labkit", None)
    with pytest.raises(ImportError, match="%pip install"):
        exec(program, {})


def test_copies_leave_the_labs_alone(course):
    before = (course / "labs" / "01_essai.ipynb").read_bytes()
    assert student.main([], course) == 0
    assert (course / "labs" / "01_essai.ipynb").read_bytes() == before
    assert (course / "_build" / "student" / "01_essai.ipynb").exists()


@pytest.mark.parametrize("path", LABS, ids=lambda path: path.stem)
def test_no_reference_line_survives_in_real_labs(path):
    notebook = notebooks.read(path)
    blocks = [
        block.group(0)
        for cell in notebooks.code_cells(notebook)
        for block in student.SOLUTION_BLOCK.finditer(cell.source)
    ]
    assert blocks
    text = "\n".join(cell.source for cell in student.student_copy(notebook).cells)
    assert not any(block in text for block in blocks)
    assert "--- début solution" not in text


@pytest.mark.parametrize("path", LABS, ids=lambda path: path.stem)
def test_every_prediction_of_real_labs_has_its_place(path):
    """Juste sous l'énoncé, avant ce qui suit dans la même cellule."""
    for cell in student.student_copy(notebooks.read(path)).cells:
        asked, mark, rest = cell.source.partition("**Prédiction.**")
        if cell.cell_type == "markdown" and mark:
            assert asked == "" or asked.endswith("\n\n")
            assert rest.split("\n\n")[1] == student.EMPTY_PREDICTION


def test_an_unfilled_first_lab_runs_and_its_checks_say_so(tmp_path):
    if not LABS:
        pytest.skip("aucun lab")
    path = tmp_path / LABS[0].name
    notebooks.write(student.student_copy(notebooks.read(LABS[0])), path)
    assert student.problems(path) == []
