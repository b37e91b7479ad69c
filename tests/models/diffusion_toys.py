"""Des réseaux jouets dont la diffusion se calcule à la main, pour ses tests."""

import torch
from torch import nn

from labkit.models import DDPM, UNet

SCHEDULES = [("linear", "linear"), ("cosine", "squaredcos_cap_v2")]  # nos noms, ceux de diffusers


class Zero(nn.Module):
    """Prédit toujours 0, et retient ce qu'il a reçu."""

    num_classes = None

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, x, t, labels=None):
        self.calls.append((x, t, labels))
        return torch.zeros_like(x)


class Oracle(nn.Module):
    """Le bruit exact, quand toutes les images d'apprentissage sont `image`."""

    def __init__(self, image: torch.Tensor):
        super().__init__()
        self.image = image

    def forward(self, x, t):
        alpha_bar = self.alpha_bars[t][:, None, None, None]
        return (x - alpha_bar.sqrt() * self.image) / (1 - alpha_bar).sqrt()


class ByClass(nn.Module):
    """Prédit 3 x pour la classe 0, 5 x pour la 1, et x sans classe."""

    num_classes = 2

    def forward(self, x, t, labels=None):
        if labels is None:
            return x.clone()
        return torch.tensor([3.0, 5.0, 1.0])[labels][:, None, None, None] * x


def oracle(image: torch.Tensor, *settings, **options) -> DDPM:
    model = Oracle(image)
    ddpm = DDPM(model, *settings, **options)
    model.alpha_bars = ddpm.alpha_bars
    return ddpm


def tiny(timesteps: int = 1000, **options) -> DDPM:
    return DDPM(UNet(width=2, time_emb_dim=8).eval(), timesteps, **options)


def images(number: int = 4, side: int = 8) -> torch.Tensor:
    return 2 * torch.rand(number, 1, side, side) - 1
