"""Compose les formules à la construction du site, en MathML : aucun script pour le lecteur.

`setup` en fait le moteur de formules de Sphinx. latex2mathml traduit le LaTeX ; ce module corrige
ensuite ce que les navigateurs en feraient : les espaces suivent les classes d'atomes de TeX (Knuth,
*The TeXbook*, chapitre 18), et une longue formule se coupe là où une ligne peut finir. Une commande
qui n'est pas dans `COMMANDS` est refusée, car latex2mathml rend mal, sans le dire, ce qu'il ignore.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element, fromstring, tostring

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

# Les commandes dont le rendu a été regardé. N'en ajoutez une qu'après avoir vu la page qui s'en
# sert, en clair, en sombre et à 360 px.
LETTERS = """
    Big Bigl Bigr Delta Gamma Lambda Longrightarrow Omega Phi Pi Psi Sigma Theta Vert alpha approx
    arg ast bar begin beta big bigl bigr cap cdot cdots chi circ cos cup delta dots ell end epsilon
    eta exp forall frac gamma ge geq hat in infty int kappa lVert lambda langle lceil ldots le left
    leftarrow leq lfloor lim ln log mapsto mathbb mathbf mathcal mathrm max mid min mu nabla neq nu
    odot omega operatorname partial phi pi pm prod propto psi qquad quad rVert rangle rceil rfloor
    rho right rightarrow sigma sim sin sqrt subset sum tanh tau text texttt tfrac theta tilde times
    to top underbrace varepsilon varphi xi zeta
"""
COMMANDS = {*LETTERS.split(), *" !%,:;\\{}|_"}
ENVIRONMENTS = {"aligned"}
# Le code d'abord : un dollar n'y ouvre pas de formule.
WRITTEN = re.compile(
    r"^(?P<fence>```+|~~~+).*?^(?P=fence)|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)"
    r"|\$\$(?P<display>.+?)\$\$|(?<!\\)\$(?P<inline>[^$]+)\$",
    re.DOTALL | re.MULTILINE,
)
COMMAND = re.compile(r"\\([a-zA-Z]+|.)", re.DOTALL)
ENVIRONMENT = re.compile(r"\\begin\{(.*?)\}")

# Ce que latex2mathml traduit mal, remplacé par ce qu'il traduit bien.
REWRITINGS = (
    (re.compile(r"\\(begin|end)\{aligned\}"), r"\\\1{align*}"),
    # Une lettre droite seule serait penchée.
    (re.compile(r"\\(?:mathrm|operatorname)\{([a-zA-Z]+)\}"), r"\\text{\1}"),
    # Un seul nombre, dont `_numbers` rétablit la virgule.
    (re.compile(r"(?<=\d)\{,\}(?=\d)"), "."),
    # `_space` ne met pas devant \left l'espace que cette commande retire.
    (re.compile(r"\\!"), ""),
    (re.compile(r"\\ldots"), r"\\dots"),
    (re.compile(r"\\arg(?![a-zA-Z])"), r"\\text{arg}"),
    (re.compile(r"~"), r"\\ "),
)

FUNCTIONS = {"arg", "cos", "exp", "lim", "ln", "log", "max", "min", "sin", "tanh"}
RELATIONS = set("=<>≤≥≠≈∼~∝∈⊂∣←→↦⟹:")
OPERATIONS = set("+−±·⋅×∘⊙∩∪")
OPENINGS, CLOSINGS, SEPARATORS = set("([{⟨⌊⌈"), set(")]}⟩⌋⌉"), set(",;")
BARS, LARGE = set("‖|∣"), set("∑∏∫")
ACCENTS = set("^~¯˙→")
SCRIPTS = {"msub", "msup", "msubsup", "munder", "mover", "munderover"}

# Espaces entre deux atomes, en dix-huitièmes de cadratin ; entre parenthèses, celles que TeX ne met
# pas dans un indice. Dans l'ordre des colonnes : ord, op, bin, rel, open, close, punct, inner.
CLASSES = ("ord", "op", "bin", "rel", "open", "close", "punct", "inner")
SPACES = {
    "ord": "0 3 (4) (5) 0 0 0 (3)",
    "op": "3 3 0 (5) 0 0 0 (3)",
    "bin": "(4) (4) 0 0 (4) 0 0 (4)",
    "rel": "(5) (5) 0 0 (5) 0 0 (5)",
    "open": "0 0 0 0 0 0 0 0",
    "close": "0 3 (4) (5) 0 0 0 (3)",
    "punct": "(3) (3) 0 (3) (3) (3) (3) (3)",
    "inner": "(3) 3 (4) (5) (3) 0 (3) (3)",
}

QUAD = 1.0  # cadratins
LONG = {True: 17.0, False: 9.0}  # cadratins, en vue ou dans le texte : au-delà, on coupe
SCRIPT_SIZE = 0.7
WIDTH = 0.6  # largeur moyenne d'un signe, en cadratins


logger = logging.getLogger(__name__)


class FormulaError(ValueError):
    """Une formule que l'on ne sait pas composer ; le message cite la commande."""


