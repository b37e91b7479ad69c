"""L'empreinte de ce qui a fait un résultat : code, réglages, données ; et ce qui y a changé.

Un point de reprise, des images gardées, une référence portent l'empreinte de ce qui les a faits.
Quand elle diffère de celle du programme en cours, on refait ou l'on refuse, et l'on dit pourquoi.
"""

from labkit.fingerprints.compare import changes, code_sums
from labkit.fingerprints.sources import sums_in
from labkit.fingerprints.walk import fingerprint, weights_checksum, weights_in

__all__ = [
    "changes",
    "code_sums",
    "fingerprint",
    "sums_in",
    "weights_checksum",
    "weights_in",
]
