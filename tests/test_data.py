"""Les images : parts fixes, lots exacts, et tout ce qui peut manquer ou être abîmé."""

import builtins
import errno
import gzip
import hashlib
import os
import socket
import struct
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from sklearn.datasets import load_digits

from labkit import data
from labkit.data import DataError, ImageSet, load_images

ENVIRONMENT_ROOT = os.environ.get("LABKIT_DATA")
SHARED_ROOT = Path(__file__).resolve().parents[2] / "shared" / "data"
MNIST_ROOT = Path(ENVIRONMENT_ROOT or SHARED_ROOT).expanduser().absolute()
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
FOLDERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}

needs_mnist = pytest.mark.skipif(
    not (MNIST_ROOT / "MNIST/raw" / FILES[0]).is_file(),
    reason=f"MNIST absent de {MNIST_ROOT} : donnez à LABKIT_DATA un dossier qui le contient",
)
needs_extract = pytest.mark.skipif(
    not (SHARED_ROOT / "mini/FashionMNIST/raw" / FILES[0]).is_file(),
    reason=f"extrait de Fashion-MNIST absent de {SHARED_ROOT / 'mini'}",
)


@pytest.fixture(autouse=True)
def no_environment_root(monkeypatch):
    monkeypatch.delenv("LABKIT_DATA", raising=False)


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def as_array(image_set: ImageSet) -> tuple[np.ndarray, np.ndarray]:
    return image_set.images.numpy(), image_set.labels.numpy()


# --- digits ---------------------------------------------------------------------------------------


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


# --- lots -----------------------------------------------------------------------------------------


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


# --- MNIST ----------------------------------------------------------------------------------------


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


@needs_extract
def test_fashion_extract_loads_with_a_warning():
    with pytest.warns(UserWarning, match="extrait de fashion_mnist : 1600 images.*400 de test"):
        splits = load_images("fashion_mnist", root=SHARED_ROOT / "mini", download=False)
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [1600, 200, 200]
    assert len(splits.classes) == 10
    assert splits.train.labels.unique().tolist() == list(range(10))


# --- téléchargement, depuis un serveur local ------------------------------------------------------


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def small_files(side: int = 28, train: int = 30, test: int = 10) -> dict[str, bytes]:
    draws = np.random.default_rng(0)
    arrays = (
        draws.integers(0, 256, (train, side, side)), np.arange(train) % 10,
        draws.integers(0, 256, (test, side, side)), np.arange(test) % 10,
    )  # fmt: skip
    return {name: idx(array) for name, array in zip(FILES, arrays, strict=True)}


