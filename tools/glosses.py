"""Relie mots, symboles et citations des labs à leur explication, celle des autres pages du cours.

Un terme du glossaire devient un lien vers sa définition, une citation un lien vers sa référence ;
un symbole d'une formule reçoit une marque. `glosses.js` montre l'explication au survol, au clavier
et au doigt. Sans script restent les liens. Dans une section, la première apparition est marquée ;
sur la page des questions, la première dans chaque énoncé.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from pathlib import Path

from bs4 import BeautifulSoup, NavigableString, Tag
from pybtex.database import Entry, parse_file
from pybtex.richtext import Text

from tools import math_glosses

GLOSSARY, NOTATION = "book/glossary.html", "book/notation.html"
BIBLIOGRAPHY, QUESTIONS = "book/bibliography.html", "book/questions.html"
DATA = "_static/gloss_data.js"

# Des mots que la langue courante, ou une autre partie du cours, prend dans un autre sens : les
# seuls labs où ils sont le terme du glossaire.
ONLY_IN = {
    "Attention": {9, 10}, "Biais": {1, 9}, "Cadence": {7}, "Coupure": {7}, "Couverture": {10},
    "Critique": {5}, "Densité": {10}, "Inversion": {7}, "Itération": {1}, "Marge": {1},
    "Noyau": {2, 3, 4, 5, 7, 8}, "Passage": {1}, "Plancher": {3, 4, 6, 10}, "Poussée": {6},
    "Précision": {10}, "Rappel": {10}, "Seuil": {1}, "Style": {7},
}  # fmt: skip
FORMS = {"Cache": r"(?<=\ble )cache"}  # et non « on cache la classe »
OTHERS = "others"  # ce que BibTeX écrit pour « et coll. »
ACRONYM = re.compile(r"[A-Z][\w-]*[A-Z]\w*")
# Ce qui n'est pas de la prose, ou que l'on ne lit qu'après l'avoir demandé.
SKIPPED = {
    "a", "button", "code", "details", "em", "figure", "h1", "h2", "h3", "h4", "math", "pre",
    "script", "summary", "table",
}  # fmt: skip
SKIPPED_CLASSES = {"cell", "math", "next-question", "question-links", "admonition-title"}


@dataclass(frozen=True)
class Word:
    """Un terme ou une citation : la clé de son explication, où la lire, et à quoi il se voit."""

    key: str
    address: str
    forms: tuple[str, ...]  # des motifs
    labs: frozenset[int] = frozenset()  # ceux où il a ce sens ; aucun : tous


@dataclass
class Glosses:
    """Les explications du cours, et celles dont une page s'est servie.

    Args:
        words: termes et citations.
        texts: leurs explications, en HTML, par clé.
        notation: la page de notation.
    """

    words: list[Word]
    texts: dict[str, str]
    notation: math_glosses.Notation
    used: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        self._pattern = cache(self._pattern)

    def mark(self, page: BeautifulSoup, name: str) -> int:
        """Marque une page, si elle est d'un lab ou celle des questions.

        Args:
            page: la page, modifiée sur place.
            name: son chemin dans le site.

        Returns:
            Le nombre de marques posées.
        """
        count = 0
        for lab, scope in scopes(page, name):
            for key in self._mark_words(page, scope, lab):
                self.used[key] = self.texts[key]
                count += 1
            for key, text in self.notation.mark(page, scope, lab):
                self.used[key] = text
                count += 1
        return count

    def write(self, html: Path) -> None:
        """Écrit `_static/gloss_data.js`, que `glosses.js` charge à la première demande."""
        content = json.dumps(self.used, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        (html / DATA).write_text(f"window.GLOSSES = {content};\n", encoding="utf-8")

    def _pattern(self, lab: int) -> tuple[list[Word], re.Pattern]:
        here = [
            (form, word)
            for word in self.words
            if not word.labs or lab in word.labs
            for form in word.forms
        ]
        # La plus longue d'abord : « perte non saturante » n'est pas « perte ».
        here.sort(key=lambda pair: len(pair[0]), reverse=True)
        either = "|".join(f"({form})" for form, _ in here) or r"(?!)"
        return [word for _, word in here], re.compile(rf"(?<![\w-])(?:{either})(?![\w-])")

    def _mark_words(self, page: BeautifulSoup, scope: list[Tag], lab: int) -> Iterator[str]:
        """Fait de chaque terme un lien, la première fois ; donne la clé de chacun."""
        words, pattern = self._pattern(lab)
        done: set[str] = set()
        for text in list(prose(scope)):
            pieces: list[NavigableString | Tag] = []
            end = 0
            for found in pattern.finditer(text):
                word = words[found.lastindex - 1]
                if word.key in done:
                    continue
                done.add(word.key)
                yield word.key
                attributes = {"class": "gloss", "href": word.address, "data-gloss": word.key}
                link = page.new_tag("a", attrs=attributes)
                link.string = found[0]
                pieces += [NavigableString(text[end : found.start()]), link]
                end = found.end()
            if pieces:
                text.replace_with(*pieces, NavigableString(text[end:]))


def read(html: Path, references: Path) -> Glosses:
    """Lit les explications dans les pages du site, telles que Sphinx les a écrites.

    Args:
        html: dossier du site construit ; une page absente n'explique rien.
        references: la bibliographie, au format BibTeX.
    """
    words, texts = [], {}
    for term in _parsed(html / GLOSSARY).select("dl.glossary dt"):
        words.append(term_word(term))
        texts[term["id"]] = f"<p><strong>{_name(term)}.</strong> {_content(_definition(term))}</p>"
    cited = {
        _squeezed(div.get_text()): div for div in _parsed(html / BIBLIOGRAPHY).select(".citation")
    }
    for entry in parse_file(references).entries.values() if references.is_file() else []:
        title = _squeezed(str(Text.from_latex(entry.fields["title"])))
        div = next((div for text, div in cited.items() if title in text), None)
        if div is not None:
            words.append(Word(div["id"], f"../{BIBLIOGRAPHY}#{div['id']}", citations(entry)))
            texts[div["id"]] = f"<p>{_content(div.p)}</p>"
    return Glosses(words, texts, math_glosses.read(_parsed(html / NOTATION)))


def _parsed(path: Path) -> BeautifulSoup:
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return BeautifulSoup(text, "html.parser")


def _name(term: Tag) -> str:
    return term.find(string=True).strip()


def _definition(term: Tag) -> Tag:
    return term.find_next("dd").p


def _content(element: Tag) -> str:
    """Le contenu d'un élément, sans lien : une infobulle n'en a pas."""
    copy = BeautifulSoup(str(element), "html.parser").find()
    for link in copy.find_all("a"):
        link.unwrap()
    return copy.decode_contents().strip()


def _squeezed(text: str) -> str:
    return re.sub(r"\W+", "", text).lower()


def term_word(term: Tag) -> Word:
    """Ce qui marque un terme : ses formes, et les sigles que donne sa définition."""
    name = _name(term)
    english = _definition(term).em
    given = re.split(r", |\.$", english.get_text()) if english else []
    acronyms = [re.escape(word) for word in given if ACRONYM.fullmatch(word)]
    forms = [FORMS[name]] if name in FORMS else [_inflected(form) for form in name.split(", ")]
    labs = frozenset(ONLY_IN.get(name, ()))
    return Word(term["id"], f"../{GLOSSARY}#{term['id']}", (*forms, *acronyms), labs)


def _inflected(form: str) -> str:
    """Le motif d'un terme, au singulier ou au pluriel, majuscule ou non à l'initiale."""
    pattern = r"\s+".join(map(_plural, form.replace("’", "'").split())).replace("'", "['’]")
    is_acronym = form[:2].isupper()
    return pattern if is_acronym else f"[{form[0].upper()}{form[0].lower()}]{pattern[1:]}"


def _plural(word: str) -> str:
    if word.endswith("al"):
        return f"{word[:-2]}(?:al|aux)"
    return re.escape(word) + ("" if word[-1] in "sx" or len(word) < 3 else "[sx]?")


def citations(entry: Entry) -> tuple[str, ...]:
    """Les façons de citer une source : « Kingma et Welling, 2014 », « Alemi et coll. (2018) »."""
    people = entry.persons["author"]
    names = [" ".join(map(str, p.rich_prelast_names + p.rich_last_names)) for p in people]
    first, *others = (re.escape(name) for name in names)
    ways = [rf"{first} et coll\."] if len(names) > 2 or OTHERS in others else []
    if OTHERS not in others:
        *middle, last = [first, *others]
        ways.append(rf"{', '.join(middle)} et {last}" if middle else last)
    year = rf"(?:, | \(){entry.fields['year']}"
    return tuple((way + year).replace(" ", r"\s+") for way in ways)


def scopes(page: BeautifulSoup, name: str) -> Iterator[tuple[int, list[Tag]]]:
    """Les parties d'une page où l'on marque la première apparition, et le lab dont chacune parle.

    Args:
        page: une page du site.
        name: son chemin ; seuls un lab et la page des questions ont de telles parties.
    """
    if name == QUESTIONS:
        for block in page.select(".question[id]"):
            yield int(block["id"].split("-")[1]), [block]
        return
    top = page.select_one("article section")
    lab = re.match(r"labs/(\d+)_", name)
    if top is None or lab is None:
        return
    for is_section, group in groupby(top.find_all(recursive=False), lambda e: e.name == "section"):
        parts = list(group)
        for scope in [[part] for part in parts] if is_section else [parts]:
            if not (is_section and scope[0].get("id", "").startswith("references")):
                yield int(lab[1]), scope


def prose(elements: list[Tag], inside: bool = False) -> Iterator[NavigableString]:
    """Les textes qui sont de la prose.

    Args:
        elements: où les chercher.
        inside: ces éléments sont dans un paragraphe ou dans une liste.
    """
    for element in elements:
        if element.name in SKIPPED or SKIPPED_CLASSES.intersection(element.get("class", [])):
            continue
        here = inside or element.name in {"p", "li"}
        for child in element.children:
            if isinstance(child, Tag):
                yield from prose([child], here)
            elif here and type(child) is NavigableString:
                yield child
