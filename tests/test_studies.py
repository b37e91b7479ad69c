"""Les études : la grille entière, une seule fois chaque point, et la reprise après un arrêt."""

import pytest

from labkit import studies

GRID = {"latent": [2, 5, 10], "beta": [1.0, 4.0]}


def bowl(settings):
    """Minimum en latent = 5, beta = 1 ; latent compte bien plus que beta."""
    return {"loss": (settings["latent"] - 5) ** 2 + 0.1 * settings["beta"], "calls": 1}


@pytest.fixture
def storage(tmp_path):
    return f"sqlite:///{(tmp_path / 'journal' / 'etudes.db').as_posix()}"


def test_every_point_of_the_grid_is_evaluated_once_and_sorted(storage):
    seen = []

    def evaluate(settings):
        seen.append((settings["latent"], settings["beta"]))
        return bowl(settings)

    rows = studies.run_study("essai", evaluate, GRID, storage)
    assert sorted(seen) == [(lat, b) for lat in (2, 5, 10) for b in (1.0, 4.0)]
    assert [row["value"] for row in rows] == sorted(row["value"] for row in rows)
    assert rows[0] == {"latent": 5, "beta": 1.0, "loss": 0.1, "calls": 1.0, "value": 0.1}


def test_an_interrupted_study_goes_on_with_the_missing_points(storage):
    seen = []

    def stops_at_the_third(settings):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append((settings["latent"], settings["beta"]))
        return bowl(settings)

    with pytest.raises(KeyboardInterrupt):
        studies.run_study("essai", stops_at_the_third, GRID, storage)

    def evaluate(settings):
        seen.append((settings["latent"], settings["beta"]))
        return bowl(settings)

    rows = studies.run_study("essai", evaluate, GRID, storage)
    assert len(rows) == 6 and len(set(seen)) == 6 == len(seen)
    assert studies.run_study("essai", stops_at_the_third, GRID, storage) == rows  # rien à refaire


def test_another_grid_under_the_same_name_is_refused(storage):
    studies.run_study("essai", bowl, {"latent": [2], "beta": [1.0]}, storage)
    with pytest.raises(studies.StudyError, match="autre grille"):
        studies.run_study("essai", bowl, GRID, storage)


def test_importances_name_the_setting_that_matters(storage):
    studies.run_study("essai", bowl, GRID, storage)
    shares = studies.importances("essai", storage)
    assert list(shares) == ["latent", "beta"]
    assert shares["latent"] > 0.95
    assert sum(shares.values()) == pytest.approx(1)
