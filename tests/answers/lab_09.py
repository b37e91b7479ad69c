"""Réponses justes et fausses aux exercices du lab 09."""

import math

import numpy as np
import torch

import labkit


def names() -> dict:
    """Ce que le lab a défini avant ses exercices."""
    return {"labkit": labkit, "torch": torch, "np": np, "math": math, "number": labkit.number}


BODY = "def causal_weights(scores):\n    future = torch.ones_like(scores).triu(1).bool()\n"
SORTED = (
    "def nucleus(probabilities, p):\n"
    "    values, order = probabilities.sort(descending=True)\n"
    "    before = values.cumsum(0) - values\n"
    "    kept = torch.zeros_like(probabilities)\n"
)
LOGS = "def perplexity(probabilities):\n    logs = torch.as_tensor(probabilities).double().log()\n"
AVERAGE = "\ndef average_perplexity(first, second):\n    "
GOOD_AVERAGE = AVERAGE + (
    "return math.exp((first[1] * math.log(first[0]) + second[1] * math.log(second[0]))"
    " / (first[1] + second[1]))"
)

RIGHT = {
    1: {
        "par tril": """
def causal_weights(scores):
    kept = torch.ones(scores.shape[-2:]).tril().bool()
    return torch.softmax(scores.where(kept, torch.tensor(-math.inf)), dim=-1)
""",
        "additionné": """
def causal_weights(scores):
    size = scores.shape[-1]
    return (scores + torch.full((size, size), -math.inf).triu(1)).softmax(-1)
""",
        "renormalisé après coup": """
def causal_weights(scores):
    kept = torch.ones(scores.shape[-2:]).tril().bool()
    top = scores.masked_fill(~kept, -math.inf).amax(-1, keepdim=True)
    weights = torch.where(kept, (scores - top).clamp(max=0).exp(), 0.0)
    weights = weights / weights.sum(-1, keepdim=True)
    return weights
""",
    },
    2: {
        "une boucle": """
def nucleus(probabilities, p):
    kept, total = torch.zeros_like(probabilities), 0.0
    for token in probabilities.argsort(descending=True):
        kept[token] = probabilities[token]
        total += probabilities[token].item()
        if total >= p - 1e-12:
            break
    return kept / kept.sum()
""",
        "searchsorted": """
def nucleus(probabilities, p):
    values, order = probabilities.sort(descending=True)
    count = int(torch.searchsorted(values.cumsum(0), torch.tensor(p - 1e-12).double())) + 1
    kept = torch.zeros_like(probabilities)
    kept[order[:count]] = values[:count] / values[:count].sum()
    return kept
""",
        "un seuil, celui du dernier gardé": """
def nucleus(probabilities, p):
    values = probabilities.sort(descending=True).values
    reached = values.cumsum(0) >= p - 1e-12
    last = values[int(reached.int().argmax())] if reached.any() else values[-1]
    kept = torch.where(probabilities >= last, probabilities, 0.0)
    return kept / kept.sum()
""",
    },
    3: {
        "NumPy": """
def perplexity(probabilities):
    with np.errstate(divide="ignore"):
        return np.exp(-np.log(np.asarray(probabilities, dtype=float)).mean())


def average_perplexity(first, second):
    (a, n), (b, m) = first, second
    return a ** (n / (n + m)) * b ** (m / (n + m))
""",
        "en bits": """
def perplexity(probabilities):
    bits = [-math.log2(p) if p else math.inf for p in probabilities]
    return 2 ** (sum(bits) / len(bits))


def average_perplexity(first, second):
    total = first[1] * math.log2(first[0]) + second[1] * math.log2(second[0])
    return 2 ** (total / (first[1] + second[1]))
""",
        "par morceaux": """
def perplexity(probabilities):
    value = torch.tensor(1.0, dtype=torch.float64)
    for p in probabilities:
        value = value / torch.tensor(float(p), dtype=torch.float64) ** (1 / len(probabilities))
    return value


def average_perplexity(first, second):
    share = first[1] / (first[1] + second[1])
    return math.exp(share * math.log(first[0]) + (1 - share) * math.log(second[0]))
""",
    },
}  # fmt: skip

