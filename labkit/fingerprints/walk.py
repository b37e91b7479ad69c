"""De la valeur à l'empreinte : le parcours de ce qu'un programme emploie et lit."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import json
import math
import re
import types
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from labkit.fingerprints.sources import (
    computed_defaults,
    digest,
    functions_in,
    is_ours,
    read_variables,
    source_sum,
)

# Ce qui précède une somme, et dit de quoi.
CODE, LAYERS, WEIGHTS, CONTENT = "code ", "couches ", "poids ", "contenu "
_LONGEST = 1_000  # caractères d'une valeur gardée telle quelle ; au-delà, sa somme
_ABSENT = object()


def fingerprint(**parts: object) -> dict:
    """Décrit chaque part en valeurs JSON, les mêmes d'un processus à l'autre.

    Nombres, textes, listes et dictionnaires restent des valeurs ; un tenseur est résumé par sa
    somme. Une fonction, une classe ou un module devient un dictionnaire nom -> somme de sa source,
    avec, de proche en proche, celles dont il se sert et les valeurs qu'il lit : variables globales,
    variables capturées, arguments par défaut. Commentaires, docstrings et mise en page ne comptent
    pas, ni le code des bibliothèques, ni les poids d'un module, dont on garde les couches. Un objet
    qui a une méthode `fingerprint()` est décrit par elle.
    """
    return {name: _part(value) for name, value in parts.items()}


def weights_checksum(module: nn.Module) -> str:
    """Somme des poids et des tampons d'un module, noms compris : 16 chiffres hexadécimaux."""
    return digest([(name, _content(value)) for name, value in module.state_dict().items()])


def weights_in(value: object) -> dict[str, str]:
    """Donne la somme des poids de chaque module qu'une fonction emploie : nom -> somme."""
    walk, found = _Walk(), {}
    walk.value(value)
    for module in walk.modules:
        _add(found, _name(type(module)), WEIGHTS + weights_checksum(module))
    return found


# --- de la valeur à l'empreinte -------------------------------------------------------------------


