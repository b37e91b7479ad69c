"""Essaie des labs là où les étudiants les exécutent : un vrai JupyterLab, dans le navigateur.

    python -m tools.check_jupyter [lab …]

Chaque lab est exécuté en entier par la commande « Run All Cells ». Aucune cellule ne doit échouer,
les figures doivent se voir, une réponse repliée s'ouvrir et, s'il y a des menus, un autre choix
changer l'image. Il faut Chromium et l'option « navigateur » du paquet.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tools import check_site, execute, notebooks

LABS = ("01_perceptron", "03_vae", "06_ganlab")
START_DELAY = 60  # secondes, largement le démarrage du serveur
SEEN_DELAY = 30_000  # ms, pour ce qui ne calcule pas
PLAYED_DELAY = 120_000  # ms, pour une cellule rejouée par un menu
PICTURE = ":is(.jp-RenderedSVG, .jp-RenderedImage) :is(img, svg)"
FIGURES = ("image/svg+xml", "image/png")
EXPLORE = "labkit.explore("
SAID = ".jp-OutputArea-output pre"  # ce que le noyau a écrit, une erreur par exemple
WIDGET = "application/vnd.jupyter.widget-view+json"

SERVER = {
    "ServerApp.open_browser": "False",
    "ServerApp.allow_root": "True",
    "IdentityProvider.token": "",
    "LabApp.expose_app_in_browser": "True",
    "LabApp.news_url": "",
}

# Le notebook ouvert ; `jupyterapp` existe grâce à expose_app_in_browser.
RUN_ALL = """async () => {
  const app = window.jupyterapp;
  await app.restored;
  const panel = app.shell.currentWidget;
  await panel.context.ready;
  await panel.sessionContext.ready;
  await app.commands.execute("notebook:run-all-cells");
  return panel.content.model.toJSON().cells;
}"""
SHOW = """async (rank) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = rank;
  await notebook.scrollToItem(rank, "start");
}"""
CHANGED = """([cell, picture, before]) => [...cell.querySelectorAll(picture)]
  .some((element) => element.outerHTML !== before)"""
OPENED = "window.jupyterapp && window.jupyterapp.shell.currentWidget?.content?.model"


@contextmanager
def jupyter(folder: Path) -> Iterator[str]:
    """Un serveur JupyterLab, le temps d'un bloc `with`.

    Args:
        folder: dossier des notebooks.

    Yields:
        Son adresse, sans barre finale.

    Raises:
        TimeoutError: il ne répond pas.
    """
    port = _free_port()
    options = [f"--{name}={value}" for name, value in SERVER.items()]
    options += [f"--ServerApp.port={port}", f"--ServerApp.root_dir={folder}"]
    # Comme chez un étudiant : menus et barres de progression vivants.
    environment = {k: v for k, v in os.environ.items() if k != "LABKIT_PROGRESS"}
    log = folder / "jupyter.log"
    with log.open("w") as stream:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env=environment, stdout=stream, stderr=stream, cwd=folder,
        )  # fmt: skip
    base = f"http://127.0.0.1:{port}"
    try:
        _wait(base, server, log)
        yield base
    finally:
        server.terminate()
        server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait(base: str, server: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + START_DELAY
    while time.monotonic() < end and server.poll() is None:
        try:
            urlopen(f"{base}/api", timeout=2).close()
            return
        except (URLError, OSError):
            time.sleep(0.2)
    raise TimeoutError(f"JupyterLab ne répond pas :\n{log.read_text(encoding='utf-8')[-2000:]}")


def problems(page, base: str, lab: str) -> list[str]:
    """Exécute un lab dans JupyterLab et dit ce qui n'y va pas.

    Args:
        page: page Playwright.
        base: adresse du serveur.
        lab: nom du notebook, sans suffixe.

    Returns:
        Une phrase par défaut.
    """
    page.goto(f"{base}/lab/tree/{lab}.ipynb?reset")
    page.wait_for_function(OPENED, timeout=SEEN_DELAY)
    cells = page.evaluate(RUN_ALL)
    # Après une erreur, ou la mort du noyau, JupyterLab attend une réponse et cache le reste.
    return _errors(cells) or [*_figure(page, cells), *_answer(page, cells), *_widget(page, cells)]


def _errors(cells: list[dict]) -> list[str]:
    failed = [
        f"cellule {rank} : {output['ename']}, {output['evalue']}"
        for rank, cell in enumerate(cells, 1)
        for output in cell.get("outputs", [])
        if output["output_type"] == "error"
    ]
    skipped = [
        rank
        for rank, cell in enumerate(cells, 1)
        if cell["cell_type"] == "code" and not cell["execution_count"]
    ]
    return failed + [f"cellule {rank} : pas exécutée" for rank in skipped]


def _with_output(cells: list[dict], *kinds: str) -> list[int]:
    """Les rangs des cellules dont un résultat est de l'une de ces sortes."""
    return [
        rank
        for rank, cell in enumerate(cells)
        if any(kind in o.get("data", {}) for o in cell.get("outputs", []) for kind in kinds)
    ]


