"""Les poids des références sur le disque : deux octets par nombre, un seul pour les gros modèles.

Un modèle qui passerait `_LARGE` octets en float16 est rangé en huit bits : chaque ligne w d'une
matrice devient round(w / s), avec s = max |w| / 127. L'erreur sur un poids est d'au plus s / 2.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

_LARGE = 8_000_000  # octets en float16 : quatre millions de paramètres
_SCALE = ".scale"  # ce qui suit le nom d'une matrice dans celui de ses échelles


def pack(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Raccourcit les poids d'un modèle : float16, ou huit bits par ligne s'il est gros.

    Args:
        state: nom -> tenseur, comme le renvoie `state_dict`.

    Returns:
        Les mêmes noms, sur le processeur. Une matrice en huit bits [lignes, …] y est en int8, et
        ses échelles, en float32 [lignes], sous son nom suivi de « .scale ». Les entiers ne
        changent pas.
    """
    plain = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    is_large = sum(2 * value.numel() for value in plain.values()) > _LARGE
    packed = {}
    for name, value in plain.items():
        if not value.is_floating_point():
            packed[name] = value
        elif is_large and value.ndim > 1:
            packed[name], packed[name + _SCALE] = _to_eight_bits(value)
        else:
            packed[name] = value.half()
    return packed


def unpack(packed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rend les poids que `pack` a raccourcis : nom -> tenseur, pour `load_state_dict`."""
    state = {}
    for name, value in packed.items():
        if name + _SCALE in packed:
            state[name] = value.float() * _by_row(packed[name + _SCALE], value)
        elif name.removesuffix(_SCALE) == name or name.removesuffix(_SCALE) not in packed:
            state[name] = value
    return state


def _to_eight_bits(value: Tensor) -> tuple[Tensor, Tensor]:
    """Les entiers d'une matrice, et l'échelle de chaque ligne."""
    scale = value.float().abs().flatten(1).amax(1) / 127
    scale = scale.clamp_min(torch.finfo(torch.float32).tiny)  # une ligne nulle reste nulle
    return (value.float() / _by_row(scale, value)).round().to(torch.int8), scale


def _by_row(scale: Tensor, value: Tensor) -> Tensor:
    return scale.reshape(-1, *[1] * (value.ndim - 1))
