"""Donne aux formules leur police : STIX Two Math, réduite aux signes que le site emploie.

Un navigateur compose mal une formule dans une police sans table MATH, et beaucoup d'appareils n'en
ont pas. Celle-ci (licence SIL OFL 1.1, The STIX Fonts Project) vient du paquet ziamath.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterable
from importlib.metadata import distribution
from io import BytesIO
from pathlib import Path

from bs4 import BeautifulSoup
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

from tools import notebooks, pages

CSS = """/* STIX Two Math, © The STIX Fonts Project Authors, licence SIL OFL 1.1
   (https://openfontlicense.org), réduite par tools/math_font.py aux signes de ce site. */
@font-face {{ font-family: "Formules"; src: url("data:font/woff;base64,{font}") format("woff"); }}
"""
FONT = "ziamath/fonts/STIXTwoMath-Regular.ttf"
ROOT_SIGN = "√"  # un navigateur le dessine sans qu'aucun élément ne le porte
# Première et dernière lettre, et première de leur bloc penché : celui que les navigateurs emploient
# pour une variable.
SLANTED = (("A", "Z", 0x1D434), ("a", "z", 0x1D44E), ("Α", "Ω", 0x1D6E2), ("α", "ω", 0x1D6FC))
SLANTED_ALONE = {"h": 0x210E, "∂": 0x1D715, "ϵ": 0x1D716, "ϑ": 0x1D717, "ϕ": 0x1D719, "ϱ": 0x1D71A}


class MissingSignError(notebooks.LabError):
    """Un signe d'une formule que la police n'a pas."""


def write_stylesheet(html: Path) -> int:
    """Écrit `_static/formulas.css`, la police dans la feuille : elle se charge d'un fichier aussi.

    Args:
        html: dossier du site construit et achevé.

    Returns:
        La taille de la feuille, en octets.

    Raises:
        MissingSignError: une formule contient un signe que la police n'a pas.
    """
    signs: set[str] = set()
    for path in pages.built_pages(html):
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for math in page.find_all("math"):
            signs.update(math.get_text())
    content = CSS.format(font=base64.b64encode(subset(signs)).decode("ascii"))
    (html / "_static" / "formulas.css").write_text(content, encoding="utf-8")
    return len(content.encode())


def subset(signs: Iterable[str]) -> bytes:
    """La police réduite à ces signes, variantes et assemblages de la table MATH compris.

    Args:
        signs: des caractères ; les espaces ne comptent pas.

    Returns:
        Un fichier WOFF.

    Raises:
        MissingSignError: la police n'a pas l'un d'eux.
    """
    wanted = {ord(sign) for sign in {*signs, ROOT_SIGN} if not sign.isspace()}
    wanted |= {slanted(chr(code)) for code in wanted}
    # ssty : les lettres dessinées pour un indice.
    options = Options(layout_features=["ssty"], hinting=False, name_IDs=[0, 1, 13, 14])
    font = TTFont(distribution("ziamath").locate_file(FONT))
    if missing := wanted - font.getBestCmap().keys():
        names = " ".join(chr(code) for code in sorted(missing))
        raise MissingSignError(f"signes absents de la police des formules : {names}")
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=wanted)
    subsetter.subset(font)
    font.flavor = "woff"
    buffer = BytesIO()
    font.save(buffer)
    return buffer.getvalue()


def slanted(sign: str) -> int:
    """Le numéro Unicode de la lettre penchée que les navigateurs mettent pour une variable.

    Args:
        sign: un caractère ; s'il n'est pas une lettre, c'est le sien.
    """
    for first, last, start in SLANTED:
        if first <= sign <= last and sign not in SLANTED_ALONE:
            return start + ord(sign) - ord(first)
    return SLANTED_ALONE.get(sign, ord(sign))
