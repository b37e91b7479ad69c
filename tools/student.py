"""Écrit les copies étudiantes : ni solution, ni réponse, ni sortie ; relève celles qui reviennent.

    python -m tools.student [--execute]
    python -m tools.student --collect DOSSIER

Avec `--execute`, chaque copie est aussi exécutée de haut en bas : aucune cellule ne doit échouer,
et chaque vérification doit dire ce qui manque encore. Avec `--collect`, les copies rendues du
dossier donnent un tableau et une page (`tools.collect`).
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert.preprocessors import ClearOutputPreprocessor, Preprocessor
from nbformat import NotebookNode

from labkit.files import write_atomically
from tools import notebooks, repository

SOLUTION_BLOCK = re.compile(
    r"^(?P<indent>[ \t]*)# --- début solution[ \t]*\n.*?^[ \t]*# --- fin solution[ \t]*$",
    re.DOTALL | re.MULTILINE,
)
STUB = r"\g<indent>...  # À compléter"
PACKAGE = re.compile(r'labkit @ git\+[^"\s]+')  # ce que la mise en place installe sur Colab
IMPORT = re.compile(r"^import labkit$", re.MULTILINE)
EXPLAINED_IMPORT = """try:
    import labkit
except ModuleNotFoundError:
    raise ImportError(
        "labkit, le paquet du cours, n'est pas installé pour ce noyau. S'il "
        "l'est ailleurs (dans le .venv du dépôt, par exemple), choisissez cet "
        "autre noyau. Sinon, exécutez ceci dans une nouvelle cellule, puis "
        "relancez celle-ci :\\n"
        '%pip install "{package}"'
    ) from None"""
EMPTY_ANSWER = "*Votre réponse :*"
EMPTY_PREDICTION = "*Votre prédiction :*"
MISSING = "✗"


class StubSolutions(Preprocessor):
    """Remplace chaque bloc de solution par une ligne à compléter."""

    def preprocess_cell(self, cell, resources, index):
        """Traite une cellule (interface de nbconvert)."""
        if "solution" in notebooks.tags(cell):
            cell.source = SOLUTION_BLOCK.sub(STUB, cell.source)
            cell.metadata.tags = [tag for tag in cell.metadata.tags if tag != "solution"]
        return cell, resources


class EmptyAnswers(Preprocessor):
    """Remplace la réponse repliée de chaque question par une place pour celle de l'étudiant."""

    def preprocess_cell(self, cell, resources, index):
        """Traite une cellule (interface de nbconvert)."""
        if cell.cell_type == "markdown":
            cell.source = notebooks.ANSWER.sub(EMPTY_ANSWER, cell.source)
        return cell, resources


class EmptyPredictions(Preprocessor):
    """Ouvre sous chaque prédiction une place où l'écrire."""

    def preprocess_cell(self, cell, resources, index):
        """Traite une cellule (interface de nbconvert)."""
        if cell.cell_type == "markdown":
            cell.source = notebooks.PREDICTION.sub(
                lambda asked: f"{asked[0].rstrip()}\n\n{EMPTY_PREDICTION}", cell.source
            )
        return cell, resources


class ExplainMissingLabkit(Preprocessor):
    """Fait dire à la mise en place comment installer labkit : la copie circule sans le dépôt."""

    def preprocess_cell(self, cell, resources, index):
        """Traite une cellule (interface de nbconvert)."""
        if cell.cell_type == "code" and (package := PACKAGE.search(cell.source)):
            explained = EXPLAINED_IMPORT.format(package=package[0])
            cell.source = IMPORT.sub(lambda _: explained, cell.source)
        return cell, resources


PREPROCESSORS = (
    StubSolutions(),
    EmptyAnswers(),
    EmptyPredictions(),
    ExplainMissingLabkit(),
    ClearOutputPreprocessor(),
)


def student_copy(notebook: NotebookNode) -> NotebookNode:
    """Transforme un lab en sa copie étudiante.

    Args:
        notebook: le lab, modifié sur place.

    Returns:
        La copie, qui s'exécute encore de haut en bas.
    """
    for preprocessor in PREPROCESSORS:
        notebook, _ = preprocessor.preprocess(notebook, {})
    return notebook


def write_copies(labs: Path, output: Path) -> list[Path]:
    """Écrit la copie étudiante de chaque lab et renvoie les chemins écrits.

    Un fichier `requirements.txt` les accompagne : Binder installe d'après lui.
    """
    written = []
    package = f"labkit @ git+{repository.current_address(labs.parent)}\n"
    write_atomically(output / "requirements.txt", package.encode())
    for path in notebooks.lab_paths(labs):
        notebooks.write(student_copy(notebooks.read(path)), output / path.name)
        written.append(output / path.name)
    return written


def problems(path: Path) -> list[str]:
    """Exécute une copie étudiante non remplie, comme le ferait un étudiant qui lit tout d'abord.

    Args:
        path: la copie, jamais modifiée.

    Returns:
        Une phrase par défaut : cellule en échec, ou vérification qui ne signale rien.
    """
    notebook = notebooks.read(path)
    with tempfile.TemporaryDirectory() as scratch:
        resources = {"metadata": {"path": scratch}}
        try:
            NotebookClient(notebook, kernel_name="python3", resources=resources).execute()
        except CellExecutionError as error:
            return [f"{path.name} : la copie étudiante échoue.\n{error}"]
    return [
        f"{path.name} : une vérification accepte un exercice vide.\n{cell.source}"
        for cell in notebook.cells
        if "verification" in notebooks.tags(cell)
        and not any(MISSING in output.get("text", "") for output in cell.outputs)
    ]


def _collect(folder: Path, root: Path) -> int:
    from tools import collect, collect_page  # eux-mêmes lisent ce module

    copies = collect.collect(folder, root / "labs")
    for path in collect_page.write(copies, root / "_build" / "copies"):
        print(path)
    for copy in copies:
        if copy.problem:
            print(f"{copy.file} : {copy.problem}", file=sys.stderr)
    return 0


@notebooks.reports_file_errors
def main(arguments: list[str] | None = None, root: Path = notebooks.ROOT) -> int:
    """Écrit les copies dans `_build/student`, ou relève celles d'un dossier dans `_build/copies`.

    Statut 1 si une copie écrite est défectueuse, ou si le dossier à relever est vide.
    """
    parser = argparse.ArgumentParser(description="Écrit les copies étudiantes, ou les relève.")
    parser.add_argument("--execute", action="store_true", help="exécute aussi chaque copie")
    parser.add_argument("--collect", type=Path, metavar="DOSSIER", help="relève les copies rendues")
    options = parser.parse_args(arguments)
    if options.collect is not None:
        return _collect(options.collect, root)
    found = []
    for path in write_copies(root / "labs", root / "_build" / "student"):
        print(path.relative_to(root), flush=True)
        found += problems(path) if options.execute else []
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
