"""L'appareil où l'on calcule, le hasard que l'on y tire, la précision que l'on y prend."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from labkit.precision import has_fast_bf16
from labkit.training.processes import process_state


def set_seed(seed: int) -> None:
    """Fixe les tirages de Python, de NumPy et de PyTorch ; `seed` est un entier positif ou nul."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)  # le processeur et tous les GPU


def pick_device() -> torch.device:
    """Choisit où calculer : GPU CUDA, puis GPU Apple, puis processeur."""
    return process_state().device


@contextmanager
def one_thread() -> Iterator[None]:
    """Un seul fil d'exécution : le partage d'un très petit calcul coûte plus que le calcul."""
    earlier = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(earlier)


def wants_bf16(device: torch.device, precision: str) -> bool:
    """Dit s'il faut calculer en bf16 : toujours pour "bf16", s'il est rapide ici pour "auto".

    Raises:
        ValueError: précision inconnue.
    """
    if precision not in ("auto", "fp32", "bf16"):
        raise ValueError(f"précision {precision!r} inconnue : choisissez 'auto', 'fp32' ou 'bf16'.")
    return precision == "bf16" or (precision == "auto" and has_fast_bf16(device))


def device_of(module: nn.Module) -> torch.device:
    """L'appareil où se trouve un module, d'après son premier poids."""
    return next(itertools.chain(module.parameters(), module.buffers()), torch.empty(0)).device


def prepare(module: nn.Module, device: torch.device) -> None:
    """Déplace le modèle sur l'appareil, dans le format que les convolutions préfèrent."""
    module.to(device)
    if any(isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)) for part in module.modules()):
        module.to(memory_format=torch.channels_last)


def first_tensor(batch: Any) -> Tensor | None:
    """Le premier tenseur d'un lot, fait de tuples, de listes ou de dictionnaires ; ou None."""
    if isinstance(batch, Tensor):
        return batch
    if isinstance(batch, (tuple, list)):
        parts = batch
    elif isinstance(batch, Mapping):
        parts = batch.values()
    else:
        return None
    return next((found for part in parts if (found := first_tensor(part)) is not None), None)


def batch_size(batch: Any) -> int:
    """Nombre d'exemples d'un lot ; 1 pour un lot sans tenseur, comme ceux de `range(100)`."""
    tensor = first_tensor(batch)
    return 1 if tensor is None or not tensor.dim() else len(tensor)


def send(batch: Any, device: torch.device) -> Any:
    """Déplace tous les tenseurs d'un lot sur l'appareil, sans attendre."""
    from accelerate.utils import send_to_device

    return send_to_device(batch, device, non_blocking=True)


# --- hasard ---------------------------------------------------------------------------------------


def rng_state() -> dict[str, Tensor]:
    """L'état du hasard de torch, sur le processeur et sur le GPU."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_rng_state(state: Mapping[str, Tensor]) -> None:
    """Rétablit un état donné par `rng_state` ; celui d'un GPU absent est ignoré."""
    torch.set_rng_state(state["cpu"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())
    if "mps" in state and torch.backends.mps.is_available():
        torch.mps.set_rng_state(state["mps"].cpu())


@contextmanager
def preserved_rng() -> Iterator[None]:
    """Rend le hasard comme il était : mesurer ne change rien à l'entraînement qui suit."""
    state = rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
