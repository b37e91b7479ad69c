"""La boucle : comparée à une boucle écrite à la main, mal nourrie, divergente."""

import copy
import itertools
import math
import re

import numpy as np
import pytest
import torch
from torch import nn

from labkit.training import (
    DivergenceError,
    History,
    fit,
)
from tests.training.helpers import (
    images,
    linear_step,
    new_noisy,
    noisy_step,
    quiet_fit,
    regression,
    same_weights,
)


def test_linear_regression_reaches_least_squares():
    batches, x, y = regression(size=96)
    model = nn.Linear(3, 1)
    history = quiet_fit(linear_step(model), batches, 400, model, lr=0.05)
    design = torch.cat([x, torch.ones(len(x), 1)], dim=1).double()
    solution = torch.linalg.lstsq(design, y.double()).solution
    best = (design @ solution - y).square().mean().item()
    assert history["loss"][-1] == pytest.approx(best, rel=1e-4)
    assert history["loss"][0] > 10 * best
    found = torch.cat([model.weight[0], model.bias]).detach().double()
    torch.testing.assert_close(found, solution[:, 0], atol=1e-3, rtol=0)


def test_same_numbers_as_a_loop_written_by_hand():
    train, val = images(100), images(30)
    model = new_noisy()
    history = quiet_fit(
        noisy_step(model), train.batches(32, shuffle=True), 3, model, lr=1e-2,
        validation=val.batches(16),
    )  # fmt: skip

    expected = new_noisy()
    optimizer = torch.optim.Adam(expected.parameters(), lr=1e-2, fused=True)
    step, curves = noisy_step(expected), {}
    for _ in range(3):
        sums = {}
        expected.train()
        for indices in torch.randperm(100).split(32):
            x, y = train.images[indices].float() * (1 / 255), train.labels[indices]
            optimizer.zero_grad()
            values = step((x, y))
            values["loss"].backward()
            optimizer.step()
            for name, value in values.items():
                sums[name] = sums.get(name, 0.0) + value.item() * len(y)
        expected.eval()
        with torch.no_grad(), torch.random.fork_rng():  # la mesure ne change pas la suite
            for start in range(0, 30, 16):
                x = val.images[start : start + 16].float() * (1 / 255)
                y = val.labels[start : start + 16]
                for name, value in step((x, y)).items():
                    sums[f"val_{name}"] = sums.get(f"val_{name}", 0.0) + value.item() * len(y)
        for name, total in sums.items():
            curves.setdefault(name, []).append(total / (30 if name.startswith("val") else 100))
    assert same_weights(model, expected)
    assert dict(history) == curves
    assert list(history) == ["loss", "exactitude", "val_loss", "val_exactitude"]
    assert len(history.seconds) == 3
    assert all(seconds > 0 for seconds in history.seconds)
    assert history.interrupted_at is None


def test_a_validation_that_draws_at_random_changes_nothing_to_training():
    weights = []
    for validation in (None, images(30).batches(16, shuffle=True)):
        model = new_noisy()
        quiet_fit(noisy_step(model), images(100).batches(32, shuffle=True), 3, model,
                  validation=validation)  # fmt: skip
        weights.append(model)
    assert same_weights(*weights)


def test_a_value_given_now_and_then_is_averaged_over_the_steps_that_give_it():
    model, calls = nn.Linear(1, 1), itertools.count()

    def step(x):
        values = {"loss": model(x).square().mean()}
        return values | ({"r1": 1.0} if next(calls) % 2 else {})

    history = quiet_fit(step, [torch.ones(2, 1)] * 4, 1, model)
    assert history["r1"] == [1.0]


def test_numpy_values_do_not_spoil_the_checkpoint(tmp_path):
    model = nn.Linear(1, 1)

    def step(x):
        return {"loss": model(x).square().mean(), "acc": np.float32(0.5)}

    quiet_fit(step, [torch.ones(2, 1)], 1, model, checkpoint=tmp_path / "a.pt")
    history = quiet_fit(step, [torch.ones(2, 1)], 2, model, checkpoint=tmp_path / "a.pt")
    history.save(tmp_path / "h.json")
    assert History.load(tmp_path / "h.json")["acc"] == [0.5, 0.5]


