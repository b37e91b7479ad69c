"""Les symboles d'une formule : reconnus tels que la page de notation les écrit."""

import pytest
from bs4 import BeautifulSoup

from tools import math_glosses
from tools.formulas import to_mathml

SECTION = "<section><h2>{heading}</h2>{content}</section>"
CELLS = ("{symbol}", "–", "–", "{text}")
ROW = f"<tr>{''.join(f'<td><p>{cell}</p></td>' for cell in CELLS)}</tr>"


def formula(latex):
    return f'<span class="math">{to_mathml(latex)}</span>'


def soup(text):
    return BeautifulSoup(text, "html.parser")


def table(heading, *rows):
    lines = [
        ROW.format(symbol=", ".join(map(formula, symbols)), text=text) for *symbols, text in rows
    ]
    body = f"<table><tbody>{''.join(lines)}</tbody></table>"
    return SECTION.format(heading=heading, content=body)


@pytest.fixture
def notation():
    sections = [
        table("Données", ["x", "entrée"], ["a", "valeur (labs 1 à 6)"], [r"\sigma(a)", "sigmoïde"]),
        table("VAE (labs 2 à 4)", [r"\mu", "moyenne"], [r"q_\phi(z \mid x)", "encodeur"]),
        table("VAE (labs 2 à 4)", ["p(z)", "loi a priori"], [r"\log \sigma^2", "logvar"]),
        table("GAN (labs 5 à 7)", ["G(z)", "image tirée"], ["w", "f", "style (lab 7)"]),
        table(
            "Langue (lab 9)", ["V", "T", "tailles"], ["Q", "K", "V", "attention"], ["x", "jeton"]
        ),
        SECTION.format(
            heading="Symboles à double emploi",
            content=f"<ul><li><p>{formula('s')} et {formula('v')} sont des carrés dans le lab 4."
            f"</p></li><li><p>{formula('f')} est un encodeur dans le lab 2.</p></li></ul>",
        ),
    ]
    return math_glosses.read(soup(f"<article><section>{''.join(sections)}</section></article>"))


def meaning(text):
    """Les paragraphes d'une explication, après celui qui nomme le symbole."""
    found = [p.get_text(" ", strip=True) for p in soup(text).select("p")]
    return " ".join(found[1:] or found)


def marked(notation, latex, lab, tag="p"):
    """Chaque symbole marqué d'une formule, et le texte de son explication."""
    page = soup(f"<{tag}>{formula(latex)}</{tag}>")
    texts = dict(notation.mark(page, [page], lab))
    shown = {key: meaning(text) for key, text in texts.items()}
    return {e.get_text(): shown[e["data-gloss"]] for e in page.select("[data-gloss]")}


@pytest.mark.parametrize(
    ("latex", "lab", "symbols"),
    [
        (r"\mu^2 + \mu", 3, {"μ": "moyenne"}),
        (r"\mu_j^2", 3, {"μ": "moyenne"}),
        (r"\mu_\phi(x)", 3, {"μ": "moyenne", "x": "entrée"}),
        (r"\mu_2", 3, {}),
        (r"\frac{\mu}{2}", 3, {"μ": "moyenne"}),
        (r"\mu", 5, {}),
        (r"D(G(z))", 5, {"G": "image tirée"}),
        (r"p_G", 5, {}),
        (r"\max_G V", 5, {}),
        (r"-\log \sigma(x)", 1, {"σ": "sigmoïde", "x": "entrée"}),
        (r"\sigma", 1, {}),
        (r"\log\sigma^2", 3, {"logσ2": "logvar"}),
    ],
)
def test_symbols_are_recognised_with_their_indices(notation, latex, lab, symbols):
    assert marked(notation, latex, lab) == symbols


def test_a_law_is_known_by_its_arguments(notation):
    assert marked(notation, r"p(z)", 3) == {"p(z)": "loi a priori"}
    assert marked(notation, r"p(x)", 3) == {"x": "entrée"}
    assert marked(notation, r"\log q_\phi(z \mid x) - 1", 3) == {"qϕ(z∣x)": "encodeur"}


def test_each_lab_reads_its_own_lines(notation):
    assert marked(notation, "x", 9) == {"x": "jeton"}
    assert marked(notation, "a", 6) and not marked(notation, "a", 9)
    assert marked(notation, "w", 7) and not marked(notation, "w", 5)


def test_two_meanings_in_one_lab_are_both_given(notation):
    (text,) = marked(notation, "V", 9).values()
    assert "tailles" in text and "attention" in text


def test_a_note_counts_where_it_names_the_lab_only(notation):
    assert marked(notation, "v", 4) == {"v": "s et v sont des carrés dans le lab 4."}
    assert marked(notation, "v", 5) == {}
    (text,) = marked(notation, "f", 7).values()
    assert text == "style (lab 7) f est un encodeur dans le lab 2."


@pytest.mark.parametrize("tag", ["h2", "table", "details"])
def test_titles_tables_and_folded_answers_stay_plain(notation, tag):
    assert marked(notation, "x", 1, tag) == {}


def test_marking_changes_neither_signs_nor_spaces(notation):
    latex = r"\log q_\phi(z \mid x) + \sigma(a) = \mu_j^2"
    page = soup(f"<p>{formula(latex)}</p>")
    before = [e.get("width") for e in page.select("mspace")], page.get_text()
    list(notation.mark(page, [page], 3))
    assert ([e.get("width") for e in page.select("mspace")], page.get_text()) == before
    assert len(page.select("[data-gloss]")) == 4


@pytest.mark.parametrize(
    ("text", "labs"),
    [("lab 7", {7}), ("labs 2 à 4", {2, 3, 4}), ("labs 3 et 10", {3, 10}), ("laboratoire", set())],
)
def test_the_labs_that_a_text_names(text, labs):
    assert math_glosses.named_labs(text) == labs
