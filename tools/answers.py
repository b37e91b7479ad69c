"""Ôte du site les réponses et les solutions, et vérifie qu'aucune ne s'y trouve plus.

`make site REPONSES=non` appelle `hide` sur chaque lab, `hide_in_page` sur chaque page, puis `leaks`
sur le site construit : pages, index de recherche, notebooks et archives à télécharger.

    python -m tools.answers VALEUR    refuse une valeur de REPONSES que `make site` ne connaît pas
"""

from __future__ import annotations

import html
import io
import json
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from bs4 import BeautifulSoup
from nbformat import NotebookNode

from tools import notebooks, student

SHOWN, HIDDEN = "oui", "non"
CHOICES = (SHOWN, HIDDEN)

# Dans une page, ce qui parle de réponses se place entre ces deux commentaires de MyST.
ASIDE = re.compile(r"^% avec réponses\n.*?^% fin\n\n?", re.DOTALL | re.MULTILINE)
# Ce qui n'arrive pas mot pour mot sur une page : formules, adresses, balises.
REWRITTEN = re.compile(
    r"\$\$.+?\$\$|(?<!\\)\$[^$]+\$|\]\([^)\n]*\)|https?://\S+|<[^>]+>|\{\w+\}|\n\s*\n|\n\s*[-*|]",
    re.DOTALL,
)
MINIMUM_WORDS = 5  # un fragment plus court se rencontre ailleurs par hasard
WORD = re.compile(r"\w+")
TEXTS = {".html", ".js", ".json", ".txt", ".md", ".py", ".svg", ".ipynb", ".inv", ".css"}


def check_choice(value: str, choices: Iterable[str]) -> None:
    """Refuse une valeur de `REPONSES` qui n'est pas parmi `choices`.

    Raises:
        LabError: valeur inconnue ; le message donne celles qui conviennent.
    """
    if value not in choices:
        allowed = " ou ".join(f"REPONSES={choice}" for choice in choices)
        raise notebooks.LabError(f"REPONSES={value} ne convient pas : écrivez {allowed}.")


def hide(notebook: NotebookNode) -> NotebookNode:
    """Ôte d'un lab ses réponses et ses solutions, avec ce que celles-ci ont affiché.

    Args:
        notebook: le lab, modifié sur place ; ses autres sorties restent.
    """
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = notebooks.ANSWER.sub("", cell.source).rstrip()
        elif notebooks.tags(cell) & {"solution", "verification"}:
            cell.outputs = []
    return student.StubSolutions().preprocess(notebook, {})[0]


def hide_in_page(text: str) -> str:
    """Ôte d'une page ce qu'elle dit des réponses, entre « % avec réponses » et « % fin »."""
    return ASIDE.sub("", text)


def answers(notebook: NotebookNode) -> Iterator[tuple[str, str]]:
    """Les réponses et les solutions d'un lab : à quoi chacune répond, et son texte."""
    exercise = 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            asked = notebooks.QUESTION.match(cell.source)
            for answer in notebooks.ANSWER.finditer(cell.source):
                yield f"question {asked[1] if asked else '?'}", answer[1]
        elif "solution" in notebooks.tags(cell):
            exercise += 1
            for block in student.SOLUTION_BLOCK.finditer(cell.source):
                _, *lines, _ = block[0].splitlines()
                yield f"exercice {exercise}", "\n\n".join(lines)


def words(text: str) -> str:
    """Les mots d'un texte, en minuscules : ce que ni la typographie ni les balises ne changent."""
    return f" {' '.join(WORD.findall(text.lower()))} "


def fragments(answer: str) -> list[str]:
    """Les suites de mots d'une réponse que l'on retrouverait telles quelles sur une page."""
    found = [words(part) for part in REWRITTEN.split(answer)]
    return [part for part in found if len(part.split()) >= MINIMUM_WORDS]


def searched(paths: Iterable[Path], others: Iterable[str]) -> dict[str, list[str]]:
    """Ce qui trahirait chaque réponse du cours : « lab, question » -> suites de mots.

    Args:
        paths: les labs.
        others: les autres textes que le site publie, où une suite de mots peut se trouver sans
            rien trahir (pages, sources de labkit).
    """
    labs = {path.stem: notebooks.read(path) for path in paths}
    sources = [cell.source for notebook in labs.values() for cell in notebook.cells]
    published = "".join(words(text) for text in [*sources, *others])
    given = [
        (f"{name}, {place}", answer) for name, lab in labs.items() for place, answer in answers(lab)
    ]
    in_answers = "".join(words(answer) for _, answer in given)
    found: dict[str, list[str]] = {}
    for place, answer in given:
        found.setdefault(place, []).extend(
            part for part in fragments(answer) if published.count(part) == in_answers.count(part)
        )
    return found


def leaks(site: Path, wanted: dict[str, list[str]]) -> list[str]:
    """Où l'on retrouve encore une réponse.

    Args:
        site: dossier du site construit.
        wanted: ce que renvoie `searched`.

    Returns:
        Une phrase par réponse et par fichier, vide si rien n'est resté.
    """
    found = []
    for name, content in _files(site):
        text = words(_text(name, content))
        found += [
            f"{name} contient la réponse : {place}."
            for place, parts in wanted.items()
            if any(part in text for part in parts)
        ]
    return found


def _files(site: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(site.rglob("*")):
        if path.is_file():
            yield from _unzipped(path.relative_to(site).as_posix(), path.read_bytes())


def _unzipped(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Un fichier, ou ce que contient une archive, archives comprises."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        yield name, content
        return
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for inside in archive.namelist():
            yield from _unzipped(f"{name}/{inside}", archive.read(inside))


def _text(name: str, content: bytes) -> str:
    """Ce qu'un fichier donne à lire : son texte, et pour une page ses attributs aussi."""
    suffix = Path(name).suffix
    if suffix not in TEXTS:
        return ""
    text = content.decode("utf-8", "replace")
    if suffix == ".ipynb":
        return "\n\n".join(_strings(json.loads(text)))
    if suffix == ".html":
        # Le texte brut garde les attributs et les scripts.
        return BeautifulSoup(text, "html.parser").get_text() + "\n\n" + html.unescape(text)
    return text


def _strings(value: object) -> Iterator[str]:
    """Les chaînes d'un JSON ; une liste de lignes, comme une source de cellule, en est une."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and all(isinstance(line, str) for line in value):
        yield "".join(value)
    elif isinstance(value, list | dict):
        for inside in value.values() if isinstance(value, dict) else value:
            yield from _strings(inside)


@notebooks.reports_file_errors
def main(arguments: list[str] | None = None) -> int:
    """Statut 1 pour une valeur que `make site` ne connaît pas, avant qu'il n'exécute un lab."""
    arguments = sys.argv[1:] if arguments is None else arguments
    check_choice(" ".join(arguments), CHOICES)
    return 0


if __name__ == "__main__":
    sys.exit(main())
