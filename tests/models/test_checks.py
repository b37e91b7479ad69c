"""Ce que les modèles vérifient de leurs entrées : ce qui passe, et ce que dit le refus."""

import pytest
import torch
from torch import nn

from labkit.models.checks import as_images, check_dtype, check_real, check_unit_interval


def test_what_is_right_comes_back_as_it_is():
    x = torch.tensor([[0.0, 0.5, 1.0]])
    assert check_unit_interval(x) is x
    assert check_dtype(nn.Linear(3, 1), x) is x
    assert check_dtype(nn.Identity(), x.double()).dtype == torch.float64  # aucun poids à accorder


def test_autocast_reconciles_dtypes_by_itself():
    layer, x = nn.Linear(3, 1), torch.rand(2, 3).bfloat16()
    with pytest.raises(ValueError, match="torch.bfloat16 pour un modèle en torch.float32"):
        check_dtype(layer, x)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(check_dtype(layer, x)).shape == (2, 1)


@pytest.mark.parametrize("x", [torch.zeros(2, 3).long(), torch.zeros(2, 3).byte()])
def test_integers_are_refused_with_their_remedy(x):
    with pytest.raises(ValueError, match=f"nombres réels attendus, reçu {x.dtype} ; faites ceci."):
        check_real(x, "faites ceci")


@pytest.mark.parametrize("shape", [(3, 784), (3, 28, 28), (3, 1, 28, 28), (0, 784)])
def test_flat_images_take_their_shape_back(shape):
    x = torch.rand(shape)
    assert as_images(x).shape == (shape[0], 1, 28, 28)
    assert torch.equal(as_images(x).flatten(), x.flatten())
