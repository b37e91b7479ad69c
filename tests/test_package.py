"""Le paquet : léger à importer, complet, et sans flèche à l'envers."""

import ast
import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import labkit

PACKAGE = Path(labkit.__file__).parent
HEAVY = (
    "accelerate", "matplotlib", "torchvision", "sklearn", "transformers", "tqdm", "numpy",
    "torch", "scipy", "IPython", "safetensors", "platformdirs",
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
    ("plots.py", ("labkit.models", "labkit.training", "labkit.data")),
    ("data.py", ("labkit.models", "labkit.training", "labkit.plots")),
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


def test_every_module_and_public_function_has_a_docstring():
    missing = []
    for path in files("**/*.py"):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        name = name.removesuffix(".__init__")
        if name.endswith("__main__"):
            continue
        module = importlib.import_module(name)
        members = [
            member
            for key, member in vars(module).items()
            if not key.startswith("_") and inspect.isfunction(member) and member.__module__ == name
        ]
        missing += [m.__qualname__ for m in members if not inspect.getdoc(m)]
        missing += [] if module.__doc__ else [name]
    assert missing == []
