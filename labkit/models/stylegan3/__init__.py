"""StyleGAN3 : les deux réseaux du lab 07, et la lecture de points de reprise."""

from labkit.models.stylegan3.discriminator import Discriminator
from labkit.models.stylegan3.generator import Generator, motion, z_from_seed
from labkit.models.stylegan3.pickles import (
    CheckpointError,
    given_checkpoint,
    load_checkpoint,
    load_weights,
    read_checkpoint,
)

__all__ = [
    "CheckpointError",
    "Discriminator",
    "Generator",
    "given_checkpoint",
    "load_checkpoint",
    "load_weights",
    "motion",
    "read_checkpoint",
    "z_from_seed",
]
