"""Les noms mal écrits : proposer celui que l'on voulait sans doute."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Propose le nom connu le plus proche.

    Args:
        name: ce qui a été écrit ; majuscules et tirets ne comptent pas.
        known: noms permis, en traits bas ; leurs majuscules ne comptent pas non plus.

    Returns:
        « Vouliez-vous dire … ? » précédé d'une espace, ou rien si aucun nom ne ressemble.
    """
    plain = str(name).lower().replace("-", "_")
    by_lower_case = {name.lower(): name for name in known}
    near = difflib.get_close_matches(plain, by_lower_case, n=1, cutoff=0.4)
    return f" Vouliez-vous dire {by_lower_case[near[0]]!r} ?" if near else ""
