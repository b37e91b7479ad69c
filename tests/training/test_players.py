"""Les joueurs : adversaires, rythmes, optimiseurs partagés, accumulation, réglages fautifs."""

import contextlib
import copy
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from labkit.training import Interruption, Player, fit, moving_average
from tests.training.helpers import (
    Affine,
    Quadratic,
    adversaries,
    alarm,
    images,
    linear_step,
    quiet_fit,
    regression,
    same_weights,
)


def test_adversaries_reach_the_gaussian_they_are_shown():
    torch.manual_seed(0)
    mean, scale = torch.tensor([1.0, -0.5]), torch.tensor([0.5, 1.5])
    batches = list((mean + scale * torch.randn(64 * 256, 2)).split(256))
    generator, discriminator = Affine(), Quadratic()
    players = adversaries(generator, discriminator, lr=5e-3, optimizer=torch.optim.RMSprop)
    history = quiet_fit(players, batches, 20)
    assert set(history) == {"discriminator_loss", "generator_loss", "generator_logit"}
    # À l'équilibre D = 1/2 partout : pertes 2 ln 2 et ln 2. Les paramètres s'arrêtent à ce que
    # RMSprop bouge en quelques pas (5e-3 chacun) et au bruit d'un lot de 256 (1/√256 · échelle).
    tolerance = 10 * 5e-3 + 3 * scale / math.sqrt(256)
    assert (generator.mean - mean).abs().le(tolerance).all(), generator.mean
    assert (generator.scale.abs() - scale).abs().le(tolerance).all(), generator.scale
    assert history["discriminator_loss"][-1] == pytest.approx(2 * math.log(2), abs=0.05)
    assert history["generator_loss"][-1] == pytest.approx(math.log(2), abs=0.05)


def test_each_step_moves_its_own_model_only():
    generator, discriminator = Affine(), Quadratic()
    nn.init.normal_(discriminator.linear.weight)
    players, moves, gradients = adversaries(generator, discriminator), [], []
    models = {name: player.model for name, player in players.items()}
    snapshot = {name: copy.deepcopy(model) for name, model in models.items()}

    def watched(name):
        def step(real):
            moves.append({key for key in models if not same_weights(models[key], snapshot[key])})
            snapshot.update({key: copy.deepcopy(model) for key, model in models.items()})
            if name == "generator":
                gradients.append(discriminator.linear.weight.grad.clone())
            return players[name].step(real)

        return step

    watched_players = {name: replace(p, step=watched(name)) for name, p in players.items()}
    quiet_fit(watched_players, torch.randn(4, 16, 2), 1)
    # Avant chaque pas : ce qu'a changé le pas d'avant, et lui seul.
    assert moves == [set()] + [{"discriminator"}, {"generator"}] * 3 + [{"discriminator"}]
    # Le pas du générateur traverse le discriminateur sans rien ajouter à ses gradients.
    assert torch.equal(discriminator.linear.weight.grad, gradients[-1])


def test_each_adversary_has_its_own_gradient_norm_and_rate():
    models = {name: nn.Linear(1, 1, bias=False) for name in ("long", "short")}
    before = {name: model.weight.item() for name, model in models.items()}
    common = {"optimizer": torch.optim.SGD, "max_grad_norm": 1.0}
    quiet_fit(
        {
            "long": Player(
                models["long"], lambda x: {"loss": 50 * models["long"](x).sum()}, lr=1.0, **common
            ),
            "short": Player(
                models["short"], lambda x: {"loss": 0.5 * models["short"](x).sum()}, lr=0.1,
                **common,
            ),
        },
        [torch.ones(1, 1)], 1,
    )  # fmt: skip
    moved = {name: before[name] - model.weight.item() for name, model in models.items()}
    assert moved == pytest.approx({"long": 1.0, "short": 0.05}, abs=1e-5)


# --- à chacun son rythme --------------------------------------------------------------------------


