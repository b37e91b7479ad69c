"""Suit chaque lien externe du site construit, et liste ceux qui ne mènent nulle part.

    python -m tools.links

Il faut un réseau. Une page qui refuse les programmes (403, 429…) compte comme présente : seuls une
page absente et un serveur introuvable ou muet sont des erreurs, écrites dans `_build/links.txt`.
"""

from __future__ import annotations

import http.client
import sys
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

from bs4 import BeautifulSoup

from tools import notebooks
from tools.pages import built_pages
from tools.site import EXAMPLE

AT_ONCE = 8
PATIENCE = 30.0  # secondes
TRIES = 3
GONE = (404, 410)
AGENT = {"User-Agent": "Mozilla/5.0 (compatible; liens d'un cours)"}


def external_links(html: Path) -> dict[str, list[str]]:
    """Les adresses externes d'un site construit, sans ancre, et les pages qui les citent.

    Args:
        html: dossier du site.
    """
    found = defaultdict(list)
    for path in built_pages(html):
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        addresses = {urldefrag(link["href"]).url for link in page.select('a[href^="http"]')}
        for address in sorted(addresses):
            if urlsplit(address).hostname != EXAMPLE:
                found[address].append(path.relative_to(html).as_posix())
    return dict(found)


def problem(address: str, tries: int = TRIES) -> str:
    """Ce qui empêche de suivre une adresse ; vide si elle mène quelque part."""
    request = urllib.request.Request(address, headers=AGENT)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE):
            return ""
    except urllib.error.HTTPError as error:
        return f"réponse {error.code}" if error.code in GONE else ""
    except (OSError, http.client.HTTPException, ValueError) as error:
        return problem(address, tries - 1) if tries > 1 else str(error)


def dead_links(links: dict[str, list[str]]) -> Iterator[str]:
    """Une ligne par adresse qui ne mène nulle part, avec les pages qui la citent."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for address, found in zip(links, pool.map(problem, links), strict=True):
            if found:
                yield f"{address} ({found}) : {', '.join(links[address])}"


def main(root: Path = notebooks.ROOT) -> int:
    """Contrôle le site de `_build/html` ; statut 1 si une adresse ne mène nulle part."""
    links = external_links(root / "_build" / "html")
    lines = list(dead_links(links))
    (root / "_build" / "links.txt").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join([*lines, f"{len(links)} liens externes, {len(lines)} sans réponse"]))
    return 1 if lines or not links else 0


if __name__ == "__main__":
    sys.exit(main())
