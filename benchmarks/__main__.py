"""Affiche chaque mesure à côté de sa borne ; statut 1 si une borne n'est pas tenue.

    python -m benchmarks [famille …]

Une famille est un fichier de `benchmarks/` : `labs`, `mnist`… ; toutes par défaut. Les mesures vont
aussi dans `_build/bench.json`, dont `make site` tire une page.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path

import torch

from benchmarks import (
    demos,
    diffusion,
    gan,
    growth,
    imports,
    labs,
    language,
    loop,
    mnist,
    paper,
    plane,
    rivals,
    stylegan3,
)
from labkit.files import write_atomically
from labkit.precision import has_fast_bf16
from labkit.training import pick_device
from tools import notebooks
from tools.bench_page import RESULTS, read_results

FAMILIES = (
    imports, loop, labs, mnist, gan, plane, demos, diffusion, language, stylegan3, rivals, growth,
    paper,
)  # fmt: skip


def name_of(family) -> str:
    """Le nom d'une famille sur la ligne de commande."""
    return family.__name__.rpartition(".")[2]


def machine() -> dict:
    """Ce dont dépendent les mesures."""
    device = pick_device()
    return {
        "system": platform.system(),
        "cores": os.cpu_count(),
        "device": device.type,
        "bf16": has_fast_bf16(device),
        "torch": torch.__version__,
    }


def main(arguments: list[str] | None = None, root: Path = notebooks.ROOT) -> int:
    """Mesure les familles demandées ; les mesures des autres sont gardées."""
    parser = argparse.ArgumentParser(description="Mesure les performances que le cours annonce.")
    names = [name_of(family) for family in FAMILIES]
    parser.add_argument("families", nargs="*", metavar="famille", help=", ".join(names))
    chosen = parser.parse_args(arguments).families or names
    if unknown := set(chosen) - set(names):
        parser.error(f"famille inconnue : {', '.join(unknown)}. Au choix : {', '.join(names)}.")
    results = read_results(root).get("families", {})
    held = True
    print(f"{'mesure':<58} {'obtenu':>10} {'borne':>16}")
    for family in FAMILIES:
        if name_of(family) in chosen:
            records = []
            for measure in family.measures():
                print(measure.line(), flush=True)
                held &= measure.held
                records.append(measure.record())
            results[name_of(family)] = {"machine": machine(), "measures": records}
            text = json.dumps({"families": results}, ensure_ascii=False, indent=1)
            write_atomically(root / RESULTS, f"{text}\n".encode())
    return 0 if held else 1


if __name__ == "__main__":
    if hasattr(sys.stdout, "reconfigure"):  # console Windows qui n'est pas en UTF-8
        sys.stdout.reconfigure(encoding="utf-8")
    sys.exit(main())
