"""Le UNet du lab 08 : le plongement du temps, les étages, les blocs, les classes."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labkit.models import UNet, UNetBlock, time_embedding


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


# --- le plongement du temps -----------------------------------------------------------------------


def test_time_embedding_entries():
    t = torch.tensor([0, 1, 7, 999])
    emb = time_embedding(t, 64)
    assert emb.shape == (4, 64)
    assert emb.dtype == torch.float32
    assert torch.equal(emb[0], torch.tensor([0.0] * 32 + [1.0] * 32))
    torch.testing.assert_close(emb[:, 0], torch.sin(t.float()))  # fréquence 1
    torch.testing.assert_close(emb[:, 32], torch.cos(t.float()))
    torch.testing.assert_close(emb[:, 31], torch.sin(t / 10_000))  # la plus basse
    torch.testing.assert_close(emb[:, 63], torch.cos(t / 10_000))
    middle = 10_000 ** (-5 / 31)
    assert emb[2, 5].item() == pytest.approx(math.sin(7 * middle), abs=1e-6)
    assert emb[2, 37].item() == pytest.approx(math.cos(7 * middle), abs=1e-6)


def test_time_embedding_tells_all_instants_apart():
    emb = time_embedding(torch.arange(1000), 64)
    distances = torch.cdist(emb, emb) + 10 * torch.eye(1000)
    assert distances.min() > 0.1
    torch.testing.assert_close(emb.square().sum(1), torch.full((1000,), 32.0))  # sin² + cos² = 1


@pytest.mark.parametrize("dim", [63, 1, 2, 0, -2])
def test_odd_or_small_embedding_is_refused(dim):
    with pytest.raises(ValueError, match=f"doit être paire et valoir au moins 4, reçu {dim}"):
        time_embedding(torch.zeros(1), dim)
    with pytest.raises(ValueError, match="doit être paire|doit valoir au moins 4"):
        UNet(time_emb_dim=dim)


# --- le UNet --------------------------------------------------------------------------------------


def test_parameter_count_of_the_report():
    assert count(UNet()) == 2_495_457


@pytest.mark.parametrize("classes", [None, 10])
@pytest.mark.parametrize(("channels", "width", "dim"), [(1, 16, 64), (3, 32, 64), (1, 8, 16)])
def test_parameter_count(channels, width, dim, classes):
    """Une convolution k×k de n à m canaux a m (n k² + 1) paramètres, une couche m (n + 1)."""
    c1, c2, c3, c4 = (width * 2**floor for floor in range(4))

    def block(n, m):
        return m * (9 * n + 1) + m * (9 * m + 1) + m * (dim + 1)

    down = block(channels, c1) + block(c1, c2) + block(c2, c3) + block(c3, c4)
    up = sum(m * 16 * n + m + block(2 * m, m) for n, m in ((c4, c3), (c3, c2), (c2, c1)))
    time = 2 * dim * (dim + 1) + (0 if classes is None else (classes + 1) * dim)
    unet = UNet(channels, channels, dim, width=width, num_classes=classes)
    assert count(unet) == time + down + up + channels * (9 * c1 + 1)


@pytest.mark.parametrize("side", [28, 32, 17, 8])
def test_noise_has_the_shape_of_the_image(side):
    unet = UNet(3, 2, width=4)
    assert unet(torch.randn(2, 3, side, side), torch.tensor([0, 9])).shape == (2, 2, side, side)


def test_every_floor_of_the_unet():
    """28 devient 14, 7 et 3, puis remonte par 7 et 14 malgré l'arrondi."""
    unet, sides = UNet(width=2), []
    for name in ("down1", "down2", "down3", "bottleneck", "merge3", "merge2", "merge1"):
        getattr(unet, name).register_forward_hook(
            lambda module, args, output: sides.append(tuple(output.shape[1:]))
        )
    unet(torch.randn(1, 1, 28, 28), torch.zeros(1))
    assert sides == [
        (2, 28, 28), (4, 14, 14), (8, 7, 7), (16, 3, 3), (8, 7, 7), (4, 14, 14), (2, 28, 28),
    ]  # fmt: skip


def test_the_instant_changes_the_noise_of_its_own_image_only():
    unet, x = UNet(width=4), torch.randn(2, 1, 28, 28)
    early, late = unet(x, torch.tensor([3, 3])), unet(x, torch.tensor([3, 900]))
    torch.testing.assert_close(early[0], late[0])
    assert (early[1] - late[1]).abs().max() > 1e-3


def test_convolutions_read_the_neighbourhood_and_the_skips():
    """Sans le fond du U, les étages du haut portent encore le détail de l'image."""
    unet, x = UNet(width=4), torch.randn(1, 1, 28, 28)
    reference = unet(x, torch.zeros(1))
    nn.init.zeros_(unet.up1.weight)
    other = x.clone()
    other[0, 0, 5, 5] += 1
    moved = (unet(other, torch.zeros(1)) - unet(x, torch.zeros(1)))[0, 0].nonzero()
    assert len(moved) > 0
    # Cinq convolutions 3×3 séparent l'image du bruit au premier étage : cinq pixels de portée.
    assert (moved - 5).abs().max() <= 5
    assert not torch.equal(unet(x, torch.zeros(1)), reference)


@pytest.mark.parametrize("classes", [None, 3])
def test_every_parameter_learns(classes):
    unet = UNet(width=8, num_classes=classes)
    labels = None if classes is None else torch.tensor([0, 1, 2, 3] * 4)
    unet(torch.randn(16, 1, 28, 28), torch.arange(16) * 60, labels).square().mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in unet.parameters())
    if classes is not None:
        assert (unet.class_embedding.weight.grad.abs().sum(1) > 0).all()