def _figure(page, cells: list[dict]) -> list[str]:
    shown = _with_output(cells, *FIGURES)
    if not shown:
        return ["aucune figure"]
    page.evaluate(SHOW, shown[0])
    figure = _cell(page, shown[0]).locator(PICTURE)
    return _seen(figure.first, f"cellule {shown[0] + 1} : figure invisible")


def _answer(page, cells: list[dict]) -> list[str]:
    rank = next(rank for rank, cell in enumerate(cells) if "<details>" in "".join(cell["source"]))
    page.evaluate(SHOW, rank)
    cell = _cell(page, rank)
    cell.locator("summary").first.click(timeout=SEEN_DELAY)
    answer = cell.locator("details[open] > :not(summary)").first
    return _seen(answer, f"cellule {rank + 1} : la réponse ne s'ouvre pas")


def _widget(page, cells: list[dict]) -> list[str]:
    """Un autre choix dans le premier menu, puis le bouton : l'image doit changer."""
    from playwright.sync_api import TimeoutError as Expired

    explored = [rank for rank, cell in enumerate(cells, 1) if EXPLORE in "".join(cell["source"])]
    shown = _with_output(cells, WIDGET)
    if not shown:
        return [f"cellule {rank} : pas de menus ; ipywidgets est-il là ?" for rank in explored]
    page.evaluate(SHOW, shown[0])
    cell = _cell(page, shown[0])
    picture = cell.locator(PICTURE).first
    if problem := _seen(picture, f"cellule {shown[0] + 1} : menus sans image", PLAYED_DELAY):
        return problem
    before = picture.evaluate("element => element.outerHTML")
    menu = cell.locator("select").first
    menu.select_option(index=menu.locator("option").count() - 1)
    cell.locator("button.widget-button").first.click()
    try:
        page.wait_for_function(
            CHANGED, arg=[cell.element_handle(), PICTURE, before], timeout=PLAYED_DELAY
        )
    except Expired:
        said = " ".join(cell.locator(SAID).all_inner_texts())[-400:]
        return [f"cellule {shown[0] + 1} : un autre choix ne change pas l'image {said}".rstrip()]
    return []


def _cell(page, rank: int):
    return page.locator(f'[data-windowed-list-index="{rank}"]')


def _seen(locator, problem: str, delay: int = SEEN_DELAY) -> list[str]:
    from playwright.sync_api import TimeoutError as Expired

    try:
        locator.wait_for(state="visible", timeout=delay)
    except Expired:
        return [problem]
    return []


def check(paths: list[Path]) -> dict[str, list[str]]:
    """Essaie des labs, l'un après l'autre, dans un même JupyterLab.

    Args:
        paths: les notebooks, copiés ailleurs et laissés tels quels.

    Returns:
        Nom du lab -> ce qui n'y va pas.
    """
    from playwright.sync_api import sync_playwright

    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        for path in paths:
            shutil.copy(path, folder)
        with jupyter(folder) as base, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=check_site.find_browser())
            for path in paths:
                start = time.monotonic()
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                found[path.stem] = problems(page, base, path.stem)
                page.close()
                mark = "✗" if found[path.stem] else "✓"
                print(f"{mark} {path.stem} ({time.monotonic() - start:.0f} s)", flush=True)
            browser.close()
    return found


def main(arguments: list[str] | None = None) -> int:
    """Essaie les labs demandés ; statut 1 si l'un d'eux a un défaut."""
    parser = argparse.ArgumentParser(description="Essaie des labs dans JupyterLab.")
    parser.add_argument("labs", nargs="*", default=LABS, help="noms de labs")
    options = parser.parse_args(arguments)
    folder = notebooks.ROOT / "labs"
    try:
        found = check([execute.find_lab(name, folder) for name in options.labs])
    except ModuleNotFoundError:
        print('Playwright manque : pip install -e ".[navigateur]"', file=sys.stderr)
        return 1
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    for lab, sentences in found.items():
        for sentence in sentences:
            print(f"{lab} : {sentence}", file=sys.stderr)
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
