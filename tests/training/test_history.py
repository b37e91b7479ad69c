"""L'historique : noms français, aller et retour par le disque, moyennes."""

import math

import numpy as np
import pytest
import torch

from labkit.training import History
from labkit.training.history import Totals, french_name, log_line, read_numbers


@pytest.mark.parametrize("interrupted_at", [None, (2, 7)])
def test_history_survives_a_round_trip(interrupted_at, tmp_path):
    history = History({"loss": [0.1 + 0.2, 1 / 3], "val_loss": [2.0]}, [0.5, 0.25], interrupted_at)
    history.save(tmp_path / "dossier" / "histoire.json")
    loaded = History.load(tmp_path / "dossier" / "histoire.json")
    assert loaded == history
    assert loaded.interrupted_at == interrupted_at
    assert loaded["loss"] == history["loss"]


def test_history_plots_itself_in_french():
    curves = {"loss": [3.0, 2.0, 1.0], "val_loss": [4.0, 3.0, 2.5], "kl": [1, 2, 3]}
    history = History({**curves, "val_generator_loss": [1, 2, 3]})
    figure = history.plot(title="Perte")
    ax = figure.axes_grid[0, 0]
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == [
        "entraînement",
        "validation",
        "kl (entraînement)",
        "perte (generator, validation)",
    ]
    assert list(ax.lines[1].get_ydata()) == [4.0, 3.0, 2.5]


def test_a_value_missing_from_an_epoch_is_nan_and_keeps_its_place():
    history = History()
    history.add({"loss": 1.0}, 0.1)
    history.add({"loss": 2.0, "r1": 5.0}, 0.1)
    history.add({"loss": 3.0}, 0.1)
    assert history["loss"] == [1.0, 2.0, 3.0]
    assert [math.isnan(value) for value in history["r1"]] == [True, False, True]
    assert history["r1"][1] == 5.0


@pytest.mark.parametrize(("name", "french"), [
    ("loss", "perte"),
    ("val_loss", "perte (validation)"),
    ("kl", "kl"),
    ("val_kl", "kl (validation)"),
    ("discriminator_loss", "perte (discriminator)"),
    ("val_discriminator_loss", "perte (discriminator, validation)"),
])  # fmt: skip
def test_names_of_a_log_are_in_french(name, french):
    assert french_name(name) == french


def test_totals_of_several_processes_weigh_each_example_the_same():
    parts = [Totals(), Totals()]
    parts[0].add({"loss": 1.0}, 3)
    parts[1].add({"loss": 5.0, "r1": 2.0}, 1)
    assert Totals.merge(parts).means() == {"loss": 2.0, "r1": 2.0}


def test_numbers_of_a_step_are_those_of_python():
    values = {"loss": torch.tensor(0.5), "part": np.float32(0.25), "n": 3, "mean": torch.ones(1)}
    numbers = read_numbers(values)
    assert numbers == {"loss": 0.5, "part": 0.25, "n": 3, "mean": 1.0}
    assert all(type(number) in (int, float) for number in numbers.values())


def test_a_log_line_keeps_four_digits_and_skips_what_the_epoch_lacks():
    values = {"loss": 343.8706, "kl": 2.58111, "r1": math.nan, "val_loss": 0.01234, "big": 12345.6}
    assert log_line(3, 12, values, 1.25).split(" · ") == [
        "époque  3/12", "perte 343,9", "kl 2,581", "perte (validation) 0,0123", "big 12\u202f346",
        "1,2 s",
    ]  # fmt: skip
