"""Un navigateur pour les démonstrations, ouvertes depuis leurs fichiers, sans serveur ni réseau."""

from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import labkit
from tools import demos

DEMOS = Path(__file__).parents[2] / "demos"


@pytest.fixture(scope="session")
def weights():
    """Les poids que la page charge, récrits s'ils sont plus vieux que ce qui les fait."""
    package = Path(labkit.__file__).parent
    makers = Path(demos.__file__).parent.glob("demo*.py")
    sources = [demos.CODES, *package.glob("reference/**/*.json"), *makers]
    written = {path.stem: path.stat().st_mtime for path in (DEMOS / "weights").glob("*.js")}
    files = [*demos.WEIGHTS.values(), *demos.NUMBERS.values()]
    newest = max(path.stat().st_mtime for path in sources)
    if any(written.get(name, 0) < newest for names in files for name in names):
        demos.write_weights(DEMOS)


@contextmanager
def visit(browser, name, **options):
    """Un fichier de demos/ ; la page fermée ne doit avoir connu ni erreur ni requête."""
    context, problems = browser.new_context(locale="fr-FR", **options), []
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("request", lambda r: problems.append(r.url) if r.url.startswith("http") else None)
    page.goto((DEMOS / name).as_uri())
    yield page
    context.close()
    assert problems == []


@pytest.fixture
def open_page(browser, weights):
    """Ouvre un fichier de demos/ pour un seul test."""
    with ExitStack() as opened:
        yield lambda name, **options: opened.enter_context(visit(browser, name, **options))
