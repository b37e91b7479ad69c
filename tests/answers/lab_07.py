"""Réponses justes et fausses aux exercices du lab 07."""

import math
from functools import cache, partial

import torch

import labkit
from labkit.models.stylegan3.filters import kaiser_beta
from tools import notebooks

_DEFINED = ("def circular", "def shift", "RATE = 32")  # ce que relisent les vérifications


@cache
def _sources() -> list[str]:
    lab = notebooks.read(notebooks.ROOT / "labs" / "07_stylegan3.ipynb")
    cells = (cell.source for cell in notebooks.code_cells(lab))
    return [source for source in cells if any(name in source for name in _DEFINED)]


def names() -> dict:
    """Ce que le lab a défini avant ses exercices."""
    found = {
        "labkit": labkit, "torch": torch, "math": math, "number": labkit.number,
        "partial": partial, "Table": labkit.Table, "kaiser_beta": kaiser_beta,
    }  # fmt: skip
    for source in _sources():
        exec(source, found)
    return found


LOWPASS = "def lowpass_kernel(taps, cutoff, rate):\n"
CENTRED = LOWPASS + "    x = (torch.arange(taps).double() - (taps - 1) / 2) / rate\n"
HAMMING = "    window = torch.hamming_window(taps, periodic=False).double()\n"
ENDED = "    kernel = torch.sinc(2 * cutoff * x) * window\n    return kernel / kernel.sum()\n"

EQ_T = "def eq_t_by_hand(still, moved, shifts):\n    height, width = still.shape[-2:]\n"
PAIRS = """
def pairs(still, moved, shifts):
    height, width = still.shape[-2:]
    for image, (x, y) in zip(moved, shifts):
        there = image[..., max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)]
        here = still[..., max(-y, 0) : height + min(-y, 0), max(-x, 0) : width + min(-x, 0)]
        yield there, here


def eq_t_by_hand(still, moved, shifts):
    found = list(pairs(still, moved, shifts))
"""
POOLED = PAIRS + "    error = torch.cat([(a - b).flatten() for a, b in found]).square().mean()\n"

RIGHT = {
    1: {
        "fenêtre de Hamming": CENTRED + HAMMING + ENDED,
        "fenêtre de Kaiser": (
            CENTRED
            + "    window = torch.kaiser_window(taps, periodic=False, beta=6.0).double()\n"
            + ENDED
        ),
        "sinus écrit": LOWPASS
        + """
    x = [(n - (taps - 1) / 2) / rate for n in range(taps)]
    ideal = [
        math.sin(2 * math.pi * cutoff * v) / (math.pi * v) if v else 2 * cutoff for v in x
    ]
    window = [0.54 - 0.46 * math.cos(2 * math.pi * n / (taps - 1)) for n in range(taps)]
    kernel = [a * b for a, b in zip(ideal, window)]
    return torch.tensor(kernel) / sum(kernel)
""",
        "fenêtre de Blackman": (
            CENTRED
            + "    window = torch.blackman_window(taps + 2, periodic=False)[1:-1].double()\n"
            + ENDED
        ),
    },
    2: {
        "translation par translation": PAIRS
        + """
    error = sum((a - b).square().mean() for a, b in found) / len(found)
    return 10 * torch.log10(4 / error)
""",
        "roll et masque": EQ_T
        + """
    total, count = 0.0, 0
    for image, (x, y) in zip(moved, shifts):
        expected = still.roll((y, x), dims=(-2, -1))
        inside = torch.zeros_like(still, dtype=torch.bool)
        inside[..., max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)] = True
        total += (image - expected)[inside].square().sum()
        count += inside.sum()
    return (10 * torch.log10(2**2 * count / total)).item()
""",
        "par les logarithmes": (
            POOLED + "    return 20 * math.log10(2) - 10 * math.log10(max(error, 1e-300))\n"
        ),
    },
}

