"""Compose la page des mesures à partir de ce que `make bench` a laissé."""

from __future__ import annotations

import json
from pathlib import Path

from labkit import plots
from labkit.tables import number

RESULTS = Path("_build") / "bench.json"

INTRODUCTION = """# Mesures de vitesse

Ce que `make bench` a mesuré : combien d'images ou de jetons chaque boucle d'entraînement traite par
seconde, et les durées que le cours annonce.
"""
NOTHING = "Rien n'a été mesuré avant cette construction du site : `make bench`, puis `make site`."
LEGEND = """La boucle habituelle est celle des tutoriels : DataLoader, une image à la fois, float32,
Adam, `.item()` à chaque pas. La limite refait les pas de labkit, dans la même précision, sur un
seul lot déjà en place : aucune boucle des mêmes pas ne ferait mieux. Les boucles d'une famille
alternent dans un même processus ; chaque vitesse est la médiane de ses tours, suivie de leur
étendue.
"""
GROWTH_LEGEND = """Une seule grandeur varie à la fois ; les autres restent à 6 400 images, des lots
de 128 et la largeur du lab 3. La mémoire est celle des images, à un octet par pixel, et, en
float32, des poids, de leurs gradients, des moments d'Adam et de ce que le pas garde pour la
rétropropagation. Pente de 1 : le temps est proportionnel à la grandeur ; pente de 2 : à son carré.
Là où les points ne s'alignent pas, la pente ne résume rien : lisez la courbe.

```{figure} bench_growth.svg
:alt: Durée d'une époque selon le nombre d'images, la taille du lot et la largeur, échelles log.

Le temps suit le nombre d'images ; il baisse d'abord quand le lot grandit ; il croît de plus en plus
vite avec la largeur.
```
"""
PAPER_LEGEND = """Combien de temps prendrait chaque entraînement, à nombre de passages égal, avec
dix et mille fois ses données ? C'est un calcul sur le papier. Seules sont comptées les opérations
des produits de matrices et des convolutions d'un pas. Un GPU est un H100 dont on tire un dixième de
la puissance annoncée en bf16, soit 99 mille milliards d'opérations par seconde, et qui met une
milliseconde à lancer un pas : deux hypothèses, favorables. Ces durées sont donc des planchers :
StyleGAN3, seul de ce tableau à avoir été entraîné sur un GPU, en float32, y a pris quatorze fois la
durée que ce calcul lui donnerait pour les mêmes données. Sur huit GPU, chacun a son lot : un pas
voit huit fois plus d'exemples, et il y a huit fois moins de pas ; le taux d'apprentissage est à
régler de nouveau. L'échange des gradients est compté, pour un GAN celui de $G$ seulement. Mille
fois MNIST, soixante millions d'images, pèse 47 Go à un octet par pixel.
"""
DURATIONS = (("j", 86_400), ("h", 3_600), ("min", 60))  # unité, secondes


def duration(seconds: float) -> str:
    """Une durée dans sa plus grande unité entière : « 1,5 h », « 40 s »."""
    for unit, length in DURATIONS:
        if seconds >= length:
            return f"{number(seconds / length, 1)} {unit}"
    return f"{number(seconds, 0)} s"


