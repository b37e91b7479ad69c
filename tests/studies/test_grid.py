"""Les études : la grille entière, chaque point une seule fois, et la reprise après un arrêt."""

import json
import math
import os
import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from labkit import studies
from labkit.studies import claims

ROOT = Path(__file__).parents[2]
GRID = {"latent": [2, 5, 10], "beta": [1.0, 4.0]}
ORIGIN = {"program": "bowl"}  # deux fonctions d'essai pour une même étude : leur origine commune


def bowl(settings):
    """Minimum en latent = 5, beta = 1 ; latent compte bien plus que beta."""
    return {"loss": (settings["latent"] - 5) ** 2 + 0.1 * settings["beta"], "calls": 1}


@pytest.fixture
def storage(tmp_path):
    return f"sqlite:///{(tmp_path / 'journal' / 'etudes.db').as_posix()}"


@pytest.fixture
def seen():
    return []


@pytest.fixture
def evaluate(seen):
    def note(settings):
        seen.append((settings["latent"], settings["beta"]))
        return bowl(settings)

    return note


@pytest.fixture
def no_waiting(monkeypatch):
    def refuse(seconds):
        raise AssertionError("l'étude attend un point que personne n'évalue")

    monkeypatch.setattr(studies.grid.time, "sleep", refuse)


def test_every_point_of_the_grid_is_evaluated_once_and_sorted(storage, evaluate, seen):
    rows = studies.run_study("essai", evaluate, GRID, storage, ORIGIN)
    assert sorted(seen) == [(lat, b) for lat in (2, 5, 10) for b in (1.0, 4.0)]
    assert [row["value"] for row in rows] == sorted(row["value"] for row in rows)
    assert rows[0] == {"latent": 5, "beta": 1.0, "loss": 0.1, "calls": 1.0, "value": 0.1}


def test_a_point_cannot_be_changed_by_its_evaluation(storage):
    def careless(settings):
        return bowl({"latent": settings.pop("latent"), "beta": settings.pop("beta")})

    rows = studies.run_study("essai", careless, GRID, storage)
    assert {(row["latent"], row["beta"]) for row in rows} == {
        (lat, b) for lat in GRID["latent"] for b in GRID["beta"]
    }


# --- interruptions, échecs ------------------------------------------------------------------------


@pytest.mark.parametrize("stop_after", range(6))
def test_an_interrupted_study_goes_on_with_the_missing_points(
    stop_after, storage, evaluate, seen, no_waiting, capsys
):
    def stops(settings):
        if len(seen) == stop_after:
            raise KeyboardInterrupt
        return evaluate(settings)

    with pytest.raises(KeyboardInterrupt):
        studies.run_study("essai", stops, GRID, storage, ORIGIN)
    assert len(seen) == stop_after
    assert "étude essai interrompue : relancez-la" in capsys.readouterr().out

    rows = studies.run_study("essai", evaluate, GRID, storage, ORIGIN)
    assert len(rows) == 6 and len(set(seen)) == 6 == len(seen)
    assert studies.run_study("essai", stops, GRID, storage, ORIGIN) == rows  # rien à refaire


def test_a_failed_point_is_recorded_with_its_reason_and_the_others_go_on(
    storage, seen, evaluate, capsys
):
    def diverges(settings):
        measures = evaluate(settings)
        if settings["latent"] == 2 and settings["beta"] == 4.0:
            raise RuntimeError("la perte vaut NaN à l'époque 3")
        if settings["latent"] == 10 and settings["beta"] == 1.0:
            return {**measures, "calls": math.nan}
        return measures

    rows = studies.run_study("essai", diverges, GRID, storage, ORIGIN)
    assert len(seen) == 6
    assert [row["value"] for row in rows[:4]] == pytest.approx([0.1, 0.4, 9.1, 25.4])
    reasons = {(row["latent"], row["beta"]): row["error"] for row in rows[4:]}
    assert reasons == {
        (2, 4.0): "RuntimeError : la perte vaut NaN à l'époque 3",
        (10, 1.0): "ValueError : la mesure 'calls' vaut nan",
    }
    assert not any({"value", "loss"} & set(row) for row in rows[4:])
    assert "points en échec : 2 sur 6" in capsys.readouterr().out

    assert studies.run_study("essai", diverges, GRID, storage, ORIGIN) == rows
    assert len(seen) == 6


def test_failed_points_can_be_evaluated_again(storage, seen, evaluate, no_waiting):
    def breaks(settings):
        if settings["latent"] == 5:
            raise MemoryError("plus de mémoire")
        return evaluate(settings)

    studies.run_study("essai", breaks, GRID, storage, ORIGIN)
    assert studies.forget_failures("essai", storage) == 2
    rows = studies.run_study("essai", evaluate, GRID, storage, ORIGIN)
    assert len(seen) == 6 and not any("error" in row for row in rows)
    assert rows[0]["latent"] == 5
    assert studies.forget_failures("essai", storage) == 0


