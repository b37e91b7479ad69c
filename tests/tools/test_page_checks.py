import pytest

from tools import page_checks

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
