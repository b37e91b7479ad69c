import pytest

from benchmarks import growth, paper
from tools.bench_page import GROWTH_LEGEND, PAPER_LEGEND, bench_page, duration, growth_figure

MACHINE = {"system": "Linux", "cores": 2, "device": "cpu", "bf16": False, "torch": "2.15.0"}
SPEEDS = {
    "kind": "speeds", "name": "AE", "unit": "images",
    "rates": {"labkit": [12800.4, 12000.0, 13000.0], "boucle habituelle": [5000.0, 4900.0, 5100.0]},
}  # fmt: skip
BOUND = {
    "kind": "measure", "name": "import", "value": 0.25, "unit": "s", "held": True,
    "at_least": None, "at_most": 0.3, "digits": 2,
}  # fmt: skip
SKIPPED = {"kind": "skipped", "name": "navigateur", "reason": "sans Chromium", "held": True}


def page(*measures, other=()):
    families = {"un": {"machine": MACHINE, "measures": list(measures)}}
    if other:
        families["deux"] = {"machine": MACHINE | {"bf16": True}, "measures": list(other)}
    return bench_page({"families": families})


def rows(text):
    text = text.replace("\u202f", " ")  # l'espace fine des grands nombres
    return [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]


def test_each_kind_of_measure_has_its_table_in_french_numbers():
    speeds, head, bound, _, skipped = rows(page(SPEEDS, BOUND, SKIPPED))[1:]
    assert "| images par seconde | labkit : 12 800 (12 000 à 13 000)<br>boucle" in speeds
    assert bound == "| import | 0,25 s | ≤ 0,30 | oui |"
    assert skipped == "| navigateur | sans Chromium |"


def test_a_bound_that_does_not_hold_is_said():
    assert "| non |" in page(BOUND | {"held": False})
    both = BOUND | {"at_least": 0.1}
    assert "| ≥ 0,10 et ≤ 0,30 |" in page(both)
    assert "| — |" in page(BOUND | {"at_most": None})


def test_a_kind_without_measure_has_no_section():
    text = page(BOUND)
    assert "## Durées et rapports" in text
    assert "## Vitesses" not in text and "## Non mesuré" not in text


def test_machines_that_differ_are_all_said():
    text = page(BOUND, other=[SPEEDS])
    assert "bf16 lent" in text and "bf16 rapide" in text
    assert page(BOUND, other=()).count("Machine : ") == 1


def test_without_measures_the_page_says_how_to_make_them():
    assert "make bench" in bench_page({})


GROWTH = {
    "kind": "growth", "name": "VAE", "varied": "images", "sizes": [1600, 3200],
    "seconds": [0.5, 1.0], "megabytes": [20.0, 21.0], "slope": 1.0, "held": True,
}  # fmt: skip
PAPER = {
    "kind": "paper", "name": "08_ddpm, ddpm", "gigaflops": 0.72, "parameters": 10, "here": 3960.0,
    "machine": "AMD EPYC", "elsewhere": {"×10, 1 GPU": 180.0}, "bound": "calcul", "held": True,
}  # fmt: skip


def test_growth_and_paper_have_their_tables():
    head, row, _, last = rows(page(GROWTH, PAPER))
    assert "Pente" in head
    assert row == "| VAE | images | 1 600 : 0,50 s, 20 Mo<br>3 200 : 1,00 s, 21 Mo | 1,00 |"
    assert last == "| 08_ddpm, ddpm | 720 | 1,1 h (AMD EPYC) | ×10, 1 GPU : 3,0 min | calcul |"


def test_the_legends_say_what_was_measured_and_supposed():
    assert f"6 400 images, des lots\nde {growth.BATCH_SIZE}" in GROWTH_LEGEND
    assert (growth.IMAGES, growth.WIDTH) == (6400, 1)
    assert f"soit {paper.SUSTAINED / 1e12:.0f} mille milliards" in PAPER_LEGEND
    assert paper.LAUNCH == 1e-3
    assert round(60e6 * 28 * 28 / 1e9) == 47


def test_the_growth_figure_draws_each_curve_with_its_slope():
    other = GROWTH | {"varied": "largeur", "sizes": [0.5, 4], "seconds": [1, 64], "slope": 2.0}
    figure = growth_figure({"families": {"growth": {"measures": [GROWTH, other]}}})
    first, second = figure.axes_grid.flat
    assert list(first.lines[0].get_ydata()) == [0.5, 1.0]
    assert second.get_legend().get_texts()[0].get_text() == "VAE : pente 2,00"
    assert growth_figure({}) is None


@pytest.mark.parametrize(("seconds", "text"), [
    (40, "40 s"), (90, "1,5 min"), (5400, "1,5 h"), (129_600, "1,5 j"),
])  # fmt: skip
def test_a_duration_is_in_its_largest_unit(seconds, text):
    assert duration(seconds) == text
