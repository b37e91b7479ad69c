"""Les fichiers de données : où ils sont, comment ils se nomment, et s'ils sont intacts.

Chacun peut être décompressé ou en archive `.gz`, lue sur place ; sa somme de contrôle dit seule ce
qu'il est. Rien n'est écrit ici, ni supprimé.
"""

from __future__ import annotations

import gzip
import itertools
import os
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labkit.data.checksums import FILES, identify, manifest_entries, md5, usual_name
from labkit.files import reason

TORCHVISION_CLASSES = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}
_TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}
_FOLDER_NAMES = {"mnist": {"mnist"}, "fashion_mnist": {"fashionmnist", "fashion"}}
_MANIFESTS = {"MD5SUMS", "MD5SUMS.TXT"}


class DataError(RuntimeError):
    """Des données manquent, sont abîmées, ou ne peuvent être ni lues ni écrites."""


@dataclass(frozen=True)
class Place:
    """Un dossier, et les exemplaires qu'il contient de chacun des quatre fichiers.

    Attributes:
        folder: chemin absolu.
        copies: nom usuel du fichier -> ses exemplaires, décompressés d'abord.
    """

    folder: Path
    copies: dict[str, list[Path]]

    @property
    def missing(self) -> list[str]:
        """Les fichiers dont il n'y a aucun exemplaire."""
        return [file for file in FILES if file not in self.copies]


@dataclass(frozen=True)
class VerifiedFiles:
    """Les quatre fichiers d'un jeu, décompressés, dont les sommes sont justes.

    Attributes:
        folder: dossier d'où ils viennent.
        contents: nom usuel du fichier -> contenu.
        are_known: si labkit connaît ces sommes ; sinon seul un MD5SUMS les garantit.
    """

    folder: Path
    contents: dict[str, bytes]
    are_known: bool


def data_root(root: str | Path | None = None) -> Path:
    """Donne le dossier des données : `root`, sinon `LABKIT_DATA`, sinon un cache personnel.

    Args:
        root: dossier, relatif ou absolu, où `~` désigne le dossier personnel.

    Returns:
        Un chemin absolu ; rien ne dit que le dossier existe.

    Raises:
        DataError: ce chemin passe par un dossier personnel, et il n'y en a pas.
    """
    from platformdirs import user_cache_path

    named = root or os.environ.get("LABKIT_DATA")
    try:
        # Absolu : les messages d'erreur le montrent en entier.
        return Path(named or user_cache_path("labkit")).expanduser().absolute()
    except RuntimeError as error:
        raise DataError(
            f"dossier personnel introuvable pour {named or 'le cache de labkit'} (la variable HOME "
            "est absente). Donnez à LABKIT_DATA le chemin complet d'un dossier, par exemple "
            'os.environ["LABKIT_DATA"] = "/tmp".'
        ) from error


def raw_folder(name: str, root: str | Path | None = None) -> Path:
    """Donne le dossier où torchvision range les fichiers d'un jeu, et où ils sont téléchargés.

    Args:
        name: "mnist" ou "fashion_mnist".
        root: comme pour `load_images`.

    Returns:
        Un chemin absolu ; rien ne dit que le dossier existe.
    """
    return data_root(root) / TORCHVISION_CLASSES[name] / "raw"


def has_folder(name: str, root: str | Path | None = None) -> bool:
    """Dit si un dossier contient des fichiers de ce jeu, intacts ou non.

    Args:
        name: "mnist" ou "fashion_mnist".
        root: comme pour `load_images`.

    Raises:
        DataError: un droit de lecture manque sur le chemin.
    """
    return bool(find_files(name, root).copies)


def check_files(name: str, root: str | Path | None = None) -> None:
    """Vérifie la somme de contrôle de chaque fichier de `mnist` ou de `fashion_mnist`.

    Args:
        name: "mnist" ou "fashion_mnist".
        root: comme pour `load_images`.

    Raises:
        DataError: fichier absent, illisible, ou dont la somme ne correspond pas ; le message le
            nomme.
    """
    read_files(name, root)


