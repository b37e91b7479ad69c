"""Présente les copies relevées : un tableau CSV, et une page HTML où lire les réponses."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from html import escape
from pathlib import Path

from labkit.files import write_atomically
from tools.collect import FAILED, NOT_RUN, PASSED, Answer, Copy, Exercise
from tools.teaching import POINTS

SIGNS = {PASSED: "✓", FAILED: "✗", NOT_RUN: "–"}
EXPECTED = "<details><summary>La réponse du lab</summary><pre>{text}</pre></details>"
FORMULA = ("=", "+", "-", "@")  # un tableur calculerait une case qui commence ainsi

PAGE = """<!doctype html>
<html lang="fr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Copies relevées</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 90rem; padding: 1rem; }}
.table {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: .85rem; }}
th, td {{ border-bottom: 1px solid #8888; padding: .3rem .4rem; text-align: left;
  vertical-align: top; }}
td:nth-last-child(-n+3) {{ min-width: 8rem; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; margin: 0 0 .5rem;
  border-left: 3px solid #8888; padding-left: .6rem; }}
details {{ border-top: 1px solid #8888; padding: .4rem 0; }}
summary {{ cursor: pointer; font-weight: 600; overflow-wrap: anywhere; }}
details > :not(summary) {{ margin-left: 1rem; }}
</style>
</head>
<body>
<main>
<h1>Copies relevées</h1>
<p>{summary} ✓ : vérification réussie ; ✗ : manquée ; – : non exécutée. Les verdicts sont ceux
qu'affichent les copies : en cas de doute, exécutez la copie.</p>
<div class="table" role="region" aria-label="Tableau des copies" tabindex="0">
<table>
<thead><tr>{header}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
<h2>Copie par copie</h2>
{details}
</main>
</body>
</html>
"""


def write(copies: list[Copy], output: Path) -> list[Path]:
    """Écrit le tableau et la page.

    Args:
        copies: ce que `tools.collect.collect` a relevé.
        output: dossier où écrire.

    Returns:
        Les chemins de `copies.csv` et de `copies.html`.
    """
    table, page = output / "copies.csv", output / "copies.html"
    write_atomically(table, as_csv(copies).encode("utf-8-sig"))  # un tableur y lit les accents
    write_atomically(page, as_html(copies).encode())
    return [table, page]


def as_csv(copies: list[Copy]) -> str:
    """Le tableau, à points-virgules : une ligne par copie, une colonne par vérification."""
    checks = list(dict.fromkeys(name for copy in copies for name in _checks(copy)))
    names = _columns(copies)
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=";", lineterminator="\n")
    writer.writerow([*names, *(f"{lab}, {title} : {check}" for lab, title, check in checks)])
    for copy in copies:
        summary, found = _summary(copy), _checks(copy)
        cells = [summary.get(name, "") for name in names]
        writer.writerow(map(_inert, [*cells, *(found.get(check, "") for check in checks)]))
    return buffer.getvalue()


def _columns(copies: list[Copy]) -> list[str]:
    """Les colonnes, dans l'ordre de la copie qui en a le plus : celle au plus grand lab."""
    return list(max((_summary(copy) for copy in copies), key=len))


def _inert(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _checks(copy: Copy) -> dict[tuple[str, str, str], str]:
    return {
        (copy.lab, exercise.title, name): verdict
        for exercise in copy.exercises
        for name, verdict in exercise.verdicts.items()
    }


def _summary(copy: Copy) -> dict[str, str]:
    """La ligne d'une copie : nom de colonne -> texte."""
    return {
        "copie": copy.file,
        "lab": copy.lab,
        "prédictions": _share(copy.predictions),
        "réponses": _share(copy.answers),
        "cellules exécutées": copy.executed,
        **{exercise.title: _score(exercise) for exercise in copy.exercises},
        "vérifications": _verified(copy.exercises),
        "cellules en erreur": ", ".join(copy.errors),
        "protégé, mais modifié": " ; ".join(copy.modified),
        "remarques": copy.problem or " ; ".join(copy.remarks),
    }


def _share(answers: list[Answer]) -> str:
    filled = sum(bool(answer.text) for answer in answers)
    return f"{filled} sur {len(answers)}" if answers else ""


def _verified(exercises: list[Exercise]) -> str:
    """Le total des exercices, un point par vérification."""
    total = sum(len(exercise.verdicts) for exercise in exercises)
    return f"{sum(e.passed for e in exercises)} sur {total}" if total else ""


def _score(exercise: Exercise) -> str:
    if NOT_RUN in exercise.verdicts.values() and not exercise.passed:
        return NOT_RUN
    return f"{exercise.passed} sur {len(exercise.verdicts)}"


def as_html(copies: list[Copy]) -> str:
    """La page : le même tableau, puis, repliées, les réponses de chaque copie."""
    names = _columns(copies)
    rows = "\n".join(_row(copy, names) for copy in copies)
    unread = sum(bool(copy.problem) for copy in copies)
    plural = "s" if len(copies) > 1 else ""
    summary = f"{len(copies)} fichier{plural}, dont {unread} illisible{'s' * (unread > 1)}."
    return PAGE.format(
        summary=summary,
        header="".join(f'<th scope="col">{escape(name)}</th>' for name in names),
        rows=rows,
        details="\n".join(_detail(rank, copy) for rank, copy in enumerate(copies, start=1)),
    )


def _row(copy: Copy, names: list[str]) -> str:
    summary = _summary(copy)
    marks = {
        exercise.title: "".join(SIGNS[verdict] for verdict in exercise.verdicts.values())
        for exercise in copy.exercises
    }
    cells = []
    for name in names[1:]:
        text = escape(summary.get(name, ""))
        text += f"<br>{marks[name]}" if name in marks else ""
        cells.append(f"<td>{text}</td>")
    return f'<tr><th scope="row">{escape(copy.file)}</th>{"".join(cells)}</tr>'


def _detail(rank: int, copy: Copy) -> str:
    content = "\n".join(_content(copy))
    return (
        f'<details id="copie-{rank}"><summary>{escape(copy.file)}</summary>\n{content}\n</details>'
    )


def _content(copy: Copy) -> Iterator[str]:
    for note in filter(None, [copy.problem, *copy.remarks, *copy.modified, *copy.errors]):
        yield f"<p>{escape(note)}</p>"
    for exercise in copy.exercises:
        yield f"<h3>{escape(exercise.title)} : {_score(exercise)}</h3>\n<ul>"
        for name, verdict in exercise.verdicts.items():
            reason = exercise.reasons.get(name, "")
            ending = f" : {reason}" if reason else ""
            yield f"<li>{SIGNS[verdict]} {escape(name + ending)}</li>"
        yield "</ul>"
    for heading, answers in (("Prédictions", copy.predictions), ("Réponses", copy.answers)):
        if answers:
            yield f"<h3>{heading} : {_share(answers)}</h3>"
        for answer in answers:
            if answer.text:
                yield f"<p>{escape(_place(answer))} : {escape(answer.asked)}</p>"
                yield f"<pre>{escape(answer.text)}</pre>"
                if answer.expected:
                    yield EXPECTED.format(text=escape(answer.expected))


def _place(answer: Answer) -> str:
    """« Question 5 (3 points) » : le barème est celui des grilles du site."""
    place = answer.place[:1].upper() + answer.place[1:]
    points = POINTS.get(answer.level, 0)
    return f"{place} ({points} point{'s' * (points > 1)})" if points else place
