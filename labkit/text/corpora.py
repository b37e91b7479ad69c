"""Les corpus du cours : d'où ils viennent, leurs trois parts, fixées, et leur mise au propre."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from labkit._names import did_you_mean
from labkit.data.files import DataError, is_file, read_bytes
from labkit.edges import received
from labkit.files import full_path
from labkit.text.files import find, read_corpus, romans_files, wikitext_files
from labkit.text.romans import catalogue

_KNOWN = ("phrases", "romans", "wikitext-2", "wikitext-2-valid")
_SHARES = (0.90, 0.95)  # où finissent l'entraînement, puis la validation, d'un texte à soi


@dataclass(frozen=True)
class Work:
    """Une œuvre d'un corpus.

    Attributes:
        author, title, year, genre: auteur, titre, année, genre.
        part: part du corpus où elle est : "train", "val" ou "test".
        text: son texte, mis au propre.
    """

    author: str
    title: str
    year: int
    genre: str
    part: str
    text: str


@dataclass(frozen=True, eq=False)
class TextSplits:
    """Les trois parts d'un corpus, fixées une fois pour toutes.

    Une ligne est un paragraphe, ou une phrase pour `phrases` ; chacune finit par un saut de ligne.

    Attributes:
        name: nom du corpus, ou du fichier.
        train, val, test: textes d'entraînement, de validation et de test.
        works: œuvres dont le corpus est fait, si elles sont connues ; vide sinon.
    """

    name: str
    train: str
    val: str
    test: str
    works: tuple[Work, ...] = ()

    def fingerprint(self) -> dict:
        """Nom du corpus, caractères d'entraînement et leur SHA-256, comme sur les fiches."""
        return {"name": self.name, "train": len(self.train), "sha256": self._checksum}

    @cached_property
    def _checksum(self) -> str:
        return hashlib.sha256(self.train.encode("utf-8")).hexdigest()


def load_text(
    name: str | Path, root: str | Path | None = None, download: bool = True
) -> TextSplits:
    """Charge un corpus, partagé en entraînement, validation et test.

    `phrases` : des phrases tirées de la grammaire du cours, `labkit.text.grammar`, sans réseau.
    `romans` : 36 romans français de 1861 à 1889, dont 3 de validation et 3 de test ; aucun auteur
    de ces six-là n'est dans l'entraînement. `wikitext-2` : WikiText-2, articles de Wikipédia en
    anglais (Merity et coll. 2016, arXiv:1609.07843). `wikitext-2-valid` : le même sans son fichier
    d'entraînement ; l'entraînement et la validation y sont les neuf premiers dixièmes et le
    dernier du fichier de validation. Tout autre nom est le chemin d'un fichier de texte en UTF-8,
    dont les paragraphes vont, dans l'ordre, à l'entraînement (90 %), à la validation (5 %) et au
    test (5 %). Tous les textes sont mis au propre par `normalize`.

    Args:
        name: nom d'un corpus, ou chemin d'un fichier.
        root: dossier qui contient un dossier `romans` ou `wikitext-2`, ou leurs fichiers ; par
            défaut celui que nomme `LABKIT_DATA`, sinon le cache de l'utilisateur.
        download: télécharge ce qui manque.

    Returns:
        Les trois parts.

    Raises:
        TypeError: `name` n'est ni un texte ni un chemin.
        ValueError: corpus inconnu.
        DataError: fichier absent, abîmé, vide, trop court pour être partagé, ou pas en UTF-8.
        FileError: disque plein, ou dossier où l'on ne peut pas écrire.
    """
    if not isinstance(name, (str, Path)):
        raise TypeError(
            f"name attend le nom d'un corpus ou un chemin, reçu {received(name)} : écrivez "
            'load_text("phrases").'
        )
    if name == "phrases":
        return _phrases()
    if name == "romans":
        return _romans(root, download)
    if name == "wikitext-2":
        files = read_corpus("wikitext-2", wikitext_files(), root, download)
        return TextSplits(name, *map(normalize, files.values()))
    if name == "wikitext-2-valid":
        return _wikitext_without_train(root, download)
    return _own_file(name)


