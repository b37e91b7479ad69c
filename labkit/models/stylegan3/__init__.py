"""StyleGAN3 : le générateur du lab 07, et la lecture de ses points de reprise."""

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
    "Generator",
    "given_checkpoint",
    "load_checkpoint",
    "load_weights",
    "motion",
    "read_checkpoint",
    "z_from_seed",
]
