"""Ce que `tools.check_site` vérifie d'une page ouverte, un contrôle par fonction.

Chaque contrôle reçoit une page Playwright et renvoie une phrase par anomalie.
"""

from __future__ import annotations

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
