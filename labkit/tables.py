"""Les nombres et les tableaux des labs, écrits à la française, et leur dispersion."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Number

_NARROW_SPACE = "\u202f"  # insécable : un nombre ne se coupe pas en fin de ligne
_FRENCH = str.maketrans({",": _NARROW_SPACE, ".": ",", "-": "−"})
_EXPONENT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# « 12,3 (11,8 à 12,9) », « 92 % », « 3 / 4 », « − » : ce qui s'aligne à droite comme un nombre.
_NUMERIC = re.compile(r"[\W\dà]*")

Format = int | Callable[[float], str]


def number(value: float, digits: int | None = None) -> str:
    """Écrit un nombre à la française : 1234.5 -> « 1 234,5 », 1e-05 -> « 10⁻⁵ ».

    Args:
        value: un nombre, ou un tenseur d'un seul élément.
        digits: nombre de décimales ; par défaut six chiffres significatifs, ou l'entier tel quel.
    """
    value = _plain(value)
    if digits is not None:
        text = f"{value:,.{digits}f}"
    else:
        text = f"{value:,d}" if isinstance(value, Integral) else f"{value:,g}"
    text = text if text.strip("-0,.") else text.lstrip("-")  # jamais -0,00
    mantissa, _, exponent = text.partition("e")
    mantissa = mantissa.translate(_FRENCH)
    if not exponent:
        return mantissa
    power = f"10{str(int(exponent)).translate(_EXPONENT)}"
    if mantissa in ("1", "−1"):
        return mantissa.replace("1", power)
    return f"{mantissa}{_NARROW_SPACE}×{_NARROW_SPACE}{power}"


def rounded(value: float, figures: int = 3) -> str:
    """Écrit un nombre à tant de chiffres significatifs : 0.0012345 -> « 0,00123 ».

    Args:
        value: un nombre, ou un tenseur d'un seul élément.
        figures: nombre de chiffres significatifs.
    """
    return number(float(f"{_plain(value):.{figures}g}"))


def percent(value: float, digits: int = 0) -> str:
    """Écrit une proportion en pour cent : 0.917 -> « 92 % ».

    Args:
        value: proportion, de 0 à 1.
        digits: nombre de décimales.
    """
    return f"{number(100 * value, digits)}{_NARROW_SPACE}%"


def count_parameters(module) -> int:
    """Nombre de paramètres d'un module de PyTorch, entraînés ou non."""
    return sum(parameter.numel() for parameter in module.parameters())


class Table:
    """Un tableau : mis en page dans un notebook et sur le site, en colonnes alignées ailleurs.

    Args:
        header: titres des colonnes [C].
        rows: lignes, chacune de C cases : nombres ou textes. Un texte peut porter du Markdown.
        digits: décimales des nombres non entiers de tout le tableau ; ou titre d'une colonne ->
            les siennes, ou une fonction qui écrit ses nombres, comme `percent`.

    Raises:
        ValueError: une ligne n'a pas C cases, ou `digits` nomme une colonne absente.
    """

    def __init__(
        self,
        header: Sequence[str],
        rows: Iterable[Sequence],
        digits: int | Mapping[str, Format] | None = None,
    ):
        self.header = [_text(title) for title in header]
        rows = [[_plain(cell) for cell in row] for row in rows]
        self._check(rows, digits)
        by_column = digits if isinstance(digits, Mapping) else dict.fromkeys(self.header, digits)
        formats = [by_column.get(title) for title in self.header]
        self.rows = [[_text(*pair) for pair in zip(row, formats, strict=True)] for row in rows]
        self._to_right = [
            _aligns_right([row[rank] for row in rows]) for rank in range(len(self.header))
        ]

    def _check(self, rows: list[list], digits: int | Mapping[str, Format] | None) -> None:
        for rank, row in enumerate(rows, start=1):
            if len(row) != len(self.header):
                raise ValueError(
                    f"`rows` : {len(self.header)} cases attendues par ligne "
                    f"({', '.join(self.header)}), reçu {len(row)} à la ligne {rank}."
                )
        unknown = set(digits) - set(self.header) if isinstance(digits, Mapping) else ()
        if unknown:
            raise ValueError(
                f"`digits` : pas de colonne {', '.join(sorted(unknown))} ; le tableau a "
                f"{', '.join(self.header)}."
            )

    def __repr__(self) -> str:
        """Colonnes alignées, pour un terminal."""
        lines = [self.header, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        lines.insert(1, ["─" * width for width in widths])
        return "\n".join(self._aligned(line, widths) for line in lines)

    def _aligned(self, line: list[str], widths: list[int]) -> str:
        cells = zip(line, widths, self._to_right, strict=True)
        padded = [text.rjust(width) if right else text.ljust(width) for text, width, right in cells]
        return "  ".join(padded).rstrip()

    def _repr_markdown_(self) -> str:
        rule = ["---:" if right else ":---" for right in self._to_right]
        header, *rows = (
            [text.replace("|", "\\|") for text in line] for line in [self.header, *self.rows]
        )
        return "\n".join(f"| {' | '.join(line)} |" for line in [header, rule, *rows])


def _plain(value: object) -> object:
    """Le nombre de Python que porte un scalaire de NumPy ou de PyTorch."""
    return value.item() if hasattr(value, "item") else value


def _is_number(cell: object) -> bool:
    return isinstance(cell, Number) and not isinstance(cell, bool)


def _text(cell: object, form: Format | None = None) -> str:
    """Le texte d'une case, sur une seule ligne."""
    if not _is_number(cell):
        return " ".join(str(cell).split("\n"))
    if callable(form):
        return form(cell)
    return number(cell, None if isinstance(cell, Integral) else form)


def _aligns_right(column: Sequence) -> bool:
    """Une colonne s'aligne à droite si elle a un nombre, ou si rien n'y est un mot."""
    return any(map(_is_number, column)) or all(_NUMERIC.fullmatch(str(cell)) for cell in column)
