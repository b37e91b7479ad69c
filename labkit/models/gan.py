"""Le GAN du lab 05 : un générateur, un discriminateur, et ce qui les oppose.

I. Goodfellow et coll., « Generative adversarial nets », 2014. Les pertes sont des fonctions de
logits, à lire contre leur formule ; les pas sont ce que `fit` donne à chacun des deux joueurs.
La version convolutive est dans `dcgan`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit.edges import check_whole, received
from labkit.models.checks import (
    check_codes,
    check_dtype,
    check_penalty,
    check_sizes,
    check_unit_interval,
    inputs_are_trusted,
    trusted_inputs,
)

Critic = Callable[[Tensor], Tensor]  # images [B, …] -> logits [B, 1]
Penalty = Callable[[Critic, Tensor, Tensor], Tensor]  # (D, vraies, tirées) -> scalaire


class Generator(nn.Module):
    """Générateur dense : z -> image de `img_dim` pixels dans [0, 1], par les couches `hidden_dims`.

    Raises:
        TypeError, ValueError: dimension latente, nombre de pixels ou tailles de couches qui ne sont
            pas des entiers d'au moins 1.
    """

    def __init__(
        self,
        latent_dim: int = 100,
        img_dim: int = 784,
        hidden_dims: Sequence[int] = (256, 512, 1024),
    ):
        super().__init__()
        latent_dim = self.latent_dim = check_whole("latent_dim", latent_dim)
        img_dim = check_whole("img_dim", img_dim)
        sizes = (latent_dim, *check_sizes("hidden_dims", hidden_dims))
        layers = []
        for size_in, size_out in itertools.pairwise(sizes):
            layers += [nn.Linear(size_in, size_out), nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], img_dim))

    def forward(self, z: Tensor) -> Tensor:
        """Change z [B, latent_dim] en images [B, img_dim] dans [0, 1].

        Raises:
            ValueError: z d'une autre forme, ou d'une autre précision que les poids.
        """
        check_dtype(self, check_codes(z, self.latent_dim), "codes z")
        # float : en bf16, la sigmoïde s'arrondirait à 1 dès un logit de 6,25.
        return torch.sigmoid(self.layers(z).float())


class Discriminator(nn.Module):
    """Discriminateur dense : image de `img_dim` pixels -> logit de « cette image est vraie ».

    Chaque couche de `hidden_dims` est suivie d'un abandon (*dropout*) de trois neurones sur dix.

    Raises:
        TypeError, ValueError: nombre de pixels ou tailles de couches qui ne sont pas des entiers
            d'au moins 1.
    """

    def __init__(self, img_dim: int = 784, hidden_dims: Sequence[int] = (1024, 512, 256)):
        super().__init__()
        img_dim = self.img_dim = check_whole("img_dim", img_dim)
        sizes = (img_dim, *check_sizes("hidden_dims", hidden_dims))
        layers = []
        for size_in, size_out in itertools.pairwise(sizes):
            layers += [nn.Linear(size_in, size_out), nn.LeakyReLU(0.2, inplace=True)]
            layers += [nn.Dropout(0.3)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))

    def forward(self, x: Tensor) -> Tensor:
        """Juge des images [B, img_dim] ou [B, 1, H, W], dans [0, 1] : logits [B, 1].

        Raises:
            ValueError: images d'un autre nombre de pixels, ou hors de [0, 1].
        """
        if check_drawn(self, x).dim() < 2 or x.shape[1:].numel() != self.img_dim:
            raise ValueError(
                f"images de {self.img_dim} pixels attendues, un lot [B, {self.img_dim}] ou "
                f"[B, 1, H, W], reçu {list(x.shape)}."
            )
        return self.layers(x.flatten(start_dim=1))


def check_drawn(discriminator: nn.Module, x: Tensor) -> Tensor:
    """Renvoie x, si ce sont des images de l'intervalle où G dessine, [0, 1].

    Raises:
        ValueError: autres images ; à deux échelles, D les distinguerait sans en regarder une.
    """
    if not inputs_are_trusted():
        check_unit_interval(
            x,
            "l'intervalle où dessine le générateur. D reconnaîtrait une autre échelle au premier "
            "coup d'œil : écrivez (x + 1) / 2 pour des images de -1 à 1, x / 255 pour des octets.",
        )
    return check_dtype(discriminator, x)


# --- les pertes -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class AdversarialLoss:
    """Les deux pertes d'un jeu, fonctions des logits [B, 1] de D.

    Attributes:
        discriminator: (logits des vraies, logits des tirées) -> scalaire que D minimise.
        generator: (logits des vraies, logits des tirées) -> scalaire que G minimise.
        is_relative: la perte de G lit aussi les logits des vraies images ; sinon elle reçoit None.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor | None, Tensor], Tensor]
    is_relative: bool = False


