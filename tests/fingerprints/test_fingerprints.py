"""Les empreintes : ce qui compte s'y voit, le reste n'y change rien."""

import functools
import json
import linecache
import os
import subprocess
import sys
import textwrap
import time

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from torch import nn

from labkit import fingerprints, models, training
from labkit.fingerprints import changes, fingerprint, sums_in

CELL = """
import torch
from functools import partial

SETTINGS = {"lr": 0.001, "samples": 500}
BETA = 1.0


def halve(x):
    return x / 2


def helper(x):
    return halve(x)


class Scale:
    factor = 3

    def apply(self, x):
        '''Multiplie.'''
        return self.factor * x


def make_step(model, weight):
    scale = Scale()

    def step(batch, beta=BETA):
        # La perte.
        return {"loss": weight * scale.apply(helper(batch)) * SETTINGS["lr"] * beta}

    return step


model = torch.nn.Linear(2, 3)
step = make_step(model, 0.5)
"""


def run_cell(source):
    """Exécute une cellule comme le fait IPython : sa source est dans linecache, sans fichier."""
    name = f"<cellule {abs(hash(source))}>"
    # La durée None dit à linecache que cette source n'est sur aucun disque.
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    namespace = {"__name__": "__main__"}
    exec(compile(source, name, "exec"), namespace)
    return namespace


def edited(*pairs):
    """Ce qui change dans l'empreinte du pas quand on modifie ainsi la cellule."""
    source = CELL
    for old, new in pairs:
        assert source.count(old) == 1
        source = source.replace(old, new)
    before, after = (fingerprint(step=run_cell(text)["step"]) for text in (CELL, source))
    return changes(before, after)


DECORATOR = """from functools import wraps


def {name}(function):
    @wraps(function)
    def checked(x):
        assert x >= 0
        return function(x)

    return checked


@{name}
def halve(x):"""


@pytest.mark.parametrize(
    "pair",
    [
        ("# La perte.", "# Autre commentaire."),
        ("'''Multiplie.'''", "'''Une autre explication.'''"),
        ("return x / 2", "return (\n        x / 2\n    )"),
        ('"samples": 500', '"samples": 600'),  # le pas ne lit que SETTINGS["lr"]
        ("import torch", "import torch\n\n\ndef unrelated():\n    return 1"),
        ("def halve(x):", DECORATOR.format(name="check_sign")),
    ],
    ids=["comment", "docstring", "layout", "unread setting", "unrelated function", "check"],
)
def test_what_does_not_matter_changes_nothing(pair):
    assert edited(pair) == []


@pytest.mark.parametrize(
    ("pair", "phrase"),
    [
        (
            ("return self.factor * x", "return self.factor + x"),
            "le programme de `Scale.apply` a changé",
        ),
        (("return x / 2", "return x / 3"), "le programme de `halve` a changé"),
        (
            ("def halve(x):", DECORATOR.format(name="positive")),
            "le programme de `halve` a changé",
        ),
        (('"loss": weight', '"loss": 2 * weight'), "le programme de `make_step.step` a changé"),
        (("make_step(model, 0.5)", "make_step(model, 0.25)"), "make_step.step.weight : 0,5 → 0,25"),
        (('"lr": 0.001', '"lr": 0.004'), "SETTINGS.lr : 0,001 → 0,004"),
        (("BETA = 1.0", "BETA = 2.0"), "make_step.step.beta : 1,0 → 2,0"),
        (("factor = 3", "factor = 4"), "Scale.factor : 3 → 4"),
    ],
    ids=[
        "method",
        "two calls deep",
        "decorator",
        "constant",
        "closure",
        "global",
        "default",
        "class value",
    ],
)
def test_what_matters_is_named(pair, phrase):
    assert edited(pair) == [f"step.{phrase}" if " : " in phrase else phrase]


def test_plain_values_are_kept_and_their_changes_are_french():
    before = fingerprint(lr=0.001, average=None, names=("a", "b"), batches={"size": 32}, old=1)
    assert before == {
        "lr": 0.001, "average": None, "names": ["a", "b"], "batches": {"size": 32}, "old": 1,
    }  # fmt: skip
    after = fingerprint(
        lr=1e-5, average=True, names=["a", 0.5], batches={"size": 64}, new=np.int64(2)
    )
    assert changes(before, after) == [
        "lr : 0,001 → 1e-05",
        "average : aucun → vrai",
        "names : [a ; b] → [a ; 0,5]",
        "batches.size : 32 → 64",
        "old : 1 → absent",
        "new : absent → 2",
    ]
    assert changes(before, before) == []
    assert changes(None, after) == ["ce qui l'a fait n'avait pas été noté"]


