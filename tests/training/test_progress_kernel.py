"""Ce qu'un entraînement laisse dans un notebook : son dernier état, et rien d'autre."""

import re
from pathlib import Path

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

import labkit

# Quelques secondes de calcul : assez pour que l'avancement s'affiche.
TRAINING = """
import torch
import labkit

labkit.studies  # comme Accelerate, Optuna importe tqdm
labkit.set_seed(0)
model = torch.nn.Linear(512, 512)
batches = [torch.randn(256, 512)] * 250


def step(x):
    return {"loss": torch.nn.functional.mse_loss(model(x), x)}


history = labkit.fit(step, batches, 3, model, validation=batches[:1], precision="fp32")
"""


@pytest.fixture(scope="module")
def outputs():
    """Les sorties enregistrées d'une cellule d'entraînement, telles que Jupyter les garde."""
    notebook = new_notebook(cells=[new_code_cell(TRAINING)])
    root = {"metadata": {"path": str(Path(labkit.__file__).parents[1])}}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LABKIT_PROGRESS", raising=False)  # un étudiant ne l'a pas
        NotebookClient(notebook, kernel_name="python3", resources=root).execute()
    return notebook.cells[0].outputs


def text(outputs) -> str:
    """Le texte brut des sorties, mis bout à bout."""
    return "".join(o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs)


def test_nothing_goes_to_the_error_stream(outputs):
    assert [o.text for o in outputs if o.get("name") == "stderr"] == []


def test_one_display_is_left(outputs):
    kinds = [(o.output_type, o.get("name")) for o in outputs]
    assert kinds == [("display_data", None)]  # mis à jour sur place, non répété


def test_the_last_state_alone_is_left(outputs):
    epochs = re.findall(r"époque\s+(\d)/3", text(outputs))
    assert epochs[-1] == "3"
    assert len(epochs) == len(set(epochs))
    assert "\r" not in text(outputs)


def test_losses_have_french_names_and_numbers(outputs):
    shown = text(outputs) + "".join(o.get("data", {}).get("text/html", "") for o in outputs)
    assert re.search(r"perte\s+\d+,\d", text(outputs))
    assert re.search(r"perte \(validation\)\s+\d+,\d", text(outputs))
    assert not re.search(r"\bloss\b|val_", shown)
