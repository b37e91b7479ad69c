"""Le catalogue des romans : ceux que l'on tient à l'écart n'ont aucun auteur en commun."""

from collections import Counter

from labkit.text.romans import TEST, VALIDATION, catalogue


def test_thirty_six_novels_with_their_sums():
    novels = catalogue()
    assert len(novels) == len({novel.sha256 for novel in novels}) == 36
    assert all(len(novel.sha256) == 64 for novel in novels)
    assert (min(n.year for n in novels), max(n.year for n in novels)) == (1861, 1889)


def test_held_out_authors_are_absent_from_training():
    by_part = {
        part: [n for n in catalogue() if n.part == part] for part in ("train", "val", "test")
    }
    assert {part: len(novels) for part, novels in by_part.items()} == {
        "train": 30, "val": 3, "test": 3,
    }  # fmt: skip
    assert {n.name for n in by_part["val"]} == set(VALIDATION)
    assert {n.name for n in by_part["test"]} == set(TEST)
    authors = {part: {novel.author for novel in novels} for part, novels in by_part.items()}
    assert authors["train"].isdisjoint(authors["val"] | authors["test"])
    assert authors["val"] & authors["test"] == {"Du Boisgobey"}


def test_every_genre_is_held_out():
    genres = Counter(novel.genre for novel in catalogue() if novel.part != "train")
    assert set(genres) == {novel.genre for novel in catalogue()}
    assert len(genres) == 4
