"""Réponses justes et fausses aux exercices du lab 08."""

import math

import torch

import labkit
from labkit.models import DDPM


def names() -> dict:
    """Ce que le lab a défini avant ses exercices."""
    return {
        "labkit": labkit, "torch": torch, "math": math, "number": labkit.number, "DDPM": DDPM,
    }  # fmt: skip


INPAINT = "def inpaint(ddpm, known, mask):\n    x = torch.randn_like(known)\n"
LOOP = (
    INPAINT
    + "    for t in reversed(range(ddpm.timesteps)):\n        x = ddpm.reverse_process(x, t)\n"
)
PASTE = "        x = mask * reached + (1 - mask) * x\n    return x\n"
VELOCITY = "def velocity(x0, noise, alpha_bar):\n    "
GOOD_VELOCITY = VELOCITY + "return alpha_bar**0.5 * noise - (1 - alpha_bar) ** 0.5 * x0\n\n\n"
BACK = "def from_velocity(x_t, v, alpha_bar):\n    a, b = alpha_bar**0.5, (1 - alpha_bar) ** 0.5\n"
GOOD_BACK = "\n\n\n" + BACK + "    return a * x_t - b * v, b * x_t + a * v\n"

RIGHT = {
    1: {
        "where": LOOP + """
        reached = known
        if t:
            reached = ddpm.forward_process(known, t - 1, torch.randn_like(known))
        x = torch.where(mask.bool(), reached, x)
    return x
""",
        "la formule écrite": LOOP + """
        level = ddpm.alpha_bars[t - 1] if t > 0 else torch.tensor(1.0)
        reached = level.sqrt() * known + (1 - level).sqrt() * torch.randn(known.shape)
""" + PASTE,
        "le collage à la fin": INPAINT + """
    for t in range(ddpm.timesteps - 1, 0, -1):
        x = ddpm.reverse_process(x, t)
        noise = torch.randn_like(x)
        x = x + mask * (ddpm.forward_process(known, t - 1, noise) - x)
    return mask * known + (1 - mask) * ddpm.reverse_process(x, 0)
""",
    },
    2: {
        "racines": GOOD_VELOCITY + GOOD_BACK,
        "un angle": """
def velocity(x0, noise, alpha_bar):
    angle = math.acos(math.sqrt(alpha_bar))
    return math.cos(angle) * noise - math.sin(angle) * x0


def from_velocity(x_t, v, alpha_bar):
    angle = math.acos(math.sqrt(alpha_bar))
    cosine, sine = math.cos(angle), math.sin(angle)
    return cosine * x_t - sine * v, sine * x_t + cosine * v
""",
        "un système résolu": GOOD_VELOCITY + """
def from_velocity(x_t, v, alpha_bar):
    a, b = math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar)
    noise = (v + b / a * x_t) / (a + b**2 / a)
    return (x_t - b * noise) / a, noise
""",
    },
}  # fmt: skip

WRONG = {
    1: {
        "un seul bruit": (
            INPAINT + """
    noise = torch.randn_like(known)
    for t in reversed(range(ddpm.timesteps)):
        x = ddpm.reverse_process(x, t)
        reached = ddpm.forward_process(known, t - 1, noise) if t else known
""" + PASTE,
            "le même bruit sert à tous les instants",
        ),
        "un bruit pour toutes les images": (
            LOOP + """
        noise = torch.randn_like(known[:1]).expand_as(known)
        reached = ddpm.forward_process(known, t - 1, noise) if t else known
""" + PASTE,
            "toutes les images reçoivent le même bruit",
        ),
        "sans bruiter": (
            LOOP + "        reached = known\n" + PASTE, "à l'instant 18, moyenne 0,50",
        ),
        "l'instant de départ": (
            LOOP + """
        reached = ddpm.forward_process(known, t, torch.randn_like(known))
""" + PASTE,
            "sur la partie connue",
        ),
        "l'instant t au lieu de t - 1": (
            LOOP + """
        reached = ddpm.forward_process(known, t, torch.randn_like(known)) if t else known
""" + PASTE,
            "à l'instant",
        ),
        "masque retourné": (
            LOOP + """
        reached = ddpm.forward_process(known, t - 1, torch.randn_like(known)) if t else known
        x = (1 - mask) * reached + mask * x
    return x
""",
            "la partie à inventer est figée",
        ),
        "à la fin seulement": (
            LOOP + "    return mask * known + (1 - mask) * x", "à l'instant",
        ),
        "instants à l'endroit": (
            INPAINT + """
    for t in range(ddpm.timesteps):
        x = ddpm.reverse_process(x, t)
        reached = ddpm.forward_process(known, t - 1, torch.randn_like(known)) if t else known
""" + PASTE,
            "instants visités",
        ),
        "rien": (INPAINT, "ne renvoie rien"),
    },
    2: {
        "signe": (
            VELOCITY + "return alpha_bar**0.5 * noise + (1 - alpha_bar) ** 0.5 * x0" + GOOD_BACK,
            "✗ sans image (ᾱ = 0), v est -x0 — v : écart maximal",
        ),
        "rôles échangés": (
            VELOCITY + "return alpha_bar**0.5 * x0 - (1 - alpha_bar) ** 0.5 * noise" + GOOD_BACK,
            "✗ sans bruit (ᾱ = 1), v est le bruit — v : écart maximal",
        ),
        "sans les racines": (
            VELOCITY + "return alpha_bar * noise - (1 - alpha_bar) * x0" + GOOD_BACK,
            "✗ à ᾱ = 0,36 : 0,6 ε - 0,8 x0 — v : écart maximal",
        ),
        "retour de mauvais signe": (
            GOOD_VELOCITY + BACK + "    return a * x_t + b * v, b * x_t - a * v",
            "✗ from_velocity défait velocity — ᾱ = 0,1 ; x0 : écart maximal",
        ),
        "retour dans le désordre": (
            GOOD_VELOCITY + BACK + "    return b * x_t + a * v, a * x_t - b * v",
            "✗ from_velocity défait velocity — ᾱ = 0,1 ; x0 : écart maximal",
        ),
        "le bruit oublié": (
            GOOD_VELOCITY + BACK + "    return a * x_t - b * v, v", "bruit : écart maximal",
        ),
    },
}  # fmt: skip
