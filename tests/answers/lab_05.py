"""Réponses justes et fausses aux exercices du lab 05."""

import math

import torch
import torch.nn.functional as F

import labkit


def names() -> dict:
    """Ce que le lab a défini avant ses exercices."""
    return {"labkit": labkit, "torch": torch, "F": F, "math": math, "number": labkit.number}


D = "def discriminator_loss_of(real, fake):\n    "
G = "\n\n\ndef generator_loss_of(fake):\n    "
GOOD_D = D + "return F.softplus(-real).mean() + F.softplus(fake).mean()"
GOOD_G = G + "return F.softplus(-fake).mean()\n"
BEST = "def best_discriminator(p, q):\n    "
VALUE = "\n\n\ndef game_value(p, q):\n    "
GOOD_BEST = BEST + "return torch.nan_to_num(p / (p + q), nan=0.5)"
TERMS = VALUE + (
    "d = best_discriminator(p, q)\n    terms = torch.xlogy(p, d) + torch.xlogy(q, 1 - d)\n    "
)
GOOD_VALUE = TERMS + "return terms.sum()\n"
JS = VALUE + (
    "m = (p + q) / 2\n"
    "    kl = [(torch.xlogy(law, law) - torch.xlogy(law, m)).sum() for law in (p, q)]\n    "
)

RIGHT = {
    1: {
        "logsigmoid": (
            D + "return -(F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean())"
            + G + "return -F.logsigmoid(fake).mean()\n"
        ),
        "entropie croisée": (
            D + "bce = F.binary_cross_entropy_with_logits\n"
            "    return bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))"
            + G + "return F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))\n"
        ),
        "logaddexp": (
            D + "zero = torch.zeros(())\n"
            "    of_reals = torch.logaddexp(zero, -real).mean()\n"
            "    return of_reals + torch.logaddexp(zero, fake).mean()"
            + G + "return torch.logaddexp(torch.zeros(()), -fake).mean()\n"
        ),
    },
    2: {
        "deux entropies": GOOD_BEST + VALUE + (
            "def entropy(law):\n        return torch.special.entr(law).sum()\n\n"
            "    js = entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2\n"
            "    return 2 * js - math.log(4)\n"
        ),
        "listes": (
            BEST + "pairs = zip(p.tolist(), q.tolist())\n"
            "    return [a / (a + b) if a + b else 1.0 for a, b in pairs]"
            + VALUE + "total = 0\n    for a, b in zip(p.tolist(), q.tolist()):\n"
            "        total += a * math.log(a / (a + b)) if a else 0\n"
            "        total += b * math.log(b / (a + b)) if b else 0\n    return total\n"
        ),
        "masques": (
            BEST + "best, seen = torch.zeros_like(p), p + q > 0\n"
            "    best[seen] = p[seen] / (p + q)[seen]\n    return best"
            + VALUE + "d = best_discriminator(p, q)\n"
            "    real, fake = p > 0, q > 0\n"
            "    return (p * d.log())[real].sum() + (q * (1 - d).log())[fake].sum()\n"
        ),
    },
}  # fmt: skip

WRONG = {
    1: {
        "exponentielle": (
            D + "return (1 + (-real).exp()).log().mean() + (1 + fake.exp()).log().mean()" + GOOD_G,
            "ou bien exp(100) déborde",
        ),
        "probabilités": (
            D + "return -(real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean())"
            + GOOD_G,
            "σ(100) s'arrondit à 1",
        ),
        "BCE sur σ": (
            GOOD_D + G + "return F.binary_cross_entropy(fake.sigmoid(), torch.ones_like(fake))\n",
            "partez du logit",
        ),
        "epsilon": (
            GOOD_D + G + "return -(fake.sigmoid() + 1e-8).log().mean()\n",
            "un ε ou une borne dans le log",
        ),
        "cibles échangées": (
            D + "return F.softplus(real).mean() + F.softplus(-fake).mean()" + GOOD_G,
            "cibles échangées",
        ),
        "moitié": (
            D + "return (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2" + GOOD_G,
            "la moitié du compte",
        ),
        "lots mêlés": (
            D + "return torch.cat([F.softplus(-real), F.softplus(fake)]).mean()" + GOOD_G,
            "pas une moyenne des deux lots mêlés",
        ),
        "perte de la moyenne": (
            D + "return F.softplus(-real.mean()) + F.softplus(fake.mean())" + GOOD_G,
            "prenez la moyenne des pertes",
        ),
        "V": (
            D + "return F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()" + GOOD_G,
            "c'est V, que D maximise",
        ),
        "saturante": (
            GOOD_D + G + "return -F.softplus(fake).mean()\n", "c'est la perte saturante",
        ),
        "cible 0": (
            GOOD_D + G + "return F.softplus(fake).mean()\n", "G apprendrait à se faire démasquer",
        ),
        "une perte par image": (
            GOOD_D + G + "return F.softplus(-fake)\n", "faites la moyenne du lot",
        ),
        "un nombre": (
            GOOD_D + G + "return F.softplus(-fake).mean().item()\n", "renvoyez un tenseur",
        ),
        "detach": (
            GOOD_D + G + "return F.softplus(-fake.detach()).mean()\n", "pas de gradient",
        ),
    },
    2: {
        "0 / 0": (BEST + "return p / (p + q)" + GOOD_VALUE, "choisissez un nombre de [0, 1]"),
        "échangées": (
            BEST + "return torch.nan_to_num(q / (p + q), nan=0.5)" + GOOD_VALUE,
            "p et q échangées",
        ),
        "seuil": (
            BEST + "return (p > q).double()" + GOOD_VALUE, "D vaut 0 où p > 0, ou 1 où q > 0",
        ),
        "un demi": (
            BEST + "return torch.full_like(p, 0.5)" + GOOD_VALUE,
            "la valeur pour D = 1/2 partout",
        ),
        "0 log 0": (
            GOOD_BEST + VALUE + "d = best_discriminator(p, q)\n"
            "    return (p * d.log() + q * (1 - d).log()).sum()\n",
            "0 log 0 vaut 0",
        ),
        "perte de D": (GOOD_BEST + TERMS + "return -terms.sum()\n", "c'est la perte de D"),
        "moyenne": (GOOD_BEST + TERMS + "return terms.mean()\n", "V est une somme"),
        "en bits": (
            GOOD_BEST + TERMS + "return terms.sum() / math.log(2)\n", "logarithme népérien",
        ),
        "un terme par numéro": (GOOD_BEST + TERMS + "return terms\n", "sommez sur les numéros"),
        "JS": (GOOD_BEST + JS + "return (kl[0] + kl[1]) / 2\n", "c'est la JS"),
        "2 JS": (GOOD_BEST + JS + "return kl[0] + kl[1]\n", "retranchez log 4"),
        "log 2": (
            GOOD_BEST + JS + "return kl[0] + kl[1] - math.log(2)\n", "retranchez 2 log 2",
        ),
    },
}  # fmt: skip
