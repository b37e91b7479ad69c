"""La vérification des exercices : chaque ligne affichée, au caractère près."""

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
    assert lines[7] == "Exercice 2 : à reprendre, 6 points sur 7."
    assert len(lines) == 8


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
