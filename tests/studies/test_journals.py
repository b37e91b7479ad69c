"""Le journal d'une étude : ses adresses, et des erreurs qui disent quoi faire."""

import json
import os
import time

import optuna
import pytest
import sqlalchemy as sql

from labkit import studies
from labkit.studies import journals

GRID = {"latent": [2, 5]}


def measure(settings):
    return {"loss": settings["latent"]}


def test_a_plain_file_name_is_a_sqlite_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    rows = studies.run_study("essai", measure, GRID, "étude {1}.db")
    assert (tmp_path / "étude {1}.db").is_file()
    for same in (tmp_path / "étude {1}.db", "~/étude {1}.db", "sqlite:///étude {1}.db"):
        assert studies.run_study("essai", measure, GRID, same) == rows
    assert [path.name for path in tmp_path.iterdir()] == ["étude {1}.db"]


def test_a_study_can_live_in_memory():
    assert len(studies.run_study("essai", measure, GRID, "sqlite:///:memory:")) == 2


@pytest.mark.parametrize(
    "storage", ["", "sqlite:etudes.db", "sqlite://etudes.db", "postgres://a@b/c", "foo://bar"]
)
def test_a_wrong_address_is_refused_with_right_ones(storage):
    with pytest.raises(ValueError, match="n'est pas l'adresse d'un journal.*sqlite:///sorties"):
        studies.run_study("essai", pytest.fail, GRID, storage)


def test_wrong_types_are_refused():
    with pytest.raises(TypeError, match="storage doit être un fichier.*reçu 3"):
        studies.run_study("essai", pytest.fail, GRID, 3)
    with pytest.raises(TypeError, match="name doit être le nom de l'étude.*reçu ''"):
        studies.run_study("", pytest.fail, GRID)


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "fichier").write_text("pas un dossier")
    with pytest.raises(studies.StudyError, match="impossible d'écrire.*etudes.db.*Choisissez"):
        studies.run_study("essai", pytest.fail, GRID, tmp_path / "fichier" / "etudes.db")
    with pytest.raises(studies.StudyError, match="écriture impossible.*Choisissez"):
        studies.run_study("essai", pytest.fail, GRID, tmp_path)


def test_a_read_only_journal_is_read_and_not_written(tmp_path):
    path = tmp_path / "etudes.db"
    rows = studies.run_study("essai", measure, GRID, path)
    read_only = f"sqlite:///file:{path.as_posix()}?mode=ro&uri=true"
    assert studies.run_study("essai", measure, GRID, read_only) == rows
    with pytest.raises(studies.StudyError, match="écriture impossible.*Choisissez un dossier"):
        studies.run_study("autre", measure, GRID, read_only)


def test_a_file_that_is_not_a_journal_is_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("des notes " * 1000)
    with pytest.raises(studies.StudyError, match="notes.txt : ce n'est pas une base SQLite"):
        studies.run_study("essai", pytest.fail, GRID, path)
    assert path.read_text() == "des notes " * 1000


def test_a_full_disk_loses_one_point_at_most(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # Optuna en met entre ses essais
    disk = {"full": False}

    @sql.event.listens_for(sql.pool.Pool, "checkout")
    def fill(connection, record, proxy):
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages if disk['full'] else 2**30}")

    def fills(settings):
        if settings["latent"] == 2:
            return measure(settings)
        disk["full"] = True
        return {f"mesure {number}": number for number in range(10_000)}

    path, origin = tmp_path / "etudes.db", {"program": 1}
    try:
        with pytest.raises(studies.StudyError, match="disque plein. Libérez de la place") as error:
            studies.run_study("essai", fills, {"latent": [2, 5]}, path, origin)
        assert str(path) in str(error.value)
        disk["full"] = False
        rows = studies.run_study("essai", measure, {"latent": [2, 5]}, path, origin)
    finally:
        sql.event.remove(sql.pool.Pool, "checkout", fill)
    assert [row["value"] for row in rows] == [2, 5]


def test_a_study_that_does_not_say_what_made_it_is_refused(tmp_path):
    storage = f"sqlite:///{(tmp_path / 'etudes.db').as_posix()}"
    old = optuna.create_study(study_name="ancienne", storage=storage)
    old.set_user_attr("grid", GRID)
    with pytest.raises(studies.StudyError, match="n'avait pas été noté"):
        studies.run_study("ancienne", pytest.fail, GRID, storage)


def test_interrupted_trials_of_optuna_are_not_failures(tmp_path):
    storage = f"sqlite:///{(tmp_path / 'etudes.db').as_posix()}"
    studies.run_study("essai", measure, GRID, storage, {"program": 1})
    study = optuna.load_study(study_name="essai", storage=storage)
    study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    assert len(studies.run_study("essai", measure, GRID, storage, {"program": 1})) == 2


def test_a_password_is_not_shown():
    pytest.importorskip("psycopg")
    storage = "postgresql://eleve:secret@127.0.0.1:1/etudes"
    with pytest.raises(studies.StudyError, match="la base ne répond pas") as error:
        studies.run_study("essai", pytest.fail, GRID, storage)
    assert "secret" not in str(error.value) and "eleve" in str(error.value)


@pytest.mark.skipif("LABKIT_TEST_POSTGRES" not in os.environ, reason="aucun serveur PostgreSQL")
def test_postgresql_keeps_what_sqlite_keeps(tmp_path):
    grid = {"opt": ["adam", None], "lr": [0.1, 1e-300]}
    tables = []
    for storage in (tmp_path / "etudes.db", os.environ["LABKIT_TEST_POSTGRES"]):
        name = f"essai-{tmp_path.name}-{os.getpid()}"
        tables.append(studies.run_study(name, lambda p: {"loss": p["lr"]}, grid, storage))
        with journals.opened(name, storage) as journal:
            assert json.loads(json.dumps(journal.study.user_attrs["grid"])) == grid
        studies.delete_study(name, storage)
    assert tables[0] == tables[1]
