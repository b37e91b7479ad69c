import pytest

from tools import notebooks, page_checks

STATIC = notebooks.ROOT / "book" / "_static"

MENU = """<button class="primary-toggle" onclick="{click}">Plan</button>
<nav class="bd-docs-nav" style="{style}">Lab 1</nav>"""
TOGGLE = "const n = document.querySelector('nav'); n.hidden = !n.hidden"


@pytest.mark.parametrize(
    ("menu", "sentence"),
    [
        (MENU.format(click="0", style=""), "bouton sans effet : plan du cours"),
        ('<nav class="bd-docs-nav" hidden>Lab 1</nav>', "sans bouton pour l'ouvrir"),
    ],
)
def test_a_dead_button_or_a_hidden_menu_is_reported(open_html, monkeypatch, menu, sentence):
    monkeypatch.setattr(page_checks, "MENU_DELAY", 100)
    (found,) = page_checks.menus(open_html(menu))
    assert sentence in found


def test_a_menu_that_opens_and_closes_passes(open_html):
    assert page_checks.menus(open_html(MENU.format(click=TOGGLE, style=""))) == []
    drawer = """<button class="secondary-toggle" onclick="d.showModal()">Plan</button>
    <dialog id="d"><nav id="pst-page-toc-nav">1. Théorie</nav></dialog>"""
    assert page_checks.menus(open_html(drawer, width=360)) == []


def test_an_answer_shown_too_soon_or_lost_in_print_is_reported(open_html):
    prediction = '<div class="prediction" id="prediction-1">Combien ?{button}</div>'
    answer = '<p data-prediction="1" {hidden}>Deux.</p>'
    page = open_html(prediction.format(button="") + answer.format(hidden=""))
    assert page_checks.predictions(page) == ["1 réponse(s) de prédiction visibles d'emblée"]
    page = open_html(
        prediction.format(button="<button>Voir</button>") + answer.format(hidden="hidden")
    )
    lost, veiled = page_checks.predictions(page)
    assert "impression" in lost
    assert "laisse voilées" in veiled


def test_the_script_veils_and_shows(open_html):
    style = "<style>@media print { [hidden] { display: block !important; "
    style += "content-visibility: visible !important; } }</style>"
    page = open_html(
        '<div class="prediction" id="prediction-1">Combien ?</div><p data-prediction="1">Deux.</p>',
        head=style,
    )
    page.add_script_tag(path=STATIC / "predictions.js")
    assert page_checks.predictions(page) == []


def test_what_is_typed_shows_beside_the_result(open_html):
    page = open_html(
        '<div class="prediction" id="prediction-1">Combien ?</div><p data-prediction="1">Deux.</p>'
    )
    page.add_script_tag(path=STATIC / "predictions.js")
    assert not page.get_by_text("Deux.").is_visible()
    page.get_by_label("Votre prédiction").fill("Trois.")
    page.get_by_label("Votre prédiction").blur()
    assert page.get_by_text("Deux.").is_visible()
    assert page.locator(".prediction-rappel").inner_text() == "Trois."


def test_a_box_too_small_for_its_content_is_reported(open_html):
    wide = '<main><div class="{name}" style="overflow-x: auto"><p style="width: 2000px">x</p></div>'
    (found,) = page_checks.overflow(open_html(wide.format(name="highlight")), 1280)
    assert "px de trop dans div.highlight" in found
    assert page_checks.overflow(open_html(wide.format(name="highlight"), 360), 360) == []
    assert page_checks.overflow(open_html(wide.format(name="other"), 360), 360) != []


def test_a_field_and_what_only_a_screen_reader_says_may_be_wide(open_html):
    hidden = "position: absolute; width: 1px; overflow: hidden; white-space: nowrap"
    page = open_html(
        f'<main><input style="width: 50px" value="{"mot " * 50}">'
        f'<span style="{hidden}">Un texte que personne ne voit.</span></main>'
    )
    assert page_checks.overflow(page, 1280) == []


