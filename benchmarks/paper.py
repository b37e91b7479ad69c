"""Sur le papier : chaque entraînement du cours, avec dix et mille fois ses données, sur des GPU.

Un pas sur un lot compte F opérations, celles des produits de matrices et des convolutions, aller et
retour ; l'optimiseur, les normes et les pénalités n'y sont pas. Sur un GPU il dure au moins le plus
long de F / SUSTAINED et de LAUNCH, ce qu'il faut pour lancer ses noyaux. Sur n GPU, chacun fait un
pas sur son lot, puis tous échangent leurs gradients : 2 (n - 1) / n fois leurs octets, à LINK
octets par seconde (anneau de Patarasuk et Yuan, 2009) ; n lots sont alors faits d'un coup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import labkit
from labkit.models import (
    DCDiscriminator,
    autoencoder_loss,
    causal_step,
    discriminator_step,
    generator_step,
    stylegan3,
    vae_step,
)
from labkit.references import build
from tools.bench_page import duration

PEAK = 989e12  # opérations par seconde d'un H100 SXM en bf16 dense, d'après sa notice
SUSTAINED = 0.1 * PEAK  # ce que de petites convolutions en tirent : une hypothèse
LAUNCH = 1e-3  # secondes pour lancer les noyaux d'un pas : une hypothèse
LINK = 450e9  # octets par seconde de NVLink dans un sens, même notice
SCENARIOS = {"×10, 1 GPU": (10, 1), "×1000, 1 GPU": (1000, 1), "×1000, 8 GPU": (1000, 8)}


@dataclass(frozen=True)
class Run:
    """Un entraînement du cours : sa référence, ses pas, un lot."""

    reference: str
    steps: Callable[[nn.Module], Sequence[Callable]]  # modèle -> un pas par joueur
    batch: Callable[[int], Sequence[Tensor] | Tensor]  # d'autant d'exemples
    size: int = 128


@dataclass(frozen=True)
class Paper:
    """Ce qu'un entraînement coûte ici, et ce qu'il coûterait ailleurs."""

    name: str
    gigaflops: float  # par exemple et par pas, aller et retour
    parameters: int
    here: float  # secondes, d'après la fiche
    machine: str  # celle de la fiche
    elsewhere: Mapping[str, float]  # scénario -> secondes
    bound: str  # ce qui limite un pas sur un GPU
    held = True  # rien n'est promis

    def line(self) -> str:
        times = ", ".join(f"{name} {duration(s)}" for name, s in self.elsewhere.items())
        here = f"{duration(self.here)} sur {self.machine}"
        return f"{self.name} : {here} ; {times} ({self.bound})"

    def record(self) -> dict:
        """Ce que `_build/bench.json` en garde."""
        return {"kind": "paper", **asdict(self)}


def measures() -> Iterator[Paper]:
    cards = labkit.list_references()
    for run in RUNS:
        yield _on_paper(run, cards[run.reference])


def _on_paper(run: Run, card: Mapping) -> Paper:
    model = build(card["architecture"])
    steps = run.steps(model)
    operations = sum(_operations(step, run.batch(run.size)) for step in steps)
    count = steps_of(card, run.size)
    parameters = labkit.count_parameters(model)
    return Paper(
        f"{card['lab']}, {run.reference}",
        operations / run.size / 1e9,
        parameters,
        card["seconds"],
        card["machine"].get("gpu", card["machine"]["processor"]),
        {
            name: times * count * step_seconds(operations, len(steps), parameters, gpus) / gpus
            for name, (times, gpus) in SCENARIOS.items()
        },
        "calcul" if operations / SUSTAINED > len(steps) * LAUNCH else "lancement des noyaux",
    )


def steps_of(card: Mapping, size: int) -> int:
    """Nombre de pas de l'entraînement d'une fiche, ses lots ayant `size` exemples."""
    per_epoch = card.get("made_by", {}).get("steps_per_epoch")
    return card["epochs"] * (per_epoch or -(-card["dataset"]["train"] // size))


def step_seconds(operations: float, players: int, parameters: int, gpus: int) -> float:
    """Durée d'un pas sur chacun de `gpus` GPU, échange des gradients compris (float32)."""
    exchanged = 2 * (gpus - 1) / gpus * 4 * parameters
    return max(operations / SUSTAINED, players * LAUNCH) + exchanged / LINK


def _operations(step: Callable, batch: Sequence[Tensor] | Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        step(batch)["loss"].backward()
    return counter.get_total_flops()


# --- les entraînements ----------------------------------------------------------------------------


def _images(count: int, low: float = 0.0, side: int = 28) -> tuple[Tensor, Tensor]:
    return torch.full((count, 1, side, side), low), torch.zeros(count, dtype=torch.long)


def _reconstruct(model: nn.Module) -> list[Callable]:
    return [lambda batch: {"loss": autoencoder_loss(model(batch[0]), batch[0])}]


def _denoise(model: nn.Module) -> list[Callable]:
    return [lambda batch: {"loss": model.loss(batch[0])}]


def _play(make_discriminator: Callable[[], nn.Module], generator: nn.Module) -> list[Callable]:
    players = generator, make_discriminator()
    return [discriminator_step(*players), generator_step(*players)]


RUNS = (
    Run("autoencoder", _reconstruct, _images),
    Run("vae_dense", lambda model: [vae_step(model)], _images),
    Run("vae_conv", lambda model: [vae_step(model)], _images),
    Run("cvae", lambda model: [vae_step(model)], _images),
    Run("dcgan", partial(_play, lambda: DCDiscriminator(32)), _images, 64),
    Run(
        "stylegan3", partial(_play, lambda: stylegan3.Discriminator(32, 1)),
        partial(_images, side=32), 64,
    ),
    Run("ddpm", _denoise, partial(_images, low=-1.0), 64),
    Run(
        "lm_causal", lambda model: [partial(causal_step, model)],
        lambda count: torch.zeros(count, 129, dtype=torch.long), 32,
    ),
)  # fmt: skip
