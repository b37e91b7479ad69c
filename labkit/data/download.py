"""Le téléchargement des fichiers de données, par torchvision."""

from __future__ import annotations

import errno
import http.client
import os
import shutil
import socket
import tempfile
from pathlib import Path

from labkit.data.files import (
    FILES,
    MANIFEST,
    DataError,
    dataset_class,
    md5,
    missing_message,
    raw_folder,
)

_NETWORK_TIMEOUT = 30  # secondes sans aucun octet reçu


def download(name: str, raw: Path) -> None:
    """Télécharge dans un dossier provisoire, vérifie, puis met en place : jamais de moitié.

    Args:
        name: "mnist" ou "fashion_mnist".
        raw: dossier où mettre les fichiers qui y manquent ; il est créé au besoin.

    Raises:
        DataError: réseau absent, envoi abîmé, disque plein ou dossier protégé.
    """
    partial = None
    try:
        raw.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partiel-", dir=raw))
        _fetch(name, partial)
        _install(name, raw_folder(name, partial), raw)
    except OSError as error:
        raise DataError(_explain_os_error(name, raw, error)) from error
    except (RuntimeError, http.client.HTTPException) as error:
        # De torchvision, si aucun miroir ne répond, si une somme est fausse ou un envoi coupé.
        reason = f"et {_interrupted_file(name, partial)} : {_explain_transfer(error)}"
        raise DataError(missing_message(name, raw, reason)) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def _interrupted_file(name: str, folder: Path) -> str:
    """L'archive sur laquelle le téléchargement s'est arrêté : la première sans son contenu."""
    raw = raw_folder(name, folder)
    return next((f"{f}.gz" for f in FILES if not (raw / f).exists()), "les archives")


def _explain_transfer(error: Exception) -> str:
    if isinstance(error, http.client.HTTPException) or "corrupted" in str(error):
        return "reçu incomplet ou abîmé"
    return "réseau absent, ou serveur qui ne répond pas"


def _fetch(name: str, folder: Path) -> None:
    earlier = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_NETWORK_TIMEOUT)
    try:
        dataset_class(name)(folder, download=True)
    finally:
        socket.setdefaulttimeout(earlier)


def _install(name: str, source: Path, raw: Path) -> None:
    """Met en place les fichiers qui manquent, sans toucher à ceux qui sont déjà là."""
    lines = [f"{md5((source / file).read_bytes())}  {file}\n" for file in FILES]
    (source / MANIFEST).write_text("".join(lines), encoding="utf-8")
    # Les sommes d'abord : un arrêt ici laisse des fichiers absents, jamais invérifiables.
    os.replace(source / MANIFEST, raw / MANIFEST)
    for file in FILES:
        if not (raw / file).exists():
            os.replace(source / file, raw / file)


def _explain_os_error(name: str, raw: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"disque plein : {name} n'a pas été écrit dans {raw}. Libérez de la place (100 Mo)."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        return (
            f"impossible d'écrire dans {raw} ({error.strerror}). Donnez à LABKIT_DATA un dossier "
            "où vous avez le droit d'écrire, ou un dossier qui contient déjà les données."
        )
    return missing_message(name, raw, f"et {_explain_transfer(error)}")
