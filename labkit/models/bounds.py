"""Ce que vaut un VAE : sa perte moyenne, ses unités actives, la borne IWAE.

Y. Burda, R. Grosse et R. Salakhutdinov, « Importance weighted autoencoders », 2016.
"""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from labkit.edges import check_whole
from labkit.models.checks import check_tensor
from labkit.models.modes import evaluating
from labkit.models.vae import VAE, bce_per_image, gaussian_kl, reconstruct_batch

_BLOCK = 1000  # images traitées ensemble : borne la mémoire d'importance_weighted_bound


def evaluate(model: nn.Module, batches: Iterable[Sequence[Tensor]]) -> dict[str, float]:
    """Mesure un VAE ou un CVAE sur des lots (x, classes), comme ceux de `images.batches(1000)`.

    Chaque z est un tirage : fixez la graine avant, pour que deux modèles aient le même hasard.

    Returns:
        `bce` et `kl`, moyennes par image, en nats ; `total`, leur somme, l'opposé de l'ELBO ;
        `active`, nombre d'unités actives.

    Raises:
        ValueError: aucun lot, images hors de [0, 1].
    """
    bce, kl, means = 0.0, 0.0, []
    with evaluating(model):
        for batch in batches:
            logits, mu, logvar = reconstruct_batch(model, batch)
            bce += bce_per_image(logits, batch[0]).sum().item()
            kl += gaussian_kl(mu, logvar).sum().item()
            means.append(mu)
    if not means:
        raise ValueError("batches : aucun lot à mesurer.")
    mu = torch.cat(means)  # [N, D]
    bce, kl = bce / len(mu), kl / len(mu)
    return {"total": bce + kl, "bce": bce, "kl": kl, "active": int(active_units(mu).sum())}


def active_units(mu: Tensor, threshold: float = 0.01) -> Tensor:
    """Dit quelles dimensions latentes servent [D] : celles où mu(x) [N, D] varie, Var(mu) > seuil.

    Une dimension inactive donne la même moyenne à toutes les images ; N est au moins 2.
    """
    return mu.float().var(dim=0) > threshold


@torch.no_grad()
def importance_weighted_bound(vae: VAE, x: Tensor, k: int) -> Tensor:
    """Estime la borne IWAE, log (1/k) Σᵢ p(x, zᵢ) / q(zᵢ|x), avec zᵢ tirés de q(z|x).

    k = 1 est l'ELBO ; la borne se resserre vers log p(x) quand k grandit.

    Args:
        vae: modèle, en mode évaluation.
        x: images, dans [0, 1], [N, 1, 28, 28] ou [N, 784].
        k: nombre de tirages par image, au moins 1.

    Returns:
        La borne de chaque image [N], en nats, en float32 ; sa moyenne est celle que l'on publie.

    Raises:
        TypeError, ValueError: k qui n'est pas un entier d'au moins 1, images hors de [0, 1].
    """
    check_whole("k", k)
    return torch.cat([_bound_of_block(vae, block, k) for block in check_tensor(x).split(_BLOCK)])


def _bound_of_block(vae: VAE, x: Tensor, k: int) -> Tensor:
    mu, logvar = vae.encode(x)  # [B, D]
    log_sum = torch.full_like(mu[:, 0], -math.inf)  # log d'une somme encore vide
    for _ in range(k):  # un tirage à la fois : la mémoire ne dépend pas de k
        z = vae.reparameterize(mu, logvar)
        log_weight = (
            -bce_per_image(vae.decode_logits(z), x)  # log p(x|z)
            + _log_normal(z, torch.zeros_like(z), torch.zeros_like(z))  # + log p(z)
            - _log_normal(z, mu, logvar)  # - log q(z|x)
        )
        log_sum = torch.logaddexp(log_sum, log_weight)
    return log_sum - math.log(k)


def _log_normal(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """log N(z ; mu, σ²) de chaque ligne [B] : -½ Σ (log 2π + log σ² + (z - mu)² / σ²)."""
    terms = math.log(2 * math.pi) + logvar + (z - mu).square() * torch.exp(-logvar)
    return -0.5 * terms.sum(dim=1)
