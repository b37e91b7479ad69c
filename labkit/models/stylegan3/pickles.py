"""Lire les points de reprise officiels de StyleGAN3 sans rien exécuter de ce qu'ils contiennent.

Un fichier `.pkl` est un programme : il nomme des fonctions et les appelle. Chacune est ici
remplacée par une case inerte, qui note son nom et ses arguments ; un nom qui n'est pas de la liste
est refusé. Les tenseurs et la configuration se lisent ensuite dans ces cases, et le code source
que transporte le fichier n'est jamais regardé.
"""

from __future__ import annotations

import inspect
import io
import math
import os
import pickle
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from labkit.edges import received
from labkit.files import full_path, reason
from labkit.models.stylegan3.generator import Generator

VARIABLE = "LABKIT_STYLEGAN3"  # où l'étudiant donne le chemin du fichier qu'il a téléchargé
_TENSOR = "torch._utils._rebuild_tensor_v2"
_PARAMETER = "torch._utils._rebuild_parameter"
_STORAGE = "torch.storage._load_from_bytes"
_BYTES = "_codecs.encode"
_MODULE = "torch_utils.persistence._reconstruct_persistent_obj"
_DICTIONARIES = {"dnnlib.util.EasyDict", "collections.OrderedDict"}
_TYPES = {
    "FloatStorage": torch.float32, "HalfStorage": torch.float16, "DoubleStorage": torch.float64,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}  # fmt: skip
# Ce que contient d'autre un point de reprise officiel ; ces cases ne sont jamais lues.
_UNUSED = {
    "builtins.set", "numpy.ndarray", "numpy.dtype", "torch.device",
    *(f"numpy.{core}.{name}" for core in ("core", "_core")
      for name in ("multiarray.scalar", "multiarray._reconstruct", "numeric._frombuffer")),
}  # fmt: skip
_KNOWN = {
    _TENSOR, _PARAMETER, _STORAGE, _BYTES, _MODULE, *_DICTIONARIES, *_UNUSED,
    *(f"torch.{name}" for name in _TYPES),
}  # fmt: skip
_HEADER = (0x1950A86A20F9469CFC6C, 1001)  # les deux premiers objets d'un tenseur enregistré
# Instructions sans emploi ici : un numéro d'extension donne une classe sans passer par
# `find_class`, et un ensemble figé ou un dictionnaire d'un bloc hachent n'importe quoi.
_FORBIDDEN = (
    pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER,
    pickle.DICT, pickle.FROZENSET,
)  # fmt: skip


class CheckpointError(RuntimeError):
    """Un point de reprise est refusé, abîmé, ou d'une autre configuration ; le message dit quoi."""


def given_checkpoint() -> Path | None:
    """Le point de reprise que donne la variable d'environnement LABKIT_STYLEGAN3, ou None."""
    path = os.environ.get(VARIABLE)
    return full_path(path) if path else None


def load_checkpoint(path: str | Path, name: str = "G_ema") -> Generator:
    """Lit un générateur d'un point de reprise officiel `.pkl`, sans exécuter le fichier.

    Args:
        path: fichier ; `~` est le dossier personnel.
        name: générateur à prendre : "G_ema", de poids moyennés, ou "G".

    Returns:
        Le générateur en mode évaluation, sur le processeur et en float32.

    Raises:
        CheckpointError: fichier absent, tronqué ou abîmé, qui demande une fonction ou une classe
            inconnue, ou dont les poids ne sont pas ceux de sa configuration.
    """
    config, weights = read_checkpoint(path, name)
    try:
        # D'abord des formes sans nombres : une configuration démesurée ne coûte alors rien.
        with torch.device("meta"):
            check_weights(Generator(**config), weights)
        generator = Generator(**config)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise CheckpointError(f"{path} : configuration refusée ; {error}") from error
    generator.load_state_dict(weights)
    return generator.eval()


def read_checkpoint(path: str | Path, name: str = "G_ema") -> tuple[dict, dict[str, Tensor]]:
    """Lit la configuration et les tenseurs d'un générateur : arguments, et nom -> tenseur.

    Args:
        path: fichier `.pkl`.
        name: générateur à prendre dans le fichier.

    Raises:
        CheckpointError: comme `load_checkpoint`.
    """
    try:
        content = full_path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"impossible de lire {path} ({reason(error)}).") from error
    try:
        networks = _as_dictionary(_Reader(io.BytesIO(content)).load())
        if name not in networks:
            raise CheckpointError(
                f"{name!r} n'est pas parmi {', '.join(map(str, networks)) or 'rien'}."
            )
        state = _module_state(networks[name])
        weights, left = {}, len(content)
        for tensor_name, tensor in _tensors(state, "", set()):
            weights[tensor_name] = tensor.float().clone()
            left -= tensor.untyped_storage().nbytes()
            if left < 0:  # les mêmes nombres, lus sans fin
                raise CheckpointError(
                    "les tenseurs ont plus de nombres que le fichier n'a d'octets."
                )
        return _configuration(state, len(weights)), weights
    except CheckpointError as error:
        raise CheckpointError(f"{path} refusé : {error}") from error.__cause__
    except Exception as error:  # un fichier hostile peut faire échouer la lecture de toute façon
        raise CheckpointError(
            f"{path} est tronqué, abîmé, ou n'est pas un point de reprise de StyleGAN3 "
            f"({type(error).__name__}) ; téléchargez-le de nouveau."
        ) from error


