"""Le générateur de StyleGAN3 : z -> w -> image, configurations T et R.

T. Karras et coll., « Alias-free generative adversarial networks », 2021. Les poids des points de
reprise officiels s'y chargent tels quels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping as Settings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from labkit.edges import check_real, check_whole
from labkit.models.checks import check_dtype, check_tensor
from labkit.models.stylegan3.layers import FourierInput, Mapping, SynthesisLayer
from labkit.models.stylegan3.schedule import schedule


class Synthesis(nn.Module):
    """De w à l'image : l'entrée de Fourier, puis des couches de bande de plus en plus large.

    Args:
        w_dim: dimension du style.
        img_resolution: côté de l'image, une puissance de deux.
        img_channels: canaux de l'image.
        output_scale: facteur de la sortie, proche de l'écart type des images.
        schedule_settings: les autres arguments de `schedule`.
        layer_settings: les réglages communs à toutes les `SynthesisLayer`.
    """

    def __init__(
        self,
        w_dim: int,
        img_resolution: int,
        img_channels: int,
        output_scale: float = 0.25,
        *,
        schedule_settings: Settings,
        layer_settings: Settings,
    ):
        super().__init__()
        self.w_dim, self.output_scale = w_dim, output_scale
        signals = schedule(img_resolution, img_channels, **schedule_settings)
        self.num_ws = len(signals) + 1  # une pour l'entrée, une par couche
        self.input = FourierInput(w_dim, signals[0])
        self.layer_names = []
        for i, target in enumerate(signals):
            layer = SynthesisLayer(
                w_dim, signals[max(i - 1, 0)], target, target is signals[-1], **layer_settings
            )
            self.layer_names.append(f"L{i}_{target.size}_{target.channels}")
            self.add_module(self.layer_names[-1], layer)

    def forward(self, w: Tensor, motion: Tensor | None = None) -> Tensor:
        """Dessine des images [B, img_channels, H, H], de -1 à 1 à peu près, sans borne.

        Args:
            w: styles [B, num_ws, w_dim], un par couche, ou [B, w_dim], le même pour toutes.
            motion: déplacement de l'image, [3, 3] ou [B, 3, 3], comme le donne `motion`.

        Raises:
            ValueError: w d'une autre forme, déplacement qui n'est pas une matrice 3 × 3.
        """
        first, *others = self._one_per_layer(w).unbind(dim=1)
        x = self.input(first, motion)
        for name, style in zip(self.layer_names, others, strict=True):
            x = getattr(self, name)(x, style)
        return x.to(torch.promote_types(x.dtype, torch.float32)) * self.output_scale

    def _one_per_layer(self, w: Tensor) -> Tensor:
        if check_tensor(w, "styles w").dim() == 2:
            w = w[:, None].expand(-1, self.num_ws, -1)
        if w.shape[1:] != (self.num_ws, self.w_dim):
            raise ValueError(
                f"styles w [B, {self.num_ws}, {self.w_dim}] ou [B, {self.w_dim}] attendus, reçu "
                f"{list(w.shape)}."
            )
        return check_dtype(self, w, "styles w")


class Generator(nn.Module):
    """Le générateur : `mapping` change z en w, `synthesis` change w en image.

    Les noms et les valeurs par défaut sont ceux des configurations officielles ; T est le défaut,
    R s'écrit conv_kernel=1, use_radial_filters=True, avec deux fois plus de canaux.

    Args:
        z_dim, c_dim, w_dim: dimensions du bruit, de la classe (0 : sans classe) et du style.
        img_resolution: côté de l'image, une puissance de deux.
        img_channels: canaux de l'image.
        mapping_kwargs: arguments de `Mapping` : num_layers, lr_multiplier, w_avg_beta.
        channel_base, channel_max, num_layers, num_critical, first_cutoff, first_stopband,
            last_stopband_rel, margin_size: la progression des couches, lue par `schedule`.
        output_scale: facteur de la sortie.
        conv_kernel, filter_size, lrelu_upsampling, use_radial_filters, conv_clamp,
            magnitude_ema_beta: ce que lit chaque `SynthesisLayer`.
        num_fp16_res: lu dans les configurations officielles, sans effet : les poids disent la
            précision du calcul.
        alias_free: False donne le jumeau sans non-linéarité filtrée, de mêmes couches et de mêmes
            paramètres, que l'on compare à l'original.

    Raises:
        TypeError, ValueError: dimension ou réglage impossible, argument inconnu.
    """

    def __init__(
        self,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        img_resolution: int,
        img_channels: int,
        mapping_kwargs: Settings | None = None,
        *,
        channel_base: int = 32768,
        channel_max: int = 512,
        num_layers: int = 14,
        num_critical: int = 2,
        first_cutoff: float = 2.0,
        first_stopband: float = 2**2.1,
        last_stopband_rel: float = 2**0.3,
        margin_size: int = 10,
        output_scale: float = 0.25,
        conv_kernel: int = 3,
        filter_size: int = 6,
        lrelu_upsampling: int = 2,
        use_radial_filters: bool = False,
        conv_clamp: float | None = 256,
        magnitude_ema_beta: float = 0.999,
        num_fp16_res: int = 4,
        alias_free: bool = True,
    ):
        super().__init__()
        self.z_dim = self.latent_dim = check_whole("z_dim", z_dim)
        self.c_dim = check_whole("c_dim", c_dim, at_least=0)
        self.num_classes = c_dim or None
        self.w_dim = check_whole("w_dim", w_dim)
        self.img_resolution, self.img_channels = img_resolution, img_channels
        self.synthesis = Synthesis(
            w_dim, img_resolution, img_channels, check_real("output_scale", output_scale),
            schedule_settings={
                "channel_base": channel_base, "channel_max": channel_max,
                "num_layers": num_layers, "num_critical": num_critical,
                "first_cutoff": first_cutoff, "first_stopband": first_stopband,
                "last_stopband_rel": last_stopband_rel, "margin_size": margin_size,
            },
            layer_settings={
                "alias_free": alias_free, "conv_kernel": check_whole("conv_kernel", conv_kernel),
                "filter_size": check_whole("filter_size", filter_size),
                "lrelu_upsampling": check_whole("lrelu_upsampling", lrelu_upsampling),
                "use_radial_filters": use_radial_filters, "conv_clamp": conv_clamp,
                "magnitude_ema_beta": magnitude_ema_beta,
            },
        )  # fmt: skip
        self.num_ws = self.synthesis.num_ws
        self.mapping = Mapping(z_dim, c_dim, w_dim, self.num_ws, **(mapping_kwargs or {}))

    def forward(
        self,
        z: Tensor,
        c: Tensor | Sequence[int] | None = None,
        truncation_psi: float = 1.0,
    ) -> Tensor:
        """Change z [B, z_dim], et les classes s'il en faut, en images [B, img_channels, H, H].

        Les arguments et les erreurs sont ceux de `mapping`.
        """
        return self.synthesis(self.mapping(z, c, truncation_psi))


def z_from_seed(seeds: int | Sequence[int], z_dim: int) -> Tensor:
    """Tire z [len(seeds), z_dim] comme l'outil d'origine : une graine de NumPy par image.

    Args:
        seeds: une graine, ou plusieurs, entiers de 0 à 2³² - 1.
        z_dim: dimension de z.
    """
    each = seeds if isinstance(seeds, Sequence) else [seeds]
    rows = [np.random.RandomState(check_whole("seeds", s, 0)).randn(z_dim) for s in each]
    return torch.from_numpy(np.stack(rows)).float()


def motion(translation: tuple[float, float] = (0.0, 0.0), angle: float = 0.0) -> Tensor:
    """La matrice [3, 3] d'un déplacement de l'image : la rotation, puis la translation.

    Args:
        translation: vers la droite et vers le bas, en fractions du côté de l'image.
        angle: en radians, de la droite vers le bas.
    """
    cos, sin = math.cos(angle), math.sin(angle)
    return torch.tensor([[cos, -sin, translation[0]], [sin, cos, translation[1]], [0.0, 0.0, 1.0]])
