"""Ce que `fit` doit savoir des processus qui s'entraînent ensemble, et de leur hasard.

Les modèles restent tels quels, ni enveloppe ni copie : les processus s'échangent gradients et
tirages par Accelerate. Avec un seul processus, aucune de ces fonctions n'échange rien.
"""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


def process_state():
    """L'état qu'Accelerate partage : appareil, nombre de processus, rang de celui-ci."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tqdm.auto se plaint de l'absence d'ipywidgets
        from accelerate import PartialState
        from accelerate.utils import parse_flag_from_env

    # Plusieurs processus sans GPU : Accelerate ne les relie que si on lui nomme le processeur,
    # sinon chacun s'entraînerait seul.
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    on_cpu = several and not torch.cuda.is_available()
    return PartialState(cpu=on_cpu or parse_flag_from_env("ACCELERATE_USE_CPU"))


def broadcast_weights(module: nn.Module, process) -> None:
    """Donne à tous les processus les poids du premier.

    Args:
        module: modèle, de mêmes formes partout.
        process: état rendu par `process_state`.
    """
    if process.num_processes == 1:
        return
    from accelerate.utils import broadcast

    for tensor in itertools.chain(module.parameters(), module.buffers()):
        tensor.data.copy_(broadcast(tensor.data))


def average_gradients(parameters: Iterable[nn.Parameter], process) -> None:
    """Remplace chaque gradient par sa moyenne sur les processus.

    Args:
        parameters: paramètres, dans le même ordre partout ; ceux sans gradient sont laissés.
        process: état rendu par `process_state`.
    """
    if process.num_processes == 1:
        return
    from accelerate.utils import reduce

    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.copy_(reduce(parameter.grad, reduction="mean"))


def anyone(requested: bool, process) -> bool:
    """Dit si l'un des processus le demande : tous s'arrêtent au même pas, ou s'attendraient.

    Args:
        requested: la demande de ce processus.
        process: état rendu par `process_state`.
    """
    if process.num_processes == 1:
        return requested
    from accelerate.utils import reduce

    flag = torch.tensor(float(requested), device=process.device)
    return reduce(flag, reduction="sum").item() > 0


def rng_state() -> dict[str, Tensor]:
    """L'état du hasard de torch, sur le processeur et sur le GPU."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_rng_state(state: Mapping[str, Tensor]) -> None:
    """Rétablit un état donné par `rng_state`."""
    torch.set_rng_state(state["cpu"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())


def synchronize_rng(process) -> None:
    """Donne à tous les processus le hasard du premier."""
    if process.num_processes == 1:
        return
    from accelerate.utils import broadcast

    torch.set_rng_state(broadcast(torch.get_rng_state().to(process.device)).cpu())
