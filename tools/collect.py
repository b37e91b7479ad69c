"""Relève les copies que rendent les étudiants : ce qui est rempli, ce qui est juste, ce qui manque.

    python -m tools.student --collect DOSSIER

Rien n'est exécuté : les verdicts sont ceux qu'affichent les copies, et une vérification modifiée,
ou plus ancienne que la réponse, est signalée. `tools.collect_page` en fait un tableau et une page.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from nbformat import NotebookNode

from labkit.exercises import ASCII_MARKS, RIGHT, WRONG
from tools import notebooks, student

PASSED, FAILED, NOT_RUN = "réussi", "manqué", "non exécuté"
MARKS = {
    RIGHT: PASSED, ASCII_MARKS[RIGHT]: PASSED, WRONG: FAILED, ASCII_MARKS[WRONG]: FAILED,
}  # fmt: skip
REASON = " — "  # entre une vérification manquée et ce que l'on a obtenu
VERIFIED = re.compile(r"labkit\.verify\(\s*[\"'](?P<title>[^\"']+)[\"']")
PLACE = re.compile(r"\*?Votre\s+(?:réponse|prédiction)\s*:\s*\*?")
STATEMENT = re.compile(r"^\*\*(?:Prédiction|Question \d+)\.\*\*(.*?)(?=\n\s*\n|\Z)", re.S | re.M)
LIKENESS = 0.6  # part commune à deux énoncés, au-delà de laquelle l'un est l'autre, modifié


@dataclass
class Answer:
    """Une place à remplir : « prédiction 2 », « question 5 », l'énoncé, et ce qui est écrit.

    D'une question, le lab donne aussi le niveau, « rappel » par exemple, et une réponse.
    """

    place: str
    asked: str
    text: str = ""
    level: str = ""
    expected: str = ""


@dataclass
class Exercise:
    """Un exercice : chaque vérification avec son verdict, et la raison de ce qui est manqué."""

    title: str
    verdicts: dict[str, str]
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> int:
        """Combien de vérifications sont réussies."""
        return sum(verdict == PASSED for verdict in self.verdicts.values())


@dataclass
class Copy:
    """Ce que l'on relève dans une copie ; `problem` dit pourquoi elle n'a pas pu être lue."""

    file: str
    problem: str = ""
    lab: str = ""
    executed: str = ""
    predictions: list[Answer] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    exercises: list[Exercise] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    modified: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


class Given:
    """Une copie telle qu'elle a été distribuée, à laquelle comparer celles qui reviennent.

    Args:
        path: le lab dont elle est tirée.
    """

    def __init__(self, path: Path):
        lab = notebooks.read(path)
        self.name = path.stem
        self.title = notebooks.title(lab)
        self.checks = {
            title(cell): list(verdicts(cell)[0])
            for cell in notebooks.code_cells(lab)
            if title(cell)
        }
        self.expected = {cell.id: _expected(cell) for cell in notebooks.questions(lab)}
        self.cells = student.student_copy(lab).cells
        self.ids = {cell.id for cell in self.cells}


def _expected(question: NotebookNode) -> tuple[str, str]:
    """Le niveau d'une question, et la réponse du lab, en Markdown."""
    found = notebooks.ANSWER.search(question.source)
    return notebooks.level(question), found[1].strip() if found else ""


