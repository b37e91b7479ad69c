"""Mots, symboles et citations : marqués à la construction, expliqués par glosses.js."""

import re

import pytest
from bs4 import BeautifulSoup

from tools import glosses, notebooks, page_checks, pages
from tools.formulas import to_mathml

STATIC = notebooks.ROOT / "book" / "_static"

TERM = '<dt id="term-{name}">{name}<a class="headerlink">#</a></dt><dd><p>{text}</p></dd>'
TERMS = {
    "Perte": "<em>Loss.</em> Nombre que l'on minimise, $.",
    "Perte non saturante": "<em>Non-saturating loss.</em> Celle du générateur.",
    "Canal": "<em>Channel.</em> Plan d'une image.",
    "Autoencodeur variationnel": "<em>Variational autoencoder, VAE.</em> Un <a>modèle</a>.",
    "ReLU fuyante": "<em>Leaky ReLU.</em> Une pente.",
    "Taux d’apprentissage": "<em>Learning rate.</em> Un facteur.",
    "Cache": "<em>KV cache.</em> Clés gardées.",
    "Rappel": "<em>Recall.</em> La variété.",
}
SOURCES = r"""
@article{a, author = {Kingma, Diederik P. and Welling, Max}, title = {Auto-Encoding {Bayes}},
  year = {2014}}
@article{b, author = {Bi{\'n}kowski, M. and Sutherland, D. and Arbel, M.}, title = {MMD {GANs}},
  year = {2018}}
@article{c, author = {Jordan, Keller and others}, title = {Muon}, year = {2024}}
"""
CITED = """<div class="citation" id="id1"><span class="label">KW14</span><p>Kingma and Welling.
Auto-encoding Bayes. 2014. <a href="https://x.org">https://x.org</a></p></div>
<div class="citation" id="id2"><p>Bińkowski. MMD GANs. 2018.</p></div>
<div class="citation" id="id3"><p>Jordan. Muon. 2024.</p></div>"""
NOTATION = (
    "<article><section><section><h2>Données</h2><table><tbody><tr><td><p>"
    f'<span class="math">{to_mathml("x")}</span></p></td><td><p><code>x</code></p></td>'
    "<td><p>–</p></td><td><p>entrée du modèle</p></td></tr></tbody></table></section></section>"
    "</article>"
)
SYMBOL = f'<span class="math">{to_mathml("x")}</span>'
LAB = """<!doctype html><html lang="fr" data-content_root="../"><head><meta charset="utf-8">
<title>Lab</title><link rel="stylesheet" href="../_static/custom.css"></head><body><main>
<article class="bd-article">
<section><h1>Lab 3, perte</h1>{top}{sections}</section></article></main>
<script src="../_static/glosses.js"></script></body></html>"""


@pytest.fixture
def html(tmp_path):
    """Un site réduit aux trois pages qui expliquent."""
    terms = "".join(TERM.format(name=name, text=text) for name, text in TERMS.items())
    for name, content in {
        "book/glossary.html": f'<article><dl class="glossary">{terms}</dl></article>',
        "book/bibliography.html": f"<article>{CITED}</article>",
        "book/notation.html": NOTATION,
        "book/references.bib": SOURCES,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    (tmp_path / "_static").mkdir()
    for name in ("glosses.js", "custom.css"):
        (tmp_path / "_static" / name).write_bytes((STATIC / name).read_bytes())
    return tmp_path


@pytest.fixture
def explained(html):
    return glosses.read(html, html / "book" / "references.bib")


def mark(explained, *sections, top="", name="labs/03_vae.html"):
    """Les mots marqués, dans l'ordre : texte et clé."""
    sections = "".join(f"<section>{section}</section>" for section in sections)
    page = BeautifulSoup(LAB.format(top=top, sections=sections), "html.parser")
    explained.mark(page, name)
    return [(link.get_text(), link["data-gloss"]) for link in page.select("a.gloss")]


def texts(explained, *sections, **options):
    return [text for text, _ in mark(explained, *sections, **options)]


def test_the_first_of_each_section_is_marked_and_a_title_is_not(explained):
    found = mark(
        explained,
        "<h2>La perte</h2><p>Une perte, des pertes.</p><section><p>Perte.</p></section>",
        "<ul><li>Les Pertes.</li></ul>",
        top="<p>La perte.</p>",
    )
    assert found == [("perte", "term-Perte"), ("perte", "term-Perte"), ("Pertes", "term-Perte")]


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("La perte non saturante, puis la perte.", ["perte non saturante", "perte"]),
        ("Trois canaux, un canal.", ["canaux"]),
        ("Un VAE et le CVAE ; ReLU.", ["VAE"]),
        ("Des ReLU fuyantes.", ["ReLU fuyantes"]),
        ("Le taux d'apprentissage.", ["taux d'apprentissage"]),
        ("Des\ntaux\nd’apprentissage.", ["taux\nd’apprentissage"]),
        ("On cache la classe, puis le cache.", ["cache"]),
        ("Sans déperte ni perte-fracas.", []),
    ],
)
def test_forms_of_a_term(explained, text, marked):
    assert texts(explained, f"<p>{text}</p>") == marked


def test_a_word_of_everyday_language_counts_in_its_labs_only(explained):
    assert texts(explained, "<p>Un rappel.</p>") == []
    assert texts(explained, "<p>Un rappel.</p>", name="labs/10_comparaison.html") == ["rappel"]


