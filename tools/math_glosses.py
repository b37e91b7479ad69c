"""Reconnaît, dans une formule en MathML, les symboles de la page de notation.

Un symbole est une suite de signes voisins, indices compris ; les espaces ne comptent pas. Une
fonction se reconnaît à son nom suivi d'une parenthèse, une loi, p ou q, à ses arguments aussi.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from bs4 import BeautifulSoup, Tag

SYMBOL, CODE, SHAPE, MEANING = range(4)
EMPTY = "–"
LABS = re.compile(r"\blabs? (\d+)(?:\s+(à|et)\s+(\d+))?")
LAWS = "pq"
# Un indice qui numérote, ou qui rappelle les paramètres : $\mu_j$ et $\mu_\phi$ sont encore $\mu$.
INDICES = set("ijklθϕ")
DOUBLE = "double emploi"
FOLDED_OR_TITLE = ["details", "h1", "h2", "h3", "h4", "table"]
ROWS = {"math", "mrow", "mstyle", "mtd", "msqrt"}


@dataclass(frozen=True)
class Line:
    """Une ligne de la page de notation : où elle vaut, et ce qu'elle apprend."""

    labs: frozenset[int]  # aucun : tous
    text: str
    is_common: bool = False  # un lab qui a sa propre ligne ne lit pas celle-ci

    def holds_in(self, lab: int) -> bool:
        """Dit si la ligne vaut dans un lab."""
        return not self.labs or lab in self.labs


@dataclass
class Notation:
    """Les lignes de la page, par symbole, et les remarques sur ceux qui ont deux sens."""

    lines: dict[tuple[str, ...], list[Line]] = field(default_factory=dict)
    notes: dict[tuple[str, ...], Line] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)  # texte -> clé

    def explain(self, symbol: tuple[str, ...], lab: int) -> str:
        """Ce que la page apprend d'un symbole dans un lab ; vide si elle n'en dit rien.

        Args:
            symbol: la suite de ses signes.
            lab: numéro du lab.
        """
        lines = [line for line in self.lines.get(symbol, []) if line.holds_in(lab)]
        own = [line for line in lines if not line.is_common]
        texts = [line.text for line in own or lines]
        note = self.notes.get(symbol[:1])
        if note and (texts or lab in note.labs):
            texts.append(note.text)
        return "".join(dict.fromkeys(texts))

    def mark(self, page: BeautifulSoup, scope: list[Tag], lab: int) -> Iterator[tuple[str, str]]:
        """Marque chaque symbole d'une partie de page, la première fois.

        Args:
            page: la page, modifiée sur place.
            scope: les éléments de la partie.
            lab: numéro du lab dont elle parle.

        Yields:
            La clé et le texte de chaque explication.
        """
        known = {symbol: self.explain(symbol, lab) for symbol in {*self.lines, *self.notes}}
        known = {symbol: text for symbol, text in known.items() if text}
        done: set[str] = set()
        for math in (math for part in scope for math in part.find_all("math")):
            if math.find_parent(FOLDED_OR_TITLE) is not None:
                continue
            for elements, symbol in list(found(_signs(math), known)):
                text = known[symbol]
                if text not in done:
                    done.add(text)
                    key = self.keys.setdefault(text, f"s{len(self.keys)}")
                    _whole(page, elements)["data-gloss"] = key
                    yield key, text


def read(page: BeautifulSoup) -> Notation:
    """Les symboles de la page de notation.

    Args:
        page: la page construite ; elle peut manquer, et rien n'est alors marqué.
    """
    notation = Notation()
    for section in page.select("article section section"):
        heading = section.h2.get_text()
        for row in section.select("tbody tr"):
            cells = row.find_all("td")
            if len(cells) > MEANING:
                common = named_labs(heading)
                labs = named_labs(cells[MEANING].get_text()) or common
                line = Line(labs, _described(cells), is_common=not common)
                for symbol in symbols(cells[SYMBOL]):
                    notation.lines.setdefault(symbol, []).append(line)
        for item in section.select("li") if DOUBLE in heading else []:
            note = Line(named_labs(item.get_text()), f"<p>{_inside(item.p)}</p>")
            for symbol in _subjects(item.p):
                notation.notes[symbol] = note
    return notation


def named_labs(text: str) -> frozenset[int]:
    """Les labs que nomme un texte : « labs 2 à 4 », « lab 7 »."""
    named: set[int] = set()
    for first, word, last in LABS.findall(text):
        named |= set(range(int(first), int(last) + 1)) if word == "à" else {int(first)}
        named |= {int(last)} if last else set()
    return frozenset(named)


