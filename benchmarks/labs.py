"""Temps de calcul de chaque lab en profil `rapide`, sur un fil d'un vieux processeur."""

from collections.abc import Iterator

from benchmarks.measure import Measure, Skipped
from tools import execute, notebooks
from tools.replay import PARAMETERS

EXECUTED = notebooks.ROOT / "_build" / "executed"
# Secondes de calcul par numéro de lab, noyau et importations compris.
BUDGETS = {
    "01": 20, "02": 40, "03": 55, "04": 60, "05": 60,
    "06": 40, "07": 75, "08": 70, "09": 60, "10": 60,
}  # fmt: skip


def measures() -> Iterator[Measure | Skipped]:
    """Exécute ainsi les labs qui ne l'ont pas été depuis leur dernier changement."""
    labs = notebooks.lab_paths(notebooks.ROOT / "labs")
    package = notebooks.ROOT / "labkit"
    for lab in execute.execute_all(labs, EXECUTED, PARAMETERS, package, old_laptop=True):
        name = f"{lab['name']}, calcul sur un fil, AVX2"
        if lab["status"] != execute.SUCCESS:
            yield Skipped(name, "son exécution a échoué", held=False)
        elif not lab["cpu_seconds"]:
            yield Skipped(name, "ce système ne compte pas le calcul d'un processus fini")
        else:
            budget = BUDGETS[lab["name"][:2]]
            yield Measure(name, lab["cpu_seconds"], "s", at_most=budget, digits=1)
