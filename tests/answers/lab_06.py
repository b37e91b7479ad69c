"""Réponses justes et fausses aux exercices du lab 06."""

import functools
import math

import torch
import torch.nn.functional as F

import labkit
from labkit import plane, points

RULES = plane.Rules(law="ring")


@functools.cache
def ring() -> plane.Game:
    """Une partie qui n'a pas commencé : la poussée s'y calcule comme dans une autre."""
    return plane.start(RULES, range(2))


def names() -> dict:
    """Ce que le lab a défini avant ses exercices."""
    return {
        "labkit": labkit, "torch": torch, "F": F, "math": math, "points": points,
        "number": labkit.number, "rules": RULES, "ring": ring(),
    }  # fmt: skip


COUNTS = "def js_from_counts(first, second):\n    "
SHARES = COUNTS + "p, q = first.double() / first.sum(), second.double() / second.sum()\n    "
KL = SHARES + "m = (p + q) / 2\n    " + (
    "kl = lambda a, b: (torch.xlogy(a, a) - torch.xlogy(a, b.clamp(min=1e-300))).sum()\n    "
)  # fmt: skip
GIVEN = "def pushes(critic, x):\n    x = x.detach().clone().requires_grad_()\n    "
GRADIENT = "    return {sign}torch.autograd.grad({loss}, x)[0]\n"

RIGHT = {
    1: {
        "deux entropies": SHARES + (
            "entropies = [torch.special.entr(law).sum() for law in (p, q, (p + q) / 2)]\n"
            "    return entropies[2] - (entropies[0] + entropies[1]) / 2\n"
        ),
        "masques": SHARES + (
            "total, m = 0, (p + q) / 2\n    for law in (p, q):\n        kept = law > 0\n"
            "        total = total + (law * (law / m).log())[kept].sum() / 2\n    return total\n"
        ),
        "listes": COUNTS + (
            "first, second = first.tolist(), second.tolist()\n    total = 0.0\n"
            "    for a, b in zip(first, second):\n"
            "        a, b = a / sum(first), b / sum(second)\n"
            "        for share in (a, b):\n"
            "            if share > 0:\n"
            "                total += share * math.log(2 * share / (a + b)) / 2\n"
            "    return total\n"
        ),
    },
    2: {
        "logsigmoid": GIVEN + "value = F.logsigmoid(critic(x)).sum()\n" + GRADIENT.format(
            sign="", loss="value"
        ),
        "(1 - D) par la pente": GIVEN + (
            "logits = critic(x)\n    (slope,) = torch.autograd.grad(logits.sum(), x)\n"
            "    return (1 - logits.detach().sigmoid()) * slope\n"
        ),
        "entropie croisée sommée": GIVEN + (
            "logits = critic(x)\n    loss = F.binary_cross_entropy_with_logits(\n"
            "        logits, torch.ones_like(logits), reduction='sum'\n    )\n"
        ) + GRADIENT.format(sign="-", loss="loss"),
    },
}  # fmt: skip

WRONG = {
    1: {
        "0 log 0": (
            SHARES + "m = (p + q) / 2\n"
            "    return ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2\n",
            "une case vide donne 0 × log 0",
        ),
        "deux fois trop": (KL + "return kl(p, m) + kl(q, m)\n", "deux fois trop"),
        "en bits": (
            KL + "return (kl(p, m) + kl(q, m)) / 2 / math.log(2)\n", "en bits",
        ),
        "racine": (
            KL + "return ((kl(p, m) + kl(q, m)) / 2).sqrt()\n", "c'est la racine de la JS",
        ),
        "sans m": (KL + "return kl(p, q)\n", "sans la loi moyenne m"),
        "les deux KL sans m": (
            KL + "return (kl(p, q) + kl(q, p)) / 2\n", "la demi-somme des KL de l'une à l'autre",
        ),
        "à l'envers": (KL + "return (kl(m, p) + kl(m, q)) / 2\n", "les KL sont à l'envers"),
        "comptes mêlés": (
            KL.replace("m = (p + q) / 2", "m = (first + second) / (first + second).sum()")
            + "return (kl(p, m) + kl(q, m)) / 2\n",
            "la moyenne des parts, non celle des comptes",
        ),
        "cases vides ôtées": (
            SHARES + "seen = (p > 0) & (q > 0)\n    p, q = p[seen], q[seen]\n    m = (p + q) / 2\n"
            "    return ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2\n",
            "une case vide d'un seul côté compte aussi",
        ),
        "sur place": (
            COUNTS + "first /= first.sum()\n    second /= second.sum()\n"
            "    m = torch.special.entr((first + second) / 2).sum()\n"
            "    return m - (torch.special.entr(first) + torch.special.entr(second)).sum() / 2\n",
            "n'écrivez pas dans eux",
        ),
    },
    2: {
        "moyenne": (
            GIVEN + "loss = F.softplus(-critic(x)).mean()\n"
            + GRADIENT.format(sign="-", loss="loss"),
            "sommez les pertes, ne les moyennez pas",
        ),
        "signe": (
            GIVEN + "loss = F.softplus(-critic(x)).sum()\n" + GRADIENT.format(sign="", loss="loss"),
            "le signe est inversé",
        ),
        "minimax": (
            GIVEN + "loss = -F.softplus(critic(x)).sum()\n"
            + GRADIENT.format(sign="-", loss="loss"),
            "la poussée de la perte minimax",
        ),
        "cible 0": (
            GIVEN + "loss = F.softplus(critic(x)).sum()\n" + GRADIENT.format(sign="-", loss="loss"),
            "la cible de G est 1",
        ),
        "pente du logit": (
            GIVEN + "value = critic(x).sum()\n" + GRADIENT.format(sign="", loss="value"),
            "la pente du logit",
        ),
        "pente de la probabilité": (
            GIVEN + "value = critic(x).sigmoid().sum()\n" + GRADIENT.format(sign="", loss="value"),
            "la pente de la probabilité",
        ),
        "longueur 1": (
            GIVEN + "value = F.logsigmoid(critic(x)).sum()\n"
            "    return F.normalize(torch.autograd.grad(value, x)[0])\n",
            "gardez sa longueur",
        ),
        "backward": (
            GIVEN + "F.softplus(-critic(x)).sum().backward()\n    return -x.grad\n",
            "les poids de D ont reçu un gradient",
        ),
        "sans copie": (
            "def pushes(critic, x):\n    x.requires_grad_()\n"
            "    value = F.logsigmoid(critic(x)).sum()\n" + GRADIENT.format(sign="", loss="value"),
            "x demande désormais un gradient",
        ),
    },
}  # fmt: skip
