"""Tirer d'un modèle de diffusion : trois façons de prédire le bruit, deux de faire un pas.

Tout tirage est la même boucle, `descend`, autour d'une fonction (x, t) -> bruit prédit. Un réseau
seul, un réseau guidé par la classe, un bon réseau éloigné d'un mauvais n'en diffèrent que par
cette fonction ; DDPM et DDIM, que par le pas.

J. Ho, A. Jain et P. Abbeel, « Denoising diffusion probabilistic models », 2020 ; J. Song, C. Meng
et S. Ermon, « Denoising diffusion implicit models », 2021 ; J. Ho et T. Salimans, « Classifier-free
diffusion guidance », 2022 ; T. Karras et coll., « Guiding a diffusion model with a bad version of
itself », 2024.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from labkit.edges import check_real, check_whole
from labkit.models.checks import class_tensor, trusted_inputs
from labkit.precision import fast_inference

if TYPE_CHECKING:
    from labkit.models.diffusion import DDPM

Labels = Tensor | Sequence[int]  # classes entières [B]
# x_t [B, C, H, W] et instants t int64 [B] -> bruit prédit ε̂, float32, de la forme de x_t.
Predict = Callable[[Tensor, Tensor], Tensor]
# x_t, t, instants visés [B] et ε̂ -> x à l'instant visé ; -1 désigne l'image elle-même.
Step = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

# --- prédire le bruit -----------------------------------------------------------------------------


def prediction(model: nn.Module, labels: Labels | None = None) -> Predict:
    """Le réseau tel quel : ε̂ = ε(x, t), ou ε(x, t, c) pour des classes c [B].

    Raises:
        ValueError: classes pour un modèle sans classes, qui ne sont pas des entiers [B], ou
            inconnues du modèle.
    """
    return _network(model, None if labels is None else class_labels(model, labels))


def _network(model: nn.Module, labels: Tensor | None) -> Predict:
    """Le réseau tel quel, pour des classes déjà vérifiées."""

    @torch.no_grad()
    def predict(x: Tensor, t: Tensor) -> Tensor:
        with fast_inference(x.device):
            return run_network(model, x, t, labels).float()

    return predict


def class_guidance(model: nn.Module, labels: Labels, scale: float) -> Predict:
    """Le guidage par la classe : ε̂ = ε(x, t) + s (ε(x, t, c) - ε(x, t)), c les classes [B].

    L'échelle s ≥ 0 vaut 0 pour oublier la classe, 1 pour la suivre ; au-delà, elle l'exagère (Ho et
    Salimans, 2022, éq. 6).

    Raises:
        TypeError: échelle qui n'est pas un nombre.
        ValueError: modèle sans classes, classes qui ne sont pas des entiers [B], échelle négative.
    """
    labels = class_labels(model, labels)
    _check_scale(scale)
    hidden = torch.full_like(labels, model.num_classes)
    if scale in (0, 1):  # l'une des deux prédictions ne compte pas
        return _network(model, labels if scale else hidden)
    both = _network(model, torch.cat([labels, hidden]))

    def predict(x: Tensor, t: Tensor) -> Tensor:
        # Les deux prédictions en un seul passage, sur un lot double.
        conditional, unconditional = both(torch.cat([x, x]), torch.cat([t, t])).chunk(2)
        return _extrapolate(unconditional, conditional, scale)

    return predict


def autoguidance(good: nn.Module, bad: nn.Module, scale: float) -> Predict:
    """L'autoguidage : ε̂ = ε_mauvais(x, t) + s (ε_bon(x, t) - ε_mauvais(x, t)), s ≥ 0.

    s = 1 donne le bon réseau ; au-delà, on s'éloigne du mauvais, entraîné sur les mêmes images mais
    plus petit ou moins longtemps (Karras et coll., 2024, éq. 1).

    Raises:
        TypeError, ValueError: échelle qui n'est pas un nombre positif ou nul.
    """
    _check_scale(scale)
    good, bad = prediction(good), prediction(bad)
    if scale in (0, 1):  # l'une des deux prédictions ne compte pas
        return good if scale else bad
    return lambda x, t: _extrapolate(bad(x, t), good(x, t), scale)


def run_network(model: nn.Module, x: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
    """ε(x, t), ou ε(x, t, c) s'il y a des classes : un réseau sans classes n'en reçoit pas.

    Images et classes sont vérifiées avant d'entrer dans la boucle : le réseau ne les relit pas.
    """
    with trusted_inputs():
        return model(x, t) if labels is None else model(x, t, labels)


def _extrapolate(start: Tensor, end: Tensor, scale: float) -> Tensor:
    return start + scale * (end - start)


def class_labels(model: nn.Module, labels: Labels, count: int | None = None) -> Tensor:
    """Les classes int64 [B], sur l'appareil du modèle ; une liste d'entiers est acceptée.

    Raises:
        ValueError: modèle sans classes, classes non entières, inconnues de lui, ou d'un autre
            nombre que `count`.
    """
    labels = class_tensor(labels, class_count(model), count)
    return labels.to(next((p.device for p in model.parameters()), labels.device))


def class_count(model: nn.Module) -> int:
    """Le nombre de classes du modèle, s'il en a."""
    count = getattr(model, "num_classes", None)
    if count is None:
        raise ValueError(
            "ce modèle n'a pas de classes : entraînez un UNet(num_classes=10) pour le guider."
        )
    return count


