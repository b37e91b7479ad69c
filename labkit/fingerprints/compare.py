"""D'une empreinte à l'autre : dire en français ce qui a changé."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.fingerprints.walk import CODE, CONTENT, LAYERS, WEIGHTS

_KINDS = (CODE, LAYERS, WEIGHTS, CONTENT)
_SUM = re.compile(rf"{CODE}[0-9a-f]{{16}}")  # et non un texte qui commencerait de même
_ABSENT = object()


def changes(before: Mapping | None, after: Mapping) -> list[str]:
    """Dit en français ce qui diffère d'une empreinte à l'autre, une phrase par élément.

    Args:
        before: empreinte gardée, ou None si rien n'a été noté.
        after: empreinte d'aujourd'hui.

    Returns:
        Une liste vide si elles s'accordent ; sinon « lr : 0,001 → 0,004 », « le programme de
        `make_step` a changé »…
    """
    if not before:
        return ["ce qui l'a fait n'avait pas été noté"]
    old, new = dict(_leaves(before)), dict(_leaves(after))
    phrases = (
        _phrase(path, old.get(path, _ABSENT), new.get(path, _ABSENT))
        for path in old | new
        if old.get(path, _ABSENT) != new.get(path, _ABSENT)
    )
    return list(dict.fromkeys(phrases))


def code_sums(made_by: Mapping) -> dict[str, str]:
    """Donne les sommes de source que contient une empreinte : nom de la fonction -> somme."""
    return {
        path[-1]: leaf.removeprefix(CODE)
        for path, leaf in _leaves(made_by)
        if isinstance(leaf, str) and _SUM.fullmatch(leaf)
    }


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        value = dict(enumerate(value))
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, str(key)))
    else:
        yield path, value


def _phrase(path: tuple[str, ...], old: Any, new: Any) -> str:
    """« lr : 0,001 → 0,004 », « le programme de `make_step` a changé »."""
    kinds = {_kind(leaf) for leaf in (old, new) if leaf is not _ABSENT}
    name, code_name = (text.replace(".<locals>", "") for text in (".".join(path), path[-1]))
    if len(kinds) > 1 or kinds == {""}:
        return f"{name} : {_in_french(old)} → {_in_french(new)}"
    if old is _ABSENT:
        return f"`{code_name}` intervient désormais"
    if new is _ABSENT:
        return f"`{code_name}` n'intervient plus"
    return {
        CODE: f"le programme de `{code_name}` a changé",
        LAYERS: f"les couches de `{code_name}` ont changé",
        WEIGHTS: f"les poids de `{code_name}` ont changé",
        CONTENT: f"le contenu de {name} a changé",
    }[kinds.pop()]


def _kind(leaf: Any) -> str:
    return next((kind for kind in _KINDS if str(leaf).startswith(kind)), "")


def _in_french(value: Any) -> str:
    if value is _ABSENT:
        return "absent"
    if value is None or isinstance(value, bool):
        return {True: "vrai", False: "faux", None: "aucun"}[value]
    if isinstance(value, float):
        return repr(value).replace(".", ",")  # tous ses chiffres : `number` en confondrait deux
    if isinstance(value, list):
        return f"[{' ; '.join(map(_in_french, value))}]"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
