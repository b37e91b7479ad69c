"""Affiche chaque mesure à côté de sa borne ; statut 1 si une borne n'est pas tenue."""

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


def main() -> int:
    print(f"{'mesure':<58} {'obtenu':>10} {'borne':>16}")
    held = True
    for family in FAMILIES:
        for measure in family.measures():
            print(measure.line(), flush=True)
            held &= measure.held
    return 0 if held else 1


if __name__ == "__main__":
    if hasattr(sys.stdout, "reconfigure"):  # console Windows qui n'est pas en UTF-8
        sys.stdout.reconfigure(encoding="utf-8")
    sys.exit(main())
