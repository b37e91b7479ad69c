"""La page des questions : une liste sans script ; avec lui, tri, tirage, marques et carnet."""

import json
import re
import shutil

import nbformat
import pytest
from markdown_it import MarkdownIt

from tools import answers, notebooks
from tools.questions import questions_page

SCRIPT = notebooks.ROOT / "book" / "_static" / "questions.js"
SHOWN = ".question:not([hidden])"


@pytest.fixture
def paths(course, lab):
    """Deux labs de huit questions : toutes de rappel, sauf une d'analyse, accentuée."""
    lab.cells[0].source = "# Lab 2 — Le second"
    question = next(cell for cell in lab.cells if "Question 3" in cell.source)
    question.source = question.source.replace("*(rappel)* Combien", "*(analyse)* Rétropropager")
    notebooks.write(lab, course / "labs" / "02_second.ipynb")
    return notebooks.lab_paths(course / "labs")


def test_every_question_of_every_lab_is_there_with_its_answer(paths):
    page = questions_page(paths)
    assert len(re.findall(r"^\*\*Question ", page, re.MULTILINE)) == 16
    assert page.count("<details>") == page.count("</details>") == 16
    assert page.index("## Lab 1 — L'essai") < page.index("## Lab 2 — Le second")
    assert "(../labs/02_second.ipynb)" in page
    for cell in notebooks.questions(notebooks.read(paths[0])):
        assert cell.source in page


def test_without_answers_the_page_says_nothing_of_them(paths):
    page = questions_page(paths, answers.HIDDEN)
    assert len(re.findall(r"^\*\*Question ", page, re.MULTILINE)) == 16
    assert "<details>" not in page and "La somme vaut" not in page and "repliée" not in page


def test_each_question_has_its_address_level_and_place_in_its_lab(paths):
    page = questions_page(paths)
    found = re.findall(r'id="(lab-\d-question-\d)" data-level="(\w+)"', page)
    assert len({address for address, _ in found}) == 16
    assert dict(found)["lab-2-question-3"] == "analyse"
    assert 'href="../labs/02_second.html#question-3"' in page


def test_the_statements_to_export_have_no_answer_and_close_no_script(paths, course, lab):
    lab.cells[0].source = "# Lab 3 — Le </script> troisième"
    notebooks.write(lab, course / "labs" / "03_fin.ipynb")
    page = questions_page(notebooks.lab_paths(course / "labs"))
    notes = re.search(r'id="enonces">(.*?)</script>', page, re.DOTALL)[1]
    third = json.loads(notes)[2]
    assert third["title"] == "Lab 3 — Le </script> troisième"
    assert third["page"] == "labs/03_fin.html"
    assert third["predictions"] == [
        "**Prédiction.** Que vaut $1 + 1$ ?", "**Prédiction.** Que verra-t-on ?",
    ]  # fmt: skip
    assert third["questions"][0] == "**Question 1.** *(rappel)* Combien font $1 + 1$ ?"
    assert "La somme" not in notes


def test_each_question_says_where_it_stands(paths, course):
    lab = notebooks.read(paths[0])
    rank = next(i for i, cell in enumerate(lab.cells) if "Question 5" in cell.source)
    lab.cells[rank].source = lab.cells[rank].source.replace(
        "Combien font", "D'après le tableau, la section 4 et la loi ci-dessus, combien font"
    )
    lab.cells.insert(rank, nbformat.v4.new_markdown_cell("## 4. Ce que $\\beta$ change"))
    notebooks.write(lab, paths[0])
    page = questions_page(notebooks.lab_paths(course / "labs"))
    link = '<a href="../labs/01_essai.html#question-5">'
    section = '<a href="../labs/01_essai.html#ce-que-beta-change">section 4</a>'
    asked = f"D'après {link}le tableau</a>, la {section} et la loi {link}ci-dessus</a>, combien"
    assert asked in page
    assert re.findall(r"Dans le lab 1(?:, section \d)?</a>", page)[3:5] == [
        "Dans le lab 1</a>", "Dans le lab 1, section 4</a>",
    ]  # fmt: skip


