"""Exécute les labs avec papermill, plusieurs à la fois, et consigne temps, mémoire et versions.

    python -m tools.execute [--profil rapide] [--graine 0] [--jobs 2] [lab …]

Un lab se donne par son chemin ou par son nom, `02_autoencoder`.

Un lab dont le code, les paramètres et les versions sont les mêmes n'est pas exécuté de nouveau ;
ses textes, s'ils ont changé, sont reportés dans la copie exécutée (`tools.cache`).
"""

from __future__ import annotations

import argparse
import ast
import json
import multiprocessing
import os
import platform
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import papermill
import psutil
from papermill.exceptions import PapermillExecutionError, strip_color

from labkit.files import write_atomically
from labkit.tables import number
from tools import notebooks
from tools.cache import code_sum, fingerprint, refresh, versions

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
SUCCESS, FAILURE = "réussi", "échec"
# Ce que calcule un vieil ordinateur, sur un processeur plus récent : ni AVX-512, ni bf16.
OLD_PROCESSOR = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}


class PeakMemory:
    """Mesure, pendant un bloc `with`, le pic de mémoire des processus enfants."""

    def __init__(self, period: float = 0.1):
        self.period = period
        self.peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(self.period):
            self.peak = max(self.peak, _children_memory())


def _children_memory() -> int:
    total = 0
    for child in psutil.Process().children(recursive=True):
        try:
            total += child.memory_info().rss
        except psutil.Error:  # l'enfant vient de finir
            continue
    return total


def _children_seconds() -> float:
    """Temps de processeur des enfants finis ; zéro sous Windows, qui ne le garde pas."""
    times = psutil.Process().cpu_times()
    return getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)


def _is_old_laptop() -> bool:
    """Vrai si l'on calcule comme un vieil ordinateur, sur un seul fil."""
    measured = OLD_PROCESSOR | dict.fromkeys(THREAD_VARIABLES, "1")
    return all(os.environ.get(name) == value for name, value in measured.items())


def execute(path: Path, output: Path, parameters: dict) -> dict:
    """Exécute un notebook dans son propre noyau.

    Args:
        path: notebook source, jamais modifié.
        output: notebook exécuté ; son dossier sert de dossier de travail.
        parameters: valeurs des paramètres ; celles du notebook ne sont pas réécrites.

    Returns:
        Ce que `status.json` retient du lab ; la clé `error` n'existe qu'en cas d'échec.
    """
    record = {"name": path.stem, "title": notebooks.title(notebooks.read(path)), **parameters}
    start, computed = time.perf_counter(), _children_seconds()
    with PeakMemory() as memory:
        try:
            papermill.execute_notebook(
                path,
                output,
                parameters=_changed(path, parameters),
                cwd=output.parent,
                kernel_name="python3",
                progress_bar=False,
            )
            record["status"] = SUCCESS
        except Exception as error:  # noqa: BLE001 - un noyau mort est aussi un échec du lab
            record.update(status=FAILURE, error=describe_failure(path, error))
    record.update(
        seconds=round(time.perf_counter() - start, 1),
        cpu_seconds=round(_children_seconds() - computed, 1),
        old_laptop=_is_old_laptop(),
        peak_mib=round(memory.peak / 2**20),
        versions=versions(),
    )
    return record


def _changed(path: Path, parameters: dict) -> dict:
    """Ne garde que les paramètres qui diffèrent : sinon papermill ajoute une cellule inutile."""
    known = papermill.inspect_notebook(path)
    return {
        name: value
        for name, value in parameters.items()
        if name not in known or ast.literal_eval(known[name]["default"]) != value
    }


