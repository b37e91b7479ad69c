"""Précision, rappel, densité, couverture : deux nuages recouverts de boules.

Chaque point d'un nuage a sa boule, qui s'arrête à son k-ième voisin du même nuage ; leur réunion
tient lieu de la région que le nuage occupe.
"""

from __future__ import annotations

from torch import Tensor

from labkit.clouds.checks import check_pair
from labkit.clouds.neighbours import inside, neighbour_radii


def precision_recall(real: Tensor, generated: Tensor, k: int = 3) -> dict[str, float]:
    """Mesure la part des points tirés dans la région des vrais, et celle des vrais dans la leur.

    T. Kynkäänniemi et coll., « Improved precision and recall metric for assessing generative
    models », 2019, éq. 1 et 2.

    Args:
        real: vrais points [N, F].
        generated: points tirés [M, F].
        k: rang du voisin où s'arrête une boule, inférieur aux deux nombres de points.

    Returns:
        `precision` et `recall`, entre 0 et 1.

    Raises:
        TypeError, ValueError: nuages impossibles ou de dimensions différentes, k qui n'est pas un
            entier d'au moins 1, ou trop grand.
    """
    real, generated = check_pair(real, generated)
    return {
        "precision": _share_inside(generated, real, k, "real"),
        "recall": _share_inside(real, generated, k, "generated"),
    }


def density_coverage(real: Tensor, generated: Tensor, k: int = 5) -> dict[str, float]:
    """Compte, par boule de vrai point, les points tirés qui y tombent, et les boules non vides.

    M. F. Naeem et coll., « Reliable fidelity and diversity metrics for generative models », 2020,
    § 3 : densité = nombre moyen de boules qui contiennent un point tiré, divisé par k ;
    couverture = part des boules qui en contiennent au moins un. Seuls les vrais points ont des
    boules : un point tiré loin de tout n'agrandit rien.

    Args:
        real, generated, k: comme pour `precision_recall`.

    Returns:
        `density`, positive, près de 1 pour deux nuages de même loi, et `coverage`, entre 0 et 1.

    Raises:
        TypeError, ValueError: comme `precision_recall`.
    """
    real, generated = check_pair(real, generated)
    hits = inside(generated, real, neighbour_radii(real, k, "real"))  # [M, N]
    return {
        "density": hits.double().sum(dim=1).mean().item() / k,
        "coverage": hits.any(dim=0).double().mean().item(),
    }


def _share_inside(points: Tensor, centres: Tensor, k: int, name: str) -> float:
    hits = inside(points, centres, neighbour_radii(centres, k, name))
    return hits.any(dim=1).double().mean().item()
