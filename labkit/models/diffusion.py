"""La diffusion du lab 08 : bruiter une image pas à pas, apprendre à revenir.

J. Ho, A. Jain et P. Abbeel, « Denoising diffusion probabilistic models », 2020, dont les équations
sont citées (DDPM, éq. n). Le réseau est dans `unet`, les façons de tirer dans `samplers`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit.edges import check_real, check_whole, received
from labkit.models.centred import (
    ImageSize,
    check_centred,
    check_noise,
    check_shape,
    last_image,
    starting_noise,
    warn_if_not_centred,
)
from labkit.models.samplers import (
    Labels,
    Predict,
    ancestral_step,
    class_count,
    class_guidance,
    class_labels,
    ddim_step,
    ddim_times,
    descend,
    estimate_x0,
    per_image,
    prediction,
    run_network,
)


def linear_betas(timesteps: int, beta_start: float, beta_end: float) -> Tensor:
    """Variances float64 [timesteps] du bruit ajouté à chaque pas, en progression arithmétique.

    Celles de DDPM, § 4.

    Raises:
        TypeError: ce ne sont pas des nombres, ou timesteps n'est pas entier.
        ValueError: aucun pas, ou variances qui ne vérifient pas 0 < beta_start < beta_end < 1.
    """
    timesteps = check_whole("timesteps", timesteps)
    check_real("beta_start", beta_start)
    check_real("beta_end", beta_end)
    if not 0 < beta_start < beta_end < 1:
        raise ValueError(
            "il faut 0 < beta_start < beta_end < 1, pour que le bruit croisse pas à pas, reçu "
            f"beta_start = {beta_start} et beta_end = {beta_end}."
        )
    return torch.linspace(beta_start, beta_end, timesteps, dtype=torch.float64)


def cosine_betas(timesteps: int) -> Tensor:
    """Variances float64 [timesteps], au plus 0,999 : ᾱ descend comme un cosinus carré.

    A. Nichol et P. Dhariwal, « Improved denoising diffusion probabilistic models », 2021, éq. 17.

    Raises:
        TypeError, ValueError: nombre de pas qui n'est pas un entier d'au moins 1.
    """
    timesteps = check_whole("timesteps", timesteps)
    s = 0.008  # décale l'origine, pour que les premiers pas bruitent tout de même un peu
    steps = torch.arange(timesteps + 1, dtype=torch.float64) / timesteps
    f = torch.cos((steps + s) / (1 + s) * math.pi / 2).square()
    return (1 - f[1:] / f[:-1]).clamp(max=0.999)


class DDPM(nn.Module):
    """Processus de diffusion autour d'un réseau qui prédit le bruit.

    Les images x0 sont dans [-1, 1] pendant l'entraînement ; les tirages sortent dans [0, 1]. Les
    instants vont de 0, à peine bruité, à `timesteps - 1`, où il ne reste presque que du bruit.

    Args:
        model: module (x, t) -> bruit, ou (x, t, labels) -> bruit s'il a un attribut `num_classes`.
        timesteps: nombre de pas T, au moins 1.
        beta_start: première variance du programme linéaire.
        beta_end: dernière variance du programme linéaire.
        schedule: "linear", ou "cosine" qui ignore `beta_start` et `beta_end`.

    Attributes:
        betas, alphas, alpha_bars: float32 [T] ; alpha_bars est le produit des alphas = 1 - betas.
        image_levels, noise_levels: ᾱ et 1 - ᾱ, float32 [T + 1] ; l'indice -1 est l'image, sans
            bruit.

    Raises:
        TypeError, ValueError: nombre de pas qui n'est pas un entier d'au moins 1, variances qui
            ne sont pas des nombres ou sont mal ordonnées, programme inconnu.
    """

    def __init__(
        self,
        model: nn.Module,
        timesteps: int = 1000,
        beta_start: float = 1e-4,
        beta_end: float = 0.02,
        *,
        schedule: str = "linear",
    ):
        super().__init__()
        if schedule not in ("linear", "cosine"):
            raise ValueError(f"programme {schedule!r} inconnu : choisissez 'linear' ou 'cosine'.")
        if schedule == "linear":
            betas = linear_betas(timesteps, beta_start, beta_end)
        else:
            betas = cosine_betas(timesteps)
        alpha_bars = torch.cumprod(1 - betas, dim=0)  # en float64 : mille produits
        levels = torch.cat([alpha_bars, torch.ones(1, dtype=torch.float64)])
        self.model = model
        self.timesteps = len(betas)
        # persistent=False : ces suites se recalculent, les points de reprise ne les gardent pas.
        self.register_buffer("betas", betas.float(), persistent=False)
        self.register_buffer("alphas", (1 - betas).float(), persistent=False)
        self.register_buffer("alpha_bars", alpha_bars.float(), persistent=False)
        self.register_buffer("image_levels", levels.float(), persistent=False)
        # 1 - ᾱ arrondi une seule fois : en float32, la soustraction perdrait quatre chiffres à
        # t = 0, où ᾱ vaut presque 1.
        self.register_buffer("noise_levels", (1 - levels).float(), persistent=False)

    # --- aller : bruiter --------------------------------------------------------------------------

    def forward_process(self, x0: Tensor, t: Tensor | int, noise: Tensor) -> Tensor:
        """Bruite x0 d'un coup jusqu'à l'instant t : x_t = √ᾱ_t x0 + √(1 - ᾱ_t) ε (DDPM, éq. 4).

        x0 [B, C, H, W] est dans [-1, 1], t entier, un par image ou un seul, noise le bruit ε de
        N(0, I), de la forme de x0.

        Raises:
            ValueError: aucune image, images hors de [-1, 1], instants hors du programme, bruit
                d'une autre forme.
        """
        check_centred(self.model, x0)
        return self._noised(x0, self._times(t, x0), check_noise(noise, x0))

    def loss(self, x0: Tensor, labels: Labels | None = None, *, unlabelled: float = 0.1) -> Tensor:
        """Mesure l'erreur sur le bruit, ‖ε - ε_θ(x_t, t)‖² par pixel, t tiré au hasard (éq. 14).

        Args:
            x0: images dans [-1, 1], [B, C, H, W].
            labels: classes int64 [B], pour un modèle conditionnel.
            unlabelled: part des images dont la classe est cachée au réseau, pour qu'il apprenne
                aussi à s'en passer (Ho et Salimans, 2022, algorithme 1).

        Returns:
            Scalaire float32, moyenne sur le lot et les pixels ; prédire toujours 0 vaudrait 1.

        Raises:
            ValueError: aucune image, images hors de [-1, 1] ou d'un autre nombre de canaux que le
                modèle, classes impossibles ou pour un modèle sans classes, part hors de [0, 1].
            TypeError: part qui n'est pas un nombre.
        """
        warn_if_not_centred(check_centred(self.model, x0))
        _check_share(unlabelled)
        t = torch.randint(self.timesteps, (len(x0),), device=x0.device)
        noise = torch.randn_like(x0)
        x_t = self._noised(x0, t, noise)
        if labels is not None:
            labels = class_labels(self.model, labels, len(x0))
            hidden = torch.rand(len(x0), device=x0.device) < unlabelled
            labels = labels.masked_fill(hidden, self.model.num_classes)
        return F.mse_loss(run_network(self.model, x_t, t, labels).float(), noise)

    def _noised(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        alpha_bar = per_image(self.alpha_bars, t)
        return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * noise

    # --- retour : débruiter -----------------------------------------------------------------------

    def predict_x0(self, x: Tensor, t: Tensor | int, noise: Tensor) -> Tensor:
        """Devine x0, borné à [-1, 1], à partir de x_t [B, C, H, W], de t et du bruit prédit.

        Raises:
            ValueError: instants hors du programme.
        """
        check_shape(self.model, x)
        return estimate_x0(x, noise, per_image(self.alpha_bars, self._times(t, x)))

    def predict_noise(
        self, x: Tensor, t: Tensor | int, labels: Labels | None = None, guidance: float = 1.0
    ) -> Tensor:
        """Prédit le bruit de x_t [B, C, H, W], en float32, guidé à l'échelle `guidance` par labels.

        Raises:
            ValueError: images d'une forme impossible, instants hors du programme, échelle négative
                ou sans classes.
        """
        check_shape(self.model, x)
        return self._predictor(len(x), labels, guidance)(x, self._times(t, x))

    def reverse_process(
        self, x: Tensor, t: Tensor | int, *, predict: Predict | None = None
    ) -> Tensor:
        """Tire x_{t-1} sachant x_t [B, C, H, W] : un pas de l'algorithme 2 de DDPM.

        À t = 0, l'image estimée elle-même. `predict` est comme dans `ancestral_steps`.

        Raises:
            ValueError: images d'une forme impossible, instants hors du programme.
        """
        check_shape(self.model, x)
        t = self._times(t, x)
        noise = (predict or prediction(self.model))(x, t)
        return ancestral_step(self, x, t, t - 1, noise)

    def ancestral_steps(
        self, x: Tensor, *, predict: Predict | None = None
    ) -> Iterator[tuple[int, Tensor]]:
        """Descend tous les instants depuis le bruit x [B, C, H, W], et donne chaque état en chemin.

        Args:
            x: bruit de départ x_T ; voir `starting_noise`.
            predict: fonction (x, t) -> bruit, comme `class_guidance(…)` ou `autoguidance(…)` ;
                sans elle, le réseau du modèle.

        Yields:
            (t, x) : l'image qui quitte l'instant t, de T - 1 à 0 ; la dernière est le tirage, dans
            [-1, 1].

        Raises:
            ValueError: images d'une forme impossible.
        """
        check_shape(self.model, x)
        predict = predict or prediction(self.model)
        times = range(self.timesteps)[::-1]
        return descend(predict, partial(ancestral_step, self), x, times)

    def ddim_steps(
        self, x: Tensor, steps: int = 50, eta: float = 0.0, *, predict: Predict | None = None
    ) -> Iterator[tuple[int, Tensor]]:
        """Descend `steps` instants seulement, en grands pas (DDIM), comme `ancestral_steps`.

        Args:
            x: bruit de départ x_T [B, C, H, W].
            steps: nombre d'instants visités, de 1 à `timesteps`.
            eta: part de hasard, de 0 (aucun : x_T décide de tout) à 1 (autant que DDPM).
            predict: comme dans `ancestral_steps`.

        Raises:
            TypeError: nombre de pas qui n'est pas entier, eta qui n'est pas un nombre.
            ValueError: nombre de pas nul ou supérieur à `timesteps`, eta hors de [0, 1], images
                d'une forme impossible.
        """
        check_shape(self.model, x)
        check_real("eta", eta)
        if not 0 <= eta <= 1:
            raise ValueError(f"eta doit être entre 0 et 1, reçu {eta}.")
        predict, times = predict or prediction(self.model), ddim_times(self.timesteps, steps)
        return descend(predict, partial(ddim_step, self, eta=eta), x, times)

    def sample(
        self,
        num_samples: int = 16,
        image_size: ImageSize = (28, 28),
        labels: Labels | None = None,
        guidance: float = 1.0,
        *,
        predict: Predict | None = None,
    ) -> Tensor:
        """Tire des images en descendant tous les instants (DDPM, algorithme 2).

        Args:
            num_samples: nombre d'images.
            image_size: hauteur et largeur, en pixels, ou le côté d'un carré.
            labels: classes demandées, int64 [num_samples], ou None.
            guidance: échelle du guidage par la classe ; voir `class_guidance`.
            predict: à la place du réseau et des classes, une fonction (x, t) -> bruit.

        Returns:
            Images dans [0, 1], [num_samples, C, H, W], sur l'appareil du modèle.

        Raises:
            TypeError: nombre d'images qui n'est pas entier, échelle qui n'est pas un nombre.
            ValueError: aucune image, classes impossibles, échelle négative ou sans classes.
        """
        start = self.starting_noise(num_samples, image_size)
        predict = self._predictor(num_samples, labels, guidance, predict)
        return last_image(self.ancestral_steps(start, predict=predict))

    def sample_ddim(
        self,
        num_samples: int = 16,
        steps: int = 50,
        eta: float = 0.0,
        image_size: ImageSize = (28, 28),
        labels: Labels | None = None,
        guidance: float = 1.0,
        *,
        predict: Predict | None = None,
    ) -> Tensor:
        """Tire des images en `steps` grands pas ; voir `ddim_steps`, et `sample` pour le reste."""
        start = self.starting_noise(num_samples, image_size)
        predict = self._predictor(num_samples, labels, guidance, predict)
        return last_image(self.ddim_steps(start, steps, eta, predict=predict))

    def starting_noise(self, num_samples: int, image_size: ImageSize = (28, 28)) -> Tensor:
        """Tire x_T de N(0, I), de forme [num_samples, C, H, W], sur l'appareil du modèle.

        Raises:
            TypeError: nombre d'images qui n'est pas entier.
            ValueError: aucune image demandée, ou taille qui n'est ni un côté ni un couple.
        """
        return starting_noise(self.model, num_samples, image_size, self.betas.device)

    # --- vérifications ----------------------------------------------------------------------------

    def _predictor(
        self,
        count: int,
        labels: Labels | None,
        guidance: float,
        predict: Predict | None = None,
    ) -> Predict:
        """La fonction (x, t) -> bruit que demandent ces arguments."""
        check_real("guidance", guidance)
        if predict is not None:
            if labels is not None or guidance != 1:
                raise ValueError("predict remplace labels et guidance : donnez l'un ou les autres.")
            return predict
        if labels is not None:
            labels = class_labels(self.model, labels, count)
            if guidance != 1:
                return class_guidance(self.model, labels, guidance)
        elif guidance != 1:
            class_count(self.model)  # sans classes, le dire d'abord
            raise ValueError(f"guider (guidance = {guidance}) demande des classes : donnez labels.")
        return prediction(self.model, labels)

    def _times(self, t: Tensor | int, x: Tensor) -> Tensor:
        """Les instants [B], s'ils sont entiers, dans le programme, un par image ou un seul."""
        wanted = (
            f"instants entiers de 0 à {self.timesteps - 1} attendus, un seul ou un par image "
            f"({len(x)} images)"
        )
        try:
            t = torch.as_tensor(t, device=x.device)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{wanted}, reçu {received(t)}.") from error
        whole = not t.is_floating_point() and t.dtype != torch.bool
        one_each = t.shape in ((), x.shape[:1])
        if not (whole and one_each and t.min() >= 0 and t.max() < self.timesteps):
            raise ValueError(f"{wanted}, reçu {t.tolist()}.")
        return t.expand(len(x))


def _check_share(unlabelled: float) -> None:
    check_real("unlabelled", unlabelled)
    if not 0 <= unlabelled <= 1:  # vrai aussi pour NaN
        raise ValueError(f"unlabelled : une part entre 0 et 1 attendue, reçu {unlabelled}.")
