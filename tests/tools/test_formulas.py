import re
from io import BytesIO
from xml.etree.ElementTree import fromstring

import pytest
from fontTools.ttLib import TTFont

from tools import formulas, math_font


def row(latex, display=False):
    """Les signes d'une formule et, entre crochets, les espaces en dix-huitièmes de cadratin."""
    signs = []
    for element in fromstring(f"<p>{formulas.to_mathml(latex, display)}</p>").iter():
        if element.tag == "mspace":
            signs.append(f"[{round(18 * float(element.get('width')[:-2]))}]")
        signs.append(element.text or "")
    return "".join(signs)


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        ("a + b = c", "a[4]+[4]b[5]=[5]c"),
        ("-a", "−a"),
        ("a = -b", "a[5]=[5]−b"),
        ("(-1, 2)", "(−1,[3]2)"),
        (r"x \leftarrow -w", "x[5]←[5]−w"),
        (r"2 \ln y_i", "2[3]ln[3]yi"),
        (r"\log(x)", "log(x)"),
        (r"q(x \mid z)", "q(x[5]∣[5]z)"),
        (r"w \cdot x", "w[4]·[4]x"),
        (r"0{,}5 ; -0{,}25", "0,5;[3]−0,25"),
        (r"D_{\mathrm{KL}}\!\left(p\right)", "DKL(p)"),
        (r"\arg\max_x f", "arg[3]maxx[3]f"),
    ],
)
def test_spaces_are_those_of_tex(latex, expected):
    assert row(latex) == expected


def test_a_script_is_set_tight():
    assert row(r"\sum_{i=1}^{n-1} x") == "∑i=1n−1[3]x"


def test_limits_stand_above_and_below_on_a_line_of_their_own():
    assert "<munderover>" in formulas.to_mathml(r"\sum_{i=1}^{4} x_i", display=True)
    assert "<msubsup>" in formulas.to_mathml(r"\sum_{i=1}^{4} x_i")


def test_upright_letters_are_upright():
    assert "<mtext>d</mtext>" in formulas.to_mathml(r"\mathrm{d}z")


def test_accents_are_accents():
    for accent in ("bar", "hat", "tilde"):
        assert '<mover accent="true">' in formulas.to_mathml(rf"\{accent}{{x}}")


def test_aligned_lines_have_two_columns():
    math = formulas.to_mathml(r"\begin{aligned} a &= b \\ c &= d \end{aligned}", display=True)
    assert re.findall('columnalign="(.*?)"', math) == ["right", "left"] * 2


def test_a_long_formula_may_break_before_its_relations_only():
    latex = r"\lVert a - b \rVert^2 = (c = d) + \left(e = f\right) + g_1 + g_2 + g_3 = h"
    parts = [part for part in formulas.to_mathml(latex, display=True).split("</math>") if part]
    signs = [re.sub("<.*?>", "", part) for part in parts]
    assert signs == ["‖a−b‖2", "=(c=d)+(e=f)+g1+g2+g3", "=h"]
    assert formulas.to_mathml("a = b", display=True).count("<math") == 1


@pytest.mark.parametrize(
    ("latex", "named"),
    [(r"\inconnue x", r"\\inconnue"), (r"\begin{cases} a \end{cases}", r"\\cases"), ("x_", "x_")],
)
def test_what_cannot_be_set_is_refused(latex, named):
    with pytest.raises(formulas.FormulaError, match=named):
        formulas.to_mathml(latex)


def test_the_font_holds_the_slanted_letters_and_the_root():
    font = TTFont(BytesIO(math_font.subset("aαh")))
    assert {ord("a"), 0x1D44E, 0x1D6FC, 0x210E, ord("√")} <= font.getBestCmap().keys()
    assert "MATH" in font


def test_a_sign_without_a_glyph_stops_the_site():
    with pytest.raises(math_font.MissingSignError, match="漢"):
        math_font.subset("x漢")


@pytest.mark.parametrize(("sign", "slanted"), [("h", "ℎ"), ("z", "𝑧"), ("Ω", "𝛺"), ("1", "1")])
def test_variables_are_slanted(sign, slanted):
    assert chr(math_font.slanted(sign)) == slanted


def test_formulas_are_found_in_markdown_but_not_in_code():
    text = "Soit $x$, puis `$y$` :\n\n$$\nz\n$$\n\n```\n$a$\n```\nà 3 \\$ l'un, $t$."
    assert list(formulas.in_markdown(text)) == [("x", False), ("\nz\n", True), ("t", False)]
