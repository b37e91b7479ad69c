"""Les nombres et les tableaux, tels qu'un lab les montre."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from labkit.tables import Table, count_parameters, number, percent, rounded

# --- les nombres ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "digits", "text"), [
    (0.04771, 4, "0,0477"),
    (14.5, 2, "14,50"),
    (-0.423, 2, "−0,42"),
    (-0.004, 2, "0,00"),
    (-0.0, None, "0"),
    (-0.4, 0, "0"),
    (0.7, None, "0,7"),
    (1e-4, None, "0,0001"),
    (1e-5, None, "10⁻⁵"),
    (-1e-5, None, "−10⁻⁵"),
    (2.5e10, None, "2,5\u202f×\u202f10¹⁰"),
    (999, None, "999"),
    (60_000, None, "60\u202f000"),
    (1_234_567, None, "1\u202f234\u202f567"),
    (-1234.5, 1, "−1\u202f234,5"),
    (60_000.0, None, "60\u202f000"),
    (float("inf"), 2, "inf"),
    (np.float32(0.5), None, "0,5"),
    (np.int64(1_234_567), None, "1\u202f234\u202f567"),
    (torch.tensor(1_234_567), None, "1\u202f234\u202f567"),
    (torch.tensor([2.5]), 1, "2,5"),
])  # fmt: skip
def test_number(value, digits, text):
    assert number(value, digits) == text


@pytest.mark.parametrize(("value", "digits", "text"), [
    (0.917, 0, "92\u202f%"), (0.917, 1, "91,7\u202f%"), (1, 0, "100\u202f%"),
    (torch.tensor(0.5), 0, "50\u202f%"), (-0.001, 0, "0\u202f%"),
])  # fmt: skip
def test_percent(value, digits, text):
    assert percent(value, digits) == text


@pytest.mark.parametrize(("value", "figures", "text"), [
    (0.00123456, 3, "0,00123"), (-1.5, 1, "−2"), (1e20, 1, "10²⁰"),
    (torch.tensor(12345.0), 3, "12\u202f300"),
])  # fmt: skip
def test_significant_figures(value, figures, text):
    assert rounded(value, figures) == text


def test_parameters_are_counted_frozen_or_not():
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    module[0].requires_grad_(False)
    assert count_parameters(module) == 3 * 4 + 4 + 4 + 4


# --- les tableaux ---------------------------------------------------------------------------------

RESULTS = Table(
    ["modèle", "paramètres", "erreur", "reconnus", "écart |a − b|"],
    [
        ["dense", np.int64(1_234_567), 0.04771, 0.917, "12,3 (11,8 à 12,9)"],
        ["ACP", 50, torch.tensor(12.5), 1, "3 / 4"],
        ["seuil\nbas", "–", "diverge", -0.0, ""],
    ],
    digits={"erreur": 3, "reconnus": percent},
)


def test_table_in_a_notebook_and_on_the_site():
    assert RESULTS._repr_markdown_().splitlines() == [
        r"| modèle | paramètres | erreur | reconnus | écart \|a − b\| |",
        "| :--- | ---: | ---: | ---: | ---: |",
        "| dense | 1\u202f234\u202f567 | 0,048 | 92\u202f% | 12,3 (11,8 à 12,9) |",
        "| ACP | 50 | 12,500 | 100\u202f% | 3 / 4 |",
        "| seuil bas | – | diverge | 0\u202f% |  |",
    ]


def test_table_in_a_terminal():
    table = Table(["nom", "n", "valeur"], [["a", 1, 0.5], ["long", 10_000, -12.25]], digits=2)
    assert repr(table).splitlines() == [
        "nom        n  valeur",
        "────  ──────  ──────",
        "a          1    0,50",
        "long  10\u202f000  −12,25",
    ]
    assert str(table) == repr(table)


def test_a_column_of_words_is_aligned_to_the_left():
    table = Table(["a", "b"], [["1 s", "x"], ["23 s", "1"]])
    assert "| :--- | :--- |" in table._repr_markdown_()


def test_a_table_without_rows():
    assert repr(Table(["a", "bc"], [])) == "a  bc\n─  ──"


def test_rows_may_be_a_generator_and_words_from_numpy():
    table = Table(["nom"], ([name] for name in np.array(["a", "b"])))
    assert table.rows == [["a"], ["b"]]


def test_jupyter_shows_the_table_and_keeps_aligned_text():
    from IPython.core.formatters import DisplayFormatter

    contents, _ = DisplayFormatter().format(RESULTS)
    assert contents == {"text/plain": repr(RESULTS), "text/markdown": RESULTS._repr_markdown_()}


@pytest.mark.parametrize(("rows", "digits", "message"), [
    ([[1, 2], [3]], None, r"`rows` : 2 cases attendues par ligne \(a, b\), reçu 1 à la ligne 2"),
    ([[1, 2, 3]], None, "reçu 3 à la ligne 1"),
    ([[1, 2]], {"c": 1}, "`digits` : pas de colonne c ; le tableau a a, b"),
])  # fmt: skip
def test_mistakes_in_a_table_are_explained(rows, digits, message):
    with pytest.raises(ValueError, match=message):
        Table(["a", "b"], rows, digits)


def test_writing_a_number_needs_no_torch():
    program = "import sys, labkit; labkit.number(1.5); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
