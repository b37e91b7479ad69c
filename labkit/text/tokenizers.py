"""Du texte aux jetons et retour : mots entiers pour `phrases`, BPE sur les octets pour le reste.

Les deux découpages ont la même interface. Le saut de ligne, qui finit un paragraphe ou une phrase,
y est le jeton `<fin>` ; `<masque>` sert au modèle masqué. Un texte où ces noms sont écrits garde
pour le BPE ses caractères, et un découpage en mots y lit les deux jetons.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from labkit.edges import check_whole
from labkit.files import full_path, write_atomically

END, MASK = "<fin>", "<masque>"
_SPECIAL = (END, MASK)
_BYTES = 256
# Des lettres avec l'espace qui les précède, et l'apostrophe d'une élision avec elles ; des
# chiffres ; d'autres signes ; des espaces. Les lettres accentuées sont des lettres.
_WORDS = r" ?\p{L}+'?| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+"


class TokenizerError(RuntimeError):
    """Un découpage est illisible, ou ne convient pas aux poids qui l'accompagnent."""


class _Tokenizer:
    """Ce que les deux découpages ont en commun.

    Attributes:
        tokens: nom de chaque jeton, par numéro.
        end_id, mask_id: numéros de `<fin>` et de `<masque>`.
    """

    kind: str
    end_id, mask_id = 0, 1

    def __init__(self, tokens: Sequence[str]):
        self.tokens = tuple(tokens)

    @property
    def vocab_size(self) -> int:
        """Nombre de jetons, les deux jetons spéciaux compris."""
        return len(self.tokens)

    def encode(self, text: str) -> Tensor:
        """Découpe un texte : int64 [N]. Chaque saut de ligne donne `end_id`."""
        lines = text.split("\n")
        encoded = self._encode_lines(lines)
        ends = [self.end_id]
        pieces = [ids for line in encoded[:-1] for ids in (line, ends)] + encoded[-1:]
        total = sum(map(len, pieces))
        flat = np.fromiter((token for ids in pieces for token in ids), np.int64, total)
        return torch.from_numpy(flat)

    def decode(self, ids: Tensor | Sequence[int]) -> str:
        """Recompose le texte ; `<fin>` redevient un saut de ligne.

        Raises:
            ValueError: un numéro est hors du vocabulaire.
        """
        numbers = torch.as_tensor(ids).flatten().tolist()
        wrong = [number for number in numbers if not 0 <= number < self.vocab_size]
        if wrong:
            raise ValueError(
                f"ids : jeton {wrong[0]} hors du vocabulaire, qui va de 0 à {self.vocab_size - 1}. "
                "Vient-il d'un autre découpage ?"
            )
        lines: list[list[int]] = [[]]
        for number in numbers:
            if number == self.end_id:
                lines.append([])
            else:
                lines[-1].append(number)
        return "\n".join(map(self._decode_line, lines))

    def check(self, vocab_size: int, sha256: str | None = None) -> None:
        """Vérifie que ce découpage est celui avec lequel un modèle a été entraîné.

        Args:
            vocab_size: vocabulaire du modèle.
            sha256: somme du découpage, si la fiche du modèle la porte.

        Raises:
            TokenizerError: autre vocabulaire, ou autre somme.
        """
        remedy = "Chargez celui qui a été enregistré avec ces poids, ou réentraînez le modèle."
        if vocab_size != self.vocab_size:
            raise TokenizerError(
                f"le découpage a {self.vocab_size} jetons, et le modèle {vocab_size}. {remedy}"
            )
        if sha256 is not None and sha256 != self.checksum():
            raise TokenizerError(
                f"le découpage a le bon nombre de jetons, {vocab_size}, mais ce ne sont pas ceux "
                f"du modèle (sommes {self.checksum()[:8]}… et {sha256[:8]}…). {remedy}"
            )

    def checksum(self) -> str:
        """SHA-256, en hexadécimal, de ce que `to_json` écrit ; calculé une fois."""
        return self._checksum

    def fingerprint(self) -> dict:
        """Sorte de découpage, nombre de jetons et somme."""
        return {"kind": self.kind, "vocab_size": self.vocab_size, "sha256": self.checksum()}

    @cached_property
    def _checksum(self) -> str:
        return hashlib.sha256(self.to_json().encode("utf-8")).hexdigest()

    def to_json(self) -> str:
        """Écrit le découpage en JSON, tel que `load_tokenizer` le relit."""
        return json.dumps({"kind": self.kind, **self._state()}, ensure_ascii=False)

    def save(self, path: str | Path) -> None:
        """Enregistre le découpage.

        Raises:
            FileError: disque plein, ou dossier où l'on ne peut pas écrire.
        """
        write_atomically(path, self.to_json().encode("utf-8"))

    def _encode_lines(self, lines: list[str]) -> list[Sequence[int]]:
        raise NotImplementedError

    def _decode_line(self, numbers: list[int]) -> str:
        raise NotImplementedError

    def _state(self) -> dict:
        raise NotImplementedError


