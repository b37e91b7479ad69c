"""Plusieurs processus : mêmes poids qu'un seul, mêmes statistiques, même reprise."""

import json
import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

PROJECT = Path(__file__).resolve().parents[2]


# Ce que chaque processus exécute : un réseau à BatchNorm, des abandons, des lots mêlés.
SCRIPT = """
import json
import os
import sys
import signal
import itertools

import torch
from torch import nn

from labkit.data import ImageSet
from labkit.training import Interruption, Player, fit, set_seed, warmup_cosine

batch_size, interrupt_at, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
noisy = sys.argv[4] != "plain"
set_seed(0)
rank = int(os.environ.get("RANK", 0))
draws = torch.Generator().manual_seed(1)
pixels = torch.randint(0, 256, (128, 1, 28, 28), dtype=torch.uint8, generator=draws)
images = ImageSet(pixels, torch.arange(128) % 10)
model = nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 10))
if noisy:
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 16), nn.BatchNorm1d(16), nn.Dropout(0.3), nn.Linear(16, 10)
    )
if rank:
    nn.init.zeros_(model[1].weight)  # fit doit partir partout des poids du premier processus


def alarm():
    for count in itertools.count(1):
        if count == interrupt_at and rank == 1:  # un seul reçoit le signal, tous s'arrêtent
            signal.raise_signal(signal.SIGINT)
        yield


bell = alarm()


def step(batch):
    if model.training:
        next(bell)
    return {"loss": nn.functional.cross_entropy(model(batch[0]), batch[1])}


options = {"precision": "fp32", "checkpoint": f"{folder}/point.pt"}
try:
    if sys.argv[4] == "players":  # des pas inégaux, une pénalité, une accumulation, un cosinus
        other = nn.Linear(784, 10)

        def penalty(batch):
            x = batch[0].flatten(1).requires_grad_()
            (gradient,) = torch.autograd.grad(other(x).square().sum(), x, create_graph=True)
            return {"loss": gradient.square().sum(dim=1).mean() + 0 * torch.rand(())}

        def other_step(batch):
            noisy = batch[0].flatten(1) + 0.1 * torch.randn(len(batch[0]), 784)
            return {"loss": nn.functional.cross_entropy(other(noisy), batch[1])}

        players = {
            "model": Player(model, step, accumulate=2, lr=warmup_cosine(1e-3, 0.2)),
            "other": Player(other, other_step, every=2, max_grad_norm=1.0),
            "penalty": Player(other, penalty, every=3),
        }
        history = fit(players, images.batches(batch_size, shuffle=True), 4, **options)
        model = nn.ModuleList([model, other])
    else:
        history = fit(
            step, images.batches(batch_size, shuffle=True), 4, model,
            validation=images[:40].batches(16), **options,
        )
except Interruption as interruption:
    history = interruption.history
    if sys.argv[4] == "players":
        sys.exit()
torch.save(model.state_dict(), f"{folder}/weights-{rank}.pt")
with open(f"{folder}/history-{rank}.json", "w", encoding="utf-8") as file:
    json.dump(history.curves, file)
if sys.argv[4] == "plain":
    try:
        fit(step, images[:8].batches(8), 1, model)
        print("aucune erreur")
    except ValueError as error:
        print(error)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_script(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(SCRIPT, encoding="utf-8")
    return folder / "train.py"


def launch_two(folder: Path, batch_size: int, interrupt_at: int = 0, kind: str = "plain") -> str:
    """Lance deux processus et renvoie ce qu'ils affichent."""
    # --multi_gpu : c'est ainsi qu'Accelerate lance plusieurs processus ; ACCELERATE_USE_CPU les
    # met sur le processeur. Avec --cpu il n'en lancerait qu'un, sauf sous mpirun.
    command = [
        sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu",
        "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no",
        "--dynamo_backend", "no", "--main_process_port", str(free_port()),
        str(write_script(folder)), str(batch_size), str(interrupt_at), str(folder), kind,
    ]  # fmt: skip
    loopback = {"linux": {"GLOO_SOCKET_IFNAME": "lo"}, "darwin": {"GLOO_SOCKET_IFNAME": "lo0"}}
    environment = {
        **os.environ, **loopback.get(sys.platform, {"USE_LIBUV": "0"}), "PYTHONUTF8": "1",
        "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true",
    }  # fmt: skip
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def run_alone(folder: Path, batch_size: int, monkeypatch) -> None:
    """Exécute le même script dans ce processus-ci."""
    script = write_script(folder)
    monkeypatch.setattr(sys, "argv", [str(script), str(batch_size), "0", str(folder), "plain"])
    runpy.run_path(str(script), run_name="__main__")


def test_two_processes_learn_as_one_with_the_doubled_batch(tmp_path, monkeypatch):
    output = launch_two(tmp_path / "two", batch_size=16)
    run_alone(tmp_path / "one", 32, monkeypatch)
    curves = {
        name: json.loads((tmp_path / name).read_text(encoding="utf-8"))
        for name in ("two/history-0.json", "two/history-1.json", "one/history-0.json")
    }
    assert curves["two/history-0.json"] == curves["two/history-1.json"]
    for name, values in curves["one/history-0.json"].items():
        np.testing.assert_allclose(curves["two/history-0.json"][name], values, atol=1e-4, rtol=0)
    weights = [
        torch.load(tmp_path / name, weights_only=True)
        for name in ("two/weights-0.pt", "two/weights-1.pt", "one/weights-0.pt")
    ]
    for key, value in weights[0].items():
        assert torch.equal(value, weights[1][key])
        torch.testing.assert_close(value, weights[2][key], atol=1e-4, rtol=0)
    # Une ligne par époque, du premier processus seulement.
    assert len([line for line in output.splitlines() if line.startswith("époque")]) == 4
    assert output.count("1 lot(s) ne suffisent pas à 2 processus") == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows n'a pas de signal SIGINT à relayer")
@pytest.mark.parametrize(("kind", "interrupt_at"), [("noisy", 6), ("players", 7)])
def test_two_processes_share_statistics_and_resume_in_the_middle_of_an_epoch(
    kind, interrupt_at, tmp_path
):
    """Quatre pas par époque et par processus ; l'arrêt n'est demandé que par le second."""
    options = {"batch_size": 16, "kind": kind}
    launch_two(tmp_path / "whole", **options)
    output = launch_two(tmp_path / "cut", interrupt_at=interrupt_at, **options)
    assert f"interrompu à l'époque 2/4, après le lot {interrupt_at - 4}" in output
    assert "Reprise de" in launch_two(tmp_path / "cut", **options)
    weights = {
        name: torch.load(tmp_path / name, weights_only=True)
        for name in ("whole/weights-0.pt", "whole/weights-1.pt", "cut/weights-0.pt",
                     "cut/weights-1.pt")
    }  # fmt: skip
    expected = weights["whole/weights-0.pt"]
    statistics = [value for key, value in expected.items() if key.endswith("running_mean")]
    assert statistics[0].abs().sum() > 0  # communes elles aussi
    for name, found in weights.items():
        assert all(torch.equal(found[key], value) for key, value in expected.items()), name
    whole, cut = (
        json.loads((tmp_path / name / "history-0.json").read_text("utf-8"))
        for name in ("whole", "cut")
    )
    for name, values in whole.items():  # à l'ordre des additions près
        assert cut[name] == pytest.approx(values, abs=1e-12, nan_ok=True)
