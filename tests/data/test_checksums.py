"""Les sommes de contrôle : justes, et reconnues sous tous les noms."""

import os
from pathlib import Path

import pytest

from labkit.data import checksums
from labkit.data.checksums import FILES, identify, manifest_entries, md5, usual_name
from labkit.data.files import TORCHVISION_CLASSES as FOLDERS

SHARED_ROOT = Path(__file__).resolve().parents[3] / "shared" / "data"
DATA_ROOT = Path(os.environ.get("LABKIT_DATA") or SHARED_ROOT).expanduser().absolute()


@pytest.mark.parametrize("name", FOLDERS)
def test_the_published_sums_are_those_of_the_whole_sets(name):
    folder = DATA_ROOT / FOLDERS[name] / "raw"
    if not all((folder / file).is_file() for file in FILES):
        pytest.skip(f"{name} absent de {DATA_ROOT}")
    sums = {file: md5((folder / file).read_bytes()) for file in FILES}
    assert sums == checksums.PUBLISHED[name]


def test_every_known_sum_is_that_of_one_file():
    known = [
        (digest, (name, file))
        for name, sums in checksums.PUBLISHED.items()
        for file, digest in sums.items()
    ]
    assert len({digest for digest, _ in known}) == len(known) == 8
    assert all(identify(digest) == owner for digest, owner in known)
    assert identify(md5(b"")) is None


@pytest.mark.parametrize(("name", "file"), [
    ("train-images-idx3-ubyte", FILES[0]), ("train-images.idx3-ubyte", FILES[0]),
    ("TRAIN-LABELS-IDX1-UBYTE.GZ", FILES[1]), ("t10k_images_idx3_ubyte", FILES[2]),
    ("t10k-labels.idx1-ubyte.gz", FILES[3]),
    ("._train-images-idx3-ubyte", None), ("train-images-idx3-ubyte.part", None),
    ("train-images-idx3-ubyte (1).gz", None), ("train-images", None), ("", None),
])  # fmt: skip
def test_names_of_every_mirror(name, file):
    assert usual_name(name) == file


def test_a_manifest_keeps_the_lines_it_understands():
    sums = [md5(bytes([number])) for number in range(3)]
    text = (
        "# sommes de mes fichiers\n"
        f"{sums[0]}  {FILES[0]}\n"
        f"{sums[1]}  autre-fichier\n"
        f"{sums[1][:-1]}  {FILES[1]}\n"
        f"{sums[1]}0  {FILES[1]}\n"
        f"{sums[2].upper()} *{FILES[3]}"
    )
    assert manifest_entries(text.encode()) == {(FILES[0], sums[0]), (FILES[3], sums[2])}