def _described(cells: list[Tag]) -> str:
    facts = [_inside(cell.p) for cell in cells]
    known = [fact for fact in facts[:MEANING] if fact != EMPTY]
    return f"<p>{' · '.join(known)}</p><p>{facts[MEANING]}</p>"


def _inside(element: Tag) -> str:
    return element.decode_contents().strip()


def _subjects(paragraph: Tag) -> Iterator[tuple[str, ...]]:
    """Les symboles dont parle une remarque : ceux qui en ouvrent la phrase, « $s$ et $v$ »."""
    for child in paragraph.children:
        if isinstance(child, Tag) and child.math:
            yield tuple(sign_of(e) for e in _signs(child.math))
        elif str(child).strip() not in {"et", ","}:
            return


def symbols(cell: Tag) -> Iterator[tuple[str, ...]]:
    """Les symboles d'une case : une formule chacun, ou plusieurs séparés par une virgule."""
    for formula in cell.select("span.math"):
        signs = [sign_of(e) for math in formula.find_all("math") for e in _signs(math)]
        start, depth = 0, 0
        for place, sign in enumerate([*signs, ","]):
            depth += {"(": 1, ")": -1}.get(sign, 0)
            if sign == "," and depth == 0:
                yield from _named(signs[start:place])
                start = place + 1


def _named(signs: list[str]) -> Iterator[tuple[str, ...]]:
    """Le nom d'une fonction et sa parenthèse ; une loi, un produit gardent tous leurs signes."""
    if len(signs) > 2 and signs[1] == "(" and signs[-1] == ")" and _letter(signs[0]) not in LAWS:
        yield tuple(signs[:2])
        if signs[0].isupper():  # un réseau a son nom sans argument aussi : $G$ et $G(z)$
            yield tuple(signs[:1])
    else:
        yield tuple(signs)


def _letter(sign: str) -> str:
    return sign.removeprefix("msub(").partition(",")[0]


def _signs(element: Tag) -> list[Tag]:
    return [child for child in element.find_all(recursive=False) if child.name != "mspace"]


def sign_of(element: Tag) -> str:
    """Un texte qui identifie un signe, indices et accents compris."""
    children = _signs(element)
    if not children:
        return element.get_text()
    if element.name in ROWS:
        return "".join(map(sign_of, children))
    return f"{element.name}({','.join(map(sign_of, children))})"


def found(
    siblings: list[Tag], known: dict[tuple[str, ...], str]
) -> Iterator[tuple[list[Tag], tuple[str, ...]]]:
    """Les symboles connus d'une suite de signes, dans l'ordre : leurs éléments, et leurs signes.

    Args:
        siblings: des signes voisins, une formule par exemple.
        known: les symboles cherchés ; le plus long l'emporte.
    """
    signs = [sign_of(element) for element in siblings]
    longest = max(map(len, known), default=0)
    place = 0
    while place < len(siblings):
        lengths = range(min(longest, len(siblings) - place), 0, -1)
        ways = (tuple(signs[place : place + length]) for length in lengths)
        symbol = next((w for w in ways if w in known and not _is_law(w, signs, place)), None)
        if symbol is None:
            for part in _parts(siblings[place]):
                yield from found(part, known)
            place += 1
        else:
            # D'une fonction, le nom seul : la parenthèse et son contenu ont leur propre sens.
            is_function = len(symbol) == 2 and symbol[1] == "("
            size = 1 if is_function else len(symbol)
            yield siblings[place : place + size], symbol
            place += size


def _is_law(symbol: tuple[str, ...], signs: list[str], place: int) -> bool:
    """Dit si un signe est le nom d'une loi dont la page ne connaît pas les arguments."""
    return len(symbol) == 1 and symbol[0] in LAWS and signs[place + 1 : place + 2] == ["("]


def _parts(element: Tag) -> list[list[Tag]]:
    """Les suites de signes d'un élément que la page ne connaît pas tel quel.

    Un exposant ne change pas le symbole ; un indice si, sauf ceux de `INDICES`.
    """
    children = _signs(element)
    if element.name in ROWS:
        return [children]
    if element.name in {"msub", "msubsup"}:
        base, index, *power = children
        children = [base, *power] if sign_of(index) in INDICES else power
    return [[child] for child in children]


def _whole(page: BeautifulSoup, elements: list[Tag]) -> Tag:
    """L'élément qui porte la marque d'un symbole : le sien, ou un groupe de plusieurs."""
    if len(elements) == 1:
        return elements[0]
    group = page.new_tag("mrow")
    elements[0].insert_before(group)
    last = elements[-1]
    while (moved := group.next_sibling) is not None:
        group.append(moved.extract())
        if moved is last:
            break
    return group
