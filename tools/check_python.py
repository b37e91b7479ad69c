"""Refuse en français un Python trop ancien, avant toute installation.

Ce fichier doit rester lisible par un vieux Python : ni annotation, ni f-string.
"""

import sys

MINIMUM = (3, 10)

if sys.version_info < MINIMUM:
    sys.exit(
        "Python {}.{} trouvé, mais le cours demande Python {}.{} ou plus récent. "
        "Installez-le, puis relancez avec : make PYTHON=/chemin/vers/python3 …".format(
            *(sys.version_info[:2] + MINIMUM)
        )
    )