class Recorder:
    """Deux adversaires et une pénalité sur l'un d'eux ; note qui joue, et quand."""

    def __init__(self, interrupt_at=None):
        torch.manual_seed(0)
        self.generator, self.discriminator = Affine(), Quadratic()
        self.bell, self.turns = alarm(interrupt_at), []

    def players(self, generator_every, penalty_every) -> dict[str, Player]:
        players = adversaries(self.generator, self.discriminator)

        def penalty(real):
            """R1 : le gradient de D en de vraies données (Mescheder et coll., 2018)."""
            x = real.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.discriminator(x).sum(), x, create_graph=True)
            return {"loss": gradient.square().sum(dim=1).mean()}

        named = {
            "discriminator": players["discriminator"],
            "penalty": Player(self.discriminator, penalty, every=penalty_every),
            "generator": replace(players["generator"], every=generator_every),
        }
        return {n: replace(p, step=self.noting(n, p.step)) for n, p in named.items()}

    def noting(self, name, step):
        def noted(batch):
            if name == "discriminator":
                next(self.bell)
            self.turns.append(name[0])
            return step(batch)

        return noted

    def train(self, epochs, generator_every=5, penalty_every=16, **options):
        batches = list(torch.linspace(-1, 1, 96).reshape(12, 4, 2))
        torch.manual_seed(11)
        with contextlib.suppress(Interruption):
            return quiet_fit(self.players(generator_every, penalty_every), batches, epochs,
                             **options)  # fmt: skip


def test_five_steps_of_one_for_one_of_the_other_and_a_penalty_one_step_in_sixteen():
    recorder = Recorder()
    history = recorder.train(4)  # 48 pas
    expected = ""
    for step in range(1, 49):
        expected += "d" + "p" * (step % 16 == 0) + "g" * (step % 5 == 0)
    assert "".join(recorder.turns) == expected
    assert [math.isnan(value) for value in history["penalty_loss"]] == [True, False, False, False]


@pytest.mark.parametrize("interrupt_at", [1, 4, 5, 15, 16, 17, 24, 31, 47, 48])
def test_uneven_turns_resume_to_the_bit_from_any_step(interrupt_at, tmp_path):
    expected, cut, resumed = Recorder(), Recorder(interrupt_at), Recorder()
    expected_history = expected.train(4)
    cut.train(4, checkpoint=tmp_path / "a.pt")
    assert len(cut.turns) < len(expected.turns) or interrupt_at == 48
    history = resumed.train(4, checkpoint=tmp_path / "a.pt")
    assert cut.turns + resumed.turns == expected.turns
    assert same_weights(resumed.generator, expected.generator)
    assert same_weights(resumed.discriminator, expected.discriminator)
    assert str(dict(history)) == str(dict(expected_history))  # str : des NaN s'y égalent


def test_a_lazy_penalty_shares_the_moments_of_its_model():
    """À la main : une seule descente d'Adam, que nourrissent tour à tour perte et pénalité."""
    batches = regression()[0]
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    expected = copy.deepcopy(model)

    def decay(model, batch):
        return {"loss": model.weight.square().sum()}

    quiet_fit(
        {
            "fit": Player(model, linear_step(model), lr=0.01),
            "decay": Player(model, partial(decay, model), every=2),
        },
        batches, 3,
    )  # fmt: skip
    optimizer = torch.optim.Adam(expected.parameters(), lr=0.01, fused=True)
    for count, batch in enumerate(batches * 3, start=1):
        for step in (linear_step(expected), partial(decay, expected))[: 1 + (count % 2 == 0)]:
            optimizer.zero_grad()
            step(batch)["loss"].backward()
            optimizer.step()
    assert same_weights(model, expected)


def test_a_gradient_penalty_can_be_validated():
    recorder = Recorder()
    validation = list(torch.linspace(-2, 2, 16).reshape(2, 4, 2))
    history = recorder.train(2, validation=validation)
    x = torch.cat(validation).requires_grad_()
    (gradient,) = torch.autograd.grad(recorder.discriminator(x).sum(), x)
    expected = gradient.square().sum(dim=1).mean().item()
    assert history["val_penalty_loss"][-1] == pytest.approx(expected, rel=1e-5)
    unseen = Recorder()
    unseen.train(2)
    assert same_weights(unseen.discriminator, recorder.discriminator)  # mesurer n'apprend rien


# --- accumuler ------------------------------------------------------------------------------------


def train_images(batch_size, epochs=2, bell=None, **settings):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.Tanh(), nn.Linear(16, 10))

    def step(batch):
        if bell is not None:
            next(bell)
        return {"loss": nn.functional.cross_entropy(model(batch[0]), batch[1])}

    options = {key: settings.pop(key) for key in ("checkpoint",) if key in settings}
    player = Player(model, step, **settings)
    with contextlib.suppress(Interruption):
        quiet_fit({"model": player}, images(256).batches(batch_size), epochs, **options)
    return model


