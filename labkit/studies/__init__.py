"""Les études : parcourir une grille de réglages, à plusieurs, sans rien refaire ni rien perdre."""

from labkit.studies.grid import (
    DEFAULT_STORAGE,
    delete_study,
    forget_failures,
    importances,
    run_study,
)
from labkit.studies.journals import StudyError

__all__ = [
    "DEFAULT_STORAGE",
    "StudyError",
    "delete_study",
    "forget_failures",
    "importances",
    "run_study",
]
