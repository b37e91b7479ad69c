"""Réponses justes et fausses aux exercices du lab 10."""

import math

import torch

import labkit
from labkit import clouds


def names() -> dict:
    """Ce que le lab a défini avant ses exercices."""
    return {
        "labkit": labkit, "clouds": clouds, "torch": torch, "math": math, "number": labkit.number,
    }  # fmt: skip


FID = "def gaussian_fid(mean_1, covariance_1, mean_2, covariance_2):\n"
GAP = "    gap = ((mean_1 - mean_2) ** 2).sum()\n"
TRACES = "    traces = covariance_1.trace() + covariance_2.trace()\n"
PAIR = "def precision_and_recall(real, generated, k=3):\n"
INSIDE = """
    def share(points, centres):
        radii = torch.cdist(centres, centres).kthvalue(k + 1, dim=1).values
        return (torch.cdist(points, centres) <= radii).any(dim=1).double().mean().item()

"""

RIGHT = {
    1: {
        "la racine symétrique": FID + GAP + TRACES + """
    values, vectors = torch.linalg.eigh(covariance_1)
    root = vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T
    inner = torch.linalg.eigvalsh(root @ covariance_2 @ root)
    return gap + traces - 2 * inner.clamp(min=0).sqrt().sum()
""",
        "des racines complexes": FID + GAP + TRACES + """
    product = torch.linalg.eigvals(covariance_1 @ covariance_2)
    return float(gap + traces - 2 * torch.sqrt(product).real.sum())
""",
        "l'autre ordre du produit": FID + GAP + TRACES + """
    product = torch.linalg.eigvals(covariance_2 @ covariance_1).real.clamp(min=0)
    return gap + traces - 2 * product.sqrt().sum()
""",
    },
    2: {
        "par tri": PAIR + """
    def radii(cloud):
        return torch.cdist(cloud, cloud).sort(dim=1).values[:, k]

    def share(points, centres):
        near = torch.cdist(points, centres) <= radii(centres)[None]
        return near.any(1).float().mean()

    return share(generated, real), share(real, generated)
""",
        "un tenseur": PAIR + INSIDE + """
    return torch.tensor([share(generated, real), share(real, generated)])
""",
        "soi-même mis à l'infini": PAIR + """
    pair = []
    for points, centres in ((generated, real), (real, generated)):
        own = torch.cdist(centres, centres)
        own.fill_diagonal_(math.inf)
        radii = own.topk(k, largest=False).values[:, -1]
        hits = (points[:, None] - centres).norm(dim=2) <= radii
        pair.append(hits.any(dim=1).double().mean().item())
    return pair
""",
        "une boucle": PAIR + """
    def radius(points, i):
        gaps = sorted((points[i] - points[j]).norm() for j in range(len(points)) if j != i)
        return gaps[k - 1]

    def share(points, centres):
        radii = [radius(centres, i) for i in range(len(centres))]
        inside = [
            any((x - c).norm() <= r for c, r in zip(centres, radii)) for x in points
        ]
        return sum(inside) / len(inside)

    return share(generated, real), share(real, generated)
""",
    },
}  # fmt: skip

WRONG = {
    1: {
        "la racine élément par élément": (
            FID + GAP + TRACES + """
    root = (covariance_1 @ covariance_2).clamp(min=0).sqrt()
    return gap + traces - 2 * root.trace()
""",
            "✗ deux lois quelconques",
        ),
        "les diagonales seules": (
            FID + """
    stds = covariance_1.diagonal().sqrt(), covariance_2.diagonal().sqrt()
    return ((mean_1 - mean_2) ** 2).sum() + ((stds[0] - stds[1]) ** 2).sum()
""",
            "✗ N(0, I) et une covariance penchée",
        ),
        "la norme sans le carré": (
            FID + TRACES + """
    product = torch.linalg.eigvals(covariance_1 @ covariance_2).real.clamp(min=0)
    return (mean_1 - mean_2).norm() + traces - 2 * product.sqrt().sum()
""",
            "✗ deux moyennes distantes de 5 : 25 — 5,000 au lieu de 25,000",
        ),
        "un seul produit": (
            FID + GAP + TRACES + """
    product = torch.linalg.eigvals(covariance_1 @ covariance_2).real.clamp(min=0)
    return gap + traces - product.sqrt().sum()
""",
            "✗ une loi et elle-même : 0 — 4,000 au lieu de 0,000",
        ),
        "la norme de l'écart des covariances": (
            FID + GAP + "    return gap + (covariance_1 - covariance_2).square().sum()\n",
            "✗ écarts types 1 et 3 sur les deux axes : 8 — 128,000 au lieu de 8,000",
        ),
        "valeurs propres d'une matrice non symétrique par eigvalsh": (
            FID + GAP + TRACES + """
    product = torch.linalg.eigvalsh(covariance_1 @ covariance_2).clamp(min=0)
    return gap + traces - 2 * product.sqrt().sum()
""",
            "✗ deux lois quelconques",
        ),
        "rien": (FID + GAP, "ne renvoie rien"),
    },
    2: {
        "le voisin de rang k, soi compris": (
            PAIR + INSIDE.replace("k + 1", "k") + """
    return share(generated, real), share(real, generated)
""",
            "✗ l'exemple de la section 2, k = 1",
        ),
        "le couple échangé": (
            PAIR + INSIDE + "    return share(real, generated), share(generated, real)\n",
            "les deux nombres sont échangés",
        ),
        "les rayons de l'autre nuage": (
            PAIR + """
    def share(points, centres):
        radii = torch.cdist(points, points).kthvalue(k + 1, dim=1).values
        return (torch.cdist(points, centres) <= radii[:, None]).any(1).double().mean().item()

    return share(generated, real), share(real, generated)
""",
            "✗ le même, k = 2",
        ),
        "k oublié": (
            PAIR + INSIDE.replace("k + 1", "2") + """
    return share(generated, real), share(real, generated)
""",
            "✗ le même, k = 2",
        ),
        "le bord exclu": (
            PAIR + INSIDE.replace("<=", "<") + """
    return share(generated, real), share(real, generated)
""",
            "✗ le bord d'une boule compte",
        ),
        "toutes les boules, au lieu d'une": (
            PAIR + INSIDE.replace("any(dim=1)", "all(dim=1)") + """
    return share(generated, real), share(real, generated)
""",
            "✗ l'exemple de la section 2, k = 1",
        ),
        "un seul nombre": (PAIR + INSIDE + "    return share(generated, real)\n", "un couple"),
        "rien": (PAIR + INSIDE, "ne renvoie rien"),
    },
}  # fmt: skip
