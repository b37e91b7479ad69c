"""De petits corpus publiés, et le serveur local qui les distribue."""

import hashlib

import pytest

from labkit.text import corpora, files
from labkit.text.romans import Novel

NOVELS = {
    "Auteur_Un": "Première ligne.\r\n\r\n  L’été\u00a0; c’est «\u202foui\u202f». \n",
    "Boisgobey_CrimeOpera-rd1006": "Le crime.\n",
    "Maupassant_UneVie-rd0056": "La vie.\nUne vie.\n",
}
WIKITEXT = {
    "train": " = Titre = \n \n un mot <unk> . \n",
    "valid": "".join(f"ligne {number}\n" for number in range(20)),
    "test": "fin\n",
}


@pytest.fixture(autouse=True)
def no_environment_root(monkeypatch):
    monkeypatch.delenv("LABKIT_DATA", raising=False)


@pytest.fixture
def published(monkeypatch, server):
    """Fait de ces petits fichiers les corpus publiés, à l'adresse du serveur local."""
    novels = tuple(
        Novel(name, name.partition("_")[0], name, 1870, "formation", sha256(text))
        for name, text in NOVELS.items()
    )
    address = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(corpora, "catalogue", lambda: novels)
    monkeypatch.setattr(files, "_ROMANS", f"{address}romans/")
    monkeypatch.setattr(files, "_WIKITEXT", f"{address}wikitext/")
    digests = {part: git_blob(text) for part, text in WIKITEXT.items()}
    monkeypatch.setattr(files, "_WIKITEXT_DIGESTS", digests)
    server.files = {f"romans/{name}.txt": text.encode() for name, text in NOVELS.items()}
    server.files |= {f"wikitext/{part}.txt": text.encode() for part, text in WIKITEXT.items()}
    return server


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def git_blob(text: str) -> str:
    content = text.encode()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
