"""Les couches de StyleGAN3 : du bruit au style, l'entrée de Fourier, la convolution modulée.

T. Karras et coll., « Alias-free generative adversarial networks », 2021 ; la modulation est celle
de StyleGAN2 (Karras et coll., 2020, § 2.2). Les noms des paramètres sont ceux des points de
reprise officiels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit.edges import check_real, check_whole
from labkit.models.checks import check_codes, check_tensor, class_tensor
from labkit.models.stylegan3.filters import Resampling, downsample, in_blocks, lowpass, upsample
from labkit.models.stylegan3.schedule import Signal

_EPSILON = 1e-8  # sous les racines : un vecteur nul reste nul


class Dense(nn.Module):
    """Couche linéaire à taux d'apprentissage égalisé (Karras et coll., 2018, § 4.1).

    y = x (λ W / √n)ᵀ + λ b : les poids appris sont de variance 1 / λ², et n ramène celle de y à 1.

    Args:
        size_in: n, longueur de x.
        size_out: longueur de y.
        rate_multiplier: λ, qui multiplie aussi le taux d'apprentissage de la couche.
        weight_std: écart type de λ W au départ.
        bias: valeurs de λ b au départ.
    """

    def __init__(
        self,
        size_in: int,
        size_out: int,
        rate_multiplier: float = 1.0,
        weight_std: float = 1.0,
        bias: float | Sequence[float] = 0.0,
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(size_out, size_in) * weight_std / rate_multiplier)
        start = torch.as_tensor(bias, dtype=self.weight.dtype).expand(size_out)
        self.bias = nn.Parameter(start / rate_multiplier)
        self.rate_multiplier = rate_multiplier

    def forward(self, x: Tensor) -> Tensor:
        """Change x [B, size_in] en [B, size_out]."""
        scale = self.rate_multiplier / math.sqrt(self.weight.shape[1])
        return F.linear(x, self.weight * scale, self.bias * self.rate_multiplier)


class Mapping(nn.Module):
    """Du bruit au style : z, et peut-être une classe -> w, par des couches denses.

    Args:
        z_dim, c_dim, w_dim: dimensions du bruit, de la classe (0 : sans classe) et du style.
        num_ws: copies de w renvoyées, une par couche de la synthèse.
        num_layers: couches denses.
        lr_multiplier: taux d'apprentissage des couches denses, rapporté à celui du reste.
        w_avg_beta: part gardée par la moyenne mobile de w à chaque lot d'entraînement.
    """

    def __init__(
        self,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        num_ws: int,
        num_layers: int = 2,
        lr_multiplier: float = 0.01,
        w_avg_beta: float = 0.998,
    ):
        super().__init__()
        self.z_dim, self.c_dim, self.num_ws = z_dim, c_dim, num_ws
        self.num_layers = check_whole("mapping_kwargs['num_layers']", num_layers)
        self.w_avg_beta = w_avg_beta
        self.embed = Dense(c_dim, w_dim) if c_dim else None
        size_in = z_dim + (w_dim if c_dim else 0)
        for i in range(num_layers):
            self.add_module(f"fc{i}", Dense(w_dim if i else size_in, w_dim, lr_multiplier))
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(
        self,
        z: Tensor,
        c: Tensor | Sequence[int] | None = None,
        truncation_psi: float = 1.0,
    ) -> Tensor:
        """Change z [B, z_dim] en w [B, num_ws, w_dim] : w = w̄ + ψ (f(z, c) - w̄).

        En mode entraînement, la moyenne w̄ se rapproche de celle du lot.

        Args:
            z: bruit, N(0, 1).
            c: classes entières [B], ou leurs vecteurs [B, c_dim] ; None sans classe.
            truncation_psi: ψ : 1 ne change rien, 0 donne w̄ ; tout nombre fini est permis.

        Raises:
            TypeError, ValueError: z d'une autre forme, classe absente, de trop ou hors de
                l'intervalle, troncature qui n'est pas un nombre fini.
        """
        _check_truncation(truncation_psi)
        x = _unit_power(check_codes(z, self.z_dim).to(self.w_avg.dtype))
        labels = class_vectors(c, self.c_dim, len(x))
        if labels is not None:
            x = torch.cat([x, _unit_power(self.embed(labels.to(x)))], dim=1)
        for i in range(self.num_layers):
            # √2 : une LeakyReLU garde la moitié de la puissance.
            x = F.leaky_relu(getattr(self, f"fc{i}")(x), 0.2) * math.sqrt(2)
        if self.training:
            mean = x.detach().float().mean(dim=0)
            self.w_avg.copy_(mean.lerp(self.w_avg, self.w_avg_beta))
        if truncation_psi != 1:
            x = self.w_avg + truncation_psi * (x - self.w_avg)
        return x[:, None].expand(-1, self.num_ws, -1)


def _unit_power(x: Tensor) -> Tensor:
    """x / √(moyenne des x²), ligne par ligne de x [B, D]."""
    return x * (x.square().mean(dim=1, keepdim=True) + _EPSILON).rsqrt()


def _check_truncation(value: object) -> None:
    if not math.isfinite(check_real("truncation_psi", value)):
        raise ValueError(
            f"truncation_psi : un nombre fini attendu, reçu {value} ; écrivez truncation_psi=0.7."
        )


def class_vectors(c: Tensor | Sequence[int] | None, c_dim: int, count: int) -> Tensor | None:
    """Les classes en vecteurs [count, c_dim], ou None d'un modèle qui n'en lit pas.

    Raises:
        ValueError: classe absente, de trop, hors de l'intervalle, ou vecteurs d'une autre forme.
    """
    if c_dim == 0:
        if c is not None and not (isinstance(c, Tensor) and c.shape[-1:] == (0,)):
            raise ValueError("c : ce modèle ne lit pas de classe (c_dim=0) ; ôtez c.")
        return None
    if c is None:
        raise ValueError(
            f"c : ce modèle attend une classe par image, un entier de 0 à {c_dim - 1} ; écrivez "
            f"c=[0] pour une image, ou donnez des vecteurs [{count}, {c_dim}]."
        )
    if isinstance(c, Tensor) and c.dim() == 2:
        if c.shape != (count, c_dim):
            raise ValueError(f"c : [{count}, {c_dim}] attendu, reçu {list(c.shape)}.")
        return c
    return F.one_hot(class_tensor(c, c_dim, count), c_dim)


class FourierInput(nn.Module):
    """L'entrée : des sinusoïdes du plan, tournées et déplacées selon w, puis mêlées (annexe C).

    x_k(p) = a_k sin(2π (f_k · T p + φ_k)), où T est un déplacement du plan et a_k s'annule quand
    ‖f_k‖ s'approche de s / 2 : déplacer l'entrée, c'est déplacer p, sans jamais échantillonner.

    Args:
        w_dim: dimension du style.
        signal: coupure, cadence, côté et canaux de la carte produite.
    """

    def __init__(self, w_dim: int, signal: Signal):
        super().__init__()
        self.signal, channels = signal, signal.channels
        # Uniformes dans le disque de rayon f_c : un rayon au carré uniforme.
        radius, angle = (
            signal.cutoff * torch.rand(channels).sqrt(),
            2 * math.pi * torch.rand(channels),
        )
        freqs = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.affine = Dense(w_dim, 4, weight_std=0.0, bias=(1.0, 0.0, 0.0, 0.0))
        self.register_buffer("transform", torch.eye(3))
        self.register_buffer("freqs", freqs)  # [C, 2]
        self.register_buffer("phases", torch.rand(channels) - 0.5)  # [C]

    def forward(self, w: Tensor, motion: Tensor | None = None) -> Tensor:
        """Dessine l'entrée [B, C, size, size] de w [B, w_dim] ; `motion` [3, 3] la déplace."""
        plane = _learned_motion(self.affine(w)) @ self.transform  # [B, 3, 3]
        if motion is not None:
            # L'image déplacée vaut en p ce que l'image valait en M⁻¹ p.
            plane = plane @ torch.linalg.inv(check_motion(motion).to(plane))
        phases = self.phases + (self.freqs @ plane[:, :2, 2:]).squeeze(2)  # [B, C]
        freqs = self.freqs @ plane[:, :2, :2]  # [B, C, 2]
        nyquist, cutoff = self.signal.rate / 2, self.signal.cutoff
        share = 1 - (freqs.norm(dim=2) - cutoff) / (nyquist - cutoff)
        amplitudes = share.clamp(0, 1)  # [B, C]
        turns = torch.einsum("hwx,bcx->bhwc", self._grid(), freqs) + phases[:, None, None]
        x = (2 * math.pi * turns).sin() * amplitudes[:, None, None]  # [B, size, size, C]
        x = x @ (self.weight.T / math.sqrt(len(self.weight)))
        return x.permute(0, 3, 1, 2)

    def _grid(self) -> Tensor:
        """Les points (x, y) de la carte [size, size, 2] ; l'image est le carré de -1/2 à 1/2."""
        size = self.signal.size
        steps = torch.arange(size, device=self.freqs.device, dtype=self.freqs.dtype)
        axis = (steps - (size - 1) / 2) / self.signal.rate
        return torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)