def to_mathml(latex: str, display: bool = False) -> str:
    """Compose une formule.

    Args:
        latex: la formule, sans ses dollars.
        display: formule centrée sur sa propre ligne.

    Returns:
        Un élément `<math>`, ou plusieurs qui se suivent si la formule est longue.

    Raises:
        FormulaError: commande inconnue, ou formule mal formée.
    """
    root = fromstring(_translated(latex, display))
    _numbers(root)
    _operators(root)
    _accents(root)
    _spread(root, script=False)
    row = root[0]
    pieces = _pieces(list(row), LONG[display])
    return "".join(_math(piece, display) for piece in pieces)


def in_markdown(text: str) -> Iterator[tuple[str, bool]]:
    """Les formules d'un texte : leur LaTeX, et si chacune est en vue.

    Args:
        text: du Markdown ; le code n'y compte pas.
    """
    for found in WRITTEN.finditer(text):
        if latex := found["display"] or found["inline"]:
            yield latex, bool(found["display"])


def _translated(latex: str, display: bool) -> str:
    unknown = set(COMMAND.findall(latex)) - COMMANDS
    unknown |= set(ENVIRONMENT.findall(latex)) - ENVIRONMENTS
    if unknown:
        names = ", ".join(f"\\{name}" for name in sorted(unknown))
        raise FormulaError(
            f"formule « {latex.strip()} » : {names} n'est pas dans COMMANDS (tools/formulas.py). "
            "Écrivez-la autrement, ou ajoutez cette commande après en avoir regardé le rendu."
        )
    for pattern, replacement in REWRITINGS:
        latex = pattern.sub(replacement, latex)
    try:
        mathml = convert(latex, xmlns="", display="block" if display else "inline")
    except Exception as error:  # latex2mathml en lève de toutes sortes
        raise FormulaError(f"formule « {latex.strip()} » : {error or 'mal formée'}") from error
    if left := re.search(r">\\\w*", mathml):
        raise FormulaError(f"formule « {latex.strip()} » : {left[0][1:]} n'est pas traduit")
    return mathml.replace(' xmlns=""', "").replace("<mi>&</mi>", "")


def _math(piece: Sequence[Element], display: bool) -> str:
    math = Element("math", {"displaystyle": "true"} if display else {})
    math.extend(piece)
    return tostring(math, encoding="unicode")


def _numbers(root: Element) -> None:
    """Rétablit la virgule décimale."""
    for element in root.iter("mn"):
        element.text = element.text.replace(".", ",")


def _operators(root: Element) -> None:
    """Ôte aux opérateurs les espaces et l'étirement que les navigateurs décideraient eux-mêmes."""
    for element in root.iter("mi"):  # des signes que latex2mathml tient pour des lettres
        if element.text and not element.text.isalpha():
            element.tag = "mo"
    for element in root.iter("mo"):
        element.set("lspace", "0")
        element.set("rspace", "0")
        if element.text in BARS and element.get("fence") is None:
            element.set("stretchy", "false")


def _accents(root: Element) -> None:
    for over in root.iter("mover"):
        if len(over) == 2 and over[1].text in ACCENTS:
            over.set("accent", "true")
            over[1].set("stretchy", "false")


def _spread(element: Element, script: bool) -> None:
    """Met entre les atomes d'une suite, et de celles qu'elle contient, les espaces de TeX.

    Args:
        element: élément dont les enfants forment une suite, ou qui en contient.
        script: on est dans un indice ou un exposant.
    """
    inside = element.tag in SCRIPTS and element.get("accent") is None
    for rank, child in enumerate(list(element)):
        _spread(child, script or (inside and rank > 0))
    if element.tag in {"mrow", "mtd", "math", "msqrt", "mstyle"}:
        _space_row(element, script)


def _space_row(row: Element, script: bool) -> None:
    children = list(row)
    classes = _settled([_atom_class(child) for child in children])
    previous = None
    for child, kind in zip(children, classes, strict=True):
        if kind is None:
            continue
        if previous is not None and (space := _space(previous, kind, script)):
            gap = Element("mspace", width=f"{space / 18:.3g}em")
            row.insert(list(row).index(child), gap)
        previous = kind


