"""L'appariement de flux du lab 10 : apprendre la vitesse qui mène du bruit aux images.

X. Liu, C. Gong et Q. Liu, « Flow straight and fast: learning to generate and transfer data with
rectified flow », 2023 ; Y. Lipman et coll., « Flow matching for generative modeling », 2023. Le
temps va comme au lab 08 : t = 0 est l'image, t = 1 le bruit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit._names import did_you_mean
from labkit.edges import check_whole, received
from labkit.models.centred import (
    ImageSize,
    check_centred,
    check_noise,
    check_shape,
    last_image,
    starting_noise,
    warn_if_not_centred,
)
from labkit.models.samplers import prediction, run_network

# Le UNet lit un instant de 0 à 999 : les fréquences de son plongement sont réglées pour eux.
_LAST_INSTANT = 999

# x_t [B, C, H, W] et t dans [0, 1] -> vitesse prédite, float32, de la forme de x_t.
Velocity = Callable[[Tensor, float], Tensor]
# vitesse, x_t, t et temps visé -> x au temps visé.
Step = Callable[[Velocity, Tensor, float, float], Tensor]


class FlowMatching(nn.Module):
    """Flux autour d'un réseau qui prédit la vitesse v = ε - x0 le long de x_t = (1 - t) x0 + t ε.

    Les images x0 sont dans [-1, 1] pendant l'entraînement ; les tirages sortent dans [0, 1].

    Args:
        model: module (x, instants) -> vitesse, comme `UNet` ; les instants [B] vont de 0 à 999.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward_process(self, x0: Tensor, t: Tensor | float, noise: Tensor) -> Tensor:
        """Mêle image et bruit : x_t = (1 - t) x0 + t ε (Liu et coll., 2023, § 2.1).

        x0 [B, C, H, W] est dans [-1, 1], t dans [0, 1], un par image ou un seul, noise le bruit ε
        de N(0, I), de la forme de x0.

        Raises:
            ValueError: aucune image, images hors de [-1, 1], temps hors de [0, 1], bruit d'une
                autre forme.
        """
        check_centred(self.model, x0)
        return _mixed(x0, _times(t, x0), check_noise(noise, x0))

    def loss(self, x0: Tensor) -> Tensor:
        """Mesure l'erreur sur la vitesse, ‖ε - x0 - v_θ(x_t, t)‖² par pixel, t uniforme.

        Args:
            x0: images dans [-1, 1], [B, C, H, W].

        Returns:
            Scalaire float32, moyenne sur le lot et les pixels.

        Raises:
            ValueError: aucune image, images hors de [-1, 1] ou d'un autre nombre de canaux que le
                modèle.
        """
        warn_if_not_centred(check_centred(self.model, x0))
        t = torch.rand(len(x0), device=x0.device)  # un temps par image
        noise = torch.randn_like(x0)  # ε
        x_t = _mixed(x0, t, noise)  # (1 - t) x0 + t ε
        predicted = run_network(self.model, x_t, _LAST_INSTANT * t, None)  # v_θ(x_t, t)
        return F.mse_loss(predicted.float(), noise - x0)  # ‖ε - x0 - v_θ‖², par pixel

    def predict_velocity(self, x: Tensor, t: Tensor | float) -> Tensor:
        """Prédit la vitesse de x_t [B, C, H, W], en float32, au temps t, un par image ou un seul.

        Raises:
            ValueError: images d'une forme impossible, temps hors de [0, 1].
        """
        check_shape(self.model, x)
        return prediction(self.model)(x, _LAST_INSTANT * _times(t, x))

    def flow_steps(
        self, x: Tensor, steps: int = 50, method: str = "euler"
    ) -> Iterator[tuple[float, Tensor]]:
        """Suit la vitesse de t = 1 à t = 0, en `steps` pas égaux, et donne chaque état en chemin.

        Args:
            x: bruit de départ x_1 [B, C, H, W] ; voir `starting_noise`.
            steps: nombre de pas, au moins 1.
            method: "euler", un appel du réseau par pas, ou "heun", deux.

        Yields:
            (t, x) : le temps atteint et l'état [B, C, H, W] ; le dernier, à t = 0, est le tirage,
            dans [-1, 1] à peu près.

        Raises:
            TypeError: nombre de pas qui n'est pas entier.
            ValueError: aucun pas, méthode inconnue, images d'une forme impossible.
        """
        check_shape(self.model, x)
        steps = check_whole("steps", steps)
        if method not in tuple(_METHODS):  # une suite : rien à hacher
            raise ValueError(
                f"method {received(method)} inconnue : écrivez method='euler' ou method='heun'."
                f"{did_you_mean(method, _METHODS)}"
            )
        times = [1 - k / steps for k in range(steps + 1)]
        return self._follow(x, times, _METHODS[method])

    def sample(
        self,
        num_samples: int = 16,
        image_size: ImageSize = (28, 28),
        steps: int = 50,
        method: str = "euler",
    ) -> Tensor:
        """Tire des images en suivant la vitesse depuis le bruit ; voir `flow_steps`.

        Args:
            num_samples: nombre d'images.
            image_size: hauteur et largeur, en pixels, ou le côté d'un carré.
            steps, method: comme dans `flow_steps`.

        Returns:
            Images dans [0, 1], [num_samples, C, H, W], sur l'appareil du modèle.

        Raises:
            TypeError, ValueError: comme `starting_noise` et `flow_steps`.
        """
        start = self.starting_noise(num_samples, image_size)
        return last_image(self.flow_steps(start, steps, method))

    def starting_noise(self, num_samples: int, image_size: ImageSize = (28, 28)) -> Tensor:
        """Tire x_1 de N(0, I), de forme [num_samples, C, H, W], sur l'appareil du modèle.

        Raises:
            TypeError: nombre d'images qui n'est pas entier.
            ValueError: aucune image demandée, ou taille qui n'est ni un côté ni un couple.
        """
        device = next((p.device for p in self.model.parameters()), torch.device("cpu"))
        return starting_noise(self.model, num_samples, image_size, device)

    def _follow(
        self,
        x: Tensor,
        times: list[float],
        step: Step,
    ) -> Iterator[tuple[float, Tensor]]:
        """La boucle de tout tirage, aux temps décroissants `times`."""
        predict = prediction(self.model)

        def velocity(x: Tensor, t: float) -> Tensor:
            return predict(x, torch.full((len(x),), _LAST_INSTANT * t, device=x.device))

        for t, after in pairwise(times):
            x = step(velocity, x, t, after)
            yield after, x


