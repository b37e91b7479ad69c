"""Les filtres passe-bas de StyleGAN3, et la LeakyReLU qu'ils entourent.

T. Karras et coll., « Alias-free generative adversarial networks », 2021, § 3.2 et annexe C.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_BLOCK = 2**20  # nombres d'une carte intermédiaire : 4 Mo en float32
WIDEST_MATRIX = 200  # côté d'entrée au-delà duquel les convolutions sont plus courtes


# --- les filtres ----------------------------------------------------------------------------------


def kaiser_beta(taps: int, transition: float) -> float:
    """Le β de la fenêtre de Kaiser : atténuation A = 2,285 (n - 1) π Δ + 7,95 dB, puis β(A).

    Args:
        taps: n, nombre de coefficients.
        transition: Δ, largeur de la bande de transition, en fraction de la fréquence de Nyquist.
    """
    attenuation = 2.285 * (taps - 1) * math.pi * transition + 7.95
    if attenuation > 50:
        return 0.1102 * (attenuation - 8.7)
    if attenuation > 21:
        return 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    return 0.0


def lowpass(taps: int, cutoff: float, width: float, rate: float, radial: bool = False) -> Tensor:
    """Un passe-bas à fenêtre de Kaiser, de gain 1 sur une constante (annexe C).

    h(x) ∝ 2 f_c sinc(2 f_c x) w(x) pour un filtre séparable, le même sur chaque axe ;
    h(x, y) ∝ f_c J₁(2π f_c r) / r · w(x) w(y), r² = x² + y², pour un filtre à symétrie radiale.

    Args:
        taps: nombre de coefficients par axe.
        cutoff: fréquence de coupure f_c, en cycles par unité de longueur.
        width: largeur de la bande de transition, même unité.
        rate: échantillons par unité de longueur.
        radial: la seconde formule, à deux dimensions.

    Returns:
        Coefficients float32 de somme 1, [taps], ou [taps, taps] pour un filtre radial.
    """
    x = (torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2) / rate
    beta = kaiser_beta(taps, width / (rate / 2))
    window = torch.kaiser_window(taps, periodic=False, beta=beta, dtype=torch.float64)
    if radial:
        kernel = jinc(cutoff, torch.hypot(x[:, None], x)) * window[:, None] * window
    else:
        kernel = torch.sinc(2 * cutoff * x) * window
    return (kernel / kernel.sum()).float()


def jinc(cutoff: float, r: Tensor) -> Tensor:
    """f_c J₁(2π f_c r) / r, le passe-bas idéal du plan, pour des rayons r [...] ; π f_c² en 0."""
    safe = torch.where(r > 0, r, 1.0)
    values = cutoff * torch.special.bessel_j1(2 * math.pi * cutoff * safe) / safe
    return torch.where(r > 0, values, math.pi * cutoff**2)


# --- changer de cadence ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Resampling:
    """Les longueurs d'une couche, sur un axe : entrée -> cadence de la non-linéarité -> sortie.

    Attributes:
        up: échantillons fabriqués pour un d'entrée ; up - 1 zéros les séparent avant le filtre.
        down: un échantillon filtré gardé sur `down`.
        before: échantillons ajoutés avant le premier ; négatif, ce sont des échantillons ôtés.
        middle: longueur entre les deux filtres.
    """

    up: int
    down: int
    before: int
    middle: int

    @classmethod
    def fit(
        cls, size_in: int, size_out: int, up: int, down: int, up_taps: int, down_taps: int
    ) -> Resampling:
        """Centre la sortie sur l'entrée, d'un demi-échantillon d'entrée en trop à gauche.

        Args:
            size_in: longueur d'entrée.
            size_out: longueur de sortie voulue.
            up, down: facteurs.
            up_taps, down_taps: longueurs des deux filtres.
        """
        middle = (size_out - 1) * down + down_taps  # ce que lit le filtre de sortie
        added = middle + up_taps - 1 - size_in * up
        return cls(up, down, (added + up) // 2, middle)


def up_matrix(kernel: Tensor, how: Resampling, size_in: int) -> Tensor:
    """U [middle, size_in] : U x est x, sur-échantillonné et filtré.

    U[i, j] = up · h[j · up + before - i], nul hors du filtre h [taps], qui est symétrique.
    """
    i = torch.arange(how.middle, device=kernel.device)[:, None]
    j = torch.arange(size_in, device=kernel.device)
    return how.up * _coefficients(kernel, j * how.up + how.before - i)


def down_matrix(kernel: Tensor, how: Resampling, size_out: int) -> Tensor:
    """D [size_out, middle] : D[i, j] = h[j - i · down], nul hors du filtre h [taps]."""
    i = torch.arange(size_out, device=kernel.device)[:, None]
    j = torch.arange(how.middle, device=kernel.device)
    return _coefficients(kernel, j - i * how.down)


def _coefficients(kernel: Tensor, index: Tensor) -> Tensor:
    """h[index], et zéro là où l'indice sort du filtre."""
    inside = (index >= 0) & (index < len(kernel))
    return torch.where(inside, kernel[index.clamp(0, len(kernel) - 1)], 0)


