import pytest
from nbformat.v4 import new_output

from tools import notebooks, pages, welcome

HOME = """# Bienvenue

% figure : 01_essai Une descente

| N° | Lab | Question | État |
| --- | --- | --- | --- |
| 1 | [Essai](../labs/01_essai.ipynb) | Pourquoi ? | disponible |
| 2 | Autre | Comment ? | à venir |
"""


@pytest.fixture
def executed(lab, tmp_path):
    lab.cells[0].source += "\n\n**Durée** : deux à trois heures de travail. Le calcul est court."
    facts = {"alt": "Une descente : 3 images.", "caption": "Elles naissent du bruit."}
    cell = next(cell for cell in lab.cells if "display(figure)" in cell.source)
    cell.outputs = [
        new_output(
            "display_data",
            data={"image/svg+xml": "<svg></svg>"},
            metadata={"image/svg+xml": facts},
        )
    ]
    notebooks.write(lab, tmp_path / "01_essai.ipynb")
    return tmp_path


def test_the_home_page_gets_a_picture_and_the_time_of_each_lab(executed):
    records = {"01_essai": {"seconds": 41.6}}
    text = welcome.complete(HOME, executed, records, executed)
    assert "| Question | Durée |" in text
    assert "| Pourquoi ? | deux à trois heures ; calcul, 42 s |" in text
    assert "| Comment ? | à venir |" in text
    alt = f"Une descente : 3 images.{pages.CAPTION_SEPARATOR}Elles naissent du bruit."
    assert f"![{alt}](accueil.svg)" in text
    assert (executed / "accueil.svg").read_text() == "<svg></svg>"


def test_a_lab_without_a_duration_or_the_figure_is_named(executed, lab):
    with pytest.raises(notebooks.LabError, match="aucune figure dont la description soit « Un an"):
        welcome.figure_of(executed / "01_essai.ipynb", "Un anneau")
    lab.cells[0].source = "# Lab 1 — L'essai"
    with pytest.raises(notebooks.LabError, match="doit donner la durée"):
        welcome.work_of(lab)
