"""Les modèles de diffusion du lab 08 : bruiter une image pas à pas, apprendre à revenir.

J. Ho, A. Jain et P. Abbeel, « Denoising diffusion probabilistic models », 2020, dont les équations
sont citées (DDPM, éq. n) ; J. Song, C. Meng et S. Ermon, « Denoising diffusion implicit models »,
2021 ; J. Ho et T. Salimans, « Classifier-free diffusion guidance », 2022.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit.models.layers import ConvTranspose2d
from labkit.precision import fast_inference


def time_embedding(t: Tensor, dim: int) -> Tensor:
    """Écrit des instants en vecteurs de sinus et de cosinus, de la fréquence 1 à 1/10 000.

    Les hautes fréquences distinguent deux instants voisins, les basses situent dans la durée
    (Vaswani et coll., 2017, § 3.5).

    Args:
        t: instants [B], entiers ou réels.
        dim: taille des vecteurs, paire, au moins 4.

    Returns:
        Vecteurs float32 [B, dim] : dim/2 sinus, puis dim/2 cosinus.

    Raises:
        ValueError: taille impaire ou inférieure à 4.
    """
    if dim % 2 or dim < 4:
        raise ValueError(
            f"la taille du plongement du temps doit être paire et valoir au moins 4, reçu {dim} : "
            "une moitié porte les sinus, l'autre les cosinus."
        )
    exponents = torch.linspace(0, 1, dim // 2, device=t.device)
    angles = t[:, None] * torch.exp(-math.log(10_000) * exponents)  # [B, dim/2]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _activation(h: Tensor) -> Tensor:
    """Redresse h sur place ; la pente 0,1 garde un gradient aux canaux partout négatifs."""
    return F.leaky_relu(h, 0.1, inplace=True)


class _Block(nn.Module):
    """Deux convolutions 3×3 ; l'instant, projeté sur les canaux, s'ajoute entre les deux.

    La seconde convolution s'ajoute à ce qu'elle lit (He et coll., 2016) : elle n'apprend qu'une
    retouche, sans un poids de plus.
    """

    def __init__(self, channels_in: int, channels_out: int, time_emb_dim: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.to_channels = nn.Linear(time_emb_dim, channels_out)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        h = _activation(self.conv1(x))  # [B, C, H, W]
        h = h + self.to_channels(emb)[:, :, None, None]  # le même nombre en tout point d'une carte
        return h + _activation(self.conv2(h))


class UNet(nn.Module):
    """Réseau qui lit une image bruitée et l'instant t, et prédit le bruit qu'elle contient.

    La descente résume (32, 64, 128 canaux, puis 256), la remontée redessine ; à chaque étage, les
    cartes de la descente rejoignent celles de la remontée (Ronneberger et coll., 2015).

    Args:
        in_channels: canaux de l'image lue.
        out_channels: canaux du bruit prédit.
        time_emb_dim: taille du plongement de l'instant, paire, au moins 4.
        width: canaux du premier étage ; 32 est la taille normale, 16 la petite.
        num_classes: nombre de classes d'un modèle conditionnel, ou None.

    Raises:
        ValueError: taille de plongement impaire, canaux, largeur ou classes nuls ou négatifs.
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        time_emb_dim: int = 64,
        *,
        width: int = 32,
        num_classes: int | None = None,
    ):
        super().__init__()
        if min(in_channels, out_channels, width) < 1 or (
            num_classes is not None and num_classes < 1
        ):
            raise ValueError(
                "in_channels, out_channels, width et num_classes doivent valoir au moins 1, reçu "
                f"{in_channels}, {out_channels}, {width} et {num_classes}."
            )
        time_embedding(torch.zeros(1), time_emb_dim)  # refuse tout de suite une taille impaire
        self.in_channels, self.time_emb_dim = in_channels, time_emb_dim
        self.num_classes = num_classes
        self.time_mlp = nn.Sequential(
            nn.Linear(time_emb_dim, time_emb_dim), nn.SiLU(), nn.Linear(time_emb_dim, time_emb_dim)
        )
        if num_classes is not None:  # une ligne par classe, et une dernière pour « sans classe »
            self.class_embedding = nn.Embedding(num_classes + 1, time_emb_dim)
        c1, c2, c3, c4 = width, 2 * width, 4 * width, 8 * width
        self.down1 = _Block(in_channels, c1, time_emb_dim)
        self.down2 = _Block(c1, c2, time_emb_dim)
        self.down3 = _Block(c2, c3, time_emb_dim)
        self.bottleneck = _Block(c3, c4, time_emb_dim)
        self.up3 = ConvTranspose2d(c4, c3, 4, stride=2, padding=1)
        self.merge3 = _Block(2 * c3, c3, time_emb_dim)
        self.up2 = ConvTranspose2d(c3, c2, 4, stride=2, padding=1)
        self.merge2 = _Block(2 * c2, c2, time_emb_dim)
        self.up1 = ConvTranspose2d(c2, c1, 4, stride=2, padding=1)
        self.merge1 = _Block(2 * c1, c1, time_emb_dim)
        self.to_noise = nn.Conv2d(c1, out_channels, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """Prédit le bruit [B, out_channels, H, W] que contient x [B, in_channels, H, W].

        Args:
            x: images bruitées.
            t: instants [B].
            labels: classes int64 [B] ; `num_classes` veut dire « sans classe », comme None.

        Raises:
            ValueError: classes hors de 0 … num_classes, ou modèle sans classes.
        """
        emb = self._embed(t, labels)  # [B, time_emb_dim]
        h1 = self.down1(x, emb)  # [B, 32, 28, 28]
        h2 = self.down2(F.max_pool2d(h1, 2), emb)  # [B, 64, 14, 14]
        h3 = self.down3(F.max_pool2d(h2, 2), emb)  # [B, 128, 7, 7]
        h = self.bottleneck(F.max_pool2d(h3, 2), emb)  # [B, 256, 3, 3]
        # output_size : 3 doublé donne 6, et l'étage d'en face en a 7.
        h = self.up3(h, output_size=h3.shape[-2:])  # [B, 128, 7, 7]
        h = self.merge3(torch.cat([h, h3], dim=1), emb)
        h = self.up2(h, output_size=h2.shape[-2:])  # [B, 64, 14, 14]
        h = self.merge2(torch.cat([h, h2], dim=1), emb)
        h = self.up1(h, output_size=h1.shape[-2:])  # [B, 32, 28, 28]
        h = self.merge1(torch.cat([h, h1], dim=1), emb)
        return self.to_noise(h)

    def _embed(self, t: Tensor, labels: Tensor | None) -> Tensor:
        emb = self.time_mlp(time_embedding(t, self.time_emb_dim))
        if self.num_classes is None:
            if labels is not None:
                raise ValueError(
                    "ce UNet n'a pas de classes : créez-le par UNet(num_classes=10) pour le guider."
                )
            return emb
        if labels is None:
            labels = torch.full_like(t, self.num_classes, dtype=torch.long)
        elif labels.shape != t.shape or labels.min() < 0 or labels.max() > self.num_classes:
            raise ValueError(
                f"classes [{len(t)}] entre 0 et {self.num_classes - 1} attendues, ou "
                f"{self.num_classes} pour « sans classe », reçu {labels.tolist()}."
            )
        return emb + self.class_embedding(labels)


def linear_betas(timesteps: int, beta_start: float, beta_end: float) -> Tensor:
    """Variances du bruit ajouté à chaque pas, en progression arithmétique (DDPM, § 4).

    Args:
        timesteps: nombre de pas, au moins 1.
        beta_start: première variance, entre 0 et 1.
        beta_end: dernière variance, entre `beta_start` et 1.

    Returns:
        Variances float64 [timesteps].

    Raises:
        ValueError: aucun pas, ou variances qui ne vérifient pas 0 < beta_start < beta_end < 1.
    """
    _check_timesteps(timesteps)
    if not 0 < beta_start < beta_end < 1:
        raise ValueError(
            "il faut 0 < beta_start < beta_end < 1, pour que le bruit croisse pas à pas, reçu "
            f"beta_start = {beta_start} et beta_end = {beta_end}."
        )
    return torch.linspace(beta_start, beta_end, timesteps, dtype=torch.float64)


def cosine_betas(timesteps: int) -> Tensor:
    """Variances telles que alpha_bar descende comme un cosinus carré (Nichol et Dhariwal, 2021).

    Args:
        timesteps: nombre de pas, au moins 1.

    Returns:
        Variances float64 [timesteps], au plus 0,999.

    Raises:
        ValueError: aucun pas.
    """
    _check_timesteps(timesteps)
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

    Raises:
        ValueError: aucun pas, variances mal ordonnées, programme inconnu.
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
            raise ValueError(f"programme {schedule!r} inconnu : choisir 'linear' ou 'cosine'.")
        if schedule == "linear":
            betas = linear_betas(timesteps, beta_start, beta_end)
        else:
            betas = cosine_betas(timesteps)
        alpha_bars = torch.cumprod(1 - betas, dim=0)  # en float64 : mille produits
        before = torch.cat([torch.ones(1, dtype=torch.float64), alpha_bars[:-1]])  # ᾱ_{t-1}
        self.model = model
        self.timesteps = timesteps
        # persistent=False : ces suites se recalculent, les points de reprise ne les gardent pas.
        self.register_buffer("betas", betas.float(), persistent=False)
        self.register_buffer("alphas", (1 - betas).float(), persistent=False)
        self.register_buffer("alpha_bars", alpha_bars.float(), persistent=False)
        self.register_buffer("_alpha_bars_before", before.float(), persistent=False)
        # 1 - ᾱ arrondi une seule fois : en float32, la soustraction perdrait quatre chiffres à
        # t = 0, où ᾱ vaut presque 1.
        self.register_buffer("_noise_levels", (1 - alpha_bars).float(), persistent=False)
        self.register_buffer("_noise_levels_before", (1 - before).float(), persistent=False)

    # --- aller : bruiter --------------------------------------------------------------------------

    def forward_process(self, x0: Tensor, t: Tensor | int, noise: Tensor) -> Tensor:
        """Bruite x0 d'un coup jusqu'à l'instant t : x_t = √ᾱ_t x0 + √(1 - ᾱ_t) ε (DDPM, éq. 4).

        Args:
            x0: images dans [-1, 1], [B, C, H, W].
            t: instants entiers [B], ou un seul pour toutes, de 0 à `timesteps - 1`.
            noise: bruit ε de N(0, I), de la forme de x0.

        Returns:
            x_t, de la forme de x0.

        Raises:
            ValueError: images hors de [-1, 1], instants hors du programme, bruit d'une autre forme.
        """
        _check_images(x0)
        if noise.shape != x0.shape:
            raise ValueError(
                f"le bruit {list(noise.shape)} doit avoir la forme des images {list(x0.shape)}."
            )
        alpha_bar = self._at(self.alpha_bars, self._check_times(t, x0))
        return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * noise

    def loss(self, x0: Tensor, labels: Tensor | None = None, *, unlabelled: float = 0.1) -> Tensor:
        """Mesure l'erreur sur le bruit, ‖ε - ε_θ(x_t, t)‖² par pixel, t tiré au hasard (éq. 14).

        Args:
            x0: images dans [-1, 1], [B, C, H, W].
            labels: classes int64 [B], pour un modèle conditionnel.
            unlabelled: part des images dont la classe est cachée au réseau, pour qu'il apprenne
                aussi à s'en passer (Ho et Salimans, 2022, algorithme 1).

        Returns:
            Scalaire float32, moyenne sur le lot et les pixels ; prédire toujours 0 vaudrait 1.

        Raises:
            ValueError: images hors de [-1, 1], ou classes pour un modèle sans classes.
        """
        t = torch.randint(self.timesteps, (len(x0),), device=x0.device)
        noise = torch.randn_like(x0)
        x_t = self.forward_process(x0, t, noise)
        if labels is not None:
            hidden = torch.rand(len(x0), device=x0.device) < unlabelled
            labels = labels.masked_fill(hidden, self._num_classes())
        return F.mse_loss(self._noise(x_t, t, labels).float(), noise)

    # --- retour : débruiter -----------------------------------------------------------------------

    def predict_x0(self, x: Tensor, t: Tensor | int, noise: Tensor) -> Tensor:
        """Devine x0 à partir de x_t et du bruit prédit, en résolvant l'équation 4 de DDPM.

        Args:
            x: images bruitées x_t [B, C, H, W].
            t: instants [B], ou un seul pour toutes.
            noise: bruit prédit, de la forme de x.

        Returns:
            x0 estimé, borné à [-1, 1].

        Raises:
            ValueError: instants hors du programme.
        """
        alpha_bar = self._at(self.alpha_bars, self._check_times(t, x))
        return ((x - (1 - alpha_bar).sqrt() * noise) / alpha_bar.sqrt()).clamp(-1, 1)

    @torch.no_grad()
    def predict_noise(
        self, x: Tensor, t: Tensor | int, labels: Tensor | None = None, guidance: float = 1.0
    ) -> Tensor:
        """Prédit le bruit de x_t ; une guidance s donne ε(x) + s (ε(x, c) - ε(x)).

        Args:
            x: images bruitées x_t [B, C, H, W].
            t: instants [B], ou un seul pour toutes.
            labels: classes c demandées, int64 [B], ou None.
            guidance: échelle s, positive ou nulle : 0 oublie la classe, 1 la suit, au-delà
                l'exagère (Ho et Salimans, 2022, éq. 6).

        Returns:
            Bruit prédit float32, de la forme de x.

        Raises:
            ValueError: instants hors du programme, guidance négative ou sans classes.
        """
        t = self._check_times(t, x)
        self._check_guidance(labels, guidance)
        with fast_inference(x.device):
            if labels is None or guidance == 1:
                return self._noise(x, t, labels).float()
            # Les deux prédictions en un seul passage, sur un lot double.
            hidden = torch.full_like(labels, self._num_classes())
            both = self._noise(torch.cat([x, x]), torch.cat([t, t]), torch.cat([labels, hidden]))
        conditional, unconditional = both.float().chunk(2)
        return unconditional + guidance * (conditional - unconditional)

    def reverse_process(
        self, x: Tensor, t: Tensor | int, labels: Tensor | None = None, guidance: float = 1.0
    ) -> Tensor:
        """Tire x_{t-1} sachant x_t : un pas de l'algorithme 2 de DDPM.

        La moyenne est celle de q(x_{t-1} | x_t, x0), où x0 est estimé (éq. 7), et la variance,
        β̃_t = (1 - ᾱ_{t-1}) / (1 - ᾱ_t) β_t, est la sienne ; elle est nulle à t = 0.

        Args:
            x: images bruitées x_t [B, C, H, W].
            t: instants [B], ou un seul pour toutes, de 0 à `timesteps - 1`.
            labels: classes demandées, int64 [B], ou None.
            guidance: échelle de guidance ; voir `predict_noise`.

        Returns:
            x_{t-1} ; à t = 0, l'image estimée elle-même.

        Raises:
            ValueError: instants hors du programme, guidance négative ou sans classes.
        """
        t = self._check_times(t, x)
        x0 = self.predict_x0(x, t, self.predict_noise(x, t, labels, guidance))
        beta, alpha = self._at(self.betas, t), self._at(self.alphas, t)
        before = self._at(self._alpha_bars_before, t)  # ᾱ_{t-1}
        noise_level = self._at(self._noise_levels, t)  # 1 - ᾱ_t
        noise_before = self._at(self._noise_levels_before, t)  # 1 - ᾱ_{t-1}
        mean = (
            before.sqrt() * beta * x0  # la part de l'image estimée
            + alpha.sqrt() * noise_before * x  # la part de là où nous sommes
        ) / noise_level
        variance = noise_before / noise_level * beta
        return mean + variance.sqrt() * torch.randn_like(x)

    def ancestral_steps(
        self, x: Tensor, labels: Tensor | None = None, guidance: float = 1.0
    ) -> Iterator[tuple[int, Tensor]]:
        """Descend tous les instants depuis x_T, et rend chaque état en chemin.

        Args:
            x: bruit de départ x_T [B, C, H, W].
            labels: classes demandées, int64 [B], ou None.
            guidance: échelle de guidance ; voir `predict_noise`.

        Yields:
            (t, x) : l'image qui quitte l'instant t, de T - 1 à 0 ; la dernière est le tirage, dans
            [-1, 1].
        """
        for t in reversed(range(self.timesteps)):
            x = self.reverse_process(x, t, labels, guidance)
            yield t, x

    def ddim_steps(
        self,
        x: Tensor,
        steps: int = 50,
        eta: float = 0.0,
        labels: Tensor | None = None,
        guidance: float = 1.0,
    ) -> Iterator[tuple[int, Tensor]]:
        """Descend `steps` instants seulement, en grands pas (DDIM, éq. 12).

        x' = √ᾱ' x̂0 + √(1 - ᾱ' - σ²) ε̂ + σ ε, où ᾱ' est celui de l'instant visé.

        Args:
            x: bruit de départ x_T [B, C, H, W].
            steps: nombre d'instants visités, de 1 à `timesteps`.
            eta: part de hasard, de 0 (aucun : x_T décide de tout) à 1 (autant que DDPM).
            labels: classes demandées, int64 [B], ou None.
            guidance: échelle de guidance ; voir `predict_noise`.

        Yields:
            (t, x) : l'image qui quitte l'instant t ; la dernière est le tirage, dans [-1, 1].

        Raises:
            ValueError: nombre de pas nul ou supérieur à `timesteps`, eta hors de [0, 1].
        """
        times = self.ddim_times(steps)
        if not 0 <= eta <= 1:
            raise ValueError(f"eta doit être entre 0 et 1, reçu {eta}.")
        targets = [*(self.alpha_bars[t] for t in times[1:]), torch.ones_like(self.alpha_bars[0])]
        for t, target in zip(times, targets, strict=True):
            alpha_bar = self.alpha_bars[t]
            x0 = self.predict_x0(x, t, self.predict_noise(x, t, labels, guidance))
            # Le bruit qui mène de cet x0 borné à x_t.
            noise = (x - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()
            sigma = eta * ((1 - target) / (1 - alpha_bar) * (1 - alpha_bar / target)).sqrt()
            x = target.sqrt() * x0 + (1 - target - sigma**2).clamp(min=0).sqrt() * noise
            if eta:
                x = x + sigma * torch.randn_like(x)
            yield t, x

    def ddim_times(self, steps: int) -> list[int]:
        """Instants visités par DDIM, régulièrement espacés, de T - 1 vers 0.

        Args:
            steps: nombre d'instants, de 1 à `timesteps`.

        Returns:
            Instants décroissants ; le dernier pas mène de là à l'image.

        Raises:
            ValueError: nombre de pas nul ou supérieur à `timesteps`.
        """
        if not 1 <= steps <= self.timesteps:
            raise ValueError(
                f"DDIM visite de 1 à {self.timesteps} instants (timesteps), reçu steps = {steps}."
            )
        # Espacés depuis la fin : le premier est toujours T - 1, là où commence le bruit pur.
        return [round(self.timesteps * (1 - k / steps)) - 1 for k in range(steps)]

    def sample(
        self,
        num_samples: int = 16,
        image_size: tuple[int, int] = (28, 28),
        labels: Tensor | None = None,
        guidance: float = 1.0,
    ) -> Tensor:
        """Tire des images en descendant tous les instants (DDPM, algorithme 2).

        Args:
            num_samples: nombre d'images.
            image_size: hauteur et largeur, en pixels.
            labels: classes demandées, int64 [num_samples], ou None.
            guidance: échelle de guidance ; voir `predict_noise`.

        Returns:
            Images dans [0, 1], [num_samples, C, H, W], sur l'appareil du modèle.

        Raises:
            ValueError: aucune image demandée, guidance négative ou sans classes.
        """
        start = self.noise(num_samples, image_size)
        return _last_image(self.ancestral_steps(start, labels, guidance))

    def sample_ddim(
        self,
        num_samples: int = 16,
        steps: int = 50,
        eta: float = 0.0,
        image_size: tuple[int, int] = (28, 28),
        labels: Tensor | None = None,
        guidance: float = 1.0,
    ) -> Tensor:
        """Tire des images en `steps` grands pas (DDIM).

        Args:
            num_samples: nombre d'images.
            steps: nombre d'instants visités, de 1 à `timesteps`.
            eta: part de hasard, de 0 à 1.
            image_size: hauteur et largeur, en pixels.
            labels: classes demandées, int64 [num_samples], ou None.
            guidance: échelle de guidance ; voir `predict_noise`.

        Returns:
            Images dans [0, 1], [num_samples, C, H, W], sur l'appareil du modèle.

        Raises:
            ValueError: nombre de pas ou d'images impossible, eta hors de [0, 1], guidance négative
                ou sans classes.
        """
        start = self.noise(num_samples, image_size)
        return _last_image(self.ddim_steps(start, steps, eta, labels, guidance))

    def noise(self, num_samples: int, image_size: tuple[int, int] = (28, 28)) -> Tensor:
        """Tire x_T de N(0, I), de forme [num_samples, C, H, W], sur l'appareil du modèle."""
        if num_samples < 1:
            raise ValueError(f"il faut demander au moins une image, reçu {num_samples}.")
        channels = getattr(self.model, "in_channels", 1)
        return torch.randn(num_samples, channels, *image_size, device=self.betas.device)

    # --- vérifications ----------------------------------------------------------------------------

    def _noise(self, x: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        return self.model(x, t) if labels is None else self.model(x, t, labels)

    def _num_classes(self) -> int:
        count = getattr(self.model, "num_classes", None)
        if count is None:
            raise ValueError(
                "ce modèle n'a pas de classes : entraînez un UNet(num_classes=10) pour le guider."
            )
        return count

    def _check_guidance(self, labels: Tensor | None, guidance: float) -> None:
        if labels is None and guidance == 1:
            return
        self._num_classes()
        if labels is None:
            raise ValueError(f"guider (guidance = {guidance}) demande des classes : donnez labels.")
        if not guidance >= 0:
            raise ValueError(f"guidance doit être positive ou nulle, reçu {guidance}.")

    def _check_times(self, t: Tensor | int, x: Tensor) -> Tensor:
        """Rend les instants [B] s'ils sont entiers, dans le programme, un par image ou un seul."""
        t = torch.as_tensor(t, device=x.device)
        whole = not t.is_floating_point() and t.dtype != torch.bool
        one_each = t.shape in ((), x.shape[:1])
        if not (whole and one_each and t.min() >= 0 and t.max() < self.timesteps):
            raise ValueError(
                f"instants entiers de 0 à {self.timesteps - 1} attendus, un seul ou un par image "
                f"({len(x)} images), reçu {t.tolist()}."
            )
        return t.expand(len(x))

    def _at(self, values: Tensor, t: Tensor) -> Tensor:
        """values[t], prêt à multiplier des images : [B, 1, 1, 1]."""
        return values[t][:, None, None, None]


def _last_image(states: Iterator[tuple[int, Tensor]]) -> Tensor:
    """Le dernier état, ramené de [-1, 1] à [0, 1]."""
    _, x = deque(states, maxlen=1).pop()  # sans garder les autres en mémoire
    return ((x + 1) / 2).clamp(0, 1)


def _check_timesteps(timesteps: int) -> None:
    if timesteps < 1:
        raise ValueError(f"il faut au moins un pas de bruit, reçu timesteps = {timesteps}.")


def _check_images(x0: Tensor) -> None:
    if x0.dim() != 4:
        raise ValueError(f"images [B, C, H, W] attendues, reçu {list(x0.shape)}.")
    low, high = x0.aminmax()
    if not (low >= -1 and high <= 1):  # vrai aussi pour NaN
        raise ValueError(
            f"images hors de [-1, 1] (de {low:.3g} à {high:.3g}). Les lots de "
            "`images.batches(…, value_range=(-1., 1.))` y sont ; sinon, x0 = 2 x - 1."
        )
