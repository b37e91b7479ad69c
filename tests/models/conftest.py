"""Ce que plusieurs tests de modèles partagent."""

import pytest
import torch


@pytest.fixture
def default_float64():
    """Le réglage d'un étudiant qui a demandé float64 partout."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
