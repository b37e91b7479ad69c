"""Le texte du cours : corpus, jetons, blocs, et les modèles à n-grammes qui servent de repère."""

from labkit.text.blocks import TokenSet, bits_per_byte, blocks
from labkit.text.corpora import TextSplits, Work, load_text, missing_files, normalize
from labkit.text.ngrams import NGramModel
from labkit.text.tokenizers import (
    BPETokenizer,
    TokenizerError,
    WordTokenizer,
    load_tokenizer,
    train_bpe,
)

__all__ = [
    "BPETokenizer",
    "NGramModel",
    "TextSplits",
    "TokenSet",
    "TokenizerError",
    "WordTokenizer",
    "Work",
    "bits_per_byte",
    "blocks",
    "load_text",
    "load_tokenizer",
    "missing_files",
    "normalize",
    "train_bpe",
]
