"""L'autoencodeur du lab 02 : comprimer une image en quelques nombres, puis la reconstruire.

G. Hinton et R. Salakhutdinov, « Reducing the dimensionality of data with neural networks », 2006.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from labkit.edges import check_whole
from labkit.models.checks import check_codes, check_dtype, check_tensor, check_unit_interval


class AutoEncoder(nn.Module):
    """Autoencodeur dense : 784 → 256 → 128 → latent_dim → 128 → 256 → 784.

    `latent_dim` est la dimension du code latent z.

    Raises:
        TypeError, ValueError: dimension latente qui n'est pas un entier d'au moins 1.
    """

    def __init__(self, latent_dim: int = 2):
        super().__init__()
        latent_dim = self.latent_dim = check_whole("latent_dim", latent_dim)
        self.encoder = nn.Sequential(
            nn.Linear(784, 256), nn.ReLU(),
            nn.Linear(256, 128), nn.ReLU(),
            nn.Linear(128, latent_dim),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim, 128), nn.ReLU(),
            nn.Linear(128, 256), nn.ReLU(),
            nn.Linear(256, 784), nn.Sigmoid(),
        )  # fmt: skip

    def encode(self, x: Tensor) -> Tensor:
        """Code des images [B, 1, 28, 28] ou [B, 784], dans [0, 1], en z [B, latent_dim] sans borne.

        Raises:
            ValueError: images qui n'ont pas 784 pixels, ou hors de [0, 1].
        """
        x = check_tensor(x).flatten(start_dim=1)  # [B, 784]
        if x.shape[1] != 784:
            raise ValueError(f"images de 784 pixels attendues, reçu {x.shape[1]}.")
        return self.encoder(check_dtype(self, check_unit_interval(x)))

    def decode(self, z: Tensor) -> Tensor:
        """Décode des codes z [B, latent_dim] en images [B, 784] dans [0, 1].

        Raises:
            ValueError: codes d'une autre dimension.
        """
        return self.decoder(check_dtype(self, check_codes(z, self.latent_dim), "codes z"))

    def forward(self, x: Tensor) -> Tensor:
        """Code des images puis les décode : x_recon [B, 784] dans [0, 1].

        Raises:
            ValueError: comme `encode`.
        """
        return self.decode(self.encode(x))


def autoencoder_loss(x_recon: Tensor, x: Tensor) -> Tensor:
    """Calcule l'erreur quadratique moyenne par pixel, ‖x - x̂‖² / (B · 784), en float32.

    x_recon est [B, 784], x [B, 1, 28, 28] ou [B, 784].
    """
    check_tensor(x_recon, "x_recon")
    x = check_tensor(x).flatten(start_dim=1)  # [B, 784]
    # float : sous autocast, x_recon sort en bf16, trop court pour sommer des carrés.
    return F.mse_loss(x_recon.float(), x)
