"""Sur MNIST : vitesse contre la boucle habituelle, et perte que l'autoencodeur atteint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import labkit
from benchmarks.measure import LABKIT, LIMIT, USUAL, Measure, Resident, Skipped, Speeds, compare
from benchmarks.usual import BATCH_SIZE, usual_loader
from labkit.data import DataError, ImageSet, ImageSplits
from labkit.models import (
    VAE,
    AutoEncoder,
    ConvCVAE,
    ConvDecoder,
    ConvEncoder,
    DenseDecoder,
    DenseEncoder,
    autoencoder_loss,
    vae_loss,
    vae_step,
)

EPOCHS = 20
# MSE d'entraînement de référence, tenue à 3 % près.
REFERENCE_LOSSES = {1: 0.0603, 20: 0.0362}
IMAGES = 12_800  # cent lots : une époque entière de la boucle habituelle dure une minute
REPEATS = 5


@dataclass(frozen=True)
class Family:
    """Un modèle, son pas dans labkit, sa perte dans la boucle habituelle."""

    build: Callable[[], nn.Module]
    step: Callable[[nn.Module], Callable]  # modèle -> le pas que répète `fit`
    loss: Callable[[nn.Module, Sequence[Tensor]], Tensor]
    at_least: float  # combien de fois plus vite que la boucle habituelle


def measures() -> Iterator[Measure | Skipped | Speeds]:
    try:
        images = labkit.load_images("mnist", download=False)
    except DataError as error:
        yield Skipped("vitesse et pertes sur MNIST", str(error))
        return
    for name, family in FAMILIES.items():
        yield from _speeds(name, family, images.train[:IMAGES])
    yield from _losses(images)


def _speeds(name: str, family: Family, images: ImageSet) -> Iterator[Measure | Speeds]:
    batches = images.batches(BATCH_SIZE, shuffle=True)
    loops = {
        LABKIT: lambda: _fit(family, batches),
        USUAL: lambda: _usual_epoch(family),
        LIMIT: lambda: _fit(family, Resident(batches)),
    }
    speeds = compare(name, len(images), loops, REPEATS)
    yield speeds
    yield Measure(f"{name}, {USUAL} / labkit", speeds.ratio(USUAL), at_least=family.at_least)
    yield speeds.to_limit()


def _losses(images: ImageSplits) -> Iterator[Measure]:
    history = _fit(FAMILIES["AE"], images.train.batches(BATCH_SIZE, shuffle=True), EPOCHS)
    for epoch, reference in REFERENCE_LOSSES.items():
        yield Measure(
            f"MSE d'entraînement à l'époque {epoch}, graine 0", history["loss"][epoch - 1],
            at_least=0.97 * reference, at_most=1.03 * reference, digits=4,
        )  # fmt: skip


def _fit(family: Family, batches, epochs: int = 1) -> labkit.History:
    labkit.set_seed(0)
    model = family.build()
    return labkit.fit(family.step(model), batches, epochs, model, log_every=0)


def _usual_epoch(family: Family) -> None:
    """La boucle des tutoriels, en fp32, avec Adam."""
    device = labkit.pick_device()
    model = family.build().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    total = 0.0
    for batch in usual_loader(IMAGES):
        batch = [part.to(device) for part in batch]
        optimizer.zero_grad()
        loss = family.loss(model, batch)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch[0])


def _autoencoder_step(model: nn.Module) -> Callable:
    return lambda batch: {"loss": autoencoder_loss(model(batch[0]), batch[0])}


def _usual_mse(model: nn.Module, batch: Sequence[Tensor]) -> Tensor:
    x = batch[0].flatten(1)
    return F.mse_loss(model(x), x)


def _usual_elbo(model: nn.Module, batch: Sequence[Tensor]) -> Tensor:
    """La perte des images décodées ; un modèle conditionnel reçoit aussi les classes."""
    x_recon, mu, logvar = model(*(batch if isinstance(model, ConvCVAE) else batch[:1]))
    return vae_loss(x_recon, batch[0].reshape(x_recon.shape), mu, logvar)[0] / len(mu)


FAMILIES = {
    "AE": Family(AutoEncoder, _autoencoder_step, _usual_mse, 2),
    "VAE dense": Family(lambda: VAE(DenseEncoder(), DenseDecoder()), vae_step, _usual_elbo, 2),
    "VAE convolutif": Family(
        lambda: VAE(ConvEncoder(10), ConvDecoder(10)), vae_step, _usual_elbo, 1.7
    ),
    "CVAE": Family(ConvCVAE, vae_step, _usual_elbo, 1.7),
}