def _learned_motion(t: Tensor) -> Tensor:
    """La rotation puis la translation de t = (cos, sin, x, y) [B, 4], en matrices [B, 3, 3]."""
    t = t / t[:, :2].norm(dim=1, keepdim=True)
    cos, sin, x, y = t.unbind(dim=1)
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    rotation = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], dim=1)
    translation = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], dim=1)
    return rotation.view(-1, 3, 3) @ translation.view(-1, 3, 3)


def check_motion(motion: Tensor) -> Tensor:
    """Renvoie le déplacement, s'il est [3, 3], ou [B, 3, 3], un par image."""
    if check_tensor(motion, "motion").shape[-2:] != (3, 3) or motion.dim() > 3:
        raise ValueError(
            f"motion : une matrice [3, 3] ou [B, 3, 3] attendue, reçu {list(motion.shape)} ; "
            "écrivez motion((0.25, 0.0), angle=0.1)."
        )
    return motion


class SynthesisLayer(nn.Module):
    """Une couche : convolution modulée par w, puis LeakyReLU filtrée ; ToRGB est linéaire.

    Args:
        w_dim: dimension du style.
        source: ce que reçoit la couche.
        target: ce qu'elle produit.
        is_torgb: dernière couche, ni démodulée ni filtrée.
        alias_free: False applique la LeakyReLU après les filtres, à la cadence de la couche : les
            fréquences qu'elle crée s'y replient.
        conv_kernel: côté du noyau.
        filter_size: coefficients d'un filtre, par échantillon de la cadence la plus basse.
        lrelu_upsampling: facteur m de sur-échantillonnage autour de la LeakyReLU.
        use_radial_filters: filtre de sortie à symétrie radiale (configuration R).
        conv_clamp: valeur absolue que la sortie de la LeakyReLU ne dépasse pas, ou None.
        magnitude_ema_beta: part gardée par la moyenne mobile des x² à chaque lot d'entraînement.
    """

    def __init__(
        self,
        w_dim: int,
        source: Signal,
        target: Signal,
        is_torgb: bool,
        alias_free: bool = True,
        conv_kernel: int = 3,
        filter_size: int = 6,
        lrelu_upsampling: int = 2,
        use_radial_filters: bool = False,
        conv_clamp: float | None = 256,
        magnitude_ema_beta: float = 0.999,
    ):
        super().__init__()
        self.target, self.is_torgb, self.alias_free = target, is_torgb, alias_free
        self.conv_clamp, self.magnitude_ema_beta = conv_clamp, magnitude_ema_beta
        side = 1 if is_torgb else conv_kernel
        self.affine = Dense(w_dim, source.channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(target.channels, source.channels, side, side))
        self.bias = nn.Parameter(torch.zeros(target.channels))
        self.register_buffer("magnitude_ema", torch.ones(()))

        middle_rate = max(source.rate, target.rate) * (1 if is_torgb else lrelu_upsampling)
        up, down = middle_rate // source.rate, middle_rate // target.rate
        radial = use_radial_filters and not target.is_critical
        up_filter = _filter(source, up, filter_size, middle_rate)
        down_filter = _filter(target, down, filter_size, middle_rate, radial)
        self.register_buffer("up_filter", up_filter)
        self.register_buffer("down_filter", down_filter)
        self.resampling = Resampling.fit(
            source.size + side - 1, target.size, up, down, _taps(up_filter), _taps(down_filter)
        )

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Change x [B, C, H, H], modulée par w [B, w_dim], en [B, C', H', H']."""
        if self.training:
            power = torch.linalg.vector_norm(x.detach(), dtype=torch.float32).square() / x.numel()
            self.magnitude_ema.copy_(power.lerp(self.magnitude_ema, self.magnitude_ema_beta))
        x = self._modulated_convolution(x, self.affine(w))
        if self.is_torgb:
            return self._clamp(x)
        return in_blocks(self._filtered_leaky_relu, x, self.resampling.middle)

    def _modulated_convolution(self, x: Tensor, styles: Tensor) -> Tensor:
        """b_o + d_o Σ_i (s_i w_oi) ∗ x_i, d_o = 1 / √Σ (s_i w_oi)² (2020, § 2.2).

        Moduler x puis la sortie équivaut à moduler les poids, sans un jeu de poids par image.
        """
        gain = self.magnitude_ema.rsqrt()  # ramène la puissance de x à 1
        modulated = x * (styles * gain)[:, :, None, None]
        bias = self.bias[:, None, None]
        if self.is_torgb:
            weight = self.weight / math.sqrt(self.weight[0].numel())
            return F.conv2d(modulated, weight) + bias
        power = styles.square() @ self.weight.square().sum(dim=(2, 3)).T  # [B, C']
        demodulation = (power + _EPSILON).rsqrt()[:, :, None, None]
        y = F.conv2d(modulated, self.weight, padding=self.weight.shape[-1] - 1)
        return torch.addcmul(bias.to(y.dtype), y, demodulation.to(y.dtype))

    def _filtered_leaky_relu(self, x: Tensor) -> Tensor:
        """x [B, C', H, H], deux fois échantillonnée plus finement le temps de la non-linéarité."""
        # √2 LeakyReLU(x) = LeakyReLU(√2 x) : ce gain passe dans le filtre, employé sur deux axes.
        up, down = _or_identity(self.up_filter, x), _or_identity(self.down_filter, x)
        x = upsample(x, 2**0.25 * up, self.resampling)
        if self.alias_free:
            return downsample(self._leaky_relu(x), down, self.resampling, self.target.size)
        return self._leaky_relu(downsample(x, down, self.resampling, self.target.size))

    def _leaky_relu(self, x: Tensor) -> Tensor:
        return self._clamp(F.leaky_relu(x, 0.2, inplace=True))

    def _clamp(self, x: Tensor) -> Tensor:
        if self.conv_clamp is None:
            return x
        return F.hardtanh(x, -self.conv_clamp, self.conv_clamp, inplace=not x.requires_grad)


def _filter(
    signal: Signal, factor: int, filter_size: int, rate: int, radial: bool = False
) -> Tensor | None:
    """Le filtre qui garde la bande du signal à la cadence `rate`, ou None s'il ne faut rien."""
    if factor == 1:
        return None
    return lowpass(filter_size * factor, signal.cutoff, 2 * signal.half_width, rate, radial)


def _taps(kernel: Tensor | None) -> int:
    return 1 if kernel is None else len(kernel)


def _or_identity(kernel: Tensor | None, like: Tensor) -> Tensor:
    """Le filtre, ou celui d'un seul coefficient, qui ne change rien."""
    return like.new_ones(1) if kernel is None else kernel
