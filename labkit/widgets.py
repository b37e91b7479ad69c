"""Des menus pour rejouer une cellule, là où un noyau vit et où ipywidgets est installé.

Ailleurs (site, copie exécutée, ipywidgets absent), la figure de départ reste, seule.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence

_MISSING = (
    "Pour choisir ces réglages dans des menus, installez ipywidgets (%pip install ipywidgets) et "
    "relancez le noyau ; ou changez-les dans le programme."
)


def explore(show: Callable[..., object], choices: Mapping[str, Sequence]) -> None:
    """Montre `show(**valeurs)` avec la première valeur de chaque choix, et des menus s'il se peut.

    Args:
        show: fonction qui renvoie une figure ; ses arguments sont ceux de `choices`.
        choices: nom d'argument -> valeurs possibles, au moins une, la première d'abord.

    Raises:
        ValueError: un choix n'a aucune valeur.
    """
    from IPython.display import display

    empty = [name for name, values in choices.items() if not len(values)]
    if empty:
        raise ValueError(f"choices[{empty[0]!r}] est vide : donnez au moins une valeur.")
    figure = show(**{name: values[0] for name, values in choices.items()})
    if not _is_live():
        display(figure)
    elif importlib.util.find_spec("ipywidgets") is None:
        display(figure)
        print(_MISSING)
    else:
        display(_menus(show, choices, figure))


def _is_live() -> bool:
    """Dit si quelqu'un est devant un notebook, et non un programme qui l'exécute."""
    is_batch = os.environ.get("LABKIT_PROGRESS") == "0" or "IPython" not in sys.modules
    if is_batch:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return getattr(shell, "kernel", None) is not None


def _menus(show: Callable[..., object], choices: Mapping[str, Sequence], figure: object) -> object:
    from IPython.display import display
    from ipywidgets import Dropdown, interactive

    # Étiquetées une à une : une liste de paires serait lue comme des couples (étiquette, valeur).
    menus = {
        name: Dropdown(options=[(str(value), value) for value in values], description=name)
        for name, values in choices.items()
    }
    manual = {"manual": True, "manual_name": "Jouer"}
    panel = interactive(lambda **values: display(show(**values)), manual, **menus)
    # Dans l'état des menus : affichée après eux, sur une machine occupée, elle se perdrait parfois.
    panel.out.append_display_data(figure)
    return panel
