"""Mesures des performances que le cours annonce : `python -m benchmarks`."""