def describe_failure(path: Path, error: Exception) -> str:
    """Dit quel notebook a échoué, à quelle cellule, sur quelle source et pourquoi.

    Args:
        path: le notebook source.
        error: l'exception que papermill a levée.

    Returns:
        Un texte de plusieurs lignes, sans séquence de couleur.
    """
    if not isinstance(error, PapermillExecutionError):
        return f"{path.name} : exécution interrompue ({type(error).__name__} : {error})"
    number = _cell_number(path, error)
    traceback = strip_color("\n".join(error.traceback)) or f"{error.ename}: {error.evalue}"
    return (
        f"{path.name} : la cellule {number} a échoué.\n"
        f"--- source de la cellule {number}\n{error.source}\n"
        f"--- trace\n{traceback}"
    )


def _cell_number(path: Path, error: PapermillExecutionError) -> int:
    """Rang (à partir de 1) dans le notebook source, que papermill ait ou non ajouté une cellule."""
    sources = [cell.source for cell in notebooks.read(path).cells]
    candidates = (error.cell_index, error.cell_index - 1)
    return next(
        (i + 1 for i in candidates if i < len(sources) and sources[i] == error.source),
        error.cell_index + 1,
    )


def execute_all(
    paths: list[Path],
    output_dir: Path,
    parameters: dict,
    package: Path,
    jobs: int | None = None,
    old_laptop: bool = False,
) -> list[dict]:
    """Exécute les labs changés depuis la dernière fois et met `status.json` à jour.

    Args:
        paths: notebooks sources.
        output_dir: dossier des notebooks exécutés et de `status.json`.
        parameters: `profil` et `graine`.
        package: dossier du paquet `labkit`, dont dépend l'empreinte.
        jobs: nombre de labs à la fois, 2 au plus par défaut.
        old_laptop: exécute comme un vieil ordinateur, sur un fil, les labs qui ne l'ont pas été.

    Returns:
        Un enregistrement par lab, dans l'ordre de `paths`.
    """
    output_dir.mkdir(parents=True, exist_ok=True)
    if os.environ.get("LABKIT_DATA"):  # les labs s'exécutent dans un autre dossier que celui-ci
        os.environ["LABKIT_DATA"] = str(Path(os.environ["LABKIT_DATA"]).expanduser().resolve())
    known = read_status(output_dir)
    code = code_sum(package)
    prints = {path.stem: fingerprint(path, parameters, code) for path in paths}
    stale = [
        path
        for path in paths
        if not is_fresh(known.get(path.stem), prints[path.stem], output_dir)
        or (old_laptop and not known[path.stem]["old_laptop"])
    ]
    # Le plus long d'abord : c'est lui qui fixe la durée totale. Un lab inconnu passe en tête.
    stale.sort(key=lambda p: -known.get(p.stem, {}).get("seconds", float("inf")))
    for record in _run(stale, output_dir, parameters, jobs, old_laptop):
        record["fingerprint"] = prints[record["name"]]
        known[record["name"]] = record
        _announce(record)
        write_status(output_dir, sorted(known.values(), key=lambda lab: lab["name"]))
    for path in paths:
        if path not in stale:
            print(f"{path.stem} : inchangé, exécution précédente gardée", flush=True)
        if known[path.stem]["status"] == SUCCESS:
            refresh(path, output_dir / path.name)
            known[path.stem]["title"] = notebooks.title(notebooks.read(path))
    write_status(output_dir, sorted(known.values(), key=lambda lab: lab["name"]))
    return [known[path.stem] for path in paths]


