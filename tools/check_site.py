"""Contrôle le site construit dans un vrai navigateur, réseau coupé.

    python -m tools.check_site [--pages labs/01_perceptron.html …] [--screenshots DOSSIER]

Chaque page est ouverte en clair et en sombre, sur un écran large puis étroit. Il faut Chromium et
l'option « navigateur » du paquet (`pip install -e ".[navigateur]"`).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from tools import notebooks, page_checks

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SCHEMES = {"light": "clair", "dark": "sombre"}
WIDTHS = (1280, 360)
# Sinon la barre latérale, qui glisse quand l'écran rétrécit, serait mesurée à mi-chemin.
NO_MOTION = "*, ::before, ::after { transition: none !important; animation: none !important; }"

INSPECT = r"""() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const skipped = "code, pre, script, style, math, textarea";
  const walker = document.createTreeWalker(document.querySelector("main") || document.body,
                                           NodeFilter.SHOW_TEXT);
  const raw = [];
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (/\$[^$\s][^$]*\$|\\[([]|^\s*\|.*\|/.test(node.data) && !node.parentElement.closest(skipped))
      raw.push(node.data.trim().slice(0, 60));
  }
  return {
    language: document.documentElement.lang,
    raw,
    unrendered: all(".math").filter((e) => !e.querySelector("math")).length,
    badMath: all("merror").map((e) => e.textContent),
    formulas: all(".math").length,
    mathFont: all("math").length === 0 || document.fonts.check("16px Formules"),
    images: all("main img:not(.only-dark)").length,
    badImages: all("main img").filter((i) => !i.alt.trim() || !i.naturalWidth)
                              .map((i) => i.getAttribute("src")),
    openDetails: all("article details[open]").length,
  };
}"""


class _SilentHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        """Ne rien écrire : seules les anomalies intéressent."""


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Sert un dossier sur une adresse locale le temps d'un bloc `with`.

    Args:
        folder: dossier du site.

    Yields:
        L'adresse, sans barre finale.
    """
    handler = partial(_SilentHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def find_browser() -> str:
    """Le chemin d'un Chromium installé.

    Raises:
        FileNotFoundError: aucun n'est dans le PATH.
    """
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    raise FileNotFoundError(
        "Aucun navigateur trouvé (" + ", ".join(BROWSERS) + "). Installez Chromium, par exemple "
        "avec : apt-get install chromium"
    )


class Visit:
    """Une page ouverte dans un contexte (clair ou sombre) et les anomalies relevées.

    Args:
        context: contexte de navigation Playwright.
        base: adresse locale du site.
    """

    def __init__(self, context, base: str):
        self.page = context.new_page()
        self.base = base
        self.problems: list[str] = []
        self.facts: dict = {}
        self.loaded: dict[str, tuple[str, int]] = {}  # adresse -> nature et octets
        self.page.route("**/*", self._filter)
        self.page.on("pageerror", lambda error: self.problems.append(f"erreur JavaScript {error}"))
        self.page.on("console", self._console)
        self.page.on("response", self._response)

    def _filter(self, route) -> None:
        """Refuse toute requête qui sortirait de la machine."""
        url = route.request.url
        if url.startswith(self.base) or urlsplit(url).scheme in ("data", "blob"):
            route.continue_()
        else:
            self.problems.append(f"requête vers l'extérieur {url}")
            route.abort()

    def _console(self, message) -> None:
        if message.type == "error":
            self.problems.append(f"erreur de console {message.text}")

    def _response(self, response) -> None:
        size = int(response.headers.get("content-length", 0))
        self.loaded[response.url.partition("#")[0]] = response.request.resource_type, size
        if response.status >= 400:
            self.problems.append(f"réponse {response.status} pour {response.url}")

    def run(self, name: str, screenshots: Path | None, scheme: str, axe: str) -> None:
        """Ouvre la page `name` et la contrôle, à chaque largeur."""
        self.page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        self.page.goto(f"{self.base}/{name}", wait_until="load")
        self.page.add_style_tag(content=NO_MOTION)
        self.page.evaluate(page_checks.LOAD_IMAGES)
        self.facts = self.page.evaluate(INSPECT)
        self.problems += describe(self.facts)
        self.facts["weight"] = sum(size for _, size in self.loaded.values())
        self.problems += page_checks.weight(self.loaded.values())
        self.problems += page_checks.figures(self.page, scheme == "dark")
        self.problems += page_checks.predictions(self.page)
        self.problems += page_checks.printing(self.page)
        self.problems += page_checks.glosses(self.page)
        self.problems += page_checks.accessibility(self.page, axe)
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 900})
            found = page_checks.overflow(self.page, width) + page_checks.menus(self.page)
            found += page_checks.figure_texts(self.page) if width == min(WIDTHS) else []
            self.problems += [f"{text} (à {width} px)" for text in found]
            if screenshots:
                file = f"{name.replace('/', '_').removesuffix('.html')}-{scheme}-{width}.png"
                self.page.screenshot(path=screenshots / file, full_page=True)
        self.page.close()


