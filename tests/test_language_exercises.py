"""Les exercices du lab 09 : ses vérifications acceptent le juste et nomment la faute."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import labkit
from tools import notebooks

LAB = Path(labkit.__file__).parents[1] / "labs" / "09_language.ipynb"
NAMES = {"labkit": labkit, "torch": torch, "np": np, "math": math, "number": labkit.number}
CHECKS = [
    cell.source
    for cell in notebooks.code_cells(notebooks.read(LAB))
    if "verification" in notebooks.tags(cell)
]


def verdict(capsys, exercise: int, answer: str) -> str:
    """Ce qu'affiche la vérification d'un exercice, pour cette réponse."""
    names = dict(NAMES)
    exec(answer, names)
    exec(CHECKS[exercise - 1], names)
    return capsys.readouterr().out


RIGHT = {
    "masque, par tril": (1, """
def causal_weights(scores):
    kept = torch.ones(scores.shape[-2:]).tril().bool()
    return torch.softmax(scores.where(kept, torch.tensor(-math.inf)), dim=-1)
"""),
    "masque, additionné": (1, """
def causal_weights(scores):
    size = scores.shape[-1]
    return (scores + torch.full((size, size), -math.inf).triu(1)).softmax(-1)
"""),
    "masque, renormalisé après coup": (1, """
def causal_weights(scores):
    kept = torch.ones(scores.shape[-2:]).tril().bool()
    top = scores.masked_fill(~kept, -math.inf).amax(-1, keepdim=True)
    weights = torch.where(kept, (scores - top).clamp(max=0).exp(), 0.0)
    weights = weights / weights.sum(-1, keepdim=True)
    return weights
"""),
    "top-p, par une boucle": (2, """
def nucleus(probabilities, p):
    kept, total = torch.zeros_like(probabilities), 0.0
    for token in probabilities.argsort(descending=True):
        kept[token] = probabilities[token]
        total += probabilities[token].item()
        if total >= p - 1e-12:
            break
    return kept / kept.sum()
"""),
    "top-p, par searchsorted": (2, """
def nucleus(probabilities, p):
    values, order = probabilities.sort(descending=True)
    count = int(torch.searchsorted(values.cumsum(0), torch.tensor(p - 1e-12).double())) + 1
    kept = torch.zeros_like(probabilities)
    kept[order[:count]] = values[:count] / values[:count].sum()
    return kept
"""),
    "perplexité, par NumPy": (3, """
def perplexity(probabilities):
    with np.errstate(divide="ignore"):
        return np.exp(-np.log(np.asarray(probabilities, dtype=float)).mean())


def average_perplexity(first, second):
    (a, n), (b, m) = first, second
    return a ** (n / (n + m)) * b ** (m / (n + m))
"""),
    "perplexité, en bits": (3, """
def perplexity(probabilities):
    bits = [-math.log2(p) if p else math.inf for p in probabilities]
    return 2 ** (sum(bits) / len(bits))


def average_perplexity(first, second):
    total = first[1] * math.log2(first[0]) + second[1] * math.log2(second[0])
    return 2 ** (total / (first[1] + second[1]))
