"""Fait comparer par nbval les sorties enregistrées des labs à celles de leur dernière exécution.

    python -m pytest -p tools.replay labs

nbval seul exécuterait de nouveau chaque lab. Ici, il croit parler à un noyau, qui rejoue ce que
`tools.execute` a gardé : cellules, étiquettes et comparaison restent les siennes. Une exécution qui
ne vaut plus est refusée.
"""

from __future__ import annotations

import functools
from collections import deque
from pathlib import Path

from nbformat import NotebookNode
from nbval.plugin import IPyNbFile

from tools import execute, notebooks
from tools.cache import INJECTED, code_sum, fingerprint

PARAMETERS = {"profil": "rapide", "graine": 0}
MESSAGE = "rejoué"


def pytest_addoption(parser) -> None:
    """Ajoute `--executed`, le dossier des notebooks exécutés."""
    default = notebooks.ROOT / "_build" / "executed"
    parser.addoption("--executed", type=Path, default=default, help="notebooks exécutés")


def pytest_collect_file(file_path: Path, parent) -> ReplayedFile | None:
    """Prend les notebooks, à la place de nbval."""
    if file_path.suffix == ".ipynb":
        return ReplayedFile.from_parent(parent, path=file_path)
    return None


class ReplayedFile(IPyNbFile):
    """Un notebook dont les cellules sont rejouées au lieu d'être exécutées."""

    def collect(self):
        """Les cellules, si la dernière exécution vaut encore (interface de pytest)."""
        folder = self.config.getoption("executed")
        record = execute.read_status(folder).get(self.path.stem)
        if not execute.is_fresh(record, fingerprint(self.path, PARAMETERS, _code()), folder):
            raise self.CollectError(
                f"{self.path.name} a changé depuis sa dernière exécution, ou n'a pas été exécuté "
                "jusqu'au bout : lancez python -m tools.execute."
            )
        yield from super().collect()

    def setup(self) -> None:
        """Donne à nbval un enregistrement au lieu d'un noyau (interface de nbval)."""
        folder = self.config.getoption("executed")
        self.kernel = Recording(notebooks.read(folder / self.path.name))
        self.setup_sanitize_files()


@functools.cache
def _code() -> str:
    return code_sum(notebooks.ROOT / "labkit")


class Recording:
    """Ce que nbval demande à un noyau, rejoué d'un notebook exécuté.

    Args:
        executed: le notebook exécuté.
    """

    def __init__(self, executed: NotebookNode):
        cells = notebooks.code_cells(executed)
        self._cells = deque(cell for cell in cells if INJECTED not in notebooks.tags(cell))
        self._messages: deque[dict] = deque()

    def is_alive(self) -> bool:
        """Toujours vrai : l'enregistrement ne meurt pas."""
        return True

    def execute_cell_input(self, source: str, allow_stdin: bool | None = None) -> str:
        """Prépare les messages de la prochaine cellule de cette source."""
        while self._cells:
            cell = self._cells.popleft()
            if cell.source == source:
                self._messages.extend(
                    _message(output.output_type, output) for output in cell.outputs
                )
                self._messages.append(_message("status", {"execution_state": "idle"}))
                return MESSAGE
        raise notebooks.LabError(f"Cellule absente de la copie exécutée :\n{source}")

    def await_reply(self, message: str, timeout: float | None = None) -> None:
        """Rien à attendre."""

    def get_message(self, stream: str, timeout: float | None = None) -> dict:
        """Le message suivant du noyau."""
        return self._messages.popleft()

    def stop(self) -> None:
        """Rien à arrêter."""


def _message(kind: str, content: dict) -> dict:
    return {"msg_type": kind, "parent_header": {"msg_id": MESSAGE}, "content": content}