def read_results(root: Path) -> dict:
    """Ce que les mesures ont laissé sous une racine ; vide s'il n'y en a pas eu."""
    path = root / RESULTS
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def bench_page(results: dict) -> str:
    """La page Markdown des mesures.

    Args:
        results: ce que donne `read_results`.

    Returns:
        Le texte de la page.
    """
    families = results.get("families", {})
    if not families:
        return f"{INTRODUCTION}\n{NOTHING}\n"
    measures = [measure for family in families.values() for measure in family["measures"]]
    machines = dict.fromkeys(_machine(family["machine"]) for family in families.values())
    parts = [INTRODUCTION, *(f"Machine : {machine}." for machine in machines)]
    for title, kind, columns, row in SECTIONS:
        rows = [row(measure) for measure in measures if measure["kind"] == kind]
        if rows:
            parts += [f"## {title}", *filter(None, [LEGENDS.get(kind)]), _table(columns, rows)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _machine(machine: dict) -> str:
    cores = machine["cores"]
    return (
        f"{machine['system']}, {cores} cœur{'s' if cores > 1 else ''}, "
        f"calcul sur {machine['device']}, bf16 {'rapide' if machine['bf16'] else 'lent'}, "
        f"torch {machine['torch']}"
    )


def _speeds(measure: dict) -> tuple[str, ...]:
    rates = (
        f"{name} : {number(middle, 0)} ({number(low, 0)} à {number(high, 0)})"
        for name, (middle, low, high) in measure["rates"].items()
    )
    return measure["name"], f"{measure['unit']} par seconde", "<br>".join(rates)


def _measure(measure: dict) -> tuple[str, ...]:
    digits = measure["digits"]
    bounds = [
        f"{sign} {number(measure[key], digits)}"
        for key, sign in (("at_least", "≥"), ("at_most", "≤"))
        if measure[key] is not None
    ]
    value = f"{number(measure['value'], digits)} {measure['unit']}".strip()
    return measure["name"], value, " et ".join(bounds) or "—", "oui" if measure["held"] else "non"


def _skipped(measure: dict) -> tuple[str, ...]:
    return measure["name"], measure["reason"].replace("\n", " ")


def _growth(measure: dict) -> tuple[str, ...]:
    points = (
        f"{number(size)} : {number(seconds, 2)} s, {number(memory, 0)} Mo"
        for size, seconds, memory in zip(*(measure[key] for key in GROWTH_COLUMNS), strict=True)
    )
    return measure["name"], measure["varied"], "<br>".join(points), number(measure["slope"], 2)


def _paper(measure: dict) -> tuple[str, ...]:
    here = f"{duration(measure['here'])} ({measure['machine']})"
    times = (f"{name} : {duration(seconds)}" for name, seconds in measure["elsewhere"].items())
    operations = number(1000 * measure["gigaflops"], 0)
    return measure["name"], operations, here, "<br>".join(times), measure["bound"]


GROWTH_COLUMNS = ("sizes", "seconds", "megabytes")
LEGENDS = {"speeds": LEGEND, "growth": GROWTH_LEGEND, "paper": PAPER_LEGEND}
SECTIONS = (
    ("Vitesses", "speeds", ("Famille", "Unité", "Vitesse de chaque boucle"), _speeds),
    ("Durées et rapports", "measure", ("Mesure", "Obtenu", "Borne", "Tenue"), _measure),
    (
        "Comment croît le coût", "growth",
        ("Modèle", "Ce qui varie", "Temps d'une époque, mémoire", "Pente"), _growth,
    ),
    (
        "Avec mille fois plus de données", "paper",
        ("Entraînement", "Mégaopérations par exemple", "Sa fiche", "Sur le papier", "Limite"),
        _paper,
    ),
    ("Non mesuré", "skipped", ("Mesure", "Raison"), _skipped),
)  # fmt: skip


def growth_figure(results: dict) -> plots.LabFigure | None:
    """La figure des durées qui croissent ; rien si elles n'ont pas été mesurées."""
    measures = results.get("families", {}).get("growth", {}).get("measures", [])
    if not measures:
        return None
    varied = list(dict.fromkeys(measure["varied"] for measure in measures))
    # Les uns sous les autres, pour rester lisibles sur un téléphone.
    figure = plots.new_figure(len(varied), size=(5.0, 2.8 * len(varied)))
    for ax, name in zip(figure.axes_grid.flat, varied, strict=True):
        _draw_growth(ax, name, [measure for measure in measures if measure["varied"] == name])
    return figure


def _draw_growth(ax, name: str, measures: list[dict]) -> None:
    for measure in measures:
        label = f"{measure['name']} : pente {number(measure['slope'], 2)}"
        ax.plot(measure["sizes"], measure["seconds"], "o-", label=label)
    ax.set(xscale="log", yscale="log", xlabel=name, ylabel="secondes par époque")
    for axis, ticks in ((ax.xaxis, measures[0]["sizes"]), (ax.yaxis, _round_values(measures))):
        axis.set_ticks(ticks, [number(tick) for tick in ticks])
        axis.set_ticks([], minor=True)
    ax.legend(fontsize=8, frameon=False)


def _round_values(measures: list[dict]) -> list[float]:
    """Les 1, 2 et 5 fois une puissance de dix, de part et d'autre des durées."""
    seconds = [value for measure in measures for value in measure["seconds"]]
    values = [round(digit * 10.0**power, 3) for power in range(-3, 4) for digit in (1, 2, 5)]
    return [value for value in values if min(seconds) / 2 <= value <= 2 * max(seconds)]


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(r) + " |" for r in [columns, ("---",) * len(columns), *rows])
