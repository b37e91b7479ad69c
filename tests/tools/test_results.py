"""La page des résultats : lue dans les fiches, liée aux sections des labs."""

import json

import nbformat
import pytest

from tools import notebooks
from tools.notebooks import LabError
from tools.results import computed, results_page
from tools.values import Values

ROOT = notebooks.ROOT


def lab(folder, *sources):
    cells = [nbformat.v4.new_markdown_cell(source) for source in sources]
    path = folder / "02_autoencoder.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def page(folder, rows, section="8. Sur MNIST entier", **computed):
    reports = folder / "reports.json"
    part = {"title": "AE", "lab": "02_autoencoder", "section": section, "rows": rows}
    unknown = {"title": "Absent", "lab": "12_autre", "section": "1. Rien", "rows": rows}
    reports.write_text(json.dumps([part, unknown]), encoding="utf-8")
    path = lab(folder, "# Lab 2 — L'autoencodeur", "Un mot.\n\n## 8. Sur MNIST entier\n\nEt `x`.")
    return results_page(Values(folder, computed), [path], reports)


ROW = {"what": "erreur", "reported": 0.06, "ours": "{ae/mse:3}", "why": "{ae/mse:1} et {ae/n}"}


def test_a_row_gives_both_numbers_their_quotient_and_why(tmp_path):
    written = page(tmp_path, [ROW], ae={"mse": 0.03, "n": 7})
    assert "| erreur | 0,060 | 0,030 | 0,500 | 0,0 et 7 |" in written
    assert "[Lab 2 — L'autoencodeur](../labs/02_autoencoder.ipynb)" in written
    assert '<a href="../labs/02_autoencoder.html#sur-mnist-entier">' in written


def test_a_conclusion_has_no_quotient(tmp_path):
    row = {"what": "tient", "reported": "oui", "ours": "{ae/mse:2} nat", "why": "mesuré"}
    assert "| tient | oui | 0,03 nat |  | mesuré |" in page(tmp_path, [row], ae={"mse": 0.03})


def test_a_lab_that_is_not_there_is_left_out(tmp_path):
    assert "Absent" not in page(tmp_path, [ROW], ae={"mse": 0.03, "n": 7})


def test_a_section_that_moved_is_told(tmp_path):
    with pytest.raises(LabError, match="02_autoencoder.ipynb n'a pas de section « 9. Ailleurs »"):
        page(tmp_path, [], section="9. Ailleurs")


def test_the_page_of_the_course_is_whole():
    """Chaque chemin mène à un nombre, chaque section existe, et les nombres sont ceux attendus."""
    values = Values(ROOT / "labkit" / "reference", computed())
    labs = notebooks.lab_paths(ROOT / "labs")
    written = results_page(values, labs)
    assert "{" not in written
    for line in (
        "| ET, taux 0,7, $w_0$ | 14,50 |",
        "| 0,0603 | 0,0603 | 1,000 |",
        "| 1\u202f071\u202f130 | 1\u202f071\u202f130 | 1,000 |",
        "| 2\u202f495\u202f457 | 2\u202f495\u202f457 | 1,000 |",
    ):
        assert line in written


def test_computed_weights_are_those_of_the_report():
    """À 0,5 % ou 0,03 près, quelle que soit la graine."""
    weights = computed()["perceptron"]
    assert weights["ET"]["0.7"] == pytest.approx([14.50, 9.56, 9.56], rel=5e-3)
    assert weights["OU"]["0.7"] == pytest.approx([4.92, 10.77, 10.77], rel=5e-3)
    assert weights["XOR"]["0.7"] == pytest.approx([-0.42, -0.85, -0.42], abs=0.03)
