"""Réponses justes et fausses aux exercices du lab 04."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import labkit


def names() -> dict:
    """Ce que le lab a défini avant ses exercices."""
    return {
        "labkit": labkit, "torch": torch, "nn": nn, "F": F, "np": np, "math": math,
        "number": labkit.number,
        "valley_gradient": lambda theta: np.array([1.0, 1000.0]) * theta,
    }  # fmt: skip


MAPS = "def label_maps(labels, num_classes, side):\n"
RMS = "def rmsprop_step(theta, g, s, rate=0.01, alpha=0.99, epsilon=1e-8):\n"
MEAN = RMS + "    s = alpha * s + (1 - alpha) * g**2\n"
CONV = "def conv_size(size, kernel, stride=1, padding=0):\n    "
GOOD_CONV = CONV + "return (size + 2 * padding - kernel) // stride + 1\n\n\n"
TRANSPOSED = "def transposed_size(size, kernel, stride=1, padding=0):\n    "
GOOD_TRANSPOSED = "\n\n\n" + TRANSPOSED + "return (size - 1) * stride - 2 * padding + kernel\n"

RIGHT = {
    1: {
        "identité": MAPS + (
            "    one_hot = torch.eye(num_classes)[labels]\n"
            "    return one_hot[..., None, None].repeat(1, 1, side, side)\n"
        ),
        "comparaison": MAPS + (
            "    lit = labels[:, None] == torch.arange(num_classes)\n"
            "    return lit[:, :, None, None].float() * torch.ones(side, side)\n"
        ),
        "remplissage": MAPS + (
            "    maps = torch.zeros(len(labels), num_classes, side, side)\n"
            "    maps[torch.arange(len(labels)), labels] = 1\n"
            "    return maps\n"
        ),
    },
    2: {
        "un pas nommé": MEAN + (
            "    step = g / (s**0.5 + epsilon)\n    return theta - rate * step, s\n"
        ),
        "moyenne écrite par l'écart": RMS + (
            "    s = s + (1 - alpha) * (g * g - s)\n"
            "    return theta - rate * g / (np.sqrt(s) + epsilon), s\n"
        ),
        "terme à terme": RMS + (
            "    s = np.array([alpha * a + (1 - alpha) * b * b for a, b in zip(s, g)])\n"
            "    moved = [t - rate * b / (a**0.5 + epsilon) for t, a, b in zip(theta, s, g)]\n"
            "    return np.array(moved), s\n"
        ),
    },
    3: {
        "floor": (
            CONV + "return math.floor((size + 2 * padding - kernel) / stride + 1)"
            + GOOD_TRANSPOSED
        ),
        "compter les positions": (
            CONV + "return len(range(0, size + 2 * padding - kernel + 1, stride))"
            + GOOD_TRANSPOSED
        ),
        "l'écart aux bords": (
            GOOD_CONV + TRANSPOSED + "return stride * size + (kernel - stride) - 2 * padding\n"
        ),
    },
}  # fmt: skip

WRONG = {
    1: {
        "entiers": (
            MAPS + "    one_hot = F.one_hot(labels, num_classes)\n"
            "    return one_hot[:, :, None, None].expand(-1, -1, side, side)",
            "type torch.int64",
        ),
        "un seul pixel allumé": (
            MAPS + "    maps = torch.zeros(len(labels), num_classes, side, side)\n"
            "    maps[torch.arange(len(labels)), labels, 0, 0] = side**2\n    return maps",
            "de 0 à 16, au lieu de 1 partout",
        ),
        "une carte qui vaut c": (
            MAPS + "    return labels[:, None, None, None].float().expand(-1, 1, side, side)",
            "forme (2, 1, 4, 4)",
        ),
        "toutes les cartes valent c": (
            MAPS + "    c = labels[:, None, None, None].float()\n"
            "    return c.expand(-1, num_classes, side, side)",
            "classe 2, carte 0 : de 2 à 2, au lieu de 0 partout",
        ),
        "dix classes écrites": (
            MAPS + "    one_hot = F.one_hot(labels, 10).float()\n"
            "    return one_hot[:, :, None, None].expand(-1, -1, side, side)",
            "forme (2, 10, 4, 4)",
        ),
        "28 pixels écrits": (
            MAPS + "    one_hot = F.one_hot(labels, num_classes).float()\n"
            "    return one_hot[:, :, None, None].expand(-1, -1, 28, 28)",
            "forme (2, 3, 28, 28)",
        ),
        "sans les axes de l'image": (
            MAPS + "    return F.one_hot(labels, num_classes).float()", "forme (2, 3)",
        ),
    },
    2: {
        "epsilon oublié": (
            MEAN + "    return theta - rate * g / np.sqrt(s), s", "epsilon oublié au dénominateur",
        ),
        "epsilon sous la racine": (
            MEAN + "    return theta - rate * g / np.sqrt(s + epsilon), s",
            "epsilon sous la racine",
        ),
        "rate écrit": (
            MEAN + "    return theta - 0.01 * g / (np.sqrt(s) + epsilon), s", "rate écrit d'avance",
        ),
        "alpha écrit": (
            RMS + "    s = 0.99 * s + 0.01 * g**2\n"
            "    return theta - rate * g / (np.sqrt(s) + epsilon), s",
            "alpha écrit d'avance",
        ),
        "sans racine": (
            MEAN + "    return theta - rate * g / (s + epsilon), s",
            "au lieu de 0,1 = rate / √(1 - alpha)",
        ),
        "l'ancienne moyenne": (
            MEAN.replace("    s =", "    new =")
            + "    return theta - rate * g / (np.sqrt(s) + epsilon), new",
            "au lieu de 0,1",
        ),
        "sur place": (
            RMS + "    s *= alpha\n    s += (1 - alpha) * g**2\n"
            "    return theta - rate * g / (np.sqrt(s) + epsilon), s",
            "modifié sur place",
        ),
        "theta seul": (
            MEAN + "    return theta - rate * g / (np.sqrt(s) + epsilon)",
            "écrivez return theta, s",
        ),
    },
    3: {
        "un de moins": (
            CONV + "return (size + 2 * padding - kernel) // stride\n" + GOOD_TRANSPOSED,
            "✗ 28 -> 14 : noyau 4, pas 2, remplissage 1 — obtenu 13",
        ),
        "remplissage d'un seul côté": (
            CONV + "return (size + padding - kernel) // stride + 1\n" + GOOD_TRANSPOSED,
            "obtenu 13",
        ),
        "arrondi vers le haut": (
            CONV + "return math.ceil((size + 2 * padding - kernel) / stride) + 1"
            + GOOD_TRANSPOSED,
            "✗ comme nn.Conv2d — taille 9, noyau 5, pas 3, remplissage 2 : obtenu 4, attendu 3",
        ),
        "la transposée multiplie": (
            GOOD_CONV + TRANSPOSED + "return size * stride",
            "✗ comme nn.ConvTranspose2d — taille 7",
        ),
        "le remplissage ajouté": (
            GOOD_CONV + TRANSPOSED + "return (size - 1) * stride + 2 * padding + kernel",
            "✗ comme nn.ConvTranspose2d — taille 28",
        ),
        "la taille exacte": (
            CONV + "return (size + 2 * padding - kernel) / stride + 1\n" + GOOD_TRANSPOSED,
            "✗ comme nn.Conv2d — taille 9",
        ),
    },
}  # fmt: skip
