"""Le générateur de StyleGAN3 du lab 07 : un tirage, et la LeakyReLU filtrée par matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from unittest.mock import patch

import torch

from benchmarks.measure import LABKIT, Measure, Speeds, alternate, compare, median_ratio
from labkit.models.stylegan3 import Generator, filters

IMAGES = 64
BATCH = 32
# Un générateur de la taille de celui du lab : 263 000 paramètres.
CONFIG = {
    "z_dim": 64, "c_dim": 0, "w_dim": 64, "img_resolution": 32, "img_channels": 1,
    "channel_base": 2048, "channel_max": 64, "num_layers": 6, "margin_size": 8,
}  # fmt: skip


def measures() -> Iterator[Measure | Speeds]:
    torch.manual_seed(0)
    model = Generator(**CONFIG).eval()
    z = torch.randn(IMAGES, model.z_dim)

    @torch.no_grad()
    def sample() -> None:
        model(z)

    speeds = compare("StyleGAN3, tirage", IMAGES, {LABKIT: sample}, repeats=3)
    yield speeds
    seconds = min(speeds.seconds[LABKIT])
    yield Measure(f"StyleGAN3, tirer {IMAGES} images 32×32", seconds, "s", at_most=2)

    def step() -> None:
        model(z[:BATCH]).square().mean().backward()

    steps = {"convolutions": _by_convolution(step), "matrices": step}
    seconds = alternate(steps, repeats=2)
    ratio = median_ratio(seconds["convolutions"], seconds["matrices"])
    yield Measure("StyleGAN3, aller et retour : convolutions / matrices", ratio)


def _by_convolution(step: Callable[[], None]) -> Callable[[], None]:
    """Le même calcul, où aucune carte n'est assez petite pour une matrice."""

    def run() -> None:
        with patch.object(filters, "WIDEST_MATRIX", 0):
            step()

    return run
