"""Des menus quand quelqu'un est là pour les ouvrir, la figure seule sinon."""

import importlib.util
import sys
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


def test_with_ipywidgets_each_choice_is_a_menu(shown, live, monkeypatch):
    made, kept = {}, []

    def interactive(function, manual, **menus):
        made.update(function=function, manual=manual, menus=menus)
        return types.SimpleNamespace(out=types.SimpleNamespace(append_display_data=kept.append))

    fake = types.ModuleType("ipywidgets")
    fake.Dropdown = lambda options, description: (description, options)
    fake.interactive = interactive
    monkeypatch.setitem(sys.modules, "ipywidgets", fake)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    widgets.explore(show, CHOICES)
    assert made["menus"] == {name: (name, values) for name, values in CHOICES.items()}
    assert made["manual"] == {"manual": True, "manual_name": "Jouer"}
    assert kept == [{"loi": "ring", "pas": 300}]
    (panel,) = shown
    made["function"](loi="line", pas=600)
    assert shown == [panel, {"loi": "line", "pas": 600}]


def test_an_empty_choice_is_refused(shown):
    with pytest.raises(ValueError, match=r"choices\['loi'\] est vide"):
        widgets.explore(show, {"loi": []})
