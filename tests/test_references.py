"""Les références : ce qui est enregistré se relit à l'identique, et rien d'abîmé n'est chargé."""

import errno
import hashlib
import json

import pytest
import torch
from torch import nn

from labkit import references
from labkit.data import ImageSet, ImageSplits
from labkit.files import FileError
from labkit.models import VAE, AutoEncoder
from labkit.tables import count_parameters
from labkit.training import History

ARCHITECTURE = {"class": "labkit.models.AutoEncoder", "latent_dim": 3}


@pytest.fixture
def data():
    images = torch.arange(4 * 784, dtype=torch.int64).remainder(256).to(torch.uint8)
    part = ImageSet(images.reshape(4, 1, 28, 28), torch.arange(4))
    return ImageSplits("digits", part, part[:1], part[1:2], tuple("0123456789"))


@pytest.fixture
def saved(tmp_path, monkeypatch, data):
    """Une référence enregistrée par un lab, que l'on fait passer pour installée."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(references, "_INSTALLED", tmp_path / "sorties" / "references")
    torch.manual_seed(0)
    model = AutoEncoder(3)
    history = History({"loss": [0.3, 0.2]}, [1.5, 1.25])
    card = references.save_reference(
        "essai", model, ARCHITECTURE, lab="02_autoencoder", data=data, seed=7,
        history=history, metrics={"test_mse": 0.123456789},
    )  # fmt: skip
    return model, card


def test_the_same_weights_come_back_in_eval_mode(saved):
    model, _ = saved
    loaded = references.load_reference("essai")
    assert isinstance(loaded, AutoEncoder) and not loaded.training
    for name, value in model.state_dict().items():
        # float16 garde onze bits : 2^-11 d'écart relatif, 2^-25 près de zéro.
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=2**-11, atol=2**-25)


def test_the_card_says_where_the_weights_come_from(saved, data):
    _, card = saved
    assert references.list_references() == {"essai": card}
    digest = hashlib.sha256(data.train.images.numpy().tobytes())
    digest.update(data.train.labels.numpy().tobytes())
    assert card["dataset"] == {"name": "digits", "train": 4, "sha256": digest.hexdigest()}
    assert (card["seed"], card["epochs"], card["seconds"]) == (7, 2, 2.8)
    assert card["metrics"] == {"test_mse": 0.12346}
    assert {"processor", "cores", "system", "python", "torch"} == set(card["machine"])
    assert len(card["commit"]) == 40 or "inconnu" in card["commit"]


@pytest.mark.parametrize("damage", ["modified", "truncated", "missing"])
def test_damaged_weights_are_refused(saved, tmp_path, damage):
    path = tmp_path / "sorties" / "references" / "essai.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content if damage == "modified" else content[:-10])
    with pytest.raises(references.ReferenceModelError, match="absents ou abîmés"):
        references.load_reference("essai")


def test_an_unknown_reference_gives_the_near_names(saved):
    with pytest.raises(ValueError, match="Vouliez-vous dire 'essai'"):
        references.load_reference("essay")


def test_a_damaged_card_is_named_and_spares_the_others(saved, tmp_path):
    path = tmp_path / "sorties" / "references" / "autre.json"
    path.write_text('{"lab": ', encoding="utf-8")
    for read in (references.list_references, lambda: references.load_reference("autre")):
        with pytest.raises(references.ReferenceModelError, match="autre.json est illisible"):
            read()
    assert isinstance(references.load_reference("essai"), AutoEncoder)


def test_an_architecture_that_does_not_rebuild_the_model_is_refused(saved, data):
    with pytest.raises(references.ReferenceModelError, match="ne reconstruit pas"):
        references.save_reference(
            "faux", AutoEncoder(3), ARCHITECTURE | {"latent_dim": 4}, lab="02",
            data=data, seed=0, history=History(), metrics={},
        )  # fmt: skip


def save(name, data, **changes):
    options = {"lab": "02", "data": data, "seed": 0, "history": History(), "metrics": {}} | changes
    return references.save_reference(name, AutoEncoder(3), ARCHITECTURE, **options)


def test_an_interrupted_training_is_never_saved(saved, data, tmp_path):
    history = History({"loss": [0.3, 0.25]}, [1.5, 0.5], interrupted_at=(2, 7))
    with pytest.raises(references.ReferenceModelError, match="interrompu à l'époque 2, lot 7"):
        save("partiel", data, history=history)
    assert not list((tmp_path / "sorties").rglob("partiel*"))


def test_the_card_carries_what_made_the_model(saved, data):
    history = History()
    history.made_by = {"lr": 0.001}
    card = save("fait", data, history=history, made_by={"code": {"train": "code 12"}})
    assert card["made_by"] == {"lr": 0.001, "code": {"train": "code 12"}}
    assert saved[1]["made_by"] == {} and "run" not in card


def test_the_card_names_the_execution_that_saved_it(saved, data, monkeypatch):
    monkeypatch.setenv(references.RUN_VARIABLE, "a1b2")
    assert save("fait", data)["run"] == "a1b2"


def test_any_data_that_tells_its_fingerprint_will_do(saved):
    class Points:
        def fingerprint(self):
            return {"name": "deux lunes", "points": 300, "sha256": "ab"}

    assert save("points", Points())["dataset"] == {
        "name": "deux lunes", "points": 300, "sha256": "ab",
    }  # fmt: skip


@pytest.mark.parametrize("failing", ["safetensors", "json"])
def test_a_full_disk_leaves_no_half_reference(saved, data, monkeypatch, failing, tmp_path):
    folder = tmp_path / "sorties" / "references"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    replace = references.write_atomically

    def write(path, content):
        if path.suffix == f".{failing}":
            raise FileError("disque plein") from OSError(errno.ENOSPC, "plein")
        replace(path, content)

    monkeypatch.setattr(references, "write_atomically", write)
    with pytest.raises(FileError, match="disque plein"):
        save("essai", data)
    if failing == "safetensors":  # rien n'a été écrit
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    else:  # la fiche d'avant refuse les poids neufs, qui ne sont pas les siens
        with pytest.raises(references.ReferenceModelError, match="absents ou abîmés"):
            references.load_reference("essai")


def test_a_folder_that_cannot_be_written_is_named(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sorties").write_text("un fichier de ce nom", encoding="utf-8")
    with pytest.raises(FileError, match="impossible d'écrire .*essai"):
        save("essai", data)
    with pytest.raises(FileError, match="impossible d'écrire .*table"):
        references.save_results("table", [], lab="02", data=data, seed=0)


def test_defaults_of_torch_do_not_reach_a_reference(saved):
    wanted = references.load_reference("essai").state_dict()
    torch.set_default_device("meta")
    torch.set_default_dtype(torch.float64)
    try:
        loaded = references.load_reference("essai").state_dict()
        assert torch.get_default_dtype() == torch.float64
        assert torch.empty(1).device.type == "meta"
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)
    for name, value in wanted.items():
        assert loaded[name].dtype == value.dtype and torch.equal(loaded[name], value)


def test_build_makes_a_new_model_from_what_a_card_says():
    part = {"latent_dim": 4, "hidden_dims": [32, 16]}
    model = references.build(
        {
            "class": "labkit.models.VAE",
            "encoder": {"class": "labkit.models.DenseEncoder", **part},
            "decoder": {"class": "labkit.models.vae.DenseDecoder", **part},
        }
    )
    assert type(model) is VAE and model.decode(torch.zeros(2, 4)).shape == (2, 784)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"latent_dim": 2}, "chemin complet.*reçu None"),
        ({"class": "AutoEncoder"}, "chemin complet.*reçu 'AutoEncoder'"),
        ({"class": "os.system", "command": "true"}, "chemin complet.*reçu 'os.system'"),
        ({"class": "labkit.models.Autoencoder"}, "Vouliez-vous dire 'labkit.models.AutoEncoder'"),
        ({"class": "labkit.models.VAEE"}, "Vouliez-vous dire 'labkit.models.VAE' ?"),
        ({"class": "labkit.models.vae_step"}, "inconnue. Vouliez-vous dire 'labkit.models.VAE' ?"),
        ({"class": "labkit.models.vae_loss"}, "inconnue"),
        ({"class": "labkit.nowhere.AutoEncoder"}, "inconnue"),
        ({"class": "labkit.models.AutoEncoder", "latent": 2}, r"refuse les arguments \['latent'\]"),
    ],
)
def test_build_refuses_what_it_cannot_find(architecture, message):
    with pytest.raises(ValueError, match=message):
        references.build(architecture)


def test_weights_above_the_limit_are_refused(saved, data, monkeypatch):
    monkeypatch.setattr(references, "_MAX_BYTES", 1000)
    with pytest.raises(references.ReferenceModelError, match="au-delà"):
        save("gros", data)


@pytest.mark.parametrize("name", references.list_references())
def test_every_shipped_reference_is_sound(name):
    card = references.list_references()[name]
    model = references.load_reference(name)
    assert all(value.isfinite().all() for value in model.state_dict().values())
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            assert layer.weight.is_contiguous(memory_format=torch.channels_last)
    wanted = {"architecture", "lab", "commit", "seed", "dataset", "epochs", "seconds", "machine"}
    assert wanted <= set(card)


def test_the_shipped_autoencoder_reaches_the_course_numbers():
    metrics = json.loads((references._INSTALLED / "autoencoder.json").read_text(encoding="utf-8"))[
        "metrics"
    ]
    assert metrics["train_mse_epoch_1"] == pytest.approx(0.0603, rel=0.03)
    assert metrics["train_mse_epoch_20"] == pytest.approx(0.0362, rel=0.03)


def test_the_shipped_clothes_classifier_is_as_small_and_measures_what_it_should():
    clothes, digits = map(references.load_reference, ("classifier_fashion", "classifier"))
    assert count_parameters(clothes) == count_parameters(digits)
    measures = references.list_references()["classifier_fashion"]["metrics"]
    assert measures["accuracy"] >= 0.925
    noisy = [measures[f"fid_noise_{sigma}"] for sigma in (0.1, 0.2, 0.4)]
    assert measures["fid_between_halves"] < 3 and 10 < noisy[0] < noisy[1] < noisy[2]


def test_a_study_comes_back_with_its_provenance(saved, data):
    rows = [{"latent": 2, "loss": 120.5}, {"latent": 5, "loss": 110.25}]
    card = references.save_results("etude", rows, lab="03_vae", data=data, seed=3)
    assert references.load_results("etude") == card
    assert card["rows"] == rows
    assert (card["lab"], card["seed"], card["dataset"]["train"]) == ("03_vae", 3, 4)
    assert "etude" not in references.list_references()
    with pytest.raises(ValueError, match="Au choix : etude"):
        references.load_results("autre")


def test_a_table_with_a_tensor_is_refused_before_anything_is_written(saved, data, tmp_path):
    with pytest.raises(references.ReferenceModelError, match=r"ni un nombre.*\.item"):
        references.save_results("tenseur", [{"loss": torch.ones(1)}], lab="03", data=data, seed=0)
    assert not list((tmp_path / "sorties").rglob("tenseur*"))


@pytest.mark.parametrize("load", [references.load_reference, references.load_results])
def test_what_is_missing_names_the_command_that_makes_it(load):
    with pytest.raises(ValueError, match=r"python -m tools.references suivi de son nom"):
        load("pixelcnn")


def test_a_name_nearly_right_is_proposed():
    with pytest.raises(ValueError, match="Vouliez-vous dire 'vae_draws'"):
        references.load_results("vae_draw")


def test_what_the_course_ships_is_light():
    """Poids et fiches : ce qu'un étudiant télécharge avec le paquet."""
    files = [path for path in references._INSTALLED.iterdir() if path.is_file()]
    total = sum(path.stat().st_size for path in files)
    assert total < 40e6
