"""Les points de reprise : jamais une moitié de fichier, jamais un fichier abîmé qui serait cru."""

import copy
import errno
import os
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from labkit.files import FileError
from labkit.training import Player, checkpoints, fit, warmup_cosine
from labkit.training.checkpoints import (
    CheckpointError,
    previous_path,
    read_checkpoint,
)


def train(model: nn.Module, epochs: int, path, **options):
    torch.manual_seed(0)
    batches = list(torch.randn(3, 8, 4))

    def step(x):
        return {"loss": model(x).square().mean()}

    return fit(step, batches, epochs, model, checkpoint=path, log_every=0, **options)


def new_model(hidden: int = 5) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, hidden), nn.Linear(hidden, 1))


@pytest.fixture
def saved(tmp_path):
    """Un point de reprise après deux époques, et le précédent après une."""
    path = tmp_path / "point.pt"
    train(new_model(), 2, path)
    return path


def fail_with(code: int):
    def fail(*_args, **_options):
        raise OSError(code, os.strerror(code))

    return fail


# --- écriture -------------------------------------------------------------------------------------


def test_rotation_keeps_the_two_last_checkpoints(tmp_path):
    path = tmp_path / "dossier" / "point.pt"
    train(new_model(), 3, path)
    assert sorted(file.name for file in path.parent.iterdir()) == ["point.pt", "point.pt.precedent"]
    assert read_checkpoint(path)["counters"]["epoch"] == 3
    assert read_checkpoint(previous_path(path))["counters"]["epoch"] == 2


def test_the_full_path_is_announced_at_the_first_write(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "point.pt"
    train(new_model(), 2, "point.pt")
    assert capsys.readouterr().out == f"Point de reprise : {path}\n"
    train(new_model(), 3, "point.pt")
    assert capsys.readouterr().out == f"Reprise de {path} après l'époque 2.\n"


def test_a_checkpoint_can_live_in_the_home_folder(tmp_path, monkeypatch):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path / "accueil"))
    monkeypatch.chdir(tmp_path)
    for epochs in (1, 2):
        train(new_model(), epochs, "~/point.pt")
    assert read_checkpoint(tmp_path / "accueil" / "point.pt")["counters"]["epoch"] == 2
    assert not (tmp_path / "~").exists()


def test_training_goes_on_after_a_full_disk(saved, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail_with(errno.EDQUOT))
        with pytest.raises(FileError, match="disque plein.*point.pt.*Libérez de la place"):
            train(new_model(), 3, saved)
    assert len(train(new_model(), 3, saved)["loss"]) == 3


# --- fichiers abîmés ------------------------------------------------------------------------------


def flip_a_weight(content: bytes) -> bytes:
    """Change un bit au milieu d'un poids, là où rien d'autre que la somme ne le montre."""
    weight = new_weight_bytes(content)
    middle = content.index(weight) + len(weight) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def new_weight_bytes(content: bytes) -> bytes:
    import io

    state = torch.load(io.BytesIO(content), weights_only=True)
    return state["models"][""]["0.weight"].numpy().tobytes()


