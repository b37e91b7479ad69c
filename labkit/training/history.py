"""Ce qu'un entraînement a mesuré : moyennes par époque, en mémoire et en JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from labkit.files import full_path, write_atomically
from labkit.tables import number


class DivergenceError(ArithmeticError):
    """La perte est devenue infinie ou NaN. `history` garde les époques finies avant l'accident."""

    def __init__(self, message: str, history: History):
        super().__init__(message)
        self.history = history


@dataclass
class History(Mapping):
    """Ce que `fit` a mesuré : `history["loss"]` est une liste, d'une valeur par époque.

    Attributes:
        curves: nom -> moyennes par époque ; les noms de validation commencent par `val_`. NaN pour
            une époque où la valeur n'a pas été donnée.
        seconds: durée de chaque époque, en secondes, validation comprise.
        interrupted_at: (époque, pas) si l'entraînement a été interrompu ; la dernière valeur des
            courbes est alors la moyenne de cette époque incomplète.
        made_by: l'empreinte de ce qui a entraîné (programme, réglages, données, graine), si `fit`
            a tenu un point de reprise.
    """

    curves: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    interrupted_at: tuple[int, int] | None = None
    made_by: dict | None = None

    def __getitem__(self, name: str) -> list[float]:
        return self.curves[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.curves)

    def __len__(self) -> int:
        return len(self.curves)

    def add(self, means: Mapping[str, float], seconds: float) -> None:
        """Ajoute les moyennes d'une époque, qui a duré `seconds` secondes."""
        for name in [*self.curves, *(name for name in means if name not in self.curves)]:
            missed = [math.nan] * len(self.seconds)
            self.curves.setdefault(name, missed).append(means.get(name, math.nan))
        self.seconds.append(seconds)

    def fingerprint(self) -> dict:
        """L'empreinte de l'entraînement, à défaut de ses courbes qu'elle détermine."""
        return self.made_by or {"curves": self.curves}

    def plot(self, **options):
        """Trace les courbes ; mêmes options que `labkit.plots.loss_curves`."""
        from labkit.plots import loss_curves

        return loss_curves({_legend(name): curve for name, curve in self.items()}, **options)

    def save(self, path: str | Path) -> None:
        """Écrit l'historique en JSON.

        Raises:
            FileError: disque plein, ou dossier où l'on ne peut pas écrire.
        """
        write_atomically(path, json.dumps(asdict(self), indent=1).encode("utf-8"))

    @classmethod
    def load(cls, path: str | Path) -> History:
        """Relit un historique écrit par `save`."""
        saved = json.loads(full_path(path).read_text(encoding="utf-8"))
        if saved["interrupted_at"] is not None:
            saved["interrupted_at"] = tuple(saved["interrupted_at"])  # JSON n'a que des listes
        return cls(**saved)


def divergence(
    symptom: str, step_number: int, rates: Iterable[float], history: History
) -> DivergenceError:
    """L'erreur qui explique une divergence au lot `step_number` de l'époque qui suit `history`."""
    epoch = len(history.seconds)
    origin = f"de la fin de l'époque {epoch}" if epoch else "du départ"
    found = ", ".join(dict.fromkeys(map(number, rates)))
    return DivergenceError(
        f"{symptom} à l'époque {epoch + 1}, lot {step_number}. Causes probables : taux "
        f"d'apprentissage trop grand (ici {found} ; souvent entre 10⁻⁴ et 10⁻²), données non "
        "normalisées ou déjà NaN, logarithme de zéro ou division par zéro dans la perte. Le modèle "
        f"a retrouvé ses poids {origin}.",
        history,
    )


def log_line(epoch: int, epochs: int, values: Mapping[str, float], seconds: float) -> str:
    """« époque 2/10 · perte 0,1234 · 1,5 s » ; une valeur que l'époque n'a pas n'y est pas."""
    shown = [
        f"{french_name(name)} {number(value, _decimals(value))}"
        for name, value in values.items()
        if not math.isnan(value)
    ]
    where = f"époque {epoch:{len(str(epochs))}d}/{epochs}"
    return " · ".join([where, *shown, f"{number(seconds, 1)} s"])


def _decimals(value: float) -> int:
    """Quatre chiffres significatifs à partir de 1, quatre décimales en dessous."""
    return max(0, 4 - len(str(int(abs(value)))) + (abs(value) < 1)) if math.isfinite(value) else 0


def french_name(name: str) -> str:
    """Le nom d'une valeur tel qu'un journal l'écrit : `val_loss` -> « perte (validation) »."""
    quantity = name.removeprefix("val_")
    player = quantity.removesuffix("_loss") if quantity.endswith("_loss") else ""
    words = "perte" if player or quantity == "loss" else quantity
    details = [word for word in (player, "validation" if name != quantity else "") if word]
    return f"{words} ({', '.join(details)})" if details else words


def _legend(name: str) -> str:
    """Le nom d'une courbe, où entraînement et validation se répondent."""
    quantity = name.removeprefix("val_")
    part = "entraînement" if quantity == name else "validation"
    if quantity == "loss":
        return part
    player = quantity.removesuffix("_loss")
    return f"{quantity} ({part})" if player == quantity else f"perte ({player}, {part})"


@dataclass
class Totals:
    """Sommes pondérées par la taille des lots : le dernier, plus petit, compte moins."""

    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, numbers: Mapping[str, float], size: int) -> None:
        """Ajoute les valeurs d'un lot de `size` exemples."""
        for name, value in numbers.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * size
            self.counts[name] = self.counts.get(name, 0) + size

    def means(self) -> dict[str, float]:
        """Moyenne de chaque valeur sur les lots où elle a été donnée."""
        return {name: total / self.counts[name] for name, total in self.sums.items()}

    @classmethod
    def merge(cls, parts: Iterable[Totals]) -> Totals:
        """Additionne les sommes de plusieurs processus."""
        whole = cls()
        for part in parts:
            for name, value in part.sums.items():
                whole.sums[name] = whole.sums.get(name, 0.0) + value
                whole.counts[name] = whole.counts.get(name, 0) + part.counts[name]
        return whole


def read_numbers(values: Mapping[str, Tensor | float]) -> dict[str, float]:
    """Les valeurs d'un pas en nombres de Python, par un seul transfert depuis un GPU.

    Chaque lecture fait attendre le GPU ; et un nombre de NumPy rendrait le point de reprise
    illisible (weights_only).
    """
    distant = {k: v for k, v in values.items() if isinstance(v, Tensor) and v.device.type != "cpu"}
    if distant:
        stacked = torch.stack([value.detach().reshape(()) for value in distant.values()])
        values = {**values, **dict(zip(distant, stacked.tolist(), strict=True))}
    return {k: v.item() if hasattr(v, "item") else v for k, v in values.items()}
