"""Des lois du plan, dont on tire des points et dont on connaît la densité, et leurs écarts.

Toutes sont des mélanges de gaussiennes rondes de même écart type, centrées sur les points d'un
dessin : une droite, un anneau, ou ce qu'un étudiant a tracé. Leur densité, et leur part dans
chaque case d'une grille, ont donc une expression explicite, que les écarts du lab 06 emploient.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from labkit._names import did_you_mean
from labkit.edges import check_real, check_whole, received
from labkit.tables import rounded

SIDE = 20  # cases par côté de la grille qui couvre le carré [-1, 1]²
_BLUR = 0.04  # écart type autour d'un dessin
_DENSE = 400  # centres d'une courbe : bien plus serrés que son écart type


@dataclass(frozen=True)
class Law:
    """Une loi du plan : l'un des centres, tiré au hasard, plus un bruit gaussien.

    p(x) = 1/M Σ N(x ; centre, sigma² I), sur les M centres.

    Attributes:
        centres: points [M, 2] du carré [-1, 1]², M au moins 2.
        sigma: écart type du bruit, strictement positif.

    Raises:
        TypeError, ValueError: centres d'une autre forme, moins de deux, infinis, NaN ou hors du
            carré ; écart type nul, négatif ou infini.
    """

    centres: Tensor
    sigma: float = _BLUR

    def __post_init__(self):
        object.__setattr__(self, "centres", _check_points(self.centres))
        if not 0 < check_real("sigma", self.sigma) < math.inf:
            raise ValueError(
                f"sigma doit être un nombre strictement positif, reçu sigma={self.sigma}."
            )

    def sample(self, *shape: int) -> Tensor:
        """Tire des points [*shape, 2], avec le hasard de `torch`."""
        chosen = torch.randint(len(self.centres), shape)
        return self.centres[chosen] + self.sigma * torch.randn(*shape, 2)

    def density(self, x: Tensor) -> Tensor:
        """La densité p(x) en des points [N, 2] : [N], positive, par unité de surface."""
        # Par différences : un produit de matrices perdrait, à ces distances, trois chiffres.
        mode = "donot_use_mm_for_euclid_dist"
        squares = torch.cdist(x, self.centres, compute_mode=mode).square()  # [N, M]
        scale = 2 * math.pi * self.sigma**2
        return (-squares / (2 * self.sigma**2)).exp().mean(dim=1) / scale

    def shares(self, side: int = SIDE) -> Tensor:
        """La probabilité exacte de chaque case, [side² + 1], dans l'ordre de `cell_shares`.

        Une gaussienne ronde est un produit : sa part d'une case est celle de la colonne, par
        celle de la ligne, deux différences de fonctions de répartition.
        """
        edges = torch.linspace(-1, 1, check_whole("side", side) + 1, dtype=torch.float64)
        scaled = (edges - self.centres.double()[..., None]) / self.sigma  # [M, 2, side + 1]
        columns, rows = torch.special.ndtr(scaled).diff(dim=-1).unbind(1)  # [M, side] chacune
        inside = (rows.T @ columns / len(self.centres)).flatten()
        return torch.cat([inside, (1 - inside.sum(0, keepdim=True)).clamp_min(0)])


def _check_points(points: object) -> Tensor:
    try:
        tensor = torch.as_tensor(points, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"points : un tableau de nombres [N, 2] est attendu, reçu {received(points)}."
        ) from error
    if tensor.dim() != 2 or tensor.shape[1] != 2:
        raise ValueError(
            f"points : une ligne par point, [N, 2], est attendue, reçu {list(tensor.shape)} : "
            "écrivez [[0.1, 0.5], [0.2, -0.3]]."
        )
    if len(tensor) < 2:
        raise ValueError(f"points : il en faut au moins deux, reçu {len(tensor)}.")
    if not tensor.isfinite().all():
        raise ValueError("points : des coordonnées sont infinies ou NaN ; ôtez ces points.")
    if tensor.abs().max() > 1:
        raise ValueError(
            "points : toutes les coordonnées doivent être dans [-1, 1], reçu jusqu'à "
            f"{rounded(tensor.abs().max())} en valeur absolue ; divisez-les toutes par un même "
            "nombre."
        )
    return tensor


# --- les dessins ----------------------------------------------------------------------------------


def _along(curve: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
    """Des centres [M, 2] régulièrement répartis le long d'une courbe, fonction de [0, 1]."""
    middles = (torch.arange(_DENSE) + 0.5) / _DENSE
    return torch.stack(torch.broadcast_tensors(*curve(middles)), dim=1)


def _line() -> Tensor:
    return _along(lambda u: (1.4 * u - 0.7, 0.8 * u - 0.4))


