"""`make references` trouve les bons labs et installe ce qu'ils ont enregistré, entier ou pas."""

import hashlib
import json
import os
import shutil

import nbformat
import pytest

from labkit import files
from labkit.fingerprints import fingerprint
from tools import cache, references
from tools.normalize import KERNEL

SOURCE = "def helper(x):\n    return x + 1\n\n\ndef train():\n    return helper(1)\n"
SAVE = """
import hashlib, json, os
from pathlib import Path

folder = Path("sorties/references")
folder.mkdir(parents=True, exist_ok=True)
card = {"lab": "02_modele", "commit": "abc", "run": os.environ.get("LABKIT_RUN")}
weights = b"poids"
card["sha256"] = hashlib.sha256(weights).hexdigest()
(folder / "modele.safetensors").write_bytes(weights)
(folder / "modele.json").write_text(json.dumps(card))
# lab.reference("modele", …)
"""


def _write_lab(path, *sources):
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [nbformat.v4.new_markdown_cell("# Lab")]
    cells += [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), path)


@pytest.fixture
def course(tmp_path):
    """Un cours d'un lab, dont une fonction a servi à tout ce qui est enregistré."""
    _write_lab(tmp_path / "labs" / "02_modele.ipynb", "%matplotlib inline\n" + SOURCE)
    (tmp_path / "labkit").mkdir()
    (tmp_path / "labkit" / "tool.py").write_text("def use():\n    return 1\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def made_by(tmp_path):
    """L'empreinte de `train`, comme une exécution du lab l'aurait notée."""
    (tmp_path / "cell.py").write_text(SOURCE, encoding="utf-8")
    namespace = {"__name__": "__main__"}
    exec(compile(SOURCE, str(tmp_path / "cell.py"), "exec"), namespace)
    return fingerprint(code=namespace["train"], settings={"epochs": 3})


def save(folder, name, lab="02_modele", run="r1", weights=True, **card):
    path = folder / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = name.encode()
    card = {"lab": lab, "commit": "0123456789", "run": run, **card}
    if weights:
        path.with_suffix(".safetensors").write_bytes(content)
        card["sha256"] = hashlib.sha256(content).hexdigest()
    path.write_text(json.dumps(card), encoding="utf-8")


def install(course):
    sums = references.Sums(course)
    return references.install(course / "saved", course / "package", {"02_modele": "r1"}, sums)


def installed(course):
    package = course / "package"
    return {p.relative_to(package).as_posix(): p.read_bytes() for p in package.rglob("*.*")}


def test_only_labs_that_save_a_reference_are_executed(tmp_path):
    _write_lab(tmp_path / "01_rien.ipynb", "print('aucune référence')")
    _write_lab(tmp_path / "02_modele.ipynb", "labkit.save_reference('modele', modele, {})")
    _write_lab(tmp_path / "03_lab.ipynb", "rows = lab.results('table', compute, data=data)")
    found = [path.name for path in references.labs_with_references(tmp_path)]
    assert found == ["02_modele.ipynb", "03_lab.ipynb"]


def test_install_copies_what_this_execution_saved_and_nothing_else(course, made_by):
    save(course / "saved", "modele", made_by=made_by)
    save(course / "saved", "results/table", weights=False)
    save(course / "saved", "ancien", lab="03_autre")
    save(course / "saved", "perime", run="r0")
    (course / "saved" / "modele.pt").write_bytes(b"autre")
    assert install(course) == ["modele", "table"]
    assert set(installed(course)) == {"modele.json", "modele.safetensors", "results/table.json"}
    assert installed(course)["modele.safetensors"] == b"modele"


def test_a_lab_that_saved_nothing_this_time_is_told(course):
    save(course / "saved", "modele", run="r0")
    with pytest.raises(references.InstallError, match="aucune fiche.*02_modele"):
        install(course)


@pytest.mark.parametrize("damage", ["missing", "modified"])
def test_a_card_without_its_weights_is_not_installed(course, damage):
    save(course / "saved", "avant")
    save(course / "saved", "modele")
    weights = course / "saved" / "modele.safetensors"
    if damage == "missing":
        weights.unlink()
    else:
        weights.write_bytes(b"d'autres poids")
    with pytest.raises(references.InstallError, match="modele.safetensors sont absents ou ne sont"):
        install(course)
    assert installed(course) == {}


def test_what_an_older_source_made_is_not_installed(course, made_by):
    save(course / "saved", "modele", made_by=made_by)
    _write_lab(course / "labs" / "02_modele.ipynb", SOURCE.replace("x + 1", "x + 2"))
    with pytest.raises(references.InstallError, match="depuis qu'il a été calculé, helper"):
        install(course)
    assert installed(course) == {}


def test_a_full_disk_leaves_the_package_as_it_was(course, monkeypatch):
    save(course / "saved", "modele")
    install(course)
    before = installed(course)
    save(course / "saved", "modele", note="nouvelle")
    (course / "saved" / "modele.safetensors").write_bytes(b"modele")
    write = files.write_atomically

    def fail_on_cards(path, content):
        if ".json" in path.name:
            raise files.FileError("disque plein")
        write(path, content)

    monkeypatch.setattr(references, "write_atomically", fail_on_cards)
    with pytest.raises(files.FileError, match="disque plein"):
        install(course)
    assert installed(course) == before


def test_check_says_what_is_known_of_each_card(course, made_by, capsys):
    package = course / "labkit" / "reference"
    machine = {"python": "3.11.7"}
    sums = {"labkit.tool.use": f"code {16 * '0'}", "<lambda>": f"code {16 * '1'}"}
    other = made_by | {"step": sums}
    save(package, "ancien", machine=machine)
    save(package, "juste", made_by=made_by, machine=machine)
    save(package, "results/perime", weights=False, made_by=other, machine=machine)
    assert references.main(["--check"], course) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ancien (02_modele, 01234567) : d'avant les empreintes",
        "juste (02_modele, 01234567) : aucune de ses 2 fonctions n'a changé",
        "perime (02_modele, 01234567) : fait sous Python 3.11.7 ; sources changées depuis "
        "(1 sur 4) : labkit.tool.use",
    ]


def test_remake_executes_then_installs_under_the_name_of_the_execution(course, capsys):
    _write_lab(course / "labs" / "02_modele.ipynb", SAVE)
    assert references.main([], course) == 0
    assert "modele : installé" in capsys.readouterr().out
    card = json.loads((course / "labkit" / "reference" / "modele.json").read_text("utf-8"))
    shutil.rmtree(course / "labkit" / "reference")  # l'empreinte d'avant l'installation
    lab = course / "labs" / "02_modele.ipynb"
    code = cache.code_sum(course / "labkit")
    assert card["run"] == cache.fingerprint(lab, references.PROFILE, code)
    assert references.RUN_VARIABLE not in os.environ


def test_a_lab_that_fails_installs_nothing(course, capsys):
    _write_lab(course / "labs" / "02_modele.ipynb", SAVE, "1 / 0")
    assert references.main([], course) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert not (course / "labkit" / "reference").exists()
