"""Les sommes de contrôle des fichiers de données : celles que l'on connaît, celles d'un MD5SUMS."""

from __future__ import annotations

import hashlib
import re

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

# MD5 des fichiers décompressés.
PUBLISHED = {
    "mnist": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    "fashion_mnist": {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
}


def md5(content: bytes) -> str:
    """La somme de contrôle que publient les auteurs des jeux de données."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def identify(digest: str) -> tuple[str, str] | None:
    """Le jeu et le fichier dont c'est la somme, s'ils sont connus."""
    for name, sums in PUBLISHED.items():
        for file, known in sums.items():
            if digest == known:
                return name, file
    return None


def usual_name(name: str) -> str | None:
    """Lequel des quatre fichiers désigne ce nom, archive ou non, quel que soit le miroir."""
    plain = name.lower().removesuffix(".gz").replace("_", "-").replace(".idx", "-idx")
    return plain if plain in FILES else None


def manifest_entries(content: bytes) -> set[tuple[str, str]]:
    """Les couples (fichier, somme) qu'énonce un MD5SUMS, un par ligne.

    Tous les outils conviennent : `md5sum`, `md5` de macOS, `Get-FileHash` de PowerShell.
    """
    # Ces noms et ces sommes sont de l'ASCII : sans octets nuls, l'UTF-16 se lit comme l'UTF-8.
    text = content.replace(b"\0", b"").decode("ascii", errors="ignore")
    entries = set()
    for line in text.splitlines():
        digests = re.findall(r"\b[0-9a-f]{32}\b", line.lower())
        files = filter(None, map(usual_name, re.split(r"[\s()*/\\]+", line)))
        entries |= {(file, digest) for file in files for digest in digests}
    return entries
