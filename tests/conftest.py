"""Ce que tous les tests supposent de la machine."""

import os

import pytest

# Les tests comparent au bit près, ce que seul le processeur garantit ; et des machines macOS
# d'intégration continue annoncent un GPU (MPS) sans mémoire.
os.environ["ACCELERATE_USE_CPU"] = "true"


@pytest.fixture
def no_home(monkeypatch):
    """Une machine où rien ne dit le dossier personnel : ni variable, ni entrée d'utilisateur."""
    pwd = pytest.importorskip("pwd", reason="Windows garde ailleurs le dossier personnel")

    def unknown_user(_):
        raise KeyError("getpwuid(): uid not found")

    for variable in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown_user)
    monkeypatch.setattr(pwd, "getpwnam", unknown_user)