def test_a_channel_negative_everywhere_still_learns():
    """Une ReLU aurait rendu nul le gradient de ces canaux, et pour toujours."""
    unet = UNet(width=4)
    for convolution in (unet.down2.conv1, unet.merge2.conv2):
        nn.init.constant_(convolution.bias, -100)
    unet(torch.randn(4, 1, 28, 28), torch.zeros(4)).square().mean().backward()
    for convolution in (unet.down2.conv1, unet.merge2.conv2):
        assert (convolution.weight.grad.abs().amax((1, 2, 3)) > 0).all()


def test_the_second_convolution_of_a_block_only_retouches():
    """À poids nuls, elle laisse passer ce qu'elle lit : la première, plus l'instant projeté."""
    block, x, emb = UNet(width=4).down2, torch.randn(2, 4, 6, 6), torch.randn(2, 64)
    nn.init.zeros_(block.conv2.weight), nn.init.zeros_(block.conv2.bias)
    read = F.leaky_relu(block.conv1(x), 0.1) + block.to_channels(emb)[:, :, None, None]
    torch.testing.assert_close(block(x, emb), read)


def test_labels_change_the_noise_and_the_last_one_means_none():
    unet, x, t = UNet(width=4, num_classes=10), torch.randn(3, 1, 28, 28), torch.tensor([1, 2, 3])
    without = unet(x, t)
    torch.testing.assert_close(unet(x, t, torch.full((3,), 10)), without)
    mixed = unet(x, t, torch.tensor([10, 4, 5]))
    torch.testing.assert_close(mixed[0], without[0])
    assert ((mixed - without).abs().amax((1, 2, 3)) > 1e-3).tolist() == [False, True, True]


@pytest.mark.parametrize("labels", [[1], [[1, 2]], [1, 2, 3]])
def test_as_many_labels_as_images(labels):
    unet = UNet(width=2, num_classes=10)
    with pytest.raises(ValueError, match=r"classes \[2\], une par image, attendues, reçu \["):
        unet(torch.randn(2, 1, 8, 8), torch.tensor([0, 1]), torch.tensor(labels))


@pytest.mark.parametrize("labels", [[0, 11], [-1, 0]])
def test_labels_out_of_range_are_refused(labels):
    unet = UNet(width=2, num_classes=10)
    with pytest.raises(ValueError, match=r"classes \[2\] entre 0 et 9 attendues, ou 10"):
        unet(torch.randn(2, 1, 8, 8), torch.tensor([0, 1]), torch.tensor(labels))


def test_labels_without_classes_are_refused():
    with pytest.raises(ValueError, match=r"n'a pas de classes : créez-le par UNet\(num_classes"):
        UNet(width=2)(torch.randn(1, 1, 8, 8), torch.tensor([0]), torch.tensor([0]))


def test_a_block_of_ones_own_takes_every_place():
    """Le lab 08 compare ses blocs à ceux du rapport : mêmes poids, même tirage, autre calcul."""

    class Plain(UNetBlock):
        def forward(self, x, emb):
            h = F.relu(self.conv1(x)) + self.to_channels(emb)[:, :, None, None]
            return F.relu(self.conv2(h))

    torch.manual_seed(1)
    usual = UNet(width=2)
    torch.manual_seed(1)
    other = UNet(width=2, block=Plain)
    for one, two in zip(usual.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
    assert sum(isinstance(module, Plain) for module in other.modules()) == 7
    x, t = torch.randn(1, 1, 28, 28), torch.zeros(1)
    assert not torch.allclose(usual(x, t), other(x, t))


def test_float64_throughout():
    unet = UNet(width=2, num_classes=3).double()
    x, t, labels = torch.randn(2, 1, 8, 8).double(), torch.tensor([3, 900]), torch.tensor([0, 2])
    assert unet(x, t, labels).dtype == torch.float64
    single = unet.float()(x.float(), t, labels)
    torch.testing.assert_close(single, unet.double()(x, t, labels).float(), atol=1e-5, rtol=1e-4)


def test_another_default_dtype_is_explained(default_float64):
    assert time_embedding(torch.tensor([3]), 8).dtype == torch.float32
    with pytest.raises(ValueError, match=r"float32 pour un modèle en torch.float64.*set_default"):
        UNet(width=2)(torch.zeros(1, 1, 8, 8, dtype=torch.float32), torch.tensor([3]))


@pytest.mark.parametrize("options", [
    {"in_channels": 0}, {"out_channels": 0}, {"width": 0}, {"num_classes": 0}, {"width": -8},
])  # fmt: skip
def test_impossible_sizes_are_refused(options):
    with pytest.raises(ValueError, match="doit valoir au moins 1"):
        UNet(**options)


@pytest.mark.parametrize("options", [{"width": "8"}, {"num_classes": 2.5}, {"time_emb_dim": 8.0}])
def test_sizes_of_another_type_are_refused(options):
    ((name, value),) = options.items()
    with pytest.raises(TypeError, match=f"{name} attend un nombre entier, reçu {value!r}"):
        UNet(**options)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (1, 8, 8), (1, 1, 4, 8), (0, 1, 8, 8)])
def test_images_of_another_shape_are_refused(shape):
    x = torch.zeros(shape)
    with pytest.raises(ValueError, match=r"images \[B, 1, H, W\] attendues, B au moins 1, H et W"):
        UNet(width=2, time_emb_dim=8)(x, torch.zeros(len(x), dtype=torch.long))