def test_axe_reports_what_is_serious(open_html):
    pytest.importorskip("axe_playwright_python")
    axe = page_checks.axe_script()
    assert page_checks.accessibility(open_html("<main><h1>Essai</h1></main>"), axe) == []
    (found,) = page_checks.accessibility(
        open_html('<main><h1>Essai</h1><button aria-label="Fermer">Ouvrir</button></main>'), axe
    )
    assert "label-content-name-mismatch" in found


def test_an_animation_waits_and_moves_by_its_slider(open_html):
    pixel = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
    image = (
        f'<img alt="Tirages." src="{pixel}" data-sheet="{pixel}" data-frames="3" data-delay="9">'
    )
    page = open_html(image, reduced_motion="reduce")
    page.add_script_tag(path=STATIC / "animations.js")
    slider = page.get_by_label("Instant")
    slider.wait_for()
    assert page.get_by_role("button").inner_text() == "Lecture"
    slider.fill("1")
    assert slider.get_attribute("aria-valuetext") == "image 2 sur 3"
    page.get_by_role("button").click()
    assert page.get_by_role("button").inner_text() == "Pause"


def test_search_ignores_accents_and_leads_to_sections(open_html):
    page = open_html('<main><form class="bd-search"><input name="q"></form></main>')
    data = '[{url: "a.html#b", title: "La rétropropagation", page: "Lab 1", text: "Du gradient."}]'
    page.route("**/search_data.js", lambda route: route.fulfill(body=f"SEARCH_DATA = {data}"))
    page.evaluate("document.documentElement.dataset.content_root = 'http://localhost/'")
    page.add_script_tag(path=STATIC / "search.js")
    page.locator("input").fill("retropropagation")
    page.locator("li a").wait_for()
    assert page.locator("li a").get_attribute("href") == "http://localhost/a.html#b"
    page.locator("input").fill("absent")
    page.get_by_text("Rien pour « absent »").wait_for()


def test_a_heavy_page_is_reported():
    assert page_checks.weight([("script", 200_000), ("image", 1_700_000)]) == []
    scripts, in_all = page_checks.weight([("script", 260_000), ("image", 1_900_000)])
    assert scripts == "260 ko de scripts, 250 au plus"
    assert in_all == "page de 2160 ko, 2000 au plus"


def test_a_page_prints_in_light_with_its_answers_as_asked(open_html):
    page = open_html(
        '<button data-print="ouvertes">Imprimer</button><article><details><summary>R</summary>'
        "<p>Oui.</p></details></article>"
    )
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert page_checks.printing(page) == ["page imprimée en sombre"]
    page.evaluate("window.print = () => { window.printed = document.documentElement.outerHTML; }")
    page.add_script_tag(path=STATIC / "print.js")
    assert page_checks.printing(page) == []
    page.get_by_role("button").click()
    printed = page.wait_for_function("window.printed").json_value()
    assert 'data-theme="light"' in printed
    assert '<details open="">' in printed
    assert page.locator("details[open]").count() == 0
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_a_figure_says_its_number_and_its_finding_in_legible_text(open_html):
    pixel = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
    figure = (
        '<main><figure class="lab-figure" id="figure-1"><img alt="a" data-text="0.03" src="{src}" '
        'style="width: 300px; height: 9px"><figcaption>{caption}</figcaption></figure></main>'
    )
    page = open_html(figure.format(src=pixel, caption="Figure 1. Elle monte."))
    assert page_checks.figures(page, dark=False) + page_checks.figure_texts(page) == []
    faulty = figure.format(src=f"{pixel}#a.svg", caption="Figure 1.").replace("300px", "200px")
    page = open_html(faulty)
    assert page_checks.figures(page, dark=True) == [
        "figure-1 sans légende", "figure-1 : couleurs de l'autre mode",
    ]  # fmt: skip
    assert page_checks.figure_texts(page) == ["texte de 6.0 px dans figure-1"]
