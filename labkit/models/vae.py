"""Les autoencodeurs variationnels du lab 03, dense et convolutif, et leurs mesures.

D. Kingma et M. Welling, « Auto-encoding variational Bayes », 2014.
Y. Burda, R. Grosse et R. Salakhutdinov, « Importance weighted autoencoders », 2016.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit.models.layers import ConvTranspose2d

_BLOCK = 1000  # images traitées ensemble : borne la mémoire d'importance_weighted_bound


class DenseEncoder(nn.Module):
    """Encodeur dense : image -> moyenne et log-variance de q(z|x).

    Args:
        input_dim: nombre de pixels d'une image.
        latent_dim: dimension de z, au moins 1.
        hidden_dims: tailles des couches cachées, de l'image vers z.

    Raises:
        ValueError: dimension latente nulle ou négative.
    """

    def __init__(self, input_dim: int = 784, latent_dim: int = 20, hidden_dims=(512, 256)):
        super().__init__()
        self.latent_dim = check_latent_dim(latent_dim)
        self.input_dim = input_dim
        self.hidden = dense_layers((input_dim, *hidden_dims))
        self.to_mu = nn.Linear(hidden_dims[-1], latent_dim)
        self.to_logvar = nn.Linear(hidden_dims[-1], latent_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Code x [B, 1, 28, 28] ou [B, input_dim] en mu et logvar [B, latent_dim]."""
        x = x.flatten(start_dim=1)  # [B, input_dim]
        if x.shape[1] != self.input_dim:
            raise ValueError(f"images de {self.input_dim} pixels attendues, reçu {x.shape[1]}.")
        h = self.hidden(x)
        return self.to_mu(h), self.to_logvar(h)


class DenseDecoder(nn.Module):
    """Décodeur dense : z -> logits des pixels [B, output_dim].

    Args:
        latent_dim: dimension de z, au moins 1.
        output_dim: nombre de pixels d'une image.
        hidden_dims: tailles des couches cachées, de z vers l'image.

    Raises:
        ValueError: dimension latente nulle ou négative.
    """

    def __init__(self, latent_dim: int = 20, output_dim: int = 784, hidden_dims=(256, 512)):
        super().__init__()
        self.latent_dim = check_latent_dim(latent_dim)
        self.hidden = dense_layers((latent_dim, *hidden_dims))
        self.to_logits = nn.Linear(hidden_dims[-1], output_dim)

    def forward(self, z: Tensor) -> Tensor:
        """Décode z [B, latent_dim] en logits [B, output_dim]."""
        return self.to_logits(self.hidden(z))


