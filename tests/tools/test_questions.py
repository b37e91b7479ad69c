from tools import notebooks
from tools.questions import questions_page


def test_every_question_of_every_lab_is_there_with_its_answer(course, lab):
    lab.cells[0].source = "# Lab 2 — Le second"
    notebooks.write(lab, course / "labs" / "02_second.ipynb")
    paths = notebooks.lab_paths(course / "labs")
    page = questions_page(paths)
    assert page.count("**Question ") == 16
    assert page.count("<details>") == page.count("</details>") == 16
    assert page.index("## Lab 1 — L'essai") < page.index("## Lab 2 — Le second")
    assert "(../labs/02_second.ipynb)" in page
    for cell in notebooks.questions(notebooks.read(paths[0])):
        assert cell.source in page
