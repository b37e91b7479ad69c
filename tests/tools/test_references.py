"""`make references` trouve les bons labs et installe ce qu'ils ont enregistré."""

import json
import os

import nbformat

from tools import references


def _write_lab(path, source):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbformat.write(notebook, path)


def test_only_labs_that_save_a_reference_are_executed(tmp_path):
    _write_lab(tmp_path / "01_rien.ipynb", "print('aucune référence')")
    _write_lab(tmp_path / "02_modele.ipynb", "labkit.save_reference('modele', modele, {})")
    assert [p.name for p in references.labs_with_references(tmp_path)] == ["02_modele.ipynb"]


def test_install_copies_what_these_labs_saved_and_nothing_else(tmp_path):
    saved, package = tmp_path / "sorties", tmp_path / "reference"
    (saved / "results").mkdir(parents=True)
    cards = {"modele": "02_modele", "results/table": "02_modele", "ancien": "03_autre"}
    for name, lab in cards.items():
        (saved / f"{name}.json").write_text(json.dumps({"lab": lab}), encoding="utf-8")
    for name in ("modele.safetensors", "modele.pt", "ancien.safetensors"):
        (saved / name).write_bytes(name.encode())
    assert references.install(saved, package, {"02_modele"}) == ["modele", "table"]
    copied = {str(p.relative_to(package)) for p in package.rglob("*") if p.is_file()}
    assert copied == {"modele.json", "modele.safetensors", os.path.join("results", "table.json")}
    assert (package / "modele.safetensors").read_bytes() == b"modele.safetensors"