@pytest.mark.parametrize(
    "found, reason",
    [
        (None, "dictionnaire de mesures, reçu None"),
        ({}, "dictionnaire de mesures, reçu {}"),
        ({"loss": "petit"}, "could not convert string"),
        ({"loss": math.inf}, "'loss' vaut inf"),
        ({"latent": 3.0}, "'latent' porte le nom d'une autre colonne"),
        ({"loss": 1.0, "value": 3.0}, "'value' porte le nom d'une autre colonne"),
    ],
)
def test_what_evaluate_may_not_return(found, reason, storage):
    rows = studies.run_study("essai", lambda settings: found, {"latent": [1]}, storage)
    assert reason in rows[0]["error"]


def test_a_long_reason_is_cut(storage):
    def fails(settings):
        raise RuntimeError("détail\n" * 10_000)

    reason = studies.run_study("essai", fails, {"latent": [1]}, storage)[0]["error"]
    assert reason.startswith("RuntimeError : détail détail") and len(reason) <= 500


def test_tensors_are_measures(storage):
    rows = studies.run_study(
        "essai", lambda settings: {"loss": torch.tensor(0.5)}, {"latent": [1]}, storage
    )
    assert rows == [{"latent": 1, "loss": 0.5, "value": 0.5}]


# --- la grille ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values, settled",
    [
        (np.arange(2, 8, 2), [2, 4, 6]),
        (np.array([0.5, 1.5], dtype=np.float32), [0.5, 1.5]),
        (torch.tensor([1, 3]), [1, 3]),
        ([torch.tensor(1.5), np.int64(2)], [1.5, 2]),
        (range(3), [0, 1, 2]),
        ((size for size in (16, 32)), [16, 32]),
        (("adam", "sgd", None), ["adam", "sgd", None]),
    ],
)
def test_a_grid_becomes_lists_of_plain_values(values, settled, storage):
    found = []
    grid = {"x": values}
    studies.run_study(
        "essai", lambda point: found.append(point["x"]) or {"loss": 0}, grid, storage, ORIGIN
    )
    assert sorted(found, key=settled.index) == settled
    assert [type(value) for value in sorted(found, key=settled.index)] == list(map(type, settled))
    rows = studies.run_study("essai", bowl, {"x": settled}, storage, ORIGIN)  # c'est la même
    assert len(rows) == len(settled)


@pytest.mark.parametrize(
    "grid, message",
    [
        ({"opt": "adam"}, r"grid\['opt'\].*reçu 'adam'.*\{'opt': \['adam'\]\}"),
        ({"lr": 1e-3}, r"reçu 0.001.*\{'lr': \[0.001\]\}"),
        ({"lr": torch.tensor(2)}, r"reçu 2.*\{'lr': \[2\]\}"),
        ({"opt": {"sgd", "adam"}}, r"\{'opt': \['adam', 'sgd'\]\}"),
        ({"lr": []}, r"grid\['lr'\] est vide"),
        ({"lr": [1, 2, 1.0]}, "deux fois 1.0"),
        ({"lr": [math.nan]}, "contient NaN"),
        ({"widths": [(64, 32)]}, r"contient \(64, 32\), de type tuple"),
        ({"x": np.eye(2)}, "de type list"),
        ({"value": [1]}, "ne peut s'appeler 'value'"),
        ({3: [1]}, "ne peut s'appeler 3"),
        ({}, "dictionnaire réglage -> liste"),
        ([1, 2], "dictionnaire réglage -> liste"),
    ],
)
def test_a_grid_that_is_not_lists_is_refused_before_anything_runs(grid, message, storage, tmp_path):
    with pytest.raises((TypeError, ValueError), match=message):
        studies.run_study("essai", pytest.fail, grid, storage)
    assert not list(tmp_path.iterdir())


def test_other_arguments_that_are_refused(storage):
    with pytest.raises(TypeError, match="evaluate doit être une fonction"):
        studies.run_study("essai", {"loss": 1}, GRID, storage)
    with pytest.raises(TypeError, match="made_by doit être un dictionnaire de valeurs JSON"):
        studies.run_study("essai", bowl, GRID, storage, {"model": object()})


# --- une étude est ce qui l'a faite ---------------------------------------------------------------


def test_another_grid_under_the_same_name_is_refused(storage):
    studies.run_study("essai", bowl, {"latent": [2], "beta": [1.0]}, storage)
    with pytest.raises(studies.StudyError, match="autre grille"):
        studies.run_study("essai", bowl, GRID, storage)


def test_another_origin_under_the_same_name_is_refused_and_named(storage):
    studies.run_study("essai", bowl, GRID, storage, {"seed": 0, "data": "digits"})
    with pytest.raises(studies.StudyError, match="pas été faite ainsi.*seed.*0.*1.*autre nom") as e:
        studies.run_study("essai", pytest.fail, GRID, storage, {"seed": 1, "data": "digits"})
    assert "digits" not in str(e.value)


def test_the_default_origin_is_evaluate_and_what_it_reads(storage):
    factor = 2.0

    def scaled(settings):
        return {"loss": factor * settings["latent"]}

    rows = studies.run_study("essai", scaled, GRID, storage)
    assert studies.run_study("essai", scaled, GRID, storage) == rows
    factor = 3.0
    with pytest.raises(studies.StudyError, match="factor.*2,?0?.*3"):
        studies.run_study("essai", scaled, GRID, storage)
    with pytest.raises(studies.StudyError, match="bowl"):
        studies.run_study("essai", bowl, GRID, storage)


