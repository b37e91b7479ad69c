"""Le MLP-GAN du lab 05 : ses pas par `fit`, contre la boucle habituelle."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import nn

import labkit
from benchmarks.measure import (
    LABKIT,
    LIMIT,
    USUAL,
    Measure,
    Resident,
    Skipped,
    Speeds,
    bounded_where_bf16_is_fast,
    compare,
)
from benchmarks.usual import BATCH_SIZE, usual_loader
from labkit.data import DataError
from labkit.models import Discriminator, Generator, discriminator_step, generator_step

IMAGES = 6_400  # cinquante lots
ADAM = partial(torch.optim.Adam, betas=(0.5, 0.999))
RATE = 2e-4


def measures() -> Iterator[Measure | Skipped | Speeds]:
    try:
        images = labkit.load_images("mnist", download=False)
    except DataError as error:
        yield Skipped("vitesse du GAN", str(error))
        return
    batches = images.train[:IMAGES].batches(BATCH_SIZE, shuffle=True)
    loops = {
        LABKIT: lambda: _fit(batches),
        USUAL: _usual_epoch,
        LIMIT: lambda: _fit(Resident(batches)),
    }
    speeds = compare("MLP-GAN", IMAGES, loops, repeats=5)
    yield speeds
    yield bounded_where_bf16_is_fast(f"MLP-GAN, {USUAL} / labkit", speeds.ratio(USUAL), 1.4)
    yield speeds.to_limit()


def _fit(batches) -> None:
    networks = Generator(), Discriminator()
    settings = {"lr": RATE, "optimizer": ADAM}
    players = {
        "discriminator": labkit.Player(networks[1], discriminator_step(*networks), **settings),
        "generator": labkit.Player(networks[0], generator_step(*networks), **settings),
    }
    labkit.fit(players, batches, 1, log_every=0)


def _usual_epoch() -> None:
    """La boucle des tutoriels, en fp32 : D sur un lot de vraies et un lot de tirées, puis G."""
    device = labkit.pick_device()
    generator, discriminator = Generator().to(device), Discriminator().to(device)
    optimizer_g = ADAM(generator.parameters(), lr=RATE)
    optimizer_d = ADAM(discriminator.parameters(), lr=RATE)
    criterion, losses = nn.BCEWithLogitsLoss(), []
    for x, _ in usual_loader(IMAGES):
        x = x.to(device).flatten(1)
        real_targets = torch.ones(len(x), 1, device=device)
        fake_targets = torch.zeros(len(x), 1, device=device)
        fake = generator(torch.randn(len(x), generator.latent_dim, device=device))

        optimizer_d.zero_grad()
        loss_d = criterion(discriminator(x), real_targets)
        loss_d = loss_d + criterion(discriminator(fake.detach()), fake_targets)
        loss_d.backward()
        optimizer_d.step()

        optimizer_g.zero_grad()
        loss_g = criterion(discriminator(fake), real_targets)
        loss_g.backward()
        optimizer_g.step()
        losses.append((loss_d.item(), loss_g.item()))
