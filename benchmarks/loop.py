"""Ce que `fit` ajoute à une boucle nue, et ce qu'il lui épargne dans un long entraînement."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import labkit
from benchmarks.measure import Measure, alternate, median_ratio
from labkit.models import AutoEncoder, autoencoder_loss
from labkit.training.device import one_thread

STEPS = 500  # par mesure : ce que coûte un appel de fit, hors des pas, y devient négligeable
REPEATS = 40
MICROSECONDS = 1e6
EPOCHS = 40  # 1 640 pas : les moments d'Adam sans gradient ont le temps de devenir dénormaux


def measures() -> Iterator[Measure]:
    yield from _overhead()
    yield from _ageing()


def _overhead() -> Iterator[Measure]:
    """Sur un modèle assez petit pour que cela se voie."""
    batch = _xor(labkit.pick_device())
    loops = {"bare": lambda: _bare_loop(batch), "fit": lambda: _fit(batch)}
    with one_thread():
        for loop in loops.values():  # premiers appels : imports, allocations
            loop()
        seconds = alternate(loops, REPEATS, clock=time.process_time)
    # Le plus court des tours de chacune : celui que les autres programmes ont le moins gêné.
    added = MICROSECONDS * (min(seconds["fit"]) - min(seconds["bare"])) / STEPS
    yield Measure("ce que fit ajoute à un pas nu", added, "µs", at_most=40, digits=0)
    yield Measure("pas de fit / pas nu", median_ratio(seconds["fit"], seconds["bare"]))


def _xor(device: torch.device) -> tuple[Tensor, Tensor]:
    """Les quatre exemples du lab 01, points [4, 2] et cibles [4, 1]."""
    points = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], device=device)
    return points, (points[:, :1] != points[:, 1:]).float()


def _prepare() -> tuple[nn.Module, Callable]:
    """Le réseau du lab 01 et son pas, neufs."""
    model = nn.Sequential(nn.Linear(2, 4), nn.Sigmoid(), nn.Linear(4, 1))

    def step(batch):
        points, targets = batch
        return {"loss": F.binary_cross_entropy_with_logits(model(points), targets)}

    return model, step


def _bare_loop(batch: tuple[Tensor, Tensor]) -> None:
    """Le moins que fasse une boucle qui donne la perte moyenne de l'époque."""
    model, step = _prepare()
    model.to(batch[0].device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    total = 0.0
    for same in itertools.repeat(batch, STEPS):
        optimizer.zero_grad()
        loss = step(same)["loss"]
        loss.backward()
        optimizer.step()
        total += loss.item()


def _fit(batch: tuple[Tensor, Tensor]) -> None:
    model, step = _prepare()
    labkit.fit(step, [batch] * STEPS, 1, model, precision="fp32", log_every=0)


def _ageing() -> Iterator[Measure]:
    """De combien s'allongent les époques d'un autoencodeur."""
    batches = labkit.load_images("digits").train.batches(32, shuffle=True)
    name = "autoencodeur, cinq dernières époques / époques 2 à 6, "
    with one_thread():
        yield Measure(name + "boucle nue", _lengthening(_bare_epochs(batches)))
        history = labkit.fit(*_autoencoder(batches), precision="fp32", log_every=0)
        yield Measure(name + "fit", _lengthening(history.seconds), at_most=1.2)


def _lengthening(seconds: Sequence[float]) -> float:
    """Médiane des cinq dernières époques, rapportée à celle des cinq premières, la 1re exclue."""
    return statistics.median(seconds[-5:]) / statistics.median(seconds[1:6])


def _autoencoder(batches: Iterable) -> tuple:
    """Ce que reçoit `fit` : le pas, les lots, les époques et le modèle, neuf."""
    labkit.set_seed(0)
    model = AutoEncoder(latent_dim=2)
    return (
        lambda batch: {"loss": autoencoder_loss(model(batch[0]), batch[0])},
        batches,
        EPOCHS,
        model,
    )


def _bare_epochs(batches: Iterable) -> list[float]:
    """La durée de chaque époque d'une boucle écrite à la main."""
    step, batches, epochs, model = _autoencoder(batches)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        for batch in batches:
            optimizer.zero_grad()
            step(batch)["loss"].backward()
            optimizer.step()
        seconds.append(time.perf_counter() - start)
    return seconds