def test_no_question_of_the_course_points_at_what_its_page_lacks():
    page = questions_page(notebooks.lab_paths(notebooks.ROOT / "labs"))
    shown, _, _ = page.partition('id="enonces"')  # le carnet exporté cite les énoncés tels quels
    plain = re.sub(r"<a\b[^>]*>[^<]*</a>", "", shown)
    assert re.findall(r".{30}\bsection \d+\b(?! du lab).{20}", plain, re.DOTALL) == []
    assert re.findall(r".{30}\bci-des\w+", plain, re.DOTALL) == []
    assert '<a href="../labs/06_ganlab.html#question-10">ci-dessus</a>' in shown


@pytest.fixture
def site(paths, tmp_path):
    """La page telle que le site la donne, à peu de chose près, dans un fichier."""
    write_page(tmp_path, questions_page(paths))
    return tmp_path


def write_page(folder, text):
    first, *labs = MarkdownIt("commonmark", {"html": True}).render(text).split("<h2>")
    sections = "".join(f"<section><h2>{lab}</section>" for lab in labs)
    html = f"<!doctype html><article><section>{first}{sections}</section></article>"
    (folder / "book" / "questions.html").write_text(html, encoding="utf-8")
    (folder / "_static").mkdir(exist_ok=True)
    shutil.copy(SCRIPT, folder / "_static")


@pytest.fixture
def page(browser, site):
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.goto((site / "book" / "questions.html").as_uri())
    yield page
    assert page.faults == []
    context.close()


def shown(page):
    return [block.get_attribute("id") for block in page.locator(SHOWN).all()]


def status(page):
    return page.locator("[role=status]").inner_text()


def test_filters_keep_what_matches_them_all(page):
    assert len(shown(page)) == 16 and status(page) == "16 questions sur 16"
    page.get_by_label("Lab", exact=True).select_option("2")
    assert shown(page) == [f"lab-2-question-{n}" for n in range(1, 9)]
    assert page.locator("h2:visible").all_inner_texts() == ["Lab 2 — Le second"]
    page.get_by_label("Niveau").select_option("analyse")
    assert shown(page) == ["lab-2-question-3"] and status(page) == "1 question sur 16"
    page.get_by_label("Lab", exact=True).select_option("1")
    assert shown(page) == []
    page.get_by_role("button", name="Toutes les questions").click()
    assert len(shown(page)) == 16


@pytest.mark.parametrize("word", ["rétropropager", "RETROPROPAGER", "  propager "])
def test_a_word_is_found_with_or_without_accents(page, word):
    page.get_by_label("Mot").fill(word)
    assert shown(page) == ["lab-2-question-3"]


def test_ten_are_drawn_otherwise_each_time_among_those_that_match(page):
    draw = page.get_by_role("button", name="10 au hasard")
    draws = set()
    for _ in range(5):
        draw.click()
        assert len(shown(page)) == 10
        draws.add(tuple(shown(page)))
    assert len(draws) > 1
    page.get_by_label("Lab", exact=True).select_option("1")
    draw.click()
    assert shown(page) == [f"lab-1-question-{n}" for n in range(1, 9)]


def test_all_answers_open_and_close(page):
    button = page.get_by_role("button", name="Ouvrir les réponses")
    button.click()
    assert page.locator("details[open]").count() == 16
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert page.locator("details[open]").count() == 0


def mark(page, question, name):
    page.locator(f"#{question}").get_by_role("button", name=name, exact=True).click()


def test_marks_and_answers_stay_in_this_browser(page):
    mark(page, "lab-1-question-2", "À revoir")
    mark(page, "lab-2-question-5", "Sue")
    mark(page, "lab-2-question-6", "Sue")
    mark(page, "lab-2-question-6", "Sue")  # un second appui l'efface
    mark(page, "lab-1-question-2", "Ma réponse")
    page.locator("#lab-1-question-2 textarea").fill("Trois, je crois.")
    page.reload()
    assert page.locator("#lab-1-question-2 textarea").input_value() == "Trois, je crois."
    pressed = page.locator("[data-mark][aria-pressed=true]")
    assert pressed.all_inner_texts() == ["À revoir", "Sue"]
    page.get_by_label("Marque").select_option("à revoir")
    assert shown(page) == ["lab-1-question-2"]
    page.get_by_label("Marque").select_option("aucune")
    assert len(shown(page)) == 14
    assert page.context.cookies() == []
    assert page.evaluate("localStorage.length") == 2


