"""Un site sans réponses n'en contient aucune, où qu'on les cherche."""

import io
import json
import shutil
import subprocess
import zipfile

import pytest

from labkit.files import write_atomically
from tools import answers, notebooks, site

LABS = sorted((notebooks.ROOT / "labs").glob("*.ipynb"))
REPLY = "Un million de kangourous traversent la plaine."
SOLUTION = "kangourous = plaine(million) + savane - girafe"


@pytest.fixture
def with_answers(built):
    """Le cours miniature, où la question 3 et l'exercice 1 ont des réponses reconnaissables."""
    for folder in ("labs", "_build/executed"):
        path = built / folder / "01_essai.ipynb"
        lab = notebooks.read(path)
        question = next(cell for cell in lab.cells if "Question 3" in cell.source)
        question.source = question.source.replace("La somme vaut $3 + 1$.", REPLY)
        solution = next(cell for cell in lab.cells if "solution" in notebooks.tags(cell))
        solution.source = solution.source.replace("return 2 * x", SOLUTION)
        solution.outputs = notebooks.nbformat.from_dict(
            [{"output_type": "stream", "name": "stdout", "text": "sortie de la solution\n"}]
        )
        notebooks.write(lab, path)
    write_atomically(built / "book" / "_static" / "404.html", b"<p>Page introuvable.</p>")
    return built


def everything(folder):
    """Tout ce qu'un site publie, archives ouvertes, chacun décodé."""
    texts = {}
    for path in folder.rglob("*"):
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                texts |= {f"{path.name}/{n}": archive.read(n) for n in archive.namelist()}
        elif path.is_file():
            texts[path.name] = path.read_bytes()
    return {name: content.decode("utf-8", "replace") for name, content in texts.items()}


def test_a_whole_site_without_answers_contains_none(with_answers, capsys):
    guide = "# Bienvenue\n\nAvant.\n\n% avec réponses\n\nElles sont repliées.\n\n% fin\n\nAprès.\n"
    (with_answers / "book" / "index.md").write_text(guide, encoding="utf-8")
    assert site.main(["--reponses", "non"], with_answers) == 0, capsys.readouterr()
    published = everything(with_answers / "_build" / "html")
    assert {"01_essai.html", "questions.html", "search_data.js", "01_essai.ipynb"} <= set(published)
    assert any(name.endswith(".zip/01_essai/01_essai.ipynb") for name in published)
    for secret in ("kangourous", "girafe", "sortie de la solution", "La somme vaut", "repliées"):
        assert [name for name, text in published.items() if secret in text] == []
    assert "Avant." in published["index.html"] and "Après." in published["index.html"]
    assert "Question 3" in published["questions.html"]
    assert "À compléter" in published["01_essai.html"]


def test_the_usual_site_keeps_them_and_the_search_finds_them(with_answers):
    source = site.assemble(with_answers, with_answers / "_build")
    page = (source / "labs" / "01_essai.ipynb").read_text(encoding="utf-8")
    assert "kangourous traversent" in page and "girafe" in page
    wanted = answers.searched([with_answers / "labs" / "01_essai.ipynb"], [])
    found = answers.leaks(source, wanted)
    assert [line for line in found if "01_essai, question 3" in line and "questions.md" in line]
    assert [line for line in found if "01_essai, exercice 1" in line and "01_essai.ipynb" in line]


def test_a_leak_fails_the_build(with_answers, monkeypatch, capsys):
    monkeypatch.setattr(answers, "hide", lambda notebook: notebook)
    assert site.main(["--reponses", "non"], with_answers) == 1
    said = capsys.readouterr().err
    assert "labs/01_essai.html contient la réponse : 01_essai, question 3." in said
    assert "labs/01_essai.html contient la réponse : 01_essai, exercice 1." in said
    assert "questions.html contient la réponse" in said
    assert "search_data.js contient la réponse" in said


def zipped(name, text):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, text)
    return buffer.getvalue()


NOTEBOOK = json.dumps(
    {"cells": [{"source": ["Un million\n", "de kangourous traversent la plaine"]}]}
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("page.html", b"<p>Un <b>million</b>&nbsp;de kangourous traversent la&#32;plaine.</p>"),
        ("page.html", b'<img alt="Un million de kangourous traversent la plaine">'),
        ("_static/search_data.js", b'[{"text":"un million de Kangourous traversent la plaine"}]'),
        ("lab.ipynb", NOTEBOOK.encode()),
        ("lab.zip", zipped("a/lab.ipynb", NOTEBOOK)),
        ("lab.zip", zipped("labkit.whl", zipped("labkit/a.py", f"# {REPLY}"))),
    ],
)
def test_an_answer_is_found_wherever_it_hides(tmp_path, name, content):
    write_atomically(tmp_path / name, content)
    wanted = {"01, question 3": answers.fragments(REPLY)}
    (found,) = answers.leaks(tmp_path, wanted)
    assert found.startswith(name) and found.endswith("contient la réponse : 01, question 3.")


def test_what_the_course_says_elsewhere_betrays_nothing(with_answers):
    path = with_answers / "labs" / "01_essai.ipynb"
    place = "01_essai, question 3"
    assert answers.searched([path], [])[place] == answers.fragments(REPLY)
    assert answers.searched([path], ["Dans la plaine.", REPLY])[place] == []


@pytest.mark.parametrize("path", LABS, ids=lambda path: path.stem)
def test_real_labs_lose_every_answer_and_keep_the_rest(path):
    lab = notebooks.read(path)
    given = [answer for _, answer in answers.answers(lab)]
    questions = len(notebooks.questions(lab))
    hidden = answers.hide(lab)
    text = "\n".join(cell.source for cell in hidden.cells)
    assert len(given) > questions
    assert not any(answer.strip() in text for answer in given if len(answer.strip()) > 30)
    assert len(notebooks.questions(hidden)) == questions
    assert "<summary>Réponse" not in text and "début solution" not in text


def test_nearly_every_real_answer_can_be_looked_for():
    """Une réponse faite de formules seules échappe au contrôle : elles sont rares."""
    root = notebooks.ROOT
    others = [*root.glob("book/*.md"), *root.glob("labkit/**/*.py")]
    wanted = answers.searched(LABS, (path.read_text(encoding="utf-8") for path in others))
    blind = [place for place, parts in wanted.items() if not parts]
    assert len(wanted) > 100
    assert len(blind) <= len(wanted) // 20, blind


@pytest.mark.parametrize("value", ["nan", "Non", "ouvertes", "non oui"])
def test_a_mistyped_choice_names_the_two_that_exist(tmp_path, capsys, value):
    said = f"REPONSES={value} ne convient pas : écrivez REPONSES=oui ou REPONSES=non.\n"
    assert answers.main(value.split()) == 1
    assert capsys.readouterr() == ("", said)
    assert site.main(["--reponses", value], tmp_path) == 1
    assert capsys.readouterr() == ("", said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", answers.CHOICES)
def test_a_known_choice_passes_in_silence(capsys, value):
    assert answers.main([value]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.skipif(shutil.which("make") is None, reason="make n'est pas sur cette machine")
def test_make_site_checks_the_choice_before_any_lab_runs():
    command = ["make", "--no-print-directory", "--dry-run", "site", "REPONSES=nan"]
    done = subprocess.run(command, cwd=notebooks.ROOT, capture_output=True, text=True, check=True)
    check, execution, build = done.stdout.splitlines()[-3:]
    assert check.endswith('-m tools.answers "nan"')
    assert execution.endswith("-m tools.execute")
    assert build.endswith('-m tools.site --reponses "nan"')
