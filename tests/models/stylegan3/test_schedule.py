"""La progression des couches : les nombres du papier et de ses réseaux publiés."""

import math

import pytest

from labkit.models.stylegan3.schedule import schedule

FFHQ = (
    "L0_36_512 L1_36_512 L2_52_512 L3_52_512 L4_84_512 L5_148_512 L6_148_512 L7_276_323 "
    "L8_276_203 L9_532_128 L10_1044_81 L11_1044_51 L12_1044_32 L13_1024_32 L14_1024_3"
)


def names(signals):
    return " ".join(f"L{i}_{s.size}_{s.channels}" for i, s in enumerate(signals))


def test_the_layers_of_the_published_network():
    assert names(schedule(1024, 3)) == FFHQ


def test_configuration_r_has_twice_the_channels():
    doubled = schedule(1024, 3, channel_base=65536, channel_max=1024)
    assert [s.channels for s in doubled][:5] == [1024] * 5
    assert names(doubled).endswith("L13_1024_64 L14_1024_3")


def test_frequencies_of_the_paper():
    """f_c va de 2 à 512 en progression géométrique, et s'y tient pour les deux dernières."""
    signals = schedule(1024, 3)
    cutoffs = [s.cutoff for s in signals]
    assert cutoffs[0] == 2
    assert cutoffs[12:] == [512, 512, 512]
    assert cutoffs[6] == pytest.approx((2 * 512) ** 0.5)
    stopbands = [s.cutoff + s.half_width for s in signals]
    assert stopbands[-1] == pytest.approx(512 * 2**0.3)
    assert all(s.rate >= min(2 * s.cutoff, 1024) for s in signals)
    assert [s.is_critical for s in signals] == [False] * 12 + [True] * 3


def test_each_argument_acts():
    assert schedule(64, 3, margin_size=4)[0].size == 16 + 8
    assert schedule(64, 3, num_layers=5)[3].cutoff == 32
    assert schedule(64, 3, num_layers=5, num_critical=0)[3].cutoff < 32
    assert schedule(64, 3, first_cutoff=4, first_stopband=6)[0].cutoff == 4
    assert schedule(64, 3, first_stopband=9)[0].rate == 32
    assert schedule(64, 3, last_stopband_rel=2)[-1].half_width == 32
    assert schedule(64, 3, channel_base=128)[-2].channels == 2
    assert schedule(64, 2, channel_max=7)[0].channels == 7
    assert schedule(64, 2)[-1].channels == 2


@pytest.mark.parametrize(("side", "advice"), [(33, 32), (48, 32), (4, 8), (1, 8), (1000, 512)])
def test_an_unsupported_resolution_is_refused(side, advice):
    message = f"puissance de deux d'au moins 8.*reçu {side} ; écrivez img_resolution={advice}"
    with pytest.raises(ValueError, match=message):
        schedule(side, 3)


@pytest.mark.parametrize(("settings", "message"), [
    ({"num_critical": 14}, "num_critical doit être inférieur à num_layers"),
    ({"num_critical": -1}, "num_critical doit valoir au moins 0"),
    ({"first_stopband": 2.0}, "first_cutoff < first_stopband"),
    ({"first_cutoff": -1.0}, "0 < first_cutoff"),
    ({"first_stopband": math.inf}, "attendus, finis"),
    ({"first_cutoff": math.inf, "first_stopband": math.inf}, "attendus, finis"),
    ({"first_cutoff": 1e308, "first_stopband": 1.5e308}, "puissance de deux"),
    ({"last_stopband_rel": math.nan}, "last_stopband_rel > 1"),
    ({"last_stopband_rel": 1.0}, "last_stopband_rel > 1"),
    ({"channel_base": 10}, "canaux de L"),
])  # fmt: skip
def test_an_empty_band_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        schedule(64, 3, **settings)
