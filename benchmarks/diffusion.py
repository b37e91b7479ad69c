"""La diffusion du lab 08 : entraînement et tirage, contre ceux du rapport de départ."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

import labkit
from benchmarks.measure import (
    LABKIT,
    LIMIT,
    USUAL,
    Measure,
    Resident,
    Skipped,
    Speeds,
    alternate,
    bounded_where_bf16_is_fast,
    compare,
)
from benchmarks.usual import BATCH_SIZE, usual_loader
from labkit.data import DataError, ImageSet
from labkit.models import DDPM, UNet

IMAGES = 2_560  # vingt lots : une époque entière de la boucle du rapport dure sept minutes
SAMPLES = 16
TIMESTEPS = 1_000
DDIM_STEPS = 50


def measures() -> Iterator[Measure | Skipped | Speeds]:
    try:
        images = labkit.load_images("mnist", download=False)
    except DataError as error:
        yield Skipped("entraînement de la diffusion", str(error))
    else:
        yield from _training_speed(images.train[:IMAGES])
    yield from _sampling_speed()


def _training_speed(images: ImageSet) -> Iterator[Measure | Speeds]:
    batches = images.batches(BATCH_SIZE, shuffle=True, value_range=(-1.0, 1.0))
    loops = {
        LABKIT: lambda: _fit(batches),
        USUAL: _report_epoch,
        LIMIT: lambda: _fit(Resident(batches)),
    }
    speeds = compare("DDPM", IMAGES, loops, repeats=3)
    yield speeds
    yield bounded_where_bf16_is_fast(f"DDPM, {USUAL} / labkit", speeds.ratio(USUAL), at_least=2.5)
    yield speeds.to_limit()


def _sampling_speed() -> Iterator[Measure | Speeds]:
    ddpm = DDPM(UNet(), TIMESTEPS).to(labkit.pick_device())
    report, ours = _ReportSampler(), ddpm.to(memory_format=torch.channels_last)  # comme après fit
    loops = {
        f"{LABKIT}, DDIM-{DDIM_STEPS}": lambda: ours.sample_ddim(SAMPLES, DDIM_STEPS),
        f"{TIMESTEPS} pas du rapport": lambda: report.sample(SAMPLES),
    }
    fast, slow = loops
    ours.sample_ddim(SAMPLES, 1)  # premier appel : conversions, allocations
    speeds = Speeds("DDPM, tirage", "images", SAMPLES, alternate(loops, repeats=2))
    yield speeds
    yield bounded_where_bf16_is_fast(f"{slow} / DDIM-{DDIM_STEPS}", speeds.ratio(slow, fast), 30)


def _fit(batches) -> None:
    ddpm = DDPM(UNet(), TIMESTEPS)
    labkit.fit(lambda batch: {"loss": ddpm.loss(batch[0])}, batches, 1, ddpm, log_every=0)


class _Report:
    """Les suites du rapport, en float32 sur l'appareil."""

    def __init__(self):
        self.device = labkit.pick_device()
        self.model = UNet().to(self.device)
        self.betas = torch.linspace(1e-4, 0.02, TIMESTEPS, device=self.device)
        self.alphas = 1 - self.betas
        self.alpha_bars = torch.cumprod(self.alphas, dim=0)


def _report_epoch() -> None:
    """La boucle du rapport, remise à zéro des gradients comprise."""
    report = _Report()
    optimizer = torch.optim.Adam(report.model.parameters(), lr=1e-3)
    total = 0.0
    for x0, _ in usual_loader(IMAGES, centred=True):
        x0 = x0.to(report.device)
        t = torch.randint(TIMESTEPS, (len(x0),), device=report.device)
        alpha_bar = report.alpha_bars[t].view(-1, 1, 1, 1)
        noise = torch.randn_like(x0)
        x_t = alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * noise
        loss = F.mse_loss(report.model(x_t, t), noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()


class _ReportSampler(_Report):
    """L'échantillonneur du rapport, pas à pas (DDPM, algorithme 2, de variance β)."""

    @torch.no_grad()
    def sample(self, count: int) -> Tensor:
        x = torch.randn(count, 1, 28, 28, device=self.device)
        for t in reversed(range(TIMESTEPS)):
            beta, alpha, alpha_bar = self.betas[t], self.alphas[t], self.alpha_bars[t]
            noise = self.model(x, torch.full((count,), t, device=self.device))
            x = (x - (1 - alpha) / (1 - alpha_bar).sqrt() * noise) / alpha.sqrt()
            if t:
                x = x + beta.sqrt() * torch.randn_like(x)
        return ((x + 1) / 2).clamp(0, 1)
