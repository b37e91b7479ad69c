"""Ce que les tests de l'entraînement partagent : petits modèles, lots, et une sonnette d'arrêt."""

import itertools
import signal
from collections.abc import Iterator

import torch
from torch import nn

from labkit.data import ImageSet
from labkit.training import History, Player, fit


def regression(count: int = 96, size: int = 16):
    """Lots (x, y) d'une régression linéaire bruitée, et ses données."""
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(count, 3, generator=draws)
    noise = 0.1 * torch.randn(count, 1, generator=draws)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.3 + noise
    return list(zip(x.split(size), y.split(size), strict=True)), x, y


def linear_step(model):
    return lambda batch: {"loss": nn.functional.mse_loss(model(batch[0]), batch[1])}


def same_weights(first: nn.Module, second: nn.Module) -> bool:
    return all(
        torch.equal(a, b)
        for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


def quiet_fit(*args, **options) -> History:
    return fit(*args, **{"log_every": 0, "precision": "fp32", **options})


def alarm(interrupt_at: int | None) -> Iterator[None]:
    """Une sonnette à presser par `next` : Ctrl-C à la fois `interrupt_at`, None pour jamais.

    Un générateur, car l'empreinte d'un pas ne retient que son type : sonner ou non ne fait pas
    un autre entraînement.
    """
    for count in itertools.count(1):
        if count == interrupt_at:
            signal.raise_signal(signal.SIGINT)
        yield


class Noisy(nn.Module):
    """Un petit réseau où le hasard compte : abandon, puis bruit gaussien."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(784, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 10))

    def forward(self, x):
        logits = self.body(x.flatten(1))
        return logits + 0.1 * torch.randn_like(logits)


def noisy_step(model):
    def step(batch):
        x, y = batch
        logits = model(x)
        return {
            "loss": nn.functional.cross_entropy(logits, y),
            "exactitude": (logits.argmax(1) == y).float().mean(),
        }

    return step


def images(count: int = 100) -> ImageSet:
    draws = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (count, 1, 28, 28), dtype=torch.uint8, generator=draws)
    return ImageSet(pixels, torch.arange(count) % 10)


def new_noisy() -> Noisy:
    torch.manual_seed(3)
    return Noisy()


class Affine(nn.Module):
    """z -> moyenne + échelle · z, coordonnée par coordonnée : une gaussienne du plan."""

    def __init__(self):
        super().__init__()
        self.mean, self.scale = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.ones(2))

    def forward(self, z):
        return self.mean + self.scale * z


class Quadratic(nn.Module):
    """Critique quadratique : le logit de deux gaussiennes de covariances diagonales en est un."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x):
        return self.linear(torch.cat([x, x.square()], dim=1))


def adversaries(generator, discriminator, **settings) -> dict[str, Player]:
    """Les deux joueurs d'un GAN du plan ; `settings` vaut pour les deux."""
    bce = nn.functional.binary_cross_entropy_with_logits

    def discriminator_step(real):
        fake = generator(torch.randn_like(real))  # sans detach : fit ne doit rien lui faire
        real_logits, fake_logits = discriminator(real), discriminator(fake)
        loss = bce(real_logits, torch.ones_like(real_logits))
        loss = loss + bce(fake_logits, torch.zeros_like(fake_logits))
        # Une pénalité amortit les oscillations autour de l'équilibre (Mescheder et al., 2018).
        return {"loss": loss + 0.1 * discriminator.linear.weight.square().sum()}

    def generator_step(real):
        logits = discriminator(generator(torch.randn_like(real)))
        return {"loss": bce(logits, torch.ones_like(logits)), "logit": logits.mean()}

    return {
        "discriminator": Player(discriminator, discriminator_step, **settings),
        "generator": Player(generator, generator_step, **settings),
    }
