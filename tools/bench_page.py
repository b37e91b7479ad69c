"""Compose la page des mesures à partir de ce que `make bench` a laissé."""

from __future__ import annotations

import json
from pathlib import Path

from labkit.tables import number

RESULTS = Path("_build") / "bench.json"

INTRODUCTION = """# Mesures de vitesse

Ce que `make bench` a mesuré : combien d'images ou de jetons chaque boucle d'entraînement traite par
seconde, et les durées que le cours annonce.
"""
NOTHING = "Rien n'a été mesuré avant cette construction du site : `make bench`, puis `make site`."
LEGEND = """La boucle habituelle est celle des tutoriels : DataLoader, une image à la fois, float32,
Adam, `.item()` à chaque pas. La limite refait les pas de labkit, dans la même précision, sur un
seul lot déjà en place : aucune boucle ne ferait mieux. Les boucles d'une famille alternent dans un
même processus ; chaque vitesse est la médiane de ses tours, suivie de leur étendue.
"""


def read_results(root: Path) -> dict:
    """Ce que les mesures ont laissé sous une racine ; vide s'il n'y en a pas eu."""
    path = root / RESULTS
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def bench_page(results: dict) -> str:
    """La page Markdown des mesures.

    Args:
        results: ce que donne `read_results`.

    Returns:
        Le texte de la page.
    """
    families = results.get("families", {})
    if not families:
        return f"{INTRODUCTION}\n{NOTHING}\n"
    measures = [measure for family in families.values() for measure in family["measures"]]
    machines = dict.fromkeys(_machine(family["machine"]) for family in families.values())
    parts = [INTRODUCTION, *(f"Machine : {machine}." for machine in machines)]
    for title, kind, columns, row in SECTIONS:
        rows = [row(measure) for measure in measures if measure["kind"] == kind]
        if rows:
            parts += [f"## {title}", *([LEGEND] if kind == "speeds" else []), _table(columns, rows)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _machine(machine: dict) -> str:
    cores = machine["cores"]
    return (
        f"{machine['system']}, {cores} cœur{'s' if cores > 1 else ''}, "
        f"calcul sur {machine['device']}, bf16 {'rapide' if machine['bf16'] else 'lent'}, "
        f"torch {machine['torch']}"
    )


def _speeds(measure: dict) -> tuple[str, ...]:
    rates = (
        f"{name} : {number(middle, 0)} ({number(low, 0)} à {number(high, 0)})"
        for name, (middle, low, high) in measure["rates"].items()
    )
    return measure["name"], f"{measure['unit']} par seconde", "<br>".join(rates)


def _measure(measure: dict) -> tuple[str, ...]:
    digits = measure["digits"]
    bounds = [
        f"{sign} {number(measure[key], digits)}"
        for key, sign in (("at_least", "≥"), ("at_most", "≤"))
        if measure[key] is not None
    ]
    value = f"{number(measure['value'], digits)} {measure['unit']}".strip()
    return measure["name"], value, " et ".join(bounds) or "—", "oui" if measure["held"] else "non"


def _skipped(measure: dict) -> tuple[str, ...]:
    return measure["name"], measure["reason"].replace("\n", " ")


SECTIONS = (
    ("Vitesses", "speeds", ("Famille", "Unité", "Vitesse de chaque boucle"), _speeds),
    ("Durées et rapports", "measure", ("Mesure", "Obtenu", "Borne", "Tenue"), _measure),
    ("Non mesuré", "skipped", ("Mesure", "Raison"), _skipped),
)


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(r) + " |" for r in [columns, ("---",) * len(columns), *rows])