def test_the_notebook_holds_predictions_marks_and_answers(page):
    mark(page, "lab-2-question-3", "À revoir")
    mark(page, "lab-1-question-1", "Ma réponse")
    page.locator("#lab-1-question-1 textarea").fill("Deux.\nSûr.")
    page.evaluate(
        """() => localStorage.setItem(
          location.pathname.replace("book/questions.html", "labs/01_essai.html") + "#prediction-2",
          "Une droite.")"""
    )
    with page.expect_download() as download:
        page.get_by_role("button", name="Exporter mon carnet").click()
    assert download.value.suggested_filename == "mon-carnet.md"
    assert download.value.path().read_text(encoding="utf-8") == (
        "# Mon carnet\n\n"
        "## Lab 1 — L'essai\n\n"
        "### Prédictions\n\n**Prédiction.** Que verra-t-on ?\n\n> Une droite.\n\n"
        "### Questions\n\n**Question 1.** *(rappel)* Combien font $1 + 1$ ?\n\n"
        "> Deux.\n> Sûr.\n\n"
        "## Lab 2 — Le second\n\n"
        "### Questions\n\n**Question 3.** *(analyse)* Rétropropager font $3 + 1$ ?\n\n"
        "Marque : à revoir\n"
    )
    assert "mon-carnet.md" in status(page)


def test_an_empty_notebook_is_not_exported(page):
    page.get_by_role("button", name="Exporter mon carnet").click()
    assert status(page).startswith("Rien à exporter")


def test_an_address_shows_its_question_whatever_the_filter(page):
    page.get_by_label("Lab", exact=True).select_option("1")
    page.evaluate("location.hash = '#lab-2-question-8'")
    page.wait_for_function("!document.querySelector('#lab-2-question-8').hidden")
    assert page.locator("#lab-2-question-8").is_visible()
    page.reload()
    assert page.evaluate("document.querySelector(':target').id") == "lab-2-question-8"
    top = page.evaluate("document.querySelector(':target').getBoundingClientRect().top")
    assert 0 <= top < 720


def test_everything_is_done_with_the_keyboard(page):
    page.get_by_label("Lab", exact=True).focus()
    page.keyboard.type("Lab 2")
    assert len(shown(page)) == 8
    page.get_by_label("Mot").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "draw"
    page.locator("#lab-2-question-1 [data-mark=sue]").focus()
    page.keyboard.press("Space")
    assert page.locator("#lab-2-question-1 [data-mark=sue]").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"


@pytest.mark.parametrize(
    "broken",
    [
        "localStorage.setItem(location.pathname + '#lab-1-question-1', '{')",
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error(); } })",
    ],
)
def test_a_broken_or_refused_storage_leaves_the_page_usable(browser, site, broken):
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(broken)
    page.goto((site / "book" / "questions.html").as_uri())
    mark(page, "lab-1-question-1", "Sue")
    page.get_by_label("Marque").select_option("sue")
    assert shown(page) == ["lab-1-question-1"]
    context.close()


def test_without_script_it_is_a_plain_list(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site / "book" / "questions.html").as_uri())
    assert len(shown(page)) == 16
    assert page.locator("button, select, input").count() == 0
    page.locator("summary").first.click()
    assert page.get_by_text("La somme vaut").first.is_visible()
    context.close()


def test_a_site_without_answers_offers_to_open_none(browser, site, paths):
    write_page(site, questions_page(paths, answers.HIDDEN))
    context = browser.new_context()
    page = context.new_page()
    page.goto((site / "book" / "questions.html").as_uri())
    assert page.get_by_role("button", name="Ouvrir les réponses").count() == 0
    mark(page, "lab-1-question-1", "Sue")
    page.get_by_role("button", name="10 au hasard").click()
    assert len(shown(page)) == 10
    context.close()
