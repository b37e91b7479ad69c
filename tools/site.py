"""Assemble les sources du site et le construit avec Jupyter Book.

    python -m tools.site [--reponses oui|non]

Les labs doivent avoir été exécutés (`python -m tools.execute`). Tout avertissement est une erreur.
Avec `--reponses non`, ni réponse ni solution n'est publiée, et le site construit est fouillé.
"""

from __future__ import annotations

import argparse
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from urllib.parse import urlsplit

from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode

from labkit.plots.style import CAPTION_MARK
from tools import (
    answers,
    archives,
    demos,
    downloads,
    execute,
    math_font,
    notebooks,
    pages,
    repository,
    search_index,
    welcome,
)
from tools.bench_page import bench_page, growth_figure, read_results
from tools.questions import questions_page
from tools.results import computed, results_page
from tools.status import status_page
from tools.teaching import teaching_page
from tools.values import Values

NO_BREAK_SPACE = "\u00a0"

NO_DEPOT = 'depot: ""'  # ce que _config.yml en dit, que `assemble` complète
WITH_ANSWERS = 'reponses: "oui"'
EXAMPLE = "depot.example"  # l'adresse tant que `make depot` n'a pas été lancé

# Ce qui n'est pas de la prose, et que la typographie doit laisser tel quel.
VERBATIM = r"""
    ^(?P<fence>```+|~~~+).*?^(?P=fence)        # bloc de code
    | (?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)   # code dans une ligne
    | \$\$.+?\$\$ | (?<!\\)\$[^$]+\$             # formules
    | </?[a-zA-Z][^>]*> | <!--.*?-->           # balises et adresses entre chevrons
    | https?://\S+ | \]\([^)\n]*\)             # adresses
"""

UNITS = r"(?:min|ms|s|h|ko|Mo|Go|dB|nats?)(?![\w'’])"

# Une espace ordinaire devant une ponctuation double ou après un guillemet ouvrant, dans un grand
# nombre ou devant une unité. « ![ » ouvre une image ; « :-- », « :: » et « ::: » sont du balisage.
BREAKABLE = (
    r"(?<=[^\s|])[ ](?=[?;»%]|!(?!\[)|:(?![:-]))|(?<=«)[ ]"
    rf"|(?<=\d)[ ](?=\d{{3}}(?!\d)|{UNITS})"
)

FIGURES = ("image/svg+xml", "image/png")

STATIC_DEMOS = "_static/demos"
DEMO = re.compile(r'data-demo="([\w-]+)"')
# L'adresse d'abord : c'est elle que le site change.
LOADED = re.compile(r'<script src="[^"]+"></script>|<link href="[^"]+" rel="stylesheet" />')

PROSE = re.compile(f"{VERBATIM}|(?P<space>{BREAKABLE})", re.VERBOSE | re.DOTALL | re.MULTILINE)


def french_spaces(text: str) -> str:
    """Rend insécables les espaces que la typographie française ne coupe pas.

    Args:
        text: du Markdown ; code, formules, balises et adresses n'y changent pas.

    Returns:
        Le même texte, aux espaces U+00A0 près.
    """
    return PROSE.sub(lambda found: NO_BREAK_SPACE if found["space"] else found[0], text)


class FrenchSpaces(Preprocessor):
    """Empêche qu'une ligne du site commence par une ponctuation double."""

    def preprocess_cell(self, cell, resources, index):
        """Traite une cellule (interface de nbconvert)."""
        if cell.cell_type == "markdown":
            cell.source = french_spaces(cell.source)
        return cell, resources


class FoldSolutions(Preprocessor):
    """Replie sur le site le code des solutions d'exercice."""

    def preprocess_cell(self, cell, resources, index):
        """Traite une cellule (interface de nbconvert)."""
        if "solution" in notebooks.tags(cell):
            cell.metadata.tags = [*cell.metadata.tags, "hide-input"]
        return cell, resources