DAMAGES = {
    "un bit changé": flip_a_weight,
    "tronqué": lambda content: content[: len(content) // 2],
    "presque entier": lambda content: content[:-1],
    "vide": lambda content: b"",
    "du texte": lambda content: b"ceci n'est pas un point de reprise",
    "des zéros": lambda content: bytes(len(content)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_checkpoint_is_replaced_by_the_one_before(damage, saved):
    expected = new_model()
    train(expected, 3, saved)
    # Le fichier abîmé est celui de l'époque 3, le précédent celui de l'époque 2.
    saved.write_bytes(damage(saved.read_bytes()))
    model = new_model()
    with pytest.warns(UserWarning, match="point.pt est abîmé.*le précédent est repris"):
        history = train(model, 3, saved)
    assert len(history["loss"]) == 3
    for name, value in model.state_dict().items():
        assert torch.equal(value, expected.state_dict()[name])


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_two_damaged_checkpoints_are_an_error_and_are_kept(damage, saved):
    files = [saved, previous_path(saved)]
    for file in files:
        file.write_bytes(damage(file.read_bytes()))
    contents = [file.read_bytes() for file in files]
    model = new_model()
    before = copy.deepcopy(model.state_dict())
    with (
        pytest.warns(UserWarning, match="abîmé"),
        pytest.raises(CheckpointError, match=r"point.pt, point.pt.precedent.*resume=False"),
    ):
        train(model, 3, saved)
    assert [file.read_bytes() for file in files] == contents
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_no_flipped_bit_changes_what_is_read(saved):
    """Un bit changé n'importe où : le fichier est refusé, ou se relit sans différence."""
    content = saved.read_bytes()
    weights = torch.load(saved, weights_only=True)["models"][""]
    refused = 0
    positions = range(0, len(content), max(1, len(content) // 150))
    for position in positions:
        flipped = content[:position] + bytes([content[position] ^ 16]) + content[position + 1 :]
        state = checkpoints._load_if_sound(flipped)
        if state is None:
            refused += 1
            continue
        assert all(torch.equal(weights[k], v) for k, v in state["models"][""].items()), position
    assert refused > len(positions) / 3


def test_lost_checkpoint_falls_back_on_the_one_before(saved):
    saved.unlink()
    assert read_checkpoint(saved)["counters"]["epoch"] == 1


def test_no_checkpoint_is_not_an_error(tmp_path):
    assert read_checkpoint(tmp_path / "absent.pt") is None


def test_a_file_that_cannot_be_opened_is_not_called_damaged(saved, monkeypatch):
    monkeypatch.setattr(Path, "read_bytes", fail_with(errno.EACCES))
    with pytest.raises(CheckpointError, match="impossible de lire .*point.pt .*droit de lire"):
        train(new_model(), 3, saved)


def test_a_folder_is_not_a_checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for same in (tmp_path, "."):
        with pytest.raises(FileError, match="est un dossier : donnez aussi le nom du fichier"):
            train(new_model(), 1, same)


# --- autres fichiers ------------------------------------------------------------------------------


def test_checkpoint_of_another_model_names_the_tensor(saved):
    model = new_model(hidden=6)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(CheckpointError) as caught:
        train(model, 3, saved)
    message = str(caught.value)
    assert "autre modèle : 0.bias y a la forme (5,), ici (6,)" in message
    assert "resume=False" in message
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_checkpoint_of_a_deeper_model_names_the_missing_tensor(saved):
    model = nn.Sequential(*new_model(), nn.Linear(1, 1))
    with pytest.raises(CheckpointError, match=r"2.bias y a la forme absente, ici \(1,\)"):
        train(model, 3, saved)


def test_checkpoint_of_adversaries_is_not_one_of_a_single_model(saved):
    model = new_model()
    with pytest.raises(CheckpointError, match="autre modèle"):
        fit(
            {"a": Player(model, lambda x: {"loss": model(x).mean()})}, [torch.ones(2, 4)], 3,
            checkpoint=saved, log_every=0,
        )  # fmt: skip


@pytest.mark.parametrize("content", [{"0.weight": torch.ones(5, 4)}, torch.ones(3), [1, 2]])
def test_sound_file_that_is_not_a_checkpoint(content, saved):
    torch.save(content, saved)
    with pytest.raises(CheckpointError, match="n'est pas un point de reprise"):
        train(new_model(), 3, saved)


def test_resume_false_ignores_other_models(saved):
    history = train(new_model(hidden=6), 1, saved, resume=False)
    assert len(history["loss"]) == 1
    assert read_checkpoint(saved)["models"][""]["0.bias"].shape == (6,)


class Malicious:
    """Un objet dont la lecture par pickle crée un dossier."""

    def __init__(self, target):
        self.target = str(target)

    def __reduce__(self):
        return os.mkdir, (self.target,)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_hidden_in_a_checkpoint_is_never_run(zipped, tmp_path):
    path, target = tmp_path / "point.pt", tmp_path / "execute"
    if zipped:
        torch.save({"models": Malicious(target)}, path)
    else:
        path.write_bytes(pickle.dumps({"models": Malicious(target)}))
    with pytest.warns(UserWarning, match="abîmé"), pytest.raises(CheckpointError):
        train(new_model(), 1, path)
    assert not target.exists()
    # Le piège fonctionne bien : sans weights_only, il se déclenche.
    if zipped:
        torch.load(path, weights_only=False)
        assert target.exists()


def test_a_refused_checkpoint_leaves_the_model_ready_to_use(saved):
    """Mode évaluation, appareil de départ : comme après tout entraînement."""
    model = new_model(hidden=6).train()
    with pytest.raises(CheckpointError):
        train(model, 3, saved)
    assert not model.training


# --- ce qui l'a fait ------------------------------------------------------------------------------


def train_as(path, *, factor=1.0, seed=0, epochs=1, value=1.0, **options):
    """Un entraînement dont chaque réglage peut changer ; renvoie le modèle et l'historique."""
    torch.manual_seed(seed)
    model = new_model()

    def step(x):
        return {"loss": factor * model(x).square().mean()}

    torch.manual_seed(seed)
    batches = [torch.full((8, 4), value)] * 3
    return model, fit(step, batches, epochs, model, checkpoint=path, log_every=0, **options)


@pytest.mark.parametrize(("edit", "words"), [
    ({"lr": 4e-3}, "lr : 0,001 → 0,004"),
    ({"lr": warmup_cosine(1e-3)}, "lr"),
    ({"optimizer": torch.optim.SGD}, "optimizer : .*Adam → .*SGD"),
    ({"max_grad_norm": 1.0}, "max_grad_norm : aucun → 1,0"),
    ({"precision": "fp32"}, "precision : auto → fp32"),
    ({"steps_per_epoch": 2}, "steps_per_epoch : aucun → 2"),
    ({"seed": 1}, "seed : 0 → 1"),
    ({"factor": 2.0}, "factor : 1,0 → 2,0"),
    ({"value": 2.0}, "batches"),
])  # fmt: skip
def test_an_edited_setting_is_refused_and_named(edit, words, tmp_path):
    train_as(tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=f"vient d'un autre entraînement.*{words}.*resume=F"):
        train_as(tmp_path / "a.pt", **{"epochs": 2, **edit})


def test_a_finished_checkpoint_is_not_believed_either(tmp_path):
    train_as(tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="vient d'un autre entraînement : lr"):
        train_as(tmp_path / "a.pt", lr=4e-3)  # ni époque à faire, ni rien à apprendre


def test_epochs_may_be_added_unless_the_rate_depends_on_them(tmp_path):
    train_as(tmp_path / "a.pt")
    assert len(train_as(tmp_path / "a.pt", epochs=2)[1]["loss"]) == 2
    rate = {"lr": warmup_cosine(1e-3)}
    train_as(tmp_path / "b.pt", **rate)
    with pytest.raises(CheckpointError, match="epochs : 1 → 2"):
        train_as(tmp_path / "b.pt", epochs=2, **rate)


def test_a_finished_checkpoint_says_so(tmp_path, capsys):
    for _ in range(2):
        train_as(tmp_path / "a.pt")
    assert "entraînement déjà fini ; augmentez `epochs`" in capsys.readouterr().out


def test_a_mixed_up_checkpoint_leaves_both_models_untouched(tmp_path):
    def players(width):
        models = {"a": nn.Linear(4, 1), "b": nn.Linear(4, width)}
        return {
            name: Player(model, lambda x, model=model: {"loss": model(x).square().mean()})
            for name, model in models.items()
        }

    options = {"checkpoint": tmp_path / "a.pt", "log_every": 0}
    fit(players(1), [torch.ones(2, 4)], 1, **options)
    others = players(2)
    before = copy.deepcopy(others["a"].model.state_dict())
    with pytest.raises(CheckpointError, match="autre modèle"):
        fit(others, [torch.ones(2, 4)], 2, **options)
    for name, value in others["a"].model.state_dict().items():
        assert torch.equal(before[name], value)


def test_an_unwritable_checkpoint_is_found_before_the_first_step(tmp_path):
    (tmp_path / "fichier").write_text("", encoding="utf-8")
    calls = iter(range(9))

    def step(x):
        next(calls)

    with pytest.raises(FileError, match="impossible d'écrire"):
        fit(step, [torch.ones(2, 4)], 1, new_model(), checkpoint=tmp_path / "fichier" / "a.pt")
    assert next(calls) == 0
