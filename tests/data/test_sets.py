"""Les ensembles d'images et leurs lots : exacts, et sans copie."""

import hashlib
import json
from functools import partial

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from labkit.data import ImageSet, ImageSplits


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


def labels_for(count: int) -> torch.Tensor:
    return torch.zeros(count, dtype=torch.long)


def bytes_of(*shape: int) -> torch.Tensor:
    return torch.zeros(shape, dtype=torch.uint8)


@pytest.mark.parametrize(("images", "labels", "message"), [
    (bytes_of(4, 28, 28), labels_for(4), r"reçu torch.uint8 \[4, 28, 28\].*images\[:, None\]"),
    (bytes_of(4), labels_for(4), r"reçu torch.uint8 \[4\].*quatre dimensions"),
    (torch.zeros(4, 1, 28, 28), labels_for(4), r"torch.float32.*255 \* images"),
    (bytes_of(4, 1, 28, 28).long(), labels_for(4), r"torch.int64.*images.to\(torch.uint8\)"),
    (bytes_of(4, 1, 28, 28).numpy(), labels_for(4), r"ndarray.*torch.as_tensor\(images\)"),
    (bytes_of(4, 1, 28, 28), labels_for(3), r"classes int64 \[4\] attendues.*int64 \[3\]"),
    (bytes_of(4, 1, 28, 28), labels_for(4).float(), "classes int64.*torch.float32"),
    (bytes_of(4, 1, 28, 28), labels_for(4)[:, None], r"classes int64.*\[4, 1\]"),
    (bytes_of(4, 1, 28, 28), [0, 0, 0, 0], "classes int64.*list"),
])  # fmt: skip
def test_images_or_classes_of_another_kind_are_refused(images, labels, message):
    with pytest.raises(ValueError, match=message):
        ImageSet(images, labels)


@pytest.mark.parametrize("shape", [(3, 28, 28), (1, 64, 48), (4, 1, 1)])
def test_images_of_any_size_make_a_set(shape):
    images = torch.arange(5 * np.prod(shape)).remainder(256).to(torch.uint8).reshape(5, *shape)
    image_set = ImageSet(images, torch.arange(5))
    x, y = next(iter(image_set.batches(4, value_range=(-1, 1))))
    assert x.shape == (4, *shape)
    torch.testing.assert_close(x, images[:4].float() / 127.5 - 1)
    assert y.tolist() == [0, 1, 2, 3]
    assert image_set[2][0].shape == shape


@pytest.mark.parametrize("index", [7, np.int64(7), torch.tensor(7), -293])
def test_an_integer_gives_an_image_and_its_class(index):
    images = numbered_set(300)
    x, label = images[index]
    assert x.dtype == torch.float32
    assert x.shape == (1, 28, 28)
    assert x[0, 0, 0].item() == pytest.approx(7 / 255, rel=1e-6)
    assert label == 7
    assert type(label) is int


@pytest.mark.parametrize(("index", "numbers_found"), [
    (slice(2, 5), [2, 3, 4]), ([4, 0], [4, 0]),
    (torch.tensor([4]), [4]), (np.array([1, 1]), [1, 1]),
    (torch.arange(300) == 9, [9]), (slice(0, 0), []),
])  # fmt: skip
def test_several_indices_give_a_set(index, numbers_found):
    subset = numbered_set(300)[index]
    assert isinstance(subset, ImageSet)
    assert subset.labels.tolist() == numbers_found


@pytest.mark.parametrize("index", [300, -301])
def test_an_index_too_large_is_refused(index):
    with pytest.raises(IndexError, match=f"pas d'image {index} : l'ensemble en a 300"):
        numbered_set(300)[index]


@pytest.mark.parametrize("index", ["images", 1.5, (0, 1), None])
def test_what_is_not_an_index_is_refused(index):
    with pytest.raises(TypeError, match="entier, tranche ou tenseur d'indices attendu"):
        numbered_set(3)[index]


def test_a_set_is_read_image_by_image():
    pairs = list(numbered_set(5))
    assert [label for _, label in pairs] == [0, 1, 2, 3, 4]
    assert torch.equal(numbers(torch.stack([x for x, _ in pairs])), torch.arange(5))


