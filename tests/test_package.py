"""Le paquet : léger à importer, complet, et sans flèche à l'envers."""

import ast
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import labkit

PACKAGE = Path(labkit.__file__).parent
HEAVY = (
    "accelerate", "matplotlib", "torchvision", "sklearn", "transformers", "tqdm", "numpy",
    "torch", "scipy", "IPython", "safetensors", "platformdirs", "tokenizers",
)  # fmt: skip


def test_import_is_light():
    program = "import json, sys, labkit; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
    )
    loaded = set(json.loads(done.stdout))
    assert "labkit" in loaded
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize("name", labkit.__all__)
def test_public_names_resolve(name):
    value = getattr(labkit, name)
    if not inspect.ismodule(value):
        assert value.__module__.startswith("labkit.")
        assert inspect.getdoc(value)
    assert name in dir(labkit)


def test_public_names_are_those_of_the_design():
    expected = {
        "load_images",
        "load_text",
        "set_seed",
        "pick_device",
        "fit",
        "load_reference",
        "list_references",
    }
    assert expected | {"models", "perceptron", "plots", "verify"} <= set(labkit.__all__)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'abracadabra'"):
        labkit.abracadabra  # noqa: B018


def imported_modules(path: Path) -> set[str]:
    """Modules qu'un fichier importe, où que ce soit dans son code."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def files(pattern: str) -> list[Path]:
    return sorted(PACKAGE.glob(pattern))


def forbidden(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


@pytest.mark.parametrize(("pattern", "prefixes"), [
    ("**/*.py", ("labs", "tools", "benchmarks")),
    ("models/**/*.py", ("labkit.training", "labkit.plots", "labkit.data", "labkit.checkpoints")),
    ("plots/*.py", ("labkit.models", "labkit.training", "labkit.data")),
    ("data/**/*.py", ("labkit.models", "labkit.training", "labkit.plots", "labkit.text")),
    ("text/**/*.py", ("labkit.models", "labkit.training", "labkit.plots")),
    ("perceptron.py", ("labkit.training", "labkit.plots")),
])  # fmt: skip
def test_imports_go_one_way(pattern, prefixes):
    assert files(pattern)
    wrong = {
        f"{path.name} -> {name}"
        for path in files(pattern)
        for name in imported_modules(path)
        if forbidden(name, prefixes)
    }
    assert wrong == set()


def test_every_module_has_a_docstring():
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in files("**/*.py")}
    assert [str(path) for path, tree in trees.items() if not ast.get_docstring(tree)] == []


def public_definitions(parent: ast.AST, prefix: str) -> dict[str, ast.AST]:
    """Fonctions, classes et méthodes publiques, lues dans le texte : rien n'y est hérité."""
    found = {}
    for node in parent.body:
        is_named = isinstance(node, (ast.FunctionDef, ast.ClassDef))
        if not is_named or node.name.startswith("_"):
            continue
        name = f"{prefix}.{node.name}"
        found[name] = node
        if isinstance(node, ast.ClassDef):
            found |= public_definitions(node, name)
    return found


def all_public_definitions(paths: list[Path]) -> dict[str, ast.AST]:
    return {
        name: node
        for path in paths
        for name, node in public_definitions(
            ast.parse(path.read_text(encoding="utf-8")), path.stem
        ).items()
    }


PUBLIC_DEFINITIONS = all_public_definitions(files("**/*.py"))
# Les modèles se lisent à côté de leur lab : la formule et les formes y suffisent. Les fichiers de
# l'entraînement ne servent qu'à `fit`, dont tous les arguments sont décrits.
WITH_ARGUMENTS = all_public_definitions(
    [
        path
        for path in files("**/*.py")
        if path.parent.name not in ("models", "training")
        or path.stem in ("loop", "averages", "rates")
    ]
)


def arguments(node: ast.AST) -> list[str]:
    if not isinstance(node, ast.FunctionDef):
        return []
    named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [argument.arg for argument in named if argument.arg not in ("self", "cls")]


def test_public_definitions_are_found():
    assert {"sets.ImageSet.batches", "style.LabFigure", "vae.VAE.encode"} <= set(PUBLIC_DEFINITIONS)
    assert not any("._" in name for name in PUBLIC_DEFINITIONS)


def test_every_public_definition_has_a_docstring():
    assert [name for name, d in PUBLIC_DEFINITIONS.items() if not ast.get_docstring(d)] == []


def test_every_argument_is_described():
    """Section `Args:`, ou une seule ligne : des formes entre crochets, ou un argument évident."""

    def is_described(node: ast.AST) -> bool:
        docstring = ast.get_docstring(node) or ""
        has_shapes = re.search(r"\[[^]]+\]", docstring.partition("\n")[0]) is not None
        return "Args:" in docstring or has_shapes or len(arguments(node)) < 2

    assert [name for name, node in WITH_ARGUMENTS.items() if not is_described(node)] == []


def test_tests_compute_on_the_processor():
    assert os.environ["ACCELERATE_USE_CPU"] == "true"
    assert labkit.pick_device().type == "cpu"
