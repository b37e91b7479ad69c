"""Réponses justes et fausses aux exercices du lab 03."""

import torch
from torch.distributions import Normal, kl_divergence

import labkit
from labkit.models import gaussian_kl


def names() -> dict:
    """Ce que le lab a défini avant ses exercices."""
    return {
        "labkit": labkit, "torch": torch, "Normal": Normal, "kl_divergence": kl_divergence,
        "gaussian_kl": gaussian_kl,
    }  # fmt: skip


KL = "def kl_between(mu_1, logvar_1, mu_2, logvar_2):\n"
DRAW = "def draw_codes(mu, logvar, k):\n"
WEIGHT = "def cyclical_weight(step_number, period):\n"

RIGHT = {
    1: {
        "différence des logs": KL + """
    shift = (mu_1 - mu_2) ** 2 / logvar_2.exp()
    ratio = logvar_1 - logvar_2
    return 0.5 * (ratio.exp() + shift - 1 - ratio)
""",
        "expm1": KL + """
    ratio = logvar_1 - logvar_2
    return (torch.expm1(ratio) - ratio + (mu_1 - mu_2).pow(2) * torch.exp(-logvar_2)) / 2
""",
        "deux quotients": KL + """
    var_1, var_2 = logvar_1.exp(), logvar_2.exp()
    return (logvar_2 - logvar_1 + var_1 / var_2 + (mu_2 - mu_1) ** 2 / var_2 - 1) / 2
""",
    },
    2: {
        "rsample": DRAW + "    return Normal(mu, torch.exp(logvar / 2)).rsample((k,))\n",
        "une boucle": DRAW + (
            "    std = logvar.exp().sqrt()\n"
            "    return torch.stack([mu + std * torch.randn_like(mu) for _ in range(k)])\n"
        ),
        "étendu": DRAW + (
            "    mu = mu.expand(k, *mu.shape)\n"
            "    return mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)\n"
        ),
    },
    3: {
        "un si": WEIGHT + """
    part = step_number / period
    part -= int(part)
    return 2 * part if part < 0.5 else 1
""",
        "modulo seul": WEIGHT + "    return min(2 * (step_number % period) / period, 1)\n",
        "divmod": WEIGHT + (
            "    _, inside = divmod(step_number, period)\n"
            "    return min(1.0, inside / (period / 2))\n"
        ),
    },
}  # fmt: skip

WRONG = {
    1: {
        "lois échangées": (
            KL + "    return 0.5 * (logvar_1 - logvar_2 + (logvar_2.exp() + (mu_1 - mu_2) ** 2)"
            " / logvar_1.exp() - 1)",
            "✗ contre N(0, 1), la formule de la section 2 — écart maximal",
        ),
        "sans le demi": (
            KL + "    return logvar_2 - logvar_1 + (logvar_1.exp() + (mu_1 - mu_2) ** 2)"
            " / logvar_2.exp() - 1",
            "écart maximal",
        ),
        "sommée": (
            KL + "    return (0.5 * (logvar_2 - logvar_1 + (logvar_1.exp() + (mu_1 - mu_2) ** 2)"
            " / logvar_2.exp() - 1)).sum()",
            "tenseur [6, 3] attendu, obtenu []",
        ),
        "moyenne hors du quotient": (
            KL + "    return 0.5 * (logvar_2 - logvar_1 + logvar_1.exp() / logvar_2.exp()"
            " + (mu_1 - mu_2) ** 2 - 1)",
            "✗ dans le cas général, celle de torch.distributions — écart maximal",
        ),
        "écarts types pour variances": (
            KL + "    std_1, std_2 = (logvar_1 / 2).exp(), (logvar_2 / 2).exp()\n"
            "    return 0.5 * (logvar_2 - logvar_1 + (std_1 + (mu_1 - mu_2) ** 2) / std_2 - 1)",
            "écart maximal",
        ),
        "rien": (KL + "    return None", "renvoie NoneType"),
    },
    2: {
        "un ε pour toutes les dimensions": (
            DRAW + "    return mu + (logvar / 2).exp() * torch.randn(k, len(mu), 1)",
            "toutes les dimensions d'un code ont reçu le même bruit",
        ),
        "un ε pour toutes les images": (
            DRAW + "    return mu + (logvar / 2).exp() * torch.randn(k, 1, mu.shape[1])",
            "toutes les images ont reçu le même bruit",
        ),
        "un ε répété k fois": (
            DRAW + "    return (mu + (logvar / 2).exp() * torch.randn_like(mu)).repeat(k, 1, 1)",
            "les k tirages sont identiques",
        ),
        "uniforme": (
            DRAW + "    noise = 12**0.5 * (torch.rand(k, *mu.shape) - 0.5)\n"
            "    return mu + (logvar / 2).exp() * noise",
            "le bruit n'est pas gaussien",
        ),
        "la variance": (
            DRAW + "    return mu + logvar.exp() * torch.randn(k, *mu.shape)",
            "obtenu 2,00 et 0,25",
        ),
        "sample": (
            DRAW + "    return Normal(mu, (logvar / 2).exp()).sample((k,))", "reparamétrez",
        ),
        "axes échangés": (
            DRAW + "    noise = torch.randn(len(mu), k, mu.shape[1])\n"
            "    return mu[:, None] + (logvar[:, None] / 2).exp() * noise",
            "forme obtenue : (4, 7, 3)",
        ),
        "logvar détachée": (
            DRAW + "    return mu + (logvar.detach() / 2).exp() * torch.randn(k, *mu.shape)",
            "aucun gradient pour logvar",
        ),
    },
    3: {
        "une période écrite": (
            WEIGHT + "    return min(1.0, 2 * (step_number % 100) / 100)", "pour une période de 40",
        ),
        "une seule rampe": (
            WEIGHT + "    return min(1.0, 2 * step_number / period)",
            "✗ la période suivante recommence — pour une période de 100",
        ),
        "la rampe sur toute la période": (
            WEIGHT + "    return (step_number % period) / period",
            "attendu 0 ; 0,5, obtenu 0 ; 0,25",
        ),
        "sans palier": (
            WEIGHT + "    return 2 * (step_number % period) / period",
            "attendu 1 ; 1 ; 1, obtenu 1 ; 1,5 ; 1,98",
        ),
        "une dent de scie double": (
            WEIGHT + "    half = period / 2\n    return (step_number % half) / half",
            "✗ le palier vaut 1 de la moitié à la fin — pour",
        ),
        "des entiers": (
            WEIGHT + "    return min(1, 2 * (step_number % period) // period)",
            "✗ la rampe part de 0 et passe par 0,5 au quart — pour",
        ),
    },
}  # fmt: skip
