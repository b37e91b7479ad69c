import base64
from io import BytesIO

import pytest
from bs4 import BeautifulSoup
from PIL import Image

from tools import pages, search_index

LAB = """<article><section id="lab"><h1>Lab 1</h1><p>Soit un neurone.</p>
<p><strong>Prédiction.</strong> Que vaut la somme ?</p>
<div class="cell"><div class="cell_input">1 + 1</div></div>
<div class="cell"><div class="cell_output">2</div></div>
<p>Deux, donc.</p>
<p><strong>Question 1.</strong> Pourquoi ?</p>
<div class="cell"><div class="cell_output">3</div></div></section></article>"""


def soup(text):
    return BeautifulSoup(text, "html.parser")


def test_a_prediction_marks_its_results_and_their_comment_only():
    page = soup(LAB)
    pages.mark_predictions(page)
    assert page.select_one(".prediction").get("id") == "prediction-1"
    marked = [element.get_text() for element in page.select("[data-prediction]")]
    assert marked == ["2", "Deux, donc."]


@pytest.mark.parametrize("stop", ["<h2>Suite</h2>", "<section>Suite</section>"])
def test_a_prediction_stops_at_the_next_heading(stop):
    page = soup(LAB.replace("<p>Deux, donc.</p>", stop))
    pages.mark_predictions(page)
    assert [element.get_text() for element in page.select("[data-prediction]")] == ["2"]


def test_each_figure_of_a_cell_gets_its_own_text():
    both = f"Avant.{pages.CAPTION_SEPARATOR}Elle monte.{pages.ALT_SEPARATOR}"
    both += f"Après.{pages.CAPTION_SEPARATOR}"
    page = soup(f'<div class="cell"><img alt="{both}"><img alt="{both}"></div>')
    pages.name_figures(page)
    assert [image["alt"] for image in page.find_all("img")] == ["Avant.", "Après."]
    assert [image["data-caption"] for image in page.find_all("img")] == ["Elle monte.", ""]


def test_a_page_is_described_by_its_first_paragraph():
    page = soup('<meta name="description" content=""><article><p>Un neurone  <b>seul</b>.</p>')
    pages.describe(page)
    assert page.meta["content"] == "Un neurone seul."
    page = soup(f'<meta name="description"><article><p>{"mot " * 100}</p></article>')
    pages.describe(page)
    assert len(page.meta["content"]) <= pages.DESCRIPTION_LENGTH
    assert page.meta["content"].endswith("mot…")


def test_roles_headers_and_names_that_axe_refuses_are_mended():
    page = soup(
        '<div class="citation-list" role="list"><a role="doc-backlink">A</a></div>'
        "<table><th></th><th>a</th></table>"
        '<details class="admonition hide"><summary aria-label="Toggle hidden content">'
        '<p class="admonition-title">Montrer le code</p></summary></details>'
    )
    for change in (pages.list_sources, pages.fill_headers, pages.name_folds):
        change(page)
    assert "role=" not in str(page)
    assert len(page.find_all("th")) == 1
    assert "Toggle" not in str(page)


def test_a_gif_becomes_a_sheet_and_its_last_frame(tmp_path):
    frames = [Image.new("L", (4, 3), shade) for shade in (0, 128, 255)]
    content = BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:], duration=80)
    encoded = base64.b64encode(content.getvalue()).decode()
    (tmp_path / "labs").mkdir()
    (tmp_path / "_images").mkdir()
    page = soup(f'<article><img alt="a" src="data:image/gif;base64,{encoded}"></article>')
    pages.unroll_animations(page, tmp_path / "labs")
    assert (page.img["data-frames"], page.img["data-delay"]) == ("3", "80")
    with Image.open(tmp_path / "labs" / page.img["data-sheet"]) as sheet:
        assert sheet.size == (4, 9)
        assert [sheet.convert("L").getpixel((0, y)) for y in (0, 3, 6)] == [0, 128, 255]
    with Image.open(tmp_path / "labs" / page.img["src"]) as last:
        assert last.convert("L").getpixel((0, 0)) == 255


def test_code_loses_the_tags_that_do_not_colour_it():
    code = '<pre><span class="n">x</span> <span class="o">=</span><span class="p">(</span></pre>'
    assert pages.lightened(code) == '<pre>x <span class="o">=</span>(</pre>'
    assert pages.lightened('<p class="n">a</p>') == '<p class="n">a</p>'


def test_pruning_keeps_what_pages_load(tmp_path):
    kept = ["scripts/bootstrap.js", "custom.css"]
    useless = ["scripts/bootstrap.js.map", "locales/fr/x.po"]
    for name in kept + useless:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("", encoding="utf-8")
    pages.prune(tmp_path)
    found = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert found == set(kept)


def test_pruning_drops_the_rules_of_icons_that_no_page_shows(tmp_path):
    (tmp_path / "styles").mkdir()
    sheet = tmp_path / "styles" / "a.css"
    rules = (
        '.a{color:red}.fa-star:before{content:"x"}.fa-a,.fa-b{b:c}@media print{.fa-c{d:e}.z{f:g}}'
    )
    sheet.write_text(rules, encoding="utf-8")
    pages.prune(tmp_path)
    assert sheet.read_text() == ".a{color:red}@media print{.z{f:g}}"


def test_sections_are_indexed_without_code_formula_or_glued_words():
    page = soup(
        '<article><section id="a"><h1>Lab<a class="headerlink">#</a></h1><p>Un.</p><p>Deux</p>'
        '<pre>x = 1</pre><section id="b"><h2>Perte</h2>'
        '<p>Soit <span class="math">\\(x_1\\)</span>, donc.</p></section></section></article>'
    )
    first, second = search_index.sections(page, "labs/a.html")
    assert first == {"url": "labs/a.html#a", "title": "Lab", "page": "Lab", "text": "Un. Deux"}
    assert second["url"] == "labs/a.html#b"
    assert second["text"] == "Soit …, donc."


def test_each_question_leads_to_the_next():
    ask = "<p><strong>Question {n}.</strong> Pourquoi ?</p><details>Parce que.</details>"
    page = soup(
        '<div id="pst-skip-link"><a href="#main">Passer</a></div><article><section>'
        + "".join(ask.format(n=n) for n in (1, 2, 3))
        + "</section></article>"
    )
    pages.link_questions(page)
    assert [p["id"] for p in page.select("p[tabindex]")] == [f"question-{n}" for n in (1, 2, 3)]
    links = page.select(".next-question a")
    assert [link["href"] for link in links] == ["#question-2", "#question-3"]
    assert links[0].find_parent("p").find_previous_sibling().name == "details"
    assert page.select("#pst-skip-link a")[-1]["href"] == "#question-1"


def test_questions_of_several_labs_are_left_alone():
    page = soup("<article>" + "<p><strong>Question 1.</strong> Ah ?</p>" * 2 + "</article>")
    pages.link_questions(page)
    assert page.select("[id], .next-question") == []