def test_a_data_loader_reads_a_set_as_batches_do():
    images = numbered_set(10)
    loaded, ours = list(DataLoader(images, batch_size=4)), list(images.batches(4))
    assert len(loaded) == len(ours) == 3
    for (x, y), (expected_x, expected_y) in zip(loaded, ours, strict=True):
        assert torch.equal(x, expected_x)
        assert torch.equal(y, expected_y)


@pytest.mark.parametrize("size", ["64", 64.0, None, [64]])
def test_a_batch_size_is_an_integer(size):
    with pytest.raises(
        TypeError, match="batch_size : nombre entier attendu, reçu .*par exemple 64"
    ):
        numbered_set(3).batches(size)


def test_a_batch_size_may_come_from_numpy():
    assert len(numbered_set(5).batches(np.int64(2))) == 3


@pytest.mark.parametrize("value_range", [("0", "1"), "01", 1.0, (0,), (0, 1, 2), None])
def test_a_value_range_is_two_numbers(value_range):
    for read in (partial(numbered_set(3).batches, 2), numbered_set(3).tensors):
        with pytest.raises(TypeError, match=r"value_range : deux nombres attendus.*\(0.0, 1.0\)"):
            read(value_range=value_range)


@pytest.mark.parametrize("value_range", [(0, 255), (1, 0), (1, 1), (-2, 0), (0, float("nan"))])
def test_a_value_range_out_of_bounds_is_refused(value_range):
    for read in (partial(numbered_set(3).batches, 2), numbered_set(3).tensors):
        with pytest.raises(ValueError, match=r"intervalle de \[-1, 1\] attendu.*images"):
            read(value_range=value_range)


def test_batches_ignore_the_default_device_and_type(other_defaults):
    images = numbered_set(300)
    torch.manual_seed(7)
    expected = list(images.batches(64, shuffle=True))
    with other_defaults():
        torch.manual_seed(7)
        found = list(images.batches(64, shuffle=True))
    for (x, y), (expected_x, expected_y) in zip(found, expected, strict=True):
        assert x.dtype == torch.float32
        assert torch.equal(x, expected_x)
        assert torch.equal(y, expected_y)


def test_a_checksum_is_that_of_the_bytes_and_is_computed_once(monkeypatch):
    images = numbered_set(20)
    content = images.images.numpy().tobytes() + images.labels.numpy().tobytes()
    expected = hashlib.sha256(content).hexdigest()
    assert images.checksum() == expected
    monkeypatch.setattr(hashlib, "sha256", None)
    assert images.checksum() == expected
    assert images.fingerprint() == {"images": 20, "sha256": expected}
    assert images.batches(8, shuffle=True, value_range=(-1, 1)).fingerprint() == {
        "sha256": expected, "batch_size": 8, "shuffle": True, "value_range": [-1.0, 1.0],
    }  # fmt: skip


def test_a_checksum_sees_every_byte_of_images_and_classes():
    images = numbered_set(20)
    pixels, labels = images.images.clone(), images.labels.clone()
    pixels[3, 0, 27, 27] += 1
    labels[3] += 1
    sums = {
        ImageSet(*pair).checksum()
        for pair in ((images.images, images.labels), (pixels, images.labels),
                     (images.images, labels), (pixels, labels))
    }  # fmt: skip
    assert len(sums) == 4
    strided = ImageSet(images.images.repeat_interleave(2, dim=0)[::2], images.labels)
    assert strided.checksum() == images.checksum()
    assert numbered_set(0).checksum() == hashlib.sha256(b"").hexdigest()


def test_a_fingerprint_of_batches_survives_json_and_tells_them_apart():
    images = numbered_set(20)
    prints = [
        json.dumps(batches.fingerprint())
        for batches in (
            images.batches(8), images.batches(9), images.batches(8, shuffle=True),
            images.batches(8, value_range=(-1, 1)), images[:19].batches(8),
        )
    ]  # fmt: skip
    assert len(set(prints)) == 5
    assert json.dumps(numbered_set(20).batches(8, value_range=(0, 1)).fingerprint()) == prints[0]


def test_splits_are_known_by_their_name_and_training_images():
    images = numbered_set(20)
    splits = ImageSplits("essai", images, images[:2], images[2:4], ("a", "b"))
    assert splits.fingerprint() == {"name": "essai", "train": 20, "sha256": images.checksum()}
