"""Les autoencodeurs variationnels du lab 03, dense et convolutif, et leur perte.

D. Kingma et M. Welling, « Auto-encoding variational Bayes », 2014. Les bornes et les mesures sont
dans `bounds`.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit.edges import check_real, check_whole
from labkit.models.checks import (
    as_images,
    check_codes,
    check_dtype,
    check_sizes,
    check_tensor,
    check_unit_interval,
)


class DenseEncoder(nn.Module):
    """Encodeur dense : image de `input_dim` pixels -> mu et logvar de q(z|x), par `hidden_dims`.

    Raises:
        TypeError, ValueError: dimension latente qui n'est pas un entier d'au moins 1.
    """

    def __init__(
        self, input_dim: int = 784, latent_dim: int = 20, hidden_dims: Sequence[int] = (512, 256)
    ):
        super().__init__()
        latent_dim = self.latent_dim = check_whole("latent_dim", latent_dim)
        input_dim = self.input_dim = check_whole("input_dim", input_dim)
        hidden_dims = check_sizes("hidden_dims", hidden_dims)
        self.hidden = _dense_layers((input_dim, *hidden_dims))
        self.to_mu = nn.Linear(hidden_dims[-1], latent_dim)
        self.to_logvar = nn.Linear(hidden_dims[-1], latent_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Code x [B, 1, 28, 28] ou [B, input_dim] en mu et logvar [B, latent_dim]."""
        x = check_tensor(x).flatten(start_dim=1)  # [B, input_dim]
        if x.shape[1] != self.input_dim:
            raise ValueError(f"images de {self.input_dim} pixels attendues, reçu {x.shape[1]}.")
        h = self.hidden(x)
        return self.to_mu(h), self.to_logvar(h)


class DenseDecoder(nn.Module):
    """Décodeur dense : z -> logits de `output_dim` pixels, par les couches `hidden_dims`.

    Raises:
        TypeError, ValueError: dimension latente qui n'est pas un entier d'au moins 1.
    """

    def __init__(
        self, latent_dim: int = 20, output_dim: int = 784, hidden_dims: Sequence[int] = (256, 512)
    ):
        super().__init__()
        latent_dim = self.latent_dim = check_whole("latent_dim", latent_dim)
        output_dim = check_whole("output_dim", output_dim)
        hidden_dims = check_sizes("hidden_dims", hidden_dims)
        self.hidden = _dense_layers((latent_dim, *hidden_dims))
        self.to_logits = nn.Linear(hidden_dims[-1], output_dim)

    def forward(self, z: Tensor) -> Tensor:
        """Décode z [B, latent_dim] en logits [B, output_dim]."""
        return self.to_logits(self.hidden(z))


