"""Écrit à côté de chaque lien de téléchargement la taille du fichier, et cache ceux sans fichier.

Une page propose un fichier par un élément `<li data-download="nom">`, qui contient le lien et,
vide, une place pour sa taille, `<span class="size"></span>`. `tools.site` complète ainsi les pages,
puis `tools.pdf` le fait de nouveau quand le PDF du cours existe.
"""

from __future__ import annotations

import re
from pathlib import Path

from labkit.tables import number
from tools import pages

FOLDER = "telechargements"
NO_BREAK_SPACE = "\u00a0"
ITEM = re.compile(
    r'<li(?P<attributes>[^>]*)\bdata-download="(?P<name>[^"]+)"[^>]*>'
    r'(?P<link>.*?<span class="size">)[^<]*</span>',
    re.DOTALL,
)


def complete(html: Path) -> None:
    """Complète sur place toutes les pages d'un site, d'après son dossier `telechargements`.

    Args:
        html: dossier du site construit.
    """
    available = sizes(html)
    for path in pages.built_pages(html):
        text = path.read_text(encoding="utf-8")
        if (changed := filled(text, available)) != text:
            path.write_text(changed, encoding="utf-8")


def sizes(html: Path) -> dict[str, int]:
    """Ce qu'un site donne à télécharger : nom de fichier -> octets."""
    return {path.name: path.stat().st_size for path in (html / FOLDER).glob("*")}


def filled(page: str, available: dict[str, int]) -> str:
    """Une page dont chaque lien de téléchargement donne la taille de son fichier.

    Args:
        page: son HTML ; la compléter deux fois revient à la compléter une.
        available: nom -> octets ; un lien dont le fichier n'y est pas est caché.
    """

    def item(found: re.Match) -> str:
        size = available.get(found["name"])
        kind = Path(found["name"]).suffix.lstrip(".")
        shown = f" ({kind}, {readable(size)})" if size else ""
        hidden = "" if size else ' hidden=""'
        start = f'<li{found["attributes"].rstrip()} data-download="{found["name"]}"{hidden}>'
        return f"{start}{found['link']}{shown}</span>"

    return ITEM.sub(item, page)


def readable(size: int) -> str:
    """Une taille de fichier : « 82 ko », « 6,7 Mo », « 52 Mo »."""
    kilobytes, megabytes = size / 1e3, size / 1e6
    if megabytes < 1:
        return f"{number(kilobytes, 0)}{NO_BREAK_SPACE}ko"
    return f"{number(megabytes, 0 if megabytes >= 10 else 1)}{NO_BREAK_SPACE}Mo"
