"""nbval compare aussi strictement une exécution gardée que la sienne, sans lancer de noyau."""

import re
import subprocess
import sys

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import execute, notebooks
from tools.normalize import IGNORED, KERNEL
from tools.replay import PARAMETERS, Recording


def small_lab(text="erreur : 0.125\n", result="'fin'"):
    """Un lab dont on choisit les sorties enregistrées, justes ou fausses."""
    cells = [
        new_markdown_cell("# Lab 1 — Essai"),
        new_code_cell(
            "import sys\nprint('erreur :', 1 / 8)\nprint('avis', file=sys.stderr)",
            outputs=[
                new_output("stream", name="stdout", text=text),
                new_output("stream", name="stderr", text="avis\n"),
            ],
            execution_count=1,
        ),
        new_code_cell(
            "'fin'",
            outputs=[new_output("execute_result", data={"text/plain": result}, execution_count=2)],
            execution_count=2,
        ),
        new_code_cell("import time\ntime.time()", metadata={"tags": [IGNORED]}, execution_count=3),
    ]
    return new_notebook(cells=cells, metadata={"kernelspec": KERNEL})


@pytest.fixture(scope="module")
def labs(tmp_path_factory):
    """Deux labs exécutés : les sorties enregistrées du second portent deux fautes."""
    root = tmp_path_factory.mktemp("cours")
    paths = [root / "labs" / "a_juste.ipynb", root / "labs" / "b_faux.ipynb"]
    notebooks.write(small_lab(), paths[0])
    notebooks.write(small_lab(text="erreur : 0.126\n", result="'début'"), paths[1])
    execute.execute_all(paths, root / "executed", PARAMETERS, notebooks.ROOT / "labkit")
    return root / "labs"


def pytest_on(folder, *options):
    """Le statut et la sortie de pytest."""
    command = [sys.executable, "-m", "pytest", *options, str(folder)]
    done = subprocess.run(
        command, cwd=notebooks.ROOT, capture_output=True, text=True, encoding="utf-8", check=False
    )
    return done.returncode, done.stdout


def replay(path, labs):
    return pytest_on(path, "-p", "tools.replay", "--executed", str(labs.parent / "executed"))


def verdicts(text):
    """Les cellules refusées, et le compte."""
    refused = re.findall(r"FAILED \S*?(\w+\.ipynb::Cell \d)", text)
    return sorted(refused), text.splitlines()[-1].split(" in ")[0]


def test_the_verdicts_are_those_of_nbval(labs):
    """Mêmes cellules refusées, que nbval exécute ou qu'on lui rejoue l'exécution."""
    status, text = pytest_on(labs, "--nbval", "--nbval-current-env")
    replayed_status, replayed = replay(labs, labs)
    assert (status, replayed_status) == (1, 1)
    assert verdicts(replayed) == verdicts(text)
    assert verdicts(replayed)[0] == ["b_faux.ipynb::Cell 0", "b_faux.ipynb::Cell 1"]
    assert "0.126" in replayed and "0.125" in replayed


def test_an_execution_that_no_longer_holds_is_refused(labs):
    path = labs / "a_juste.ipynb"
    intact = path.read_bytes()
    notebook = notebooks.read(path)
    notebook.cells[1].source += "\nprint(2)"
    notebooks.write(notebook, path)
    status, text = replay(path, labs)
    path.write_bytes(intact)
    assert status == 2
    assert "a_juste.ipynb a changé depuis sa dernière exécution" in text
    assert "python -m tools.execute" in text


def test_a_lab_that_was_not_executed_is_refused(labs, tmp_path):
    path = tmp_path / "d_absent.ipynb"
    notebooks.write(small_lab(), path)
    status, text = replay(path, labs)
    assert status == 2
    assert "n'a pas été exécuté" in text


def test_a_cell_may_be_replayed_alone_but_never_another_in_its_place():
    recording = Recording(small_lab())
    message = recording.execute_cell_input("'fin'")
    first = recording.get_message("iopub")
    assert first["msg_type"] == "execute_result"
    assert first["parent_header"]["msg_id"] == message
    assert recording.get_message("iopub")["content"]["execution_state"] == "idle"
    with pytest.raises(notebooks.LabError, match="absente"):
        recording.execute_cell_input("'autre'")
