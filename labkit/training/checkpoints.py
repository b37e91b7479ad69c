"""Les points de reprise sur le disque : écrits d'un bloc, vérifiés avant d'être relus."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from labkit.files import FileError, full_path, reason, write_atomically
from labkit.fingerprints import changes

_FORMAT = 2  # change quand ce qui est gardé change


class CheckpointError(FileError):
    """Un point de reprise ne peut être ni lu, ni chargé dans ce modèle."""


def previous_path(path: Path) -> Path:
    """Donne le chemin où est gardé le point de reprise d'avant celui de `path`."""
    return path.with_name(f"{path.name}.precedent")


class CheckpointFile:
    """Le fichier d'un point de reprise, et l'empreinte de l'entraînement qui s'y garde.

    Args:
        path: fichier, dossier créé au besoin ; `~` est le dossier personnel.
        made_by: empreinte de l'entraînement, `labkit.fingerprints.fingerprint(…)`.
        announce: fonction qui affiche une ligne de journal.
    """

    def __init__(self, path: str | Path, made_by: dict, announce: Callable[[str], None]):
        self.path = full_path(path)
        self.made_by, self.announce = made_by, announce
        self.written = False

    def write(self, state: dict) -> None:
        """Remplace le point de reprise ; celui d'avant est gardé à côté.

        Raises:
            FileError: disque plein, ou dossier où l'on ne peut pas écrire.
        """
        buffer = io.BytesIO()
        torch.save({"format": _FORMAT, "made_by": self.made_by, **state}, buffer)
        write_atomically(self.path, buffer.getvalue(), previous=previous_path(self.path))
        if not self.written:
            self.announce(f"Point de reprise : {self.path}")
        self.written = True

    def read(self) -> dict | None:
        """Relit ce que `write` a gardé, ou renvoie None s'il n'y a rien.

        Raises:
            CheckpointError: fichier abîmé, ou écrit par une autre version.
        """
        state = read_checkpoint(self.path)
        self.written = state is not None
        if state is not None and state.get("format") != _FORMAT:
            raise CheckpointError(
                f"{self.path} a été écrit par une autre version de labkit. Donnez un autre fichier "
                "à `checkpoint`, ou resume=False pour recommencer."
            )
        return state

    def check_same_training(self, state: dict) -> None:
        """Refuse un point de reprise qu'autre chose a fait, en disant quoi.

        Raises:
            CheckpointError: l'empreinte diffère.
        """
        found = changes(state["made_by"], self.made_by)
        if found:
            raise CheckpointError(
                f"{self.path} vient d'un autre entraînement : {' ; '.join(found)}. Donnez un autre "
                "fichier à `checkpoint`, ou resume=False pour recommencer."
            )


def check_same_processes(state: dict, count: int, path: Path) -> None:
    """Refuse de finir à `count` processus une époque que d'autres ont commencée.

    Raises:
        CheckpointError: point de reprise écrit au milieu d'une époque par un autre nombre.
    """
    if state["stream"]["position"] and len(state["rngs"]) != count:
        raise CheckpointError(
            f"{path} s'est arrêté au milieu d'une époque de {len(state['rngs'])} processus, ici "
            f"{count} : lancez-en autant, ou resume=False pour recommencer."
        )


def read_checkpoint(path: Path) -> dict | None:
    """Relit le point de reprise, ou celui d'avant s'il est abîmé ou absent.

    Returns:
        Ce que `fit` a enregistré, tenseurs sur le processeur, ou None s'il n'y a aucun fichier.

    Raises:
        CheckpointError: fichier que l'on ne peut pas ouvrir, qui n'est pas un point de reprise,
            ou aucun des deux n'est intact.
    """
    damaged = []
    for candidate in (path, previous_path(path)):
        content = _read_if_present(candidate)
        if content is None:
            continue
        state = _load_if_sound(content)
        if state is not None and not (isinstance(state, dict) and "models" in state):
            raise CheckpointError(
                f"{candidate} n'est pas un point de reprise écrit par fit. Donnez un autre fichier "
                "à `checkpoint`, ou resume=False pour l'écraser."
            )
        if state is not None:
            return state
        warnings.warn(
            f"le point de reprise {candidate} est abîmé : il n'est pas utilisé, "
            "le précédent est repris, s'il existe.",
            stacklevel=4,
        )
        damaged.append(candidate.name)
    if damaged:
        raise CheckpointError(
            f"aucun point de reprise lisible pour {path}. Retirez les fichiers abîmés "
            f"({', '.join(damaged)}) ou passez resume=False pour recommencer."
        )
    return None


def _read_if_present(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CheckpointError(
            f"impossible de lire {path} ({reason(error)}). Donnez à `checkpoint` un fichier que "
            "vous avez le droit de lire, ou qui n'existe pas encore."
        ) from error


def _load_if_sound(content: bytes) -> dict | None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if archive.testzip() is not None:  # une somme de contrôle ne correspond plus
                return None
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # contenu tronqué, remplacé, d'un autre format : toujours la même réponse
        return None


def check_same_model(weights: Mapping[str, Tensor], module: nn.Module, path: Path) -> None:
    """Refuse des poids qui n'ont pas les noms et les formes de ceux du modèle.

    Args:
        weights: nom -> tenseur, comme `state_dict()`.
        module: le modèle qui doit les recevoir.
        path: fichier dont ils viennent, pour le message.

    Raises:
        CheckpointError: un nom ou une forme diffère ; le message nomme le premier tenseur fautif.
    """
    expected = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    if found == expected:
        return
    name = sorted(k for k in expected.keys() | found if expected.get(k) != found.get(k))[0]
    raise CheckpointError(
        f"{path} vient d'un autre modèle : {name} y a la forme {found.get(name, 'absente')}, ici "
        f"{expected.get(name, 'absente')}. Donnez un autre fichier à `checkpoint`, ou resume=False."
    )
