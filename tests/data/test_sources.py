"""Les jeux d'images : leurs parts ne changent jamais, et sont bien celles des fichiers."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import labkit
from labkit import data
from labkit.data import DataError, ImageSet, load_images
from labkit.data.checksums import FILES, md5

ENVIRONMENT_ROOT = os.environ.get("LABKIT_DATA")
SHARED_ROOT = Path(__file__).resolve().parents[3] / "shared" / "data"
MNIST_ROOT = Path(ENVIRONMENT_ROOT or SHARED_ROOT).expanduser().absolute()
CLOTHES = ("classifier_fashion", "cvae_fashion", "cvae_fashion_small")

needs_mnist = pytest.mark.skipif(
    not (MNIST_ROOT / "MNIST/raw" / FILES[0]).is_file(),
    reason=f"MNIST absent de {MNIST_ROOT} : donnez à LABKIT_DATA un dossier qui le contient",
)
needs_fashion = pytest.mark.skipif(
    not (MNIST_ROOT / "FashionMNIST/raw" / FILES[0]).is_file(),
    reason=f"Fashion-MNIST absent de {MNIST_ROOT}",
)


def as_array(image_set: ImageSet) -> tuple[np.ndarray, np.ndarray]:
    return image_set.images.numpy(), image_set.labels.numpy()


def test_digits_split_sizes_types_and_classes():
    splits = load_images("digits")
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [1297, 250, 250]
    assert splits.name == "digits"
    assert splits.classes == tuple("0123456789")
    for part in (splits.train, splits.val, splits.test):
        assert part.images.dtype == torch.uint8
        assert part.images.shape[1:] == (1, 28, 28)
        assert part.labels.dtype == torch.int64


@pytest.mark.parametrize("seed", [0, 12345])
def test_digits_split_never_changes(seed):
    torch.manual_seed(seed)
    np.random.seed(seed)
    splits = load_images("digits")
    order = torch.cat([splits.train.labels, splits.val.labels, splits.test.labels]).numpy()
    assert md5(order.astype(np.uint8).tobytes()) == "3fc353eeffa8caaae33ddb5e2bbd5f68"


def test_digits_parts_share_the_whole_set():
    splits = load_images("digits")
    labels = torch.cat([splits.train.labels, splits.val.labels, splits.test.labels])
    assert torch.equal(labels.bincount(), torch.from_numpy(load_digits().target).bincount())


def test_digits_are_bilinear_enlargements_of_the_scikit_learn_ones():
    """Interpolation bilinéaire écrite à la main : matrice [28, 8], appliquée des deux côtés."""
    source = load_digits()
    positions = np.clip((np.arange(28) + 0.5) * 8 / 28 - 0.5, 0, 7)
    low = np.minimum(positions.astype(int), 6)
    weights = np.zeros((28, 8))
    weights[np.arange(28), low] = 1 - (positions - low)
    weights[np.arange(28), low + 1] += positions - low
    # Les pixels à 127,5 montent à 128, sur toute machine.
    enlarged = np.floor(weights @ (source.images * 255 / 16) @ weights.T + 0.5 + 1e-6)

    splits = load_images("digits")
    parts = (splits.train, splits.val, splits.test)
    found = torch.cat([part.images for part in parts])[:, 0].numpy()
    labels = torch.cat([part.labels for part in parts]).numpy()
    order = np.random.RandomState(0).permutation(len(source.target))
    np.testing.assert_array_equal(labels, source.target[order])
    np.testing.assert_array_equal(found, enlarged[order])


@pytest.fixture(scope="module")
def mnist():
    return load_images("mnist", root=MNIST_ROOT, download=False)


@needs_mnist
def test_mnist_sizes_and_class_counts(mnist):
    assert [len(part) for part in (mnist.train, mnist.val, mnist.test)] == [60_000, 5_000, 5_000]
    # Effectifs que publie la page de LeCun pour l'entraînement et pour le test.
    assert mnist.train.labels.bincount().tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert (mnist.val.labels.bincount() + mnist.test.labels.bincount()).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip


@needs_mnist
def test_mnist_train_is_the_file_to_the_byte(mnist):
    content = (MNIST_ROOT / "MNIST/raw" / FILES[0]).read_bytes()
    assert mnist.train.images.numpy().tobytes() == content[16:]


@needs_mnist
def test_mnist_val_and_test_share_the_test_file(mnist):
    content = (MNIST_ROOT / "MNIST/raw" / FILES[2]).read_bytes()[16:]
    labels = (MNIST_ROOT / "MNIST/raw" / FILES[3]).read_bytes()[8:]
    official = sorted(
        (content[784 * i : 784 * (i + 1)], labels[i]) for i in range(len(content) // 784)
    )
    found = [
        (image.tobytes(), int(label))
        for part in (mnist.val, mnist.test)
        for image, label in zip(*as_array(part), strict=True)
    ]
    assert sorted(found) == official


@needs_mnist
def test_mnist_split_never_changes(mnist):
    order = mnist.val.labels.numpy().astype(np.uint8)
    assert md5(order.tobytes()) == "3f8ce28d01ea83f0a20402de23f4b409"
    # La première moitié du fichier de test est plus facile : les deux parts la mêlent.
    first_half = {image.tobytes() for image in mnist.val.images.numpy()}
    content = (MNIST_ROOT / "MNIST/raw" / FILES[2]).read_bytes()[16 : 16 + 784 * 5000]
    in_val = sum(content[784 * i : 784 * (i + 1)] in first_half for i in range(5000))
    assert 2300 < in_val < 2700


@needs_mnist
def test_labkit_data_names_the_folder(monkeypatch):
    monkeypatch.setenv("LABKIT_DATA", str(MNIST_ROOT))
    assert data.raw_folder("mnist") == MNIST_ROOT / "MNIST" / "raw"
    data.check_files("mnist")


@pytest.fixture(scope="module")
def fashion():
    return load_images("fashion_mnist", root=MNIST_ROOT, download=False)


@needs_fashion
def test_fashion_mnist_sizes_and_class_counts(fashion):
    parts = (fashion.train, fashion.val, fashion.test)
    assert [len(part) for part in parts] == [60_000, 5_000, 5_000]
    assert len(fashion.classes) == 10
    assert fashion.train.labels.bincount().tolist() == [6_000] * 10
    both = fashion.val.labels.bincount() + fashion.test.labels.bincount()
    assert both.tolist() == [1_000] * 10


@needs_fashion
@pytest.mark.parametrize("name", CLOTHES)
def test_the_fingerprint_of_fashion_mnist_is_the_one_on_the_cards(name, fashion):
    assert fashion.fingerprint() == labkit.list_references()[name]["dataset"]


@needs_fashion
def test_the_shipped_clothes_classifier_sees_nine_real_garments_in_ten(fashion):
    classifier = labkit.load_reference("classifier_fashion")
    right = sum(
        len(part) * labkit.metrics.accuracy(classifier, *part.tensors())
        for part in (fashion.val, fashion.test)
    )
    assert right / 10_000 >= 0.925


def test_images_of_another_size_in_verified_files(serve, tmp_path):
    serve("fashion_mnist", side=32)
    with pytest.raises(DataError, match=r"28, 28\] attendues.*\[30, 1, 32, 32\].*Redimensionnez"):
        load_images("fashion_mnist", root=tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\x08\x03", b"\0\0\x08\x03" + b"\xff" * 40, b"?" * 9]
)
def test_verified_files_that_are_not_idx(content, installed):
    (installed / FILES[0]).write_bytes(content)
    manifest = installed / "MD5SUMS"
    lines = [f"{md5((installed / file).read_bytes())}  {file}\n" for file in FILES]
    manifest.write_text("".join(lines), encoding="utf-8")
    with pytest.raises(DataError, match=r"train-\* illisibles"):
        load_images("fashion_mnist", root=installed.parents[1])


@pytest.mark.parametrize(("name", "near"), [
    ("minst", "'mnist'"), ("MNIST", "'mnist'"), ("fashion-mnist", "'fashion_mnist'"),
    ("FashionMNIST", "'fashion_mnist'"), ("digit", "'digits'"),
])  # fmt: skip
def test_unknown_name_gives_near_names(name, near):
    with pytest.raises(ValueError, match=f"{name}.*inconnu. Vouliez-vous dire .*{near}"):
        load_images(name)


def test_unknown_name_with_no_near_name_lists_them_all():
    with pytest.raises(ValueError, match="inconnu. Au choix : digits, mnist, fashion_mnist"):
        load_images("zzzz")


def test_digits_are_read_without_importing_scikit_learn():
    """Une seconde, que ne paient que les labs qui l'emploient."""
    program = "import sys, labkit; labkit.load_images('digits'); print('sklearn' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert found.stdout.split() == [b"False"]


