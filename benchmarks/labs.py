"""Durée des labs, relevée à leur dernière exécution (`make site`)."""

import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Measure, Skipped

STATUS = Path(__file__).resolve().parents[1] / "_build" / "executed" / "status.json"
# Secondes promises par le numéro du lab ; une minute pour les autres.
LIMITS = {"01": 30, "02": 30}
DEFAULT_LIMIT = 60


def measures() -> Iterator[Measure | Skipped]:
    if not STATUS.is_file():
        yield Skipped("durée des labs", "make site d'abord", held=False)
        return
    for lab in json.loads(STATUS.read_text(encoding="utf-8"))["labs"]:
        if lab["status"] != "réussi":
            yield Skipped(lab["name"], "sa dernière exécution a échoué", held=False)
        elif lab["profil"] == "rapide":
            name = f"{lab['name']}, profil rapide"
            limit = LIMITS.get(lab["name"][:2], DEFAULT_LIMIT)
            yield Measure(name, lab["seconds"], "s", at_most=limit, digits=1)
