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
        """Code des images.

        Args:
            x: images [B, 1, 28, 28] ou [B, 784], dans [0, 1].

        Returns:
            Leurs codes z [B, latent_dim], sans borne.

        Raises:
            ValueError: images qui n'ont pas 784 pixels.
        """
        x = x.flatten(start_dim=1)  # [B, 784]
        if x.shape[1] != 784:
            raise ValueError(f"images de 784 pixels attendues, reçu {x.shape[1]}.")
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        """Décode des codes.

        Args:
            z: codes [B, latent_dim].

        Returns:
            Images [B, 784] dans [0, 1].

        Raises:
            ValueError: codes d'une autre dimension.
        """
        if z.shape[-1] != self.latent_dim:
            raise ValueError(f"codes z [B, {self.latent_dim}] attendus, reçu {list(z.shape)}.")
        return self.decoder(z)

    def forward(self, x: Tensor) -> Tensor:
        """Code des images puis les décode.

        Args:
            x: images [B, 1, 28, 28] ou [B, 784], dans [0, 1].

        Returns:
            x_recon [B, 784] dans [0, 1].

        Raises:
            ValueError: images qui n'ont pas 784 pixels.
        """
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
