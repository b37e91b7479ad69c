"""Le journal d'une étude : où il est, ce qui y est évalué, et des erreurs qui disent quoi faire.

Optuna y note les points évalués ; `claims` y réserve les autres.
"""

from __future__ import annotations

import contextlib
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import optuna
import sqlalchemy as sql
from optuna.distributions import CategoricalDistribution
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from labkit._names import did_you_mean
from labkit.files import FileError, check_writable, full_path
from labkit.studies.claims import Claims, create_table

_BUSY_SECONDS = 60  # attente d'un fichier SQLite qu'un autre processus écrit
_OPENINGS = 10  # essais d'ouverture d'une base que d'autres processus créent au même instant
_REMEDIES = {  # ce que dit la base -> ce que l'on peut y faire
    "disk is full|No space left": "disque plein. Libérez de la place puis relancez.",
    "readonly|unable to open|ermission denied": (
        "écriture impossible. Choisissez un dossier où vous avez le droit d'écrire."
    ),
    "not a database|malformed": "ce n'est pas une base SQLite. Donnez un autre fichier.",
    "locked": "un autre programme l'occupe. Fermez-le, ou donnez un autre fichier.",
    "": "la base ne répond pas comme prévu. Vérifiez storage, et que le serveur est lancé.",
}


class StudyError(FileError):
    """Une étude ne peut pas être reprise telle qu'elle est demandée, ou son journal résiste."""


class Journal:
    """Une étude dans sa base : les points évalués, par Optuna, et les points réservés."""

    def __init__(self, study: optuna.Study, backend: optuna.storages.RDBStorage):
        self.study = study
        self.claims = Claims(backend.engine, study.study_name)
        self._backend = backend

    def finished(self, points: Sequence[Mapping]) -> dict[int, FrozenTrial]:
        """Numéro de point -> son évaluation, la première finie, réussie ou non."""
        numbers = {tuple(point.values()): number for number, point in enumerate(points)}
        first: dict[int, FrozenTrial] = {}
        for trial in self._counted_trials():
            number = numbers[tuple(trial.params[key] for key in points[0])]
            first.setdefault(number, trial)
        return dict(sorted(first.items()))

    def record(self, grid: Mapping[str, list], point: Mapping, outcome: Mapping) -> None:
        """Note ce qu'a donné un point.

        Args:
            grid: réglage -> valeurs de toute la grille.
            point: réglage -> valeur.
            outcome: les mesures, sous `metrics`, ou la raison d'un échec, sous `error`.
        """
        metrics = outcome.get("metrics")
        trial = optuna.create_trial(
            state=TrialState.COMPLETE if metrics else TrialState.FAIL,
            value=next(iter(metrics.values())) if metrics else None,
            params=dict(point),
            distributions={key: CategoricalDistribution(values) for key, values in grid.items()},
            user_attrs=dict(outcome),
        )
        self.study.add_trial(trial)

    def forget_failures(self, points: Sequence[Mapping]) -> int:
        """Rend libres les points en échec, et renvoie leur nombre."""
        failed = [number for number, trial in self.finished(points).items() if has_failed(trial)]
        self.study.set_user_attr("forgotten", len(self.study.get_trials(deepcopy=False)))
        self.claims.forget(failed)
        return len(failed)

    def delete(self) -> None:
        """Efface l'étude et ses réservations."""
        optuna.delete_study(study_name=self.study.study_name, storage=self._backend)
        self.claims.forget()

    def _counted_trials(self) -> list[FrozenTrial]:
        """Les réussites, et les échecs que `forget_failures` n'a pas oubliés."""
        forgotten = self.study.user_attrs.get("forgotten", 0)
        return [
            trial
            for trial in self.study.get_trials(deepcopy=False)
            if trial.state == TrialState.COMPLETE
            or (has_failed(trial) and trial.number >= forgotten)
        ]


def has_failed(trial: FrozenTrial) -> bool:
    """Dit si le point est en échec : sa ligne porte une raison."""
    return trial.state == TrialState.FAIL and "error" in trial.user_attrs


