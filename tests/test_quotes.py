"""Un nombre cité dans la prose d'un lab est celui de la fiche qui l'a enregistré."""

import pytest

from tests.quotes import ESTIMATES, QUOTES
from tools import notebooks
from tools.values import Values

VALUES = Values(notebooks.ROOT / "labkit" / "reference")


def prose(lab: str) -> str:
    """Le texte d'un lab, sans coupures de ligne ni espaces insécables."""
    cells = notebooks.read(notebooks.ROOT / "labs" / f"{lab}.ipynb").cells
    return plain("\n".join(cell.source for cell in cells if cell.cell_type == "markdown"))


def plain(text: str) -> str:
    return " ".join(text.replace("’", "'").replace("**", "").split())


def cases(by_lab):
    return [
        pytest.param(lab, case, id=f"{lab[:2]} {case if isinstance(case, str) else case[0]:.40}")
        for lab, listed in by_lab.items()
        for case in listed
    ]


@pytest.mark.parametrize(("lab", "template"), cases(QUOTES))
def test_a_number_of_the_prose_is_that_of_the_card(lab, template):
    assert plain(VALUES.fill(template)) in prose(lab)


@pytest.mark.parametrize(("lab", "estimate"), cases(ESTIMATES))
def test_a_rounded_number_of_the_prose_is_near_that_of_the_card(lab, estimate):
    sentence, compute, low, high = estimate
    assert plain(sentence) in prose(lab)
    assert low <= compute(VALUES.find) <= high


def test_another_number_would_not_be_found():
    """La phrase au nombre près n'est pas dans le lab : la comparaison n'est pas de forme."""
    template = QUOTES["08_ddpm"][0]
    other = VALUES.fill(template).replace("0,1", "0,2", 1)
    assert plain(other) not in prose("08_ddpm")