class FigureTexts(Preprocessor):
    """Porte le texte de remplacement et la légende des figures là où MyST-NB les lit.

    `labkit.plots` les écrit dans les métadonnées de la sortie, dont MyST-NB ne lit que la taille ;
    le texte de remplacement, il le lit dans celles de la cellule (clé `mystnb.image.alt`), le même
    pour toutes ses figures. `pages.name_figures` rend ensuite à chacune les siens.
    """

    def preprocess_cell(self, cell, resources, index):
        """Traite une cellule (interface de nbconvert)."""
        outputs = cell.get("outputs", [])
        texts = [self._texts(output) for output in outputs if self._kind(output)]
        if texts:
            cell.metadata["mystnb"] = {"image": {"alt": pages.ALT_SEPARATOR.join(texts)}}
            # Dans un notebook, la légende suit la figure.
            cell.outputs = [o for o in outputs if not o.get("metadata", {}).get(CAPTION_MARK)]
        return cell, resources

    @staticmethod
    def _kind(output: NotebookNode) -> str | None:
        kinds = (kind for kind in FIGURES if kind in output.get("data", {}))
        return next(kinds, None)

    def _texts(self, output: NotebookNode) -> str:
        facts = output.metadata.get(self._kind(output), {})
        caption = french_spaces(facts.get("caption", "")).replace("'", "’")
        return pages.CAPTION_SEPARATOR.join([facts.get("alt", ""), caption])


class LiveDemos(Preprocessor):
    """Donne aux pages les feuilles de style et les scripts de leurs démonstrations.

    Une cellule la réserve par `<div … data-demo="nom">` ; la page `demos/nom/index.html`, qui
    s'ouvre aussi seule, dit ce qu'elle charge. Un script que deux démonstrations partagent n'est
    chargé qu'une fois par page.
    """

    def preprocess(self, notebook, resources):
        """Traite un notebook (interface de nbconvert)."""
        loaded: set[str] = set()
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                tags = [tag for name in DEMO.findall(cell.source) for tag in demo_tags(name)]
                added = [tag for tag in dict.fromkeys(tags) if tag not in loaded]
                loaded.update(added)
                cell.source += "".join(["\n\n", "\n".join(added)] if added else [])
        return notebook, resources


def demo_tags(name: str, folder: Path = notebooks.ROOT / "demos") -> list[str]:
    """Les balises qu'une page de labs/ ajoute pour la démonstration `demos/name/`.

    Args:
        name: nom de la démonstration.
        folder: dossier des démonstrations.

    Raises:
        LabError: cette démonstration n'existe pas.
    """
    page = folder / name / "index.html"
    if not page.is_file():
        raise notebooks.LabError(f"démonstration {name!r} introuvable : {page.name} manque.")

    def from_lab(found: re.Match) -> str:
        return f'="{posixpath.normpath(f"../{STATIC_DEMOS}/{name}/{found[1]}")}"'

    tags = LOADED.findall(page.read_text(encoding="utf-8"))
    return [re.sub('="([^"]+)"', from_lab, tag, count=1) for tag in tags]


PREPROCESSORS = (FrenchSpaces(), FoldSolutions(), FigureTexts(), LiveDemos())


def site_notebook(notebook: NotebookNode) -> NotebookNode:
    """Transforme un notebook exécuté en page du site.

    Args:
        notebook: le notebook exécuté, modifié sur place.

    Returns:
        Le même, espaces insécables posées, solutions repliées et figures décrites.
    """
    for preprocessor in PREPROCESSORS:
        notebook, _ = preprocessor.preprocess(notebook, {})
    return notebook


def assemble(root: Path, build: Path, shown: str = answers.SHOWN) -> Path:
    """Réunit pages, notebooks exécutés et pages calculées dans un dossier de sources.

    Args:
        root: racine du dépôt.
        build: dossier de construction, où `executed/` est déjà rempli.
        shown: « oui » ou « non », selon que le site donne réponses et solutions.

    Returns:
        Le dossier des sources du site.

    Raises:
        LabError: un lab est illisible, ou n'a pas été exécuté.
    """
    source, executed = build / "source", build / "executed"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(root / "book", source / "book")
    if (root / "demos").is_dir():
        # Les poids du dossier viennent d'une autre fois : ceux du site s'écrivent avec lui.
        sources = shutil.ignore_patterns("weights")
        copied = shutil.copytree(root / "demos", source / "book" / STATIC_DEMOS, ignore=sources)
        demos.write_weights(copied)
    shutil.copy(root / "_toc.yml", source / "_toc.yml")
    config = (root / "_config.yml").read_text(encoding="utf-8")
    config = config.replace(NO_DEPOT, f'depot: "{depot(root)}"')
    _write(source / "_config.yml", config.replace(WITH_ANSWERS, f'reponses: "{shown}"'))
    hidden = shown == answers.HIDDEN
    for path in (source / "book").glob("*.md") if hidden else []:
        _write(path, answers.hide_in_page(path.read_text(encoding="utf-8")))
    labs = notebooks.lab_paths(root / "labs")
    known = execute.read_status(executed)
    for path in labs:
        if known.get(path.stem, {}).get("status") != execute.SUCCESS:
            raise notebooks.LabError(
                f"{path.name} n'a pas été exécuté jusqu'au bout : lancez make site, "
                "ou python -m tools.execute."
            )
        page = notebooks.read(executed / path.name)
        page = site_notebook(answers.hide(page) if hidden else page)
        notebooks.write(page, source / "labs" / path.name)
    _write(source / "book" / "questions.md", french_spaces(questions_page(labs, shown)))
    values = Values(root / "labkit" / "reference", computed())
    _write(source / "book" / "results.md", french_spaces(results_page(values, labs)))
    machine = json.loads((executed / "status.json").read_text(encoding="utf-8"))["machine"]
    home = source / "book" / "index.md"
    _write(home, welcome.complete(home.read_text("utf-8"), executed, known, home.parent))
    records = [known[path.stem] for path in labs]
    _write(source / "book" / "status.md", french_spaces(status_page(records, machine)))
    teaching = teaching_page(labs, records, root / "labkit" / "reference")
    _write(source / "book" / "teaching.md", french_spaces(teaching))
    _write_bench(source / "book", read_results(root))
    return source


