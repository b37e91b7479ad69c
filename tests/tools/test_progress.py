"""Sections lues et reprise : dans le navigateur, effaçables, absentes sans script."""

import shutil

import pytest

from tools import notebooks

SCRIPT = notebooks.ROOT / "book" / "_static" / "progress.js"
SECTION = (
    '<section id="{name}"><h2>{title}<a class="headerlink">#</a></h2>'
    '<p style="height: 3000px">Texte.</p><section><h3>Suite</h3><p>Fin.</p></section>'
    # Comme après une démonstration : ce qui charge ses styles et ses scripts n'est pas à lire.
    '<link rel="stylesheet" href="data:text/css," /><script></script></section>'
)
PAGE = """<!doctype html><html lang="fr" data-content_root="../"><head><meta charset="utf-8">
<title>Cours</title><style>.visually-hidden {{ display: none }}</style></head><body>
<nav class="bd-docs-nav"><a href="../labs/01_a.html">Lab 1</a><a href="../labs/02_b.html">Lab 2</a>
</nav><main tabindex="-1"><article><section id="lab"><h1>{title}<a class="headerlink">#</a></h1>
{sections}</section></article></main><nav id="pst-page-toc-nav">{toc}</nav>
<script src="../_static/progress.js"></script></body></html>"""
TITLES = {"un": "1. Un", "deux": "2. Deux", "references": "Références"}


@pytest.fixture
def site(tmp_path):
    for name, title, titles in (
        ("book/index.html", "Cours", {}),
        ("labs/01_a.html", "Lab 1 — Essai", TITLES),
        ("labs/02_b.html", "Lab 2 — Autre", TITLES),
    ):
        sections = "".join(SECTION.format(name=n, title=t) for n, t in titles.items())
        toc = "".join(f'<a href="#{n}">{t}</a>' for n, t in titles.items())
        text = PAGE.format(title=title, sections=sections, toc=toc)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "_static").mkdir()
    shutil.copy(SCRIPT, tmp_path / "_static")
    return tmp_path


@pytest.fixture
def page(browser, site):
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.clock.install()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.site = site
    visit(page, "labs/01_a.html")
    yield page
    assert page.faults == []
    context.close()


def visit(page, name):
    page.goto((page.site / name).as_uri())


def stay(page, selector, milliseconds):
    """Amène un élément à l'écran, attend que le navigateur l'ait vu, et laisse passer le temps."""
    page.locator(selector).scroll_into_view_if_needed()
    page.evaluate(
        """(selector) => new Promise((done) => new IntersectionObserver(
             ([entry]) => entry.isIntersecting && done()
           ).observe(document.querySelector(selector)))""",
        selector,
    )
    page.clock.run_for(milliseconds)


def marks(page, nav):
    return [link.text_content() for link in page.locator(f"{nav} a").all()]


def test_a_section_is_read_when_its_end_has_been_on_screen(page):
    assert marks(page, "#pst-page-toc-nav") == ["1. Un", "2. Deux", "Références"]
    stay(page, "#un section p", 500)
    assert marks(page, "#pst-page-toc-nav")[0] == "1. Un"
    page.clock.run_for(2000)
    assert marks(page, "#pst-page-toc-nav") == ["1. Un ✓ (section lue)", "2. Deux", "Références"]
    assert marks(page, ".bd-docs-nav") == ["Lab 1 1/2 (sections lues)", "Lab 2"]
    stay(page, "#deux section p", 2500)
    assert marks(page, ".bd-docs-nav") == ["Lab 1 ✓ (lab lu)", "Lab 2"]
    visit(page, "labs/02_b.html")
    assert marks(page, "#pst-page-toc-nav") == ["1. Un", "2. Deux", "Références"]
    assert marks(page, ".bd-docs-nav") == ["Lab 1 ✓ (lab lu)", "Lab 2"]


def test_the_home_page_leads_back_to_where_one_was_and_forgets(page):
    visit(page, "book/index.html")
    assert page.locator("#reprendre").count() == 0
    visit(page, "labs/02_b.html")
    page.evaluate("document.querySelector('#deux h2').scrollIntoView()")
    stay(page, "#deux > p", 2500)
    visit(page, "book/index.html")
    link = page.locator("#reprendre a")
    assert link.text_content() == "Lab 2 — Autre, 2. Deux"
    assert link.evaluate("link => link.href").endswith("/labs/02_b.html#deux")
    page.get_by_role("button", name="Effacer ma progression").click()
    assert page.locator("#reprendre").count() == 0
    assert page.evaluate("localStorage.length") == 0
    assert page.context.cookies() == []


def test_erasing_keeps_what_other_scripts_hold(page):
    stay(page, "#un section p", 2500)
    page.evaluate("localStorage.setItem('autre', 'gardé')")
    visit(page, "book/index.html")
    page.get_by_role("button", name="Effacer ma progression").click()
    assert page.evaluate("localStorage.getItem('autre')") == "gardé"
    assert marks(page, ".bd-docs-nav") == ["Lab 1", "Lab 2"]


@pytest.mark.parametrize(
    "broken",
    [
        "localStorage.setItem(location.pathname.replace(/labs.*|book.*/, '') + '#lecture', '{')",
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error(); } })",
    ],
)
def test_a_broken_or_refused_storage_changes_nothing(page, broken):
    page.add_init_script(broken)
    visit(page, "labs/01_a.html")
    assert marks(page, "#pst-page-toc-nav") == list(TITLES.values())


def test_without_script_nothing_shows(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site / "book" / "index.html").as_uri())
    assert page.locator(".reading-mark, #reprendre, button").count() == 0
    context.close()
