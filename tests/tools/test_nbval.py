"""nbval, tel que `make test` le lance, refuse un notebook dont un nombre a changé."""

import re
import subprocess
import sys

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tools import notebooks
from tools.normalize import IGNORED, KERNEL

LABS = sorted((notebooks.ROOT / "labs").glob("*.ipynb"))


def nbval(*paths):
    """Le statut et la sortie de nbval sur des notebooks, arrêté à la première différence."""
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-x"]
    done = subprocess.run(
        [*command, *map(str, paths)],
        cwd=notebooks.ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    return done.returncode, done.stdout


def strict_cells(notebook):
    """Les cellules dont la sortie enregistrée porte un nombre que nbval compare."""
    return [
        cell
        for cell in notebooks.code_cells(notebook)
        if IGNORED not in notebooks.tags(cell)
        and any(re.search(r"\d", output.get("text", "")) for output in cell.outputs)
    ]


def alter_one_number(notebook):
    """Change un chiffre, un seul, de la première sortie comparée."""
    output = next(o for o in strict_cells(notebook)[0].outputs if re.search(r"\d", o.text))
    output.text = re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), output.text, count=1)


def small_notebook():
    output = new_output("stream", name="stdout", text="erreur : 0.125\n")
    cells = [new_code_cell("print('erreur :', 1 / 8)", outputs=[output], execution_count=1)]
    return new_notebook(cells=cells, metadata={"kernelspec": KERNEL})


def test_an_untouched_notebook_passes_and_a_changed_number_fails(tmp_path):
    intact, changed = tmp_path / "a_intact.ipynb", tmp_path / "b_change.ipynb"
    notebook = small_notebook()
    notebooks.write(notebook, intact)
    alter_one_number(notebook)
    notebooks.write(notebook, changed)
    status, text = nbval(intact, changed)
    assert status == 1
    assert "1 failed, 1 passed" in text
    assert re.search(r"FAILED \S*b_change.ipynb::Cell 0", text)
    assert "1.125" in text and "0.125" in text


def test_a_changed_number_of_the_first_lab_fails(tmp_path):
    if not LABS:
        pytest.skip("aucun lab")
    notebook = notebooks.read(LABS[0])
    alter_one_number(notebook)
    notebooks.write(notebook, tmp_path / LABS[0].name)
    status, text = nbval(tmp_path / LABS[0].name)
    assert status == 1
    assert "Cell outputs differ" in text