def _two_lines() -> Tensor:
    lines = [_along(lambda u, y=y: (1.2 * u - 0.6, torch.full_like(u, y))) for y in (-0.4, 0.4)]
    return torch.cat(lines)


def _ring() -> Tensor:
    return _along(lambda u: (0.6 * (2 * math.pi * u).cos(), 0.6 * (2 * math.pi * u).sin()))


def _gaussians() -> Tensor:
    """Huit centres en cercle."""
    angles = torch.arange(8) * (math.pi / 4)
    return 0.6 * torch.stack([angles.cos(), angles.sin()], dim=1)


def _spiral() -> Tensor:
    """Un tour et demi ; la racine carrée garde à peu près constant l'écart entre deux centres."""

    def curve(u: Tensor) -> tuple[Tensor, Tensor]:
        turn = u.sqrt()
        return 0.75 * turn * (3 * math.pi * turn).cos(), 0.75 * turn * (3 * math.pi * turn).sin()

    return _along(curve)


_DRAWINGS = {
    "line": _line,
    "two_lines": _two_lines,
    "ring": _ring,
    "gaussians": _gaussians,
    "spiral": _spiral,
}
LAW_NAMES = tuple(_DRAWINGS)


def law(name: str) -> Law:
    """La loi d'un dessin du cours ; `LAW_NAMES` en donne les noms.

    Raises:
        ValueError: nom inconnu.
    """
    if name not in _DRAWINGS:
        raise ValueError(
            f"loi {name!r} inconnue : choisissez parmi {', '.join(LAW_NAMES)}, ou donnez vos "
            f"points à labkit.points.Law([[…], …]).{did_you_mean(name, LAW_NAMES)}"
        )
    return Law(_DRAWINGS[name]())


# --- les écarts -----------------------------------------------------------------------------------


def cell_shares(points: Tensor, side: int = SIDE, added: float = 0.0) -> Tensor:
    """La part des points qui tombe dans chaque case : [..., N, 2] -> [..., side² + 1].

    Aucun point n'est perdu : la dernière case est tout ce qui est hors du carré [-1, 1]². Les
    autres vont ligne par ligne, de bas en haut.

    Args:
        points: points [..., N, 2].
        side: cases par côté.
        added: compte ajouté à chaque case. Une part jamais nulle garde finie la KL.

    Raises:
        ValueError: autre forme, aucun point, ou points infinis ou NaN.
    """
    side = check_whole("side", side)
    if points.dim() < 2 or points.shape[-1] != 2 or not points.shape[-2]:
        raise ValueError(f"points [..., N, 2] attendus, N au moins 1, reçu {list(points.shape)}.")
    if not points.isfinite().all():
        raise ValueError("points : des coordonnées sont infinies ou NaN : G a-t-il divergé ?")
    cells = ((points.double() + 1) / 2 * side).floor()
    is_inside = ((cells >= 0) & (cells < side)).all(dim=-1)
    flat = cells[..., 1] * side + cells[..., 0]
    index = torch.where(is_inside, flat, side * side).long()  # [..., N]
    counts = torch.zeros(*points.shape[:-2], side * side + 1, dtype=torch.float64)
    counts.scatter_add_(-1, index, torch.ones_like(index, dtype=torch.float64))
    counts = counts + added
    return counts / counts.sum(dim=-1, keepdim=True)


def kl_divergence(p: Tensor, q: Tensor) -> Tensor:
    """KL(p ‖ q) = Σ p log(p / q), en nats : parts [..., cases] et [..., cases] -> [...].

    Une case que q n'occupe pas et que p occupe la rend infinie.
    """
    return torch.special.xlogy(p, p / q).nan_to_num(nan=0.0, posinf=math.inf).sum(dim=-1)


def js_divergence(p: Tensor, q: Tensor) -> Tensor:
    """JS = ½ KL(p ‖ m) + ½ KL(q ‖ m), m = ½ (p + q), de 0 à log 2 : [..., cases] -> [...]."""
    middle = (p + q) / 2
    return (kl_divergence(p, middle) + kl_divergence(q, middle)) / 2


def optimal_discriminator(p: Tensor, q: Tensor) -> Tensor:
    """D* = p / (p + q) (Goodfellow et coll., 2014, prop. 1), NaN où 0 / 0 : [cases] -> [cases]."""
    return p / (p + q)


# --- la géométrie d'une grille --------------------------------------------------------------------


def signed_areas(corners: Tensor) -> Tensor:
    """L'aire de l'image de chaque case, négative si G l'a retournée : [n, n, 2] -> [n-1, n-1].

    Celle d'un quadrilatère est la moitié du produit vectoriel de ses diagonales.
    """
    first = corners[1:, 1:] - corners[:-1, :-1]
    second = corners[:-1, 1:] - corners[1:, :-1]
    return (first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]) / 2
