"""Un lab : `complet` calcule et enregistre, `rapide` relit, et rien de périmé n'est repris."""

import pytest
import torch

from labkit import Lab, Trained, references
from labkit.data import ImageSet, ImageSplits
from labkit.models import AutoEncoder
from labkit.training import History

SETTINGS = {"rapide": {"epochs": 2, "scale": 1.0}, "complet": {"epochs": 20, "scale": 2.0}}
ARCHITECTURE = {"class": "labkit.models.AutoEncoder", "latent_dim": 3}


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    """Un dossier où ce qui est enregistré passe aussitôt pour installé."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(references, "_INSTALLED", tmp_path / "sorties" / "references")
    return tmp_path


@pytest.fixture
def data():
    images = torch.arange(4 * 784).remainder(256).to(torch.uint8).reshape(4, 1, 28, 28)
    part = ImageSet(images, torch.arange(4))
    return ImageSplits("digits", part, part[:1], part[1:2], tuple("0123456789"))


def make(profile="complet", seed=0, settings=SETTINGS):
    return Lab("02_essai", profile, seed, settings)


def never():
    raise AssertionError("rien n'est à calculer en rapide")


@pytest.mark.parametrize(
    ("profile", "hint"),
    [("Complet", " Vouliez-vous dire 'complet' ?"), ("rapid", "'rapide'"), (None, "reçu None")],
)
def test_an_unknown_profile_is_refused(profile, hint):
    with pytest.raises(ValueError, match='profil doit être "rapide" ou "complet"') as refused:
        make(profile)
    assert hint in str(refused.value)


@pytest.mark.parametrize("seed", [-1, 1.0, True, "0", 2**32])
def test_a_seed_is_a_natural_number(seed):
    with pytest.raises(ValueError, match="graine doit être un entier"):
        make(seed=seed)


def test_settings_are_those_of_the_profile():
    assert (make("rapide").settings["epochs"], make("rapide").complete) == (2, False)
    assert (make("complet").settings["epochs"], make("complet").complete) == (20, True)


def test_checkpoints_are_named_by_lab_name_and_seed_in_full_only():
    assert make(seed=3).checkpoint("vae").as_posix() == "sorties/points/02_vae_3.pt"
    assert make("rapide").checkpoint("vae") is None


def test_a_table_computed_in_full_is_recalled_in_quick(data):
    full = make(seed=5)
    rows = full.results("table", lambda: [{"epochs": full.settings["epochs"]}], data=data)
    assert rows == [{"epochs": 20}]
    card = full.cards["table"]
    assert (card["lab"], card["seed"], card["dataset"]["name"]) == ("02_essai", 5, "digits")
    assert card["made_by"]["settings"] == SETTINGS["complet"] and card["made_by"]["code"]
    quick = make("rapide")
    assert quick.results("table", never, data=never) == rows
    assert quick.cards["table"] == card


def test_a_model_trained_in_full_is_recalled_in_quick(data):
    torch.manual_seed(0)
    model, history = AutoEncoder(3), History({"loss": [0.3]}, [1.0])

    def train():
        return Trained(model, ARCHITECTURE, history, {"test_mse": 0.25})

    trained, card = make().reference("essai", train, data=lambda: data)
    assert trained is model and card["metrics"] == {"test_mse": 0.25}
    assert any(name.endswith("train") for name in card["made_by"]["code"])
    quick = make("rapide")
    recalled, recalled_card = quick.reference("essai", never, data=never)
    assert recalled_card == card == quick.cards["essai"]
    weight = model.state_dict()["encoder.0.weight"]
    torch.testing.assert_close(
        recalled.state_dict()["encoder.0.weight"], weight, rtol=2**-11, atol=2**-25
    )


def test_an_interrupted_training_is_not_a_reference(data):
    history = History({"loss": [0.3]}, [1.0], interrupted_at=(1, 3))
    with pytest.raises(references.ReferenceModelError, match="interrompu"):
        make().reference(
            "essai", lambda: Trained(AutoEncoder(3), ARCHITECTURE, history, {}), data=data
        )
    with pytest.raises(TypeError, match=r"labkit\.Trained.*reçu tuple"):
        make().reference("essai", lambda: (1, 2), data=data)


def test_the_origin_of_a_result(data):
    origin = make(seed=2).provenance(data)
    assert (origin["lab"], origin["seed"], origin["dataset"]["train"]) == ("02_essai", 2, 4)


def sampler(scale, model=None):
    """Un tirage qui dit, à l'écran, combien d'images on lui demande."""

    def draw(count):
        print(f"[{count}]", end="")
        noise = scale * torch.rand(count, 2)
        return noise if model is None else model(noise)

    return draw


def test_kept_images_are_drawn_block_by_block_from_their_own_seed(working_folder, capsys):
    images = make(seed=7).cached("bruit", sampler(1.0), 5, block=2)
    assert capsys.readouterr().out == "[2][2][1]" and images.shape == (5, 2)
    for start, stop in ((0, 2), (2, 4), (4, 5)):
        torch.manual_seed(7 + start)
        assert torch.equal(images[start:stop], torch.rand(stop - start, 2))
    names = sorted(path.name for path in (working_folder / "sorties" / "points").iterdir())
    assert names == ["02_bruit_7_0.pt", "02_bruit_7_2.pt", "02_bruit_7_4.pt"]
    assert torch.equal(make(seed=7).cached("bruit", sampler(1.0), 5, block=2), images)
    assert capsys.readouterr().out == ""


def test_an_interrupted_drawing_goes_on_from_the_missing_block(working_folder, capsys):
    images = make().cached("bruit", sampler(1.0), 4, block=2)
    (working_folder / "sorties" / "points" / "02_bruit_0_2.pt").unlink()
    capsys.readouterr()
    assert torch.equal(make().cached("bruit", sampler(1.0), 4, block=2), images)
    assert capsys.readouterr().out == "[2]"


def test_images_of_another_setting_seed_or_model_are_drawn_again(capsys):
    torch.manual_seed(0)
    one, two = (torch.nn.Linear(2, 2).requires_grad_(False) for _ in range(2))

    def said_by(lab, draw, **made_by):
        lab.cached("bruit", draw, 4, block=2, **made_by)
        return capsys.readouterr().out

    again = "[2][2]bruit : images tirées de nouveau"
    assert said_by(make(), sampler(1.0, one)) == "[2][2]"
    said = said_by(make(), sampler(3.0, one))
    assert said.startswith(again) and said.endswith("sampler.draw.scale : 1,0 → 3,0).\n")
    said = said_by(make(), sampler(3.0, two))
    assert said == f"{again} (les poids de `torch.nn.modules.linear.Linear` ont changé).\n"
    said = said_by(make(), sampler(3.0, two), steps=50)
    assert said == f"{again} (steps : absent → 50).\n"
    assert said_by(make(seed=1), sampler(3.0, two), steps=50) == "[2][2]"  # d'autres fichiers


def test_old_or_damaged_blocks_are_drawn_again(working_folder, capsys):
    images = make().cached("bruit", sampler(1.0), 4, block=2)
    folder = working_folder / "sorties" / "points"
    torch.save(torch.zeros(2, 2), folder / "02_bruit_0_0.pt")  # comme on les gardait autrefois
    content = (folder / "02_bruit_0_2.pt").read_bytes()
    (folder / "02_bruit_0_2.pt").write_bytes(content[: len(content) // 2])
    assert torch.equal(make().cached("bruit", sampler(1.0), 4, block=2), images)
    said = capsys.readouterr().out
    assert "n'avait pas été noté ; 02_bruit_0_2.pt était abîmé" in said


def test_nothing_is_kept_in_quick(working_folder, capsys):
    make("rapide").cached("bruit", sampler(1.0), 4, block=2)
    assert capsys.readouterr().out == "[2][2]" and not (working_folder / "sorties").exists()
