"""Comment croît le coût d'une époque, en temps et en mémoire."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import torch
from torch import Tensor, nn

import labkit
from benchmarks.measure import alternate, any_images
from labkit.data import ImageSet
from labkit.models import VAE, ConvDecoder, ConvEncoder, DenseDecoder, DenseEncoder, vae_step
from labkit.tables import number

IMAGES, BATCH_SIZE, WIDTH = 6_400, 128, 1.0  # ce qui ne varie pas
VARIED = {
    "images": (1_600, 3_200, 6_400, 12_800),
    "taille du lot": (16, 64, 256, 1_024),
    "largeur": (0.5, 1.0, 2.0, 4.0),
}
REPEATS = 3


def dense_vae(width: float) -> VAE:
    """Le VAE dense du lab 03, ses couches cachées `width` fois plus larges."""
    first, second = int(512 * width), int(256 * width)
    return VAE(DenseEncoder(hidden_dims=(first, second)), DenseDecoder(hidden_dims=(second, first)))


def conv_vae(width: float) -> VAE:
    """Le VAE convolutif du lab 03, `width` fois plus de canaux."""
    channels = [int(count * width) for count in (32, 64, 128)]
    return VAE(ConvEncoder(channels=channels), ConvDecoder(channels=channels))


MODELS = {"VAE dense": dense_vae, "VAE convolutif": conv_vae}


@dataclass(frozen=True)
class Growth:
    """Le coût d'une époque d'un modèle quand une seule grandeur varie."""

    name: str
    varied: str
    sizes: Sequence[float]
    seconds: Sequence[float]  # par époque, médiane des tours
    megabytes: Sequence[float]  # images, poids, gradients, moments, activations gardées
    held = True  # rien n'est promis

    def slope(self) -> float:
        """Pente de log(temps) en fonction de log(grandeur), par moindres carrés."""
        x, y = ([math.log(value) for value in values] for values in (self.sizes, self.seconds))
        return statistics.linear_regression(x, y).slope

    def line(self) -> str:
        points = ", ".join(
            f"{number(size)} : {number(seconds, 2)} s, {number(memory, 0)} Mo"
            for size, seconds, memory in zip(self.sizes, self.seconds, self.megabytes, strict=True)
        )
        return f"{self.name}, {self.varied} ({points}) : pente {number(self.slope(), 2)}"

    def record(self) -> dict:
        """Ce que `_build/bench.json` en garde."""
        return {"kind": "growth", "slope": self.slope(), **asdict(self)}


def measures() -> Iterator[Growth]:
    for name, build in MODELS.items():
        for varied, sizes in VARIED.items():
            yield _growth(name, build, varied, sizes)


def _growth(name: str, build: Callable, varied: str, sizes: Sequence[float]) -> Growth:
    fixed = {"images": IMAGES, "taille du lot": BATCH_SIZE, "largeur": WIDTH}
    settings = {size: fixed | {varied: size} for size in sizes}
    epochs = {
        size: partial(_epoch, build, chosen, any_images(chosen["images"]))
        for size, chosen in settings.items()
    }
    for epoch in epochs.values():  # premiers appels : allocations
        epoch()
    seconds = alternate(epochs, REPEATS)
    return Growth(
        name, varied, sizes,
        [statistics.median(seconds[size]) for size in sizes],
        [_megabytes(build, chosen) for chosen in settings.values()],
    )  # fmt: skip


def _epoch(build: Callable[[float], VAE], settings: dict, images: ImageSet) -> None:
    labkit.set_seed(0)
    model = build(settings["largeur"])
    batches = images.batches(settings["taille du lot"], shuffle=True)
    labkit.fit(vae_step(model), batches, 1, model, log_every=0)


def _megabytes(build: Callable[[float], VAE], settings: dict) -> float:
    """Mémoire des images, des poids et de ce que le pas garde pour la rétropropagation."""
    model = build(settings["largeur"])
    images = any_images(settings["images"])
    # Poids, gradient et deux moments d'Adam : quatre nombres de quatre octets par paramètre.
    weights = 16 * labkit.count_parameters(model)
    batch = next(iter(images.batches(settings["taille du lot"])))
    return (images.images.nbytes + weights + kept_bytes(model, batch)) / 1e6


def kept_bytes(model: nn.Module, batch: Sequence[Tensor]) -> int:
    """Octets que le pas d'un VAE garde d'un lot, en float32, paramètres exclus."""
    kept = {}
    owned = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in owned:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = vae_step(model)(batch)["loss"]
    del loss
    return sum(kept.values())