def test_digits_ignore_the_default_device_and_type(other_defaults):
    expected = load_images("digits")
    with other_defaults():
        found = load_images("digits")
    assert found.fingerprint() == expected.fingerprint()
    assert found.test.checksum() == expected.test.checksum()
    assert found.train.images.device.type == "cpu"


def test_digits_never_change_by_a_byte():
    """Les fiches des références portent cette somme."""
    assert load_images("digits").fingerprint() == {
        "name": "digits", "train": 1297,
        "sha256": "71b7363ed601f0038541c0ecb6593a7b269ab86e54708b7bb36b90503e737a00",
    }  # fmt: skip


def test_files_ignore_the_default_device_and_type(known_files, other_defaults, tmp_path):
    for file, content in known_files("mnist").items():
        (tmp_path / file).write_bytes(content)
    expected = load_images("mnist", root=tmp_path)
    with other_defaults():
        found = load_images("mnist", root=tmp_path)
    for part in ("train", "val", "test"):
        assert getattr(found, part).checksum() == getattr(expected, part).checksum()
        assert getattr(found, part).images.device.type == "cpu"


@needs_mnist
def test_the_fingerprint_of_mnist_is_the_one_on_the_cards(mnist):
    assert mnist.fingerprint() == labkit.list_references()["cvae"]["dataset"]
