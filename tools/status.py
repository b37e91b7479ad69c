"""Compose la page d'état du site à partir de `status.json`."""

from __future__ import annotations

from labkit.tables import number

INTRODUCTION = """# État des labs

Chaque lab de ce site a été exécuté en entier avant la publication : les figures et les nombres que
vous lisez sortent des cellules voisines. Ce tableau est écrit par cette exécution.
"""

COLUMNS = ("Lab", "État", "Profil", "Durée", "Pic de mémoire", "Python", "torch", "numpy")


def status_page(labs: list[dict], machine: dict) -> str:
    """La page Markdown d'état, une ligne par lab.

    Args:
        labs: les enregistrements de `tools.execute`.
        machine: système et nombre de cœurs.

    Returns:
        Le texte de la page.
    """
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(_row(lab) for lab in labs)]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    cores = machine["cores"]
    note = (
        f"Machine : {machine['system']}, {cores} cœur{'s' if cores > 1 else ''}. La durée comprend "
        "le démarrage du noyau et les importations ; la mémoire est celle du noyau et de ses "
        "processus enfants."
    )
    return f"{INTRODUCTION}\n{table}\n\n{note}\n"


def _row(lab: dict) -> tuple[str, ...]:
    versions = lab["versions"]
    return (
        f"[{lab['title']}](../labs/{lab['name']}.ipynb)",
        lab["status"],
        lab["profil"],
        f"{number(lab['seconds'], 1)} s",
        f"{lab['peak_mib']} Mio",
        versions["python"],
        versions.get("torch", "—"),
        versions.get("numpy", "—"),
    )
