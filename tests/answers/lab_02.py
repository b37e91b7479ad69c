"""Réponses justes et fausses aux exercices du lab 02."""

from functools import partial

import torch
from torch import nn

import labkit
from labkit.models import autoencoder_loss


def names() -> dict:
    """Ce que le lab a défini avant ses exercices."""
    return {
        "labkit": labkit, "torch": torch, "nn": nn, "partial": partial,
        "autoencoder_loss": autoencoder_loss,
    }  # fmt: skip


SQUARE = "def interpolate_square(model, corners, size):\n"
LOSS = (
    "\n\ndef denoising_loss(model, x, sigma):\n"
    "    return autoencoder_loss(model(add_noise(x, sigma)), x)\n"
)
NOISE = "def add_noise(x, sigma):\n    return (x + sigma * torch.randn_like(x)).clamp(0, 1)\n\n\n"

RIGHT = {
    1: {
        "deux boucles": SQUARE + """
    z = model.encode(corners)
    images = []
    for i in range(size):
        for j in range(size):
            u, v = i / (size - 1), j / (size - 1)
            code = (1-u)*(1-v)*z[0] + (1-u)*v*z[1] + u*(1-v)*z[2] + u*v*z[3]
            images.append(model.decode(code[None])[0])
    return torch.stack(images)
""",
        "un produit de matrices": SQUARE + """
    s = torch.linspace(0, 1, size)
    edge = torch.stack([1 - s, s])  # [2, size]
    weights = torch.einsum("ai,bj->ijab", edge, edge).reshape(size**2, 4)
    return model.decode(weights @ model.encode(corners))
""",
        "meshgrid et lerp": SQUARE + """
    s = torch.linspace(0, 1, size)
    u, v = torch.meshgrid(s, s, indexing="ij")
    u, v = u.reshape(-1, 1), v.reshape(-1, 1)
    a, b, c, d = (model.encode(corner[None]) for corner in corners)
    return model.decode(torch.lerp(torch.lerp(a, b, v), torch.lerp(c, d, v), u))
""",
    },
    2: {
        "normal": (
            "def add_noise(x, sigma):\n"
            "    return torch.clamp(x + torch.randn(x.shape) * sigma, 0.0, 1.0)\n" + LOSS
        ),
        "min et max": (
            "def add_noise(x, sigma):\n"
            "    noisy = x + torch.normal(0.0, 1.0, x.shape) * sigma\n"
            "    return noisy.minimum(torch.ones(())).maximum(torch.zeros(()))\n" + LOSS
        ),
        "la perte écrite": NOISE + """
def denoising_loss(model, x, sigma):
    clean = x.flatten(1)
    return (model(add_noise(x, sigma)) - clean).square().mean()
""",
    },
}  # fmt: skip

WRONG = {
    1: {
        "les pixels": (
            SQUARE + """
    s = torch.linspace(0, 1, size)
    u, v = torch.meshgrid(s, s, indexing="ij")
    u, v = u.reshape(-1, 1, 1, 1), v.reshape(-1, 1, 1, 1)
    a, b, c, d = corners
    return model.decode(model.encode((1-u)*((1-v)*a + v*b) + u*((1-v)*c + v*d)))
""",
            "vous mêlez les pixels",
        ),
        "les images décodées": (
            SQUARE + """
    s = torch.linspace(0, 1, size)
    u, v = torch.meshgrid(s, s, indexing="ij")
    u, v = u.reshape(-1, 1), v.reshape(-1, 1)
    a, b, c, d = model.decode(model.encode(corners))
    return (1-u)*((1-v)*a + v*b) + u*((1-v)*c + v*d)
""",
            "vous mêlez les images décodées",
        ),
        "u et v échangés": (
            SQUARE + """
    s = torch.linspace(0, 1, size)
    v, u = torch.meshgrid(s, s, indexing="ij")
    u, v = u.reshape(-1, 1), v.reshape(-1, 1)
    a, b, c, d = model.encode(corners)
    return model.decode((1-u)*((1-v)*a + v*b) + u*((1-v)*c + v*d))
""",
            "code (0 ; 1) au lieu de (1 ; 0)",
        ),
        "pas divisé par n": (
            SQUARE + """
    s = torch.arange(size) / size
    u, v = torch.meshgrid(s, s, indexing="ij")
    u, v = u.reshape(-1, 1), v.reshape(-1, 1)
    a, b, c, d = model.encode(corners)
    return model.decode((1-u)*((1-v)*a + v*b) + u*((1-v)*c + v*d))
""",
            "au lieu de (1 ; 0)",
        ),
        "la diagonale": (
            SQUARE + """
    s = torch.linspace(0, 1, size)[:, None]
    a, b, c, d = model.encode(corners)
    return model.decode((1 - s) * a + s * d)
""",
            "forme (3, 784) au lieu de (9, 784)",
        ),
    },
    2: {
        "un bruit pour tout le lot": (
            "def add_noise(x, sigma):\n"
            "    return (x + sigma * torch.randn_like(x[:1])).clamp(0, 1)\n" + LOSS,
            "toutes les images ont reçu le même bruit",
        ),
        "un bruit pour tous les pixels": (
            "def add_noise(x, sigma):\n"
            "    return (x + sigma * torch.randn(len(x), 1, 1, 1)).clamp(0, 1)\n" + LOSS,
            "les pixels d'une image ont tous reçu le même bruit",
        ),
        "uniforme, du bon écart type": (
            "def add_noise(x, sigma):\n"
            "    return (x + sigma * 12**0.5 * (torch.rand_like(x) - 0.5)).clamp(0, 1)\n" + LOSS,
            "des bruits sont sous sigma, au lieu de 68",
        ),
        "uniforme, positif": (
            "def add_noise(x, sigma):\n"
            "    return (x + sigma * torch.rand_like(x)).clamp(0, 1)\n" + LOSS,
            "bruit de moyenne 0,05",
        ),
        "la variance": (
            "def add_noise(x, sigma):\n"
            "    return (x + sigma**0.5 * torch.randn_like(x)).clamp(0, 1)\n" + LOSS,
            "écart type obtenu",
        ),
        "sans borne": (
            "def add_noise(x, sigma):\n    return x + sigma * torch.randn_like(x)\n" + LOSS,
            "des pixels sortent de [0, 1]",
        ),
        "la cible bruitée": (
            NOISE + """
def denoising_loss(model, x, sigma):
    noisy = add_noise(x, sigma)
    return autoencoder_loss(model(noisy), noisy)
""",
            "recopier devrait coûter 0,01, obtenu 0,0000",
        ),
        "l'entrée propre": (
            NOISE + """
def denoising_loss(model, x, sigma):
    return autoencoder_loss(model(x), add_noise(x, sigma))
""",
            "bruitez son entrée",
        ),
        "sigma écrit": (
            NOISE + """
def denoising_loss(model, x, sigma):
    return autoencoder_loss(model(add_noise(x, 0.1)), x)
""",
            "pour sigma = 0,2, recopier devrait coûter 0,04, obtenu 0,0100",
        ),
    },
}  # fmt: skip
