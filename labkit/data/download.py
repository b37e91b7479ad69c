"""Le téléchargement des fichiers de données : les images par torchvision, les textes un à un."""

from __future__ import annotations

import contextlib
import errno
import http.client
import io
import os
import shutil
import socket
import tempfile
import urllib.request
from pathlib import Path

from labkit.data.checksums import FILES
from labkit.data.files import (
    TORCHVISION_CLASSES,
    DataError,
    copies_in,
    missing_message,
    raw_folder,
)
from labkit.files import reason

_NETWORK_TIMEOUT = 30  # secondes sans aucun octet reçu
_NOT_WRITABLE = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST,
)  # fmt: skip


def download(name: str, root: str | Path | None = None) -> None:
    """Télécharge dans un dossier provisoire, vérifie, puis met en place ce qui manquait.

    Args:
        name: "mnist" ou "fashion_mnist".
        root: comme pour `load_images` ; le dossier `raw_folder(name, root)` est créé au besoin.

    Raises:
        DataError: réseau absent, envoi abîmé, disque plein ou dossier protégé ; il ne reste alors
            rien du téléchargement.
    """
    raw, partial = raw_folder(name, root), None
    print(f"Téléchargement de {name} dans {raw}", flush=True)
    try:
        raw.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partiel-", dir=raw))
        _fetch(name, partial)
        _install(raw_folder(name, partial), raw)
    except OSError as error:
        raise DataError(_explain_os_error(name, root, error)) from error
    except (RuntimeError, http.client.HTTPException) as error:
        # De torchvision, si aucun miroir ne répond, si une somme est fausse ou un envoi coupé.
        cause = f"{_interrupted_file(name, partial)} : {explain_transfer(error)}"
        raise DataError(missing_message(name, root, cause)) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def _fetch(name: str, folder: Path) -> None:
    from torchvision import datasets

    earlier = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_NETWORK_TIMEOUT)
    try:
        # Jupyter montrerait les barres de progression comme autant d'erreurs.
        with contextlib.redirect_stderr(io.StringIO()):
            getattr(datasets, TORCHVISION_CLASSES[name])(folder, download=True)
    finally:
        socket.setdefaulttimeout(earlier)


def _install(source: Path, raw: Path) -> None:
    """Met en place les fichiers qui manquent, sans toucher à ceux qui sont déjà là."""
    present = copies_in(raw)
    for file in FILES:
        if file not in present:
            os.replace(source / file, raw / file)


def _interrupted_file(name: str, folder: Path) -> str:
    """L'archive sur laquelle le téléchargement s'est arrêté : la première sans son contenu."""
    raw = raw_folder(name, folder)
    return next((f"{f}.gz" for f in FILES if not (raw / f).exists()), "les archives")


def fetch(address: str) -> bytes:
    """Télécharge un fichier en mémoire.

    Raises:
        OSError, http.client.HTTPException: réseau absent, serveur muet, envoi coupé.
    """
    # Certains serveurs refusent le nom que se donne `urllib`.
    request = urllib.request.Request(address, headers={"User-Agent": "labkit"})
    with urllib.request.urlopen(request, timeout=_NETWORK_TIMEOUT) as answer:
        return answer.read()


def explain_transfer(error: Exception) -> str:
    """Dit pourquoi un téléchargement n'a pas abouti."""
    if isinstance(error, http.client.HTTPException) or "corrupted" in str(error):
        return "reçu incomplet ou abîmé"
    return "réseau absent, ou serveur qui ne répond pas"


def _explain_os_error(name: str, root, error: OSError) -> str:
    raw = raw_folder(name, root)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"disque plein : {name} n'a pas été écrit dans {raw}. Libérez de la place (100 Mo)."
    if error.errno in _NOT_WRITABLE:
        return (
            f"impossible d'écrire dans {raw} ({reason(error)}). Donnez à LABKIT_DATA un dossier "
            "où vous avez le droit d'écrire, ou un dossier qui contient déjà les données."
        )
    return missing_message(name, root, explain_transfer(error))
