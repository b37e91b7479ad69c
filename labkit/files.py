"""Écrire des fichiers d'un bloc : ni arrêt ni disque plein n'abîment l'ancien."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path


class FileError(RuntimeError):
    """Un fichier ne peut être ni lu ni écrit ; le message le nomme et dit quoi faire."""


def full_path(path: str | Path) -> Path:
    """Donne le chemin absolu d'un fichier ; `~` est le dossier personnel.

    Raises:
        FileError: le chemin commence par `~` et rien ne dit où est le dossier personnel.
    """
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise FileError(
            f"dossier personnel introuvable pour {path} (la variable HOME est absente). Donnez un "
            "chemin sans ~."
        ) from error


def write_atomically(path: str | Path, content: bytes, previous: Path | None = None) -> None:
    """Écrit à côté puis renomme : le fichier est l'ancien ou le nouveau, jamais une moitié.

    Args:
        path: fichier à écrire, son dossier créé au besoin ; `~` est le dossier personnel.
        content: tout son contenu.
        previous: où garder l'ancien fichier ; sinon il est remplacé.

    Raises:
        FileError: disque plein, dossier où l'on ne peut pas écrire, ou `path` est lui-même un
            dossier. L'ancien fichier est alors intact, à sa place ou à celle de `previous`.
    """
    path = full_path(path)
    partial = None
    try:
        _make_room(path)
        partial = _write_beside(path, content)
        if previous is not None:
            with contextlib.suppress(FileNotFoundError):  # pas d'ancien, ou un autre l'a rangé
                os.replace(path, previous)
        os.replace(partial, path)
    except OSError as error:
        _remove_quietly(partial)
        raise FileError(_explain_write_error(path, error)) from error


def check_writable(path: str | Path) -> None:
    """Vérifie d'avance que le fichier `path` pourra être écrit, dossier créé au besoin.

    Raises:
        FileError: dossier où l'on ne peut pas écrire, ou `path` est lui-même un dossier.
    """
    path = full_path(path)
    try:
        _make_room(path)
        _remove_quietly(_write_beside(path, b""))
    except OSError as error:
        raise FileError(_explain_write_error(path, error)) from error


def _make_room(path: Path) -> None:
    """Crée le dossier du fichier, et refuse un nom qu'un dossier porte déjà."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))


def _write_beside(path: Path, content: bytes) -> Path:
    """Écrit dans un fichier voisin, d'un nom que nul autre processus ne prend."""
    number, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".partiel", dir=path.parent)
    partial = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(0o666 & ~_umask())  # mkstemp le réserve à son propriétaire
    except BaseException:
        _remove_quietly(partial)
        raise
    return partial


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _remove_quietly(path: Path | None) -> None:
    try:
        if path is not None:
            path.unlink(missing_ok=True)
    except OSError:  # dossier absent ou protégé : il n'y a rien à retirer
        return


# Les raisons que donne le système, en anglais sur la plupart des machines.
_REASONS = {
    errno.EACCES: "accès refusé",
    errno.EPERM: "accès refusé",
    errno.EROFS: "en lecture seule",
    errno.ENOENT: "introuvable",
    errno.ENOTDIR: "l'un de ses dossiers est un fichier",
    errno.EISDIR: "c'est un dossier",
    errno.EEXIST: "ce nom est déjà pris",
    errno.EIO: "panne du disque",
}


def reason(error: OSError) -> str:
    """La raison d'une erreur du système, en français pour les plus courantes."""
    return _REASONS.get(error.errno) or error.strerror or str(error)


def _explain_write_error(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"disque plein : {path} n'a pas été écrit. Libérez de la place puis relancez."
    if error.errno == errno.EISDIR:
        return f"{path} est un dossier : donnez aussi le nom du fichier."
    return (
        f"impossible d'écrire {path} ({reason(error)}). "
        "Choisissez un dossier où vous avez le droit d'écrire."
    )
