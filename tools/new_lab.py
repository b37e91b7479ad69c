"""Commence un lab : un modèle qui respecte déjà le contrat, à remplacer partie par partie.

    python -m tools.new_lab 11_essai

Le modèle, `tools/lab_template.txt`, est exécuté : les sorties que nbval comparera sont calculées.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import execute, normalize, notebooks
from tools.contract import PARAMETERS
from tools.repository import current_address

TEMPLATE = Path(__file__).with_name("lab_template.txt")
NAME = re.compile(r"\A(?P<number>\d{2})_[a-z][a-z0-9_]*\Z")
# Une cellule s'ouvre sur une ligne « #%% code [étiquette, étiquette] » ou « #%% markdown ».
OPENING = re.compile(r"^#%% (?P<kind>code|markdown)(?: \[(?P<tags>.+)\])?\n", re.MULTILINE)

NEXT_STEPS = """{path} est prêt : il respecte le contrat. Reste à faire :
1. remplacer chaque « à écrire », puis les cellules du modèle par les vôtres ;
2. inscrire labs/{name} dans _toc.yml, au tableau de book/index.md, à la liste de README.md, et sa
   séance et ses prédictions fausses dans book/instructor_guide.md ;
3. écrire tests/answers/lab_{number}.py : des réponses justes et fausses à chaque exercice ;
4. lancer make notebooks, make lint et make test."""


def check_name(name: str, labs: Path) -> None:
    """Vérifie qu'un lab peut porter ce nom.

    Args:
        name: le nom demandé, sans suffixe.
        labs: dossier des notebooks.

    Raises:
        LabError: nom vide ou mal formé, ou numéro déjà pris ; le message dit quoi écrire.
    """
    if not name:
        raise notebooks.LabError("Il manque le nom du lab : écrivez make lab NOM=11_essai.")
    found = NAME.match(name)
    if found is None:
        raise notebooks.LabError(
            f"NOM={name} ne convient pas : deux chiffres, un tiret bas, puis des lettres "
            "minuscules sans accent, des chiffres ou des tirets bas, par exemple NOM=11_essai."
        )
    taken = sorted(path.name for path in labs.glob(f"{found['number']}_*.ipynb"))
    if taken:
        raise notebooks.LabError(
            f"labs/{taken[0]} porte déjà le numéro {found['number']} : choisissez-en un autre. "
            "Aucun fichier n'a été changé."
        )


def from_template(number: int, address: str) -> NotebookNode:
    """Le modèle de lab, pas encore exécuté.

    Args:
        number: numéro du lab.
        address: adresse du dépôt, que la mise en place cite.
    """
    text = TEMPLATE.read_text(encoding="utf-8")
    text = text.replace("@NUMERO@", str(number)).replace("@ADRESSE@", address)
    openings = list(OPENING.finditer(text))
    ends = [opening.start() for opening in openings[1:]] + [len(text)]
    cells = [
        _cell(opening, text[opening.end() : end].strip())
        for opening, end in zip(openings, ends, strict=True)
    ]
    return new_notebook(cells=cells, metadata={"kernelspec": normalize.KERNEL})


def _cell(opening: re.Match, source: str) -> NotebookNode:
    make = new_code_cell if opening["kind"] == "code" else new_markdown_cell
    metadata = {"tags": opening["tags"].split(", ")} if opening["tags"] else {}
    return make(source, metadata=metadata)


def create(name: str, root: Path) -> Path:
    """Crée un lab d'après le modèle et l'exécute.

    Args:
        name: nom du lab, `11_essai` par exemple.
        root: racine du dépôt.

    Returns:
        Le chemin du notebook, qui respecte le contrat.

    Raises:
        LabError: nom refusé, ou modèle qui ne s'exécute pas.
    """
    labs = root / "labs"
    check_name(name, labs)
    lab = from_template(int(name[:2]), current_address(root))
    with tempfile.TemporaryDirectory() as scratch:
        draft, executed = Path(scratch) / f"{name}.ipynb", Path(scratch) / "executed.ipynb"
        notebooks.write(lab, draft)
        record = execute.execute(draft, executed, PARAMETERS)
        if record["status"] != execute.SUCCESS:
            raise notebooks.LabError(f"Le modèle de lab ne s'exécute pas.\n{record['error']}")
        notebooks.write(normalize.normalize(lab, notebooks.read(executed)), labs / f"{name}.ipynb")
    return labs / f"{name}.ipynb"


@notebooks.reports_file_errors
def main(arguments: list[str] | None = None, root: Path = notebooks.ROOT) -> int:
    """Crée le lab nommé ; statut 1, et rien d'écrit, si le nom ne convient pas."""
    arguments = sys.argv[1:] if arguments is None else arguments
    name = " ".join(arguments).removesuffix(".ipynb")
    path = create(name, root)
    place = path.relative_to(root).as_posix()
    print(NEXT_STEPS.format(path=place, name=name, number=name[:2]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
