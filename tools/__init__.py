"""Outils du cours : exécuter, vérifier, dériver et publier les notebooks de `labs/`."""
