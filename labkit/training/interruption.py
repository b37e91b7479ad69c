"""Ctrl-C, ou le bouton d'arrêt de Jupyter : finir le pas en cours, puis s'arrêter pour de bon."""

from __future__ import annotations

import signal
import threading

from labkit.training.history import History


class Interruption(KeyboardInterrupt):
    """L'entraînement a été interrompu. `history` garde ce qui a été mesuré jusque-là."""

    def __init__(self, message: str, history: History):
        super().__init__(message)
        self.history = history


def describe_stop(
    where: tuple[int, int] | None, epochs: int, between_steps: bool, is_kept: bool
) -> str:
    """Dit où un entraînement s'est arrêté, (époque, pas) ou None s'il était fini, et que faire."""
    if where is None:
        return "Interruption reçue une fois l'entraînement fini : rien n'est perdu."
    place = f"à l'époque {where[0]}/{epochs}, après le lot {where[1]}"
    if not between_steps:
        place += ", au milieu d'un pas"
    if not is_kept:
        return (
            f"Entraînement interrompu {place} : le modèle garde ses poids. Avec checkpoint=, fit "
            "saurait reprendre."
        )
    kept = "" if between_steps else " depuis la dernière époque finie"
    return f"Entraînement interrompu {place} : pour continuer{kept}, relancez la cellule."


class DeferredInterrupt:
    """Reporte le premier Ctrl-C à la fin du pas en cours ; le deuxième agit tout de suite.

    Ainsi poids, moments et compteurs s'accordent, et un pas qui n'en finit pas s'arrête tout de
    même. Hors du fil principal, les signaux ne se règlent pas : rien n'est reporté.
    """

    def __init__(self):
        self.requested = False

    def __enter__(self) -> DeferredInterrupt:
        self._reachable = threading.current_thread() is threading.main_thread()
        if self._reachable:
            self._earlier = signal.signal(signal.SIGINT, self._receive)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._reachable:
            signal.signal(signal.SIGINT, self._earlier)
        # Demandée pendant un pas qui a échoué, ou trop tard pour la boucle : elle passe quand même.
        if self.requested and not (kind and issubclass(kind, KeyboardInterrupt)):
            raise KeyboardInterrupt

    def _receive(self, *_: object) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
