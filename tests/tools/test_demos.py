"""Les poids des démonstrations : ce qui est écrit, et ce que la page en relira."""

import base64
import json

import numpy as np
import pytest
import torch

import labkit
from labkit.data.files import DataError
from tools import demos

MOST = 1_500_000  # octets de poids qu'une démonstration peut charger


def read(script):
    """Le nom du fichier de poids, et ses tenseurs, comme la page les lit."""
    name, _, text = script.partition(" = ")
    file = json.loads(text.rstrip(";\n"))
    numbers = np.frombuffer(base64.b64decode(file["base64"]), dtype="<f2")
    tensors, at = {}, 0
    for key, shape in file["tensors"]:
        count = int(np.prod(shape))
        tensors[key] = torch.from_numpy(numbers[at : at + count].reshape(shape).astype("f4"))
        at += count
    assert at == len(numbers)
    return name.removeprefix("weightFiles."), tensors


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demos")
    for name in demos.WEIGHTS:
        (folder / name).mkdir()
    return demos.write_weights(folder)


def test_a_weight_file_gives_back_its_numbers():
    tensors = {"a.weight": torch.randn(3, 4), "b": torch.tensor([2.5])}
    name, found = read(demos.script("essai", tensors))
    assert name == "essai" and list(found) == list(tensors)
    for key, value in tensors.items():
        assert torch.equal(found[key], value.half().float())


def test_a_part_of_a_reference_is_the_same_bit_for_bit():
    model = labkit.load_reference("cvae_small")
    name, found = read(demos.script("cvae_small", demos.part("cvae_small", "decoder.")))
    expected = {k: v for k, v in model.decoder.state_dict().items() if v.is_floating_point()}
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], value) for key, value in expected.items())


def test_each_demo_loads_at_most_a_megabyte_and_a_half(written):
    sizes, files_of_weights = {}, {name for files in demos.WEIGHTS.values() for name in files}
    for path in written:
        if path.stem in files_of_weights:
            _, tensors = read(path.read_text(encoding="ascii"))
            sizes[path.stem] = 2 * sum(value.numel() for value in tensors.values())
    for name, files in demos.WEIGHTS.items():
        assert sum(sizes[file] for file in files) <= MOST, name


def test_a_folder_without_demos_gets_no_weights(tmp_path):
    (tmp_path / "jeu").mkdir()
    assert demos.write_weights(tmp_path) == []
    assert not (tmp_path / "weights").exists()


@pytest.mark.parametrize("name", demos.PLANES)
def test_a_decoder_without_its_sleeping_neurons_draws_the_same(name):
    weights = demos.awake(name)
    h = z = demos.grid_codes(name)
    for rank, layer in enumerate(demos.DENSE[name]):
        h = h @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"]
        h = torch.relu(h) if rank < 2 else torch.sigmoid(h)
    with torch.no_grad():
        whole = labkit.load_reference(name).decode(z)
    torch.testing.assert_close(h, whole, atol=1e-5, rtol=0)
    full = demos.part(name, "decoder.")
    assert sum(v.numel() for v in weights.values()) < 0.85 * sum(v.numel() for v in full.values())


def test_the_map_says_what_the_classifier_reads():
    found, classifier = demos.latent_map(), labkit.load_reference("classifier")
    for name in demos.PLANES:
        row, column = 20, 55
        with torch.no_grad():
            z = demos.grid_codes(name)[row * demos.SIDE + column]
            image = labkit.load_reference(name).decode(z[None]).view(1, 1, 28, 28)
            confidence, label = classifier(image).softmax(dim=1).max(dim=1)
        assert found[f"{name}.label"][row, column] == label
        assert found[f"{name}.confidence"][row, column].item() == pytest.approx(
            confidence.item(), abs=1e-4
        )


def test_a_row_of_the_grid_changes_the_first_coordinate():
    z = demos.grid_codes("vae_dense_2d").view(demos.SIDE, demos.SIDE, 2)
    assert z[0, 0].tolist() == [-demos.REACH, -demos.REACH]
    assert z[0, -1].tolist() == [demos.REACH, -demos.REACH]
    assert z[-1, 0].tolist() == [-demos.REACH, demos.REACH]


def test_the_codes_are_those_of_both_models(monkeypatch):
    """Le même calcul sur les petits chiffres : il reste à retrouver z de u, sans rien d'autre."""
    digits = labkit.load_images("digits")
    monkeypatch.setattr(labkit, "load_images", lambda name: digits)
    text = demos.make_codes().removeprefix(demos.PREFIX).rstrip(";\n")
    planes = json.loads(text)
    x, labels = digits.test.tensors()
    assert planes["labels"] == sorted(planes["labels"])
    chosen = (labels == 3).nonzero()[0]
    at = planes["labels"].index(3)
    with torch.no_grad():
        codes = {
            "autoencoder": labkit.load_reference("autoencoder").encode(x[chosen]),
            "vae_dense_2d": labkit.load_reference("vae_dense_2d").encode(x[chosen])[0],
        }
    for name, z in codes.items():
        plane = planes[name]
        u = torch.tensor(plane["codes"][at])
        found = torch.tensor(plane["mean"]) + torch.tensor(plane["factor"]) @ u
        torch.testing.assert_close(found, z[0], atol=2e-2, rtol=0)
    assert planes["vae_dense_2d"]["factor"] == [[1, 0], [0, 1]]


def test_the_codes_kept_are_those_of_mnist():
    """Le fichier enregistré, tel que le referait la commande, si MNIST est là."""
    try:
        labkit.load_images("mnist", download=False)
    except DataError as error:
        pytest.skip(str(error))
    made = json.loads(demos.make_codes().removeprefix(demos.PREFIX).rstrip(";\n"))
    for name, plane in demos.read_codes().items():
        for key, values in plane.items():  # à l'arrondi d'un autre processeur près
            torch.testing.assert_close(
                torch.tensor(made[name][key]), torch.tensor(values), atol=2e-3, rtol=1e-4
            )


def test_the_command_names_what_it_writes(capsys, monkeypatch, tmp_path):
    (tmp_path / "classes").mkdir()
    monkeypatch.setattr(demos.write_weights, "__defaults__", (tmp_path,))
    assert demos.main([]) == 0
    assert "cvae_small.js (0,16 Mo)" in capsys.readouterr().out
