from tools.bench_page import bench_page

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
