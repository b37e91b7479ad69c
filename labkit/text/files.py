"""Les fichiers des corpus publiés : lus sur place ou téléchargés un à un, chacun vérifié."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from labkit.data.download import explain_transfer, fetch
from labkit.data.files import DataError, check_root_exists, data_root, is_file, listing, read_bytes
from labkit.files import write_atomically
from labkit.text.romans import Novel

_ROMANS = (
    "https://raw.githubusercontent.com/cligs/textbox/"
    "1b91e940475c8a7e866457a3953fed5edb0a29f1/french/roman19/txt/"
)
# Le premier hébergement de WikiText-2, un espace de stockage, a fermé en février 2024. Le dépôt
# d'exemples de PyTorch garde les mêmes fichiers, à l'octet près pour valid et test.
_WIKITEXT = (
    "https://raw.githubusercontent.com/pytorch/examples/"
    "77f55b912142e11fcfdf5b530231fb9c52f181e8/word_language_model/data/wikitext-2/"
)
_WIKITEXT_DIGESTS = {
    "train": "2d84b35af79e411d73ea7cae83c73964c6ac83b4",
    "valid": "eec944eb2d9e46061cd34a6913528797db6842fc",
    "test": "6f3fc88e4cd88456ea892971f9f12243e8428624",
}


@dataclass(frozen=True)
class RemoteFile:
    """Un fichier publié.

    Attributes:
        name: nom du fichier dans le dossier du corpus.
        address: adresse publique d'où on le télécharge.
        digest: SHA-256, ou SHA-1 du blob git quand lui seul est publié, en hexadécimal.
    """

    name: str
    address: str
    digest: str

    def is_intact(self, content: bytes) -> bool:
        """Dit si ce contenu a la somme publiée."""
        if len(self.digest) == 64:
            return hashlib.sha256(content).hexdigest() == self.digest
        header = f"blob {len(content)}\0".encode()
        return hashlib.sha1(header + content, usedforsecurity=False).hexdigest() == self.digest


def romans_files(novels: Iterable[Novel]) -> tuple[RemoteFile, ...]:
    """Donne le fichier de chaque roman."""
    return tuple(
        RemoteFile(f"{novel.name}.txt", f"{_ROMANS}{novel.name}.txt", novel.sha256)
        for novel in novels
    )


def wikitext_files() -> tuple[RemoteFile, ...]:
    """Donne les fichiers de WikiText-2 : entraînement, validation, test."""
    return tuple(
        RemoteFile(f"wiki.{part}.tokens", f"{_WIKITEXT}{part}.txt", digest)
        for part, digest in _WIKITEXT_DIGESTS.items()
    )


def read_corpus(
    name: str, files: tuple[RemoteFile, ...], root: str | Path | None, download: bool
) -> dict[str, str]:
    """Lit les fichiers d'un corpus, chacun vérifié, et télécharge ceux qui manquent.

    Un téléchargement interrompu reprend au premier fichier absent : chacun est écrit d'un bloc.

    Args:
        name: nom du corpus, qui est aussi celui de son dossier.
        files: ses fichiers.
        root: comme pour `load_text`.
        download: télécharge ce qui manque.

    Returns:
        Nom du fichier -> contenu, dans l'ordre de `files`.

    Raises:
        DataError: fichier absent, illisible, ou dont la somme est fausse ; le message le nomme.
        FileError: disque plein, ou dossier où l'on ne peut pas écrire.
    """
    found = {file: find(name, file, root) for file in files}
    missing = [file for file, path in found.items() if path is None]
    if missing:
        check_root_exists(root)
        if not download:
            raise DataError(_missing_message(name, missing, root))
        print(f"Téléchargement de {name} dans {data_root(root) / name}", flush=True)
    for file in missing:
        found[file] = _download(name, file, root, missing)
    return {file.name: _verified(file, path) for file, path in found.items()}


def find(name: str, file: RemoteFile, root: str | Path | None) -> Path | None:
    """Trouve un fichier dans le dossier du corpus, ou directement dans la racine.

    Args:
        name: nom du corpus.
        file: fichier cherché.
        root: comme pour `load_text`.

    Raises:
        DataError: un droit de lecture manque sur le chemin.
    """
    places = (folder / file.name for folder in (data_root(root) / name, data_root(root)))
    return next(filter(is_file, places), None)


def _verified(file: RemoteFile, path: Path) -> str:
    content = read_bytes(path)
    if file.is_intact(content):
        return content.decode("utf-8")
    raise DataError(
        f"{path} est tronqué ou modifié : sa somme n'est pas celle que l'on publie. Il n'est ni "
        "lu ni supprimé : retirez-le vous-même, puis relancez pour le télécharger à nouveau. Pour "
        "lire un texte à vous, donnez son chemin à load_text."
    )


def _download(name: str, file: RemoteFile, root, missing: list[RemoteFile]) -> Path:
    path = data_root(root) / name / file.name
    try:
        content = fetch(file.address)
    except (OSError, http.client.HTTPException) as error:
        cause = f"{file.name} : {explain_transfer(error)}"
        raise DataError(_missing_message(name, missing, root, cause)) from error
    if not file.is_intact(content):
        cause = f"{file.name} : reçu incomplet ou abîmé, sa somme n'est pas celle que l'on publie"
        raise DataError(_missing_message(name, missing, root, cause))
    write_atomically(path, content)
    return path


_ELSEWHERE = {
    "romans": "ce sont ceux du dossier french/roman19/txt du dépôt GitHub cligs/textbox",
    "wikitext-2": (
        "ils sont aussi dans l'archive wikitext-2-v1.zip de "
        "https://wikitext.smerity.com ; le jeu Salesforce/wikitext, sur "
        "https://huggingface.co/datasets, en a le texte au format Parquet"
    ),
}
_INSTEAD = {
    "romans": 'load_text("phrases"), qui ne demande aucun réseau',
    "wikitext-2": (
        'load_text("wikitext-2-valid"), qui entraîne sur le fichier de validation et juge sur '
        "celui de test"
    ),
}


def _missing_message(
    name: str, missing: list[RemoteFile], root: str | Path | None, cause: str = ""
) -> str:
    folder = data_root(root) / name
    absent = [file.name for file in missing if find(name, file, root) is None]
    shown = ", ".join(absent[:3]) + (f" et {len(absent) - 3} autres" if absent[3:] else "")
    facts = [f"il y manque {shown}", _what_lies_there(folder), cause]
    return (
        f"{name} introuvable dans {folder} ({' ; '.join(filter(None, facts))}). Trois façons d'en "
        "sortir : (1) connectez-vous au réseau et relancez, le téléchargement reprendra où il "
        f"s'est arrêté ; (2) rangez ces fichiers dans un dossier {name} de celui que nomme "
        f"LABKIT_DATA : {_ELSEWHERE[name]} ; (3) employez {_INSTEAD[name]}."
    )


def _what_lies_there(folder: Path) -> str:
    names = [path.name for path in listing(folder)]
    more = ", …" if names[4:] else ""
    return f"on y trouve {', '.join(names[:4])}{more}" if names else ""
