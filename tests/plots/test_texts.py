"""Des images mises en texte, puis relues."""

import numpy as np
import pytest
import torch

from labkit.plots import from_text, to_text


def test_images_come_back_to_a_grey_level():
    torch.manual_seed(0)
    images = torch.rand(7, 1, 9, 9)
    found = from_text(to_text(images))
    assert found.shape == (7, 9, 9)
    assert np.abs(found - images[:, 0].numpy()).max() <= 0.5 / 255 + 1e-6


def test_bytes_come_back_as_they_were():
    images = torch.arange(2 * 16).view(2, 1, 4, 4).to(torch.uint8)
    assert (from_text(to_text(images)) * 255).tolist() == images[:, 0].tolist()


def test_text_is_plain():
    assert to_text(torch.zeros(1, 1, 4, 4)).isascii()


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 1, 8, 6)])
def test_colour_or_oblong_images_are_refused(shape):
    with pytest.raises(ValueError, match="images grises carrées"):
        to_text(torch.zeros(shape))