def _check_scale(scale: float) -> None:
    check_real("scale", scale)
    if not scale >= 0:  # vrai aussi pour NaN
        raise ValueError(f"l'échelle du guidage doit être positive ou nulle, reçu {scale}.")


# --- descendre ------------------------------------------------------------------------------------


def descend(
    predict: Predict, step: Step, x: Tensor, times: Sequence[int]
) -> Iterator[tuple[int, Tensor]]:
    """Descend du bruit x à l'image, aux instants décroissants `times` : la boucle de tout tirage.

    Donne (t, x), l'image [B, C, H, W] qui quitte l'instant t ; la dernière est le tirage, dans
    [-1, 1].
    """

    def everywhere(t: int) -> Tensor:
        return torch.full((len(x),), t, device=x.device)  # [B]

    for t, after in pairwise([*times, -1]):
        now = everywhere(t)
        x = step(x, now, everywhere(after), predict(x, now))
        yield t, x


def ancestral_step(process: DDPM, x: Tensor, t: Tensor, after: Tensor, noise: Tensor) -> Tensor:
    """Tire x_{t-1} de q(x_{t-1} | x_t, x̂0) : un pas de l'algorithme 2 de DDPM, où `after` = t - 1.

    Moyenne (√ᾱ_{t-1} β_t x̂0 + √α_t (1 - ᾱ_{t-1}) x_t) / (1 - ᾱ_t) (éq. 7), variance
    β̃_t = (1 - ᾱ_{t-1}) / (1 - ᾱ_t) β_t, nulle à t = 0.
    """
    x0 = estimate_x0(x, noise, per_image(process.alpha_bars, t))
    beta, alpha = per_image(process.betas, t), per_image(process.alphas, t)
    noise_level = per_image(process.noise_levels, t)  # 1 - ᾱ_t
    noise_after = per_image(process.noise_levels, after)  # 1 - ᾱ_{t-1}
    mean = (
        per_image(process.image_levels, after).sqrt() * beta * x0  # la part de l'image estimée
        + alpha.sqrt() * noise_after * x  # la part de là où nous sommes
    ) / noise_level
    variance = noise_after / noise_level * beta
    return mean + variance.sqrt() * torch.randn_like(x)


def ddim_step(
    process: DDPM, x: Tensor, t: Tensor, after: Tensor, noise: Tensor, *, eta: float
) -> Tensor:
    """Fait un grand pas, de t à l'instant `after` : x' = √ᾱ' x̂0 + √(1 - ᾱ' - σ²) ε̂ + σ ε.

    ᾱ' est celui de l'instant visé, et σ = η √((1 - ᾱ') / (1 - ᾱ)) √(1 - ᾱ / ᾱ') (DDIM, éq. 12
    et 16).
    """
    alpha_bar, target = per_image(process.alpha_bars, t), per_image(process.image_levels, after)
    x0 = estimate_x0(x, noise, alpha_bar)
    noise = (x - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()  # celui qui mène de x0 borné à x_t
    sigma = eta * ((1 - target) / (1 - alpha_bar) * (1 - alpha_bar / target)).sqrt()
    x = target.sqrt() * x0 + (1 - target - sigma**2).clamp(min=0).sqrt() * noise
    return x + sigma * torch.randn_like(x) if eta else x


def estimate_x0(x: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """Devine l'image : x̂0 = (x_t - √(1 - ᾱ_t) ε̂) / √ᾱ_t, borné à [-1, 1] (DDPM, éq. 4 résolue)."""
    return ((x - (1 - alpha_bar).sqrt() * noise) / alpha_bar.sqrt()).clamp(-1, 1)


def per_image(values: Tensor, t: Tensor) -> Tensor:
    """Les valeurs [T] aux instants t [B], prêtes à multiplier des images : [B, 1, 1, 1]."""
    return values[t][:, None, None, None]


def ddim_times(timesteps: int, steps: int) -> list[int]:
    """Les instants que DDIM visite, régulièrement espacés, de `timesteps` - 1 vers 0.

    Raises:
        TypeError, ValueError: steps qui n'est pas un entier de 1 à timesteps.
    """
    if check_whole("steps", steps) > timesteps:
        raise ValueError(
            f"DDIM visite de 1 à {timesteps} instants (timesteps), reçu steps = {steps}."
        )
    # Espacés depuis la fin : le premier est toujours T - 1, là où commence le bruit pur.
    return [round(timesteps * (1 - k / steps)) - 1 for k in range(steps)]
