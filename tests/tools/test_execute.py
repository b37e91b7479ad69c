import json
import os
import sys

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import execute, notebooks
from tools.normalize import KERNEL

PARAMETERS = {"profil": "complet", "graine": 0}


def small_lab(*sources):
    parameters = new_code_cell('profil = "rapide"\ngraine = 0', metadata={"tags": ["parameters"]})
    cells = [new_markdown_cell("# Lab 1 — Essai"), parameters, *map(new_code_cell, sources)]
    return new_notebook(cells=cells, metadata={"kernelspec": KERNEL})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Deux labs exécutés ensemble : l'un réussit, l'autre échoue à sa quatrième cellule."""
    root = tmp_path_factory.mktemp("cours")
    (root / "labkit").mkdir()
    good = small_lab("import pathlib\npathlib.Path('trace.txt').write_text(profil)")
    bad = small_lab("x = 1", "total = x / 0")
    paths = [root / "labs" / "01_good.ipynb", root / "labs" / "02_bad.ipynb"]
    for path, notebook in zip(paths, (good, bad), strict=True):
        notebooks.write(notebook, path)
    output = root / "_build"
    records = execute.execute_all(paths, output, PARAMETERS, root / "labkit")
    return root, paths, output, records


def test_status_holds_time_memory_and_versions(run):
    _, _, output, records = run
    saved = json.loads((output / "status.json").read_text(encoding="utf-8"))
    assert [lab["status"] for lab in saved["labs"]] == ["réussi", "échec"]
    assert records[0]["seconds"] > 0
    assert records[0]["peak_mib"] > 10
    assert records[0]["cpu_seconds"] > 0 or sys.platform == "win32"
    assert records[0]["old_laptop"] is False
    assert {"python", "numpy"} <= set(records[0]["versions"])


def test_parameters_reach_the_notebook_and_files_stay_in_the_build(run):
    root, _, output, _ = run
    assert (output / "trace.txt").read_text(encoding="utf-8") == "complet"
    assert not (root / "labs" / "trace.txt").exists()


def test_failure_shows_notebook_cell_source_and_traceback(run):
    error = run[3][1]["error"]
    assert "02_bad.ipynb : la cellule 4 a échoué" in error
    assert "total = x / 0" in error
    assert "ZeroDivisionError" in error


def test_unchanged_lab_is_not_executed_again(run, capsys):
    root, paths, output, _ = run
    before = (output / "01_good.ipynb").stat().st_mtime_ns
    records = execute.execute_all(paths[:1], output, PARAMETERS, root / "labkit")
    assert records[0]["status"] == "réussi"
    assert (output / "01_good.ipynb").stat().st_mtime_ns == before
    assert "inchangé" in capsys.readouterr().out


def test_an_old_laptop_is_played_in_the_kernel_and_once(run):
    """Une exécution ordinaire n'en tient pas lieu ; l'inverse, si."""
    root, _, output, _ = run
    names = [*execute.OLD_PROCESSOR, "OMP_NUM_THREADS"]
    lab = root / "labs" / "03_old.ipynb"
    notebooks.write(small_lab(f"import os\nprint([os.environ.get(n) for n in {names}])"), lab)
    arguments = [lab], output, PARAMETERS, root / "labkit"
    execute.execute_all(*arguments)
    (record,) = execute.execute_all(*arguments, old_laptop=True)
    assert record["old_laptop"] is True
    path = output / lab.name
    assert notebooks.read(path).cells[-1].outputs[0].text == "['avx2', 'AVX2', '1']\n"
    before = path.stat().st_mtime_ns
    assert execute.execute_all(*arguments, old_laptop=True) == execute.execute_all(*arguments)
    assert path.stat().st_mtime_ns == before
    assert not set(execute.OLD_PROCESSOR) & set(os.environ)


def test_a_failing_cell_gives_a_nonzero_exit_status(run, monkeypatch, capsys):
    _, paths, output, records = run
    monkeypatch.setattr(execute, "execute_all", lambda *_: records)
    assert execute.main([str(paths[1]), "--output", str(output)]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["01_good", "01_good.ipynb"])
def test_a_lab_is_known_by_its_name(run, name):
    _, paths, _, _ = run
    assert execute.find_lab(name, paths[0].parent) == paths[0]


def test_a_lab_is_known_by_its_path(run):
    _, paths, _, _ = run
    assert execute.find_lab(str(paths[1]), paths[0].parent / "ailleurs") == paths[1]


def test_an_unknown_lab_is_refused_with_the_known_names(capsys):
    assert execute.main(["99_inconnu"]) == 1
    message = capsys.readouterr().err
    assert "Lab introuvable : 99_inconnu" in message
    assert "01_perceptron" in message


def test_default_parameters_are_not_injected(run):
    _, paths, _, _ = run
    assert execute._changed(paths[0], {"profil": "rapide", "graine": 0}) == {}
    assert execute._changed(paths[0], {"profil": "rapide", "graine": 7}) == {"graine": 7}