def read_files(name: str, root: str | Path | None = None) -> VerifiedFiles:
    """Lit les quatre fichiers d'un jeu, chacun vérifié par sa somme.

    Args:
        name: "mnist" ou "fashion_mnist".
        root: comme pour `load_images`.

    Raises:
        DataError: comme `check_files`.
    """
    place = find_files(name, root)
    contents, are_known = {}, True
    for file in FILES:
        if file not in place.copies:
            raise DataError(missing_message(name, root))
        contents[file], is_known = _verified(name, file, place)
        are_known &= is_known
    return VerifiedFiles(place.folder, contents, are_known)


def find_files(name: str, root: str | Path | None = None) -> Place:
    """Trouve le premier dossier qui a les quatre fichiers, sinon celui qui en a quelques-uns.

    Args:
        name: "mnist" ou "fashion_mnist".
        root: comme pour `load_images`.
    """
    named = map(_place, _named_folders(name, root))
    unnamed = (place for place in _unnamed_places(root) if _stranger(name, place) is None)
    started = None
    for place in itertools.chain(named, unnamed):
        if not place.missing:
            return place
        if place.copies and started is None:
            started = place
    return started or Place(raw_folder(name, root), {})


def copies_in(folder: Path) -> dict[str, list[Path]]:
    """Nom usuel -> fichiers du dossier qui le portent, ou que contient un dossier de ce nom."""
    found: dict[str, list[Path]] = {}
    for path in listing(folder):
        file = usual_name(path.name)
        if file is None:
            continue
        inside = listing(path) if _is_folder(path) else [path]
        copies = [copy for copy in inside if usual_name(copy.name) == file]
        if copies:
            found.setdefault(file, []).extend(copies)
    return {file: sorted(copies, key=_is_archive) for file, copies in found.items()}


def missing_message(name: str, root: str | Path | None = None, cause: str = "") -> str:
    """Dit ce qui manque, ce que l'on a trouvé à la place, et les trois façons d'en sortir.

    Args:
        name: "mnist" ou "fashion_mnist".
        root: comme pour `load_images`.
        cause: pourquoi le téléchargement n'y a pas suppléé.
    """
    place = find_files(name, root)
    missing = ", ".join(place.missing) if place.copies else "les quatre fichiers"
    facts = [f"il y manque {missing}", *_what_lies_there(name, root, place), cause]
    return (
        f"{name} introuvable dans {place.folder} ({' ; '.join(filter(None, facts))}). Trois façons "
        "d'en sortir : (1) connectez-vous au réseau et relancez, le téléchargement recommencera ; "
        "(2) donnez à LABKIT_DATA un dossier qui contient les quatre fichiers ou leurs archives "
        f".gz, par exemple sous {TORCHVISION_CLASSES[name]}/raw ; "
        '(3) gardez profil = "rapide", qui n\'emploie que les chiffres livrés avec scikit-learn.'
    )


def check_root_exists(root: str | Path | None) -> None:
    """Refuse de télécharger dans un dossier mal nommé ; le cache, lui, est créé au besoin."""
    named = root or os.environ.get("LABKIT_DATA")
    if named and _stat(data_root(root)) is None:
        source = "`root` désigne" if root else "LABKIT_DATA désigne"
        raise DataError(
            f"{source} {data_root(root)}, qui n'existe pas : vérifiez l'orthographe, ou créez ce "
            "dossier."
        )


def _named_folders(name: str, root) -> Iterator[Path]:
    """Les dossiers qui portent le nom du jeu, celui de torchvision d'abord."""
    raw = raw_folder(name, root)
    yield from (raw, raw.parent)
    for folder in listing(data_root(root)):
        plain = folder.name.lower().replace("-", "").replace("_", "")
        if plain in _FOLDER_NAMES[name] and folder != raw.parent:
            yield from (folder / "raw", folder)


def _unnamed_places(root) -> Iterator[Place]:
    return map(_place, (data_root(root) / "raw", data_root(root)))


def _place(folder: Path) -> Place:
    return Place(folder, copies_in(folder))


def _stranger(name: str, place: Place) -> str | None:
    """L'autre jeu dont ce dossier, qui n'en nomme aucun, contient les fichiers."""
    present = [file for file in reversed(FILES) if file in place.copies]  # le plus court suffit
    found = identify(md5(_unpacked(read_bytes(place.copies[present[0]][0])))) if present else None
    return found[0] if found and found[0] != name else None


