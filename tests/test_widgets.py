"""Des menus quand quelqu'un est là pour les ouvrir, la figure seule sinon."""

import importlib.util
import types

import IPython
import pytest

from labkit import widgets

CHOICES = {"loi": ["ring", "line"], "pas": [300, 600]}


@pytest.fixture
def shown(monkeypatch):
    found = []
    monkeypatch.setattr("IPython.display.display", found.append)
    return found


@pytest.fixture
def live(monkeypatch):
    monkeypatch.delenv("LABKIT_PROGRESS", raising=False)
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)


def show(**values):
    return values


def test_a_program_sees_the_first_figure_alone(shown, live, monkeypatch, capsys):
    monkeypatch.setenv("LABKIT_PROGRESS", "0")
    widgets.explore(show, CHOICES)
    assert shown == [{"loi": "ring", "pas": 300}]
    assert capsys.readouterr().out == ""


def test_without_a_kernel_either(shown, monkeypatch, capsys):
    monkeypatch.delenv("LABKIT_PROGRESS", raising=False)
    widgets.explore(show, CHOICES)
    assert shown == [{"loi": "ring", "pas": 300}] and capsys.readouterr().out == ""


def test_without_ipywidgets_it_says_how_to_have_menus(shown, live, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    widgets.explore(show, CHOICES)
    assert shown == [{"loi": "ring", "pas": 300}]
    assert "pip install ipywidgets" in capsys.readouterr().out


def menus(panel):
    return {menu.description: menu for menu in panel.kwargs_widgets}


def test_with_ipywidgets_each_choice_is_a_menu(shown, live):
    widgets.explore(show, CHOICES)
    (panel,) = shown
    found = menus(panel)
    assert {name: [value for _, value in menu.options] for name, menu in found.items()} == CHOICES
    assert "{'loi': 'ring', 'pas': 300}" in str(panel.out.outputs)
    found["loi"].value, found["pas"].value = "line", 600
    assert shown == [panel]
    panel.manual_button.click()
    assert shown == [panel, {"loi": "line", "pas": 600}]


# ipywidgets lirait une liste de paires comme des étiquettes suivies de leur valeur.
def test_pairs_stay_whole(shown, live):
    widgets.explore(show, {"jeux": [(1, 1), (5, 1)], "taux": [(2e-3, 1e-3), (0.3, 0.1)]})
    (panel,) = shown
    menus(panel)["jeux"].index = 1
    panel.manual_button.click()
    assert shown[-1] == {"jeux": (5, 1), "taux": (2e-3, 1e-3)}
    assert [label for label, _ in menus(panel)["jeux"].options] == ["(1, 1)", "(5, 1)"]


def test_an_empty_choice_is_refused(shown):
    with pytest.raises(ValueError, match=r"choices\['loi'\] est vide"):
        widgets.explore(show, {"loi": []})