@contextlib.contextmanager
def opened(name: str, storage: str | Path, create: bool = False) -> Iterator[Journal]:
    """Ouvre le journal d'une étude.

    Args:
        name: nom de l'étude.
        storage: fichier SQLite, ou adresse SQLAlchemy.
        create: commence l'étude si elle n'existe pas.

    Raises:
        StudyError: étude inconnue, ou base que l'on ne peut ni lire ni écrire, en l'ouvrant ou dans
            le bloc.
        ValueError, TypeError: nom ou adresse mal formés.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if not isinstance(name, str) or not name.strip():
        raise TypeError(f"name doit être le nom de l'étude, un texte, reçu {name!r}.")
    url = _url(storage)
    with _explained(url):
        backend = _open_backend(url)
        try:
            yield Journal(_study(name, backend, create, _label(url)), backend)
        finally:
            backend.remove_session()
            backend.engine.dispose()


def _study(
    name: str, backend: optuna.storages.RDBStorage, create: bool, label: str
) -> optuna.Study:
    known = optuna.get_all_study_names(backend)
    if name in known:  # sans rien écrire : un journal en lecture seule se lit
        return optuna.load_study(study_name=name, storage=backend)
    if create:
        return optuna.create_study(study_name=name, storage=backend, load_if_exists=True)
    raise StudyError(
        f"pas d'étude {name!r} dans {label}.{did_you_mean(name, known)} "
        f"Au choix : {', '.join(known) or 'aucune'}."
    )


# --- la base --------------------------------------------------------------------------------------


class _Collision(Exception):
    """Un autre processus crée les mêmes tables au même instant."""


def _url(storage: str | Path) -> sql.URL:
    """L'adresse SQLAlchemy de `storage` ; un nom de fichier désigne une base SQLite."""
    if not isinstance(storage, (str, Path)):
        raise TypeError(f"storage doit être un fichier ou une adresse, reçu {storage!r}.")
    text = str(storage)
    if "://" not in text:
        if not text.strip() or re.match(r"\w\w+:", text):
            raise ValueError(_bad_address(text))
        return sql.URL.create("sqlite", database=str(full_path(text)))
    try:
        url = sql.make_url(text)
        url.get_dialect()
    except (ArgumentError, ValueError, ImportError) as error:
        raise ValueError(_bad_address(text)) from error
    if url.get_backend_name() == "sqlite":
        if url.host:
            raise ValueError(_bad_address(text))
        database = url.database or ":memory:"
        return url.set(database=str(full_path(database)) if database[0] == "~" else database)
    if url.drivername == "postgresql":  # le pilote par défaut dépend de la version de SQLAlchemy
        return url.set(drivername="postgresql+psycopg")
    return url


def _bad_address(storage: str) -> str:
    return (
        f"storage={storage!r} n'est pas l'adresse d'un journal. Écrivez un nom de fichier, "
        "'sorties/etudes.db', ou une adresse, 'sqlite:///sorties/etudes.db' (trois barres) ou "
        "'postgresql://nom@machine/base'."
    )


def _file(url: sql.URL) -> Path | None:
    is_file = url.get_backend_name() == "sqlite" and not re.match(":memory:|file:", url.database)
    return Path(url.database) if is_file else None


def _label(url: sql.URL) -> str:
    """Le nom de la base dans un message : fichier, ou adresse sans le mot de passe."""
    file = _file(url)
    return str(file.absolute()) if file else url.render_as_string(hide_password=True)


def _open_backend(url: sql.URL) -> optuna.storages.RDBStorage:
    file = _file(url)
    if file and not file.exists():
        _check_new_file(file)
    for _ in range(_OPENINGS - 1):
        with contextlib.suppress(_Collision):
            return _try_to_open(url)
    return _try_to_open(url)


def _check_new_file(file: Path) -> None:
    try:
        check_writable(file)
    except FileError as error:
        raise StudyError(f"journal des études : {error}") from error


def _try_to_open(url: sql.URL) -> optuna.storages.RDBStorage:
    is_sqlite = url.get_backend_name() == "sqlite"
    settings = {"connect_args": {"timeout": _BUSY_SECONDS}} if is_sqlite else {}
    # Optuna prend les accolades d'une adresse pour des champs à remplir.
    address = re.sub("([{}])", r"\1\1", url.render_as_string(hide_password=False))
    try:
        backend = optuna.storages.RDBStorage(address, engine_kwargs=settings)
        create_table(backend.engine)
    except ImportError as error:
        raise StudyError(
            f"le pilote de {_label(url)} manque. Pour PostgreSQL : pip install 'psycopg[binary]'."
        ) from error
    except DBAPIError as error:
        if re.search("already exists|unique", str(error.orig), re.IGNORECASE):
            raise _Collision(str(error.orig)) from error
        raise
    return backend


@contextlib.contextmanager
def _explained(url: sql.URL) -> Iterator[None]:
    """Traduit les erreurs de la base, et d'elle seule."""
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        raise StudyError(_explanation(_label(url), error)) from error


def _explanation(label: str, error: Exception) -> str:
    said = str(_root(error))
    remedy = next(text for pattern, text in _REMEDIES.items() if re.search(pattern, said))
    shown = textwrap.shorten(said, 300, placeholder=" …")
    return f"journal {label} : {remedy} (La base dit : {shown})"


def _root(error: BaseException) -> BaseException:
    """L'erreur de la base elle-même, sous celles de SQLAlchemy et d'Optuna."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return error