WRONG = {
    1: {
        "sans masque": (BODY + "    return scores.softmax(-1)", "rien n'est masqué"),
        "masque retourné": (
            BODY + "    return scores.masked_fill(future.mT, -math.inf).softmax(-1)",
            "cache le passé",
        ),
        "zéro au lieu de moins l'infini": (
            BODY + "    return scores.masked_fill(future, 0.0).softmax(-1)", "e⁰ = 1",
        ),
        "après le softmax": (
            BODY + "    return scores.softmax(-1).masked_fill(future, 0.0)", "après le softmax",
        ),
        "softmax sur les colonnes": (
            BODY + "    return scores.masked_fill(future, -math.inf).softmax(-2)", "colonnes",
        ),
        "diagonale cachée": (
            BODY + "    hidden = torch.ones_like(scores).triu(0).bool()\n"
            "    return scores.masked_fill(hidden, -math.inf).softmax(-1)",
            "NaN",
        ),
        "zéro fois l'infini": (
            BODY + "    wall = torch.ones_like(scores).triu(1) * -math.inf\n"
            "    return (scores + wall).softmax(-1)",
            "0 × (−∞)",
        ),
        "un pas de trop": (
            BODY + "    hidden = torch.ones_like(scores).triu(2).bool()\n"
            "    return scores.masked_fill(hidden, -math.inf).softmax(-1)",
            "triu(2)",
        ),
        "modifie scores": (
            BODY + "    return scores.masked_fill_(future, -math.inf).softmax(-1)",
            "scores a changé",
        ),
        "nombre fini": (
            BODY + "    return scores.masked_fill(future, -100.0).softmax(-1)",
            "scores immenses —",
        ),
        "taille écrite": (
            "def causal_weights(scores):\n    future = torch.ones(4, 4).triu(1).bool()\n"
            "    return scores.masked_fill(future, -math.inf).softmax(-1)",
            "d'autres tailles —",
        ),
    },
    2: {
        "celui qui atteint p est perdu": (
            SORTED + "    kept[order] = values.where(values.cumsum(0) <= p, 0.0)\n"
            "    return kept / kept.sum()",
            "jetons gardés",
        ),
        "sans renormaliser": (
            SORTED + "    kept[order] = values.where(before < p, 0.0)\n    return kept",
            "ramenez-la",
        ),
        "dépasse au lieu d'atteindre": (
            SORTED + "    kept[order] = values.where(before <= p, 0.0)\n"
            "    return kept / kept.sum()",
            "celui qui fait atteindre p",
        ),
        "ordre perdu": (
            SORTED + "    kept = values.where(before < p, 0.0)\n    return kept / kept.sum()",
            "rétablissez l'ordre",
        ),
        "seuil sur chaque probabilité": (
            "def nucleus(probabilities, p):\n"
            "    kept = probabilities.where(probabilities >= p, 0.0)\n"
            "    return kept / kept.sum()",
            "NaN",
        ),
        "un nombre fixe de jetons": (
            SORTED + "    kept[order[:2]] = values[:2]\n    return kept / kept.sum()",
            "jetons gardés",
        ),
        "modifie la loi": (
            "def nucleus(probabilities, p):\n"
            "    values, order = probabilities.sort(descending=True)\n"
            "    before = values.cumsum(0) - values\n"
            "    probabilities[order[before >= p - 1e-12]] = 0.0\n"
            "    return probabilities / probabilities.sum()",
            "probabilities a été modifié",
        ),
    },
    3: {
        "la perte": (LOGS + "    return -logs.mean()\n" + GOOD_AVERAGE, "manque l'exponentielle"),
        "signe": (LOGS + "    return logs.mean().exp()\n" + GOOD_AVERAGE, "signe moins"),
        "somme": (LOGS + "    return (-logs.sum()).exp()\n" + GOOD_AVERAGE, "division par N"),
        "base mêlée": (LOGS + "    return 2 ** (-logs.mean())\n" + GOOD_AVERAGE, "même base"),
        "moyenne des inverses": (
            LOGS + "    return (-logs).exp().mean()\n" + GOOD_AVERAGE, "géométrique",
        ),
        "produit": (
            "def perplexity(probabilities):\n    p = torch.as_tensor(probabilities).double()\n"
            "    return p.prod() ** (-1 / len(p))\n" + GOOD_AVERAGE,
            "s'arrondit à zéro",
        ),
        "logarithme de zéro": (
            "def perplexity(probabilities):\n"
            "    return math.exp(-sum(math.log(p) for p in probabilities) / len(probabilities))\n"
            + GOOD_AVERAGE,
            "math.inf",
        ),
        "epsilon": (
            "def perplexity(probabilities):\n"
            "    p = torch.as_tensor(probabilities).double() + 1e-12\n"
            "    return (-p.log().mean()).exp()\n" + GOOD_AVERAGE,
            "sans ε",
        ),
        "moyenne des perplexités": (
            LOGS + "    return (-logs.mean()).exp()\n" + AVERAGE
            + "return (first[0] * first[1] + second[0] * second[1]) / (first[1] + second[1])",
            "c'est la perte qui se moyenne",
        ),
        "longueurs oubliées": (
            LOGS + "    return (-logs.mean()).exp()\n" + AVERAGE
            + "return math.sqrt(first[0] * second[0])",
            "pas la même longueur",
        ),
    },
}  # fmt: skip
