"""Ce que partagent les modèles qui partent du bruit."""

import pytest
import torch
from torch import nn

from labkit.models import UNet
from labkit.models.centred import check_centred, check_noise, last_image, starting_noise


def test_last_image_is_that_of_the_last_state_between_0_and_1():
    states = iter(
        [(1.0, torch.full((1, 1, 2, 2), 9.0)), (0.0, torch.tensor([-3.0, -1.0, 0.0, 2.0]))]
    )
    assert last_image(states).tolist() == [0.0, 0.0, 0.5, 1.0]


def test_noise_has_the_channels_that_the_model_reads():
    torch.manual_seed(0)
    noise = starting_noise(UNet(in_channels=3, width=2, time_emb_dim=8), 500, (8, 10), "cpu")
    assert noise.shape == (500, 3, 8, 10)
    assert noise.mean().abs() < 0.02 and abs(noise.std() - 1) < 0.02
    assert starting_noise(nn.Identity(), 2, 4, "cpu").shape == (2, 1, 4, 4)


def test_smallest_side_is_that_of_the_model():
    with pytest.raises(ValueError, match="8 au moins, reçu 4"):
        starting_noise(UNet(width=2, time_emb_dim=8), 1, 4, "cpu")


def test_images_are_centred_and_noise_has_their_shape():
    x0 = torch.tensor([[[[-1.0, 0.5], [1.0, 0.0]]]])
    assert check_centred(nn.Identity(), x0) == -1
    assert check_noise(x0, x0) is x0
    with pytest.raises(ValueError, match=r"images hors de \[-1, 1\] \(de −2 à 2\)"):
        check_centred(nn.Identity(), 2 * x0)
    with pytest.raises(ValueError, match="doit avoir la forme des images"):
        check_noise(x0[0], x0)
