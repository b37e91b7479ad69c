"""Ce que devient une image quand l'entrée du générateur se déplace : EQ-T et EQ-R, en décibels.

T. Karras et coll., « Alias-free generative adversarial networks », 2021, § 4 et annexe E. Un
générateur équivariant dessine, d'une entrée déplacée, l'image déplacée. Celui qui est mesuré est
une fonction (w, déplacement [3, 3]) -> images [B, C, H, H] de -1 à 1, comme la `synthesis` de
`labkit.models.stylegan3.Generator`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from labkit.edges import check_real, check_whole
from labkit.models.stylegan3.filters import jinc, kaiser_beta
from labkit.models.stylegan3.generator import motion

Synthesis = Callable[[Tensor, Tensor], Tensor]

DYNAMIC_RANGE = 2.0  # I_max : des images de -1 à 1
_RADIUS = 6  # pixels que le filtre lit de chaque côté
_CUTOFF = 0.3  # cycles par pixel ; la fréquence de Nyquist est 0,5


def eq_t(
    synthesis: Synthesis,
    w: Tensor,
    shifts: int = 8,
    largest: float = 1 / 8,
    generator: torch.Generator | None = None,
) -> float:
    """Mesure l'équivariance aux translations : 10 log₁₀(I_max² / E[(g(t[z₀]) - t[g(z₀)])²]).

    La moyenne porte sur les styles, les canaux, des déplacements d'un nombre entier de pixels,
    uniformes, et les pixels que la translation ne fait pas sortir du cadre (annexe E.1).

    Args:
        synthesis: (w, déplacement [3, 3]) -> images [B, C, H, H] de -1 à 1.
        w: styles [B, …], tels que `synthesis` les lit.
        shifts: nombre de déplacements tirés.
        largest: plus grand déplacement sur chaque axe, en fraction du côté, entre 0 et 1.
        generator: source de hasard des déplacements ; celle de torch par défaut.

    Returns:
        EQ-T en dB, d'autant plus grand que le générateur est équivariant ; l'infini s'il l'est
        exactement.

    Raises:
        ValueError: nombre de déplacements, ou étendue qui ne laisse aucun pixel.
    """
    check_whole("shifts", shifts)
    still, errors = _still(synthesis, w), []
    side = still.shape[-1]
    reach = int(_check_share(largest) * side)
    if reach < 1:
        raise ValueError(f"largest : un pixel au moins attendu, reçu {largest:g} de {side} pixels.")
    for x, y in _whole_shifts(reach, shifts, generator):
        moved = _move(synthesis, w, (x / side, y / side))
        errors.append(_overlap(moved, x, y) - _overlap(still, -x, -y))
    return _decibels(errors)


def eq_r(
    synthesis: Synthesis,
    w: Tensor,
    angles: int = 8,
    generator: torch.Generator | None = None,
) -> float:
    """Mesure l'équivariance aux rotations : 10 log₁₀(I_max² / E[(k ∗ g(r[z₀]) - r[k ∗ g(z₀)])²]).

    Tourner une image demande d'interpoler ses pixels, ce qui limite sa bande : le même filtre
    radial k est donc appliqué des deux côtés (annexe E.3, dont la paire de filtres est remplacée
    par un seul, à symétrie de révolution). La moyenne porte sur les styles, les canaux, des angles
    uniformes et les pixels du disque inscrit dont k lit tout le voisinage.

    Args:
        synthesis: (w, déplacement [3, 3]) -> images [B, C, H, H] de -1 à 1, 20 pixels au moins.
        w: styles [B, …], tels que `synthesis` les lit.
        angles: nombre d'angles tirés.
        generator: source de hasard des angles ; celle de torch par défaut.

    Returns:
        EQ-R en dB, comme `eq_t`.

    Raises:
        ValueError: images trop petites, nombre d'angles.
    """
    check_whole("angles", angles)
    still, errors = _still(synthesis, w), []
    inside = _disc(still.shape[-1]).to(still.device)
    for turn in torch.rand(angles, generator=generator).tolist():
        angle = 2 * math.pi * turn
        moved = _move(synthesis, w, angle=angle)
        difference = rotate(moved, 0.0) - rotate(still, angle)
        errors.append(difference[..., inside])
    return _decibels(errors)


def rotate(images: Tensor, angle: float) -> Tensor:
    """Tourne des images filtrées par k : r[k ∗ I](p) = Σ_q I(q) k(‖R⁻¹p - q‖), q un pixel.

    k(r) = f_c J₁(2π f_c r) / r, sous une fenêtre de Kaiser de rayon 6 pixels, coupe à 0,3 cycle
    par pixel.

    Args:
        images: [B, C, H, H], tournées autour de leur centre ; les pixels hors du cadre ne comptent
            pas.
        angle: en radians, de la droite vers le bas ; 0 filtre sans tourner.
    """
    side = images.shape[-1]
    axis = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    reach = torch.arange(1 - _RADIUS, _RADIUS + 1)
    offsets = torch.cartesian_prod(reach, reach).T[..., None]  # [2, 144, 1]
    cos, sin = math.cos(angle), math.sin(angle)
    rows = []
    for y in axis:
        source = torch.stack([cos * axis + sin * y, cos * y - sin * axis])  # R⁻¹p, [2, H]
        source = (source + (side - 1) / 2)[:, None]
        q = source.floor() + offsets  # [2, 144, H]
        inside = ((q >= 0) & (q < side)).all(dim=0)
        weights = torch.where(inside, _kernel((source - q).norm(dim=0)), 0)  # [144, H]
        weights = (weights / weights.sum(dim=0)).to(images)
        column, row = q.clamp(0, side - 1).long().to(images.device)
        rows.append((images[..., row, column] * weights).sum(dim=-2))
    return torch.stack(rows, dim=-2)


def _kernel(r: Tensor) -> Tensor:
    """Le filtre k, à symétrie de révolution, nul au-delà de son rayon."""
    beta = kaiser_beta(2 * _RADIUS, 2 * (1 - 2 * _CUTOFF))  # arrêt à la fréquence de Nyquist
    window = torch.special.i0(beta * (1 - (r / _RADIUS).square()).clamp(min=0).sqrt())
    return torch.where(r < _RADIUS, jinc(_CUTOFF, r) * window, 0)


def _disc(side: int) -> Tensor:
    """Les pixels [H, H] dont le voisinage reste dans le disque inscrit, tournés ou non."""
    radius = side / 2 - _RADIUS
    if radius < 4:
        raise ValueError(
            f"images de {2 * (_RADIUS + 4)} pixels de côté au moins attendues pour EQ-R, reçu "
            f"{side}."
        )
    axis = torch.arange(side) - (side - 1) / 2
    return torch.hypot(axis[:, None], axis) < radius


def _still(synthesis: Synthesis, w: Tensor) -> Tensor:
    """Les images sans déplacement, [B, C, H, H]."""
    images = _move(synthesis, w)
    if images.dim() != 4 or images.shape[-1] != images.shape[-2]:
        raise ValueError(
            f"synthesis : images carrées [B, C, H, H] attendues, reçu {list(images.shape)}."
        )
    return images


@torch.no_grad()
def _move(
    synthesis: Synthesis,
    w: Tensor,
    translation: tuple[float, float] = (0.0, 0.0),
    angle: float = 0.0,
) -> Tensor:
    return synthesis(w, motion(translation, angle).to(w.device))


def _whole_shifts(
    reach: int, count: int, generator: torch.Generator | None
) -> list[tuple[int, int]]:
    """Des déplacements (x, y) en pixels, uniformes de -reach à reach, jamais nuls ensemble."""
    every = [(x, y) for x in range(-reach, reach + 1) for y in range(-reach, reach + 1) if x or y]
    return [every[i] for i in torch.randint(len(every), (count,), generator=generator).tolist()]


def _overlap(images: Tensor, x: int, y: int) -> Tensor:
    """Les pixels que garde l'image venue d'une translation de (x, y) pixels."""
    height, width = images.shape[-2:]
    return images[
        ..., max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)
    ]  # fmt: skip


def _decibels(errors: list[Tensor]) -> float:
    """10 log₁₀(I_max² / E[e²]), la moyenne prise sur toutes les erreurs."""
    total = sum(error.double().square().sum().item() for error in errors)
    count = sum(error.numel() for error in errors)
    return math.inf if total == 0 else 10 * math.log10(DYNAMIC_RANGE**2 * count / total)


def _check_share(largest: float) -> float:
    if not 0 < check_real("largest", largest) < 1:
        raise ValueError(
            f"largest : une fraction du côté entre 0 et 1 attendue, reçu {largest} ; écrivez "
            "largest=1/8."
        )
    return largest
