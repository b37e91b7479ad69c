"""Un lien mort se voit ; un serveur qui n'aime pas les programmes n'en est pas un."""

import pytest

from tools import links


@pytest.fixture
def site(tmp_path):
    html = tmp_path / "_build" / "html"
    (html / "labs").mkdir(parents=True)
    (html / "index.html").write_text(
        '<a href="https://un.test/page#ancre">un</a> <a href="https://un.test/page">un</a>'
        '<a href="labs/01.html">lab</a> <a href="https://depot.example/cours">dépôt</a>',
        encoding="utf-8",
    )
    (html / "labs" / "01.html").write_text(
        '<a href="http://deux.test/">deux</a> <a href="https://un.test/page">un</a>',
        encoding="utf-8",
    )
    return tmp_path


def test_external_links_are_gathered_once_with_their_pages(site):
    assert links.external_links(site / "_build" / "html") == {
        "https://un.test/page": ["index.html", "labs/01.html"],
        "http://deux.test/": ["labs/01.html"],
    }


def test_a_missing_page_is_a_problem_and_a_page_that_is_there_is_not(server):
    address = f"http://127.0.0.1:{server.server_port}/page"
    assert links.problem(address) == "réponse 404"
    server.files["page"] = b"bonjour"
    assert links.problem(address) == ""


@pytest.mark.parametrize("code", [403, 429, 503])
def test_a_page_that_refuses_programs_is_there(code, monkeypatch):
    def refuse(request, **_):
        raise links.urllib.error.HTTPError(request.full_url, code, "refus", {}, None)

    monkeypatch.setattr(links.urllib.request, "urlopen", refuse)
    assert links.problem("https://un.test") == ""


def test_a_server_is_asked_three_times_before_it_is_missed(monkeypatch):
    asked = []

    def unreachable(request, **_):
        asked.append(request.full_url)
        raise OSError("introuvable")

    monkeypatch.setattr(links.urllib.request, "urlopen", unreachable)
    assert links.problem("https://un.test") == "introuvable"
    assert len(asked) == 3


@pytest.mark.parametrize(("dead", "status"), [("http://deux.test/", 1), ("", 0)])
def test_dead_links_are_listed_and_fail(site, monkeypatch, capsys, dead, status):
    monkeypatch.setattr(links, "problem", lambda address: "réponse 404" if address == dead else "")
    assert links.main(site) == status
    listed = (site / "_build" / "links.txt").read_text(encoding="utf-8")
    assert listed == (f"{dead} (réponse 404) : labs/01.html" if dead else "")
    assert "2 liens externes" in capsys.readouterr().out


def test_a_site_without_any_link_was_not_checked(tmp_path):
    (tmp_path / "_build" / "html").mkdir(parents=True)
    assert links.main(tmp_path) == 1