def test_moments_of_a_weight_without_gradient_do_not_stay_subnormal():
    """Le processeur y calcule dix fois plus lentement : un réseau dense y perdrait la moitié."""
    x = torch.ones(900, 2)
    x[1:, 1] = 0  # le second poids n'a de gradient qu'au premier pas de chaque époque
    model = nn.Linear(2, 1)
    made, subnormal = [], []

    def adam(parameters, lr):
        made.append(torch.optim.Adam(parameters, lr=lr))
        return made[0]

    def step(batch):
        moments = [value for state in made[0].state.values() for value in state.values()]
        tiny = torch.finfo(torch.float32).tiny
        subnormal.append(any(((m.abs() > 0) & (m.abs() < tiny)).any() for m in moments))
        return {"loss": model(batch).square().mean()}

    quiet_fit(step, x.split(1), 2, model, optimizer=adam)
    assert len(subnormal) == 1800
    assert any(subnormal)  # l'inertie y tombe bien,
    assert not any(subnormal[100::100])  # le balayage l'en sort,
    assert sum(subnormal) < 200  # et elle n'y revient pas.


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, partial(torch.optim.SGD, momentum=0.9)])
def test_four_batches_of_32_accumulated_are_worth_one_of_128(optimizer):
    settings = {"lr": 1e-3, "optimizer": optimizer, "max_grad_norm": 0.5}
    whole = train_images(128, **settings)
    accumulated = train_images(32, accumulate=4, **settings)
    for a, b in zip(whole.parameters(), accumulated.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0)
    assert not same_weights(whole, train_images(32, **settings))


@pytest.mark.parametrize("interrupt_at", range(1, 9))
def test_accumulation_stopped_half_way_resumes_to_the_bit(interrupt_at, tmp_path):
    """Trois lots par mise à jour, huit par époque : les groupes enjambent les époques."""
    expected = train_images(32, accumulate=3)
    options = {"accumulate": 3, "checkpoint": tmp_path / "a.pt"}
    train_images(32, bell=alarm(interrupt_at), **options)
    assert same_weights(train_images(32, bell=alarm(None), **options), expected)


# --- réglages fautifs -----------------------------------------------------------------------------


@pytest.mark.parametrize(("settings", "words"), [
    ({"epochs": 0}, "epochs doit valoir au moins 1, reçu epochs=0"),
    ({"epochs": "3"}, "epochs attend un nombre entier, reçu '3'"),
    ({"epochs": 2.5}, "epochs attend un nombre entier, reçu 2.5"),
    ({"epochs": True}, "epochs attend un nombre entier, reçu True"),
    ({"lr": "1e-3"}, "lr attend un nombre.*reçu '1e-3' : écrivez lr=1e-3"),
    ({"lr": -1e-3}, "doit être positif, reçu lr=-0.001"),
    ({"lr": math.nan}, "doit être positif"),
    ({"optimizer": "adam"}, "reçu 'adam' : écrivez optimizer=torch.optim.Adam"),
    ({"max_grad_norm": 0.0}, "strictement positif"),
    ({"max_grad_norm": -1.0}, "strictement positif"),
    ({"max_grad_norm": math.nan}, "strictement positif"),
    ({"max_grad_norm": "1"}, "max_grad_norm attend un nombre, reçu '1'"),
    ({"steps_per_epoch": 0}, "steps_per_epoch doit valoir au moins 1"),
    ({"log_every": "1"}, "log_every attend un nombre entier, reçu '1'"),
    ({"log_every": -1}, "log_every doit valoir au moins 0"),
    ({"after_epoch": 3}, "after_epoch attend une fonction.*reçu 3"),
    ({"checkpoint": 3}, "checkpoint attend un nom de fichier, reçu 3"),
    ({"epochs": nn.Sequential(nn.Linear(1, 1))}, "epochs attend un nombre entier, reçu Sequential"),
])  # fmt: skip
def test_impossible_settings_are_refused(settings, words):
    model = nn.Linear(3, 1)
    before = copy.deepcopy(model)
    with pytest.raises((TypeError, ValueError), match=words):
        fit(linear_step(model), regression()[0], **{"epochs": 1, "model": model, **settings})
    assert same_weights(model, before)


def test_numbers_of_numpy_are_numbers():
    model = nn.Linear(3, 1)
    batches = regression()[0]
    history = quiet_fit(linear_step(model), batches, np.int64(2), model, lr=np.float32(1e-3))
    assert len(history["loss"]) == 2


