"""Les points réservés : un seul participant chacun, repris quand son signe de vie s'arrête."""

import threading

import pytest
import sqlalchemy as sql

from labkit.studies import claims


@pytest.fixture
def engine(tmp_path):
    engine = sql.create_engine(f"sqlite:///{(tmp_path / 'points.db').as_posix()}")
    claims.create_table(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def clock(monkeypatch):
    """La montre des participants, que l'essai fait avancer."""

    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(claims, "time", clock)
    return clock


def test_each_point_goes_to_one_worker(engine):
    first, second = claims.Claims(engine, "essai"), claims.Claims(engine, "essai")
    assert [first.take([0, 1, 2]), second.take([0, 1, 2]), first.take([0, 1, 2])] == [0, 1, 2]
    assert second.take([0, 1, 2]) is None
    assert claims.Claims(engine, "autre").take([0]) == 0


def test_a_point_is_taken_over_when_its_beat_stops(engine, clock):
    dead, living = claims.Claims(engine, "essai"), claims.Claims(engine, "essai")
    dead.take([0])
    assert living.take([0]) is None
    clock.now = claims.PATIENCE
    assert living.take([0]) is None
    clock.now = claims.PATIENCE + 1
    assert living.take([0]) == 0
    assert dead.take([0]) is None


def test_only_one_worker_takes_over(engine, clock):
    claims.Claims(engine, "essai").take([0])
    heirs = [claims.Claims(engine, "essai") for _ in range(3)]
    assert [heir.take([0]) for heir in heirs] == [None] * 3
    clock.now = claims.PATIENCE + 1
    assert [heir.take([0]) for heir in heirs] == [0, None, None]


def test_a_living_worker_keeps_its_point(engine, clock, monkeypatch):
    monkeypatch.setattr(claims, "HEARTBEAT", 0.01)
    living, impatient = claims.Claims(engine, "essai"), claims.Claims(engine, "essai")
    living.take([0])
    beaten = threading.Event()

    @sql.event.listens_for(engine, "commit")
    def signal(connection):
        beaten.set()

    with living.working_on(0):
        for minute in range(3):
            assert impatient.take([0]) is None
            beaten.clear()
            assert beaten.wait(30)
            clock.now = (minute + 1) * (claims.PATIENCE + 1)
        assert impatient.take([0]) is None


def test_an_interruption_frees_the_point_and_success_keeps_it(engine):
    worker, other = claims.Claims(engine, "essai"), claims.Claims(engine, "essai")
    worker.take([0])
    with pytest.raises(KeyboardInterrupt), worker.working_on(0):
        raise KeyboardInterrupt
    assert other.take([0]) == 0
    with other.working_on(0):
        pass
    assert worker.take([0]) is None
    worker.forget([0])
    assert worker.take([0]) == 0


def test_an_interruption_does_not_free_what_another_took_over(engine, clock):
    slow, other = claims.Claims(engine, "essai"), claims.Claims(engine, "essai")
    slow.take([0])
    other.take([0])
    clock.now = claims.PATIENCE + 1
    with pytest.raises(KeyboardInterrupt), slow.working_on(0):
        assert other.take([0]) == 0
        raise KeyboardInterrupt
    assert slow.take([0]) is None
