"""Les figures du cours : un seul style, lisible sur fond clair et sur fond sombre.

Chaque fonction reçoit des tableaux ou des tenseurs et renvoie une figure. Toutes acceptent
`title=`, le titre, et `ax=`, un repère de `new_figure` où dessiner pour composer plusieurs dessins.
Les figures ne passent pas par pyplot : elles s'affichent quand elles sont la dernière expression
d'une cellule, ou par `display(figure)`, et emportent dans la sortie du notebook un texte de
remplacement (`figure.alt`). Elles sont vectorielles ; `figure.caption("…")` écrit dessous ce qu'il
faut en conclure.
"""

from labkit.plots.curves import loss_curves
from labkit.plots.images import (
    LabAnimation,
    animation,
    image_grid,
    image_table,
    interpolation_strip,
    reconstructions,
)
from labkit.plots.plane import grid_image, point_cloud, seed_curves, square_map
from labkit.plots.points import decision_boundary, latent_manifold, latent_scatter
from labkit.plots.style import PALETTE, LabFigure, new_figure
from labkit.plots.texts import from_text, to_text

__all__ = [
    "PALETTE",
    "LabAnimation",
    "LabFigure",
    "animation",
    "decision_boundary",
    "from_text",
    "grid_image",
    "image_grid",
    "image_table",
    "interpolation_strip",
    "latent_manifold",
    "latent_scatter",
    "loss_curves",
    "new_figure",
    "point_cloud",
    "reconstructions",
    "seed_curves",
    "square_map",
    "to_text",
]
