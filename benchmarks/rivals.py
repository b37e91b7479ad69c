"""Ce que l'on prendrait à la place : Lightning, pythae, diffusers, sur les mêmes réseaux.

Ces paquets s'installent pour ces seules mesures, par `pip install -e ".[rivales]"` ; celui qui
manque est sauté. Chaque famille part d'images déjà en mémoire et garde les réglages d'office de
son paquet. `transformers` est dans `benchmarks/language.py`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import labkit
from benchmarks.measure import FLOAT32, LABKIT, Measure, Skipped, Speeds, any_images, compare
from benchmarks.usual import BATCH_SIZE
from labkit.models import (
    DDPM,
    VAE,
    AutoEncoder,
    ConvDecoder,
    ConvEncoder,
    UNet,
    autoencoder_loss,
    vae_step,
)

RATE = 1e-3
REPEATS = 3
SAMPLES, STEPS = 16, 50  # images tirées, pas de DDIM


def measures() -> Iterator[Measure | Skipped | Speeds]:
    for name, rival, count, unit_loops in (
        ("AE", "lightning", 12_800, _against_lightning),
        ("VAE convolutif", "pythae", 6_400, _against_pythae),
        ("DDPM", "diffusers", 1_280, _against_diffusers),
        ("DDPM, tirage", "diffusers", SAMPLES, _against_its_sampler),
    ):
        try:
            __import__(rival)
        except ImportError as error:
            yield Skipped(f"{name}, {rival} / labkit", str(error))
            continue
        yield from _confront(name, rival, count, unit_loops(count))


def _confront(
    name: str, rival: str, count: int, loops: Mapping[str, Callable[[], object]]
) -> Iterator[Measure | Speeds]:
    with _silent():
        speeds = compare(name, count, loops, REPEATS)
    yield speeds
    for ours in (LABKIT, FLOAT32):
        if ours in loops:
            yield Measure(f"{name}, {rival} / {ours}", speeds.ratio(rival, ours), at_least=1)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Sans les annonces des paquets : elles couperaient le tableau des mesures."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


def _ours(
    build: Callable, make_step: Callable, count: int, low: float = 0.0
) -> dict[str, Callable[[], object]]:
    """Une époque de `fit`, telle qu'elle est, et en float32 comme les autres paquets."""
    batches = any_images(count).batches(BATCH_SIZE, shuffle=True, value_range=(low, 1.0))

    def epoch(precision: str) -> None:
        model = build()
        labkit.fit(make_step(model), batches, 1, model, precision=precision, log_every=0)

    return {LABKIT: partial(epoch, "auto"), FLOAT32: partial(epoch, "fp32")}


# --- Lightning ------------------------------------------------------------------------------------


def _against_lightning(count: int) -> dict[str, Callable[[], object]]:
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = AutoEncoder()

        def training_step(self, batch, _):
            return autoencoder_loss(self.model(batch[0]), batch[0])

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=RATE)

    loader = _loader(count)

    def epoch() -> None:
        trainer = lightning.Trainer(
            max_epochs=1, accelerator="auto", devices=1, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(Module(), loader)

    def step(model: nn.Module) -> Callable:
        return lambda batch: {"loss": autoencoder_loss(model(batch[0]), batch[0])}

    return {**_ours(AutoEncoder, step, count), "lightning": epoch}


def _loader(count: int, low: float = 0.0) -> DataLoader:
    """Le DataLoader de torch sur des tenseurs, pixels de `low` à 1."""
    x, y = any_images(count).tensors((low, 1.0))
    return DataLoader(TensorDataset(x, y), BATCH_SIZE, shuffle=True)


# --- pythae ---------------------------------------------------------------------------------------


def _against_pythae(count: int) -> dict[str, Callable[[], object]]:
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE as TheirVAE
    from pythae.models import VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.layers = ConvEncoder(10)

        def forward(self, x):
            mu, logvar = self.layers(x)
            return ModelOutput(embedding=mu, log_covariance=logvar)

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.layers = ConvDecoder(10)

        def forward(self, z):
            return ModelOutput(reconstruction=torch.sigmoid(self.layers(z)))

    examples = BaseDataset(*any_images(count).tensors())

    def epoch() -> None:
        settings = VAEConfig(input_dim=(1, 28, 28), latent_dim=10, reconstruction_loss="bce")
        theirs = TheirVAE(settings, Encoder(), Decoder())
        with tempfile.TemporaryDirectory() as folder:
            config = BaseTrainerConfig(
                output_dir=folder, num_epochs=1, learning_rate=RATE,
                per_device_train_batch_size=BATCH_SIZE,
            )  # fmt: skip
            BaseTrainer(theirs, examples, training_config=config).train()

    return {**_ours(_conv_vae, vae_step, count), "pythae": epoch}


def _conv_vae() -> VAE:
    return VAE(ConvEncoder(10), ConvDecoder(10))


# --- diffusers ------------------------------------------------------------------------------------


def _against_diffusers(count: int) -> dict[str, Callable[[], object]]:
    """La boucle de son guide d'entraînement : AdamW, gradient borné, bruit de son échéancier."""
    from accelerate import Accelerator
    from diffusers import DDPMScheduler

    loader = _loader(count, low=-1.0)

    def epoch() -> None:
        accelerator, scheduler, model = Accelerator(), DDPMScheduler(1000), UNet()
        optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
        model, optimizer, batches = accelerator.prepare(model, optimizer, loader)
        for x0, _ in batches:
            noise = torch.randn_like(x0)
            t = torch.randint(1000, (len(x0),), device=x0.device)
            loss = F.mse_loss(model(scheduler.add_noise(x0, noise, t), t), noise)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()

    def step(ddpm: DDPM) -> Callable:
        return lambda batch: {"loss": ddpm.loss(batch[0])}

    ours = _ours(lambda: DDPM(UNet()), step, count, low=-1.0)
    return {**ours, "diffusers": epoch}


def _against_its_sampler(count: int) -> dict[str, Callable[[], object]]:
    from diffusers import DDIMScheduler

    device = labkit.pick_device()
    ddpm = DDPM(UNet()).to(device).eval()
    model = UNet().to(device).eval()

    @torch.no_grad()
    def sample() -> Tensor:
        scheduler = DDIMScheduler(1000)
        scheduler.set_timesteps(STEPS)
        x = torch.randn(count, 1, 28, 28, device=device)
        for t in scheduler.timesteps:
            noise = model(x, t.expand(count).to(device))
            x = scheduler.step(noise, t, x).prev_sample
        return x.cpu()  # un GPU n'a fini qu'une fois l'image rendue

    ours = partial(ddpm.sample_ddim, count, STEPS)
    return {LABKIT: lambda: ours().cpu(), "diffusers": sample}
