"""Les plus proches voisins d'un point dans un nuage."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.clouds.checks import check_cloud, check_same_space
from labkit.edges import check_whole

_BLOCK = 500  # points comparés ensemble à tout l'autre nuage


def nearest(points: Tensor, among: Tensor) -> tuple[Tensor, Tensor]:
    """Trouve pour chaque point son plus proche voisin dans un autre nuage.

    Une copie est à distance nulle.

    Args:
        points: points [N, F].
        among: nuage où chercher, [M, F].

    Returns:
        (distances float64 [N], numéros int64 [N] des voisins dans `among`).

    Raises:
        ValueError: nuages impossibles, ou de dimensions différentes.
    """
    points, among = check_cloud("points", points), check_cloud("among", among)
    check_same_space("points", points, "among", among)
    # La recherche en float32, deux fois plus courte, autour du centre, où il est le plus fin ; la
    # distance du voisin trouvé, en float64.
    centre = among.mean(dim=0)
    single = (among - centre).float()
    blocks = (points - centre).float().split(_BLOCK)
    found = torch.cat([torch.cdist(block, single).argmin(dim=1) for block in blocks])
    return (points - among[found]).norm(dim=1), found


def neighbour_radii(points: Tensor, k: int, name: str) -> Tensor:
    """La distance [N] de chaque point à son k-ième voisin dans son propre nuage, lui-même exclu.

    Raises:
        TypeError, ValueError: k qui n'est pas un entier de 1 au nombre d'autres points.
    """
    k = check_whole("k", k)
    if k >= len(points):
        raise ValueError(
            f"k = {k} voisins demandés, mais chaque point de {name} n'en a que {len(points) - 1} : "
            f"donnez plus de points, ou k plus petit que {len(points)}."
        )
    # Le plus proche d'un point est lui-même, à distance nulle : le k-ième est au rang k + 1.
    blocks = [torch.cdist(block, points) for block in points.split(_BLOCK)]
    return torch.cat([block.kthvalue(k + 1, dim=1).values for block in blocks])


def inside(points: Tensor, centres: Tensor, radii: Tensor) -> Tensor:
    """Dit quels points [N] sont dans quelles boules [M] : booléens [N, M]."""
    return torch.cat([torch.cdist(block, centres) <= radii for block in points.split(_BLOCK)])
