"""Les optimiseurs sans torch._dynamo : les mêmes nombres, les mêmes noms, sans l'importer."""

import copy
import inspect
import subprocess
import sys
from functools import partial

import pytest
import torch
from torch import nn

from labkit.training.eager import eager

PROGRAM = """
import sys, torch, labkit
from functools import partial
model = torch.nn.Linear(2, 1)
step = lambda batch: {"loss": model(batch).square().mean()}
adamw, muon = partial(torch.optim.AdamW, betas=(0.9, 0.95)), labkit.muon(model)
for optimizer in (None, torch.optim.SGD, adamw, muon):
    labkit.fit(step, torch.ones(4, 2).split(2), 2, model, optimizer=optimizer, log_every=0)
print("torch._dynamo" in sys.modules)
"""


def test_fit_does_not_import_what_compiles():
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    assert found.stdout.split() == [b"False"]


ALL = [
    found
    for name, found in vars(torch.optim).items()
    if inspect.isclass(found) and name not in ("Optimizer", "SparseAdam", "LBFGS", "Muon")
]


def trained(factory, weights: nn.Module) -> nn.Module:
    """Le modèle après cinq pas, ses moments enregistrés puis repris au troisième."""
    model, x = copy.deepcopy(weights), torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    optimizer = factory(model.parameters(), lr=0.05)
    for number in range(5):
        if number == 3:
            state = optimizer.state_dict()
            optimizer = factory(model.parameters(), lr=0.05)
            optimizer.load_state_dict(state)
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
    return model


@pytest.mark.parametrize("optimizer", ALL, ids=lambda found: found.__name__)
def test_every_optimizer_gives_the_same_weights(optimizer):
    assert eager(optimizer) is not optimizer
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    expected, found = trained(optimizer, model), trained(eager(optimizer), model)
    assert torch.equal(found.weight, expected.weight)
    assert torch.equal(found.bias, expected.bias)
    assert not torch.equal(found.weight, model.weight)


def test_it_keeps_its_name_its_settings_and_its_options():
    made = eager(partial(torch.optim.Adam, betas=(0.5, 0.9)))(nn.Linear(2, 1).parameters(), lr=0.1)
    assert type(made).__name__ == "Adam"
    assert isinstance(made, torch.optim.Adam)
    assert made.defaults["betas"] == (0.5, 0.9)
    assert "fused" in inspect.signature(eager(torch.optim.Adam)).parameters


def test_an_optimizer_of_someone_else_is_left_alone():
    class Own(torch.optim.SGD):
        pass

    def build(parameters, lr):
        return torch.optim.SGD(parameters, lr=lr)

    assert eager(Own) is Own
    assert eager(torch.optim.lr_scheduler.StepLR) is torch.optim.lr_scheduler.StepLR
    assert eager(build) is build
