import re

import pytest
from nbformat.v4 import new_output

from labkit.plots.style import CAPTION_MARK
from tools import demos, notebooks, pages, site


def figure_output(alt, caption=""):
    facts = {"alt": alt, "caption": caption}
    data = {"image/svg+xml": "<svg></svg>"}
    return new_output("display_data", data=data, metadata={"image/svg+xml": facts})


def test_the_texts_of_figures_move_to_where_the_site_reads_them(lab):
    cell = next(cell for cell in lab.cells if "display(figure)" in cell.source)
    repeated = {"data": {"text/plain": "Elle décroît."}, "metadata": {CAPTION_MARK: True}}
    cell.outputs = [
        figure_output("Une perte.", "L'écart : il décroît."),
        new_output("display_data", **repeated),
        figure_output("Un nuage."),
    ]
    site.site_notebook(lab)
    assert len(cell.outputs) == 2
    texts = cell.metadata["mystnb"]["image"]["alt"].split(pages.ALT_SEPARATOR)
    first, second = (text.split(pages.CAPTION_SEPARATOR) for text in texts)
    assert first == ["Une perte.", f"L’écart{site.NO_BREAK_SPACE}: il décroît."]
    assert second == ["Un nuage.", ""]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pourquoi ? Voici : oui ; non !", "Pourquoi~? Voici~: oui~; non~!"),
        ("# Lab 1 — Et XOR ?", "# Lab 1 — Et XOR~?"),
        ("« mot » à 80 %", "«~mot~» à 80~%"),
        ("1 797 images, 1 000 000 de mots", "1~797 images, 1~000~000 de mots"),
        ("**$x = 1$** : oui ; $y$ ?", "**$x = 1$**~: oui~; $y$~?"),
        ("Soit `a` : oui", "Soit `a`~: oui"),
        ("le 12 mai 1986, 00, 01", "le 12 mai 1986, 00, 01"),
        ("en 20 min, 5,4 Go, 1 nat", "en 20~min, 5,4~Go, 1~nat"),
        ("vaut 1 s'il pleut, 3 souris", "vaut 1 s'il pleut, 3 souris"),
    ],
)
def test_french_spaces_do_not_break(text, expected):
    assert site.french_spaces(text) == expected.replace("~", site.NO_BREAK_SPACE)


@pytest.mark.parametrize(
    "text",
    [
        "$a ; b$ et $$\nc : 1 000\n$$",
        "$w_1 <\nw_0 : 1$",
        "`x[a : b]` et ``a ` : b``",
        "```python\nif x : pass  # « 1 000 »\n```",
        "~~~\na ; b ?\n~~~",
        '<img style="width : 1 000px">',
        "<details>\n<summary>Réponse</summary>",
        'https://exemple.org/?q=1 et [page](labs/a%20b.ipynb "titre : mot")',
        "| a | b |\n| :--- | ---: |",
        "un ![dessin](a.png)",
        "::: {note}\n:class: x\n:::",
    ],
)
def test_what_is_not_prose_keeps_its_spaces(text):
    assert site.french_spaces(text) == text


def test_only_prose_cells_get_no_break_spaces(lab):
    code = [cell.source for cell in notebooks.code_cells(lab)]
    site.site_notebook(lab)
    assert f"Objectifs{site.NO_BREAK_SPACE}: essayer." in lab.cells[0].source
    assert [cell.source for cell in notebooks.code_cells(lab)] == code


def test_solutions_are_folded(lab):
    site.site_notebook(lab)
    solutions = [cell for cell in lab.cells if "solution" in notebooks.tags(cell)]
    assert len(solutions) == 2
    assert all("hide-input" in notebooks.tags(cell) for cell in solutions)


def test_sources_hold_pages_notebooks_and_computed_pages(built):
    source = site.assemble(built, built / "_build")
    files = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    assert files == {
        "_config.yml",
        "_toc.yml",
        "book/bench.md",
        "book/index.md",
        "book/questions.md",
        "book/results.md",
        "book/status.md",
        "book/teaching.md",
        "labs/01_essai.ipynb",
    }


def test_the_demos_are_among_the_static_files(built):
    demo = built / "demos" / "jeu"
    demo.mkdir(parents=True)
    (demo / "jeu.js").write_text("0;", encoding="utf-8")
    source = site.assemble(built, built / "_build")
    assert (source / "book" / "_static" / "demos" / "jeu" / "jeu.js").read_text() == "0;"


def test_a_page_loads_what_its_demo_loads(lab):
    lab.cells[0].source += '\n\n<div class="demo" data-demo="ganlab"><p>Rien.</p></div>'
    site.site_notebook(lab)
    added = lab.cells[0].source.partition("</div>")[2]
    assert '<link href="../_static/demos/ganlab/ganlab.css" rel="stylesheet" />' in added
    scripts = re.findall('src="(.+?)"', added)
    assert scripts[0] == "../_static/demos/nn.js"
    assert scripts[-1] == "../_static/demos/ganlab/ganlab.js"
    folder = notebooks.ROOT / "demos"
    files = {folder / script.removeprefix("../_static/demos/") for script in scripts}
    assert all(file.is_file() for file in files)
    assert set((folder / "ganlab").glob("*.js")) <= files


def test_two_demos_of_a_page_load_once_what_they_share(lab):
    for rank, name in enumerate(("ganlab", "latent")):
        lab.cells[rank].cell_type = "markdown"
        lab.cells[rank].source += f'\n\n<div class="demo" data-demo="{name}"><p>Rien.</p></div>'
    site.site_notebook(lab)
    added = "".join(cell.source for cell in lab.cells[:2])
    scripts = re.findall('src="(.+?)"', added)
    assert len(scripts) == len(set(scripts))
    assert "../_static/demos/shared/controls.js" in scripts
    assert scripts[-1] == "../_static/demos/latent/latent.js"


@pytest.mark.parametrize("name", sorted(demos.WEIGHTS))
def test_the_site_carries_the_weights_that_its_demos_load(built, name):
    (built / "demos" / name).mkdir(parents=True)
    source = site.assemble(built, built / "_build")
    written = {path.stem for path in (source / "book" / "_static" / "demos" / "weights").iterdir()}
    assert written == {*demos.WEIGHTS[name], *demos.NUMBERS.get(name, {})}


def test_an_unknown_demo_stops_the_site():
    with pytest.raises(notebooks.LabError, match="'absente' introuvable"):
        site.demo_tags("absente")


def test_an_unexecuted_lab_stops_the_site(course, capsys):
    assert site.main([], course) == 1
    assert "01_essai.ipynb n'a pas été exécuté" in capsys.readouterr().err


def test_a_warning_fails_the_build_even_the_second_time(built):
    index = built / "book" / "index.md"
    index.write_text("# Bienvenue\n\n[perdu](absente.md)\n", encoding="utf-8")
    assert site.main([], built) != 0
    assert site.main([], built) != 0
