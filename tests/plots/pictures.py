"""Des images d'essai, et les pixels qu'une figure en montre."""

import numpy as np
import pytest
import torch

either = pytest.mark.parametrize("cast", [torch.as_tensor, np.asarray], ids=["tenseur", "tableau"])


def shown(figure) -> np.ndarray:
    (image,) = figure.axes_grid[0, 0].images
    return np.asarray(image.get_array())


def gray_levels(count: int, side: int = 14) -> np.ndarray:
    """Images unies : celle de rang i vaut (i + 1) / (count + 1)."""
    levels = (np.arange(count) + 1) / (count + 1)
    return np.tile(levels[:, None, None, None], (1, 1, side, side)).astype(np.float32)