def euler_step(velocity: Velocity, x: Tensor, t: float, after: float) -> Tensor:
    """Fait un pas d'Euler, de t à `after` < t : x' = x + (t' - t) v(x, t)."""
    return x + (after - t) * velocity(x, t)


def heun_step(velocity: Velocity, x: Tensor, t: float, after: float) -> Tensor:
    """Fait un pas de Heun : x' = x + (t' - t) (v(x, t) + v(x̃', t')) / 2, x̃' le pas d'Euler.

    L'erreur d'un trajet de N pas décroît en 1/N², et non en 1/N, pour deux appels du réseau.
    """
    slope = velocity(x, t)
    guess = x + (after - t) * slope
    return x + (after - t) * (slope + velocity(guess, after)) / 2


_METHODS = {"euler": euler_step, "heun": heun_step}


def _mixed(x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    t = t[:, None, None, None]
    return (1 - t) * x0 + t * noise


def _times(t: Tensor | float, x: Tensor) -> Tensor:
    """Les temps float32 [B], s'ils sont dans [0, 1], un par image ou un seul."""
    wanted = f"temps t de 0 à 1 attendus, un seul ou un par image ({len(x)} images)"
    try:
        t = torch.as_tensor(t, device=x.device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{wanted}, reçu {received(t)}.") from error
    one_each = t.shape in ((), x.shape[:1])
    if t.is_complex() or not (one_each and t.min() >= 0 and t.max() <= 1):
        raise ValueError(f"{wanted}, reçu {t.tolist()}.")
    return t.float().expand(len(x))
