import pytest

from tools import check_site

GOOD = """<!doctype html><html lang="fr"><head><meta name="viewport" content="width=device-width">
<meta charset="utf-8"><title>Essai</title></head><body><main><article><h1>Essai</h1>
<p>Deux prix : 3 $ et 4 $.</p>
<details><summary>Réponse</summary>Oui.</details>
<script>
  const root = document.documentElement;
  let mode;
  addEventListener("beforeprint", () => {
    mode = root.dataset.theme;
    root.dataset.theme = "light";
  });
  addEventListener("afterprint", () => {
    if (mode) root.dataset.theme = mode; else delete root.dataset.theme;
  });
</script></article></main></body></html>"""

BAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Essai</title>
<script src="https://cdn.example/mathjax.js"></script></head><body><main><article>
<p>Soit $x + 1$.</p><p>| a | b | | — | — |</p><div style="width: 2000px">large</div>
<img src="absente.png">
<details open><summary>Réponse</summary>Oui.</details>
<script>throw new Error("rompu")</script></article></main></body></html>"""

FACTS = {
    "language": "fr",
    "raw": [],
    "mathFont": True,
    "unrendered": 0,
    "badMath": [],
    "formulas": 3,
    "images": 1,
    "badImages": [],
    "openDetails": 0,
}


def test_a_sound_page_has_no_anomaly():
    assert check_site.describe(FACTS) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"language": "en"}, "langue"),
        ({"raw": ["$x$"]}, "non composé"),
        ({"mathFont": False}, "police des formules"),
        ({"unrendered": 2}, "sans rendu"),
        ({"badMath": ["Undefined"]}, "erronée"),
        ({"badImages": ["a.png"]}, "image"),
        ({"openDetails": 1}, "ouverts"),
    ],
)
def test_each_fact_becomes_a_sentence(change, sentence):
    (found,) = check_site.describe(FACTS | change)
    assert sentence in found


def test_missing_site_and_missing_browser_say_what_to_do(tmp_path, monkeypatch, capsys):
    assert check_site.main(["--site", str(tmp_path)]) == 1
    assert "make site" in capsys.readouterr().err
    monkeypatch.setattr(check_site.shutil, "which", lambda _: None)
    with pytest.raises(FileNotFoundError, match="Installez Chromium"):
        check_site.find_browser()


def test_the_browser_sees_what_is_wrong(tmp_path):
    pytest.importorskip("playwright")
    try:
        check_site.find_browser()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    (tmp_path / "index.html").write_text(GOOD, encoding="utf-8")
    (tmp_path / "bad.html").write_text(BAD, encoding="utf-8")
    problems = check_site.check(tmp_path, tmp_path / "captures")
    assert problems["index.html"] == []
    text = "\n".join(problems["bad.html"])
    for sentence in (
        "langue « en »",
        "requête vers l'extérieur https://cdn.example/mathjax.js",
        "formule ou tableau non composé « Soit $x + 1$. »",
        "formule ou tableau non composé « | a | b |",
        "débordement",
        "image sans texte ou non chargée absente.png",
        "réponse 404",
        "ouverts d'emblée",
        "rompu",
        "[sombre]",
    ):
        assert sentence in text
    assert len(list((tmp_path / "captures").glob("*.png"))) == 8