def test_the_model_comes_back_where_it_was():
    model = nn.Linear(3, 1)
    quiet_fit(linear_step(model), regression()[0], 1, model)
    assert model.weight.device == torch.device("cpu") and not model.training


def test_epoch_mean_weighs_each_example_the_same():
    model = nn.Linear(1, 1)

    def step(x):
        return {"loss": 0 * model(x).mean(), "moyenne": x.mean()}

    values = torch.tensor([1.0, 1.0, 1.0, 1.0, 6.0])[:, None]
    batches = list(values.split(4))
    history = quiet_fit(step, batches, 1, model, validation=batches)
    assert history["moyenne"] == [2.0]  # et non (1 + 6) / 2
    assert history["val_moyenne"] == [2.0]


def test_validation_neither_learns_nor_drops_out():
    model, modes = nn.Sequential(nn.Linear(3, 1), nn.Dropout(0.5)), []

    def step(batch):
        modes.append((model.training, torch.is_grad_enabled()))
        return linear_step(model)(batch)

    batches, _, _ = regression(32)
    with_validation = quiet_fit(step, batches, 2, model, validation=batches, lr=0.0)
    assert modes == ([(True, True)] * 2 + [(False, True)] * 2) * 2
    # lr nul et pas d'abandon : la validation redonne la même valeur, l'entraînement non.
    assert with_validation["val_loss"][0] == with_validation["val_loss"][1]
    assert with_validation["loss"][0] != with_validation["loss"][1]
    assert not model.training


def test_validation_leaves_the_weights_alone():
    batches, _, _ = regression()
    torch.manual_seed(0)
    alone = nn.Linear(3, 1)
    watched = copy.deepcopy(alone)
    quiet_fit(linear_step(alone), batches, 2, alone)
    quiet_fit(linear_step(watched), batches, 2, watched, validation=batches)
    assert same_weights(alone, watched)


def one_sgd_step(max_grad_norm: float | None, slope: float) -> torch.Tensor:
    """Le déplacement de deux poids dont le gradient vaut slope · (3, 4), par un pas de SGD."""
    model = nn.Linear(2, 1, bias=False)
    before = model.weight.detach().clone()
    quiet_fit(
        lambda x: {"loss": slope * model(x).sum()}, [torch.tensor([[3.0, 4.0]])], 1, model,
        lr=1.0, optimizer=torch.optim.SGD, max_grad_norm=max_grad_norm,
    )  # fmt: skip
    return before - model.weight.detach()


def test_a_long_gradient_is_shortened_and_keeps_its_direction():
    torch.testing.assert_close(one_sgd_step(None, 10.0), torch.tensor([[30.0, 40.0]]))
    torch.testing.assert_close(one_sgd_step(1.0, 10.0), torch.tensor([[0.6, 0.8]]))


def test_a_short_gradient_is_left_alone():
    torch.testing.assert_close(one_sgd_step(1.0, 0.1), torch.tensor([[0.3, 0.4]]))


def test_a_step_that_uses_another_model_is_refused():
    model, other = nn.Linear(3, 1), nn.Linear(3, 1)
    with pytest.raises(ValueError, match="ne dépend pas du modèle donné à fit"):
        quiet_fit(linear_step(other), regression()[0], 1, model)


def test_a_loss_without_gradient_is_refused():
    model = nn.Linear(3, 1)
    with pytest.raises(ValueError, match="n'a pas de gradient"):
        quiet_fit(lambda batch: {"loss": torch.tensor(1.0)}, regression()[0], 1, model)


def test_frozen_parameters_stay_frozen():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
    model[0].requires_grad_(False)
    before = copy.deepcopy(model)
    quiet_fit(linear_step(model), regression()[0], 1, model)
    assert same_weights(model[0], before[0])
    assert not same_weights(model[1], before[1])


def test_batches_need_not_be_tensors():
    model = nn.Linear(2, 1)
    history = quiet_fit(
        lambda _: {"loss": model(torch.ones(4, 2)).square().mean()}, range(5), 2, model
    )
    assert history["loss"][1] < history["loss"][0]


