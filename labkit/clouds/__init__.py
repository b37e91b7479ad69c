"""Comparer deux nuages de points : vraies images et images tirées, par leurs caractéristiques.

Un nuage est un tenseur [N, F] ; ses points sont d'ordinaire les caractéristiques que
`labkit.metrics.features` tire d'images. Aucune mesure ne sait d'où viennent les points : chacune se
vérifie sur des lois connues. Tout se calcule en float64, sur le processeur.
"""

from labkit.clouds.frechet import frechet_distance, frechet_errors
from labkit.clouds.kernel import kernel_distance, kernel_errors
from labkit.clouds.manifolds import density_coverage, precision_recall
from labkit.clouds.neighbours import nearest
from labkit.clouds.probes import linear_probe
from labkit.clouds.two_samples import two_sample_test

__all__ = [
    "density_coverage",
    "frechet_distance",
    "frechet_errors",
    "kernel_distance",
    "kernel_errors",
    "linear_probe",
    "nearest",
    "precision_recall",
    "two_sample_test",
]
