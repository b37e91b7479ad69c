"""Le catalogue des 36 romans du corpus `romans`, et ceux que l'entraînement ne voit pas.

*Collection de romans français du dix-neuvième siècle*, éd. Schöch et Popp, CLiGS textbox 2.0.0,
DOI 10.5281/zenodo.376666 : textes du domaine public, métadonnées CC0.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

# Six romans tenus à l'écart, sur trois critères : aucun de leurs auteurs ne figure dans
# l'entraînement, les quatre genres y sont, et la validation comme le test, près d'un dixième du
# corpus chacun, suffisent aux mesures. Le roman d'aventures impose Du Boisgobey : Aimard, Féval et
# Verne, les trois autres auteurs du genre, font à eux seuls près de la moitié du corpus. C'est le
# seul auteur commun à la validation et au test.
VALIDATION = (
    "Boisgobey_CrimeOpera-rd1006",  # policier
    "Daudet_PetitChose-rd0020",  # formation
    "About_OreilleCassee-rd0730",  # fantastique
)
TEST = (
    "Boisgobey_BandeRouge-rd0106",  # aventures
    "Maupassant_UneVie-rd0056",  # formation
    "Villiers_EveFuture-rd0721",  # fantastique
)


@dataclass(frozen=True)
class Novel:
    """Un roman du catalogue.

    Attributes:
        name: nom de son fichier, sans `.txt`.
        author, title, year, genre: auteur, titre, année et genre : « aventures », « policier »,
            « formation » ou « fantastique ».
        sha256: somme de contrôle du fichier publié.
    """

    name: str
    author: str
    title: str
    year: int
    genre: str
    sha256: str

    @property
    def part(self) -> str:
        """La part du corpus où il se trouve : "train", "val" ou "test"."""
        return "val" if self.name in VALIDATION else "test" if self.name in TEST else "train"


@cache
def catalogue() -> tuple[Novel, ...]:
    """Donne les 36 romans, par ordre de nom de fichier."""
    text = resources.files("labkit.text").joinpath("romans.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return tuple(Novel(**{**row, "year": int(row["year"])}) for row in rows)
