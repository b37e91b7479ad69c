"""Ce que `tools.check_site` vérifie d'une page ouverte, un contrôle par fonction.

Chaque contrôle reçoit une page Playwright et renvoie une phrase par anomalie.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

MENU_DELAY = 2000  # ms, largement le temps d'un tiroir qui s'ouvre

# Le bouton, puis le menu qu'il montre ou cache.
MENUS = {
    "plan du cours": (".primary-toggle", ".bd-docs-nav"),
    "plan de la page": (".secondary-toggle", "#pst-page-toc-nav"),
}

# Un tiroir fermé reste parfois affiché, hors de l'écran.
IN_VIEW = """(menu) => {
  const element = document.querySelector(menu);
  const box = element.getBoundingClientRect();
  const shown = element.checkVisibility({ visibilityProperty: true });
  return shown && box.width > 0 && box.right > 0 && box.left < innerWidth;
}"""


def menus(page) -> list[str]:
    """Les boutons des deux plans montrent leur menu s'il est caché, le cachent sinon.

    Args:
        page: page Playwright, à la largeur à contrôler ; elle retrouve ensuite son état.

    Returns:
        Une phrase par bouton sans effet, ou par menu caché qu'aucun bouton n'ouvre.
    """
    found = []
    for name, (toggle, menu) in MENUS.items():
        if page.locator(menu).count():
            found += _menu(page, name, page.locator(f"{toggle}:visible"), menu)
    return found


def _menu(page, name: str, button, menu: str) -> list[str]:
    shown = page.evaluate(IN_VIEW, menu)
    if not button.count():
        return [] if shown else [f"{name} caché, sans bouton pour l'ouvrir"]
    button.first.click()
    if not _becomes(page, menu, not shown):
        return [f"bouton sans effet : {name}"]
    if shown:
        button.first.click()
    else:
        page.keyboard.press("Escape")
    return [] if _becomes(page, menu, shown) else [f"{name} qui ne revient pas à son état"]


def _becomes(page, menu: str, shown: bool) -> bool:
    from playwright.sync_api import TimeoutError as Expired

    condition = f"([menu, shown]) => ({IN_VIEW})(menu) === shown"
    try:
        page.wait_for_function(condition, arg=[menu, shown], timeout=MENU_DELAY)
    except Expired:
        return False
    return True


# Sans lui, les images que l'on n'a pas encore vues ne seraient pas chargées.
LOAD_IMAGES = """async () => {
  const images = [...document.images];
  images.forEach((image) => { image.loading = "eager"; });
  await Promise.all(images.map((image) => image.decode().catch(() => {})));
}"""

# « until-found » cache par content-visibility.
SHOWN = """() => [...document.querySelectorAll("[data-prediction]")].filter((element) =>
  getComputedStyle(element).contentVisibility !== "hidden"
  && getComputedStyle(element).display !== "none").length"""


def predictions(page) -> list[str]:
    """Les réponses sont voilées d'abord, montrées sur demande, et toutes imprimées.

    Args:
        page: page Playwright ; ses prédictions restent ouvertes.
    """
    answers = page.locator("[data-prediction]").count()
    found = []
    if shown := page.evaluate(SHOWN):
        found.append(f"{shown} réponse(s) de prédiction visibles d'emblée")
    page.emulate_media(media="print")
    if (printed := page.evaluate(SHOWN)) != answers:
        found.append(f"{answers - printed} réponse(s) de prédiction absentes de l'impression")
    page.emulate_media(media="screen")
    for button in page.locator(".prediction button").all():
        button.evaluate("button => button.click()")
    if (shown := page.evaluate(SHOWN)) != answers:
        found.append(f"{answers - shown} réponse(s) de prédiction que « Voir » laisse voilées")
    return found


# Le mode de la page, pendant et après l'impression.
PRINTED = """() => {
  const root = document.documentElement, before = root.dataset.theme;
  dispatchEvent(new Event("beforeprint"));
  const printed = root.dataset.theme ?? "light";  // sans mode, une page suit le papier
  dispatchEvent(new Event("afterprint"));
  return { printed, restored: root.dataset.theme === before };
}"""


def printing(page) -> list[str]:
    """La page s'imprime en clair, puis retrouve son mode.

    Args:
        page: page Playwright.
    """
    found = page.evaluate(PRINTED)
    problems = [] if found["printed"] == "light" else ["page imprimée en sombre"]
    return problems if found["restored"] else [*problems, "mode changé par l'impression"]


# « label-content-name-mismatch » est une règle qu'axe tient pour expérimentale.
AXE = """() => axe.run({
  preload: false, rules: { "label-content-name-mismatch": { enabled: true } },
}).then((result) => result.violations.map((rule) => ({
    id: rule.id, impact: rule.impact, target: rule.nodes.map((n) => n.target.join(" ")) })))"""
SERIOUS = ("critical", "serious", "moderate")


def accessibility(page, axe: str) -> list[str]:
    """Ce qu'axe reproche à la page, défauts mineurs exceptés.

    Args:
        page: page Playwright.
        axe: le script axe-core.
    """
    page.evaluate(axe)
    return [
        f"axe : {rule['id']} ({rule['impact']}) {len(rule['target'])} fois, {rule['target'][0]}"
        for rule in page.evaluate(AXE)
        if rule["impact"] in SERIOUS
    ]


def axe_script() -> str:
    """Le script axe-core que porte le paquet axe-playwright-python."""
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")


# Les boîtes qui défilent ou coupent, et dont le contenu est trop large ; sauf celles d'un pixel,
# pour les lecteurs d'écran, et les champs de saisie, qui défilent sous le curseur.
TOO_WIDE = """() => [...document.querySelectorAll("main *")].filter((element) => {
  const style = getComputedStyle(element);
  return element.clientWidth > 1 && element.scrollWidth > element.clientWidth + 1
    && style.overflowX !== "visible" && style.display !== "inline"
    && !element.closest("[aria-hidden=true], textarea, input");
}).map((element) => ({
  name: element.tagName.toLowerCase() + "." + [...element.classList].join("."),
  scrolls: element.closest(
    "div.highlight, .pst-scrollable-table-container, .math, .figure-scroll") !== null,
  excess: element.scrollWidth - element.clientWidth,
  text: element.textContent.trim().slice(0, 40).replace(/\\s+/g, " "),
}))"""
PAGE_EXCESS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
WIDE_SCREEN = 1280


def overflow(page, width: int) -> list[str]:
    """Rien ne dépasse de sa boîte ; en étroit, code, tableaux et formules y défilent.

    Args:
        page: page Playwright.
        width: largeur de la fenêtre, en pixels.
    """
    excess = page.evaluate(PAGE_EXCESS)
    found = [f"débordement de {excess} px"] if excess > 0 else []
    for box in page.evaluate(TOO_WIDE):
        if width >= WIDE_SCREEN or not box["scrolls"]:
            found.append(f"{box['excess']} px de trop dans {box['name']} « {box['text']} »")
    return found


# Corps du plus petit texte de chaque figure montrée, en pixels : `data-text` le donne par pixel de
# large.
FIGURE_TEXTS = """() => [...document.querySelectorAll("main img[data-text]")]
  .filter((image) => image.checkVisibility())
  .map((image) => [image.closest("[id]").id, image.dataset.text * image.clientWidth])"""
SMALLEST_TEXT = 8.9  # 9 pixels, à un arrondi près


def figure_texts(page) -> list[str]:
    """Le texte des figures reste lisible.

    Args:
        page: page Playwright, à la largeur à contrôler.
    """
    return [
        f"texte de {size:.1f} px dans {figure}"
        for figure, size in page.evaluate(FIGURE_TEXTS)
        if size < SMALLEST_TEXT
    ]


# Une figure sans légende, ou qui ne change pas de couleurs la nuit.
FIGURE_FAULTS = """(dark) => [...document.querySelectorAll("main figure.lab-figure")]
  .flatMap((figure) => {
    const faults = [];
    const caption = figure.querySelector("figcaption").textContent;
    if (!/^Figure \\d+\\. .*\\S/.test(caption)) faults.push(`${figure.id} sans légende`);
    const shown = [...figure.querySelectorAll("img")].filter((i) => i.checkVisibility());
    if (shown.some((i) => i.src.includes(".svg") && i.src.endsWith("#sombre") !== dark))
      faults.push(`${figure.id} : couleurs de l'autre mode`);
    return faults;
  })"""


def figures(page, dark: bool) -> list[str]:
    """Chaque figure est numérotée, légendée, et de la couleur de la page.

    Args:
        page: page Playwright.
        dark: la page est en mode sombre.
    """
    return page.evaluate(FIGURE_FAULTS, dark)


MOST_SCRIPTS, MOST_IN_ALL = 250_000, 2_000_000  # octets


def weight(loaded: Iterable[tuple[str, int]]) -> list[str]:
    """Une page reste légère, images comprises.

    Args:
        loaded: nature et octets de tout ce que la page a chargé.
    """
    loaded = list(loaded)
    scripts = sum(size for kind, size in loaded if kind == "script")
    in_all = sum(size for _, size in loaded)
    found = []
    if scripts > MOST_SCRIPTS:
        found.append(f"{scripts // 1000} ko de scripts, {MOST_SCRIPTS // 1000} au plus")
    if in_all > MOST_IN_ALL:
        found.append(f"page de {in_all // 1000} ko, {MOST_IN_ALL // 1000} au plus")
    return found


MISSING_GLOSSES = """() => [...document.querySelectorAll("[data-gloss]")]
  .map((element) => element.dataset.gloss).filter((key) => !(key in (window.GLOSSES ?? {})))"""
GLOSSED = {"terme ou citation": "a.gloss", "symbole": "math [data-gloss]"}
GLOSS = "#gloss"


def glosses(page) -> list[str]:
    """Au clavier, un terme et un symbole montrent leur explication, qu'Échap referme.

    Args:
        page: page Playwright.
    """
    found = []
    for name, selector in GLOSSED.items():
        # Le premier que rien ne cache encore : ni réponse voilée, ni question écartée.
        element = page.locator(f"{selector}:visible").first
        if page.locator(f"{selector}:visible").count():
            element.focus()
            if not _becomes(page, GLOSS, True):
                found.append(f"{name} sans explication au clavier")
                continue
            page.keyboard.press("Escape")
            found += [] if _becomes(page, GLOSS, False) else [f"{name} : Échap ne referme rien"]
            element.blur()
    if page.locator("[data-gloss]").count():
        found += [f"explication absente : {key}" for key in page.evaluate(MISSING_GLOSSES)]
    return found
