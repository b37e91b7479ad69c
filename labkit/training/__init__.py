"""L'entraînement : une seule boucle, `fit`, et ce qu'elle emploie, un fichier par sujet."""

from labkit.training.averages import moving_average
from labkit.training.checkpoints import CheckpointError
from labkit.training.device import pick_device, set_seed
from labkit.training.history import DivergenceError, History
from labkit.training.interruption import Interruption
from labkit.training.loop import fit
from labkit.training.optimizers import muon
from labkit.training.players import Player
from labkit.training.rates import stepped, warmup_cosine

__all__ = [
    "CheckpointError",
    "DivergenceError",
    "History",
    "Interruption",
    "Player",
    "fit",
    "moving_average",
    "muon",
    "pick_device",
    "set_seed",
    "stepped",
    "warmup_cosine",
]
