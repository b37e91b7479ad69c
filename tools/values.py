"""Les nombres que les labs ont enregistrés, cités dans un texte par leur chemin.

`{autoencoder/metrics/test_mse:4}` désigne la mesure d'une référence, écrite avec quatre décimales ;
`{ddpm_samples/rows[way=DDIM, 10 pas]/fid:2}` la colonne d'un tableau, à la ligne qui vérifie ces
conditions, séparées par des points-virgules ; plusieurs lignes donnent leur moyenne, un rang entre
deux barres choisit l'une d'elles. `%` après le nombre de décimales écrit une proportion en pour
cent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from labkit.tables import number, percent
from tools.notebooks import LabError

_QUOTE = re.compile(r"\{(?P<path>[^{}:]+)(?::(?P<digits>\d+)(?P<percent>%?))?\}")
_ROWS = re.compile(r"rows\[(?P<conditions>[^\]]*)\]")


class Values:
    """Les fiches et les tableaux d'un dossier `labkit/reference`.

    Args:
        folder: ce dossier.
        computed: nom -> valeurs qui n'ont pas de fiche, comme ce qui se recalcule en un instant.
    """

    def __init__(self, folder: Path, computed: Mapping[str, dict] | None = None):
        self.folder, self.computed = folder, computed or {}

    def fill(self, text: str) -> str:
        """Remplace dans un texte chaque chemin par le nombre qu'il désigne.

        Raises:
            LabError: fiche absente, ou chemin qui n'y mène pas à un nombre.
        """
        return _QUOTE.sub(self._written, text)

    def find(self, path: str) -> float:
        """Le nombre que désigne un chemin.

        Raises:
            LabError: fiche absente, ou chemin qui n'y mène pas à un nombre.
        """
        name, *steps = path.split("/")
        try:
            value = self._card(name)
            for step in steps:
                value = _follow(value, step)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise LabError(f"{path} : aucun nombre n'est à cet endroit ({error!r}).") from error
        if isinstance(value, list):
            value = sum(value) / len(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise LabError(f"{path} : un nombre est attendu, et non {value!r}.")
        return value

    def _written(self, found: re.Match) -> str:
        value = self.find(found["path"])
        digits = None if found["digits"] is None else int(found["digits"])
        return percent(value, digits or 0) if found["percent"] else number(value, digits)

    def _card(self, name: str) -> dict:
        if name in self.computed:
            return self.computed[name]
        for path in (self.folder / f"{name}.json", self.folder / "results" / f"{name}.json"):
            if path.is_file():
                return json.loads(path.read_text(encoding="utf-8"))
        raise LabError(
            f"ni référence ni tableau du nom de {name!r} dans {self.folder.name}/ : lancez "
            "make references, qui les refait tous."
        )


def is_one_number(text: str) -> bool:
    """Dit si un texte n'est qu'un chemin entre accolades."""
    return _QUOTE.fullmatch(text) is not None


def path_of(text: str) -> str:
    """Le chemin d'un texte qui n'est que lui."""
    return _QUOTE.fullmatch(text)["path"]


def digits_of(text: str) -> int | None:
    """Les décimales que demande un texte qui n'est qu'un chemin ; None sans cela."""
    found = _QUOTE.fullmatch(text)
    return int(found["digits"]) if found and found["digits"] else None


def _follow(value: object, step: str) -> object:
    """La valeur d'une étape plus loin : une clé, un rang, ou des lignes choisies."""
    chosen = _ROWS.fullmatch(step)
    if chosen:
        return _choose(value["rows"], chosen["conditions"])
    if isinstance(value, list):
        return value[int(step)] if step.lstrip("-").isdigit() else [row[step] for row in value]
    return value[step]


def _choose(rows: list[dict], conditions: str) -> list[dict]:
    for condition in filter(None, conditions.split(";")):
        key, _, wanted = condition.partition("=")
        rows = [row for row in rows if str(row.get(key)) == wanted]
    if not rows:
        raise KeyError(conditions)
    return rows
