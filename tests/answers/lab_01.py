"""Réponses justes et fausses aux exercices du lab 01."""

from itertools import product

import numpy as np

import labkit
from labkit.perceptron import sigmoid

INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
THRESHOLD = """
def threshold(weights, x1, x2):
    w0, w1, w2 = weights
    return int(-w0 + w1 * x1 + w2 * x2 > 0)


def xor_by_hand(x1, x2):
"""
UPDATE = "def rosenblatt_update(weights, x, target, rate=0.7):\n"


def names() -> dict:
    """Ce que le lab a défini avant ses exercices."""
    return {
        "labkit": labkit, "np": np, "product": product, "sigmoid": sigmoid, "inputs": INPUTS,
        "extended": np.hstack([-np.ones((4, 1)), INPUTS]),
        "functions": {"ET": np.array([0, 0, 0, 1])},
        "triple": lambda weights, digits=2: " ; ".join(labkit.number(w, digits) for w in weights),
    }  # fmt: skip


RIGHT = {
    1: {
        "un cas par erreur": UPDATE + """
    error = target - (x @ weights > 0)
    if error == 0:
        return weights.copy()
    return weights + error * rate * x
""",
        "l'écart dans l'autre sens": UPDATE + """
    y = np.heaviside(np.dot(weights, x), 0.0)
    return weights - rate * (y - target) * x
""",
        "terme à terme": UPDATE + """
    a = sum(w * v for w, v in zip(weights, x))
    y = 1.0 if a > 0 else 0.0
    return np.array([w + rate * v * (target - y) for w, v in zip(weights, x)])
""",
    },
    2: {
        "entiers": "first_only_weights = (1, 2, -2)\nmajority_weights = (3, 2, 2, 2)",
        "tableaux": (
            "first_only_weights = np.array([0.1, 0.2, -5])\n"
            "majority_weights = np.array([1.2, 0.9, 0.8, 0.7])"
        ),
        "listes": "first_only_weights = [3, 4, -4]\nmajority_weights = [15, 10, 9, 8]",
    },
    3: {
        "arguments nommés": THRESHOLD + """
    either = threshold(weights=(0.5, 1, 1), x1=x1, x2=x2)
    both = threshold(weights=(1.5, 1, 1), x1=x1, x2=x2)
    return threshold(weights=(0.5, 1, -1), x1=either, x2=both)
""",
        "deux fois l'un sans l'autre": THRESHOLD + """
    only_first = threshold((0.5, 1, -1), x1, x2)
    only_second = threshold((0.5, 1, -1), x2, x1)
    return threshold((0.5, 1, 1), only_first, only_second)
""",
        "emboîtés": THRESHOLD + """
    return threshold(
        (-0.5, -1, -1), threshold((1.5, 1, 1), x1, x2), threshold((-0.5, -1, -1), x1, x2)
    )
""",
    },
}  # fmt: skip

WRONG = {
    1: {
        "rien": (UPDATE + "    return None", "ne renvoie rien"),
        "sigmoïde": (
            UPDATE + "    return weights + rate * x * (target - sigmoid(x @ weights))",
            "✗ un exemple bien classé ne change rien — attendu",
        ),
        "seuil large": (
            UPDATE + "    return weights + rate * x * (target - int(x @ weights >= 0))",
            "✗ une somme nulle donne la réponse 0 — attendu",
        ),
        "signe": (
            UPDATE + "    return weights - rate * x * (target - int(x @ weights > 0))",
            "✗ une réponse 0 au lieu de 1 ajoute η x — attendu",
        ),
        "taux écrit": (
            UPDATE + "    return weights + 0.7 * x * (target - int(x @ weights > 0))",
            "attendu 0,500 ; 0,500 ; 0,000, obtenu 0,300 ; 0,700 ; 0,000",
        ),
        "sur place": (
            UPDATE + "    weights += rate * x * (target - int(x @ weights > 0))\n"
            "    return weights",
            "les poids reçus ont changé",
        ),
        "l'écart seul": (
            UPDATE + "    return target - int(x @ weights > 0)", "trois poids attendus",
        ),
    },
    2: {
        "x2 et non x1": (
            "first_only_weights = (0.5, -1, 1)\nmajority_weights = (1.5, 1, 1, 1)",
            "pour 01, a = 0,50 et la cible vaut 0",
        ),
        "sur la frontière": (
            "first_only_weights = (1, 1, -1)\nmajority_weights = (1.5, 1, 1, 1)",
            "pour 10, a = 0 : l'exemple est sur la frontière",
        ),
        "un biais au lieu d'un seuil": (
            "first_only_weights = (-0.5, 1, -1)\nmajority_weights = (1.5, 1, 1, 1)",
            "pour 00, a = 0,50",
        ),
        "un OU": (
            "first_only_weights = (0.5, 1, -1)\nmajority_weights = (0.5, 1, 1, 1)",
            "pour 001, a = 0,50 et la cible vaut 0",
        ),
        "un poids oublié": (
            "first_only_weights = (0.5, 1, -1)\nmajority_weights = (1.5, 1, 1)",
            "4 poids attendus, obtenu 3",
        ),
    },
    3: {
        "trois appels pour la forme": (
            THRESHOLD + """
    for _ in range(3):
        threshold((0.5, 1, 1), x1, x2)
    return x1 ^ x2
""",
            "ne lit pas les réponses des autres",
        ),
        "un neurone de sortie ignoré": (
            THRESHOLD + """
    a = threshold((0.5, 1, 1), x1, x2)
    b = threshold((-1.5, -1, -1), x1, x2)
    threshold((1.5, 1, 1), a, b)
    return int(a and b)
""",
            "renvoyez la réponse du troisième neurone",
        ),
        "sans threshold": (THRESHOLD + "    return x1 ^ x2", "0 appel(s)"),
        "un ET au lieu d'un NON-ET": (
            THRESHOLD + """
    a, b = threshold((0.5, 1, 1), x1, x2), threshold((1.5, 1, 1), x1, x2)
    return threshold((1.5, 1, 1), a, b)
""",
            "attendu 1, obtenu 0",
        ),
        "deux neurones": (
            THRESHOLD + """
    return threshold((0.5, 1, 1), x1, x2) - threshold((1.5, 1, 1), x1, x2)
""",
            "2 appel(s)",
        ),
        "quatre neurones": (
            THRESHOLD + """
    a = threshold((0.5, 1, -1), x1, x2)
    b = threshold((0.5, -1, 1), x1, x2)
    return threshold((0.5, 1, 0), threshold((0.5, 1, 1), a, b), 0)
""",
            "4 appel(s)",
        ),
    },
}  # fmt: skip
