"""Ce que `fit` doit savoir des processus qui s'entraînent ensemble.

Les modèles restent tels quels, ni enveloppe ni copie : les processus s'échangent gradients,
statistiques et tirages par Accelerate. Avec un seul processus, rien ne s'échange.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


def process_state():
    """L'état qu'Accelerate partage : appareil, nombre de processus, rang de celui-ci."""
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    # Plusieurs processus sans GPU : Accelerate ne les relie que si on lui nomme le processeur,
    # sinon chacun s'entraînerait seul.
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    on_cpu = several and not torch.cuda.is_available()
    return PartialState(cpu=on_cpu or parse_flag_from_env("ACCELERATE_USE_CPU"))


def broadcast_weights(module: nn.Module, process) -> None:
    """Donne à tous les processus les poids du premier."""
    if process.num_processes == 1:
        return
    from accelerate.utils import broadcast

    for tensor in itertools.chain(module.parameters(), module.buffers()):
        tensor.data.copy_(broadcast(tensor.data))


def average_gradients(parameters: Iterable[nn.Parameter], process) -> None:
    """Remplace chaque gradient par sa moyenne sur les processus ; les absents sont laissés."""
    if process.num_processes == 1:
        return
    from accelerate.utils import reduce

    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.copy_(reduce(parameter.grad, reduction="mean"))


def average_buffers(module: nn.Module, process) -> None:
    """Rend communes les statistiques de BatchNorm, que chaque processus tient de ses lots."""
    if process.num_processes == 1:
        return
    from accelerate.utils import reduce

    for buffer in module.buffers():
        if buffer.is_floating_point():
            buffer.copy_(reduce(buffer, reduction="mean"))


def anyone(requested: bool, process) -> bool:
    """Dit si l'un des processus le demande : tous s'arrêtent au même pas, ou s'attendraient."""
    if process.num_processes == 1:
        return requested
    from accelerate.utils import reduce

    flag = torch.tensor(float(requested), device=process.device)
    return reduce(flag, reduction="sum").item() > 0


def gather(value: Any, process) -> list:
    """La valeur de chaque processus, dans l'ordre des rangs."""
    if process.num_processes == 1:
        return [value]
    from accelerate.utils import gather_object

    return gather_object([value])


def synchronize_rng(process) -> None:
    """Donne à tous les processus le hasard du premier."""
    if process.num_processes == 1:
        return
    from accelerate.utils import broadcast

    torch.set_rng_state(broadcast(torch.get_rng_state().to(process.device)).cpu())