def load_weights(generator: Generator, weights: Mapping[str, Tensor]) -> Generator:
    """Charge dans un générateur des poids nom -> tenseur, tous et eux seuls.

    Args:
        generator: le générateur, changé sur place et renvoyé.
        weights: ce que donne son `state_dict`, ou un fichier safetensors.

    Raises:
        CheckpointError: le premier paramètre absent, de trop ou d'une autre forme, avec ce qui
            était attendu et ce qui a été trouvé ; le générateur est alors inchangé.
    """
    check_weights(generator, weights)
    generator.load_state_dict(weights)
    return generator


def check_weights(generator: Generator, weights: Mapping[str, Tensor]) -> None:
    """Vérifie que des poids nom -> tenseur sont ceux d'un générateur.

    Args:
        generator: le générateur.
        weights: les poids.

    Raises:
        CheckpointError: comme `load_weights`.
    """
    own = generator.state_dict()
    for name in (*own, *weights):
        expected, found = (_shape(tensors.get(name)) for tensors in (own, weights))
        if expected != found:
            raise CheckpointError(
                f"poids d'une autre configuration : {name}, attendu {expected}, trouvé {found}. "
                "Créez le générateur avec la configuration de ces poids."
            )


def _shape(tensor: Tensor | None) -> str:
    return "rien" if tensor is None else str(list(tensor.shape))


# --- lire sans exécuter ---------------------------------------------------------------------------


class _Inert:
    """Ce qui tient lieu d'un objet : les arguments de son appel, et ses éléments."""

    name = ""

    def __new__(cls, *arguments):
        """Tient lieu de l'appel, que l'objet soit créé par sa classe ou par une fonction."""
        case = super().__new__(cls)
        case.arguments, case.items = arguments, {}
        return case

    def __setstate__(self, state):
        """L'état d'un objet dont rien n'est lu : EasyDict, OrderedDict, tableaux de NumPy."""

    def __setitem__(self, key, value):
        self.items[key] = value


class _Reader(pickle._Unpickler):
    """Lit des objets « pickle » en remplaçant par des cases inertes tout ce qu'ils nomment.

    L'analyseur est celui qui est écrit en Python : sa mémoire est un dictionnaire, que l'index
    énorme d'un fichier hostile n'agrandit pas. Une clé est un texte ou un nombre : le hachage d'un
    n-uplet emboîté cent mille fois ferait tomber Python.
    """

    dispatch = {
        code: action
        for code, action in pickle._Unpickler.dispatch.items()
        if bytes([code]) not in _FORBIDDEN
    }

    def find_class(self, module: str, name: str) -> type[_Inert]:
        """Une classe neuve à chaque demande : la modifier ne change rien d'autre."""
        full = f"{module}.{name}".replace("__builtin__.", "builtins.", 1)
        if full not in _KNOWN:
            raise CheckpointError(
                f"le fichier demande {full[:200]!r}, qui n'est ni un tenseur ni une "
                "configuration. Il n'a pas été exécuté ; n'en prenez que d'une source sûre."
            )
        return type(name, (_Inert,), {"name": full})

    def persistent_load(self, reference: object) -> object:
        """Une référence à un bloc de nombres reste ce qu'elle est, un n-uplet."""
        return reference

    def load_bytearray8(self) -> None:
        """Lit des octets, sans prendre d'avance la mémoire qu'ils annoncent."""
        (size,) = struct.unpack("<Q", self.read(8))
        self.append(self.read(size))

    def load_setitem(self) -> None:
        """Pose un élément de dictionnaire."""
        value, key = self.stack.pop(), self.stack.pop()
        self.stack[-1][_key(key)] = value

    def load_setitems(self) -> None:
        """Pose des éléments de dictionnaire : clé, valeur, clé, valeur…"""
        items = self.pop_mark()
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.stack[-1][_key(key)] = value

    def load_additems(self) -> None:
        """Ajoute des éléments à un ensemble."""
        items = self.pop_mark()
        self.stack[-1].update(map(_key, items))

    dispatch |= {
        pickle.BYTEARRAY8[0]: load_bytearray8,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.ADDITEMS[0]: load_additems,
    }


