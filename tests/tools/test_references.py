"""`make references` trouve les bons labs et installe ce qu'ils ont enregistré."""

import nbformat

from tools import references


def _write_lab(path, source):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbformat.write(notebook, path)


def test_only_labs_that_save_a_reference_are_executed(tmp_path):
    _write_lab(tmp_path / "01_rien.ipynb", "print('aucune référence')")
    _write_lab(tmp_path / "02_modele.ipynb", "labkit.save_reference('modele', modele, {})")
    assert [p.name for p in references.labs_with_references(tmp_path)] == ["02_modele.ipynb"]


def test_install_copies_weights_and_cards_and_nothing_else(tmp_path):
    saved, package = tmp_path / "sorties", tmp_path / "reference"
    saved.mkdir()
    for name in ("modele.safetensors", "modele.json", "modele.pt"):
        (saved / name).write_bytes(name.encode())
    assert references.install(saved, package) == ["modele"]
    assert sorted(p.name for p in package.iterdir()) == ["modele.json", "modele.safetensors"]
    assert (package / "modele.json").read_bytes() == b"modele.json"
