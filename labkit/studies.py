"""Les études du cours : parcourir une grille de réglages, garder les mesures, savoir reprendre.

Optuna tient le journal (SQLite ici ; PostgreSQL, donc plusieurs machines, en changeant l'adresse).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

DEFAULT_STORAGE = "sqlite:///sorties/etudes.db"


class StudyError(RuntimeError):
    """Une étude ne peut pas être reprise telle qu'elle est demandée."""


def run_study(
    name: str,
    evaluate: Callable[[dict], Mapping[str, float]],
    grid: Mapping[str, Sequence],
    storage: str = DEFAULT_STORAGE,
) -> list[dict]:
    """Évalue chaque point d'une grille, sauf ceux qui l'ont déjà été, et rend le tableau.

    Args:
        name: nom de l'étude, qui la désigne dans le journal.
        evaluate: fonction réglages -> mesures ; la première mesure est celle que l'on minimise.
        grid: réglage -> valeurs à essayer ; toutes leurs combinaisons sont évaluées.
        storage: adresse du journal, au format de SQLAlchemy.

    Returns:
        Une ligne par point, réglages et mesures mêlés, de la plus petite première mesure à la plus
        grande. Interrompue, l'étude reprend au premier point qui manque.

    Raises:
        StudyError: le journal contient une étude de ce nom faite sur une autre grille.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    _make_folder(storage)
    sampler = optuna.samplers.GridSampler(dict(grid), seed=0)
    study = optuna.create_study(
        study_name=name, storage=storage, sampler=sampler, load_if_exists=True
    )
    _check_grid(study, grid, storage)

    def objective(trial: optuna.Trial) -> float:
        settings = {key: trial.suggest_categorical(key, values) for key, values in grid.items()}
        metrics = {key: float(value) for key, value in evaluate(settings).items()}
        trial.set_user_attr("metrics", metrics)
        return next(iter(metrics.values()))

    size = math.prod(len(values) for values in grid.values())
    while len(_trials(study, "COMPLETE")) < size:
        # Le parcours de grille ne revient pas de lui-même sur un point interrompu.
        for point in _failed_points(study)[:1]:
            study.enqueue_trial(point)
        study.optimize(objective, n_trials=1)
    return sorted(_rows(study), key=lambda row: row["value"])


def importances(name: str, storage: str = DEFAULT_STORAGE) -> dict[str, float]:
    """Mesure quels réglages expliquent la variation du score d'une étude finie.

    C'est la décomposition fANOVA d'Optuna (F. Hutter et coll., « An efficient approach for
    assessing hyperparameter importance », 2014).

    Args:
        name: nom de l'étude.
        storage: adresse du journal.

    Returns:
        réglage -> part entre 0 et 1, de la plus grande à la plus petite ; leur somme vaut 1.
    """
    import optuna

    study = optuna.load_study(study_name=name, storage=storage)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _make_folder(storage: str) -> None:
    prefix = "sqlite:///"
    if storage.startswith(prefix):
        Path(storage.removeprefix(prefix)).parent.mkdir(parents=True, exist_ok=True)


def _check_grid(study, grid: Mapping[str, Sequence], storage: str) -> None:
    wanted = json.loads(json.dumps({key: list(values) for key, values in grid.items()}))
    known = study.user_attrs.get("grid")
    if known is None:
        study.set_user_attr("grid", wanted)
    elif known != wanted:
        raise StudyError(
            f"l'étude {study.study_name!r} de {storage} a été commencée sur une autre grille "
            f"({known}). Donnez un autre nom à la nouvelle, ou supprimez ce journal."
        )


def _trials(study, state: str) -> list:
    import optuna

    return study.get_trials(deepcopy=False, states=(optuna.trial.TrialState[state],))


def _failed_points(study) -> list[dict]:
    """Les points dont aucune évaluation n'a abouti."""
    done = [trial.params for trial in _trials(study, "COMPLETE")]
    return [trial.params for trial in _trials(study, "FAIL") if trial.params not in done]


def _rows(study) -> list[dict]:
    return [
        {**trial.params, **trial.user_attrs["metrics"], "value": trial.value}
        for trial in _trials(study, "COMPLETE")
    ]
