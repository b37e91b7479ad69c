"""Le VAE conditionnel du lab 04 : choisir la classe de l'image que l'on tire.

K. Sohn, H. Lee et X. Yan, « Learning structured output representation using deep conditional
generative models », 2015. Sa perte est celle du VAE : `vae_loss_from_logits` ;
son pas aussi, `vae_step`.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit.edges import check_whole
from labkit.models.checks import (
    as_images,
    check_codes,
    check_dtype,
    check_tensor,
    check_unit_interval,
    class_tensor,
)
from labkit.models.vae import reparameterize


class ConvCVAE(nn.Module):
    """VAE conditionnel convolutif : q(z|x, c) et p(x|z, c), où c est la classe.

    L'encodeur reçoit la classe en cartes constantes jointes à l'image, le décodeur la reçoit à
    côté de z. `width` est le nombre de canaux de la première convolution : 32 normalement, 16 pour
    le petit modèle.

    Raises:
        TypeError, ValueError: dimension latente, nombre de classes ou largeur qui ne sont pas des
            entiers d'au moins 1.
    """

    def __init__(self, latent_dim: int = 10, num_classes: int = 10, width: int = 32):
        super().__init__()
        latent_dim = self.latent_dim = check_whole("latent_dim", latent_dim)
        num_classes = self.num_classes = check_whole("num_classes", num_classes)
        width = check_whole("width", width)
        # bias=False : BatchNorm retranche la moyenne, donc tout biais, puis ajoute le sien.
        self.encoder = nn.Sequential(
            nn.Conv2d(1 + num_classes, width, 4, stride=2, padding=1, bias=False),  # 28 -> 14
            nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False),  # 14 -> 7
            nn.BatchNorm2d(2 * width), nn.ReLU(),
            nn.Conv2d(2 * width, 4 * width, 3, bias=False),  # 7 -> 5
            nn.BatchNorm2d(4 * width), nn.ReLU(), nn.Flatten(),
        )  # fmt: skip
        self.to_mu = nn.Linear(4 * width * 25, latent_dim)
        self.to_logvar = nn.Linear(4 * width * 25, latent_dim)
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim + num_classes, 4 * width * 25), nn.ReLU(),
            nn.Unflatten(1, (4 * width, 5, 5)),
            nn.ConvTranspose2d(4 * width, 2 * width, 3, bias=False),  # 5 -> 7
            nn.BatchNorm2d(2 * width), nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False),  # 7 -> 14
            nn.BatchNorm2d(width), nn.ReLU(),
            nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1),  # 14 -> 28
        )  # fmt: skip

    def one_hot(self, labels: Tensor | Sequence[int]) -> Tensor:
        """Écrit des classes entières [B] en vecteurs c [B, num_classes] : un 1 parmi des 0.

        Raises:
            ValueError: classes non entières, ou hors de 0 … num_classes - 1.
        """
        labels = class_tensor(labels, self.num_classes, count=None)
        return F.one_hot(labels.to(self.to_mu.weight.device), self.num_classes).float()

    def encode(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Code x [B, 1, 28, 28] ou [B, 784] et c [B, num_classes] en mu et logvar [B, D].

        Raises:
            ValueError: images hors de [0, 1] ou d'un autre nombre de pixels, c d'une autre forme
                que [B, num_classes].
        """
        x = check_dtype(self, check_unit_interval(as_images(x)))
        self._check_classes(c, len(x))
        maps = c[:, :, None, None].expand(-1, -1, 28, 28)  # une carte constante par classe
        h = self.encoder(torch.cat([x, maps], dim=1))  # [B, 1 + num_classes, 28, 28] -> [B, …]
        return self.to_mu(h), self.to_logvar(h)

    def reparameterize(self, mu: Tensor, logvar: Tensor) -> Tensor:
        """Tire z [B, D] de q(z|x, c) ; le gradient passe jusqu'à mu et logvar."""
        return reparameterize(mu, logvar)

    def decode_logits(self, z: Tensor, c: Tensor) -> Tensor:
        """Décode z [B, D] et c [B, num_classes] en logits [B, 1, 28, 28].

        Raises:
            ValueError: z d'une autre forme que [B, D], ou c que [B, num_classes].
        """
        check_dtype(self, check_codes(z, self.latent_dim), "codes z")
        self._check_classes(c, len(z))
        return self.decoder(torch.cat([z, c], dim=1))  # [B, D + num_classes] -> image

    def decode(self, z: Tensor, c: Tensor) -> Tensor:
        """Décode z [B, D] et c [B, num_classes] en images [B, 1, 28, 28] dans [0, 1].

        Raises:
            ValueError: comme `decode_logits`.
        """
        # float : en bf16, la sigmoïde s'arrondirait à 1 dès un logit de 6.
        return torch.sigmoid(self.decode_logits(z, c).float())

    def reconstruct_logits(
        self, x: Tensor, labels: Tensor | Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Code x et labels, entiers [B], tire z, le décode : (logits, mu, logvar), pour la perte.

        Raises:
            ValueError: comme `one_hot` et `encode`.
        """
        c = self.one_hot(labels)
        mu, logvar = self.encode(x, c)
        return self.decode_logits(self.reparameterize(mu, logvar), c), mu, logvar

    def forward(self, x: Tensor, labels: Tensor | Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruit x sachant labels, entiers [B] : (x_recon dans [0, 1], mu, logvar).

        Raises:
            ValueError: comme `one_hot` et `encode`.
        """
        logits, mu, logvar = self.reconstruct_logits(x, labels)
        return torch.sigmoid(logits.float()), mu, logvar

    def _check_classes(self, c: Tensor, count: int) -> None:
        if check_tensor(c, "classes c").shape != (count, self.num_classes):
            raise ValueError(
                f"classes c [{count}, {self.num_classes}] attendues, une ligne par image et une "
                f"colonne par classe, reçu {list(c.shape)}. Voir one_hot(labels)."
            )
        if c.is_floating_point():  # des entiers s'accordent aux images
            check_dtype(self, c, "classes c")
