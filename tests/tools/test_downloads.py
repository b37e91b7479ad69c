"""Chaque lien de téléchargement donne la taille de son fichier, ou se cache."""

import pytest
from bs4 import BeautifulSoup

from tools import downloads, notebooks

ITEM = (
    '<li data-download="{name}"><a download="" href="../telechargements/{name}">{label}'
    '<span class="size"></span></a></li>'
)
PAGE = "<ul>" + ITEM.format(name="a.zip", label="Tout") + ITEM.format(name="a.pdf", label="PDF")


def items(text):
    page = BeautifulSoup(text, "html.parser")
    return [(li.get_text(), li.has_attr("hidden")) for li in page.select("li")]


@pytest.mark.parametrize(
    ("size", "text"),
    [(81_987, "82~ko"), (6_702_976, "6,7~Mo"), (44_945_118, "45~Mo"), (1_145_036, "1,1~Mo")],
)
def test_sizes_are_readable(size, text):
    assert downloads.readable(size) == text.replace("~", downloads.NO_BREAK_SPACE)


def test_a_link_gives_its_size_or_hides():
    first = downloads.filled(PAGE, {"a.zip": 52_000_000})
    assert items(first) == [("Tout (zip, 52\u00a0Mo)", False), ("PDF", True)]
    assert downloads.filled(first, {"a.zip": 52_000_000}) == first
    second = downloads.filled(first, {"a.zip": 52_000_000, "a.pdf": 9_500_000})
    assert items(second) == [("Tout (zip, 52\u00a0Mo)", False), ("PDF (pdf, 9,5\u00a0Mo)", False)]
    assert items(downloads.filled(second, {})) == [("Tout", True), ("PDF", True)]


def test_every_page_of_a_site_is_completed(tmp_path):
    for name in ("book/a.html", "labs/b.html", "telechargements/a.zip"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(PAGE if name.endswith("html") else "zip", encoding="utf-8")
    downloads.complete(tmp_path)
    for name in ("book/a.html", "labs/b.html"):
        assert not items((tmp_path / name).read_text(encoding="utf-8"))[0][1]


def test_the_home_page_offers_the_course_with_places_for_sizes():
    text = (notebooks.ROOT / "book" / "index.md").read_text(encoding="utf-8")
    assert [hidden for _, hidden in items(downloads.filled(text, {}))] == [True, True]
