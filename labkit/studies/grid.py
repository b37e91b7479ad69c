"""Les études du cours : parcourir une grille de réglages, garder les mesures, savoir reprendre.

Optuna tient le journal (SQLite ici ; PostgreSQL, donc plusieurs machines, en changeant l'adresse).
"""

from __future__ import annotations

import itertools
import json
import math
import textwrap
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from labkit.studies import claims
from labkit.studies.journals import Journal, StudyError, has_failed, opened

DEFAULT_STORAGE = "sqlite:///sorties/etudes.db"

_ADDED = ("value", "error")  # colonnes que run_study ajoute au tableau


def run_study(
    name: str,
    evaluate: Callable[[dict], Mapping[str, float]],
    grid: Mapping[str, Iterable],
    storage: str | Path = DEFAULT_STORAGE,
    made_by: Mapping | None = None,
) -> list[dict]:
    """Évalue chaque point d'une grille, sauf ceux qui l'ont déjà été, et renvoie le tableau.

    Plusieurs processus peuvent mener ensemble la même étude : chacun prend un point que nul autre
    n'évalue, reprend au bout d'une minute celui d'un processus tué, et renvoie le tableau entier.
    Une interruption rend son point à évaluer et traverse `run_study`.

    Args:
        name: nom de l'étude, qui la désigne dans le journal.
        evaluate: fonction réglages -> mesures ; la première mesure est celle que l'on minimise. Si
            elle lève une exception ou mesure NaN, le point est en échec et l'étude continue.
        grid: réglage -> valeurs à essayer, nombres ou textes ; toutes leurs combinaisons sont
            évaluées, dans un ordre battu, toujours le même.
        storage: fichier SQLite, ou adresse du journal au format de SQLAlchemy.
        made_by: ce qui fait les mesures, en valeurs JSON ; par défaut l'empreinte de `evaluate`,
            avec ce qu'elle appelle et les variables qu'elle lit (`labkit.fingerprints`). À donner
            si `evaluate` modifie l'une d'elles : l'étude ne se reconnaîtrait pas.

    Returns:
        Une ligne par point, de la plus petite première mesure à la plus grande : les réglages, les
        mesures, et `value`, la première d'entre elles. Puis les points en échec : les réglages, et
        `error`, la raison.

    Raises:
        StudyError: l'étude de ce nom a une autre grille, ou autre chose l'a faite, ou son journal
            ne peut être ni lu ni écrit.
        ValueError, TypeError: grille, nom ou adresse mal formés ; rien n'a été évalué.
    """
    grid = _settled_grid(grid)
    made_by = _settled_origin(made_by, evaluate)
    points = _points(grid)
    with opened(name, storage, create=True) as journal:
        _check_unchanged(journal, grid, made_by)
        try:
            _evaluate_missing(journal, evaluate, grid, points)
        except KeyboardInterrupt:
            print(f"étude {name} interrompue : relancez-la pour évaluer les points qui manquent")
            raise
        finished = journal.finished(points)
    rows = [_row(points[number], trial) for number, trial in finished.items()]
    _report_failures(name, rows)
    return sorted(rows, key=lambda row: ("error" in row, row.get("value")))


def importances(name: str, storage: str | Path = DEFAULT_STORAGE) -> dict[str, float]:
    """Mesure quels réglages expliquent la variation du score d'une étude finie.

    C'est la décomposition fANOVA d'Optuna (F. Hutter et coll., « An efficient approach for
    assessing hyperparameter importance », 2014), sur les points qui ont abouti.

    Args:
        name: nom de l'étude.
        storage: fichier ou adresse du journal.

    Returns:
        réglage -> part entre 0 et 1, de la plus grande à la plus petite ; leur somme vaut 1.

    Raises:
        StudyError: étude inconnue, ou dont les scores ne varient pas.
    """
    with opened(name, storage) as journal:
        finished = journal.finished(_known_points(journal))
    trials = [trial for trial in finished.values() if not has_failed(trial)]
    if len({trial.value for trial in trials}) < 2:
        raise StudyError(
            f"l'étude {name!r} n'a pas deux points de scores différents : aucune variation à "
            "expliquer."
        )
    # Sans doublon et dans l'ordre de la grille, dont dépend la forêt d'arbres de fANOVA.
    ordered = optuna.create_study()
    ordered.add_trials(trials)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    shares = optuna.importance.get_param_importances(ordered, evaluator=evaluator)
    return {setting: float(share) for setting, share in shares.items()}


