"""Vérifie que chaque notebook respecte le contrat d'un lab, et le vocabulaire du cours partout.

Usage : `python -m tools.contract [notebook …]` ; sans argument, tous les labs, puis les pages et
les sources de labkit pour le vocabulaire.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from tools import formulas, notebooks, words
from tools.normalize import IGNORED
from tools.notebooks import code_cells, tags
from tools.repository import current_address
from tools.student import SOLUTION_BLOCK
from tools.welcome import WORK

KNOWN_TAGS = {"parameters", "solution", "verification", "hide-input", IGNORED}
PARAMETERS = {"profil": "rapide", "graine": 0}
MINIMUM_QUESTIONS, MINIMUM_EXERCISES, MINIMUM_STRICT, MINIMUM_PREDICTIONS = 8, 2, 4, 2
MAXIMUM_LINES, MAXIMUM_COLUMNS = 40, 79  # au-delà, le site coupe une ligne

SETUP = """import sys

if "google.colab" in sys.modules:  # torch y est déjà, labkit non
    %pip install -q "labkit @ git+{address}"

import labkit
"""

HEADING = re.compile(r"^## (?P<title>.+?)\s*$", re.MULTILINE)
STRAIGHT_APOSTROPHE = re.compile(r"'\*\*\w")
PYPLOT = re.compile(r"\bpyplot\b|\bpylab\b")
TRAINED = re.compile(r"\bfit\(")
REPEATED = re.compile(r"""\bover_seeds\b|\bspread\b|["']graine["']""")
DRAWN = re.compile(r"\bplots\.(?!PALETTE)\w+\(|\bhistory\.plot\(")
ORDER = re.compile(r"#\s*(fmt|noqa|type|ruff)\b")  # ce qu'un commentaire dit à un outil
ABSOLUTE_PATH = re.compile(r"""["'](?:/[\w.-]+/|[A-Za-z]:\\)""")


def violations(notebook: NotebookNode, address: str) -> list[str]:
    """Ce que le notebook fait de contraire au contrat.

    Args:
        notebook: un lab tel qu'il est enregistré dans `labs/`.
        address: adresse du dépôt que la cellule de mise en place doit citer.

    Returns:
        Une phrase par infraction, vide si le notebook est conforme.
    """
    found = [*_header(notebook, address)]
    for check in CHECKS:
        found += check(notebook)
    return found


def _header(notebook: NotebookNode, address: str) -> Iterator[str]:
    if not notebook.cells[0].source.startswith("# Lab "):
        yield "la première cellule doit être le titre « # Lab N — … »"
    yield from _parameters(notebook)
    setup = SETUP.format(address=address)
    if WORK.search(notebook.cells[0].source) is None:
        yield "l'en-tête doit donner la durée : « **Durée** : trois heures de travail »"
    if not any(f"{cell.source}\n".startswith(setup) for cell in notebook.cells):
        yield f"cellule de mise en place absente, changée, ou d'une autre adresse que {address}"


def _parameters(notebook: NotebookNode) -> Iterator[str]:
    cells = [cell for cell in code_cells(notebook) if "parameters" in tags(cell)]
    if len(cells) != 1:
        yield f"{len(cells)} cellule(s) « parameters » au lieu d'une"
        return
    try:
        statements = ast.parse(cells[0].source).body
        values = {s.targets[0].id: ast.literal_eval(s.value) for s in statements}
    except (AttributeError, ValueError, SyntaxError):
        yield "la cellule « parameters » ne doit contenir que des affectations de littéraux"
        return
    if values != PARAMETERS:
        yield 'la cellule « parameters » doit valoir exactement profil = "rapide" et graine = 0'


def _formulas(notebook: NotebookNode) -> Iterator[str]:
    """Chaque formule se compose ; latex2mathml rendrait mal, sans le dire, ce qu'il ignore."""
    for number, cell in enumerate(notebook.cells, start=1):
        written = formulas.in_markdown(cell.source) if cell.cell_type == "markdown" else ()
        for latex, display in written:
            try:
                formulas.to_mathml(latex, display)
            except formulas.FormulaError as error:
                yield f"cellule {number} : {error}"


def _captions(notebook: NotebookNode) -> Iterator[str]:
    """Chaque figure dit, dessous, ce qu'il faut en conclure."""
    for number, cell in enumerate(notebook.cells, start=1):
        is_shown = cell.cell_type == "code" and IGNORED in tags(cell)
        if is_shown and DRAWN.search(cell.source) and ".caption(" not in cell.source:
            yield f'cellule {number} : figure sans légende, ajoutez .caption("…")'


def _identifiers(notebook: NotebookNode) -> Iterator[str]:
    identifiers = [cell.get("id") for cell in notebook.cells]
    if None in identifiers:
        yield "des cellules n'ont pas d'identifiant (nbformat 4.5)"
    elif len(set(identifiers)) != len(identifiers):
        yield "deux cellules portent le même identifiant"


def _counts(notebook: NotebookNode) -> Iterator[str]:
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        # nbval ne compare pas une cellule sans numéro.
        yield "les cellules de code ne sont pas numérotées de 1 à n : lancez make notebooks"


def _cells(notebook: NotebookNode) -> Iterator[str]:
    for number, cell in enumerate(notebook.cells, start=1):
        for sentence in _cell(cell):
            yield f"cellule {number} : {sentence}"


def _cell(cell: NotebookNode) -> Iterator[str]:
    yield from words.given_up(cell.source)
    if unknown := tags(cell) - KNOWN_TAGS:
        yield f"étiquette inconnue {', '.join(sorted(unknown))}"
    if cell.cell_type == "markdown" and STRAIGHT_APOSTROPHE.search(cell.source):
        yield "devant du gras, le site ferait d'une apostrophe droite un guillemet : écrivez « ’ »"
    if cell.cell_type != "code":
        return
    if ORDER.search(cell.source):
        yield "un commentaire s'adresse à un outil (# fmt, # noqa) : l'étudiant le lirait"
    if PYPLOT.search(cell.source):
        yield "pyplot est interdit : passez par labkit.plots"
    if ABSOLUTE_PATH.search(cell.source):
        yield "chemin absolu dans le code"
    if IGNORED not in tags(cell) and cell.source.rstrip().endswith(";"):
        yield "le point-virgule final ne cache rien à nbval : affectez le résultat à « _ »"
    yield from _size(cell)
    yield from _outputs(cell)


def _size(cell: NotebookNode) -> Iterator[str]:
    lines = cell.source.splitlines()
    if len(lines) > MAXIMUM_LINES and "verification" not in tags(cell):
        yield f"{len(lines)} lignes de code, il en faut {MAXIMUM_LINES} au plus : coupez-la en deux"
    for rank, line in enumerate(lines, start=1):
        is_imposed = line.lstrip().startswith("%pip")  # l'adresse du dépôt est ce qu'elle est
        if len(line) > MAXIMUM_COLUMNS and not is_imposed:
            yield f"ligne {rank} de {len(line)} colonnes, il en faut {MAXIMUM_COLUMNS} au plus"


def _outputs(cell: NotebookNode) -> Iterator[str]:
    if IGNORED in tags(cell):
        if cell.outputs:
            yield f"sortie enregistrée dans une cellule « {IGNORED} »"
        return
    for output in cell.outputs:
        if any(kind.startswith("image/") for kind in output.get("data", {})):
            yield f"une cellule qui montre une figure doit porter « {IGNORED} »"
        if output.output_type == "error":
            yield "une erreur est enregistrée en sortie"
        if output.get("name") == "stderr":
            yield "la sortie d'erreur (stderr) dépend de la machine : à supprimer"


def _strict_cells(notebook: NotebookNode) -> Iterator[str]:
    count = sum(bool(cell.outputs) for cell in code_cells(notebook) if IGNORED not in tags(cell))
    if count < MINIMUM_STRICT:
        yield f"{count} cellule(s) comparée(s) strictement, il en faut {MINIMUM_STRICT}"


def _questions(notebook: NotebookNode) -> Iterator[str]:
    cells = notebooks.questions(notebook)
    numbers = [int(notebooks.QUESTION.match(cell.source)[1]) for cell in cells]
    if len(numbers) < MINIMUM_QUESTIONS:
        yield f"{len(numbers)} question(s), il en faut {MINIMUM_QUESTIONS}"
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"questions mal numérotées : {numbers}"
    for number, cell in zip(numbers, cells, strict=True):
        if notebooks.level(cell) not in notebooks.LEVELS:
            yield f"question {number} : niveau absent ({', '.join(notebooks.LEVELS)})"
        answer = notebooks.ANSWER.search(cell.source)
        if answer is None or not answer[1].strip():
            yield f"question {number} : réponse absente (bloc <details>)"
        elif not (answer[1].startswith("\n\n") and answer[1].endswith("\n\n")):
            yield f"question {number} : lignes vides manquantes autour de la réponse"


def _exercises(notebook: NotebookNode) -> Iterator[str]:
    positions = [
        i for i, cell in enumerate(notebook.cells) if notebooks.EXERCISE.match(cell.source)
    ]
    if len(positions) < MINIMUM_EXERCISES:
        yield f"{len(positions)} exercice(s), il en faut {MINIMUM_EXERCISES}"
    for number, position in enumerate(positions, start=1):
        solution, verification = (notebook.cells[position + 1 : position + 3] + [None, None])[:2]
        if solution is None or "solution" not in tags(solution):
            yield f"exercice {number} : la cellule « solution » doit suivre l'énoncé"
        elif not SOLUTION_BLOCK.search(solution.source):
            yield f"exercice {number} : repères « # --- début/fin solution » absents"
        if verification is None or "verification" not in tags(verification):
            yield f"exercice {number} : la cellule « verification » doit suivre la solution"
        elif "labkit.verify(" not in verification.source:
            yield f"exercice {number} : la vérification doit appeler labkit.verify"


def _repeats(notebook: NotebookNode) -> Iterator[str]:
    """Un lab qui entraîne refait une mesure au moins : une graine seule ne prouve rien."""
    code = "\n".join(cell.source for cell in code_cells(notebook))
    if TRAINED.search(code) and not REPEATED.search(code):
        yield (
            "un entraînement, et aucune mesure refaite : montrez-en l'étendue sur plusieurs "
            "graines ou plusieurs tirages, par labkit.over_seeds et labkit.spread"
        )


def _sections(notebook: NotebookNode) -> Iterator[str]:
    prose = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    predictions = len(notebooks.predictions(notebook))
    if predictions < MINIMUM_PREDICTIONS:
        yield f"{predictions} prédiction(s) « **Prédiction.** », il en faut {MINIMUM_PREDICTIONS}"
    if HEADING.findall(prose)[-2:] != ["Ce qu'il faut retenir", "Références"]:
        yield "les deux dernières sections doivent être « Ce qu'il faut retenir » et « Références »"


CHECKS = (
    _identifiers,
    _counts,
    _cells,
    _captions,
    _formulas,
    _strict_cells,
    _questions,
    _exercises,
    _repeats,
    _sections,
)


@notebooks.reports_file_errors
def main(arguments: list[str] | None = None, root: Path = notebooks.ROOT) -> int:
    """Affiche les infractions de chaque notebook et de chaque page ; statut 1 s'il y en a."""
    arguments = sys.argv[1:] if arguments is None else arguments
    paths = [Path(a) for a in arguments] or notebooks.lab_paths(root / "labs")
    address = current_address(root)
    found = [
        f"{path.name} : {sentence}"
        for path in paths
        for sentence in violations(notebooks.read(path), address)
    ]
    for path in [] if arguments else words.files(root):
        name, text = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
        found += [f"{name} : {sentence}" for sentence in words.given_up(text)]
    print("\n".join(found) or f"{len(paths)} notebook(s) conformes au contrat.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
