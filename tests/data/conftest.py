"""Un petit jeu d'images au format IDX, que distribue un serveur local."""

import gzip
import struct
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
import torch
import torchvision

from labkit.data import checksums, load_images, sources
from labkit.data.files import TORCHVISION_CLASSES


@pytest.fixture(autouse=True)
def no_environment_root(monkeypatch):
    monkeypatch.delenv("LABKIT_DATA", raising=False)


@pytest.fixture
def other_defaults():
    """Un contexte où PyTorch crée par défaut des float64 sur un autre appareil."""

    @contextmanager
    def switched():
        earlier = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            with torch.device("meta"):
                yield
        finally:
            torch.set_default_dtype(earlier)

    return switched


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def make_files(seed: int = 0, side: int = 28, train: int = 30, test: int = 10) -> dict[str, bytes]:
    draws = np.random.default_rng(seed)
    arrays = (
        draws.integers(0, 256, (train, side, side)), (np.arange(train) + seed) % 10,
        draws.integers(0, 256, (test, side, side)), (np.arange(test) + seed) % 10,
    )  # fmt: skip
    return {name: idx(array) for name, array in zip(checksums.FILES, arrays, strict=True)}


@pytest.fixture
def known_files(monkeypatch):
    """Fait d'un petit jeu le jeu publié ; un autre contenu pour chaque nom."""

    def publish(name: str) -> dict[str, bytes]:
        contents = make_files(seed=len(name))
        _publish(monkeypatch, name, contents)
        return contents

    return publish


def _publish(monkeypatch, name: str, contents: dict[str, bytes]) -> None:
    sums = {file: checksums.md5(content) for file, content in contents.items()}
    monkeypatch.setitem(checksums.PUBLISHED, name, sums)
    monkeypatch.setattr(sources, "_FULL_TRAIN_SIZE", 30)


@pytest.fixture
def small_files() -> dict[str, bytes]:
    return make_files()


@pytest.fixture
def point_at(monkeypatch):
    return partial(_point_at, monkeypatch)


def _point_at(monkeypatch, name: str, contents: dict[str, bytes], address: str) -> dict[str, bytes]:
    """Fait de `address` le seul miroir de `name` ; renvoie les archives à servir."""
    archives = {f"{file}.gz": gzip.compress(content, mtime=0) for file, content in contents.items()}
    dataset = getattr(torchvision.datasets, TORCHVISION_CLASSES[name])
    resources = [(archive, checksums.md5(content)) for archive, content in archives.items()]
    monkeypatch.setattr(dataset, "mirrors", [address])
    monkeypatch.setattr(dataset, "resources", resources)
    _publish(monkeypatch, name, contents)
    return archives


@pytest.fixture
def serve(server, point_at):
    def start(name: str, **sizes: int) -> dict[str, bytes]:
        contents = make_files(**sizes)
        server.files = point_at(name, contents, f"http://127.0.0.1:{server.server_port}/")
        return contents

    return start


@pytest.fixture
def installed(serve, tmp_path):
    """Fashion-MNIST en petit, téléchargé et vérifié dans tmp_path."""
    serve("fashion_mnist")
    load_images("fashion_mnist", root=tmp_path)
    return tmp_path / "FashionMNIST/raw"
