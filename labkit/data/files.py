"""Les fichiers de données : où ils sont, comment ils se nomment, et s'ils sont intacts."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

TORCHVISION_CLASSES = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
MANIFEST = "MD5SUMS"

# MD5 des fichiers décompressés. Ceux de Fashion-MNIST entier se déduisent de ses archives, dont
# torchvision publie les sommes ; ceux d'ici sont d'un extrait de 2 000 images (1 600 et 400).
UNPACKED_MD5 = {
    "mnist": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    "fashion_mnist": {},
}
EXTRACT_MD5 = {
    "mnist": {},
    "fashion_mnist": {
        "train-images-idx3-ubyte": "45c84f08c336688b4cf4d66a40b9d6ff",
        "train-labels-idx1-ubyte": "39cb0be86e4d161e33551cbf8375bf3f",
        "t10k-images-idx3-ubyte": "3f028df2b25fdb2c4b40297ea31e6871",
        "t10k-labels-idx1-ubyte": "43acf4ba6b187f5dd2a540ff38b21291",
    },
}


class DataError(RuntimeError):
    """Des données manquent, sont abîmées, ou ne peuvent être ni lues ni écrites."""


def data_root(root: str | Path | None = None) -> Path:
    """Donne le dossier des données : `root`, sinon `LABKIT_DATA`, sinon un cache personnel.

    Args:
        root: dossier, relatif ou absolu, où `~` désigne le dossier personnel.

    Returns:
        Un chemin absolu ; rien ne dit que le dossier existe.
    """
    from platformdirs import user_cache_path

    root = root or os.environ.get("LABKIT_DATA") or user_cache_path("labkit")
    # Absolu : les messages d'erreur le montrent en entier.
    return Path(root).expanduser().absolute()


def raw_folder(name: str, root: str | Path | None = None) -> Path:
    """Donne le dossier des quatre fichiers d'un jeu, rangés comme ceux de torchvision.

    Args:
        name: "mnist" ou "fashion_mnist".
        root: comme pour `load_images`.

    Returns:
        Un chemin absolu ; rien ne dit que le dossier existe.
    """
    return data_root(root) / TORCHVISION_CLASSES[name] / "raw"


def has_folder(name: str, root: str | Path | None = None) -> bool:
    """Dit si le dossier `raw_folder(name, root)` existe.

    Args:
        name: "mnist" ou "fashion_mnist".
        root: comme pour `load_images`.

    Raises:
        DataError: un droit de lecture manque sur le chemin.
    """
    return exists(raw_folder(name, root))


def check_files(name: str, root: str | Path | None = None) -> None:
    """Vérifie la somme de contrôle de chaque fichier de `mnist` ou de `fashion_mnist`.

    Args:
        name: "mnist" ou "fashion_mnist".
        root: comme pour `load_images`.

    Raises:
        DataError: fichier absent, illisible, ou dont la somme ne correspond pas ; le message le
            nomme.
    """
    raw = raw_folder(name, root)
    for file in FILES:
        if not exists(raw / file):
            raise DataError(missing_message(name, raw / file, "il n'y est pas"))
        try:
            digest = md5((raw / file).read_bytes())
            extract = EXTRACT_MD5[name].get(file)
            is_sound = digest == extract or digest == _expected_md5(name, raw, file)
        except OSError as error:
            place = error.filename or raw / file
            raise DataError(_unreadable_message(place, error)) from error
        if not is_sound:
            raise DataError(
                f"{raw / file} est tronqué ou modifié (MD5 {digest}) : il n'est ni lu ni supprimé. "
                "Retirez-le vous-même, puis relancez pour le télécharger à nouveau."
            )


def check_root_exists(root) -> None:
    """Refuse de télécharger dans un dossier mal nommé ; le cache, lui, est créé au besoin."""
    named = root or os.environ.get("LABKIT_DATA")
    if named and not exists(data_root(root)):
        source = "`root` désigne" if root else "LABKIT_DATA désigne"
        raise DataError(
            f"{source} {data_root(root)}, qui n'existe pas : vérifiez l'orthographe, ou créez ce "
            "dossier."
        )


def exists(path: Path) -> bool:
    """Comme `Path.exists`, qui pour un dossier interdit répond selon la version de Python."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise DataError(_unreadable_message(path, error)) from error
    return True


def dataset_class(name: str):
    """La classe de torchvision qui sait télécharger ce jeu."""
    from torchvision import datasets

    return getattr(datasets, TORCHVISION_CLASSES[name])


def _expected_md5(name: str, raw: Path, file: str) -> str:
    """La somme que doit avoir un fichier décompressé, de la source la plus sûre."""
    known = UNPACKED_MD5[name].get(file) or _read_manifest(raw / MANIFEST).get(file)
    return known or _md5_from_archive(name, raw, file)


def _read_manifest(path: Path) -> dict[str, str]:
    """Relit un fichier au format de la commande md5sum : « somme  nom » par ligne."""
    if not path.is_file():
        return {}
    # replace : un fichier qui n'est pas du texte ne garantit rien, comme un fichier mal écrit.
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = [line.partition(" ") for line in text.splitlines()]
    return {file.strip().removeprefix("*"): digest for digest, _, file in lines}


def _md5_from_archive(name: str, raw: Path, file: str) -> str:
    archive = raw / f"{file}.gz"
    published = dict(dataset_class(name).resources)[archive.name]
    if not archive.is_file() or md5(archive.read_bytes()) != published:
        raise DataError(
            f"rien ne permet de vérifier {raw / file} : ni {archive.name} intact à côté, ni somme "
            f"dans {MANIFEST}. Retirez {raw} pour tout télécharger à nouveau ; si ce fichier est "
            f"le vôtre et que vous en êtes sûr, écrivez sa somme MD5 puis son nom dans {MANIFEST}."
        )
    return md5(gzip.decompress(archive.read_bytes()))


def md5(content: bytes) -> str:
    """La somme de contrôle que publient les auteurs des jeux de données."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _unreadable_message(place: str | Path, error: OSError) -> str:
    return (
        f"impossible de lire {place} ({error.strerror}). Donnez à LABKIT_DATA un dossier que vous "
        "avez le droit de lire."
    )


def missing_message(name: str, place: Path, reason: str) -> str:
    """Dit ce qui manque dans le dossier `place`, pourquoi, et les trois façons d'en sortir.

    Args:
        name: jeu demandé.
        place: dossier ou fichier où il est cherché.
        reason: ce qui a été constaté.
    """
    return (
        f"{name} introuvable dans {place} ({reason}). Trois façons d'en sortir : "
        "(1) connectez-vous au réseau et relancez, le téléchargement recommencera ; "
        f"(2) donnez à LABKIT_DATA un dossier qui contient {TORCHVISION_CLASSES[name]}/raw ; "
        '(3) gardez profil = "rapide", qui n\'emploie que les chiffres livrés avec scikit-learn.'
    )
