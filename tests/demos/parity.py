"""Ce que les tests des démonstrations comparent : labkit en float32, et le code de la page."""

import json

import torch

from tools import demos


def weight_file(name, tensors):
    """Le fichier de poids que lirait la page, pour des poids faits par un test."""
    script = demos.script(name, tensors)
    return json.loads(script.partition(" = ")[2].rstrip(";\n"))


def half(module):
    """Le même module, ses poids arrondis comme ceux d'une référence, en mode évaluation."""
    return module.half().float().eval()


def difference(found, expected):
    """L'écart le plus grand, rapporté à la plus grande valeur attendue."""
    found = torch.tensor(found, dtype=torch.float64)
    expected = expected.detach().double().flatten()
    assert found.shape == expected.shape
    return ((found - expected).abs().max() / expected.abs().max()).item()
