"""L'entraînement : une seule boucle, `fit`, et ce qu'elle emploie, un fichier par sujet."""

from labkit.training.checkpoints import CheckpointError
from labkit.training.loop import (
    DivergenceError,
    History,
    fit,
    moving_average,
    pick_device,
    set_seed,
)

__all__ = [
    "CheckpointError",
    "DivergenceError",
    "History",
    "fit",
    "moving_average",
    "pick_device",
    "set_seed",
]
