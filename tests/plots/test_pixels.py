"""Les pixels : ce que l'on donne pour des images, et ce qui est refusé."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from labkit import plots
from labkit.data import ImageSet
from labkit.plots.pixels import as_images
from tests.plots.pictures import gray_levels

BYTES = np.arange(4 * 14 * 14).reshape(4, 14, 14).astype(np.uint8)
COLOURS = np.random.default_rng(0).integers(0, 256, (4, 14, 14, 3)).astype(np.uint8)

SAME = {
    "int64": torch.tensor(BYTES).long(),
    "int32, tableau": BYTES.astype(np.int32)[:, None],
    "liste de tenseurs": [torch.tensor(image)[None] / 255 for image in BYTES],
    "liste de tableaux": list(BYTES),
    "couple de lots aplatis": tuple(BYTES.reshape(4, -1)),
    "images PIL": [Image.fromarray(image) for image in BYTES],
    "float16": (torch.tensor(BYTES) / 255).half(),
}


@pytest.mark.parametrize("images", SAME.values(), ids=SAME)
def test_same_pixels_however_they_are_given(images):
    np.testing.assert_allclose(as_images(images), BYTES / 255, atol=3e-4)


def test_image_set():
    images = torch.randint(256, (4, 1, 28, 28), dtype=torch.uint8)
    found = as_images(ImageSet(images, torch.arange(4)))
    np.testing.assert_allclose(found, images[:, 0] / 255, atol=1e-6)
    assert plots.image_grid(ImageSet(images, torch.arange(4))).alt.startswith("Grille de 4 images")


@pytest.mark.parametrize("images", [
    COLOURS, np.moveaxis(COLOURS, -1, 1), list(COLOURS),
    [Image.fromarray(image) for image in COLOURS],
], ids=["couleur en dernier", "couleur en premier", "liste", "images PIL"])  # fmt: skip
def test_colours(images):
    np.testing.assert_allclose(as_images(images), COLOURS / 255, atol=1e-6)


def test_one_pil_image():
    black_and_white = Image.fromarray(BYTES[0] > 99)
    np.testing.assert_array_equal(as_images(black_and_white), BYTES[:1] > 99)
    transparent = Image.fromarray(COLOURS[0]).convert("RGBA")
    np.testing.assert_allclose(as_images(transparent), COLOURS[:1] / 255, atol=1e-6)


@pytest.mark.parametrize("dtype", [bool, np.int64, np.float64])
def test_masks(dtype):
    mask = np.eye(14)[None].astype(dtype)
    np.testing.assert_array_equal(as_images(mask), np.eye(14)[None])


def test_bytes_stay_bytes_when_nearly_black():
    assert as_images(np.ones((1, 4, 4), np.uint8)).max() == np.float32(1 / 255)


def test_rounding_is_forgiven():
    found = as_images(np.array([[-1e-4, 0.5, 0.5, 1.0004]]))
    np.testing.assert_array_equal(found, [[[0, 0.5], [0.5, 1]]])


@pytest.mark.parametrize(("images", "received"), [
    (2 * gray_levels(3) - 1, "reçu de −0,50 à 0,50"),
    (255 * gray_levels(3), "reçu de 63,75 à 191,25"),
    (gray_levels(3) + 0.5, "reçu de 0,75 à 1,25"),
    (np.full((1, 4, 4), 1.002), "reçu de 1,00 à 1,00"),
    (np.full((1, 4, 4), 256), "reçu de 256,00 à 256,00"),
    (np.full((1, 4, 4), -1), "reçu de −1,00 à −1,00"),
])  # fmt: skip
def test_other_scales_are_refused_with_what_to_write(images, received):
    with pytest.raises(ValueError, match=f"`images` : .*{received}.*x / 2 [+] 0.5.*x / 255"):
        as_images(images)


@pytest.mark.parametrize("images", [
    (2 * gray_levels(3) - 1) / 2 + 0.5, 255 * gray_levels(3) / 255, (2 * gray_levels(3)).clip(0, 1),
    torch.tensor(2 * gray_levels(3)).clip(0, 1),
])  # fmt: skip
def test_what_the_message_says_to_write_is_accepted(images):
    np.testing.assert_allclose(as_images(images), images[:, 0])


@pytest.mark.parametrize(("images", "message"), [
    (np.zeros((0, 1, 28, 28)), "`images` : aucune image"),
    ([], "aucune image"),
    (np.zeros((3, 15)), "15 pixels, ce n'est pas un carré"),
    (np.zeros(9), r"reçu \[9\]"),
    (np.zeros((3, 2, 5, 5)), r"reçu \[3, 2, 5, 5\]"),
    ([np.zeros((4, 4)), np.zeros((4, 5))], r"même taille sont attendues, reçu \[4, 4\] et \[4, 5"),
    (np.full((1, 4, 4), np.nan), "infinis ou NaN"),
    (np.full((1, 4, 4), np.inf), "infinis ou NaN"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_explained(images, message):
    with pytest.raises(ValueError, match=message):
        as_images(images)


@pytest.mark.parametrize(("images", "received"), [
    ("chiffres.png", "reçu str"),
    (SimpleNamespace(train=BYTES), "reçu SimpleNamespace"),
    ([(BYTES[0], 3)], "reçu une liste de tuple"),
    (3, "reçu int"),
])  # fmt: skip
def test_what_is_not_images_is_explained(images, received):
    with pytest.raises(TypeError, match=f"`images` : .*{received}"):
        as_images(images)