class ConvEncoder(nn.Module):
    """Encodeur convolutif : image 28×28 -> mu et logvar de q(z|x).

    `channels` sont les canaux des deux ou trois convolutions, de l'image vers z.

    Raises:
        TypeError, ValueError: dimension latente qui n'est pas un entier d'au moins 1 ;
            ni deux ni trois convolutions.
    """

    def __init__(self, latent_dim: int = 20, channels: Sequence[int] = (32, 64, 128)):
        super().__init__()
        latent_dim = self.latent_dim = check_whole("latent_dim", latent_dim)
        side = _check_channels(channels)
        layers = [
            nn.Conv2d(1, channels[0], 4, stride=2, padding=1), nn.ReLU(),  # 28 -> 14
            nn.Conv2d(channels[0], channels[1], 4, stride=2, padding=1),  # 14 -> 7
        ]  # fmt: skip
        if len(channels) == 3:
            layers += [nn.ReLU(), nn.Conv2d(channels[1], channels[2], 3)]  # 7 -> 5
        self.hidden = nn.Sequential(*layers, nn.ReLU(), nn.Flatten())
        self.to_mu = nn.Linear(channels[-1] * side**2, latent_dim)
        self.to_logvar = nn.Linear(channels[-1] * side**2, latent_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Code x [B, 1, 28, 28] ou [B, 784] en mu et logvar [B, latent_dim]."""
        h = self.hidden(as_images(x))  # [B, canaux · 5 · 5], ou 7 · 7 sans la troisième
        return self.to_mu(h), self.to_logvar(h)


class ConvDecoder(nn.Module):
    """Décodeur convolutif, miroir de `ConvEncoder` : z -> logits des pixels.

    `channels` sont ceux de l'encodeur dont il est le miroir, dans le même ordre que lui.

    Raises:
        TypeError, ValueError: dimension latente qui n'est pas un entier d'au moins 1 ;
            ni deux ni trois convolutions.
    """

    def __init__(self, latent_dim: int = 20, channels: Sequence[int] = (32, 64, 128)):
        super().__init__()
        latent_dim = self.latent_dim = check_whole("latent_dim", latent_dim)
        side = _check_channels(channels)
        layers = [
            nn.Linear(latent_dim, channels[-1] * side**2),
            nn.ReLU(),
            nn.Unflatten(1, (channels[-1], side, side)),
        ]
        if len(channels) == 3:
            layers += [nn.ConvTranspose2d(channels[2], channels[1], 3), nn.ReLU()]  # 5 -> 7
        layers += [
            nn.ConvTranspose2d(channels[1], channels[0], 4, stride=2, padding=1), nn.ReLU(),  # 14
            nn.ConvTranspose2d(channels[0], 1, 4, stride=2, padding=1),  # 14 -> 28
        ]  # fmt: skip
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """Décode z [B, latent_dim] en logits [B, 1, 28, 28]."""
        return self.layers(z)


class VAE(nn.Module):
    """Autoencodeur variationnel : un encodeur de q(z|x) et un décodeur de p(x|z).

    Le décodeur donne des logits, que la perte emploie tels quels (`reconstruct_logits`) ; `decode`
    et `forward` leur appliquent la sigmoïde, pour qui veut des images.

    `encoder` est un module x -> (mu, logvar), `decoder` un module z -> logits ; tous deux portent
    leur `latent_dim`, dimension de z.

    Raises:
        TypeError: encodeur ou décodeur sans `latent_dim`.
        ValueError: dimensions latentes différentes.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        super().__init__()
        for name, part in (("encoder", encoder), ("decoder", decoder)):
            if not hasattr(part, "latent_dim"):
                raise TypeError(
                    f"{name} : un module qui porte son latent_dim est attendu, comme "
                    f"{'DenseEncoder' if name == 'encoder' else 'DenseDecoder'}(latent_dim=20), "
                    f"reçu {type(part).__name__}."
                )
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
        return self.encoder(check_dtype(self.encoder, check_unit_interval(x)))

    def reparameterize(self, mu: Tensor, logvar: Tensor) -> Tensor:
        """Tire z [B, D] de q(z|x) ; le gradient passe jusqu'à mu et logvar."""
        return reparameterize(mu, logvar)

    def decode_logits(self, z: Tensor) -> Tensor:
        """Décode z [B, D] en logits, de la forme que donne le décodeur.

        Raises:
            ValueError: z d'une autre forme que [B, D].
        """
        return self.decoder(check_dtype(self.decoder, check_codes(z, self.latent_dim), "codes z"))

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
    """Tire z [B, D] de N(mu, σ²) par z = mu + σ ε, où ε vient de N(0, I).

    Le hasard est tout entier dans ε, qui ne dépend pas des paramètres : on peut dériver z.
    """
    std = torch.exp(0.5 * logvar)  # σ = exp(½ log σ²), positif quelle que soit logvar
    return mu + std * torch.randn_like(std)


# --- la perte -------------------------------------------------------------------------------------


def gaussian_kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """Calcule KL(N(mu, σ²) ‖ N(0, 1)) = ½ (mu² + σ² - 1 - log σ²), par image et par dimension.

    Les divergences [B, D] sont en nats, en float32, positives ou nulles à l'arrondi près.

    Raises:
        ValueError: formes différentes.
    """
    if check_tensor(mu, "mu").shape != check_tensor(logvar, "logvar").shape:
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
        (total, bce, kl), trois scalaires float32 en nats, sommés sur les images du lot.

    Raises:
        ValueError: valeurs hors de [0, 1], formes qui ne vont pas ensemble, beta négatif.
    """
    x_recon, x = _flatten_pair(x_recon, check_unit_interval(x))
    if x_recon.min() < 0 or x_recon.max() > 1:  # faux aussi pour NaN, que `fit` sait expliquer
        raise ValueError(
            "x_recon sort de [0, 1]. Si ce sont des logits, employez vae_loss_from_logits."
        )
    tiny = torch.finfo(torch.float32).tiny  # log 0 serait infini
    log_on = x_recon.float().clamp(min=tiny).log()
    log_off = (1 - x_recon.float()).clamp(min=tiny).log()
    bce = -(x * log_on + (1 - x) * log_off).sum()
    return _weigh(bce, gaussian_kl(mu, logvar).sum(), beta)


def vae_loss_from_logits(
    logits: Tensor, x: Tensor, mu: Tensor, logvar: Tensor, beta: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Calcule la même perte que `vae_loss` à partir des logits, stable même s'ils sont en bf16.

    Avec x̂ = sigmoïde(l), la BCE d'un pixel s'écrit max(l, 0) - l x + log(1 + exp(-|l|)), sans
    logarithme de zéro. `logits` a la forme de `x_recon` ; le reste est comme pour `vae_loss`.

    Raises:
        ValueError: images hors de [0, 1], formes qui ne vont pas ensemble, beta négatif.
    """
    bce = bce_per_image(logits, check_unit_interval(x)).sum()
    return _weigh(bce, gaussian_kl(mu, logvar).sum(), beta)


def vae_step(model: nn.Module, beta: float | Callable[[float], float] = 1.0) -> Callable:
    """Donne le pas que `fit` répète : lot (x, classes) -> BCE + beta · KL, en nats par image.

    Le pas renvoie {"loss", "bce", "kl"}, moyennes sur le lot.

    Args:
        model: `VAE`, qui ne regarde que x, ou un modèle conditionnel comme `ConvCVAE`, qui a un
            attribut `num_classes` et reçoit aussi les classes.
        beta: poids de la KL, positif ou nul, ou fonction de la part de l'entraînement déjà faite,
            de 0 à 1 ; le pas attend alors cette part : `step(batch, progress)`.

    Raises:
        ValueError: beta négatif, images hors de [0, 1].
    """

    def step(batch: Sequence[Tensor], weight: float) -> dict[str, Tensor]:
        logits, mu, logvar = reconstruct_batch(model, batch)
        bce = bce_per_image(logits, batch[0]).sum()
        total, bce, kl = _weigh(bce, gaussian_kl(mu, logvar).sum(), weight)
        return {"loss": total / len(mu), "bce": bce / len(mu), "kl": kl / len(mu)}

    if callable(beta):
        return lambda batch, progress: step(batch, beta(progress))
    _check_beta(beta)
    return lambda batch: step(batch, beta)


def reconstruct_batch(model: nn.Module, batch: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """(logits, mu, logvar) d'un lot (x, classes) ; seul un modèle conditionnel lit les classes."""
    return model.reconstruct_logits(*(batch if hasattr(model, "num_classes") else batch[:1]))


def bce_per_image(logits: Tensor, x: Tensor) -> Tensor:
    """-log p(x|z) de chaque image [B], en nats : p(x|z) est une loi de Bernoulli par pixel."""
    logits, x = _flatten_pair(logits, x)
    # float : 784 termes sommés en bf16 perdraient tout.
    return F.binary_cross_entropy_with_logits(logits.float(), x, reduction="none").sum(dim=1)


def _weigh(bce: Tensor, kl: Tensor, beta: float) -> tuple[Tensor, Tensor, Tensor]:
    _check_beta(beta)
    return bce + beta * kl, bce, kl


def _check_beta(beta: float | Tensor) -> None:
    if not isinstance(beta, Tensor):  # ce que peut rendre une fonction de l'avancement
        check_real("beta", beta)
    if beta < 0:
        raise ValueError(f"beta doit être positif ou nul, reçu {beta}.")


def _flatten_pair(output: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Sortie du décodeur et images, toutes deux [B, pixels]."""
    check_tensor(output, "sortie du décodeur")
    output, x = output.flatten(start_dim=1), x.flatten(start_dim=1)
    if output.shape != x.shape:
        raise ValueError(
            f"le décodeur donne {list(output.shape)} (images × pixels) pour {list(x.shape)}."
        )
    return output, x


# --- les couches ----------------------------------------------------------------------------------


def _check_channels(channels: Sequence[int]) -> int:
    """Côté de la dernière carte : 7 après deux convolutions, 5 après trois."""
    if len(check_sizes("channels", channels)) not in (2, 3):
        raise ValueError(
            f"deux ou trois convolutions attendues, reçu {len(channels)} : {tuple(channels)}. Une "
            "image 28×28 ne se divise par deux que deux fois."
        )
    return 7 if len(channels) == 2 else 5


def _dense_layers(sizes: Sequence[int]) -> nn.Sequential:
    """Enchaîne des couches linéaires de ces tailles, chacune suivie d'une ReLU."""
    layers = []
    for size_in, size_out in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(size_in, size_out), nn.ReLU()]
    return nn.Sequential(*layers)
