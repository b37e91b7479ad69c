"""La vérification des exercices : chaque ligne affichée, au caractère près."""

import io
import sys

import numpy as np
import pytest
import torch

import labkit


def test_right_answers(capsys):
    labkit.verify("Exercice 1", {"un": lambda: True, "deux": lambda: True})
    assert capsys.readouterr().out == "✓ un\n✓ deux\nExercice 1 : réussi.\n"


def test_every_way_to_be_wrong(capsys):
    def crash():
        raise KeyError("poids")

    checks = {
        "juste": lambda: True,
        "faux": lambda: False,
        "expliqué": lambda: "obtenu 3, attendu 4",
        "en panne": crash,
        "trou": lambda: ...,
        "oublié": lambda: None,
        "un tableau": lambda: np.array([1, 2]) == np.array([1, 2]),
    }
    assert labkit.verify("Exercice 2", checks) is None  # une cellule n'affiche rien de plus
    lines = capsys.readouterr().out.splitlines()
    assert lines[:6] == [
        "✓ juste",
        "✗ faux — ce n'est pas le cas",
        "✗ expliqué — obtenu 3, attendu 4",
        "✗ en panne — votre code s'est arrêté sur KeyError : 'poids'",
        "✗ trou — ce n'est pas le cas",
        "✗ oublié — ce n'est pas le cas",
    ]
    assert lines[6].startswith("✗ un tableau — votre code s'est arrêté sur ValueError : ")
    assert lines[7] == "Exercice 2 : 6 vérifications sur 7 à reprendre."
    assert len(lines) == 8


def test_a_single_failure_is_singular(capsys):
    labkit.verify("Exercice 3", {"un": lambda: True, "deux": lambda: False})
    assert capsys.readouterr().out.splitlines()[2] == (
        "Exercice 3 : 1 vérification sur 2 à reprendre."
    )


@pytest.mark.parametrize(("encoding", "expected"), [
    ("utf-8", "✓ écart β\n✗ tiret — β vaut 1\nExercice β : 1 vérification sur 2 à reprendre.\n"),
    (
        "cp1252",
        "[ok] écart ?\n[non] tiret — ? vaut 1\nExercice ? : 1 vérification sur 2 à reprendre.\n",
    ),
    (
        "ascii",
        "[ok] ?cart ?\n[non] tiret ? ? vaut 1\nExercice ? : 1 v?rification sur 2 ? reprendre.\n",
    ),
])  # fmt: skip
def test_a_console_that_lacks_signs_gets_others(encoding, expected, monkeypatch):
    console = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    monkeypatch.setattr(sys, "stdout", console)
    labkit.verify("Exercice β", {"écart β": lambda: True, "tiret": lambda: "β vaut 1"})
    console.flush()
    assert console.buffer.getvalue().decode(encoding) == expected


def test_a_console_without_encoding_gets_every_sign(monkeypatch):
    console = io.StringIO()
    monkeypatch.setattr(sys, "stdout", console)
    labkit.verify("Exercice", {"un": lambda: True})
    assert console.getvalue() == "✓ un\nExercice : réussi.\n"


@pytest.mark.parametrize("result", [np.bool_(True), torch.tensor(True), np.float64(0.1) < 1, 1])
def test_truth_of_other_libraries_counts(result, capsys):
    labkit.verify("Exercice", {"point": lambda: result})
    assert capsys.readouterr().out == "✓ point\nExercice : réussi.\n"


@pytest.mark.parametrize("result", [np.bool_(False), torch.tensor(False), 0, [], ""])
def test_falsehood_of_other_libraries_counts(result, capsys):
    labkit.verify("Exercice", {"point": lambda: result})
    assert capsys.readouterr().out.startswith("✗ point — ce n'est pas le cas\n")


def test_or_with_an_explanation(capsys):
    value = 0.7
    labkit.verify("Exercice", {"0,5": lambda: abs(value - 0.5) < 1e-9 or f"obtenu {value}"})
    assert capsys.readouterr().out.splitlines()[0] == "✗ 0,5 — obtenu 0.7"


def test_checks_run_once_each_in_order():
    seen = []
    labkit.verify("E", {name: lambda name=name: seen.append(name) or True for name in "abc"})
    assert seen == ["a", "b", "c"]
