"""À qui est chaque point d'une étude : une table à côté du journal, dans la même base.

Optuna ne réserve pas les points d'une grille, et sous SQLite deux processus peuvent recevoir le
même essai. Ici la clé primaire décide : un seul processus insère la ligne d'un point. Tant qu'il y
travaille, il fait avancer le compteur `beat` ; celui d'un processus tué s'arrête, et un autre prend
le point. Chacun mesure cet arrêt à sa propre montre : les horloges des machines peuvent différer.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Iterator, Sequence

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

HEARTBEAT = 2.0  # secondes entre deux signes de vie
PATIENCE = 60.0  # secondes sans signe de vie au bout desquelles un point est à reprendre

_TABLE = sql.Table(
    "labkit_claims",
    sql.MetaData(),
    sql.Column("study", sql.String(512), primary_key=True),
    sql.Column("point", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("worker", sql.String(32), nullable=False),
    sql.Column("beat", sql.Integer, nullable=False),
)


def create_table(engine: sql.Engine) -> None:
    """Crée la table des points réservés, si elle manque."""
    _TABLE.create(engine, checkfirst=True)


class Claims:
    """Les points d'une étude que réserve un participant, face aux autres participants."""

    def __init__(self, engine: sql.Engine, study: str):
        self._engine = engine
        self._study = study
        self._worker = uuid.uuid4().hex
        self._seen: dict[int, tuple[tuple, float]] = {}  # point -> dernier battement vu, et quand

    def take(self, points: Sequence[int]) -> int | None:
        """Réserve le premier point libre ou abandonné ; None s'ils sont tous en d'autres mains."""
        held = self._held()
        abandoned = self._abandoned(held)
        for point in points:
            if point not in held:
                taken = self._insert(point)
            else:
                taken = point in abandoned and self._take_over(point, *held[point])
            if taken:
                return point
        return None

    @contextlib.contextmanager
    def working_on(self, point: int) -> Iterator[None]:
        """Signale que l'on travaille à ce point, et le rend libre si le travail est interrompu."""
        done = threading.Event()
        thread = threading.Thread(target=self._beat_until, args=(done, point), daemon=True)
        thread.start()
        try:
            yield
        except BaseException:
            with contextlib.suppress(SQLAlchemyError):  # l'interruption compte plus que la base
                self._execute(sql.delete(_TABLE).where(*self._mine(point)))
            raise
        finally:
            done.set()
            thread.join()

    def forget(self, points: Sequence[int] | None = None) -> None:
        """Rend libres ces points, ou tous ceux de l'étude."""
        chosen = [_TABLE.c.study == self._study]
        if points is not None:
            chosen.append(_TABLE.c.point.in_(points))
        self._execute(sql.delete(_TABLE).where(*chosen))

    def _held(self) -> dict[int, tuple[str, int]]:
        query = sql.select(_TABLE.c.point, _TABLE.c.worker, _TABLE.c.beat)
        with self._engine.connect() as connection:
            rows = connection.execute(query.where(_TABLE.c.study == self._study)).all()
        return {point: (worker, beat) for point, worker, beat in rows}

    def _abandoned(self, held: dict[int, tuple[str, int]]) -> set[int]:
        now = time.monotonic()
        self._seen = {
            point: self._seen[point] if self._last_beat(point) == beat else (beat, now)
            for point, beat in held.items()
        }
        return {point for point, (_, since) in self._seen.items() if now - since > PATIENCE}

    def _last_beat(self, point: int) -> tuple | None:
        return self._seen[point][0] if point in self._seen else None

    def _insert(self, point: int) -> bool:
        values = {"study": self._study, "point": point, "worker": self._worker, "beat": 0}
        try:
            self._execute(sql.insert(_TABLE).values(values))
        except IntegrityError:  # un autre vient de l'insérer
            return False
        return True

    def _take_over(self, point: int, worker: str, beat: int) -> bool:
        """Prend la place d'un participant arrêté, sauf s'il a bougé ou si un autre l'a prise."""
        unmoved = _TABLE.c.worker == worker, _TABLE.c.beat == beat
        statement = sql.update(_TABLE).where(*self._is(point), *unmoved)
        return self._execute(statement.values(worker=self._worker, beat=beat + 1)) == 1

    def _beat_until(self, done: threading.Event, point: int) -> None:
        statement = sql.update(_TABLE).where(*self._mine(point)).values(beat=_TABLE.c.beat + 1)
        while not done.wait(HEARTBEAT):
            with contextlib.suppress(SQLAlchemyError):  # au pire, un autre reprendra le point
                self._execute(statement)

    def _is(self, point: int) -> tuple:
        return _TABLE.c.study == self._study, _TABLE.c.point == point

    def _mine(self, point: int) -> tuple:
        return *self._is(point), _TABLE.c.worker == self._worker

    def _execute(self, statement) -> int:
        """Exécute en une transaction et renvoie le nombre de lignes touchées."""
        with self._engine.begin() as connection:
            return connection.execute(statement).rowcount