"""),
}  # fmt: skip

BODY = "def causal_weights(scores):\n    future = torch.ones_like(scores).triu(1).bool()\n"
AVERAGE = "\ndef average_perplexity(first, second):\n    "
GOOD_AVERAGE = AVERAGE + (
    "return math.exp((first[1] * math.log(first[0]) + second[1] * math.log(second[0]))"
    " / (first[1] + second[1]))"
)
LOGS = "def perplexity(probabilities):\n    logs = torch.as_tensor(probabilities).double().log()\n"
SORTED = (
    "def nucleus(probabilities, p):\n"
    "    values, order = probabilities.sort(descending=True)\n"
    "    before = values.cumsum(0) - values\n"
    "    kept = torch.zeros_like(probabilities)\n"
)
WRONG = {
    "rien d'écrit": (1, "def causal_weights(scores):\n    return None", "complétez-la"),
    "sans masque": (1, BODY + "    return scores.softmax(-1)", "rien n'est masqué"),
    "masque retourné": (
        1,
        BODY + "    return scores.masked_fill(future.mT, -math.inf).softmax(-1)",
        "cache le passé",
    ),
    "zéro au lieu de moins l'infini": (
        1, BODY + "    return scores.masked_fill(future, 0.0).softmax(-1)", "e⁰ = 1",
    ),
    "après le softmax": (
        1, BODY + "    return scores.softmax(-1).masked_fill(future, 0.0)", "après le softmax",
    ),
    "softmax sur les colonnes": (
        1, BODY + "    return scores.masked_fill(future, -math.inf).softmax(-2)", "colonnes",
    ),
    "diagonale cachée": (
        1,
        BODY + "    hidden = torch.ones_like(scores).triu(0).bool()\n"
        "    return scores.masked_fill(hidden, -math.inf).softmax(-1)",
        "NaN",
    ),
    "un pas de trop": (
        1,
        BODY + "    hidden = torch.ones_like(scores).triu(2).bool()\n"
        "    return scores.masked_fill(hidden, -math.inf).softmax(-1)",
        "triu(2)",
    ),
    "modifie scores": (
        1,
        BODY + "    return scores.masked_fill_(future, -math.inf).softmax(-1)",
        "scores a changé",
    ),
    "nombre fini": (
        1,
        BODY + "    return scores.masked_fill(future, -100.0).softmax(-1)",
        "scores immenses —",
    ),
    "taille écrite": (
        1,
        "def causal_weights(scores):\n    future = torch.ones(4, 4).triu(1).bool()\n"
        "    return scores.masked_fill(future, -math.inf).softmax(-1)",
        "d'autres tailles —",
    ),
    "celui qui atteint p est perdu": (
        2,
        SORTED + "    kept[order] = values.where(values.cumsum(0) <= p, 0.0)\n"
        "    return kept / kept.sum()",
        "jetons gardés",
    ),
    "sans renormaliser": (
        2,
        SORTED + "    kept[order] = values.where(before < p, 0.0)\n    return kept",
        "ramenez-la",
    ),
    "ordre perdu": (
        2,
        SORTED + "    kept = values.where(before < p, 0.0)\n    return kept / kept.sum()",
        "rendez l'ordre",
    ),
    "seuil sur chaque probabilité": (
        2,
        "def nucleus(probabilities, p):\n"
        "    kept = probabilities.where(probabilities >= p, 0.0)\n    return kept / kept.sum()",
        "NaN",
    ),
    "la perte": (3, LOGS + "    return -logs.mean()\n" + GOOD_AVERAGE, "il manque l'exponentielle"),
    "signe": (3, LOGS + "    return logs.mean().exp()\n" + GOOD_AVERAGE, "signe moins"),
    "somme": (3, LOGS + "    return (-logs.sum()).exp()\n" + GOOD_AVERAGE, "division par N"),
    "base mêlée": (3, LOGS + "    return 2 ** (-logs.mean())\n" + GOOD_AVERAGE, "même base"),
    "moyenne des inverses": (
        3, LOGS + "    return (-logs).exp().mean()\n" + GOOD_AVERAGE, "géométrique",
    ),
    "produit": (
        3,
        "def perplexity(probabilities):\n    p = torch.as_tensor(probabilities).double()\n"
        "    return p.prod() ** (-1 / len(p))\n" + GOOD_AVERAGE,
        "s'arrondit à zéro",
    ),
    "epsilon": (
        3,
        "def perplexity(probabilities):\n"
        "    p = torch.as_tensor(probabilities).double() + 1e-12\n"
        "    return (-p.log().mean()).exp()\n" + GOOD_AVERAGE,
        "sans ε",
    ),
    "moyenne des perplexités": (
        3,
        LOGS + "    return (-logs.mean()).exp()\n" + AVERAGE
        + "return (first[0] * first[1] + second[0] * second[1]) / (first[1] + second[1])",
        "c'est la perte qui se moyenne",
    ),
    "longueurs oubliées": (
        3,
        LOGS + "    return (-logs.mean()).exp()\n" + AVERAGE
        + "return math.sqrt(first[0] * second[0])",
        "pas la même longueur",
    ),
}  # fmt: skip


@pytest.mark.parametrize("exercise, answer", RIGHT.values(), ids=RIGHT)
def test_right_answers_pass_however_written(capsys, exercise, answer):
    assert verdict(capsys, exercise, answer).endswith("réussi.\n")


@pytest.mark.parametrize("exercise, answer, reason", WRONG.values(), ids=WRONG)
def test_wrong_answers_are_told_why(capsys, exercise, answer, reason):
    said = verdict(capsys, exercise, answer)
    assert "à reprendre" in said
    assert reason in said


def test_the_solutions_of_the_lab_pass(capsys):
    cells = notebooks.code_cells(notebooks.read(LAB))
    answers = [cell.source for cell in cells if "solution" in notebooks.tags(cell)]
    for exercise, answer in enumerate(answers, start=1):
        assert verdict(capsys, exercise, answer).endswith("réussi.\n")
