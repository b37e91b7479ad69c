"""La progression des couches de StyleGAN3 : à chacune sa bande de fréquences, son côté, ses canaux.

T. Karras et coll., « Alias-free generative adversarial networks », 2021, § 3.3, figure 4b et
annexe C. Une longueur de 1 est le côté de l'image : une fréquence s'y compte en cycles par image,
une cadence en échantillons par image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from labkit.edges import check_real, check_whole


@dataclass(frozen=True)
class Signal:
    """Ce que transporte une couche.

    Attributes:
        cutoff: fréquence de coupure f_c, en cycles par image.
        half_width: demi-largeur f_h de la bande de transition, même unité.
        rate: cadence s, en échantillons par image.
        size: côté de la carte, marges comprises.
        channels: nombre de canaux.
        is_critical: f_c = s / 2, comme dans les dernières couches : toute la bande sert.
    """

    cutoff: float
    half_width: float
    rate: int
    size: int
    channels: int
    is_critical: bool


def schedule(
    img_resolution: int,
    img_channels: int,
    channel_base: int = 32768,
    channel_max: int = 512,
    num_layers: int = 14,
    num_critical: int = 2,
    first_cutoff: float = 2.0,
    first_stopband: float = 2**2.1,
    last_stopband_rel: float = 2**0.3,
    margin_size: int = 10,
) -> list[Signal]:
    """Calcule ce qui sort de chaque couche, la dernière étant ToRGB (annexe C).

    f_c[i] = f_c[0] (f_c[N] / f_c[0])^min(i / (N - N_crit), 1), et de même la fréquence d'arrêt
    f_t[i], où f_c[N] = résolution / 2 ; la cadence s[i] est la plus petite puissance de deux
    d'au moins 2 f_t[i], et la résolution au plus ; f_h[i] = max(s[i] / 2, f_t[i]) - f_c[i].

    Args:
        img_resolution: côté de l'image, une puissance de deux.
        img_channels: canaux de l'image.
        channel_base: canaux de la couche de coupure 1/2 ; channel_base / (2 f_c) ensuite.
        channel_max: nombre de canaux d'une couche au plus.
        num_layers: N, nombre de couches, ToRGB non comprise.
        num_critical: N_crit, couches à échantillonnage critique, les dernières.
        first_cutoff: f_c[0], coupure de l'entrée, en cycles par image.
        first_stopband: f_t[0], fréquence d'arrêt de l'entrée.
        last_stopband_rel: f_t[N] / f_c[N].
        margin_size: échantillons ajoutés autour de l'image, à chaque couche.

    Returns:
        Les num_layers + 1 signaux.

    Raises:
        TypeError: un argument n'est pas un nombre.
        ValueError: résolution qui n'est pas une puissance de deux assez grande, bande vide.
    """
    check_whole("num_layers", num_layers)
    check_whole("num_critical", num_critical, at_least=0)
    if num_critical >= num_layers:
        raise ValueError(
            f"num_critical doit être inférieur à num_layers ({num_layers}), reçu "
            f"num_critical={num_critical}."
        )
    _check_bands(first_cutoff, first_stopband, last_stopband_rel)
    _check_resolution(img_resolution, first_cutoff)
    last_cutoff = img_resolution / 2
    last_stopband = last_cutoff * last_stopband_rel
    progress = np.minimum(np.arange(num_layers + 1) / (num_layers - num_critical), 1)
    cutoffs = first_cutoff * (last_cutoff / first_cutoff) ** progress
    stopbands = first_stopband * (last_stopband / first_stopband) ** progress
    rates = np.exp2(np.ceil(np.log2(np.minimum(2 * stopbands, img_resolution))))
    half_widths = np.maximum(stopbands, rates / 2) - cutoffs
    sizes = rates + 2 * check_whole("margin_size", margin_size, at_least=0)
    sizes[-2:] = img_resolution  # la marge ne sert plus : plus rien ne s'étale après
    widest = check_whole("channel_max", channel_max)
    channels = np.rint(np.minimum(check_whole("channel_base", channel_base) / 2 / cutoffs, widest))
    channels[-1] = check_whole("img_channels", img_channels)
    return [
        Signal(
            float(cutoffs[i]),
            float(half_widths[i]),
            int(rates[i]),
            int(sizes[i]),
            check_whole(f"channel_base={channel_base} : canaux de L{i}", int(channels[i])),
            is_critical=i >= num_layers - num_critical,
        )
        for i in range(num_layers + 1)
    ]


def _check_bands(first_cutoff: float, first_stopband: float, last_stopband_rel: float) -> None:
    check_real("first_cutoff", first_cutoff)
    check_real("first_stopband", first_stopband)
    check_real("last_stopband_rel", last_stopband_rel)
    if not (0 < first_cutoff < first_stopband < math.inf and 1 < last_stopband_rel < math.inf):
        raise ValueError(
            "une fréquence d'arrêt dépasse la coupure : 0 < first_cutoff < first_stopband et "
            f"last_stopband_rel > 1 attendus, finis, reçu first_cutoff={first_cutoff}, "
            f"first_stopband={first_stopband}, last_stopband_rel={last_stopband_rel}."
        )


def _check_resolution(value: object, first_cutoff: float) -> None:
    side = check_whole("img_resolution", value)
    smallest = 2 ** max(1, math.frexp(first_cutoff)[1] + 1)  # au-delà de 2 f_c
    if side & (side - 1) or side < smallest:
        near = max(smallest, 2 ** (side.bit_length() - 1))
        raise ValueError(
            f"img_resolution : une puissance de deux d'au moins {smallest} attendue, reçu {side} ; "
            f"écrivez img_resolution={near}."
        )