def test_code_that_comes_and_goes_is_named():
    before = fingerprint(step=run_cell(CELL)["step"])
    after = fingerprint(step=run_cell(CELL.replace("helper(batch)", "halve(batch)"))["step"])
    assert changes(before, after) == [
        "le programme de `make_step.step` a changé",
        "`helper` n'intervient plus",
    ]


def test_tensors_and_arrays_are_told_by_their_content():
    x = torch.arange(6.0).reshape(2, 3)
    described = fingerprint(x=x)["x"]
    assert described.startswith("contenu float32 [2, 3] ")
    assert described == fingerprint(x=x.numpy())["x"]
    assert fingerprint(x=x.bfloat16())["x"] != described
    assert fingerprint(x=torch.tensor(True))["x"].startswith("contenu bool [] ")
    assert changes(fingerprint(x=x), fingerprint(x=x + 1)) == ["le contenu de x a changé"]
    long = list(range(10_000))
    assert fingerprint(rows=long)["rows"].startswith("contenu 10000 éléments ")
    assert changes(fingerprint(r=long), fingerprint(r=long[:-1] + [0])) == [
        "le contenu de r a changé"
    ]


def test_library_things_are_told_by_their_name_and_partial_by_its_arguments():
    assert fingerprint(optimizer=torch.optim.Adam) == {"optimizer": "torch.optim.adam.Adam"}
    plain, heavy = (
        fingerprint(optimizer=functools.partial(torch.optim.SGD, momentum=m)) for m in (0.5, 0.9)
    )
    assert changes(plain, heavy) == ["optimizer.torch.optim.sgd.SGD(momentum) : 0,5 → 0,9"]
    assert fingerprint(device=torch.device("cpu"), count=iter([1]), rng=torch.Generator()) == {
        "device": "device(type='cpu')", "count": "builtins.list_iterator",
        "rng": "torch._C.Generator",
    }  # fmt: skip


def test_a_module_is_told_by_its_layers_and_its_code_never_its_weights():
    torch.manual_seed(0)
    one, two, narrow = models.AutoEncoder(2), models.AutoEncoder(2), models.AutoEncoder(3)
    described = fingerprint(model=one)
    assert described == fingerprint(model=two)
    assert "labkit.models.autoencoder.AutoEncoder.encode" in described["model"]
    assert changes(described, fingerprint(model=narrow)) == [
        "les couches de `labkit.models.autoencoder.AutoEncoder` ont changé"
    ]
    assert fingerprints.weights_checksum(one) != fingerprints.weights_checksum(two)
    two.load_state_dict(one.state_dict())
    assert fingerprints.weights_checksum(one) == fingerprints.weights_checksum(two)


def test_a_setting_kept_by_a_module_and_a_replaced_method_are_seen():
    source = textwrap.dedent(
        """
        from torch import nn

        class Block(nn.Module):
            def __init__(self, slope):
                super().__init__()
                self.slope = slope

            def forward(self, x):
                return self.slope * x

        def patched(x):
            return x
        """
    )
    cell = run_cell(source)
    plain, steeper, replaced = cell["Block"](0.1), cell["Block"](0.2), cell["Block"](0.1)
    replaced.forward = cell["patched"]
    before = fingerprint(model=nn.Sequential(plain))
    assert changes(before, fingerprint(model=nn.Sequential(steeper))) == [
        "les couches de `torch.nn.modules.container.Sequential` ont changé"
    ]
    assert changes(before, fingerprint(model=nn.Sequential(replaced))) == [
        "`patched` intervient désormais"
    ]


def test_an_object_may_describe_itself():
    class Batches:
        def fingerprint(self):
            return {"size": 32, "images": "abc"}

    assert fingerprint(batches=Batches()) == {"batches": {"size": 32, "images": "abc"}}


def test_cycles_end():
    cell = run_cell(
        "TABLE = {}\n\n\ndef even(n):\n    return n == 0 or odd(n - 1)\n\n\n"
        "def odd(n):\n    return n != 0 and TABLE['even'](n - 1)\n\n\nTABLE['even'] = even\n"
        "loop = []\nloop.append(loop)\n\n\ndef user():\n    return loop\n"
    )
    assert set(fingerprint(f=cell["even"])["f"]) >= {"even", "odd"}
    assert fingerprint(f=cell["user"])["f"]["loop"] == ["lui-même"]