def test_one_log_line_an_epoch(capsys):
    batches, _, _ = regression()
    model = nn.Linear(3, 1)
    fit(linear_step(model), batches, 10, model, validation=batches, log_every=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    pattern = r"époque +(\d+)/10 · perte \d,\d+ · perte \(validation\) \d,\d+ · \d+,\d s"
    assert [re.fullmatch(pattern, line)[1] for line in lines] == ["2", "4", "6", "8", "10"]
    quiet_fit(linear_step(model), batches, 1, model)
    assert capsys.readouterr().out == ""


def test_bf16_stays_close_to_fp32():
    losses, dtypes = {}, set()
    for precision in ("fp32", "bf16"):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 32), nn.Tanh(), nn.Linear(32, 1))

        def step(batch, model=model, precision=precision):
            output = model(batch[0])
            dtypes.add((precision, output.dtype))
            return {"loss": nn.functional.mse_loss(output.float(), batch[1])}

        history = fit(step, regression()[0], 10, model, lr=1e-2, precision=precision, log_every=0)
        losses[precision] = history["loss"]
        assert next(model.parameters()).dtype == torch.float32
    assert dtypes == {("fp32", torch.float32), ("bf16", torch.bfloat16)}
    # bf16 garde huit bits : 2^-8 d'écart relatif par opération, quelques opérations de suite.
    np.testing.assert_allclose(losses["bf16"], losses["fp32"], rtol=0.05)
    assert losses["bf16"] != losses["fp32"]


def test_unknown_precision_is_refused():
    model = nn.Linear(3, 1)
    with pytest.raises(ValueError, match="'fp16' inconnue : choisissez 'auto', 'fp32' ou 'bf16'"):
        fit(linear_step(model), regression()[0], 1, model, precision="fp16")


def test_convolutions_become_channels_last():
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(), nn.LazyLinear(1))
    x = torch.randn(8, 2, 6, 6)
    model(x)
    before = copy.deepcopy(model)
    seen = []

    def step(batch):
        maps = model[0](batch)
        seen.append(maps.is_contiguous(memory_format=torch.channels_last))
        return {"loss": model[1:](maps).square().mean()}

    quiet_fit(step, [x], 1, model, lr=0.0)
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert seen == [True]
    torch.testing.assert_close(model(x), before(x))


class SpyAdam(torch.optim.Adam):
    """Adam qui retient ce qu'on lui a demandé."""

    seen: list[bool | None] = []
    without_fused = False

    def __init__(self, parameters, lr=1e-3, fused=None):
        self.seen.append(fused)
        if fused and self.without_fused:
            raise RuntimeError("fused=True n'existe pas ici")
        super().__init__(parameters, lr=lr, fused=fused)


@pytest.mark.parametrize(("without_fused", "asked"), [(False, [True]), (True, [True, None])])
def test_fused_optimizer_where_it_exists(without_fused, asked, monkeypatch):
    monkeypatch.setattr(SpyAdam, "without_fused", without_fused)
    monkeypatch.setattr(SpyAdam, "seen", [])
    model = nn.Linear(3, 1)
    history = quiet_fit(linear_step(model), regression()[0], 2, model, optimizer=SpyAdam)
    assert SpyAdam.seen == asked
    assert history["loss"][1] < history["loss"][0]


def test_optimizer_without_fused_version():
    model = nn.Linear(3, 1)
    history = quiet_fit(
        linear_step(model), regression()[0], 3, model, lr=0.05, optimizer=torch.optim.RMSprop
    )
    assert history["loss"][2] < history["loss"][0] / 2


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_divergence_gives_back_the_last_good_weights(bad):
    batches, _, _ = regression()
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    expected = copy.deepcopy(model)
    quiet_fit(linear_step(expected), batches, 2, expected)
    count = itertools.count(1)

    def step(batch):
        scale = bad if next(count) == 2 * 6 + 4 else 1.0
        return {"loss": linear_step(model)(batch)["loss"] * scale}

    with pytest.raises(DivergenceError) as caught:
        quiet_fit(step, batches, 5, model)
    message = str(caught.value)
    assert f"la perte vaut {bad} à l'époque 3, lot 4" in message
    assert "Causes probables" in message
    assert "poids de la fin de l'époque 2" in message
    assert same_weights(model, expected)
    assert len(caught.value.history["loss"]) == 2
    assert not model.training