def _write_bench(book: Path, results: dict) -> None:
    _write(book / "bench.md", french_spaces(bench_page(results)))
    figure = growth_figure(results)
    if figure:
        figure.savefig(book / "bench_growth.svg")


def depot(root: Path) -> str:
    """L'adresse du dépôt, vide tant que `make depot` ne l'a pas donnée."""
    address = repository.current_address(root)
    return "" if urlsplit(address).hostname == EXAMPLE else address


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def build_site(source: Path, build: Path) -> int:
    """Lance Jupyter Book, avertissements comptés comme des erreurs.

    Args:
        source: dossier que renvoie `assemble`.
        build: dossier qui contient `source` ; le site est écrit dans son dossier `html`.

    Returns:
        Le statut de sortie de Jupyter Book.
    """
    # Tout reconstruire : Sphinx ne répète pas les avertissements des pages inchangées, et un
    # second essai réussirait donc là où le premier a échoué.
    shutil.rmtree(build / "html", ignore_errors=True)
    program = shutil.which("jupyter-book", path=sysconfig.get_path("scripts"))
    command = [program or "jupyter-book", "build", str(source), "-n", "-W", "--all"]
    # Jupyter Book écrit toujours dans un dossier `_build` : on lui donne le parent du nôtre.
    command += ["--keep-going", "--quiet", "--path-output", str(build.parent)]
    # Le moteur de formules est un module de ce dépôt : Sphinx doit le trouver.
    paths = os.pathsep.join([str(notebooks.ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths.rstrip(os.pathsep)}
    return subprocess.run(command, check=False, env=environment).returncode


def check_hidden(root: Path, html: Path) -> list[str]:
    """Fouille un site construit sans réponses : une phrase par réponse qui s'y trouverait.

    Args:
        root: racine du dépôt, dont les labs donnent les réponses.
        html: dossier du site construit.
    """
    others = [*root.glob("book/*.md"), *root.glob("labkit/**/*.py")]
    wanted = answers.searched(
        notebooks.lab_paths(root / "labs"), (path.read_text(encoding="utf-8") for path in others)
    )
    return answers.leaks(html, wanted)


@notebooks.reports_file_errors
def main(arguments: list[str] | None = None, root: Path = notebooks.ROOT) -> int:
    """Assemble et construit le site dans `_build/html`."""
    parser = argparse.ArgumentParser(description="Construit le site.")
    parser.add_argument("--reponses", default=answers.SHOWN)
    shown = parser.parse_args(arguments).reponses
    answers.check_choice(shown, answers.CHOICES)
    build = root / "_build"
    html = build / "html"
    source = assemble(root, build, shown)
    status = build_site(source, build)
    if status:
        return status
    finish(root, source, html)
    found = check_hidden(root, html) if shown == answers.HIDDEN else []
    for problem in found:
        print(problem, file=sys.stderr)
    if found:
        return 1
    print(f"Site construit : {html / 'index.html'}")
    return 0


def finish(root: Path, source: Path, html: Path) -> None:
    """Achève le site que Jupyter Book a construit : pages, polices, recherche, téléchargements."""
    pages.finish(html, source / "book" / "references.bib")
    pages.prune(html / "_static")
    shutil.copy(source / "book" / "_static" / "404.html", html / "404.html")
    math_font.write_stylesheet(html)
    search_index.write_index(html)
    archives.write_downloads(root, html)
    downloads.complete(html)


if __name__ == "__main__":
    sys.exit(main())