def test_a_deleted_study_can_start_again(storage, evaluate, seen, no_waiting):
    studies.run_study("essai", bowl, GRID, storage)
    studies.run_study("autre", bowl, GRID, storage)
    studies.delete_study("essai", storage)
    assert len(studies.run_study("essai", evaluate, GRID, storage, ORIGIN)) == 6 == len(seen)
    assert len(studies.run_study("autre", bowl, GRID, storage)) == 6


# --- importance des réglages ----------------------------------------------------------------------


def test_importances_name_the_setting_that_matters(storage):
    studies.run_study("essai", bowl, GRID, storage)
    shares = studies.importances("essai", storage)
    assert list(shares) == ["latent", "beta"]
    assert shares["latent"] > 0.95
    assert sum(shares.values()) == pytest.approx(1)


def test_importances_do_not_depend_on_who_evaluated_what_when(storage, evaluate, seen):
    studies.run_study("seul", bowl, GRID, storage, ORIGIN)

    def fails_at_first(settings):
        if len(seen) < 4:
            seen.append(settings)
            raise RuntimeError("trop tôt")
        return bowl(settings)

    studies.run_study("repris", fails_at_first, GRID, storage, ORIGIN)
    studies.forget_failures("repris", storage)
    studies.run_study("repris", bowl, GRID, storage, ORIGIN)
    assert studies.importances("repris", storage) == studies.importances("seul", storage)


def test_importances_need_scores_that_vary(storage):
    studies.run_study("plate", lambda settings: {"loss": 1.0}, GRID, storage)
    with pytest.raises(studies.StudyError, match="deux points de scores différents"):
        studies.importances("plate", storage)
    with pytest.raises(studies.StudyError, match="pas d'étude 'plat' .*'plate'"):
        studies.importances("plat", storage)


# --- plusieurs participants -----------------------------------------------------------------------


def test_the_first_evaluation_that_ends_counts(storage, monkeypatch):
    """Un participant suspendu est remplacé, puis finit trop tard."""
    monkeypatch.setattr(claims, "HEARTBEAT", 1000)
    monkeypatch.setattr(claims, "PATIENCE", -1)  # abandonné dès que vu
    depth = []

    def evaluate(settings):
        depth.append(None)
        if len(depth) == 1:
            inner = studies.run_study("essai", evaluate, GRID, storage, ORIGIN)
            assert len(inner) == 6
            return {"loss": -1.0}
        return bowl(settings)

    rows = studies.run_study("essai", evaluate, GRID, storage, ORIGIN)
    assert len(depth) == 7  # les six points, dont un deux fois
    assert len(rows) == 6 and min(row["value"] for row in rows) == 0.1


PROGRAM = """
import json, sys
from labkit import studies
from labkit.studies import claims

claims.HEARTBEAT, claims.PATIENCE = 0.1, 3.0
storage, name, log = sys.argv[1:]
is_first = True

def evaluate(settings):
    global is_first
    with open(log, "a") as file:
        file.write("{latent} {beta}\\n".format_map(settings))
    if is_first:
        is_first = False
        print("tient un point", flush=True)
        sys.stdin.readline()
    return {"loss": settings["latent"] * settings["beta"]}

grid = {"latent": [1, 2, 3, 4], "beta": [1, 10, 100]}
rows = studies.run_study(name, evaluate, grid, storage, {"program": "trois"})
print(json.dumps(rows))
"""


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def shared_storage(request, storage):
    if request.param == "sqlite":
        return storage
    if "LABKIT_TEST_POSTGRES" not in os.environ:
        pytest.skip("LABKIT_TEST_POSTGRES ne nomme aucun serveur PostgreSQL")
    return os.environ["LABKIT_TEST_POSTGRES"]


def test_three_processes_share_a_study_and_one_is_killed(shared_storage, tmp_path):
    name, log = f"essai-{uuid.uuid4().hex}", tmp_path / "evaluations.txt"
    workers = [start(shared_storage, name, log) for _ in range(3)]
    try:
        for worker in workers:  # chacun en tient un : les trois sont au milieu d'une évaluation
            assert worker.stdout.readline() == "tient un point\n"
        held = log.read_text().split("\n")[:3]
        assert len(set(held)) == 3

        victim, *others = workers
        victim.kill()
        for other in others:
            other.stdin.write("continue\n")
            other.stdin.flush()
        outputs = [other.communicate()[0] for other in others]
        tables = [json.loads(output.splitlines()[-1]) for output in outputs]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    assert [row["value"] for row in tables[0]] == sorted(
        latent * beta for latent in (1, 2, 3, 4) for beta in (1, 10, 100)
    )
    assert tables[1] == tables[0]
    evaluations = Counter(log.read_text().splitlines())
    assert len(evaluations) == 12
    assert sorted(evaluations.values()) == [1] * 11 + [2]  # celui de la victime, une fois de trop
    assert {point for point, count in evaluations.items() if count == 2} <= set(held)