def logistic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-log D(x) - log(1 - D(G(z))), où D = σ(logit) : 2 log 2 quand D répond 1/2 partout."""
    return _cross_entropy(real, 1.0) + _cross_entropy(fake, 0.0)


def saturating_loss(real: Tensor | None, fake: Tensor) -> Tensor:
    """log(1 - D(G(z))) : la perte de G du jeu minimax, plate là où D ne se trompe pas."""
    return -_cross_entropy(fake, 0.0)


def non_saturating_loss(real: Tensor | None, fake: Tensor) -> Tensor:
    """-log D(G(z)) : le même optimum, et un gradient même là où D ne se trompe pas (2014, § 3)."""
    return _cross_entropy(fake, 1.0)


def smoothed_loss(real: Tensor, fake: Tensor) -> Tensor:
    """La perte logistique dont la cible des vraies est 0,9 et non 1 (Salimans et coll., 2016)."""
    return _cross_entropy(real, 0.9) + _cross_entropy(fake, 0.0)


def _cross_entropy(logits: Tensor, target: float) -> Tensor:
    """Entropie croisée moyenne des réponses de D et d'une même cible, stable pour tout logit."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


LOSSES = {
    "minimax": AdversarialLoss(logistic_loss, saturating_loss),
    "non_saturating": AdversarialLoss(logistic_loss, non_saturating_loss),
    "smoothed": AdversarialLoss(smoothed_loss, non_saturating_loss),
    # Mao et coll., 2017 : cibles 1 et 0, sans sigmoïde.
    "least_squares": AdversarialLoss(
        lambda real, fake: (real - 1).square().mean() + fake.square().mean(),
        lambda real, fake: (fake - 1).square().mean(),
    ),
    # Arjovsky et coll., 2017 : D, sans sigmoïde, estime une distance entre les deux lois.
    "wasserstein": AdversarialLoss(
        lambda real, fake: fake.mean() - real.mean(),
        lambda real, fake: -fake.mean(),
    ),
    # Jolicoeur-Martineau, 2019 : chaque tirage est jugé contre une vraie image, par paires.
    "relativistic": AdversarialLoss(
        lambda real, fake: F.softplus(fake - real).mean(),
        lambda real, fake: F.softplus(real - fake).mean(),
        is_relative=True,
    ),
}


# --- les pénalités --------------------------------------------------------------------------------


def gradient_norms(critic: Critic, x: Tensor) -> Tensor:
    """‖∇a(x)‖, a le logit de D : une norme par image de x [B, …], [B], elle-même dérivable."""
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        # La somme : sans normalisation par lot, une image n'agit sur aucun logit que le sien.
        (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return gradient.flatten(start_dim=1).norm(dim=1)


def r1_penalty(critic: Critic, real: Tensor, fake: Tensor, gamma: float) -> Tensor:
    """γ/2 · E‖∇a(x)‖² sur les vraies images (Mescheder et coll., 2018)."""
    return gamma / 2 * gradient_norms(critic, real).square().mean()


def r1_r2_penalty(critic: Critic, real: Tensor, fake: Tensor, gamma: float) -> Tensor:
    """La pénalité R1, plus la même sur les images tirées (Huang et coll., 2024)."""
    return r1_penalty(critic, real, fake, gamma) + r1_penalty(critic, fake, real, gamma)


def unit_gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, weight: float) -> Tensor:
    """λ · E(‖∇a(x̂)‖ - 1)², x̂ entre une vraie image et une tirée (Gulrajani et coll., 2017)."""
    one_each = len(real), *[1] * (real.dim() - 1)  # [B, 1, …] : la même part pour tous les pixels
    share = torch.rand(one_each, device=real.device, dtype=real.dtype)
    between = share * real + (1 - share) * fake
    return weight * (gradient_norms(critic, between) - 1).square().mean()


# --- les pas --------------------------------------------------------------------------------------


@check_penalty
def discriminator_step(
    generator: nn.Module,
    discriminator: nn.Module,
    loss: AdversarialLoss = LOSSES["non_saturating"],
    penalty: Penalty | None = None,
) -> Callable:
    """Donne le pas de D : un lot (x, classes), de vraies images, contre autant de tirages de G.

    Le pas renvoie {"loss", "real", "fake"} : la perte, puis D(x) et D(G(z)) moyens, dans [0, 1].
    G n'y apprend rien : ses images sont calculées sans gradient.

    Args:
        generator: `Generator`, `DCGenerator`, ou un module z -> images qui a une `latent_dim` ;
            s'il a aussi `num_classes`, les deux réseaux reçoivent les classes du lot.
        discriminator: module images -> logits [B, 1].
        loss: les pertes du jeu, comme `LOSSES["wasserstein"]`.
        penalty: ce qui s'ajoute à la perte, fonction (D, vraies, tirées) -> scalaire, comme
            `partial(r1_penalty, gamma=1.0)`.

    Raises:
        TypeError: perte donnée par son nom, pénalité dont un réglage n'est pas donné ; au pas, lot
            qui n'est pas (images, classes).
        ValueError: au pas, images hors de [0, 1], l'intervalle où G dessine, ou d'un autre nombre
            de pixels.
    """
    _check_loss(loss)

    def step(batch: Sequence[Tensor]) -> dict[str, Tensor]:
        real, fake, critic = _confront(generator, discriminator, batch)
        with trusted_inputs():
            real_logits, fake_logits = critic(real), critic(fake)
            total = loss.discriminator(real_logits, fake_logits)
            if penalty is not None:
                total = total + penalty(critic, real, fake)
        return {
            "loss": total,
            "real": _mean_answer(real_logits),
            "fake": _mean_answer(fake_logits),
        }

    return step