def describe(facts: dict) -> list[str]:
    """Traduit les faits relevés dans une page en anomalies.

    Args:
        facts: ce que renvoie le script `INSPECT`.

    Returns:
        Une phrase par anomalie.
    """
    found = []
    if facts["language"] != "fr":
        found.append(f"langue « {facts['language']} » au lieu de « fr »")
    found += [f"formule ou tableau non composé « {text} »" for text in facts["raw"]]
    if not facts["mathFont"]:
        found.append("police des formules absente")
    if facts["unrendered"]:
        found.append(f"{facts['unrendered']} formule(s) sans rendu")
    found += [f"formule erronée « {text} »" for text in facts["badMath"]]
    found += [f"image sans texte ou non chargée {source}" for source in facts["badImages"]]
    if facts["openDetails"]:
        found.append(f"{facts['openDetails']} réponse(s) ou bloc(s) ouverts d'emblée")
    return found


def page_names(site: Path) -> list[str]:
    """Les pages d'un site, sans les fichiers du thème ni les simples renvois.

    Args:
        site: dossier du site.

    Returns:
        Les chemins relatifs, triés.
    """
    pages = (page for page in site.rglob("*.html") if "_static" not in page.parts)
    return sorted(
        page.relative_to(site).as_posix()
        for page in pages
        if 'http-equiv="Refresh"' not in page.read_text(encoding="utf-8")
    )


def check(
    site: Path, screenshots: Path | None = None, only: list[str] | None = None
) -> dict[str, list[str]]:
    """Contrôle toutes les pages d'un site et affiche une ligne pour chacune.

    Args:
        site: dossier qui contient `index.html`.
        screenshots: dossier où enregistrer des captures, ou None.
        only: chemins des seules pages à contrôler ; toutes par défaut.

    Returns:
        Les anomalies de chaque page, par nom de page.
    """
    from playwright.sync_api import sync_playwright

    axe = page_checks.axe_script()
    names = only or page_names(site)
    problems = {name: [] for name in names}
    if screenshots:
        screenshots.mkdir(parents=True, exist_ok=True)
    with serve(site) as base, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser())
        contexts = {s: browser.new_context(color_scheme=s, locale="fr-FR") for s in SCHEMES}
        for name in names:
            for scheme, context in contexts.items():
                visit = Visit(context, base)
                visit.run(name, screenshots, scheme, axe)
                problems[name] += [f"[{SCHEMES[scheme]}] {text}" for text in visit.problems]
            _announce(name, visit.facts, problems[name])
        browser.close()
    return problems


def _announce(name: str, facts: dict, problems: list[str]) -> None:
    counts = f"{facts['formulas']} formules, {facts['images']} images, "
    counts += f"{facts['weight'] / 1000:.0f} ko"
    print(f"{'✗' if problems else '✓'} {name} ({counts})", flush=True)
    for problem in dict.fromkeys(problems):
        print(f"    {problem}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Contrôle `_build/html` ; statut 1 s'il y a une anomalie ou pas de navigateur."""
    parser = argparse.ArgumentParser(description="Contrôle le site dans Chromium, sans réseau.")
    parser.add_argument("--site", type=Path, default=notebooks.ROOT / "_build" / "html")
    parser.add_argument("--pages", nargs="*", default=[], help="les seules pages à contrôler")
    parser.add_argument("--screenshots", type=Path, help="dossier où enregistrer des captures")
    options = parser.parse_args(arguments)
    if not (options.site / "index.html").exists():
        print(f"Pas de site dans {options.site} : lancez make site.", file=sys.stderr)
        return 1
    try:
        problems = check(options.site, options.screenshots, options.pages)
    except ModuleNotFoundError:
        print('Playwright ou axe manque : pip install -e ".[navigateur]"', file=sys.stderr)
        return 1
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    faulty = sum(bool(found) for found in problems.values())
    print(f"{len(problems)} pages contrôlées, {faulty} avec anomalie.")
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