def forget_failures(name: str, storage: str | Path = DEFAULT_STORAGE) -> int:
    """Rend à évaluer les points en échec d'une étude, et renvoie leur nombre.

    Args:
        name: nom de l'étude.
        storage: fichier ou adresse du journal.
    """
    with opened(name, storage) as journal:
        return journal.forget_failures(_known_points(journal))


def delete_study(name: str, storage: str | Path = DEFAULT_STORAGE) -> None:
    """Efface une étude du journal, avec ses mesures ; les autres études restent.

    Args:
        name: nom de l'étude.
        storage: fichier ou adresse du journal.
    """
    with opened(name, storage) as journal:
        journal.delete()


# --- ce que l'on demande --------------------------------------------------------------------------


def _settled_grid(grid: Mapping[str, Iterable]) -> dict[str, list]:
    """La grille en listes de valeurs simples, les seules qu'un journal rend telles quelles."""
    if not isinstance(grid, Mapping) or not grid:
        raise TypeError(
            f"grid doit être un dictionnaire réglage -> liste de valeurs, reçu {grid!r}. Écrivez "
            "par exemple {'lr': [1e-3, 1e-4]}."
        )
    for name in grid:
        if not isinstance(name, str) or name in _ADDED:
            raise ValueError(
                f"un réglage de grid ne peut s'appeler {name!r} : donnez-lui un autre nom."
            )
    return {name: _settled_values(name, values) for name, values in grid.items()}


def _settled_values(name: str, values: Iterable) -> list:
    values = _plain(values)
    is_text = isinstance(values, (str, bytes))
    if is_text or not isinstance(values, Iterable):
        raise TypeError(_not_a_list(name, values, [values]))
    if isinstance(values, (Mapping, set, frozenset)):
        raise TypeError(_not_a_list(name, values, sorted(values, key=repr)))
    settled = [_plain(value) for value in values]
    if not settled:
        raise ValueError(f"grid[{name!r}] est vide : donnez au moins une valeur.")
    for position, value in enumerate(settled):
        _check_value(name, value)
        if value in settled[:position]:
            raise ValueError(f"grid[{name!r}] contient deux fois {value!r} : ôtez-en une.")
    return settled


def _plain(value: Any) -> Any:
    """Nombres et listes de Python à la place de ceux de NumPy et de PyTorch."""
    return value.tolist() if hasattr(value, "tolist") else value


def _not_a_list(name: str, values: Any, instead: list) -> str:
    return (
        f"grid[{name!r}] doit être une liste de valeurs, reçu {values!r}. "
        f"Écrivez {{{name!r}: {instead!r}}}."
    )


def _check_value(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, (bool, int, float, str)):
        raise TypeError(
            f"grid[{name!r}] contient {value!r}, de type {type(value).__name__} : seuls nombres, "
            "textes, booléens et None se relisent d'un journal. Donnez un nom à cette valeur, que "
            "evaluate traduira."
        )
    if isinstance(value, float) and math.isnan(value):
        raise ValueError(f"grid[{name!r}] contient NaN, qui n'est égal à rien : ôtez-le.")


def _settled_origin(made_by: Mapping | None, evaluate: Callable) -> dict:
    if not callable(evaluate):
        raise TypeError(f"evaluate doit être une fonction réglages -> mesures, reçu {evaluate!r}.")
    if made_by is None:
        from labkit.fingerprints import fingerprint

        made_by = fingerprint(evaluate=evaluate)
    try:
        return json.loads(json.dumps(dict(made_by)))
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"made_by doit être un dictionnaire de valeurs JSON ({error}). Employez "
            "labkit.fingerprints.fingerprint(...)."
        ) from error