@check_penalty
def penalty_step(generator: nn.Module, discriminator: nn.Module, penalty: Penalty) -> Callable:
    """Donne le pas qui n'apprend à D que la pénalité, pour la jouer de loin en loin.

    Jouée un pas sur n (`Player(…, every=n)`), elle se donne n fois plus forte (Karras et coll.,
    2020, § 3.1). Les arguments et les erreurs sont ceux de `discriminator_step`.
    """

    def step(batch: Sequence[Tensor]) -> dict[str, Tensor]:
        real, fake, critic = _confront(generator, discriminator, batch)
        with trusted_inputs():
            return {"loss": penalty(critic, real, fake)}

    return step


def generator_step(
    generator: nn.Module,
    discriminator: nn.Module,
    loss: AdversarialLoss = LOSSES["non_saturating"],
) -> Callable:
    """Donne le pas de G : autant de tirages que d'images dans le lot, jugés par D.

    Le pas renvoie {"loss", "fake"} : la perte, puis D(G(z)) moyen, dans [0, 1]. Le gradient
    traverse D sans rien lui apprendre : `fit` ne change que le modèle du joueur.

    Args:
        generator, discriminator, loss: comme pour `discriminator_step`.

    Raises:
        TypeError: perte donnée par son nom ; au pas, lot qui n'est pas (images, classes).
    """
    _check_loss(loss)

    def step(batch: Sequence[Tensor]) -> dict[str, Tensor]:
        real, labels = _images(batch), asked_labels(generator, batch)
        critic = _judge(discriminator, labels)
        fake = draw(generator, len(real), labels)
        with trusted_inputs():
            fake_logits = critic(fake)
            real_logits = critic(real) if loss.is_relative else None
            value = loss.generator(real_logits, fake_logits)
        return {"loss": value, "fake": _mean_answer(fake_logits)}

    return step


def draw(generator: nn.Module, count: int, labels: Tensor | None = None) -> Tensor:
    """Tire `count` images de G : z ~ N(0, I) [count, latent_dim], puis G(z), ou G(z, classes).

    Raises:
        TypeError: G n'a pas d'attribut `latent_dim`.
    """
    if not hasattr(generator, "latent_dim"):
        raise TypeError(
            f"{type(generator).__name__} n'a pas de latent_dim, la dimension de z à tirer : "
            "écrivez-la parmi ses attributs, self.latent_dim = 100."
        )
    like = next(generator.parameters())
    z = torch.randn(count, generator.latent_dim, device=like.device, dtype=like.dtype)
    return generator(z) if labels is None else generator(z, labels)


def asked_labels(generator: nn.Module, batch: Sequence[Tensor]) -> Tensor | None:
    """Les classes à demander à G : celles du lot, s'il en lit."""
    return None if getattr(generator, "num_classes", None) is None else batch[1]


def _judge(discriminator: nn.Module, labels: Tensor | None) -> Critic:
    """D, à qui les classes sont données s'il y en a ; ses logits en float32, même sous autocast."""
    given = () if labels is None else (labels,)
    return lambda x: discriminator(x, *given).float()


def _mean_answer(logits: Tensor) -> Tensor:
    return logits.detach().sigmoid().mean()


def _confront(
    generator: nn.Module, discriminator: nn.Module, batch: Sequence[Tensor]
) -> tuple[Tensor, Tensor, Critic]:
    """Les vraies images d'un lot, autant de tirages, sans gradient, et D avec leurs classes."""
    real, labels = check_drawn(discriminator, _images(batch)), asked_labels(generator, batch)
    with torch.no_grad():
        fake = draw(generator, len(real), labels)
    if real.shape[1:].numel() != fake.shape[1:].numel():
        raise ValueError(
            f"vraies images {list(real.shape[1:])} et images de G {list(fake.shape[1:])} : il leur "
            "faut autant de pixels. Créez G et D pour la taille de ces images."
        )
    return real.reshape(fake.shape), fake, _judge(discriminator, labels)


def _images(batch: Sequence[Tensor]) -> Tensor:
    """Les images d'un lot (images, classes) ; d'un tenseur, batch[0] en serait une seule."""
    if isinstance(batch, Tensor):
        raise TypeError(
            f"lot : (images, classes) attendus, reçu un tenseur {list(batch.shape)} : donnez "
            "images.batches(128), ou des couples (images, classes)."
        )
    return batch[0]


def _check_loss(loss: AdversarialLoss) -> None:
    if not isinstance(loss, AdversarialLoss):
        raise TypeError(
            f"loss attend une AdversarialLoss, reçu {received(loss)} : écrivez "
            f"LOSSES[nom], où nom est l'un de {', '.join(LOSSES)}."
        )