def test_functions_without_source_are_told_by_their_instructions():
    def lambdas(factor):
        return eval(f"lambda x: {factor} * x", {"__name__": "__main__"})

    assert fingerprint(f=lambdas(2)) == fingerprint(f=lambdas(2))
    assert changes(fingerprint(f=lambdas(2)), fingerprint(f=lambdas(3))) == [
        "le programme de `<lambda>` a changé"
    ]
    pair = run_cell("f, g = lambda x: x, lambda x: 2 * x\n\n\ndef both(x):\n    return f(g(x))\n")
    assert {"both", "<lambda>", "<lambda> (2)"} <= set(fingerprint(f=pair["both"])["f"])


def test_sums_of_a_text_are_those_of_its_functions():
    sums = fingerprints.code_sums(fingerprint(step=run_cell(CELL)["step"]))
    assert set(sums) == {"make_step.<locals>.step", "helper", "halve", "Scale.apply"}
    assert sums.items() <= sums_in(CELL).items()


SCRIPT = """
import json, sys
from labkit import fingerprints, models
from tests.fingerprints.test_fingerprints import CELL, run_cell
cell = run_cell(CELL + "KINDS = {'b', 'a', 'c'}\\n\\n\\ndef known(x):\\n    return x in KINDS\\n")
known = eval("lambda x: x in {'a', 'b', 'c'}", {"__name__": "__main__"})
model = models.DDPM(models.UNet())
parts = {"step": cell["step"], "known": cell["known"], "set": known, "model": model}
print(json.dumps(fingerprints.fingerprint(**parts)))
"""


def test_two_processes_agree():
    found = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT], env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert found[0] == found[1] and json.loads(found[0])["known"]["KINDS"] == ["a", "b", "c"]


def test_a_step_defined_in_a_notebook_is_seen():
    describe = (
        "from labkit.fingerprints import fingerprint\nprint(json.dumps(fingerprint(step=step)))"
    )
    cells = ["import json", CELL, describe, "def halve(x):\n    return x / 5", describe]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, kernel_name="python3").execute()
    before, after = (json.loads(notebook.cells[i].outputs[0].text) for i in (2, 4))
    assert changes(before, after) == ["le programme de `halve` a changé"]
    assert before == fingerprint(step=run_cell(CELL)["step"])


def test_it_takes_milliseconds():
    ddpm = models.DDPM(models.UNet())
    fingerprint(model=ddpm, step=ddpm.loss)
    start = time.process_time()
    fingerprint(model=ddpm, step=ddpm.loss)
    assert time.process_time() - start < 0.1


# --- réglages que fabriquent d'autres fonctions, état des objets ----------------------------------


@pytest.mark.parametrize("make", [
    lambda value: training.warmup_cosine(value),
    lambda value: training.stepped([(1, value), (2, 1e-3)]),
    lambda value: training.moving_average(nn.Linear(2, 1), value),
])  # fmt: skip
def test_settings_of_what_labkit_makes_are_seen(make):
    assert fingerprint(part=make(0.5)) == fingerprint(part=make(0.5))
    assert fingerprint(part=make(0.5)) != fingerprint(part=make(0.25))


class Scaled:
    """Un pas dont le réglage est un attribut."""

    def __init__(self, scale):
        self.scale = scale

    def step(self, batch):
        return {"loss": self.scale * batch}


def test_the_state_of_an_object_is_seen():
    assert fingerprint(step=Scaled(1.0).step) == fingerprint(step=Scaled(1.0).step)
    assert fingerprint(step=Scaled(1.0).step) != fingerprint(step=Scaled(2.0).step)


def loader(value=0.0, batch_size=2, **options):
    dataset = torch.utils.data.TensorDataset(torch.full((4, 1), value))
    return torch.utils.data.DataLoader(dataset, batch_size, **options)


@pytest.mark.parametrize("other", [
    {"value": 1.0}, {"batch_size": 4}, {"shuffle": True}, {"drop_last": True},
])  # fmt: skip
def test_data_and_order_of_a_loader_are_seen(other):
    assert fingerprint(batches=loader()) == fingerprint(batches=loader())
    assert fingerprint(batches=loader()) != fingerprint(batches=loader(**other))
