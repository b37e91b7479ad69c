"""Les mesures : rien de non mesuré ne passe pour tenu."""

import json

import pytest

from benchmarks import labs


@pytest.fixture
def status(tmp_path, monkeypatch):
    path = tmp_path / "status.json"
    monkeypatch.setattr(labs, "STATUS", path)
    return path


def test_no_status_is_not_a_success(status):
    (skipped,) = labs.measures()
    assert not skipped.held
    assert "make site d'abord" in skipped.line()


@pytest.mark.parametrize(("seconds", "held"), [(12.0, True), (31.0, False)])
def test_lab_times_are_read_from_the_last_execution(status, seconds, held):
    lab = {"name": "01", "status": "réussi", "profil": "rapide", "seconds": seconds}
    status.write_text(json.dumps({"labs": [lab]}), encoding="utf-8")
    (measure,) = labs.measures()
    assert (measure.value, measure.held) == (seconds, held)