class WordTokenizer(_Tokenizer):
    """Un jeton par mot, d'un vocabulaire fermé ; les mots sont séparés par une espace.

    Args:
        words: mots du vocabulaire, sans les jetons spéciaux.
    """

    kind = "words"

    def __init__(self, words: Iterable[str]):
        self.words = tuple(words)
        super().__init__((*_SPECIAL, *self.words))
        self._numbers = {token: number for number, token in enumerate(self.tokens)}

    def _encode_lines(self, lines: list[str]) -> list[Sequence[int]]:
        try:
            return [[self._numbers[word] for word in line.split()] for line in lines]
        except KeyError as error:
            raise ValueError(
                f"text : le mot {error.args[0]!r} n'est pas dans le vocabulaire, qui compte "
                f"{len(self.words)} mots. `tokens` en donne la liste."
            ) from None

    def _decode_line(self, numbers: list[int]) -> str:
        return " ".join(self.tokens[number] for number in numbers)

    def _state(self) -> dict:
        return {"words": self.words}


class BPETokenizer(_Tokenizer):
    """Un jeton par suite d'octets fréquente : *byte-pair encoding* (Sennrich et coll. 2016).

    On part des 256 octets, si bien qu'aucun texte n'est hors du vocabulaire, et l'on fusionne,
    dans l'ordre, les paires voisines qui l'ont été à l'entraînement (Radford et coll. 2019, §2.2).
    Une fusion ne franchit pas les limites d'un mot ; l'élision, « l' », en est un.

    Args:
        merges: paires fusionnées, dans l'ordre, dans l'alphabet de `tokenizers` où chaque octet
            est un caractère imprimable.

    Raises:
        ValueError: une fusion dont un morceau n'est ni un octet ni une fusion d'avant.
    """

    kind = "bpe"

    def __init__(self, merges: Iterable[Sequence[str]]):
        self.merges = tuple((left, right) for left, right in merges)
        alphabet = sorted(_BYTE_OF)
        _check_merges(self.merges, alphabet)
        super().__init__((*_SPECIAL, *alphabet, *(left + right for left, right in self.merges)))
        self._ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        self._engine = _engine(self.tokens, self.merges)

    def token_text(self, number: int) -> str:
        """Le texte d'un jeton ; un octet qui n'est pas à lui seul une lettre s'écrit `\\xc3`."""
        if number < len(_SPECIAL):
            return self.tokens[number]
        return self._readable(self.tokens[number])

    def merge_steps(self, text: str) -> list[list[str]]:
        """Donne les états d'un texte court, des octets aux jetons, une fusion à la fois.

        Args:
            text: un mot, avec l'espace qui le précède dans une phrase : " maison".

        Returns:
            Des listes de morceaux ; chacune a une fusion de plus que la précédente.
        """
        words = [list(word) for word, _ in self._engine.pre_tokenizer.pre_tokenize_str(text)]
        steps = [[piece for word in words for piece in word]]
        while (merge := self._next_merge(words)) is not None:
            words = [_merged(word, merge) for word in words]
            steps.append([piece for word in words for piece in word])
        return [[self._readable(piece) for piece in step] for step in steps]

    def _next_merge(self, words: list[list[str]]) -> tuple[str, str] | None:
        """La paire voisine, dans un même mot, que l'entraînement a fusionnée la première."""
        pairs = {pair for word in words for pair in pairwise(word)} & self._ranks.keys()
        return min(pairs, key=self._ranks.__getitem__, default=None)

    def _readable(self, token: str) -> str:
        content = bytes(map(_BYTE_OF.__getitem__, token))
        return content.decode("utf-8", errors="backslashreplace")

    def _encode_lines(self, lines: list[str]) -> list[Sequence[int]]:
        return [found.ids for found in self._engine.encode_batch_fast(lines)]

    def _decode_line(self, numbers: list[int]) -> str:
        return self._engine.decode(numbers, skip_special_tokens=False)

    def _state(self) -> dict:
        # Aucun caractère de cet alphabet n'est une espace : une fusion s'écrit sur une ligne.
        return {"merges": [" ".join(pair) for pair in self.merges]}