def _key(value: object) -> object:
    """Une clé de dictionnaire, si c'est un texte, un nombre ou None."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise CheckpointError(f"clé d'un dictionnaire : un texte attendu, trouvé {_name_of(value)}.")


def _kind(value: object) -> str:
    """Le nom de ce dont une case tient lieu ; rien pour un objet ordinaire."""
    return value.name if isinstance(value, _Inert) else ""


def _as_dictionary(value: object) -> dict:
    """Le dictionnaire, qu'il soit ordinaire ou d'une des deux classes admises."""
    if _kind(value) in _DICTIONARIES:
        return value.items
    return value if isinstance(value, dict) else _refuse("un dictionnaire", value)


def _refuse(wanted: str, value: object):
    raise CheckpointError(f"{wanted} attendu, trouvé {_name_of(value)}.")


def _name_of(value: object) -> str:
    return _kind(value) or type(value).__name__


# --- la configuration et les tenseurs -------------------------------------------------------------


def _module_state(value: object) -> dict:
    """Les attributs d'un module, dont le code source, à côté, n'est pas lu."""
    if _kind(value) != _MODULE:
        _refuse("un module", value)
    (meta,) = value.arguments
    return _as_dictionary(_as_dictionary(meta)["state"])


def _configuration(state: dict, count: int) -> dict:
    """Les arguments du générateur de `count` tenseurs, tels qu'il a été créé."""
    if state["_init_args"]:
        raise CheckpointError("réglages sans nom (_init_args) ; ceux d'un StyleGAN3 sont nommés.")
    config = dict(_as_dictionary(state["_init_kwargs"]))
    known = inspect.signature(Generator).parameters
    unknown = [argument for argument in config if argument not in known]
    if unknown:
        raise CheckpointError(
            f"argument {received(unknown[0])} inconnu de ce générateur : le fichier n'est pas un "
            "StyleGAN3."
        )
    if config.get("mapping_kwargs") is not None:
        config["mapping_kwargs"] = dict(_as_dictionary(config["mapping_kwargs"]))
    for settings in (config, config.get("mapping_kwargs") or {}):
        _check_settings(settings, count)
    return config


def _check_settings(settings: dict, count: int) -> None:
    """Refuse ce qui n'est ni un nombre ni un texte, et plus de couches que de tenseurs."""
    for name, value in settings.items():
        is_plain = value is None or isinstance(value, (bool, int, float, str))
        if not is_plain and name != "mapping_kwargs":
            _refuse(f"argument {received(name)} : un nombre", value)
    if settings.get("num_layers", 0) > count:
        raise CheckpointError(f"{settings['num_layers']} couches pour {count} tenseurs.")


def _tensors(state: dict, prefix: str, seen: set[int]) -> Iterator[tuple[str, Tensor]]:
    """Les paramètres et les tampons d'un module et de ceux qu'il contient, avec leurs noms."""
    if id(state) in seen:
        raise CheckpointError(f"module partagé ou contenu dans lui-même : {received(prefix)}.")
    seen.add(id(state))
    for group in ("_parameters", "_buffers"):
        for name, value in _as_dictionary(state[group]).items():
            if value is not None:
                yield f"{prefix}{name}", _tensor(value)
    for name, module in _as_dictionary(state["_modules"]).items():
        if module is not None:
            yield from _tensors(_module_state(module), f"{prefix}{name}.", seen)


def _tensor(value: object) -> Tensor:
    """Le tenseur que décrit une case, une vue de son bloc de nombres."""
    if _kind(value) == _PARAMETER:
        value = value.arguments[0]
    if _kind(value) != _TENSOR:
        _refuse("un tenseur", value)
    storage, offset, size, stride = value.arguments[:4]
    numbers = _storage(storage)
    whole = all(isinstance(n, int) and n >= 0 for n in (offset, *size, *stride))
    if not whole or len(size) != len(stride):
        raise CheckpointError("forme de tenseur illisible.")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    # math.prod : un pas nul ferait d'un nombre un tenseur de toute taille.
    if math.prod(size) > len(numbers) or (math.prod(size) and last >= len(numbers)):
        raise CheckpointError(
            f"tenseur {received(list(size))} plus grand que ses {len(numbers)} nombres."
        )
    return numbers.as_strided(size, stride, offset)


def _storage(value: object) -> Tensor:
    """Les nombres d'un bloc, [N] : cinq objets, puis leur nombre sur 8 octets, puis eux-mêmes."""
    if _kind(value) != _STORAGE:
        _refuse("un bloc de nombres", value)
    file = io.BytesIO(_bytes(value.arguments[0]))
    magic, version, _, reference, _ = (_Reader(file).load() for _ in range(5))
    if (magic, version) != _HEADER:
        raise CheckpointError("bloc de nombres d'un format inconnu.")
    dtype = _TYPES.get(reference[1].name.removeprefix("torch."))
    (count,) = struct.unpack("<q", file.read(8))
    numbers = file.read()
    if dtype is None or count < 0 or len(numbers) != count * dtype.itemsize:
        raise CheckpointError(f"bloc de {count} nombres annoncés, {len(numbers)} octets trouvés.")
    return torch.frombuffer(bytearray(numbers), dtype=dtype) if count else torch.empty(0)


def _bytes(value: object) -> bytes:
    """Des octets, que le protocole 2 écrit comme un texte à encoder."""
    if _kind(value) == _BYTES and value.arguments[1] == "latin1":
        return value.arguments[0].encode("latin1")
    return value if isinstance(value, bytes) else _refuse("des octets", value)
