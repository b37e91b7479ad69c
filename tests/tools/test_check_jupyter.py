import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import check_jupyter, check_site, notebooks

DRAW = """from IPython.display import SVG, display

size = 9
circle = '<svg xmlns="http://www.w3.org/2000/svg" width="99" height="99">'
display(SVG(circle + f'<circle r="{size}"/></svg>'))"""
ANSWER = "Pourquoi ?\n\n<details>\n<summary>Réponse</summary>\n\nParce que.\n\n</details>"


def write(folder, *cells):
    path = folder / "01_essai.ipynb"
    notebook = new_notebook(cells=list(cells))
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    notebooks.write(notebook, path)
    return path


def test_errors_and_skipped_cells_are_named():
    failed = {"output_type": "error", "ename": "ValueError", "evalue": "trop"}
    cells = [
        {"cell_type": "markdown", "source": "a"},
        {"cell_type": "code", "execution_count": 1, "outputs": [failed]},
        {"cell_type": "code", "execution_count": None, "outputs": []},
    ]
    assert check_jupyter._errors(cells) == [
        "cellule 2 : ValueError, trop", "cellule 3 : pas exécutée",
    ]  # fmt: skip
    assert check_jupyter._errors(cells[:1]) == []


def test_a_server_that_does_not_answer_says_why(tmp_path, monkeypatch):
    monkeypatch.setitem(check_jupyter.SERVER, "ServerApp.root_dir", "/absent")
    monkeypatch.setattr(check_jupyter, "START_DELAY", 0)
    with pytest.raises(TimeoutError, match="ne répond pas"), check_jupyter.jupyter(tmp_path):
        pass


@pytest.mark.parametrize(
    ("program", "found"), [(DRAW, []), (DRAW + "\n1 / 0", ["ZeroDivisionError"])]
)
def test_a_notebook_is_run_in_a_real_jupyterlab(tmp_path, program, found):
    pytest.importorskip("playwright")
    try:
        check_site.find_browser()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    path = write(tmp_path, new_markdown_cell(ANSWER), new_code_cell(program))
    sentences = check_jupyter.check([path])["01_essai"]
    assert len(sentences) == len(found)
    assert all(text in sentence for text, sentence in zip(found, sentences, strict=True))


def test_absent_menus_are_a_fault_where_the_lab_has_some():
    cells = [{"cell_type": "code", "source": "labkit.explore(show, CHOICES)", "outputs": []}]
    assert check_jupyter._widget(None, cells) == [
        "cellule 1 : pas de menus ; ipywidgets est-il là ?"
    ]
    assert check_jupyter._widget(None, [{"cell_type": "code", "source": "1 + 1"}]) == []
