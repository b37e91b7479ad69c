from tools.status import COLUMNS, status_page

LAB = {
    "name": "01_essai",
    "title": "Lab 1 — L'essai",
    "status": "réussi",
    "profil": "rapide",
    "seconds": 12.3,
    "peak_mib": 512,
    "versions": {"python": "3.12.1", "torch": "2.15.0"},
}


def test_one_row_a_lab_with_french_numbers():
    page = status_page([LAB, LAB | {"name": "02_autre"}], {"system": "Linux", "cores": 2})
    rows = [line for line in page.splitlines() if line.startswith("| [")]
    assert len(rows) == 2
    assert "12,3 s" in rows[0] and "512 Mio" in rows[0] and "2.15.0" in rows[0]
    assert "(../labs/02_autre.ipynb)" in rows[1]
    assert all(row.count("|") == len(COLUMNS) + 1 for row in rows)
    assert "Linux, 2 cœurs" in page