def _what_lies_there(name: str, root, place: Place) -> list[str]:
    strangers = [(other.folder, _stranger(name, other)) for other in _unnamed_places(root)]
    facts = [
        f"les données de {folder}, ce sont celles de {_TITLES[stranger]}"
        for folder, stranger in strangers
        if stranger
    ]
    others = [
        path.name
        for path in listing(place.folder)
        if not path.name.startswith(".") and usual_name(path.name) is None and not _is_folder(path)
    ]
    return [*facts, f"on y trouve {', '.join(others[:4])}"] if others else facts


def _verified(name: str, file: str, place: Place) -> tuple[bytes, bool]:
    """Le contenu du premier exemplaire intact, et s'il est de ceux que labkit connaît."""
    for path in place.copies[file]:
        stored = read_bytes(path)
        content = _unpacked(stored)
        known = identify(md5(content))
        if known == (name, file):
            return content, True
        vouched = {(file, md5(stored)), (file, md5(content))} & _manifest(path.parent, place.folder)
        if vouched and known is None:
            return content, False
    raise DataError(_refusal(name, file, place))


def _manifest(*folders: Path) -> set[tuple[str, str]]:
    entries = set()
    for path in itertools.chain(*map(listing, set(folders))):
        if path.name.upper() in _MANIFESTS:
            entries |= manifest_entries(read_bytes(path))
    return entries


def _refusal(name: str, file: str, place: Place) -> str:
    path = place.copies[file][0]
    digest = md5(_unpacked(read_bytes(path)))
    other, other_file = identify(digest) or (name, file)
    if other != name:
        return (
            f"les données de {path} ne sont pas celles de {_TITLES[name]} : ce sont celles de "
            f"{_TITLES[other]}. Rien n'est lu ni supprimé : déplacez ce fichier vous-même dans un "
            f"dossier {TORCHVISION_CLASSES[other]}/raw, puis relancez."
        )
    if other_file != file:
        return f"{path} contient en fait {other_file} : rendez-lui ce nom, puis relancez."
    return (
        f"{path} est tronqué ou modifié (MD5 {digest}) : il n'est ni lu ni supprimé. "
        "Retirez-le vous-même, puis relancez pour le télécharger à nouveau ; s'il est le vôtre et "
        f"que vous en êtes sûr, écrivez cette somme puis son nom dans {place.folder / 'MD5SUMS'}."
    )


def _unpacked(stored: bytes) -> bytes:
    """Décompresse une archive ; ce qui n'en est pas, ou n'en est plus, reste tel quel."""
    try:
        return gzip.decompress(stored) if stored.startswith(b"\x1f\x8b") else stored
    except (EOFError, OSError, zlib.error):  # archive abîmée : sa somme le dira
        return stored


def _is_archive(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def read_bytes(path: Path) -> bytes:
    """Lit un fichier de données en entier.

    Raises:
        DataError: droit de lecture absent, dossier, panne du disque.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(_unreadable_message(path, error)) from error


def listing(folder: Path) -> list[Path]:
    """Ce que contient un dossier, par ordre de nom ; rien s'il n'existe pas.

    Raises:
        DataError: droit de lecture absent.
    """
    try:
        return sorted(folder.iterdir()) if _is_folder(folder) else []
    except OSError as error:
        raise DataError(_unreadable_message(folder, error)) from error


def is_file(path: Path) -> bool:
    """Dit si un chemin est celui d'un fichier.

    Raises:
        DataError: un droit de lecture manque sur le chemin.
    """
    status = _stat(path)
    return status is not None and stat.S_ISREG(status.st_mode)


def _is_folder(path: Path) -> bool:
    status = _stat(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _stat(path: Path) -> os.stat_result | None:
    """L'état d'un chemin, ou rien s'il n'existe pas.

    `Path.exists` et `Path.is_dir` répondent, pour un dossier interdit, selon la version de Python.
    """
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(_unreadable_message(path, error)) from error


def _unreadable_message(place: Path, error: OSError) -> str:
    return (
        f"impossible de lire {place} ({reason(error)}). Donnez à LABKIT_DATA un dossier que vous "
        "avez le droit de lire."
    )