class _Handler(SimpleHTTPRequestHandler):
    """Sert `server.files`, et les abîme selon `server.fault`."""

    def do_GET(self):
        self.server.requests.append(self.path)
        content = self.server.files.get(self.path.strip("/"))
        fault = self.server.fault
        if fault == "garbled":
            self.wfile.write(b"pas du HTTP\r\n\r\n")
        elif content is None or fault == "missing":
            self.send_error(404)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if fault == "wrong":
                content = bytes([content[0] ^ 1]) + content[1:]
            self.wfile.write(content[: len(content) // 2] if fault == "truncated" else content)

    do_HEAD = do_GET

    def log_message(self, *_):
        """Rien sur la sortie des tests."""


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as http_server:
        http_server.files, http_server.fault, http_server.requests = {}, None, []
        thread = threading.Thread(
            target=partial(http_server.serve_forever, poll_interval=0.01), daemon=True
        )
        thread.start()
        yield http_server
        http_server.shutdown()
        thread.join()


def point_at(monkeypatch, name: str, files: dict[str, bytes], address: str) -> dict[str, bytes]:
    """Fait de `address` le seul miroir de `name` ; renvoie les archives à servir."""
    archives = {f"{file}.gz": gzip.compress(content, mtime=0) for file, content in files.items()}
    dataset = getattr(torchvision.datasets, FOLDERS[name])
    resources = [(archive, md5(content)) for archive, content in archives.items()]
    monkeypatch.setattr(dataset, "mirrors", [address])
    monkeypatch.setattr(dataset, "resources", resources)
    known = {file: md5(content) for file, content in files.items()} if name == "mnist" else {}
    monkeypatch.setitem(data._UNPACKED_MD5, name, known)
    monkeypatch.setattr(data, "_FULL_TRAIN_SIZE", 30)
    return archives


@pytest.fixture
def serve(server, monkeypatch):
    def start(name: str, **sizes: int) -> dict[str, bytes]:
        files = small_files(**sizes)
        address = f"http://127.0.0.1:{server.server_port}/"
        server.files = point_at(monkeypatch, name, files, address)
        return files

    return start


def left_in(raw: Path) -> list[str]:
    return sorted(path.name for path in raw.iterdir()) if raw.is_dir() else []


@pytest.mark.parametrize("name", FOLDERS)
def test_download_then_offline_reload(name, serve, server, tmp_path):
    files = serve(name)
    splits = load_images(name, root=tmp_path)
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [30, 5, 5]
    assert splits.train.images.numpy().tobytes() == files[FILES[0]][16:]
    assert splits.train.labels.tolist() == [i % 10 for i in range(30)]
    raw = tmp_path / FOLDERS[name] / "raw"
    assert left_in(raw) == sorted(["MD5SUMS", *FILES])
    manifest = dict(
        line.split()[::-1] for line in (raw / "MD5SUMS").read_text(encoding="utf-8").splitlines()
    )
    assert manifest == {file: md5(content) for file, content in files.items()}

    asked = len(server.requests)
    again = load_images(name, root=tmp_path, download=False)
    assert torch.equal(again.val.images, splits.val.images)
    assert torch.equal(again.test.labels, splits.test.labels)
    assert len(server.requests) == asked


def test_only_missing_files_are_put_in_place(serve, tmp_path):
    files = serve("fashion_mnist")
    load_images("fashion_mnist", root=tmp_path)
    raw = tmp_path / "FashionMNIST/raw"
    (raw / FILES[3]).unlink()
    damaged = files[FILES[0]][:-5]
    (raw / FILES[0]).write_bytes(damaged)
    with pytest.raises(DataError, match=f"{FILES[0]} est tronqué ou modifié"):
        load_images("fashion_mnist", root=tmp_path)
    assert (raw / FILES[3]).read_bytes() == files[FILES[3]]
    assert (raw / FILES[0]).read_bytes() == damaged


def assert_three_ways_out(message: str, folder: str) -> None:
    for expected in ("Trois façons", "réseau", "LABKIT_DATA", f"{folder}/raw", 'profil = "rapide"'):
        assert expected in message


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("fault", ["wrong", "truncated", "missing", "garbled"])
def test_bad_transfers_leave_nothing_behind(name, fault, serve, server, tmp_path):
    serve(name)
    server.fault = fault
    with pytest.raises(DataError) as caught:
        load_images(name, root=tmp_path)
    assert_three_ways_out(str(caught.value), FOLDERS[name])
    assert left_in(tmp_path / FOLDERS[name] / "raw") == []
    server.fault = None
    assert len(load_images(name, root=tmp_path).train) == 30


def test_a_server_that_fails_late_leaves_nothing_behind(serve, server, tmp_path):
    serve("mnist")
    del server.files[f"{FILES[3]}.gz"]
    with pytest.raises(DataError, match=FILES[3]):
        load_images("mnist", root=tmp_path)
    assert left_in(tmp_path / "MNIST/raw") == []


def test_no_server_at_all(monkeypatch, tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # port pris mais où personne n'écoute : connexion refusée
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        point_at(monkeypatch, "mnist", small_files(), address)
        with pytest.raises(DataError) as caught:
            load_images("mnist", root=tmp_path)
    assert_three_ways_out(str(caught.value), "MNIST")
    assert left_in(tmp_path / "MNIST/raw") == []


def test_timeout_is_set_during_the_download_only(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(
        torchvision.datasets.MNIST, "download", lambda self: seen.append(socket.getdefaulttimeout())
    )
    before = socket.getdefaulttimeout()
    with pytest.raises(DataError):
        load_images("mnist", root=tmp_path)
    assert seen == [30]
    assert socket.getdefaulttimeout() == before


# --- fichiers abîmés, absents ou inaccessibles ----------------------------------------------------


@pytest.fixture
def installed(serve, tmp_path):
    """Fashion-MNIST en petit, téléchargé et vérifié dans tmp_path."""
    serve("fashion_mnist")
    load_images("fashion_mnist", root=tmp_path)
    return tmp_path / "FashionMNIST/raw"


def flip_last_bit(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "damage", [flip_last_bit, lambda c: c[:-7], lambda c: b"", lambda c: c * 2]
)
def test_damaged_file_is_named_not_read_and_kept(file, damage, installed, server):
    path = installed / file
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    asked = len(server.requests)
    with pytest.raises(DataError) as caught:
        load_images("fashion_mnist", root=installed.parents[1])
    assert str(path) in str(caught.value)
    assert "ni lu ni supprimé" in str(caught.value)
    assert "Retirez-le vous-même" in str(caught.value)
    assert path.read_bytes() == damaged
    assert len(server.requests) == asked


def test_files_that_nothing_vouches_for_are_refused(installed):
    (installed / "MD5SUMS").unlink()
    with pytest.raises(DataError, match=r"rien ne permet de vérifier.*écrivez sa somme MD5"):
        load_images("fashion_mnist", root=installed.parents[1])


@pytest.mark.parametrize("content", ["", "\n\n", "0123456789abcdef", "vide", "d41d8cd98f00b204e9"])
def test_a_damaged_manifest_vouches_for_nothing(content, installed):
    (installed / "MD5SUMS").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="rien ne permet de vérifier"):
        load_images("fashion_mnist", root=installed.parents[1])


def test_a_binary_manifest_vouches_for_nothing(installed):
    (installed / "MD5SUMS").write_bytes(b"\xff\xfe\x00\x9d" * 8)
    with pytest.raises(DataError, match="rien ne permet de vérifier"):
        load_images("fashion_mnist", root=installed.parents[1])


def test_intact_archives_vouch_for_unpacked_files(installed, server):
    """Le dossier que laisse torchvision : archives à côté des fichiers, sans MD5SUMS."""
    (installed / "MD5SUMS").unlink()
    for archive, content in server.files.items():
        (installed / archive).write_bytes(content)
    root = installed.parents[1]
    assert len(load_images("fashion_mnist", root=root, download=False).train) == 30
    archive = installed / f"{FILES[0]}.gz"
    archive.write_bytes(archive.read_bytes()[:-1])
    with pytest.raises(DataError, match="rien ne permet de vérifier"):
        load_images("fashion_mnist", root=root, download=False)


def test_manifest_written_by_md5sum_on_binary_files_is_read(installed):
    text = (installed / "MD5SUMS").read_text(encoding="utf-8")
    (installed / "MD5SUMS").write_text(text.replace("  ", " *"), encoding="utf-8")
    assert len(load_images("fashion_mnist", root=installed.parents[1], download=False).train) == 30


def test_old_torchvision_cache_is_not_read(installed):
    """Torchvision préférerait à raw/ ces fichiers que rien ne vérifie."""
    processed = installed.parent / "processed"
    processed.mkdir()
    fake = (torch.zeros(30, 28, 28, dtype=torch.uint8), torch.zeros(30, dtype=torch.long))
    for file in ("training.pt", "test.pt"):
        torch.save(fake, processed / file)
    splits = load_images("fashion_mnist", root=installed.parents[1], download=False)
    assert splits.train.labels.tolist() == [i % 10 for i in range(30)]


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


@pytest.mark.parametrize("root", ["absent", "absent/plus/profond"])
def test_missing_folder_without_download(root, tmp_path):
    with pytest.raises(DataError) as caught:
        load_images("mnist", root=tmp_path / root, download=False)
    assert f"{tmp_path / root}, qui n'existe pas : vérifiez l'orthographe" in str(caught.value)
    assert not (tmp_path / root).exists()


def test_checking_a_missing_file_names_it(installed):
    (installed / FILES[2]).unlink()
    with pytest.raises(DataError, match=FILES[2]):
        data.check_files("fashion_mnist", installed.parents[1])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows donne à cette erreur un autre code")
def test_root_inside_a_file(serve, tmp_path):
    serve("mnist")
    (tmp_path / "fichier").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="impossible d'écrire dans .*fichier.*LABKIT_DATA"):
        load_images("mnist", root=tmp_path / "fichier")


def raise_os_error(code: int, *_args, **_options):
    raise OSError(code, os.strerror(code))


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_folder_where_nothing_can_be_written(code, serve, monkeypatch, tmp_path):
    serve("mnist")
    monkeypatch.setattr(os, "mkdir", partial(raise_os_error, code))
    with pytest.raises(DataError, match="impossible d'écrire dans .*LABKIT_DATA"):
        load_images("mnist", root=tmp_path)


def test_read_only_folder_that_has_the_data_is_enough(installed, monkeypatch):
    real_open = builtins.open

    def read_only(file, mode="r", *args, **options):
        if set(mode) & set("wax+"):
            raise_os_error(errno.EROFS)
        return real_open(file, mode, *args, **options)

    monkeypatch.setattr(builtins, "open", read_only)
    monkeypatch.setattr(os, "mkdir", partial(raise_os_error, errno.EROFS))
    monkeypatch.setattr(os, "replace", partial(raise_os_error, errno.EROFS))
    assert len(load_images("fashion_mnist", root=installed.parents[1]).train) == 30


def test_file_that_cannot_be_opened(installed, monkeypatch):
    monkeypatch.setattr(Path, "read_bytes", partial(raise_os_error, errno.EACCES))
    with pytest.raises(DataError, match=f"impossible de lire .*{FILES[0]}"):
        load_images("fashion_mnist", root=installed.parents[1])


@pytest.mark.parametrize("download", [True, False])
def test_folder_that_cannot_be_read(download, monkeypatch, tmp_path):
    # exists et is_file laissent passer cette erreur ou répondent False, selon la version de Python.
    for method in ("stat", "exists", "is_file", "is_dir"):
        monkeypatch.setattr(Path, method, partial(raise_os_error, errno.EACCES))
    for read in (
        partial(load_images, "mnist", tmp_path, download),
        partial(data.check_files, "mnist", tmp_path),
    ):
        with pytest.raises(DataError, match="impossible de lire .*LABKIT_DATA"):
            read()


def test_manifest_that_cannot_be_read(installed, monkeypatch):
    monkeypatch.setattr(Path, "read_text", partial(raise_os_error, errno.EACCES))
    with pytest.raises(DataError, match="impossible de lire"):
        load_images("fashion_mnist", root=installed.parents[1])


class _FullDisk:
    """Un fichier ouvert en écriture sur un disque où il n'y a plus de place."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, content):
        self.file.write(content[: len(content) // 2])
        raise_os_error(errno.ENOSPC)


@pytest.mark.parametrize("victim", ["images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte"])
def test_full_disk_during_the_download(victim, serve, monkeypatch, tmp_path):
    serve("mnist")
    real_open = builtins.open

    def small_open(file, mode="r", *args, **options):
        opened = real_open(file, mode, *args, **options)
        return _FullDisk(opened) if "w" in mode and str(file).endswith(victim) else opened

    monkeypatch.setattr(builtins, "open", small_open)
    with pytest.raises(DataError, match="disque plein.*Libérez de la place"):
        load_images("mnist", root=tmp_path)
    assert left_in(tmp_path / "MNIST/raw") == []


def test_full_disk_while_files_are_put_in_place(serve, monkeypatch, tmp_path):
    serve("fashion_mnist")
    with monkeypatch.context() as patched:
        real_replace = os.replace

        def replace(source, target):
            if str(target).endswith(FILES[1]):
                raise_os_error(errno.ENOSPC)
            real_replace(source, target)

        patched.setattr(os, "replace", replace)
        with pytest.raises(DataError, match="disque plein"):
            load_images("fashion_mnist", root=tmp_path)
    assert len(load_images("fashion_mnist", root=tmp_path).train) == 30


# --- noms et dossiers -----------------------------------------------------------------------------


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


def test_folder_is_root_then_labkit_data_then_the_user_cache(monkeypatch, tmp_path):
    from platformdirs import user_cache_path

    assert data.data_root() == user_cache_path("labkit")
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path / "a"))
    assert data.data_root() == tmp_path / "a"
    assert data.data_root(tmp_path / "b") == tmp_path / "b"
    monkeypatch.setenv("LABKIT_DATA", "~/donnees")
    assert data.data_root() == Path.home() / "donnees"
    monkeypatch.chdir(tmp_path)
    assert data.data_root("relatif") == Path.cwd() / "relatif"


def test_an_extract_is_believed_only_under_its_own_name(tmp_path, monkeypatch):
    raw = data.raw_folder("mnist", tmp_path)
    raw.mkdir(parents=True)
    for file in FILES:
        (raw / file).write_bytes(b"vetements")
    digest = data._md5(b"vetements")
    monkeypatch.setitem(data._EXTRACT_MD5, "fashion_mnist", dict.fromkeys(FILES, digest))
    with pytest.raises(DataError, match="tronqué ou modifié"):
        data.check_files("mnist", tmp_path)