def train_bpe(text: str, vocab_size: int) -> BPETokenizer:
    """Choisit les fusions d'un BPE : à chaque fois, la paire voisine la plus fréquente.

    Args:
        text: texte d'entraînement, une ligne par paragraphe.
        vocab_size: nombre de jetons voulu, les deux jetons spéciaux et les 256 octets compris ; un
            texte court peut en donner moins.

    Raises:
        TypeError, ValueError: `vocab_size` n'est pas un entier d'au moins 258.
    """
    from tokenizers import Tokenizer, models, trainers

    size = check_whole("vocab_size", vocab_size, at_least=len(_SPECIAL) + _BYTES)
    engine = Tokenizer(models.BPE())
    engine.pre_tokenizer = _pre_tokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(_SPECIAL),
        initial_alphabet=sorted(_BYTE_OF),
        show_progress=False,
    )
    engine.train_from_iterator(text.split("\n"), trainer)
    return BPETokenizer(json.loads(engine.to_str())["model"]["merges"])


def load_tokenizer(path: str | Path) -> WordTokenizer | BPETokenizer:
    """Relit un découpage enregistré par `save`.

    Raises:
        TokenizerError: fichier absent, ou qui n'est pas un découpage.
    """
    try:
        return tokenizer_from_json(full_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TokenizerError(
            f"le découpage {path} est absent ou illisible ({error}). Enregistrez-le à nouveau par "
            "tokenizer.save(…)."
        ) from error


def tokenizer_from_json(text: str) -> WordTokenizer | BPETokenizer:
    """Relit un découpage écrit par `to_json`.

    Raises:
        ValueError, KeyError, TypeError: ce n'en est pas un.
    """
    state = json.loads(text)
    if state["kind"] == WordTokenizer.kind:
        return WordTokenizer(state["words"])
    if state["kind"] == BPETokenizer.kind:
        return BPETokenizer(pair.split(" ") for pair in state["merges"])
    raise ValueError(f"kind={state['kind']!r} inconnu")


def _pre_tokenizer():
    from tokenizers import Regex, pre_tokenizers

    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _engine(tokens: Sequence[str], merges: Sequence[tuple[str, str]]):
    from tokenizers import Tokenizer, decoders, models

    numbers = {token: number for number, token in enumerate(tokens)}
    engine = Tokenizer(models.BPE(vocab=numbers, merges=list(merges)))
    engine.pre_tokenizer = _pre_tokenizer()
    engine.decoder = decoders.ByteLevel()
    return engine


def _check_merges(merges: Iterable[tuple[str, str]], alphabet: Iterable[str]) -> None:
    known = set(alphabet)
    for pair in merges:
        if not known.issuperset(pair):
            raise ValueError(f"merges : la fusion {pair} part d'un morceau inconnu.")
        known.add("".join(pair))


def _merged(word: list[str], merge: tuple[str, str]) -> list[str]:
    """Le mot où cette paire, partout où elle est, ne fait plus qu'un morceau."""
    pieces, place = [], 0
    while place < len(word):
        is_pair = tuple(word[place : place + 2]) == merge
        pieces.append("".join(merge) if is_pair else word[place])
        place += 2 if is_pair else 1
    return pieces


def _byte_alphabet() -> dict[str, int]:
    """L'alphabet de GPT-2 : un caractère imprimable pour chaque octet.

    Les octets qui s'impriment en latin-1 se gardent ; les autres prennent, dans l'ordre, les
    caractères à partir du numéro 256.
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(_BYTES) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(_BYTES + rank): byte for rank, byte in enumerate(others)
    }


_BYTE_OF = _byte_alphabet()