def _part(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _part(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return _shorten([_part(item) for item in value])
    if _is_record(value):
        return {field.name: _part(getattr(value, field.name)) for field in _fields(value)}
    walk = _Walk()
    leaf = walk.value(value)
    return walk.found or leaf


class _Walk:
    """Le parcours d'une part : le code atteint et les valeurs lues s'ajoutent à `found`."""

    def __init__(self):
        self.found: dict[str, Any] = {}
        self.modules: list[nn.Module] = []
        self.seen: dict[int, Any] = {}  # garde l'objet, pour qu'aucun autre ne prenne son numéro

    def value(self, value: Any) -> Any:
        """Donne une valeur JSON ; ce qui est du code est visité, et désigné par son nom."""
        if value is None or isinstance(value, (bool, np.bool_)):
            return value if value is None else bool(value)
        if isinstance(value, (int, np.integer)):
            return int(value)
        if isinstance(value, (float, np.floating)):
            return float(value) if math.isfinite(value) else str(value)
        if isinstance(value, str):
            return str(value)
        if isinstance(value, Tensor) or isinstance(value, np.ndarray) and value.dtype != object:
            return _content(value)
        if callable(getattr(type(value), "fingerprint", None)):
            return self.value(value.fingerprint())
        if isinstance(value, (Mapping, list, tuple, Set)):
            return self._container(value)
        if _is_record(value):
            return {field.name: self.value(getattr(value, field.name)) for field in _fields(value)}
        return self._code(value)

    def _container(self, value: Any) -> Any:
        if id(value) in self.seen:
            return "lui-même"
        self.seen[id(value)] = value
        if isinstance(value, Mapping):
            described = {str(key): self.value(item) for key, item in value.items()}
        else:
            described = [self.value(item) for item in value]
            described = sorted(described, key=repr) if isinstance(value, Set) else described
        del self.seen[id(value)]  # seul un cycle est à couper : il peut servir ailleurs
        return _shorten(described)

    def _code(self, value: Any) -> Any:
        if isinstance(value, functools.partial):
            name = self.value(value.func)
            for key, item in (*enumerate(value.args), *value.keywords.items()):
                _add(self.found, f"{name}({key})", self.value(item))
            return name
        if isinstance(value, types.MethodType):
            self.value(value.__self__)
            return self.value(value.__func__)
        if isinstance(value, type):
            self._class(value)
            return _name(value)
        if isinstance(value, nn.Module):
            self._module(value)
            return _name(type(value))
        for function in functions_in(value):
            self._function(function)
            return _name(function)
        self._class(type(value))
        return _name(type(value)) if is_ours(type(value).__module__) else _library_text(value)

    def _function(self, function: types.FunctionType) -> None:
        module = function.__globals__.get("__name__", "")
        if not is_ours(module) or not self._is_new(function):
            return
        name = _name(function)
        _add(self.found, name, CODE + source_sum(function))
        for argument, default in computed_defaults(function):
            self._read(f"{name}.{argument}", default)
        for variable, is_captured, value, taken in read_variables(function):
            label = f"{name}.{variable}" if is_captured else _join(module, variable)
            self._read(*_narrow(label, value, taken))

    def _read(self, label: str, value: Any) -> None:
        """Note une variable lue ; un module n'est rien, une fonction de même nom est déjà notée."""
        if isinstance(value, types.ModuleType):
            return
        leaf = self.value(value)
        if not (callable(value) and str(leaf).rpartition(".")[2] == label.rpartition(".")[2]):
            _add(self.found, label, leaf)

    def _class(self, cls: type) -> None:
        if not is_ours(cls.__module__) or not self._is_new(cls):
            return
        for base in cls.__bases__:
            self._class(base)
        generated = None
        if dataclasses.is_dataclass(cls):
            generated = "<string>"  # ses méthodes engendrées découlent de ses champs
            _add(self.found, f"{_name(cls)}.(champs)", [field.name for field in _fields(cls)])
        for name, item in vars(cls).items():
            for function in functions_in(item):
                if function.__code__.co_filename != generated:
                    self._function(function)
            if not name.startswith("__") and isinstance(item, (int, float, str, Sequence, Mapping)):
                _add(self.found, f"{_name(cls)}.{name}", self.value(item))

    def _module(self, module: nn.Module) -> None:
        if not self._is_new(module):
            return
        self.modules.append(module)
        for part in module.modules():
            self._class(type(part))
            for item in vars(part).values():  # une méthode remplacée sur ce seul objet
                for function in functions_in(item):
                    self._function(function)
        _add(self.found, _name(type(module)), LAYERS + digest(_structure(module)))

    def _is_new(self, value: Any) -> bool:
        is_new = id(value) not in self.seen
        self.seen[id(value)] = value
        return is_new


def _add(found: dict[str, Any], name: str, leaf: Any) -> None:
    """Deux choses de même nom, comme deux lambda, gardent chacune leur valeur."""
    number, free = 1, name
    while found.get(free, leaf) != leaf:
        number += 1
        free = f"{name} ({number})"
    found[free] = leaf


def _structure(module: nn.Module) -> list:
    """Ce qu'est un module, poids exceptés : couches, formes, et réglages gardés de `__init__`."""
    tensors = (*module.named_parameters(), *module.named_buffers())
    shapes = [(name, list(value.shape), str(value.dtype)) for name, value in tensors]
    settings = [
        (name, key, repr(vars(part)[key]))
        for name, part in module.named_modules()
        if is_ours(type(part).__module__)
        for key in inspect.signature(type(part)).parameters
        if isinstance(vars(part).get(key), (bool, int, float, str, list, tuple))
    ]
    return [re.sub(" at 0x[0-9a-fA-F]+", "", repr(module)), shapes, settings]


def _content(value: Tensor | np.ndarray) -> str:
    kind, shape = str(value.dtype).removeprefix("torch."), list(value.shape)
    if isinstance(value, Tensor):
        value = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    checksum = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()[:16]
    return f"{CONTENT}{kind} {shape} {checksum}"


def _library_text(value: Any) -> str:
    """Nom complet d'une chose de bibliothèque, ou son texte s'il ne dépend pas du moment."""
    if hasattr(value, "__qualname__"):
        return _name(value)
    if isinstance(value, Path):  # où est un fichier ne change pas ce qu'il contient
        return value.name
    text = repr(value)
    is_momentary = " at 0x" in text or hasattr(value, "__next__") or len(text) > 200
    return _name(type(value)) if is_momentary else text


def _shorten(value: list | dict) -> list | dict | str:
    is_short = len(json.dumps(value)) <= _LONGEST
    return value if is_short else f"{CONTENT}{len(value)} éléments {digest(value)}"


def _narrow(label: str, value: Any, taken: tuple) -> tuple[str, Any]:
    """Ne garde d'un module, d'un objet ou d'un dictionnaire que ce que le code en prend."""
    for key in taken:
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif _can_follow(value, key):
            value = getattr(value, key)
        else:
            break
        label = f"{label}.{key}"
    return label, value


def _can_follow(value: Any, name: Any) -> bool:
    if isinstance(value, types.ModuleType):
        return is_ours(value.__name__) and hasattr(value, name)
    is_object = not isinstance(value, (type, nn.Module)) and is_ours(type(value).__module__)
    return is_object and name in getattr(value, "__dict__", ())


def _name(thing: Any) -> str:
    return _join(getattr(thing, "__module__", None) or "", thing.__qualname__)


def _join(module: str, name: str) -> str:
    return name if module in ("", "__main__") else f"{module}.{name}"


def _is_record(value: Any) -> bool:
    """Une instance de dataclass qui ne se décrit pas elle-même : ses champs la décrivent."""
    cls = type(value)
    return (
        dataclasses.is_dataclass(cls)
        and not issubclass(cls, nn.Module)
        and not callable(getattr(cls, "fingerprint", None))
    )


_fields = dataclasses.fields
