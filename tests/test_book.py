"""Les pages du site : les messages qu'elles citent sont ceux que l'on rencontre."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import labkit
from tools import answers

ROOT = Path(labkit.__file__).parents[1]
GAP = "…"  # ce qui change d'une fois à l'autre dans un message


def plain(text: str) -> str:
    """Le texte sans coupures de ligne, ni espaces insécables, ni apostrophes courbes."""
    return " ".join(text.replace("’", "'").split())


PAGE = plain((ROOT / "book" / "common_errors.md").read_text(encoding="utf-8"))
SYMPTOMS = " ".join(re.findall(r"### .+? \*\*Cause\.\*\*", PAGE))  # titres compris
OURS = sorted(set(re.findall("« (.+?) »", SYMPTOMS)))
THEIRS = sorted({text for text in re.findall("`(.+?)`", SYMPTOMS) if " " in text})


def written_texts(path: Path) -> list[str]:
    """Les textes d'un fichier Python, où chaque valeur insérée est un trou ; pas ses docstrings."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    found = []
    for node in nodes:
        if id(node) in docstrings:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else GAP for part in node.values)
            found.append(plain("".join(parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(plain(node.value))
    return found


TEXTS = [text for path in (ROOT / "labkit").rglob("*.py") for text in written_texts(path)]


def is_written(quote: str, texts: list[str]) -> bool:
    """Dit si l'un des textes contient, dans l'ordre, toutes les parties fixes de la citation."""
    pattern = ".*".join(re.escape(part.strip()) for part in quote.split(GAP))
    return any(re.search(pattern, text) for text in texts)


def test_a_quote_is_found_only_as_it_is_written():
    texts = ["Reprise de … après l'époque …."]
    assert is_written("Reprise de … après l'époque …", texts)
    assert not is_written("Reprise de … avant l'époque …", texts)
    assert not is_written("… après l'époque … Reprise de", texts)


def test_the_page_quotes_messages():
    assert len(OURS) > 10 and "dossier personnel introuvable pour …" in OURS
    assert len(THEIRS) > 4


@pytest.mark.parametrize("quote", OURS)
def test_quoted_messages_are_those_of_labkit(quote):
    assert is_written(quote, TEXTS)


def one_example_batch():
    nn.BatchNorm1d(4)(torch.ones(1, 4))


def image_in_a_dense_layer():
    nn.Linear(784, 10)(torch.ones(1, 28, 28))


def logits_as_probabilities():
    F.binary_cross_entropy(torch.tensor([2.0]), torch.ones(1))


def target_of_another_shape():
    with pytest.warns(UserWarning) as caught:
        F.mse_loss(torch.ones(3, 1), torch.ones(3))
    raise caught[0].message


def course_not_installed():
    command = [sys.executable, "-I", "-S", "-c", "import labkit"]
    raise RuntimeError(subprocess.run(command, capture_output=True, text=True).stderr)


def operator_of_another_library():
    try:
        torch.library.register_fake("autre::nms")(lambda: None)
    except RuntimeError as error:
        raise RuntimeError(str(error).replace("autre", "torchvision")) from error


PROVOKED = {
    "Expected more than 1 value per channel when training": one_example_batch,
    "mat1 and mat2 shapes cannot be multiplied": image_in_a_dense_layer,
    "all elements of input should be between 0 and 1": logits_as_probabilities,
    "Using a target size … that is different to the input size …": target_of_another_shape,
    "No module named 'labkit'": course_not_installed,
    "operator torchvision::nms does not exist": operator_of_another_library,
}


@pytest.mark.parametrize("quote", THEIRS)
def test_quoted_messages_are_those_of_the_libraries(quote):
    with pytest.raises(Exception) as caught:  # noqa: B017 : chacun la sienne
        PROVOKED[quote]()
    assert is_written(quote, [plain(str(caught.value))])


def test_digits_by_sixteen_leave_one_image():
    assert "les 1 297 images d'entraînement de `digits`, par lots de 16, en laissent une" in PAGE
    *_, (last, _) = labkit.load_images("digits").train.batches(16)
    assert len(labkit.load_images("digits").train) == 1297 and len(last) == 1
    assert len(list(labkit.load_images("digits").train.batches(64))[-1][0]) > 1


def test_each_work_has_its_own_key():
    """Deux fiches du même nom : Sphinx avertit, et la page cite l'une pour l'autre."""
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    keys = re.findall(r"(?m)^@\w+\{(\w+),", text)
    assert len(keys) > 50
    assert sorted(keys) == sorted(set(keys))
    assert "$" not in text  # une formule d'un titre ne serait pas composée


def test_the_bibliography_can_be_read():
    """Une fiche laissée ouverte arrête la construction du site."""
    database = pytest.importorskip("pybtex.database")
    assert len(database.parse_file(ROOT / "book" / "references.bib").entries) > 50


LABS = sorted((ROOT / "labs").glob("*.ipynb"))
GUIDE = (ROOT / "book" / "instructor_guide.md").read_text(encoding="utf-8")


def numbered_sections(lab: str) -> set[int]:
    cells = json.loads((ROOT / "labs" / f"{lab}.ipynb").read_text(encoding="utf-8"))["cells"]
    lines = [line for cell in cells if cell["cell_type"] == "markdown" for line in cell["source"]]
    return {int(found[1]) for line in lines if (found := re.match(r"## (\d+)\. ", line))}


@pytest.mark.parametrize("number", range(1, len(LABS) + 1))
def test_each_lab_has_a_session_of_two_hours(number):
    (plan,) = re.findall(rf"(?s)^### Séance\s{number}\b.+?(?=^##)", GUIDE, re.MULTILINE)
    durations = [int(found) for found in re.findall(r"(?m)^\|\s(\d+)\smin\s\|", plan)]
    assert len(durations) >= 6 and sum(durations) == 120


@pytest.mark.parametrize("lab", [path.stem for path in LABS])
def test_each_lab_has_its_wrong_predictions_and_the_section_that_answers(lab):
    rows = re.findall(
        rf"(?m)^\| \[(\d+)\]\(\.\./labs/{lab}\.ipynb\), section (\d+) \|.+\|.+\|$", GUIDE
    )
    assert len(rows) in (2, 3)
    assert {int(number) for number, _ in rows} == {int(lab[:2])}
    assert {int(section) for _, section in rows} <= numbered_sections(lab)


def test_a_site_without_answers_leaves_out_the_wrong_predictions():
    assert "Prédiction fausse |" in GUIDE
    hidden = answers.hide_in_page(GUIDE)
    assert "Prédiction fausse |" not in hidden
    assert "### Séance 10" in hidden and "## Adapter le cours" in hidden
