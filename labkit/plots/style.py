"""Le style du cours : la figure, ses repères, et ce que tous les dessins partagent."""

from __future__ import annotations

import functools
import inspect
import io
from collections.abc import Callable, Sequence

import matplotlib.style
import numpy as np
import torch
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from labkit.edges import received

# Dix couleurs distinctes pour les daltoniens : M. Petroff, « Accessible Color Sequences for Data
# Visualization », 2021 (arXiv:2107.02270).
PALETTE = [
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
]  # fmt: skip

Array = np.ndarray | torch.Tensor

# Largeur d'une figure à un repère, en pouces : son texte de 10 points garde 9 pixels sur un
# téléphone, dont la colonne en fait 328.
WIDTH = 5.0

# Le reste est le style d'origine de matplotlib. Son fond blanc opaque garde à la figure ses
# contrastes quelle que soit la page qui la porte ; le site, lui, accorde les traits à son fond.
_STYLE = {
    "figure.dpi": 144,
    "figure.constrained_layout.use": True,
    "axes.edgecolor": "#767676",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "svg.hashsalt": "labkit",  # deux fois la même figure, deux fois le même fichier
}
# Des pixels tels quels : ni étirés entre leurs extrêmes, ni lissés, ni recalculés dans un SVG.
PIXELS = {"cmap": "gray", "vmin": 0, "vmax": 1, "interpolation": "none"}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_TITLE_SIZE = 11
_MOST_MARKS = 300  # au-delà, un fichier vectoriel pèserait plus que ses pixels
CAPTION_MARK = "labkit-legende"
_CSS_PIXELS_PER_INCH = 96


def _in_style(function: Callable) -> Callable:
    """La même fonction, qui ignore les réglages de matplotlib faits par le lecteur.

    matplotlib lit ses réglages à chaque texte créé, puis de nouveau au tracé : les fixer à la
    création de la figure ne suffirait pas.
    """

    @functools.wraps(function)
    def styled(*args, **options):
        with matplotlib.style.context(["default", _STYLE]):
            return function(*args, **options)

    return styled


def _styled(*methods: str) -> Callable[[type], type]:
    """Décore une classe : ces méthodes suivent le style du cours."""

    def decorate(cls: type) -> type:
        for name in methods:
            setattr(cls, name, _in_style(getattr(cls, name)))
        return cls

    return decorate


# `Axes` définit elle-même tout ce qui dessine ou écrit ; elle hérite le reste.
_DRAWING = [
    name
    for name, method in vars(Axes).items()
    if inspect.isfunction(method) and not name.startswith(("_", "get_"))
]


@_styled(*_DRAWING, "clear", "set", "set_xlabel", "set_xscale", "set_ylabel", "set_yscale", "twinx")
class LabAxes(Axes):
    """Repère au style du cours, y compris dans ce qu'un lab y ajoute."""

    def scatter(self, x, y, *args, **options):
        """Marque les points x [N], y [N], comme `Axes.scatter` ; une foule l'est en pixels."""
        options.setdefault("rasterized", as_array(x).size > _MOST_MARKS)
        return super().scatter(x, y, *args, **options)

    def twinx(self, *args, **options) -> Axes:
        """Ajoute une échelle à droite, sans seconde grille."""
        twin = super().twinx(*args, **options)
        twin.spines["right"].set_visible(True)
        twin.grid(False)
        return twin


@_styled(
    "__init__", "add_axes", "add_subplot", "colorbar", "draw", "legend", "savefig", "suptitle",
    "supxlabel", "supylabel", "text",
)  # fmt: skip
class LabFigure(Figure):
    """Figure matplotlib vectorielle, qui porte dans la sortie du notebook son texte et sa légende.

    Attributes:
        alt: description en une ou quelques phrases, lue par les lecteurs d'écran.
        conclusion: ce qu'il faut en conclure, écrit sous la figure.
        axes_grid: repères de la figure, tableau [lignes, colonnes].
    """

    alt = ""
    conclusion = ""
    axes_grid: np.ndarray

    def add_subplot(self, *args, **options) -> Axes:
        """Ajoute un repère au style du cours ; mêmes arguments que `Figure.add_subplot`."""
        if not {"projection", "polar", "axes_class"} & options.keys():
            options["axes_class"] = LabAxes
        return super().add_subplot(*args, **options)

    def describe(self, sentence: str) -> LabFigure:
        """Ajoute la phrase `sentence` au texte de remplacement et renvoie la figure."""
        self.alt = f"{self.alt} {sentence}".strip()
        return self

    def caption(self, sentence: str) -> LabFigure:
        """Écrit sous la figure ce qu'il faut en conclure : la phrase `sentence`. Renvoie la figure.

        Le site numérote cette légende ; sans elle, il y met les titres, ou la description.
        """
        self.conclusion = sentence
        return self

    def _titles(self) -> str:
        return " · ".join(title for ax in self.axes if (title := ax.get_title()))

    def _repr_mimebundle_(self, **_: object) -> tuple[dict, dict]:
        buffer = io.StringIO()
        self.savefig(buffer, format="svg", metadata=_NO_METADATA)
        svg = buffer.getvalue()
        width = round(self.get_figwidth() * _CSS_PIXELS_PER_INCH)
        caption = self.conclusion or self._titles() or self.alt
        facts = {"alt": self.alt, "caption": caption, "width": width}
        return (
            {"image/svg+xml": svg[svg.index("<svg") :], "text/plain": self.alt},
            {"image/svg+xml": facts},
        )

    def _ipython_display_(self) -> None:
        # IPython préfère aux `_repr_*_` l'afficheur d'images qu'installent pyplot ou
        # `figure_format = "retina"`, qui perdrait le texte de remplacement et la largeur.
        from IPython.display import display

        contents, metadata = self._repr_mimebundle_()
        display(contents, metadata=metadata, raw=True)
        show_caption(self.conclusion)


