"""Un texte qui change n'exécute rien ; une ligne de labkit qui change exécute ce qui en dépend."""

import json

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import cache, execute, notebooks
from tools.normalize import KERNEL

PARAMETERS = {"profil": "complet", "graine": 0}
# Chaque exécution laisse une ligne : rien d'autre ne prouve aussi bien qu'un noyau a tourné.
RUN = """import sys
sys.path.insert(0, {folder!r})
from labkit import double
with open("passages.txt", "a") as file:
    file.write("x\\n")
print(profil, double(21))"""
DOUBLE = 'def double(x):\n    """Le double."""\n    return 2 * x\n'


class Course:
    """Un lab, son paquet, et de quoi changer l'un et l'autre."""

    def __init__(self, root):
        self.root, self.output = root, root / "_build"
        self.lab = root / "labs" / "01_essai.ipynb"
        self.package = root / "labkit"
        self.package.mkdir()
        self.source("__init__.py", DOUBLE)
        parameters = new_code_cell('profil = "rapide"\ngraine = 0')
        parameters.metadata["tags"] = ["parameters"]
        run = new_code_cell(RUN.format(folder=str(root)))
        cells = [new_markdown_cell("# Lab 1 — Essai"), parameters, run]
        notebooks.write(new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), self.lab)

    def source(self, name, text):
        (self.package / name).write_text(text, encoding="utf-8")

    def change(self, index, source=None, tags=None):
        """Change la source d'une cellule, ou ses étiquettes."""
        notebook = notebooks.read(self.lab)
        if source:
            notebook.cells[index].source = source
        if tags:
            notebook.cells[index].metadata["tags"] = tags
        notebooks.write(notebook, self.lab)

    def execute(self):
        """Le nombre de passages en tout, une fois le lab exécuté s'il le faut."""
        (record,) = execute.execute_all([self.lab], self.output, PARAMETERS, self.package)
        assert record["status"] == execute.SUCCESS, record["error"]
        return len((self.output / "passages.txt").read_text().splitlines())

    @property
    def executed(self):
        return notebooks.read(self.output / self.lab.name)

    @property
    def print(self):
        return cache.fingerprint(self.lab, PARAMETERS, cache.code_sum(self.package))


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Un cours déjà exécuté une fois."""
    course = Course(tmp_path_factory.mktemp("cours"))
    assert course.execute() == 1
    return course


def outputs(notebook):
    return [output.text for cell in notebooks.code_cells(notebook) for output in cell.outputs]


def test_a_sentence_that_changes_starts_no_kernel_and_reaches_the_site(course):
    """Le titre, les textes et les étiquettes suivent ; les sorties restent."""
    before = course.execute()
    course.change(0, "# Lab 1 — Un autre titre\n\nUne phrase de plus.")
    course.change(2, tags=["hide-input"])
    assert course.execute() == before
    title, parameters, injected, run = course.executed.cells
    assert title.source.endswith("Une phrase de plus.")
    assert cache.INJECTED in injected.metadata.tags
    assert run.metadata.tags == ["hide-input"]
    assert outputs(course.executed) == ["complet 42\n"]
    (record,) = json.loads((course.output / "status.json").read_text("utf-8"))["labs"]
    assert record["title"] == "Lab 1 — Un autre titre"


def test_a_line_of_labkit_that_changes_runs_the_lab(course):
    before = course.execute()
    course.source("__init__.py", DOUBLE.replace("2 * x", "x + x + 1"))
    assert course.execute() == before + 1
    assert outputs(course.executed) == ["complet 43\n"]
    course.source("__init__.py", DOUBLE)


def test_a_cell_of_code_that_changes_runs_the_lab(course):
    before = course.execute()
    source = course.executed.cells[-1].source
    course.change(2, source + "\nprint('fin')")
    assert course.execute() == before + 1
    assert outputs(course.executed)[-1].endswith("fin\n")


def test_nothing_is_written_when_nothing_changes(course):
    course.execute()
    path = course.output / course.lab.name
    before = path.stat().st_mtime_ns
    course.execute()
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize(("text", "same"), [
    (DOUBLE.replace("Le double.", "Deux fois x."), True),
    ('"""Un module."""\n' + DOUBLE, True),
    (DOUBLE.replace("return", "# deux fois\n    return"), True),
    (DOUBLE.replace("2 * x", "3 * x"), False),
    (DOUBLE.replace("(x)", "(x=1)"), False),
    (DOUBLE + "def (\n", False),
])  # fmt: skip
def test_comments_and_docstrings_of_labkit_do_not_count(course, text, same):
    before = course.print
    course.source("__init__.py", text)
    assert (course.print == before) is same
    course.source("__init__.py", DOUBLE)


@pytest.mark.parametrize("name", ["labkit/reference.safetensors", "requirements.txt"])
def test_references_and_locked_versions_count(course, name):
    path = course.root / name
    prints = {course.print}
    for content in (b"un", b"deux"):
        path.write_bytes(content)
        prints.add(course.print)
    path.unlink()
    assert len(prints) == 3


def test_a_file_that_is_renamed_counts(course):
    course.source("un.py", "x = 1\n")
    before = course.print
    (course.package / "un.py").rename(course.package / "deux.py")
    assert course.print != before
    (course.package / "deux.py").unlink()


def test_parameters_versions_and_data_count(course, monkeypatch):
    code = cache.code_sum(course.package)
    prints = {course.print, cache.fingerprint(course.lab, {"profil": "rapide"}, code)}
    monkeypatch.setenv("LABKIT_DATA", "/ailleurs")
    prints.add(course.print)
    monkeypatch.setattr(cache, "versions", lambda: {"torch": "0.1"})
    prints.add(course.print)
    assert len(prints) == 4