@pytest.mark.parametrize("step", [lambda: None, lambda a, b, c: None])
def test_a_step_of_no_or_three_arguments_is_refused(step):
    with pytest.raises(TypeError, match=r"d'un argument, le lot.*def step\(batch\). Reçu step\("):
        quiet_fit(step, regression()[0], 1, nn.Linear(3, 1))


@pytest.mark.parametrize(("value", "received"), [
    (torch.ones(5), r"un tenseur \[5\]"), (None, "None"), ("x", "'x'"), (np.ones(3), "array"),
])  # fmt: skip
def test_another_value_of_the_step_must_be_a_number(value, received):
    model = nn.Linear(3, 1)

    def step(batch):
        return {**linear_step(model)(batch), "acc": value}

    with pytest.raises(TypeError, match=f"'acc', que renvoie le pas.*reçu {received}"):
        quiet_fit(step, regression()[0], 1, model)


def test_the_average_of_another_model_is_refused():
    model = nn.Linear(3, 1)
    with pytest.raises(ValueError, match="la moyenne d'un autre modèle"):
        quiet_fit(linear_step(model), regression()[0], 1, model,
                  average=moving_average(nn.Linear(3, 2)))  # fmt: skip


def test_text_is_not_a_set_of_batches():
    with pytest.raises(TypeError, match="batches attend un parcours de lots, reçu str"):
        quiet_fit(lambda batch: None, "abc", 1, nn.Linear(3, 1))


def test_an_optimizer_already_built_is_refused():
    model = nn.Linear(3, 1)
    built = torch.optim.Adam(model.parameters())
    with pytest.raises(TypeError, match="fabrique.*reçu Adam : écrivez optimizer=torch.optim.Adam"):
        quiet_fit(linear_step(model), regression()[0], 1, model, optimizer=built)


def test_model_and_batches_in_the_wrong_order():
    model, batches = nn.Linear(3, 1), regression()[0]
    with pytest.raises(TypeError, match="batches attend des lots, reçu le modèle Linear"):
        quiet_fit(linear_step(model), model, 1, batches)
    with pytest.raises(TypeError, match="model attend un torch.nn.Module, reçu list"):
        quiet_fit(linear_step(model), batches, 1, batches)


def test_a_set_of_images_is_not_a_set_of_batches():
    model = nn.Linear(784, 10)
    with pytest.raises(TypeError, match=r"reçu ImageSet : écrivez data.train.batches\(64\)"):
        quiet_fit(lambda batch: None, images(), 1, model)
    with pytest.raises(TypeError, match=r"validation attend.*écrivez data.val.batches\(64\)"):
        quiet_fit(lambda batch: None, images().batches(8), 1, model, validation=images())


def test_a_frozen_model_is_refused():
    model = nn.Linear(3, 1).requires_grad_(False)
    with pytest.raises(ValueError, match=r"aucun poids à apprendre.*requires_grad_\(True\)"):
        quiet_fit(linear_step(model), regression()[0], 1, model)


def test_a_step_that_is_not_a_function_is_refused():
    model = nn.Linear(3, 1)
    with pytest.raises(TypeError, match="step attend une fonction.*reçu Tensor"):
        quiet_fit(torch.ones(1), regression()[0], 1, model)


def test_a_player_without_a_model_is_refused():
    model = nn.Linear(3, 1)
    with pytest.raises(TypeError, match=r"'generator' doit être un labkit.Player\(model, step\)"):
        quiet_fit({"generator": linear_step(model)}, regression()[0], 1)
    with pytest.raises(TypeError, match=r"reçu NoneType. Donnez à 'generator' .*Player\(model"):
        quiet_fit({"generator": Player(None, linear_step(model))}, regression()[0], 1)
    with pytest.raises(ValueError, match="au moins un joueur"):
        quiet_fit({}, regression()[0], 1)


def test_settings_of_players_are_given_to_each():
    model = nn.Linear(3, 1)
    players = {"a": Player(model, linear_step(model))}
    with pytest.raises(ValueError, match="model, lr se donne à chacun"):
        quiet_fit(players, regression()[0], 1, model, lr=0.1)


def test_two_players_of_one_model_have_one_optimizer():
    model = nn.Linear(3, 1)
    first = Player(model, linear_step(model), lr=0.1)
    with pytest.raises(ValueError, match="lr de 'b' diffère"):
        quiet_fit({"a": first, "b": replace(first, lr=0.2)}, regression()[0], 1)
    with pytest.raises(ValueError, match="accumulate doit y valoir 1"):
        quiet_fit({"a": first, "b": replace(first, accumulate=2)}, regression()[0], 1)