@pytest.mark.parametrize("tag", ["a", "code", "em", "pre", "details", "figure", "table", "h3"])
def test_what_is_not_prose_stays_plain(explained, tag):
    assert texts(explained, f"<p><{tag}>perte</{tag}></p>") == []
    assert texts(explained, '<div class="cell"><p>perte</p></div>', "<div>perte</div>") == []


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("(Kingma et Welling, 2014)", "id1"),
        ("Kingma et\nWelling (2014)", "id1"),
        ("Bińkowski et coll., 2018", "id2"),
        ("Bińkowski, Sutherland et Arbel (2018)", "id2"),
        ("Jordan et coll., 2024", "id3"),
    ],
)
def test_a_citation_leads_to_its_source(explained, text, key):
    assert [found for _, found in mark(explained, f"<p>{text}.</p>")] == [key]
    assert mark(explained, f"<p>{text.replace('20', '19')}.</p>") == []


def test_references_and_other_pages_stay_plain(explained):
    assert texts(explained, "<p>perte</p>", name="book/student_guide.html") == []
    page = BeautifulSoup('<article><section><section id="references"><p>perte</p>', "html.parser")
    assert explained.mark(page, "labs/03_vae.html") == 0


def test_each_question_of_their_page_is_a_section_of_its_lab(explained):
    block = '<div class="question" id="lab-{lab}-question-1"><p>Le rappel, la perte.</p></div>'
    page = BeautifulSoup(block.format(lab=3) + block.format(lab=10), "html.parser")
    explained.mark(page, "book/questions.html")
    assert [a.get_text() for a in page.select("a.gloss")] == ["perte", "rappel", "perte"]


def test_a_site_without_those_pages_is_left_as_it_is(tmp_path):
    none = glosses.read(tmp_path, tmp_path / "references.bib")
    page = BeautifulSoup(LAB.format(top="<p>La perte.</p>", sections=""), "html.parser")
    before = str(page)
    assert none.mark(page, "labs/03_vae.html") == 0 and str(page) == before


@pytest.fixture
def page(browser, html):
    (html / "labs").mkdir()
    filler = "<p style='height: 3000px'></p>"
    text = f"<p>La perte ; Kingma et Welling (2014) ; {SYMBOL}.</p>"
    name = "labs/03_vae.html"
    (html / name).write_text(LAB.format(top=text + filler, sections=""), encoding="utf-8")
    pages.finish(html, html / "book" / "references.bib")
    context = browser.new_context(viewport={"width": 360, "height": 700}, has_touch=True)
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.goto((html / name).as_uri())
    yield page
    context.close()


def shown(page):
    page.locator("#gloss").wait_for(state="visible")
    return page.locator("#gloss").inner_text()


def hidden(page):
    page.locator("#gloss").wait_for(state="hidden")
    return True


def test_hover_focus_and_escape(page):
    page.locator("a.gloss").first.hover()
    assert shown(page).startswith("Perte. Loss. Nombre")
    page.locator("#gloss").hover()
    assert page.locator("#gloss").is_visible()
    page.mouse.move(300, 650)
    assert hidden(page)
    page.keyboard.press("Tab")
    assert shown(page).startswith("Perte.")
    page.keyboard.press("Tab")
    page.wait_for_function("document.querySelector('#gloss').textContent.includes('2014')")
    page.keyboard.press("Tab")
    page.wait_for_function("document.querySelector('#gloss').textContent.includes('entrée')")
    described = page.evaluate("document.activeElement.getAttribute('aria-describedby')")
    assert described == "gloss"
    page.keyboard.press("Escape")
    assert hidden(page)
    assert page.locator("[aria-describedby]").count() == 0
    assert page.locator("#gloss a").count() == 0


def test_the_first_touch_explains_and_the_second_follows(page):
    address = page.url
    page.locator("a.gloss").first.tap()
    assert shown(page).startswith("Perte.") and page.url == address
    page.locator("math [data-gloss]").tap()
    page.wait_for_function("document.querySelector('#gloss').textContent.includes('entrée')")
    page.touchscreen.tap(300, 650)
    assert hidden(page)
    page.locator("a.gloss").first.tap()
    shown(page)
    page.locator("a.gloss").first.tap()
    page.wait_for_url("**/glossary.html#term-Perte")


def test_it_stays_in_the_page_and_the_site_check_accepts_it(page):
    page.locator("a.gloss").first.focus()
    shown(page)
    assert page_checks.overflow(page, 360) == []
    assert page_checks.glosses(page) == []
    page.evaluate("delete window.GLOSSES['term-Perte']")
    assert page_checks.glosses(page)[-1] == "explication absente : term-Perte"


def test_without_script_remain_plain_links(browser, page, html):
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto((html / "labs" / "03_vae.html").as_uri())
    assert plain.locator("[tabindex], #gloss").count() == 0
    plain.locator("a.gloss").first.click()
    assert plain.url.endswith("glossary.html#term-Perte")
    context.close()


def prose_of(lab):
    cells = (cell.source for cell in lab.cells if cell.cell_type == "markdown")
    return re.sub(r"```.*?```|^## Références.*", "", "\n\n".join(cells), flags=re.DOTALL | re.M)


def test_every_citation_of_the_labs_is_in_the_bibliography():
    from pybtex.database import parse_file

    entries = parse_file(notebooks.ROOT / "book" / "references.bib").entries.values()
    forms = re.compile("|".join(form for entry in entries for form in glosses.citations(entry)))
    written = re.compile(r"[A-ZÉ][\wé-]+(?:\s+et\s+(?:coll\.|[A-ZÉ][\wé-]+))(?:,\s+|\s+\()\d{4}")
    for path in notebooks.lab_paths(notebooks.ROOT / "labs"):
        text = prose_of(notebooks.read(path))
        missing = set(written.findall(forms.sub("", text)))
        assert not missing, f"{path.name} : {missing}"
