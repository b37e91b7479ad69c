"""Affiche chaque mesure à côté de sa borne ; statut 1 si une borne n'est pas tenue.

    python -m benchmarks [famille …]

Une famille est un fichier de `benchmarks/` : `labs`, `mnist`… ; toutes par défaut.
"""

import argparse
import sys

from benchmarks import (
    demos,
    diffusion,
    gan,
    imports,
    labs,
    language,
    loop,
    mnist,
    plane,
    stylegan3,
)

FAMILIES = (imports, loop, labs, mnist, gan, plane, demos, diffusion, language, stylegan3)


def name_of(family) -> str:
    """Le nom d'une famille sur la ligne de commande."""
    return family.__name__.rpartition(".")[2]


def main(arguments: list[str] | None = None) -> int:
    """Mesure les familles demandées : 1 si l'une passe une borne, 0 sinon."""
    parser = argparse.ArgumentParser(description="Mesure les performances que le cours annonce.")
    names = [name_of(family) for family in FAMILIES]
    parser.add_argument("families", nargs="*", metavar="famille", help=", ".join(names))
    chosen = parser.parse_args(arguments).families or names
    if unknown := set(chosen) - set(names):
        parser.error(f"famille inconnue : {', '.join(unknown)}. Au choix : {', '.join(names)}.")
    print(f"{'mesure':<58} {'obtenu':>10} {'borne':>16}")
    held = True
    for family in [family for family in FAMILIES if name_of(family) in chosen]:
        for measure in family.measures():
            print(measure.line(), flush=True)
            held &= measure.held
    return 0 if held else 1


if __name__ == "__main__":
    if hasattr(sys.stdout, "reconfigure"):  # console Windows qui n'est pas en UTF-8
        sys.stdout.reconfigure(encoding="utf-8")
    sys.exit(main())
