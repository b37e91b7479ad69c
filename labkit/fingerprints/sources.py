"""Ce qu'une fonction montre d'elle-même : sa source, et les variables du dehors qu'elle lit."""

from __future__ import annotations

import ast
import copy
import dis
import functools
import hashlib
import json
import linecache
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Ce qui, dans labkit, décide d'un résultat. Le reste (boucle, vérifications, figures, fichiers)
# compte comme une bibliothèque : en récrire un message n'oblige pas à tout entraîner de nouveau.
_DECISIVE = ("labkit.models", "labkit.metrics", "labkit.perceptron")
_CHECKS = "labkit.models.checks"


@functools.cache
def is_ours(module: str) -> bool:
    """Reconnaît le code dont dépend un résultat : celui de l'utilisateur, les modèles du cours."""
    root = str(module).partition(".")[0]
    if root == "labkit":
        return str(module).startswith(_DECISIVE) and module != _CHECKS
    if root == "__main__":
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    return (
        file is not None
        and root not in sys.stdlib_module_names
        and not {"site-packages", "dist-packages"} & set(Path(file).parts)
    )


def digest(value: Any) -> str:
    """Somme d'une valeur JSON : 16 chiffres hexadécimaux."""
    text = json.dumps(value, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def source_sum(function: types.FunctionType) -> str:
    """Somme de la source d'une fonction, sans commentaire, docstring ni mise en page.

    Un décorateur `check_…`, qui vérifie des arguments, ne compte pas non plus. Une fonction dont on
    n'a pas la source est jugée sur ses instructions.
    """
    node = _find_node(function.__code__)
    return _node_sum(node) if node else _code_sum(function.__code__)


def sums_in(source: str) -> dict[str, str]:
    """Somme de chaque fonction d'un texte de programme : nom qualifié -> `source_sum`."""
    found = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = prefix
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found[prefix + child.name] = _node_sum(child)
                inner = f"{prefix}{child.name}.<locals>."
            elif isinstance(child, ast.ClassDef):
                inner = f"{prefix}{child.name}."
            visit(child, inner)

    visit(_parse(source), "")
    return found


def computed_defaults(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Donne les arguments par défaut que la source ne montre pas, comme `def f(x, beta=BETA)`."""
    code, values = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[code.co_argcount - len(values) : code.co_argcount]
    keywords = function.__kwdefaults__ or {}
    node = _find_node(code)
    shown = {}
    if node:
        shown = dict(zip(names, node.args.defaults, strict=True))
        by_keyword = (argument.arg for argument in node.args.kwonlyargs)
        shown |= zip(by_keyword, node.args.kw_defaults, strict=True)
    for name, value in (*zip(names, values, strict=True), *keywords.items()):
        if not _is_literal(shown.get(name)):
            yield name, value


def read_variables(function: types.FunctionType) -> Iterator[tuple[str, bool, Any, tuple]]:
    """Donne les variables du dehors que lit une fonction ou celles qu'elle définit.

    Chacune est (nom, capturée ou globale, valeur, ce que le code en prend) : `settings["width"]`
    prend ("width",), `models.vae.VAE` prend ("vae", "VAE").
    """
    code = function.__code__
    cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
    for name, is_global, taken in _loads(code):
        if is_global and name in function.__globals__:
            yield name, False, function.__globals__[name], taken
        elif not is_global and name in cells and name != "__class__":  # celui de super()
            yield name, True, _content(cells[name]), taken


def functions_in(attribute: Any) -> Iterator[types.FunctionType]:
    """Donne les fonctions que porte un attribut de classe : méthode, propriété, etc."""
    carriers = ("fget", "fset", "func", "__func__")
    for candidate in (attribute, *(getattr(attribute, name, None) for name in carriers)):
        while hasattr(candidate, "__wrapped__"):
            candidate = candidate.__wrapped__
        if isinstance(candidate, types.FunctionType):
            yield candidate


# --- les sources ----------------------------------------------------------------------------------


def _find_node(code: types.CodeType) -> ast.AST | None:
    """La définition dans son fichier ou sa cellule, si sa ligne et son nom suffisent."""
    linecache.checkcache(code.co_filename)
    source = "".join(linecache.getlines(code.co_filename))
    nodes = _definitions(source).get((code.co_firstlineno, code.co_name), ())
    return nodes[0] if len(nodes) == 1 else None


@functools.lru_cache(maxsize=256)
def _definitions(source: str) -> dict[tuple[int, str], list[ast.AST]]:
    found: dict[tuple[int, str], list[ast.AST]] = {}
    try:
        tree = _parse(source)
    except SyntaxError:  # fichier en cours de modification
        return found
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            decorators = getattr(node, "decorator_list", ())
            line = min([node.lineno, *(decorator.lineno for decorator in decorators)])
            found.setdefault((line, getattr(node, "name", "<lambda>")), []).append(node)
    return found


def _parse(source: str) -> ast.Module:
    """L'arbre d'un programme, sans docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        has_body = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        if has_body and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


@functools.lru_cache(maxsize=4096)
def _node_sum(node: ast.AST) -> str:
    return digest(ast.unparse(_unchecked(node)))


def _unchecked(node: ast.AST) -> ast.AST:
    """La définition sans les décorateurs qui vérifient ses arguments : ils ne décident de rien."""
    decorators = getattr(node, "decorator_list", [])
    kept = [each for each in decorators if not ast.unparse(each).startswith("check_")]
    if len(kept) == len(decorators):
        return node
    node = copy.copy(node)
    node.decorator_list = kept
    return node


def _code_sum(code: types.CodeType) -> str:
    def constant(value: Any) -> str:
        if isinstance(value, types.CodeType):
            return _code_sum(value)
        # L'ordre d'un ensemble change d'un processus à l'autre.
        return repr(sorted(map(repr, value)) if isinstance(value, frozenset) else value)

    return digest([code.co_code.hex(), code.co_names, [constant(c) for c in code.co_consts]])


def _is_literal(expression: ast.expr | None) -> bool:
    try:
        ast.literal_eval(expression)
    except (TypeError, ValueError):
        return False
    return True


# --- les variables lues ---------------------------------------------------------------------------


@functools.lru_cache(maxsize=4096)
def _loads(code: types.CodeType) -> tuple[tuple[str, bool, tuple], ...]:
    found = {}
    instructions = [i for i in dis.get_instructions(code) if i.opname != "EXTENDED_ARG"]
    for position, instruction in enumerate(instructions):
        is_global = "GLOBAL" in instruction.opname or instruction.opname == "LOAD_NAME"
        if instruction.opname.startswith("LOAD_") and (is_global or "DEREF" in instruction.opname):
            taken = _taken(instructions[position + 1 : position + 8])
            found[instruction.argval, is_global, taken] = None
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= dict.fromkeys(_loads(constant))
    return tuple(found)


def _taken(following: list[dis.Instruction]) -> tuple:
    """Les attributs et les clés constantes pris aussitôt après la lecture d'une variable."""
    if not following:
        return ()
    first, second = following[0], (following[1:2] or following)[0]
    if first.opname in ("LOAD_ATTR", "LOAD_METHOD"):
        return (first.argval, *_taken(following[1:]))
    if first.opname == "LOAD_CONST" and (
        second.opname == "BINARY_SUBSCR" or second.argrepr == "[]"
    ):
        return (first.argval, *_taken(following[2:]))
    return ()


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # une variable capturée mais pas encore affectée
        return None
