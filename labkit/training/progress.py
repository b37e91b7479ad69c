"""Ce que l'on voit d'un entraînement : une ligne par époque et, dans un notebook, l'avancement.

Rien ne va sur la sortie d'erreur, que Jupyter colore comme un accident. Là où un front-end sait
réécrire un affichage, un seul est tenu à jour ; un notebook enregistré n'en garde que le dernier
état. Ailleurs, ou si LABKIT_PROGRESS vaut 0, ce sont de simples lignes.
"""

from __future__ import annotations

import html
import os
import sys
import time
from collections.abc import Callable

_REFRESH = 0.2  # secondes entre deux mises à jour
_DELAY = 1.0  # secondes avant de montrer la barre : un entraînement bref n'en a pas besoin


class Progress:
    """L'affichage d'un entraînement ; `total`, son nombre de pas, peut être inconnu."""

    def __init__(self, total: int | None, shown: bool):
        self._total, self._shown = total, shown
        self._display = _updatable_display() if shown else None
        self._handle = None
        self._lines: list[str] = []
        self._first_step: int | None = None
        self._start = time.perf_counter()
        self._next_refresh = self._start + _DELAY

    def step(self, number: int, describe: Callable[[], str]) -> None:
        """Redessine s'il est temps : `number` pas sont faits, `describe` dit où l'on en est."""
        if self._first_step is None:
            self._first_step = number - 1
        if self._display is not None and time.perf_counter() >= self._next_refresh:
            self._next_refresh = time.perf_counter() + _REFRESH
            self._show(self._bar(number, describe()))

    def line(self, text: str) -> None:
        """Ajoute une ligne au journal."""
        self._lines.append(text)
        if self._display is not None:
            self._show(bar="")
        elif self._shown:
            print(text, flush=True)

    def close(self) -> None:
        """Retire la barre ; restent les lignes du journal, ou une seule s'il n'y en a pas."""
        if self._handle is None:
            return
        if not self._lines:
            self._lines.append(f"Entraînement fini en {time.perf_counter() - self._start:.0f} s.")
        self._show(bar="")

    def _bar(self, number: int, status: str) -> str:
        bounds = f'value="{number}" max="{self._total}"' if self._total else ""
        text = html.escape(f"{status} · {self._remaining(number)}")
        return f'<progress {bounds} aria-label="avancement"></progress> {text}'

    def _remaining(self, number: int) -> str:
        if not self._total:
            return f"{number} pas"
        elapsed = time.perf_counter() - self._start
        seconds = elapsed / (number - self._first_step) * (self._total - number)
        return f"encore {seconds / 60:.0f} min" if seconds >= 90 else f"encore {seconds:.0f} s"

    def _show(self, bar: str) -> None:
        lines = html.escape("\n".join(self._lines))
        content = f'<pre style="margin: 0">{lines}</pre>' if lines else ""
        data = {"text/html": content + bar, "text/plain": "\n".join(self._lines)}
        if self._handle is None:
            self._handle = self._display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


def _updatable_display() -> Callable | None:
    """La fonction `display` d'un noyau Jupyter, ou None s'il n'y en a pas."""
    if os.environ.get("LABKIT_PROGRESS") == "0" or "IPython" not in sys.modules:
        return None
    from IPython import get_ipython
    from IPython.display import display

    return display if hasattr(get_ipython(), "kernel") else None
