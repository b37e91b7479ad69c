"""Les ensembles d'images et leurs lots : exacts, et sans copie."""

import numpy as np
import pytest
import torch

from labkit.data import ImageSet


def numbered_set(count: int) -> ImageSet:
    """Image i : ses deux premiers pixels codent i, sa classe vaut i."""
    images = torch.zeros(count, 1, 28, 28, dtype=torch.uint8)
    index = torch.arange(count)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = index % 256, index // 256
    return ImageSet(images, index)


def numbers(x: torch.Tensor) -> torch.Tensor:
    pixels = (x[:, 0, 0, :2] * 255).round().long()
    return pixels[:, 0] + 256 * pixels[:, 1]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("count", "size", "sizes"), [
    (600, 128, [128] * 4 + [88]), (256, 128, [128, 128]), (5, 128, [5]), (3, 1, [1, 1, 1]),
])  # fmt: skip
def test_every_image_is_seen_once_an_epoch_with_its_label(count, size, sizes, shuffle):
    batches = numbered_set(count).batches(size, shuffle=shuffle)
    assert len(batches) == len(sizes)
    for _ in range(2):
        epoch = list(batches)
        assert [len(y) for _, y in epoch] == sizes
        for x, y in epoch:
            assert x.dtype == torch.float32
            assert x.shape[1:] == (1, 28, 28)
            assert torch.equal(numbers(x), y)
        assert sorted(torch.cat([y for _, y in epoch]).tolist()) == list(range(count))


def epoch_order(batches) -> list[int]:
    return torch.cat([y for _, y in batches]).tolist()


def test_unshuffled_batches_keep_the_order():
    assert epoch_order(numbered_set(300).batches(64)) == list(range(300))


def test_shuffled_order_changes_each_epoch_and_comes_from_the_seed():
    batches = numbered_set(300).batches(64, shuffle=True)
    torch.manual_seed(7)
    first, second = epoch_order(batches), epoch_order(batches)
    torch.manual_seed(7)
    assert epoch_order(batches) == first
    assert epoch_order(batches) == second
    assert first != second
    assert first != list(range(300))


def test_order_is_drawn_when_the_epoch_starts():
    """La reprise en milieu d'époque repose là-dessus."""
    batches = numbered_set(300).batches(64, shuffle=True)
    torch.manual_seed(7)
    expected = epoch_order(batches)
    torch.manual_seed(7)
    iterator = iter(batches)
    torch.manual_seed(99)
    assert torch.cat([y for _, y in iterator]).tolist() == expected


def test_batches_neither_copy_nor_change_the_set():
    images = numbered_set(300)
    before = images.images.clone()
    batches = images.batches(64, shuffle=True)
    assert batches.images.data_ptr() == images.images.data_ptr()
    assert batches.images.dtype == torch.uint8
    for x, y in batches:
        x.zero_()
        y.zero_()
    for x, _ in images.batches(64):
        x.zero_()
    assert torch.equal(images.images, before)


def test_value_ranges_are_exact_at_both_ends():
    images = ImageSet(
        torch.arange(256, dtype=torch.uint8)[:, None, None, None].repeat(1, 1, 28, 28),
        torch.zeros(256, dtype=torch.long),
    )
    pixels = np.arange(256, dtype=np.float64)
    for (low, high), expected in [((0, 1), pixels / 255), ((-1, 1), pixels / 127.5 - 1)]:
        x, y = images.tensors((low, high))
        ((batch, _),) = images.batches(256, value_range=(low, high))
        assert torch.equal(x, batch)
        assert y.shape == (256,)
        assert x.min() == low
        assert x.max() == high
        np.testing.assert_allclose(x[:, 0, 0, 0].numpy(), expected, atol=2e-7)


def test_empty_set_gives_no_batch():
    batches = numbered_set(3)[:0].batches(8, shuffle=True)
    assert len(batches) == 0
    assert list(batches) == []


@pytest.mark.parametrize("size", [0, -4])
def test_batch_size_must_be_positive(size):
    with pytest.raises(ValueError, match="taille de lot doit être au moins 1"):
        numbered_set(3).batches(size)


def test_subsets_keep_images_and_labels_together():
    images = numbered_set(300)
    subset = images[images.labels % 7 == 3]
    assert subset.labels.tolist() == list(range(3, 300, 7))
    assert torch.equal(numbers(subset.tensors()[0]), subset.labels)


@pytest.mark.parametrize(("images", "labels", "message"), [
    (torch.zeros(4, 1, 32, 32, dtype=torch.uint8), torch.zeros(4).long(), r"\[4, 1, 32, 32\]"),
    (torch.zeros(4, 28, 28, dtype=torch.uint8), torch.zeros(4).long(), r"\[4, 28, 28\]"),
    (torch.zeros(4, 1, 28, 28), torch.zeros(4).long(), "torch.float32"),
    (torch.zeros(4, 1, 28, 28, dtype=torch.uint8), torch.zeros(3).long(), r"classes int64 \[4\]"),
    (torch.zeros(4, 1, 28, 28, dtype=torch.uint8), torch.zeros(4), "torch.float32"),
])  # fmt: skip
def test_images_of_another_size_or_type_are_refused(images, labels, message):
    with pytest.raises(ValueError, match=message):
        ImageSet(images, labels)
