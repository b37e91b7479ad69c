"""Ce que tous les tests supposent de la machine."""

import os

# Les tests comparent au bit près, ce que seul le processeur garantit ; et des machines macOS
# d'intégration continue annoncent un GPU (MPS) sans mémoire.
os.environ["ACCELERATE_USE_CPU"] = "true"