def test_divergence_at_the_very_first_step_keeps_the_initial_weights():
    model = nn.Linear(3, 1)
    before = copy.deepcopy(model)
    with pytest.raises(DivergenceError, match="époque 1, lot 1.*poids du départ"):
        quiet_fit(linear_step(model), [(torch.full((4, 3), math.nan), torch.ones(4, 1))], 1, model)
    assert same_weights(model, before)


def test_nan_gradient_behind_a_finite_loss_is_caught(tmp_path):
    """√0 : la perte vaut 0, son gradient est infini, les poids deviennent NaN en silence."""
    model = nn.Linear(3, 1)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    before = copy.deepcopy(model)
    with pytest.raises(
        DivergenceError, match="poids sont devenus infinis ou NaN à l'époque 1, lot 1"
    ):
        quiet_fit(
            lambda x: {"loss": model(x).square().sum().sqrt()}, [torch.ones(4, 3)], 3, model,
            checkpoint=tmp_path / "point.pt",
        )  # fmt: skip
    assert same_weights(model, before)
    assert not (tmp_path / "point.pt").exists()


@pytest.mark.parametrize("empty", [[], iter([]), images()[:0].batches(8)])
def test_no_batch_is_refused(empty):
    model = nn.Linear(3, 1)
    with pytest.raises(ValueError, match="aucun lot à parcourir"):
        quiet_fit(linear_step(model), empty, 1, model)


def test_exhausted_generator_is_refused_at_the_second_epoch():
    model = nn.Linear(3, 1)
    with pytest.raises(ValueError, match="générateur déjà épuisé.*ils se relisent"):
        quiet_fit(linear_step(model), (batch for batch in regression()[0]), 2, model)


def test_empty_validation_is_refused():
    model = nn.Linear(3, 1)
    with pytest.raises(ValueError, match="aucun lot à parcourir"):
        quiet_fit(linear_step(model), regression()[0], 1, model, validation=[])


@pytest.mark.parametrize(("result", "received"), [
    (torch.tensor(1.0), 'dictionnaire {"loss": perte}, reçu Tensor'),
    (None, 'dictionnaire {"loss": perte}, reçu None'),
    ({"perte": 1}, "reçu les clés ['perte']"),
    ({"loss": None}, "a-t-elle un return"),
    ({"loss": torch.ones(4)}, "d'un seul nombre, reçu un tenseur [4]"),
    ({"loss": 0.5}, "d'un seul nombre, reçu float"),
])  # fmt: skip
def test_step_must_return_a_scalar_loss(result, received):
    model = nn.Linear(3, 1)
    with pytest.raises(TypeError, match=re.escape(received)):
        quiet_fit(lambda batch: result, regression()[0], 1, model)


# --- après chaque époque --------------------------------------------------------------------------


def test_after_each_epoch_one_may_draw_without_changing_the_training():
    seen, models = [], []

    def snapshot(epoch):
        seen.append((epoch, models[-1].training, torch.rand(3).tolist()))

    for after_epoch in (None, snapshot):
        models.append(new_noisy())
        torch.manual_seed(11)
        quiet_fit(noisy_step(models[-1]), images(100).batches(32, shuffle=True), 3, models[-1],
                  after_epoch=after_epoch)  # fmt: skip
    assert same_weights(*models)
    assert [(epoch, mode) for epoch, mode, _ in seen] == [(1, False), (2, False), (3, False)]


def test_epochs_done_before_a_resume_are_not_shown_again(tmp_path):
    seen, model = [], nn.Linear(3, 1)
    for epochs in (2, 4):
        quiet_fit(linear_step(model), regression()[0], epochs, model, after_epoch=seen.append,
                  checkpoint=tmp_path / "a.pt")  # fmt: skip
    assert seen == [1, 2, 3, 4]
