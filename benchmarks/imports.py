"""Ce que `import labkit` ajoute à `import torch`."""

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.measure import Measure, alternate

REPEATS = 5


def _run(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True)


def measures() -> Iterator[Measure]:
    _run("import torch, labkit")  # remplit le cache du disque
    seconds = alternate(
        {"torch": lambda: _run("import torch"), "both": lambda: _run("import torch, labkit")},
        REPEATS,
    )
    added = max(0.0, min(seconds["both"]) - min(seconds["torch"]))
    yield Measure("import labkit, en plus de torch", added, "s", at_most=0.3)
