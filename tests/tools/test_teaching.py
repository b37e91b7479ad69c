"""La page des séances compte ce que contiennent les labs, et lit ce qui a été mesuré."""

import json

import pytest

from tools import notebooks, teaching

LABS = sorted((notebooks.ROOT / "labs").glob("*.ipynb"))


@pytest.fixture
def verified(lab):
    """Le lab d'essai, dont les vérifications ont affiché leur verdict."""
    for cell in lab.cells:
        if "verification" in notebooks.tags(cell):
            text = "✓ un\n✓ deux\nExercice : réussi.\n"
            output = {"output_type": "stream", "name": "stdout", "text": text}
            cell.outputs = [notebooks.nbformat.from_dict(output)]
    return lab


def card(lab, seconds, dataset="mnist", **machine):
    return {"lab": lab, "seconds": seconds, "dataset": {"name": dataset}, "machine": machine}


def test_the_times_are_read_where_they_were_measured(course, verified):
    path = course / "labs" / "01_essai.ipynb"
    notebooks.write(verified, path)
    cards = [
        card("01_essai", 600.0), card("01_essai", 600.0), card("01_essai", 3540.0, "phrases"),
        card("01_essai", 30.0, "romans", gpu="H"), card("02_autre", 9999.0, "wikitext-2"),
    ]  # fmt: skip
    for rank, content in enumerate(cards):
        (course / f"{rank}.json").write_text(json.dumps(content), encoding="utf-8")
    page = teaching.teaching_page([path], [{"seconds": 44.6, "peak_mib": 1234}], course)
    row = next(line for line in page.splitlines() if line.startswith("| [Lab 1]"))
    assert [cell.strip() for cell in row.split("|")[1:-1]] == [
        "[Lab 1](../labs/01_essai.ipynb)",
        "deux à trois heures",
        "60 s",
        "2, soit 4 vérifications",
        "45 s, 1\u202f234 Mio",
        "1 h 09 sur processeur ; 30 s sur GPU",  # deux fiches d'un même entraînement : une durée
        "MNIST, romans",
    ]


def test_the_grid_counts_everything_once(verified):
    question = next(cell for cell in verified.cells if "Question 3" in cell.source)
    question.source = question.source.replace("*(rappel)*", "*(analyse)*")
    assert teaching.grid(verified) == [
        ("Prédictions expliquées", "2", "2"),
        ("Questions, rappel (1, 2, 4, 5, 6, 7, 8)", "7", "7"),
        ("Questions, analyse (3)", "1", "3"),
        ("Exercice 1 — Doubler", "2", "2"),
        ("Exercice 2 — Doubler", "2", "2"),
        ("**Total**", "", "**16**"),
    ]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.4, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (3540, "59 min"),
        (3599, "1 h 00"),
        (4140, "1 h 09"),
    ],
)
def test_a_duration_is_readable(seconds, expected):
    assert teaching.duration(seconds) == expected


def test_reading_leaves_the_answers_out(lab):
    before = teaching.reading_minutes(lab)
    lab.cells[0].source += " mot" * teaching.WORDS_PER_MINUTE * 2
    answer = "<details>\n<summary>Réponse</summary>\n\n" + "mot " * 900 + "\n\n</details>"
    lab.cells[-1].source += answer
    assert teaching.reading_minutes(lab) == before + 2


@pytest.mark.parametrize("path", LABS, ids=lambda path: path.stem)
def test_every_real_lab_has_its_grid(path):
    lab = notebooks.read(path)
    assert all(names for _, names in teaching.exercises(lab))
    counted = sum(
        int(count) for name, count, _ in teaching.grid(lab) if name.startswith("Questions")
    )
    assert counted == len(notebooks.questions(lab))