def missing_files(name: str, root: str | Path | None = None) -> list[str]:
    """Donne les fichiers d'un corpus publié qui ne sont pas sur cette machine.

    Args:
        name: "romans" ou "wikitext-2".
        root: comme pour `load_text`.

    Raises:
        ValueError: autre nom.
        DataError: un droit de lecture manque sur le chemin.
    """
    if name not in ("romans", "wikitext-2"):
        raise ValueError(f"name={name!r} inconnu : choisissez 'romans' ou 'wikitext-2'.")
    files = romans_files(catalogue()) if name == "romans" else wikitext_files()
    return [file.name for file in files if find(name, file, root) is None]


def normalize(text: str) -> str:
    """Met un texte au propre : les mêmes signes partout, une ligne par paragraphe.

    L'apostrophe courbe devient droite : trente romans ont l'une, six l'autre, et les jetons de
    « l'homme » n'ont pas à dépendre de l'éditeur. De même l'espace insécable devient une espace,
    les accents se composent avec leur lettre (NFC), les traits d'union invisibles, les espaces de
    fin de ligne et les lignes vides disparaissent. Les mesures par octet comptent ce texte-là.

    Returns:
        Des lignes non vides, chacune finie par un saut de ligne ; "" s'il n'y en a aucune.
    """
    plain = unicodedata.normalize("NFC", text.translate(_SIGNS))
    lines = (line.strip() for line in plain.splitlines())
    return "".join(f"{line}\n" for line in lines if line)


_SIGNS = str.maketrans(
    {"\u2019": "'", "\u2018": "'", "\u00a0": " ", "\u202f": " ", "\u00ad": None, "\ufeff": None}
)


def _phrases() -> TextSplits:
    from labkit.text.grammar import PHRASES

    return TextSplits("phrases", *PHRASES.splits())


def _romans(root: str | Path | None, download: bool) -> TextSplits:
    novels = catalogue()
    files = read_corpus("romans", romans_files(novels), root, download)
    works = tuple(
        Work(novel.author, novel.title, novel.year, novel.genre, novel.part, normalize(text))
        for novel, text in zip(novels, files.values(), strict=True)
    )
    parts = (_joined(works, part) for part in ("train", "val", "test"))
    return TextSplits("romans", *parts, works=works)


def _joined(works: Iterable[Work], part: str) -> str:
    return "".join(work.text for work in works if work.part == part)


def _wikitext_without_train(root: str | Path | None, download: bool) -> TextSplits:
    files = read_corpus("wikitext-2", wikitext_files()[1:], root, download)
    valid, test = map(normalize, files.values())
    return TextSplits("wikitext-2-valid", *_cut(valid, [0.9]), test)


def _own_file(name: str | Path) -> TextSplits:
    path = full_path(name)
    looks_like_a_path = isinstance(name, Path) or path.suffix or os.sep in name or "/" in name
    if not is_file(path):
        if looks_like_a_path:
            raise DataError(f"{path} introuvable : vérifiez le chemin de votre texte.")
        raise ValueError(
            f"corpus {name!r} inconnu.{did_you_mean(name, _KNOWN)} Au choix : "
            f"{', '.join(_KNOWN)}, ou le chemin d'un fichier de texte."
        )
    parts = _cut(normalize(_decoded(path)), _SHARES)
    if not all(parts):
        raise DataError(
            f"{path} est vide ou trop court pour être partagé : donnez un texte d'au moins vingt "
            "paragraphes, un par ligne, et plutôt de plusieurs milliers de mots."
        )
    return TextSplits(path.name, *parts)


def _decoded(path: Path) -> str:
    content = read_bytes(path)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} n'est pas en UTF-8 (octet {content[error.start]:#04x} à la position "
            f"{error.start}). Enregistrez-le en UTF-8 depuis votre éditeur, ou écrivez "
            f'path.write_text(path.read_text(encoding="{_likely_encoding(content)}"), '
            'encoding="utf-8").'
        ) from error


def _likely_encoding(content: bytes) -> str:
    """UTF-16, que sa marque annonce, ou le codage de Windows, qui a « œ » et « ’ »."""
    return "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "cp1252"


def _cut(text: str, shares: Iterable[float]) -> list[str]:
    """Coupe un texte entre deux lignes, là où finissent ces parts de ses caractères."""
    lines = text.splitlines(keepends=True)
    ends = np.cumsum([len(line) for line in lines])
    cuts = [
        0,
        *(int(np.searchsorted(ends, share * len(text), "right")) for share in shares),
        len(lines),
    ]
    return ["".join(lines[start:stop]) for start, stop in zip(cuts[:-1], cuts[1:], strict=True)]
