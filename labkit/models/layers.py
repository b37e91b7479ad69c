"""Une couche de PyTorch dont le calcul est réordonné pour le processeur, à résultat égal."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class ConvTranspose2d(nn.ConvTranspose2d):
    """`nn.ConvTranspose2d` dont le biais s'ajoute après la convolution, et non pendant.

    Sur processeur, PyTorch calcule le gradient d'un biais de convolution transposée en refaisant
    tout celui des poids ; celui d'une addition n'est qu'une somme. Mêmes arguments, mêmes poids
    et mêmes points de reprise que `nn.ConvTranspose2d`.
    """

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Calcule la convolution transposée d'`input` [B, C, H, W], comme `nn.ConvTranspose2d`."""
        output_padding = self._output_padding(
            input, output_size, self.stride, self.padding, self.kernel_size, 2, self.dilation
        )
        output = F.conv_transpose2d(
            input, self.weight, None, self.stride, self.padding, output_padding, self.groups,
            self.dilation,
        )  # fmt: skip
        if self.bias is None:
            return output
        return output.add_(self.bias.to(output.dtype)[:, None, None])