def _run(paths: list[Path], output_dir: Path, parameters: dict, jobs: int | None, old: bool):
    if not paths:
        return
    cores = os.cpu_count() or 1
    jobs = min(jobs or min(cores, 2), len(paths))
    threads = 1 if old else max(1, cores // jobs)
    # « spawn » partout : même comportement sous Linux, macOS et Windows.
    with ProcessPoolExecutor(
        max_workers=jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_prepare_worker,
        initargs=(threads, OLD_PROCESSOR if old else {}),
    ) as pool:
        futures = [pool.submit(execute, p, output_dir / p.name, parameters) for p in paths]
        for future in futures:
            yield future.result()


def _prepare_worker(threads: int, processor: dict[str, str]) -> None:
    """Partage les cœurs entre les labs, sans barres de progression ; le noyau en hérite."""
    limits = {name: str(threads) for name in THREAD_VARIABLES}
    os.environ.update(limits, LABKIT_PROGRESS="0", **processor)


def is_fresh(record: dict | None, expected: str, output_dir: Path) -> bool:
    """Vrai si un lab a déjà réussi sous cette empreinte, et que sa copie exécutée est là.

    Args:
        record: ce que `status.json` en retient, ou None.
        expected: l'empreinte d'aujourd'hui.
        output_dir: dossier des notebooks exécutés.
    """
    return (
        record is not None
        and record["status"] == SUCCESS
        and record["fingerprint"] == expected
        and (output_dir / f"{record['name']}.ipynb").exists()
    )


def _announce(record: dict) -> None:
    print(
        f"{record['name']} : {record['status']} en {number(record['seconds'], 1)} s, "
        f"{record['peak_mib']} Mio au plus",
        flush=True,
    )


def read_status(output_dir: Path) -> dict[str, dict]:
    """Les enregistrements de la dernière exécution, par nom de lab ; vide s'il n'y en a pas."""
    path = output_dir / "status.json"
    if not path.exists():
        return {}
    return {lab["name"]: lab for lab in json.loads(path.read_text(encoding="utf-8"))["labs"]}


def write_status(output_dir: Path, records: list[dict]) -> None:
    """Écrit `status.json` : la machine, puis un enregistrement par lab."""
    machine = {"system": platform.system(), "cores": os.cpu_count()}
    text = json.dumps({"machine": machine, "labs": records}, ensure_ascii=False, indent=2)
    write_atomically(output_dir / "status.json", f"{text}\n".encode())


def find_lab(name: str, labs: Path) -> Path:
    """Le notebook que désigne un chemin, ou le nom d'un lab.

    Args:
        name: un chemin, ou un nom avec ou sans `.ipynb`, comme `02_autoencoder`.
        labs: dossier des notebooks, où chercher un nom.

    Returns:
        Le chemin d'un fichier qui existe.

    Raises:
        LabError: ni chemin ni nom connu ; le message donne les noms des labs.
    """
    for path in (Path(name), labs / name, labs / f"{name}.ipynb"):
        if path.is_file():
            return path
    known = ", ".join(path.stem for path in notebooks.lab_paths(labs))
    raise notebooks.LabError(f"Lab introuvable : {name}. Les labs sont : {known}.")


@notebooks.reports_file_errors
def main(arguments: list[str] | None = None) -> int:
    """Exécute les labs demandés ; statut 1 si un lab manque ou si une cellule a échoué."""
    parser = argparse.ArgumentParser(description="Exécute les labs avec papermill.")
    parser.add_argument("labs", nargs="*", help="chemins ou noms de labs (tous par défaut)")
    parser.add_argument("--profil", default="rapide", choices=("rapide", "complet"))
    parser.add_argument("--graine", type=int, default=0)
    parser.add_argument("--jobs", type=int, help="labs exécutés à la fois (2 au plus par défaut)")
    parser.add_argument("--output", type=Path, default=notebooks.ROOT / "_build" / "executed")
    options = parser.parse_args(arguments)
    labs = notebooks.ROOT / "labs"
    paths = [find_lab(name, labs) for name in options.labs] or notebooks.lab_paths(labs)
    records = execute_all(
        paths,
        options.output.resolve(),
        {"profil": options.profil, "graine": options.graine},
        notebooks.ROOT / "labkit",
        options.jobs,
    )
    return report(records)


def report(records: list[dict]) -> int:
    """Affiche les labs en échec, source et trace ; renvoie le statut de sortie, 1 s'il y en a."""
    errors = [record["error"] for record in records if record["status"] == FAILURE]
    for error in errors:
        print(f"\n{error}", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