class ConvEncoder(nn.Module):
    """Encodeur convolutif : image 28×28 -> moyenne et log-variance de q(z|x).

    Args:
        latent_dim: dimension de z, au moins 1.
        channels: canaux des deux ou trois convolutions, de l'image vers z.

    Raises:
        ValueError: dimension latente nulle ou négative, ou ni deux ni trois convolutions.
    """

    def __init__(self, latent_dim: int = 20, channels=(32, 64, 128)):
        super().__init__()
        self.latent_dim = check_latent_dim(latent_dim)
        side = _check_channels(channels)
        layers = [
            nn.Conv2d(1, channels[0], 4, stride=2, padding=1), nn.ReLU(),  # 28 -> 14
            nn.Conv2d(channels[0], channels[1], 4, stride=2, padding=1),  # 14 -> 7
        ]  # fmt: skip
        if len(channels) == 3:
            layers += [nn.ReLU(), nn.Conv2d(channels[1], channels[2], 3)]  # 7 -> 5
        # ReLU après Flatten, même calcul : son gradient évite un aller-retour de format mémoire.
        self.hidden = nn.Sequential(*layers, nn.Flatten(), nn.ReLU())
        self.to_mu = nn.Linear(channels[-1] * side**2, latent_dim)
        self.to_logvar = nn.Linear(channels[-1] * side**2, latent_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Code x [B, 1, 28, 28] ou [B, 784] en mu et logvar [B, latent_dim]."""
        h = self.hidden(as_images(x))  # [B, canaux · 5 · 5], ou 7 · 7 sans la troisième
        return self.to_mu(h), self.to_logvar(h)


class ConvDecoder(nn.Module):
    """Décodeur convolutif, miroir de `ConvEncoder` : z -> logits des pixels [B, 1, 28, 28].

    Args:
        latent_dim: dimension de z, au moins 1.
        channels: les canaux de l'encodeur dont il est le miroir, dans le même ordre que lui.

    Raises:
        ValueError: dimension latente nulle ou négative, ou ni deux ni trois convolutions.
    """

    def __init__(self, latent_dim: int = 20, channels=(32, 64, 128)):
        super().__init__()
        self.latent_dim = check_latent_dim(latent_dim)
        side = _check_channels(channels)
        layers = [
            nn.Linear(latent_dim, channels[-1] * side**2),
            nn.ReLU(),
            nn.Unflatten(1, (channels[-1], side, side)),
        ]
        if len(channels) == 3:
            layers += [ConvTranspose2d(channels[2], channels[1], 3), nn.ReLU()]  # 5 -> 7
        layers += [
            ConvTranspose2d(channels[1], channels[0], 4, stride=2, padding=1), nn.ReLU(),  # 14
            ConvTranspose2d(channels[0], 1, 4, stride=2, padding=1),  # 14 -> 28
        ]  # fmt: skip
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """Décode z [B, latent_dim] en logits [B, 1, 28, 28]."""
        return self.layers(z)


class VAE(nn.Module):
    """Autoencodeur variationnel : un encodeur de q(z|x) et un décodeur de p(x|z).

    Le décodeur donne des logits, que la perte emploie tels quels (`reconstruct_logits`) ; `decode`
    et `forward` leur appliquent la sigmoïde, pour qui veut des images.

    Args:
        encoder: module x -> (mu, logvar), avec un attribut `latent_dim`.
        decoder: module z -> logits, avec le même `latent_dim`.

    Raises:
        ValueError: dimensions latentes différentes.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        super().__init__()
        if encoder.latent_dim != decoder.latent_dim:
            raise ValueError(
                f"l'encodeur donne {encoder.latent_dim} dimensions latentes et le décodeur en "
                f"attend {decoder.latent_dim} : construisez-les avec le même latent_dim."
            )
        self.encoder = encoder
        self.decoder = decoder
        self.latent_dim = encoder.latent_dim

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Code des images [B, 1, 28, 28] ou [B, 784], dans [0, 1], en mu et logvar [B, D].

        Raises:
            ValueError: images hors de [0, 1], ou d'un autre nombre de pixels.
        """
        return self.encoder(check_unit_interval(x))

    def reparameterize(self, mu: Tensor, logvar: Tensor) -> Tensor:
        """Tire z [B, D] de q(z|x) ; le gradient passe jusqu'à mu et logvar."""
        return reparameterize(mu, logvar)

    def decode_logits(self, z: Tensor) -> Tensor:
        """Décode z [B, D] en logits, de la forme que donne le décodeur.

        Raises:
            ValueError: z d'une autre forme que [B, D].
        """
        check_codes(z, self.latent_dim)
        return self.decoder(z)

    def decode(self, z: Tensor) -> Tensor:
        """Décode z [B, D] en images dans [0, 1], [B, 784] (dense) ou [B, 1, 28, 28]."""
        # float : en bf16, la sigmoïde s'arrondirait à 1 dès un logit de 6.
        return torch.sigmoid(self.decode_logits(z).float())

    def reconstruct_logits(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Code x, tire z, le décode : (logits, mu, logvar), ce qu'attend la perte."""
        mu, logvar = self.encode(x)
        return self.decode_logits(self.reparameterize(mu, logvar)), mu, logvar

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Code x, tire z, le décode : (x_recon dans [0, 1], mu, logvar)."""
        mu, logvar = self.encode(x)
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


def reparameterize(mu: Tensor, logvar: Tensor) -> Tensor:
    """Tire z de N(mu, σ²) par z = mu + σ ε, où ε vient de N(0, I).

    Le hasard est tout entier dans ε, qui ne dépend pas des paramètres : on peut dériver z.

    Args:
        mu: moyennes [B, D].
        logvar: log-variances [B, D].

    Returns:
        z [B, D].
    """
    std = torch.exp(0.5 * logvar)  # σ = exp(½ log σ²), positif quelle que soit logvar
    return mu + std * torch.randn_like(std)


def gaussian_kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """Calcule KL(N(mu, σ²) ‖ N(0, 1)) = -½ (1 + log σ² - mu² - σ²), par image et par dimension.

    Args:
        mu: moyennes [B, D].
        logvar: log-variances [B, D].

    Returns:
        Les divergences [B, D] en nats, en float32, positives ou nulles à l'arrondi près.

    Raises:
        ValueError: formes différentes.
    """
    if mu.shape != logvar.shape:
        raise ValueError(
            f"mu {list(mu.shape)} et logvar {list(logvar.shape)} doivent avoir la même forme."
        )
    mu, logvar = mu.float(), logvar.float()  # sous autocast, elles sortent en bf16
    # expm1 : σ² - 1 reste juste quand σ² est proche de 1, ce que fait une unité inactive.
    return 0.5 * (mu.square() + torch.expm1(logvar) - logvar)


def vae_loss(
    x_recon: Tensor, x: Tensor, mu: Tensor, logvar: Tensor, beta: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Calcule la perte du VAE, BCE + beta · KL, sommée sur le lot, à partir des images décodées.

    BCE = - Σ x log x̂ + (1 - x) log(1 - x̂). Pour entraîner, préférez `vae_loss_from_logits` : elle
    reste exacte là où la sigmoïde sature.

    Args:
        x_recon: images décodées, dans [0, 1], [B, 784] ou [B, 1, 28, 28].
        x: images, dans [0, 1], [B, 1, 28, 28] ou [B, 784].
        mu: moyennes de q(z|x) [B, D].
        logvar: log-variances de q(z|x) [B, D].
        beta: poids de la KL, positif ou nul ; 1 donne l'opposé de l'ELBO.

    Returns:
        (total, bce, kld), trois scalaires float32 en nats, sommés sur les images du lot.

    Raises:
        ValueError: valeurs hors de [0, 1], formes qui ne vont pas ensemble, beta négatif.
    """
    x_recon, x = _flatten_pair(x_recon, x)
    if x_recon.min() < 0 or x_recon.max() > 1:  # faux aussi pour NaN, que `fit` sait expliquer
        raise ValueError(
            "x_recon sort de [0, 1]. Si ce sont des logits, employez vae_loss_from_logits."
        )
    tiny = torch.finfo(torch.float32).tiny  # log 0 serait infini
    log_on = x_recon.float().clamp(min=tiny).log()
    log_off = (1 - x_recon.float()).clamp(min=tiny).log()
    bce = -(x * log_on + (1 - x) * log_off).sum()
    return _total(bce, mu, logvar, beta)


def vae_loss_from_logits(
    logits: Tensor, x: Tensor, mu: Tensor, logvar: Tensor, beta: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Calcule la même perte que `vae_loss` à partir des logits, stable même s'ils sont en bf16.

    Avec x̂ = sigmoïde(l), la BCE d'un pixel s'écrit max(l, 0) - l x + log(1 + exp(-|l|)), sans
    logarithme de zéro.

    Args:
        logits: logits des pixels, [B, 784] ou [B, 1, 28, 28].
        x: images, dans [0, 1], [B, 1, 28, 28] ou [B, 784].
        mu: moyennes de q(z|x) [B, D].
        logvar: log-variances de q(z|x) [B, D].
        beta: poids de la KL, positif ou nul ; 1 donne l'opposé de l'ELBO.

    Returns:
        (total, bce, kld), trois scalaires float32 en nats, sommés sur les images du lot.

    Raises:
        ValueError: images hors de [0, 1], formes qui ne vont pas ensemble, beta négatif.
    """
    return _total(_bce_per_image(logits, x).sum(), mu, logvar, beta)


@torch.no_grad()
def importance_weighted_bound(vae: VAE, x: Tensor, k: int) -> Tensor:
    """Estime la borne IWAE, log (1/k) Σᵢ p(x, zᵢ) / q(zᵢ|x), avec zᵢ tirés de q(z|x).

    k = 1 est l'ELBO ; la borne se resserre vers log p(x) quand k grandit (Burda et coll., 2016).

    Args:
        vae: modèle, en mode évaluation.
        x: images, dans [0, 1], [N, 1, 28, 28] ou [N, 784].
        k: nombre de tirages par image, au moins 1.

    Returns:
        La borne de chaque image [N], en nats, en float32 ; sa moyenne est celle que l'on publie.

    Raises:
        ValueError: k nul ou négatif, images hors de [0, 1].
    """
    if k < 1:
        raise ValueError(f"il faut au moins un tirage par image, reçu k = {k}.")
    return torch.cat([_bound_of_block(vae, block, k) for block in x.split(_BLOCK)])


def _bound_of_block(vae: VAE, x: Tensor, k: int) -> Tensor:
    mu, logvar = vae.encode(x)  # [B, D]
    log_sum = torch.full_like(mu[:, 0], -math.inf)  # log d'une somme encore vide
    for _ in range(k):  # un tirage à la fois : la mémoire ne dépend pas de k
        z = vae.reparameterize(mu, logvar)
        log_weight = (
            -_bce_per_image(vae.decode_logits(z), x)  # log p(x|z)
            + _log_normal(z, torch.zeros_like(z), torch.zeros_like(z))  # + log p(z)
            - _log_normal(z, mu, logvar)  # - log q(z|x)
        )
        log_sum = torch.logaddexp(log_sum, log_weight)
    return log_sum - math.log(k)


def active_units(mu: Tensor, threshold: float = 0.01) -> Tensor:
    """Dit quelles dimensions latentes servent : celles où mu(x) varie d'une image à l'autre.

    Une dimension effondrée donne la même moyenne à toutes les images (Burda et coll., 2016).

    Args:
        mu: moyennes de q(z|x) sur un jeu d'images [N, D], N au moins 2.
        threshold: variance au-delà de laquelle une dimension est active.

    Returns:
        Booléens [D] ; leur somme est le nombre d'unités actives.
    """
    return mu.float().var(dim=0) > threshold


def _bce_per_image(logits: Tensor, x: Tensor) -> Tensor:
    """-log p(x|z) de chaque image [B], en nats : p(x|z) est une loi de Bernoulli par pixel."""
    logits, x = _flatten_pair(logits, x)
    # float : 784 termes sommés en bf16 perdraient tout.
    return F.binary_cross_entropy_with_logits(logits.float(), x, reduction="none").sum(dim=1)


def _log_normal(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """log N(z ; mu, σ²) de chaque ligne [B] : -½ Σ (log 2π + log σ² + (z - mu)² / σ²)."""
    terms = math.log(2 * math.pi) + logvar + (z - mu).square() * torch.exp(-logvar)
    return -0.5 * terms.sum(dim=1)


def _total(bce: Tensor, mu: Tensor, logvar: Tensor, beta: float) -> tuple[Tensor, Tensor, Tensor]:
    if beta < 0:
        raise ValueError(f"beta doit être positif ou nul, reçu {beta}.")
    kld = gaussian_kl(mu, logvar).sum()
    return bce + beta * kld, bce, kld


def _flatten_pair(output: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Sortie du décodeur et images, toutes deux [B, pixels], après vérification."""
    output, x = output.flatten(start_dim=1), x.flatten(start_dim=1)
    if output.shape != x.shape:
        raise ValueError(
            f"le décodeur donne {list(output.shape)} (images × pixels) pour {list(x.shape)}."
        )
    return output, check_unit_interval(x)


def check_unit_interval(x: Tensor) -> Tensor:
    """Rend x si ses valeurs sont dans [0, 1], seules à avoir un sens pour la BCE."""
    low, high = x.aminmax()
    if not (low >= 0 and high <= 1):  # vrai aussi pour NaN
        raise ValueError(
            f"images hors de [0, 1] (de {low:.3g} à {high:.3g}) : la BCE n'y a pas de sens. Les "
            "lots de `images.batches(...)` y sont par défaut ; divisez des octets par 255."
        )
    return x


def check_codes(z: Tensor, latent_dim: int) -> None:
    """Refuse des codes z qui ne sont pas [B, latent_dim], comme le décodeur les attend."""
    if z.dim() != 2 or z.shape[1] != latent_dim:
        raise ValueError(f"codes z [B, {latent_dim}] attendus, reçu {list(z.shape)}.")


def check_latent_dim(latent_dim: int) -> int:
    """Rend la dimension latente si elle vaut au moins 1."""
    if latent_dim < 1:
        raise ValueError(f"la dimension latente doit être au moins 1, reçu {latent_dim}.")
    return latent_dim


def _check_channels(channels) -> int:
    """Côté de la dernière carte : 7 après deux convolutions, 5 après trois."""
    if len(channels) not in (2, 3):
        raise ValueError(
            f"deux ou trois convolutions attendues, reçu {len(channels)} : {tuple(channels)}. Une "
            "image 28×28 ne se divise par deux que deux fois."
        )
    return 7 if len(channels) == 2 else 5


def as_images(x: Tensor) -> Tensor:
    """Remet des images [B, 784] ou [B, 1, 28, 28] en [B, 1, 28, 28]."""
    if x[0].numel() != 784:
        raise ValueError(f"images de 784 pixels attendues, reçu {list(x.shape)}.")
    return x.reshape(len(x), 1, 28, 28)


def dense_layers(sizes) -> nn.Sequential:
    """Enchaîne des couches linéaires de ces tailles, chacune suivie d'une ReLU."""
    layers = []
    for size_in, size_out in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(size_in, size_out), nn.ReLU()]
    return nn.Sequential(*layers)