def _points(grid: Mapping[str, list]) -> list[dict]:
    """Toutes les combinaisons, battues : une étude arrêtée en route a vu toute la grille."""
    names = sorted(grid)
    combinations = list(itertools.product(*(grid[name] for name in names)))
    np.random.RandomState(0).shuffle(combinations)
    chosen = [dict(zip(names, values, strict=True)) for values in combinations]
    return [{name: point[name] for name in grid} for point in chosen]


def _known_points(journal: Journal) -> list[dict]:
    return _points(journal.study.user_attrs["grid"])


def _check_unchanged(journal: Journal, grid: dict, made_by: dict) -> None:
    """Une étude garde sa grille et ce qui la fait ; nouvelle, elle les prend."""
    name, known = journal.study.study_name, journal.study.user_attrs
    ways_out = f"Donnez un autre nom à la nouvelle, ou labkit.studies.delete_study({name!r}, …)."
    if "grid" not in known:
        journal.study.set_user_attr("made_by", made_by)
        journal.study.set_user_attr("grid", grid)
    elif known["grid"] != grid:
        raise StudyError(
            f"l'étude {name!r} a été commencée sur une autre grille ({known['grid']}). {ways_out}"
        )
    elif known.get("made_by") != made_by:
        from labkit.fingerprints import changes

        changed = " ; ".join(changes(known.get("made_by"), made_by))
        raise StudyError(f"l'étude {name!r} n'a pas été faite ainsi : {changed}. {ways_out}")


# --- l'évaluation ---------------------------------------------------------------------------------


def _evaluate_missing(journal: Journal, evaluate: Callable, grid: dict, points: list[dict]) -> None:
    """Évalue les points libres un à un, puis attend ceux que d'autres processus évaluent."""
    is_waiting = False
    while missing := sorted(set(range(len(points))) - set(journal.finished(points))):
        number = journal.claims.take(missing)
        if number is not None:
            with journal.claims.working_on(number):
                outcome = _outcome(evaluate, points[number])
                journal.record(grid, points[number], outcome)
            continue
        if not is_waiting:
            is_waiting = True
            print(
                f"étude {journal.study.study_name} : on attend des points évalués ailleurs ; "
                f"ceux d'un processus tué sont repris au bout de {claims.PATIENCE:.0f} s"
            )
        time.sleep(claims.HEARTBEAT)


def _outcome(evaluate: Callable, point: dict) -> dict:
    """Les mesures d'un point, ou la raison de son échec, dite aussitôt."""
    try:
        return {"metrics": _checked_metrics(evaluate(dict(point)), point)}
    except Exception as error:  # le point est en échec, l'étude continue
        reason = textwrap.shorten(f"{type(error).__name__} : {error}", 500, placeholder=" …")
        print(f"point {point} en échec, {reason}")
        return {"error": reason}


def _checked_metrics(found: Any, point: dict) -> dict[str, float]:
    if not isinstance(found, Mapping) or not found:
        raise TypeError(f"evaluate doit renvoyer un dictionnaire de mesures, reçu {found!r}")
    metrics = {name: float(value) for name, value in found.items()}
    for position, (name, value) in enumerate(metrics.items()):
        if not math.isfinite(value):
            raise ValueError(f"la mesure {name!r} vaut {value}")
        if name in point or name == "error" or (name == "value" and position > 0):
            raise ValueError(f"la mesure {name!r} porte le nom d'une autre colonne du tableau")
    return metrics


def _row(point: dict, trial: optuna.trial.FrozenTrial) -> dict:
    if has_failed(trial):
        return {**point, "error": trial.user_attrs["error"]}
    return {**point, **trial.user_attrs["metrics"], "value": trial.value}


def _report_failures(name: str, rows: list[dict]) -> None:
    failures = sum("error" in row for row in rows)
    if failures:
        print(
            f"étude {name}, points en échec : {failures} sur {len(rows)}, à la fin du tableau ; "
            f"labkit.studies.forget_failures({name!r}) les rend à évaluer"
        )