WRONG = {
    1: {
        "rien": (LOWPASS + "    pass\n", "ne renvoie rien"),
        "sans fenêtre": (
            CENTRED + "    window = torch.ones(taps)\n" + ENDED, "la fenêtre manque",
        ),
        "sans diviser": (
            CENTRED + HAMMING + "    return 2 * cutoff * torch.sinc(2 * cutoff * x) * window\n",
            "divisez par la somme",
        ),
        "le 2 oublié": (
            CENTRED + HAMMING
            + "    kernel = torch.sinc(cutoff * x) * window\n    return kernel / kernel.sum()\n",
            "avec le 2",
        ),
        "π deux fois": (
            CENTRED + HAMMING
            + "    kernel = torch.sinc(2 * math.pi * cutoff * x) * window\n"
            + "    return kernel / kernel.sum()\n",
            "torch.sinc contient déjà π",
        ),
        "décentré": (
            LOWPASS + "    x = torch.arange(taps).double() / rate\n" + HAMMING + ENDED,
            "centrez x sur 0",
        ),
        "fenêtre périodique": (
            CENTRED + "    window = torch.hann_window(taps).double()\n" + ENDED,
            "periodic=False",
        ),
        "la cadence oubliée": (
            LOWPASS + "    x = torch.arange(taps).double() - (taps - 1) / 2\n" + HAMMING + ENDED,
            "au lieu de 8,0",
        ),
        "0 / 0": (
            CENTRED + HAMMING
            + "    kernel = torch.sin(2 * math.pi * cutoff * x) / x * window\n"
            + "    return kernel / kernel.sum()\n",
            "NaN ou infini",
        ),
        "un coefficient de trop": (
            LOWPASS + "    return torch.ones(taps + 1) / (taps + 1)\n",
            "forme [49] au lieu de [48]",
        ),
        "une moyenne": (LOWPASS + "    return torch.ones(taps) / taps\n", "au lieu de 8,0"),
    },
    2: {
        "rien": (EQ_T, "ne renvoie rien"),
        "I_max = 1": (
            POOLED + "    return 10 * torch.log10(1 / error)\n", "I_max vaut 2",
        ),
        "moyenne des décibels": (
            PAIRS + """
    return sum(10 * torch.log10(4 / (a - b).square().mean()) for a, b in found) / len(found)
""",
            "décibels de la moyenne",
        ),
        "roll sans masque": (
            EQ_T + """
    errors = [
        (image - still.roll((y, x), dims=(-2, -1))).square().mean()
        for image, (x, y) in zip(moved, shifts)
    ]
    return 10 * torch.log10(4 / torch.stack(errors).mean())
""",
            "roll les fait revenir",
        ),
        "sans les ramener": (
            EQ_T
            + "    errors = torch.stack(moved) - still\n"
            + "    return 10 * torch.log10(4 / errors.square().mean())\n",
            "sans les ramener",
        ),
        "à l'envers": (
            POOLED.replace("zip(moved, shifts):", "zip(moved, [(-a, -b) for a, b in shifts]):")
            + "    return 10 * torch.log10(4 / error)\n",
            "translation à l'envers",
        ),
        "x et y échangés": (
            POOLED.replace("image, (x, y)", "image, (y, x)")
            + "    return 10 * torch.log10(4 / error)\n",
            "x et y échangés",
        ),
        "népérien": (POOLED + "    return 10 * torch.log(4 / error)\n", "népérien"),
        "vingt": (POOLED + "    return 20 * torch.log10(4 / error)\n", "c'est 10"),
        "sans carré de I_max": (
            POOLED + "    return 10 * torch.log10(2 / error)\n", "I_max sans le carré",
        ),
        "renversé": (POOLED + "    return 10 * torch.log10(error / 4)\n", "à l'envers"),
        "une liste": (
            PAIRS + "    return torch.stack([(a - b).square().mean() for a, b in found])\n",
            "un seul nombre",
        ),
    },
}  # fmt: skip
