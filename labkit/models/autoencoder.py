"""L'autoencodeur du lab 02 : comprimer une image en quelques nombres, puis la reconstruire.

G. Hinton et R. Salakhutdinov, « Reducing the dimensionality of data with neural networks », 2006.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class AutoEncoder(nn.Module):
    """Autoencodeur dense : 784 → 256 → 128 → latent_dim → 128 → 256 → 784.

    Args:
        latent_dim: dimension du code latent z, au moins 1.

    Raises:
        ValueError: dimension latente nulle ou négative.
    """

    def __init__(self, latent_dim: int = 2):
        super().__init__()
        if latent_dim < 1:
            raise ValueError(f"la dimension latente doit être au moins 1, reçu {latent_dim}.")
        self.latent_dim = latent_dim
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
        """Code des images [B, 1, 28, 28] ou [B, 784], dans [0, 1], en z [B, latent_dim]."""
        return self.encoder(x.flatten(start_dim=1))

    def decode(self, z: Tensor) -> Tensor:
        """Décode z [B, latent_dim] en images [B, 784] dans [0, 1]."""
        return self.decoder(z)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruit des images [B, 1, 28, 28] ou [B, 784] en x_recon [B, 784]."""
        return self.decode(self.encode(x))


def autoencoder_loss(x_recon: Tensor, x: Tensor) -> Tensor:
    """Calcule l'erreur quadratique moyenne par pixel, ‖x - x̂‖² / (B · 784).

    Args:
        x_recon: reconstructions [B, 784].
        x: images [B, 1, 28, 28] ou [B, 784].

    Returns:
        Un scalaire float32, positif ou nul.
    """
    # float : sous autocast, x_recon sort en bf16, trop court pour sommer des carrés.
    return F.mse_loss(x_recon.float(), x.flatten(start_dim=1))
