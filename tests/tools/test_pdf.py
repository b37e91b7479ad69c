import pytest
from bs4 import BeautifulSoup

from tools import archives, check_site, pdf

PAGE = """<!doctype html><html lang="fr"><head><link rel="stylesheet" href="../_static/a.css">
<title>Essai</title></head><body><nav class="bd-docs-nav"><a href="{first}">Lab 1</a></nav><main>
<article class="bd-article"><section id="debut"><h1>{title}<a class="headerlink">#</a></h1>
<p>Voir <a href="{link}">là</a>, <a href="absente.html">ailleurs</a> et
<a href="https://exemple.org/">dehors</a>.</p>
<section id="suite"><h2>Suite</h2><img src="../_images/a.svg" alt="Jour." class="only-light">
<img src="../_images/a.svg#sombre" alt="Nuit." class="only-dark">
<details><summary>Réponse</summary>Oui.</details></section></section></article></main></body></html>
"""
IMAGE = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" viewBox="0 0 9 9"></svg>'


@pytest.fixture
def site(tmp_path):
    """Un site de deux pages, l'accueil et un lab, qui se citent."""
    html = tmp_path / "html"
    for folder in ("book", "labs", "_static", "_images"):
        (html / folder).mkdir(parents=True)
    first = {"title": "Un cours", "first": "../labs/un.html", "link": "../labs/un.html#suite"}
    second = {"title": "Lab 1", "first": "un.html", "link": "#suite"}
    (html / "book" / "index.html").write_text(PAGE.format(**first), encoding="utf-8")
    (html / "labs" / "un.html").write_text(PAGE.format(**second), encoding="utf-8")
    (html / "_static" / "a.css").write_text(".only-dark { display: none }", encoding="utf-8")
    (html / "_images" / "a.svg").write_text(IMAGE, encoding="utf-8")
    return html


@pytest.fixture
def composed(site):
    return BeautifulSoup(pdf.compose(site, "fermees"), "html.parser")


def test_pages_follow_the_plan_of_the_course(site):
    assert pdf.page_order(site) == ["book/index.html", "labs/un.html"]


def test_anchors_of_two_pages_differ(composed):
    ids = [element["id"] for element in composed.select("section[id]")]
    assert ids == [
        "book-index--debut", "book-index--suite", "labs-un--debut", "labs-un--suite",
    ]  # fmt: skip


def test_links_stay_inside_the_document(composed):
    first, second = composed.select("article")
    assert [a["href"] for a in first.select("a")] == ["#labs-un--suite", "https://exemple.org/"]
    assert second.a["href"] == "#labs-un--suite"
    assert "ailleurs" in first.get_text()


def test_the_contents_name_every_section(composed):
    entries = [(li["class"][0], li.a.get_text()) for li in composed.select(".pdf-contents li")]
    assert entries == [
        ("level-1", "Un cours"), ("level-2", "Suite"), ("level-1", "Lab 1"), ("level-2", "Suite"),
    ]  # fmt: skip
    numbered = BeautifulSoup(pdf.number_pages(str(composed), {"labs-un--suite": 7}), "html.parser")
    assert numbered.select("[data-page]")[-1].get_text() == "7"


def test_figures_are_those_of_the_day(composed):
    assert composed.html["data-theme"] == "light"
    assert [image["src"] for image in composed.select("article img")] == [
        "../html/book/../_images/a.svg", "../html/labs/../_images/a.svg",
    ]  # fmt: skip


def test_downloads_are_left_out(site):
    page = site / "book" / "index.html"
    offer = (
        '<section><h2>Emporter</h2><ul><li data-download="a.zip"><a>Tout</a></li></ul></section>'
    )
    text = page.read_text(encoding="utf-8").replace("</article>", f"{offer}</article>")
    page.write_text(text, encoding="utf-8")
    assert "Emporter" not in pdf.compose(site, "fermees")


def test_the_site_offers_the_document_once_it_exists(site, tmp_path):
    page = site / "book" / "index.html"
    name = f"{archives.COURSE}.pdf"
    offer = f'<li data-download="{name}" hidden=""><a>À imprimer<span class="size"></span></a></li>'
    page.write_text(offer, encoding="utf-8")
    document = tmp_path / "cours.pdf"
    document.write_bytes(b"%PDF" * 500_000)
    pdf.publish(site, document)
    item = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").li
    assert item.get("hidden") is None
    assert item.get_text() == "À imprimer (pdf, 2,0\u00a0Mo)"
    assert (site / "telechargements" / name).read_bytes() == document.read_bytes()


@pytest.mark.parametrize(("answers", "count"), [("ouvertes", 2), ("fermees", 0)])
def test_answers_are_open_or_closed_by_choice(site, answers, count):
    document = BeautifulSoup(pdf.compose(site, answers), "html.parser")
    assert len(document.select("details[open]")) == count


def test_the_document_is_printed_with_its_page_numbers(site, tmp_path):
    pytest.importorskip("playwright")
    pypdf = pytest.importorskip("pypdf")
    try:
        check_site.find_browser()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    output = tmp_path / "pdf" / "cours.pdf"
    wide = '<div class="large" style="overflow: auto"><p style="width: 2000px">x</p></div>'
    lab = site / "labs" / "un.html"
    lab.write_text(lab.read_text("utf-8").replace("</article>", wide + "</article>"), "utf-8")
    (problem,) = pdf.write(site, output, "fermees")
    assert "div.large" in problem
    reader = pypdf.PdfReader(output)
    assert pdf.anchored_pages(output)["labs-un--suite"] == len(reader.pages)
    assert "Table des matières" in reader.pages[0].extract_text()


def test_a_missing_site_says_what_to_do(tmp_path, capsys):
    assert pdf.main([], tmp_path) == 1
    assert "make site" in capsys.readouterr().err


def test_a_mistyped_choice_names_the_two_that_exist(tmp_path, capsys):
    assert pdf.main(["--reponses", "nan"], tmp_path) == 1
    said = "REPONSES=nan ne convient pas : écrivez REPONSES=ouvertes ou REPONSES=fermees.\n"
    assert capsys.readouterr() == ("", said)
