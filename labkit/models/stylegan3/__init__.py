"""StyleGAN3 : le générateur du lab 07, et la lecture de ses points de reprise."""

from labkit.models.stylegan3.generator import Generator, motion, z_from_seed

__all__ = ["Generator", "motion", "z_from_seed"]
