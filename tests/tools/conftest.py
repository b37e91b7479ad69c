"""Un petit lab conforme au contrat et un cours miniature, pour essayer les outils sans torch."""

from __future__ import annotations

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import cache, execute, notebooks
from tools.contract import SETUP
from tools.normalize import KERNEL, NumberCells

ADDRESS = "https://depot.example/cours-generatif"

QUESTION = """**Question {n}.** *(rappel)* Combien font ${n} + 1$ ?

<details>
<summary>Réponse</summary>

La somme vaut ${n} + 1$.

</details>"""

SOLUTION = """def double(x):
    # --- début solution
    return 2 * x
    # --- fin solution
"""

VERIFICATION = """labkit.verify("Exercice {n}", {{
    "le double de 2 vaut 4": lambda: double(2) == 4 or f"obtenu {{double(2)}}",
}})"""


def code(source: str, *tags: str, text: str = ""):
    """Une cellule de code, avec ses étiquettes et sa sortie texte."""
    outputs = [new_output("stream", name="stdout", text=text)] if text else []
    metadata = {"tags": list(tags)} if tags else {}
    return new_code_cell(source, metadata=metadata, outputs=outputs)


def good_lab(title: str = "Lab 1 — L'essai") -> nbformat.NotebookNode:
    """Un lab minimal qui respecte le contrat."""
    cells = [
        new_markdown_cell(f"# {title}\n\nObjectifs : essayer.\n\n**Durée** : deux à trois heures."),
        code('profil = "rapide"\ngraine = 0', "parameters"),
        code(SETUP.format(address=ADDRESS)),
        new_markdown_cell("## Théorie\n\n**Prédiction.** Que vaut $1 + 1$ ?"),
        *(code(f"print({n} + 1)", text=f"{n + 1}\n") for n in range(1, 5)),
        new_markdown_cell("**Prédiction.** Que verra-t-on ?"),
        code("display(figure)", "nbval-ignore-output"),
        *(new_markdown_cell(QUESTION.format(n=n)) for n in range(1, 9)),
        new_markdown_cell("## Exercices"),
    ]
    for n in (1, 2):
        cells += [
            new_markdown_cell(f"### Exercice {n} — Doubler\n\nÉcrivez `double`."),
            code(SOLUTION, "solution"),
            code(VERIFICATION.format(n=n), "verification"),
        ]
    cells += [
        new_markdown_cell("## Ce qu'il faut retenir\n\nTout."),
        new_markdown_cell("## Références\n\nAucune."),
    ]
    notebook = new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
    return NumberCells().preprocess(notebook, {})[0]


@pytest.fixture
def lab():
    """Un lab conforme, neuf à chaque test."""
    return good_lab()


@pytest.fixture
def address():
    """L'adresse du dépôt que citent les labs d'essai."""
    return ADDRESS


@pytest.fixture
def course(tmp_path):
    """Un cours miniature sur disque : configuration, une page, un lab."""
    notebooks.write(good_lab(), tmp_path / "labs" / "01_essai.ipynb")
    (tmp_path / "labkit").mkdir()
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "index.md").write_text("# Bienvenue\n", encoding="utf-8")
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nchapters:\n"
        "  - file: labs/01_essai\n  - file: book/questions\n  - file: book/results\n"
        "  - file: book/status\n",
        encoding="utf-8",
    )
    (tmp_path / "_config.yml").write_text(
        "title: Essai\nexecute: {execute_notebooks: 'off'}\nrepository: {url: ''}\n"
        "only_build_toc_files: true\n",
        encoding="utf-8",
    )
    (tmp_path / "pyproject.toml").write_text(
        f'[project]\nname = "labkit"\n\n[project.urls]\nDepot = "{ADDRESS}"\n', encoding="utf-8"
    )
    (tmp_path / "README.md").write_text(f"# Essai\n\ngit clone {ADDRESS}\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def built(course):
    """Le cours miniature, comme si ses labs venaient d'être exécutés."""
    executed = course / "_build" / "executed"
    notebooks.write(notebooks.read(course / "labs" / "01_essai.ipynb"), executed / "01_essai.ipynb")
    record = {"name": "01_essai", "title": "Lab 1 — L'essai", "profil": "rapide", "graine": 0}
    record |= {"status": "réussi", "seconds": 1.0, "peak_mib": 90, "versions": cache.versions()}
    execute.write_status(executed, [record])
    return course


@pytest.fixture
def open_html(browser):
    """Ouvre une page écrite dans le test, à la largeur demandée."""
    pages = []

    def open_html(body, width=1280, head="", **options):
        options["viewport"] = {"width": width, "height": 800}
        page = browser.new_page(locale="fr-FR", **options)
        pages.append(page)
        page.set_content(
            f'<!doctype html><html lang="fr"><head><title>Essai</title>{head}</head>'
            f"<body>{body}</body></html>"
        )
        return page

    yield open_html
    for page in pages:
        page.close()
