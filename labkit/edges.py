"""Les arguments que tout le paquet refuse de la même façon : un entier, un nombre réel."""

from __future__ import annotations

import operator
from numbers import Integral, Real

_LONGEST = 40  # caractères d'une valeur citée ; au-delà, le nom de son type


def check_whole(name: str, value: object, at_least: int = 1) -> int:
    """Renvoie value en `int`, si c'est un entier (de NumPy aussi) d'au moins `at_least`.

    Args:
        name: nom de l'argument, pour le message.
        value: ce qui a été reçu.
        at_least: plus petit entier permis.

    Raises:
        TypeError: autre chose qu'un entier ; True et False n'en sont pas.
        ValueError: entier trop petit.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        meant = _as_float(value)
        example = int(meant) if meant.is_integer() and meant >= at_least else max(3, at_least)
        raise TypeError(
            f"{name} attend un nombre entier, reçu {received(value)} : écrivez {name}={example}."
        )
    if value < at_least:
        raise ValueError(f"{name} doit valoir au moins {at_least}, reçu {name}={value}.")
    return operator.index(value)


def check_real(name: str, value: object) -> float:
    """Renvoie value, si c'est un nombre réel (de NumPy aussi) ; ses bornes sont à l'appelant.

    Args:
        name: nom de l'argument, pour le message.
        value: ce qui a été reçu.

    Raises:
        TypeError: autre chose qu'un nombre ; True et False n'en sont pas.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        meant = _as_float(value)
        example = f"{meant:g}" if meant - meant == 0 else "0.5"  # ni NaN, ni infini
        raise TypeError(
            f"{name} attend un nombre, reçu {received(value)} : écrivez {name}={example}."
        )
    return value


def received(value: object) -> str:
    """Écrit une valeur telle qu'on l'a donnée, ou le nom de son type si elle est longue."""
    text = repr(value)
    return text if len(text) <= _LONGEST and "\n" not in text else type(value).__name__


def _as_float(value: object) -> float:
    """Le nombre que l'on voulait sans doute, comme dans « "3" » ; NaN s'il n'y en a pas."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # RuntimeError : un tenseur
        return float("nan")