def show_caption(sentence: str) -> None:
    """Écrit une légende sous ce qui vient d'être montré, s'il y en a une."""
    if not sentence:
        return
    from IPython.display import display

    # Le site la reconnaît à cette marque, et la met ailleurs.
    contents = {"text/markdown": f"*{sentence}*", "text/plain": sentence}
    display(contents, metadata={CAPTION_MARK: True}, raw=True)


class _CommaFormatter(ScalarFormatter):
    """Graduations avec la virgule décimale."""

    def __call__(self, x, pos=None):
        return super().__call__(x, pos).replace(".", ",")


@_in_style
def use_decimal_comma(ax: Axes) -> None:
    """Met la virgule décimale aux échelles linéaires du repère."""
    for axis in (ax.xaxis, ax.yaxis):
        if axis.get_scale() == "linear":
            axis.set_major_formatter(_CommaFormatter())


def new_figure(
    rows: int = 1, columns: int = 1, size: tuple[float, float] = (WIDTH, 3.4)
) -> LabFigure:
    """Crée une figure au style du cours, à remplir par les fonctions qui acceptent `ax=`.

    Args:
        rows: nombre de lignes de repères.
        columns: nombre de colonnes de repères.
        size: largeur et hauteur, en pouces.

    Returns:
        La figure ; ses repères sont dans `axes_grid` [rows, columns].
    """
    figure = LabFigure(figsize=size)
    figure.axes_grid = figure.subplots(rows, columns, squeeze=False)
    for ax in figure.axes_grid.flat:
        use_decimal_comma(ax)
    return figure


def axes_or_new(ax: Axes | None, size: tuple[float, float] = (WIDTH, 3.4)) -> Axes:
    """Le repère où dessiner.

    Args:
        ax: celui que l'on a donné, ou rien.
        size: largeur et hauteur, en pouces, de la figure créée s'il n'y en a pas.
    """
    return new_figure(size=size).axes_grid[0, 0] if ax is None else ax


def legend_below(ax: Axes, artists: Sequence[Artist]) -> None:
    """Légende sous le repère : elle ne cache aucune donnée, même avec deux échelles.

    Args:
        ax: repère.
        artists: ce que la légende nomme, dans l'ordre.
    """
    names = [artist.get_label() for artist in artists]
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.17)}
    ax.legend(artists, names, ncols=_legend_columns(ax, names), frameon=False, **place)


def _legend_columns(ax: Axes, names: Sequence[str]) -> int:
    """Le nombre de colonnes, 3 au plus, qui tient sous le repère."""
    place = ax.get_subplotspec()
    inches = ax.figure.get_figwidth() / (place.get_gridspec().ncols if place else 1)
    longest = max(map(len, names), default=0) * 0.075 + 0.5  # pouces, trait de rappel compris
    return int(np.clip(inches // longest, 1, 3))


def finish(ax: Axes, title: str | None, sentence: str, title_pad: float | None = None) -> LabFigure:
    """Titre, virgules décimales et texte de remplacement : la fin commune de tous les dessins.

    Args:
        ax: repère, déjà dessiné.
        title: titre du dessin et de sa description.
        sentence: ce que l'on voit, pour le texte de remplacement.
        title_pad: points entre le dessin et son titre.

    Returns:
        La figure qui porte le repère.
    """
    if title:
        ax.set_title(title, fontsize=_TITLE_SIZE, pad=title_pad)
        sentence = f"{title} : {sentence[0].lower()}{sentence[1:]}"
    use_decimal_comma(ax)
    figure = ax.figure
    if isinstance(figure, LabFigure):
        figure.describe(sentence)
    return figure


def as_array(values: Array | Sequence) -> np.ndarray:
    """Un tableau NumPy ; les tenseurs flottants deviennent float32."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        return (values.float() if values.is_floating_point() else values).numpy()
    return np.asarray(values)


def as_numbers(values: Array | Sequence, name: str) -> np.ndarray:
    """Un tableau NumPy de nombres réels.

    Args:
        values: tableau, tenseur ou liste.
        name: ce que le message d'erreur nomme.

    Raises:
        TypeError: textes, listes de longueurs différentes, ou autre chose que des nombres.
    """
    try:
        array = as_array(values)
        array = array.astype(float) if array.dtype == object else array  # None devient NaN
    except (TypeError, ValueError) as error:  # ValueError : des lignes de longueurs différentes
        raise TypeError(_expected_numbers(name, values)) from error
    if array.size and array.dtype.kind not in "biuf":
        raise TypeError(_expected_numbers(name, values))
    return array


def _expected_numbers(name: str, values: object) -> str:
    return f"`{name}` : un tableau de nombres est attendu, reçu {received(values)}."
