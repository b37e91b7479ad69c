"""Compose la page qui prépare les séances : un tableau des temps, et une grille par lab.

Rien n'y est écrit à la main : les durées viennent de l'exécution des labs et des fiches des
références, le reste est compté dans les notebooks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from labkit.tables import number
from tools import answers, collect, notebooks
from tools.welcome import work_of

WORDS_PER_MINUTE = 150  # une lecture lente, formules comprises
POINTS = {"rappel": 1, "compréhension": 2, "application": 2, "analyse": 3, "ouverte": 4}
DOWNLOADED = {
    "mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "romans": "romans",
    "wikitext-2": "WikiText-2",
}  # fmt: skip

INTRODUCTION = f"""# Préparer les séances

Les temps et les grilles de chaque lab, comptés dans les notebooks et mesurés par leur exécution.

## Les temps

La lecture est celle du texte, sans les réponses, à {WORDS_PER_MINUTE} mots par minute. La colonne
`rapide` donne la durée et le pic de mémoire de l'exécution dont ce site est tiré, sur la machine de
la page [État des labs](status.md). La colonne `complet` additionne les durées d'entraînement des
modèles de référence de ce lab, d'après leurs fiches ; les tableaux de mesures s'y ajoutent. La
dernière nomme les données que ces références ont demandé de télécharger : le profil `rapide` n'en
demande jamais.
"""
COLUMNS = ("Lab", "Travail", "Lecture", "Exercices", "`rapide`", "`complet`", "Réseau")

GRIDS = """## Une grille par lab

Un barème à adapter : un point par prédiction écrite d'avance et dont l'écart est expliqué, un à
quatre par question selon son niveau, un par vérification réussie.
"""
GRID_COLUMNS = ("Ce que l'on note", "Nombre", "Points")


def teaching_page(labs: list[Path], records: list[dict], references: Path) -> str:
    """La page Markdown.

    Args:
        labs: les notebooks, voisins du dossier où la page sera posée (`../labs/…`).
        records: les enregistrements de `tools.execute`, dans le même ordre.
        references: dossier des fiches des références.
    """
    read = [notebooks.read(path) for path in labs]
    cards = [json.loads(p.read_text(encoding="utf-8")) for p in sorted(references.glob("*.json"))]
    rows = [
        _times(path.stem, lab, record, [card for card in cards if card["lab"] == path.stem])
        for path, lab, record in zip(labs, read, records, strict=True)
    ]
    grids = [f"### {notebooks.title(lab)}\n\n{_table(GRID_COLUMNS, grid(lab))}\n" for lab in read]
    return "\n".join([INTRODUCTION, _table(COLUMNS, rows), "", GRIDS, *grids])


def _times(stem: str, lab: NotebookNode, record: dict, cards: list[dict]) -> tuple[str, ...]:
    checks = [len(names) for _, names in exercises(lab)]
    datasets = {card["dataset"]["name"] for card in cards} & set(DOWNLOADED)
    memory = number(record["peak_mib"])
    return (
        f"[Lab {int(stem[:2])}](../labs/{stem}.ipynb)",
        work_of(lab),
        duration(60 * reading_minutes(lab)),
        f"{len(checks)}, soit {sum(checks)} vérifications",
        f"{duration(record['seconds'])}, {memory} Mio",
        " ; ".join(_training(cards)) or "–",
        ", ".join(sorted(DOWNLOADED[name] for name in datasets)) or "jamais",
    )


def _training(cards: list[dict]) -> Iterator[str]:
    """Durée d'entraînement des références, une par sorte de machine."""
    for place, on_gpu in (("sur processeur", False), ("sur GPU", True)):
        here = [card for card in cards if ("gpu" in card["machine"]) == on_gpu]
        # Deux réseaux d'un même entraînement ont chacun leur fiche, et la même durée.
        if seconds := {card["seconds"] for card in here}:
            yield f"{duration(sum(seconds))} {place}"


def reading_minutes(lab: NotebookNode) -> int:
    """Le temps de lecture du texte d'un lab, réponses exceptées."""
    prose = (cell.source for cell in lab.cells if cell.cell_type == "markdown")
    words = sum(len(answers.WORD.findall(notebooks.ANSWER.sub("", text))) for text in prose)
    return round(words / WORDS_PER_MINUTE)


def duration(seconds: float) -> str:
    """Une durée lisible : « 45 s », « 12 min », « 1 h 09 »."""
    if seconds < 90:
        return f"{number(seconds, 0)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d}"


def exercises(lab: NotebookNode) -> list[tuple[str, list[str]]]:
    """Les exercices d'un lab : titre, et noms des vérifications."""
    statements = [c.source for c in lab.cells if notebooks.EXERCISE.match(c.source)]
    titles = [statement.splitlines()[0].lstrip("# ") for statement in statements]
    checked = [cell for cell in notebooks.code_cells(lab) if collect.title(cell)]
    names = [list(collect.verdicts(cell)[0]) for cell in checked]
    return list(zip(titles, names, strict=True))


def grid(lab: NotebookNode) -> list[tuple[str, ...]]:
    """Les lignes de la grille d'un lab, total compris."""
    lines = [("Prédictions expliquées", len(notebooks.predictions(lab)), 1)]
    for level in notebooks.LEVELS:
        asked = [cell for cell in notebooks.questions(lab) if notebooks.level(cell) == level]
        numbers = ", ".join(notebooks.QUESTION.match(cell.source)[1] for cell in asked)
        if asked:
            lines.append((f"Questions, {level} ({numbers})", len(asked), POINTS[level]))
    lines += [(title, len(names), 1) for title, names in exercises(lab)]
    total = sum(count * points for _, count, points in lines)
    rows = [(name, str(count), str(count * points)) for name, count, points in lines]
    return [*rows, ("**Total**", "", f"**{total}**")]


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(r) + " |" for r in [columns, ("---",) * len(columns), *rows])