def upsample(x: Tensor, kernel: Tensor, how: Resampling) -> Tensor:
    """Porte x [B, C, H, H] à [B, C, middle, middle], par U x Uᵀ ou par convolution."""
    if x.shape[-1] > WIDEST_MATRIX:
        return upsample_by_convolution(x, kernel, how)
    matrix = up_matrix(kernel, how, x.shape[-1])
    return matrix @ (x @ matrix.T)


def downsample(x: Tensor, kernel: Tensor, how: Resampling, size_out: int) -> Tensor:
    """Ramène x [B, C, middle, middle] à [B, C, size_out, size_out], par D x Dᵀ ou par convolution.

    Un filtre radial [taps, taps] n'est pas le produit de deux filtres : il demande une convolution.
    """
    if kernel.dim() == 2 or size_out > WIDEST_MATRIX:
        return downsample_by_convolution(x, kernel, how)
    matrix = down_matrix(kernel, how, size_out)
    return (matrix @ x) @ matrix.T


def in_blocks(function: Callable[[Tensor], Tensor], x: Tensor, side: int) -> Tensor:
    """Applique `function` à x [B, C, H, H], quelques images à la fois sur un processeur.

    Les cartes intermédiaires, de côté `side`, restent alors dans le cache, et leur mémoire n'est
    pas rendue au système pour lui être redemandée.
    """
    images = max(1, _BLOCK // (x.shape[1] * side**2))
    if x.device.type != "cpu" or len(x) <= images:
        return function(x)
    return torch.cat([function(block) for block in x.split(images)])


def upsample_by_convolution(x: Tensor, kernel: Tensor, how: Resampling) -> Tensor:
    """U x Uᵀ, pour x [B, C, H, H], par une convolution transposée sur chaque axe."""
    channels = x.shape[1]
    weight = how.up * kernel.expand(channels, 1, 1, -1)  # le même filtre pour chaque canal
    before = how.before - (len(kernel) - 1)  # la convolution en ajoute déjà taps - 1 de chaque côté
    for _ in range(2):  # deux transpositions : l'orientation revient
        x = F.conv_transpose2d(x, weight, stride=(1, how.up), groups=channels)
        x = F.pad(x, (before, how.middle - before - x.shape[-1])).transpose(-1, -2)
    return x


def downsample_by_convolution(x: Tensor, kernel: Tensor, how: Resampling) -> Tensor:
    """D x Dᵀ, pour x [B, C, middle, middle], par convolution ; le filtre peut être radial."""
    channels = x.shape[1]
    if kernel.dim() == 2:
        weight = kernel.expand(channels, 1, -1, -1)
        return F.conv2d(x, weight, stride=how.down, groups=channels)
    weight = kernel.expand(channels, 1, 1, -1)
    for _ in range(2):
        x = F.conv2d(x, weight, stride=(1, how.down), groups=channels).transpose(-1, -2)
    return x
