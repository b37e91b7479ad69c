"""Ce que les modèles vérifient de leurs entrées, une fois, à l'appel public."""

import torch
from torch import Tensor, nn


def check_unit_interval(x: Tensor) -> Tensor:
    """Renvoie x, si ce sont des nombres réels de [0, 1].

    Raises:
        ValueError: entiers, valeurs hors de [0, 1] ou NaN.
    """
    check_real(x, "x / 255 les ramène à [0, 1]")
    low, high = x.aminmax()
    if not (low >= 0 and high <= 1):  # vrai aussi pour NaN
        raise ValueError(
            f"images hors de [0, 1] (de {low:.3g} à {high:.3g}) : la perte n'y a pas de sens. Les "
            "lots de `images.batches(...)` y sont par défaut ; divisez des octets par 255."
        )
    return x


def check_real(x: Tensor, remedy: str) -> None:
    """Refuse ce qui n'est pas un tenseur de nombres réels, comme des octets de 0 à 255."""
    if not isinstance(x, Tensor):
        raise ValueError(f"images : un tenseur est attendu, reçu {type(x).__name__}.")
    if not x.is_floating_point():
        raise ValueError(f"images : nombres réels attendus, reçu {x.dtype} ; {remedy}.")


def check_dtype(module: nn.Module, x: Tensor, name: str = "images") -> Tensor:
    """Renvoie x, s'il a la précision des poids ; sous autocast, torch les accorde lui-même.

    Raises:
        ValueError: autre précision, comme après `torch.set_default_dtype(torch.float64)`.
    """
    expected = next((p.dtype for p in module.parameters()), x.dtype)
    if x.dtype != expected and not torch.is_autocast_enabled(x.device.type):
        raise ValueError(
            f"{name} en {x.dtype} pour un modèle en {expected}. Convertissez par .to({expected}) ; "
            "si torch.set_default_dtype a servi, remettez torch.float32 avant de créer le modèle."
        )
    return x


def check_codes(z: Tensor, latent_dim: int) -> Tensor:
    """Renvoie les codes z, s'ils sont [B, latent_dim], comme le décodeur les attend."""
    if z.dim() != 2 or z.shape[1] != latent_dim:
        raise ValueError(f"codes z [B, {latent_dim}] attendus, reçu {list(z.shape)}.")
    return z


def check_latent_dim(latent_dim: int) -> int:
    """Renvoie la dimension latente, si elle vaut au moins 1."""
    if latent_dim < 1:
        raise ValueError(f"la dimension latente doit être au moins 1, reçu {latent_dim}.")
    return latent_dim


def as_images(x: Tensor) -> Tensor:
    """Remet des images [B, 784] ou [B, 1, 28, 28] en [B, 1, 28, 28]."""
    if x.shape[1:].numel() != 784:
        raise ValueError(f"images de 784 pixels attendues, reçu {list(x.shape)}.")
    return x.reshape(len(x), 1, 28, 28)
