"""Sur MNIST : vitesse contre la boucle habituelle, et perte que l'autoencodeur atteint."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import torch
from torch import nn

import labkit
from benchmarks.measure import Measure, Skipped, alternate, median_ratio
from benchmarks.usual import BATCH_SIZE, usual_loader
from labkit.data import DataError, ImageSplits
from labkit.models import (
    VAE,
    AutoEncoder,
    ConvCVAE,
    ConvDecoder,
    ConvEncoder,
    autoencoder_loss,
    vae_loss,
    vae_step,
)

EPOCHS = 20
# MSE d'entraînement de référence, tenue à 3 % près.
REFERENCE_LOSSES = {1: 0.0603, 20: 0.0362}
CONV_IMAGES = 12_800  # cent lots : une époque entière de la boucle habituelle dure une minute
CONV_MODELS = {
    "VAE convolutif": lambda: VAE(ConvEncoder(10), ConvDecoder(10)),
    "CVAE": ConvCVAE,
}


def measures() -> Iterator[Measure | Skipped]:
    try:
        images = labkit.load_images("mnist", download=False)
    except DataError as error:
        yield Skipped("vitesse et pertes sur MNIST", str(error))
        return
    yield from _speed(images)
    yield from _convolutional_speed(images)
    yield from _losses(images)


def _speed(images: ImageSplits) -> Iterator[Measure]:
    resident = images.train.batches(BATCH_SIZE)
    one_batch = next(iter(resident))
    epochs = {
        "labkit": lambda: _fit(images.train.batches(BATCH_SIZE, shuffle=True), 1),
        "resident": lambda: _fit(_Repeated(one_batch, len(resident)), 1),
    }
    for epoch in epochs.values():  # premiers appels : imports, allocations
        epoch()
    seconds = alternate(epochs, repeats=7)
    ratio = median_ratio(seconds["labkit"], seconds["resident"])
    yield Measure("époque labkit / mêmes pas sur un lot résident", ratio, at_most=1.15)

    seconds = alternate({"usual": _usual_epoch, "labkit": epochs["labkit"]}, repeats=3)
    ratio = median_ratio(seconds["usual"], seconds["labkit"])
    yield Measure("boucle habituelle / époque labkit", ratio, at_least=2)


def _convolutional_speed(images: ImageSplits) -> Iterator[Measure]:
    batches = images.train[:CONV_IMAGES].batches(BATCH_SIZE, shuffle=True)
    for name, build in CONV_MODELS.items():
        seconds = alternate(
            {
                "usual": lambda build=build: _usual_conv_epoch(build),
                "labkit": lambda build=build: _fit_conv(build, batches),
            },
            repeats=3,
        )
        ratio = median_ratio(seconds["usual"], seconds["labkit"])
        yield Measure(f"{name}, boucle habituelle / labkit", ratio, at_least=1.7)


def _losses(images: ImageSplits) -> Iterator[Measure]:
    history = _fit(images.train.batches(BATCH_SIZE, shuffle=True), EPOCHS)
    for epoch, reference in REFERENCE_LOSSES.items():
        yield Measure(
            f"MSE d'entraînement à l'époque {epoch}, graine 0", history["loss"][epoch - 1],
            at_least=0.97 * reference, at_most=1.03 * reference, digits=4,
        )  # fmt: skip


class _Repeated:
    """Le même lot, plusieurs fois."""

    def __init__(self, batch, count: int):
        self.batch, self.count = batch, count

    def __len__(self) -> int:
        return self.count

    def __iter__(self):
        return itertools.repeat(self.batch, self.count)


def _fit(batches, epochs: int) -> labkit.History:
    labkit.set_seed(0)
    model = AutoEncoder()

    def step(batch):
        x, _ = batch
        return {"loss": autoencoder_loss(model(x), x)}

    return labkit.fit(step, batches, epochs, model, log_every=0)


def _fit_conv(build: Callable[[], nn.Module], batches) -> None:
    model = build()
    labkit.fit(vae_step(model), batches, 1, model, log_every=0)


def _inputs(model: nn.Module, batch: tuple) -> tuple:
    """Ce que reçoit le modèle : l'image, et sa classe s'il est conditionnel."""
    return tuple(batch) if isinstance(model, ConvCVAE) else (batch[0],)


def _usual_conv_epoch(build: Callable[[], nn.Module]) -> None:
    """Une époque en fp32 d'un VAE, avec la perte des images décodées."""
    device = labkit.pick_device()
    model = build().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    total = 0.0
    for batch in usual_loader(CONV_IMAGES):
        batch = [part.to(device) for part in batch]
        optimizer.zero_grad()
        x_recon, mu, logvar = model(*_inputs(model, batch))
        loss = vae_loss(x_recon, batch[0], mu, logvar)[0] / len(batch[0])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch[0])


def _usual_epoch() -> None:
    """La boucle des tutoriels, en fp32, avec Adam."""
    device = labkit.pick_device()
    model = AutoEncoder().to(device)
    optimizer, criterion = torch.optim.Adam(model.parameters(), lr=1e-3), nn.MSELoss()
    total = 0.0
    for x, _ in usual_loader():
        x = x.to(device).flatten(1)
        optimizer.zero_grad()
        loss = criterion(model(x), x)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
