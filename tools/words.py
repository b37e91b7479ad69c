"""Un mot pour une chose : les formes abandonnées, et celle que le cours emploie à leur place.

Un terme qui a deux noms passe pour deux idées. Le contrat des labs cherche ces formes dans les
labs, dans les pages, et dans ce que labkit dit de lui-même.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_PROFILE = "`?(?:rapide|complet)`?"

# Forme abandonnée -> ce qu'il faut écrire. Les espaces valent pour toute suite de blancs.
GIVEN_UP = {
    "pas d'apprentissage": "taux d'apprentissage",
    "moyennes? glissantes?": "moyenne mobile",
    "(?:perte|entraînement|apprentissage|réseau|jeu)x?s? advers\\w+": "antagoniste",
    "(?:l'|d'|un |cet |son )élan": "inertie",
    "(?:la|de|une|cette|sans) guidance": "guidage",
    "(?:formule|forme)s? closes?": "expression explicite",
    "(?:pas(?:,| et)|de|la) marge de zéros|(?:pas(?:,| et)) marge|marge (?:de )?\\d": "remplissage",
    "cartes? d'activations?": "carte de caractéristiques",
    "filtres? de (?:la )?convolution|petit filtre": "noyau",
    "(?:la|cette) divergence(?! (?:KL|JS|d))": "la KL",
    "(?:l'|un |cet |d'|leur )a priori\\b": "loi a priori",
    "loi du tirage": "loi a priori",
    "borne inférieure (?:de|sur) la (?:log-)?vraisemblance": "borne variationnelle (ELBO)",
    "(?:unité|dimension)s?(?: \\w+)? (?:effondrée|éteinte)s?|éteint des dimensions": "inactive",
    "images? inventées?|inventées reconnues|inventions?": "tirage, image tirée",
    "échantillons? (?:tirés?|générés?|produits?|du modèle)": "tirage",
    "(?:fonction|méthode|qui|elle) rend (?:`|\\$z|le couple|les nouveaux)": "renvoie",
    "(?:réseau|modèle|couche|neurone|noyau|linéaire) sort(?= (?:un|une|la|des|\\$|`))": "donne",
    "estimations? honnêtes?": "estimation sans biais",
    "plongement du temps": "plongement de l'instant",
    "diffusion des axes": "extension automatique des axes",
    "mémoire de crête": "pic de mémoire",
    "de taille réelle": "à l'échelle réelle",
    "division de zéro": "division par zéro",
    "rapport (?:d'étudiant|de départ|initial)": "rapport d'origine",
    f"(?:en|de|du|le) {_PROFILE}(?![\\w{{(])": "profil `rapide`, profil `complet`",
}
_PATTERNS = {
    re.compile(rf"\b(?:{form})", re.IGNORECASE): instead for form, instead in GIVEN_UP.items()
}
# Une phrase coupée : fin de ligne, commentaire qui continue, chaîne recollée.
_BREAK = re.compile(r"""["']\s*\n\s*f?["']|\s*\n\s*(?:#(?=\s))?\s*""")


def given_up(text: str) -> Iterator[str]:
    """Les formes abandonnées d'un texte ou d'un programme, une phrase pour chacune."""
    flat = _BREAK.sub(" ", text.replace("’", "'"))
    flat = re.sub("[ \u00a0\u202f]+", " ", flat)
    for pattern, instead in _PATTERNS.items():
        for found in pattern.finditer(flat):
            yield f"« {found[0]} » est une forme abandonnée : écrivez « {instead} »"


def files(root: Path) -> list[Path]:
    """Les pages et les sources que le lecteur lit, en dehors des labs."""
    pages = [root / "README.md", *root.glob("book/*.md"), *root.glob("demos/*/*.html")]
    return sorted(path for path in [*pages, *root.glob("labkit/**/*.py")] if path.is_file())
