"""Les jetons : aller et retour sans perte, fusions dans l'ordre, et découpages mal assortis."""

import json

import pytest
import torch

from labkit.text import (
    BPETokenizer,
    TokenizerError,
    WordTokenizer,
    load_tokenizer,
    train_bpe,
)

TEXT = "L'été, l'homme chantait ; l'été, la cigale chantait.\nŒuf à la coque !\n" * 40


@pytest.fixture(scope="module")
def bpe() -> BPETokenizer:
    return train_bpe(TEXT, 290)


@pytest.fixture
def words() -> WordTokenizer:
    return WordTokenizer(["chat", "dort", "le"])


def texts(tokenizer: BPETokenizer, text: str) -> list[str]:
    return [tokenizer.token_text(number) for number in tokenizer.encode(text).tolist()]


@pytest.mark.parametrize(
    "text", [TEXT, "", "\n", "\n\n", "sans fin", "日本 ñ\tet  deux espaces\n\n", "<masque><fin>"]
)
def test_bpe_loses_nothing(text, bpe):
    ids = bpe.encode(text)
    assert ids.dtype == torch.int64
    assert bpe.decode(ids) == text
    assert (ids == bpe.end_id).sum() == text.count("\n")
    assert not (ids == bpe.mask_id).any()


def test_bpe_is_trained_on_pairs_within_words(bpe):
    assert bpe.vocab_size == len(bpe.tokens) == 290
    assert len(bpe.merges) == 290 - 256 - 2
    assert texts(bpe, " chantait l'été") == [" chantait", " l'", "été"]


def test_the_most_frequent_pair_is_merged_first():
    # « ab » 3 fois, « cd » 2 fois : une fusion, puis l'autre.
    tokenizer = train_bpe("ab cd\nab cd\nab\n", 260)
    assert tokenizer.merges == (("a", "b"), ("c", "d"))


def test_merge_steps_end_at_the_tokens(bpe):
    for word in (" chantait", "l'été", " Œuf", "zut", " la cigale"):
        steps = bpe.merge_steps(word)
        assert steps[-1] == texts(bpe, word)
        assert all(
            len(after) < len(before) for before, after in zip(steps, steps[1:], strict=False)
        )
    assert bpe.merge_steps("é")[0] == ["\\xc3", "\\xa9"]


def test_training_is_deterministic(bpe):
    assert train_bpe(TEXT, 290).checksum() == bpe.checksum()


def test_a_vocabulary_too_small_for_bytes():
    with pytest.raises(ValueError, match="vocab_size doit valoir au moins 258"):
        train_bpe(TEXT, 200)


def test_words_round_trip(words):
    assert words.vocab_size == 5 and words.tokens[:2] == ("<fin>", "<masque>")
    ids = words.encode("le chat dort\nle chat\n")
    assert ids.tolist() == [4, 2, 3, 0, 4, 2, 0]
    assert words.decode(ids) == "le chat dort\nle chat\n"
    assert words.decode([4, words.mask_id, 3]) == "le <masque> dort"


def test_special_tokens_typed_in_a_text(bpe, words):
    """Pour le BPE, des caractères comme les autres, si fréquents soient-ils ; sinon, les jetons."""
    trained = train_bpe("le <fin> et le <masque>\n" * 200, 300)
    for tokenizer in (bpe, trained):
        ids = tokenizer.encode("un <fin>\n<masque>")
        assert tokenizer.decode(ids) == "un <fin>\n<masque>"
        assert (ids == tokenizer.end_id).sum() == 1 and tokenizer.mask_id not in ids
    assert len(set(trained.tokens)) == trained.vocab_size
    assert words.encode("le <masque> dort").tolist() == [4, words.mask_id, 3]


def test_a_word_outside_the_vocabulary_is_named(words):
    with pytest.raises(ValueError, match="le mot 'chien' n'est pas dans le vocabulaire"):
        words.encode("le chien dort")


@pytest.mark.parametrize("wrong", [5, -1])
def test_ids_outside_the_vocabulary(wrong, words):
    with pytest.raises(ValueError, match=f"jeton {wrong} hors du vocabulaire, qui va de 0 à 4"):
        words.decode(torch.tensor([2, wrong]))


def test_saved_then_loaded(bpe, words, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for tokenizer in (bpe, words):
        path = f"~/{tokenizer.kind}.json"
        tokenizer.save(path)
        again = load_tokenizer(path)
        assert type(again) is type(tokenizer)
        assert again.tokens == tokenizer.tokens
        assert again.fingerprint() == tokenizer.fingerprint()
    assert torch.equal(load_tokenizer(tmp_path / "bpe.json").encode(TEXT), bpe.encode(TEXT))


@pytest.mark.parametrize("content", [
    None, "", "[]", '{"kind": "bpe"}', '{"merges": ["a b"]}', '{"kind": "mots", "merges": []}',
    '{"kind": "bpe", "merges": ["ab c"]}', '{"kind": "bpe", "merges": ["a €"]}',
])  # fmt: skip
def test_an_unreadable_tokenizer(content, tmp_path):
    path = tmp_path / "jetons.json"
    if content is not None:
        path.write_text(content, "utf-8")
    with pytest.raises(TokenizerError, match="jetons.json est absent ou illisible"):
        load_tokenizer(path)


def test_a_tokenizer_that_does_not_fit_the_weights(bpe):
    bpe.check(290)
    bpe.check(290, bpe.checksum())
    with pytest.raises(TokenizerError, match="le découpage a 290 jetons, et le modèle 291"):
        bpe.check(291)
    other = BPETokenizer([*bpe.merges[:-1], ("z", "z")])
    with pytest.raises(TokenizerError, match="ce ne sont pas ceux du modèle"):
        other.check(290, bpe.checksum())


def test_json_is_readable(words):
    assert json.loads(words.to_json()) == {"kind": "words", "words": ["chat", "dort", "le"]}