def collect(folder: Path, labs: Path) -> list[Copy]:
    """Relève toutes les copies d'un dossier et de ses sous-dossiers.

    Args:
        folder: dossier des copies rendues.
        labs: dossier des labs du cours.

    Returns:
        Une copie par fichier, dans l'ordre des noms ; un fichier illisible a sa ligne aussi.

    Raises:
        LabError: le dossier n'existe pas, ou ne contient aucun fichier.
    """
    if not folder.is_dir():
        raise notebooks.LabError(
            f"{folder} n'est pas un dossier : donnez celui où sont les copies rendues."
        )
    relative = {path: path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    # Un nom qui commence par un point est celui d'un fichier de travail de Jupyter ou du système.
    shown = {p: r for p, r in relative.items() if not any(n.startswith(".") for n in r.parts)}
    if not shown:
        raise notebooks.LabError(f"Aucune copie dans {folder} : il est vide.")
    given = [Given(path) for path in notebooks.lab_paths(labs)]
    copies = [_collected(path, shown[path].as_posix(), given) for path in sorted(shown)]
    usual = Counter(copy.lab for copy in copies if copy.lab).most_common(1)
    for copy in copies:
        if copy.lab and copy.lab != usual[0][0]:
            copy.remarks.append(f"c'est le lab {copy.lab}, les autres copies sont de {usual[0][0]}")
    return copies


def _collected(path: Path, name: str, given: list[Given]) -> Copy:
    try:
        notebook = notebooks.read(path)
        lab = _which(notebook, given)
        if lab is None:
            return Copy(name, "ce notebook n'est tiré d'aucun lab du cours")
        return examine(notebook, name, lab)
    except notebooks.UnreadableLab as error:
        is_named_so = path.suffix == ".ipynb"
        return Copy(name, error.problem if is_named_so else "ce fichier n'est pas un notebook")
    except notebooks.LabError as error:
        return Copy(name, str(error))
    except Exception as error:  # noqa: BLE001 - une copie abîmée n'arrête pas les autres
        return Copy(name, f"le notebook n'a pas la structure attendue ({type(error).__name__})")


def _which(notebook: NotebookNode, given: list[Given]) -> Given | None:
    """Le lab dont une copie est tirée, quel que soit le nom du fichier."""
    ids = {cell.get("id") for cell in notebook.cells}
    best = max(given, key=lambda lab: len(lab.ids & ids))
    if len(best.ids & ids) > len(best.ids) // 4:
        return best
    # Colab donne d'autres identifiants aux cellules : reste le titre.
    return next((lab for lab in given if lab.title == notebooks.title(notebook)), None)


def examine(notebook: NotebookNode, name: str, given: Given) -> Copy:
    """Relève une copie.

    Args:
        notebook: la copie rendue.
        name: le nom sous lequel la présenter.
        given: la copie distribuée.
    """
    code = notebooks.code_cells(notebook)
    run = sum(cell.get("execution_count") is not None for cell in code)
    copy = Copy(name, lab=given.name, executed=f"{run} sur {len(code)}")
    returned = align(given.cells, notebook.cells)
    added = _added_below(notebook.cells, returned)
    for cell, back in zip(given.cells, returned, strict=True):
        _answers(copy, given, (cell, back), added)
    _exercises(copy, given, returned)
    copy.errors = [
        f"cellule {rank} ({output.get('ename', 'erreur')})"
        for rank, cell in enumerate(notebook.cells, start=1)
        for output in cell.get("outputs", [])
        if output.get("output_type") == "error"
    ]
    if not run:
        copy.remarks.append("aucune cellule n'a été exécutée")
    return copy


def align(given: list[NotebookNode], returned: list[NotebookNode]) -> list[NotebookNode | None]:
    """Pour chaque cellule distribuée, celle qui en revient, ou None.

    Par l'identifiant ; à défaut, par le texte, exact puis approché, dans l'ordre du notebook.
    """
    by_id = {cell.get("id"): cell for cell in returned}
    found = [by_id.get(cell.id) for cell in given]
    taken = {id(cell) for cell in found if cell is not None}
    free = [cell for cell in returned if id(cell) not in taken]
    for match in (_is_same, _is_like):
        for rank, cell in enumerate(given):
            if found[rank] is None:
                found[rank] = next((other for other in free if match(cell, other)), None)
                free = [other for other in free if other is not found[rank]]
    return found


def _is_same(cell: NotebookNode, other: NotebookNode) -> bool:
    return cell.cell_type == other.cell_type and _squeezed(cell.source) == _squeezed(other.source)


def _is_like(cell: NotebookNode, other: NotebookNode) -> bool:
    """Deux états d'une même cellule : l'énoncé d'une question, une réponse commencée."""
    if cell.cell_type != other.cell_type:
        return False
    if (asked := notebooks.QUESTION.match(cell.source)) is not None:
        return other.source.startswith(asked[0] + ".")
    if title(cell) or title(other):
        return title(cell) == title(other)
    first, second = _squeezed(PLACE.split(cell.source)[0]), _squeezed(other.source)
    matcher = difflib.SequenceMatcher(None, first, second[: len(first)], autojunk=False)
    return bool(first) and matcher.quick_ratio() > LIKENESS and matcher.ratio() > LIKENESS


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def title(cell: NotebookNode) -> str:
    """Le nom de l'exercice que vérifie une cellule, « Exercice 1 », ou une chaîne vide."""
    found = VERIFIED.search(cell.source) if cell.cell_type == "code" else None
    return found["title"] if found else ""


def _answers(copy: Copy, given: Given, cells: tuple, added: dict[int, str]) -> None:
    """Ajoute à la copie ce qui est écrit dans une cellule à remplir."""
    cell, back = cells
    places = PLACE.findall(cell.source) if cell.cell_type == "markdown" else []
    if not places:
        return
    asked = notebooks.QUESTION.match(cell.source)
    kind = copy.answers if asked else copy.predictions
    place = f"question {asked[1]}" if asked else f"prédiction {len(copy.predictions) + 1}"
    level, expected = given.expected.get(cell.id, ("", ""))
    statement = _squeezed(STATEMENT.search(cell.source)[1])
    answer = Answer(place, statement, level=level, expected=expected)
    kind.append(answer)
    if back is None:
        copy.modified.append(f"{place} : cellule supprimée")
        return
    written = filled(cell.source, back.source)
    if written is None:
        copy.modified.append(f"{place} : énoncé modifié")
        known = {_squeezed(line) for line in cell.source.splitlines()}
        lines = [line for line in back.source.splitlines() if _squeezed(line) not in known]
        written = PLACE.sub("", "\n".join(lines)).strip()
    answer.text = written or added.get(id(back), "")


def filled(given: str, returned: str) -> str | None:
    """Ce que l'étudiant a écrit dans une cellule, ou None si l'énoncé n'y est plus.

    Args:
        given: la cellule distribuée, avec sa place à remplir.
        returned: la cellule rendue ; le texte peut suivre la place, ou la remplacer.
    """
    before, after = PLACE.split(given, maxsplit=1)
    pattern = rf"\s*{_spaced(before)}(?P<text>.*){_spaced(after)}\s*"
    found = re.fullmatch(pattern, returned, re.DOTALL)
    return None if found is None else PLACE.sub("", found["text"]).strip()


def _spaced(text: str) -> str:
    """Le motif d'un texte où les blancs comptent pour un."""
    return r"\s+".join(map(re.escape, text.split()))


def _added_below(returned: list[NotebookNode], known: list[NotebookNode | None]) -> dict[int, str]:
    """Cellule -> texte de la cellule que l'étudiant a ajoutée juste en dessous."""
    kept = {id(cell) for cell in known}
    return {
        id(above): below.source.strip()
        for above, below in pairwise(returned)
        if id(below) not in kept and below.cell_type == "markdown"
    }


def _exercises(copy: Copy, given: Given, returned: list[NotebookNode | None]) -> None:
    for rank, cell in enumerate(given.cells):
        if notebooks.EXERCISE.match(cell.source) and not _kept(cell, returned[rank]):
            copy.modified.append(f"énoncé : {cell.source.splitlines()[0].lstrip('# ')}")
        if name := title(cell):
            _exercise(copy, name, given.checks[name], (cell, returned[rank], returned[rank - 1]))


def _exercise(copy: Copy, name: str, checks: list[str], cells: tuple) -> None:
    cell, back, solution = cells
    found, reasons = verdicts(back, checks) if back is not None else ({}, {})
    known = dict.fromkeys(checks, NOT_RUN) | found
    copy.exercises.append(Exercise(name, known, reasons))
    if not _kept(cell, back):
        copy.modified.append(f"vérification : {name}")
    if found and _count(solution) > _count(back):
        copy.remarks.append(f"{name} : la réponse a été exécutée après sa vérification")


def _kept(cell: NotebookNode, back: NotebookNode | None) -> bool:
    return back is not None and _is_same(cell, back)


def _count(cell: NotebookNode | None) -> int:
    return (cell.get("execution_count") or 0) if cell is not None else 0


def verdicts(
    cell: NotebookNode, checks: list[str] | None = None
) -> tuple[dict[str, str], dict[str, str]]:
    """Ce qu'affiche une cellule de vérification exécutée.

    Args:
        cell: la cellule.
        checks: les vérifications attendues, dont le nom peut contenir un tiret.

    Returns:
        Le verdict de chaque vérification, et la raison de celles qui sont manquées.
    """
    found, reasons = {}, {}
    for line in _printed(cell):
        mark, _, text = line.partition(" ")
        if mark in MARKS:
            name, reason = _split(text, checks or [])
            found[name] = MARKS[mark]
            if MARKS[mark] == FAILED:
                reasons[name] = reason
    return found, reasons


def _split(text: str, checks: list[str]) -> tuple[str, str]:
    """Le nom d'une vérification et la raison qui le suit."""
    for name in checks:
        if text == name or text.startswith(name + REASON):
            return name, text[len(name + REASON) :]
    name, _, reason = text.partition(REASON)
    return name, reason


def _printed(cell: NotebookNode) -> Iterator[str]:
    for output in cell.get("outputs", []):
        if output.get("name") == "stdout":
            yield from output.get("text", "").splitlines()