def _space(left: str, right: str, script: bool) -> int:
    # TeX entoure d'espaces ce que délimitent \left et \right ; on le traite en parenthèses.
    left = "close" if left == "fenced" else left
    right = "open" if right == "fenced" else right
    text = SPACES[left].split()[CLASSES.index(right)]
    if text.startswith("("):
        return 0 if script else int(text[1:-1])
    return int(text)


def _settled(kinds: list[str | None]) -> list[str | None]:
    """Fait un atome ordinaire du signe d'une opération qui n'a pas deux opérandes."""
    settled = list(kinds)
    atoms = [rank for rank, kind in enumerate(kinds) if kind is not None]
    for position, rank in enumerate(atoms):
        if kinds[rank] != "bin":
            continue
        before = settled[atoms[position - 1]] if position else "open"
        after = kinds[atoms[position + 1]] if position + 1 < len(atoms) else "close"
        if before in {"bin", "op", "rel", "open", "punct"} or after in {"rel", "close", "punct"}:
            settled[rank] = "ord"
    return settled


def _atom_class(element: Element) -> str | None:
    """La classe d'atome de TeX, ou rien pour une espace, que TeX ne compte pas."""
    text = element.text or ""
    if element.tag == "mspace":
        return None
    if element.tag in SCRIPTS:
        return "ord" if element.get("accent") else _atom_class(element[0])
    if element.tag == "mrow":
        return "fenced" if len(element) and element[0].get("form") == "prefix" else "ord"
    if element.tag == "mstyle" and len(element):
        return _atom_class(element[0])
    if element.tag == "mfrac" or text == "…" or text == "⋯":
        return "inner"
    if text in FUNCTIONS or text in LARGE:
        return "op"
    if element.tag != "mo":
        return "ord"
    for kind, signs in (("rel", RELATIONS), ("bin", OPERATIONS), ("punct", SEPARATORS)):
        if text in signs:
            return kind
    if text in OPENINGS or element.get("form") == "prefix":
        return "open"
    return "close" if text in CLOSINGS or element.get("form") == "postfix" else "ord"


def _pieces(row: list[Element], longest: float) -> list[list[Element]]:
    """Coupe une suite trop longue : aux grandes espaces et devant les relations, puis devant les
    opérations de ce qui reste trop long."""
    pieces = [row]
    for kind in ("rel", "bin"):
        pieces = [
            part
            for piece in pieces
            for part in ([piece] if _width(piece) <= longest else _cut(piece, kind))
        ]
    return pieces


def _cut(row: list[Element], kind: str) -> list[list[Element]]:
    parts: list[list[Element]] = [[]]
    depth, inside_bars = 0, False
    for element in row:
        # Une opération à deux opérandes, ou une relation, suit toujours une espace.
        gap = _gap(parts[-1][-1]) if parts[-1] else 0
        is_place = gap >= QUAD or (gap and _atom_class(element) == kind)
        if is_place and depth == 0 and not inside_bars:
            parts.append([])
        parts[-1].append(element)
        depth += {"open": 1, "close": -1}.get(_atom_class(element), 0)
        inside_bars ^= _core(element).text in {"‖", "|"}
    return parts


def _core(element: Element) -> Element:
    """Ce qui porte les indices et les exposants."""
    return _core(element[0]) if element.tag in SCRIPTS else element


def _gap(element: Element) -> float:
    return float(element.get("width", "0em")[:-2]) if element.tag == "mspace" else 0


def _width(elements: Sequence[Element]) -> float:
    """Une estimation de la largeur d'une suite, en cadratins."""
    return sum(_element_width(element) for element in elements)


def _element_width(element: Element) -> float:
    if element.tag == "mspace":
        return _gap(element)
    if element.tag in {"mfrac", "munder", "mover", "munderover", "mtable"}:
        return max(_width([child]) for child in element)
    if element.tag in SCRIPTS:
        return _width(element[:1]) + SCRIPT_SIZE * max(_width([child]) for child in element[1:])
    return WIDTH * len(element.text or "") + _width(element)


def visit_math(self, node: nodes.math) -> None:
    """Écrit une formule du texte (interface de Sphinx)."""
    _write(self, node, "span", display=False)


def visit_displaymath(self, node: nodes.math_block) -> None:
    """Écrit une formule en vue (interface de Sphinx)."""
    _write(self, node, "div", display=True)


def _write(translator, node: nodes.Element, tag: str, display: bool) -> None:
    try:
        content = to_mathml(node.astext(), display)
    except FormulaError as error:
        logger.warning(str(error), location=node)  # une erreur : le site se construit avec -W
        content = ""
    translator.body.append(f'<{tag} class="math notranslate nohighlight">{content}</{tag}>')
    raise nodes.SkipNode


def setup(app) -> dict[str, bool]:
    """Déclare le moteur `mathml` (interface de Sphinx)."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
