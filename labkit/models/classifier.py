"""Le classifieur qui juge les images tirées : l'instrument de mesure du cours, pas un modèle."""

import torch.nn.functional as F
from torch import Tensor, nn

from labkit.edges import check_whole
from labkit.models.checks import TO_UNIT, as_images, check_dtype, check_real_images


class Classifier(nn.Module):
    """Petit réseau convolutif qui reconnaît la classe d'une image 28×28, parmi `num_classes`.

    Raises:
        TypeError, ValueError: nombre de classes qui n'est pas un entier d'au moins 2.
    """

    def __init__(self, num_classes: int = 10):
        super().__init__()
        num_classes = self.num_classes = check_whole("num_classes", num_classes, at_least=2)
        # bias=False : BatchNorm retranche la moyenne, donc tout biais, puis ajoute le sien.
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
            nn.MaxPool2d(2),  # 28 -> 14
            nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.MaxPool2d(2),  # 14 -> 7
            nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
            nn.MaxPool2d(2),  # 7 -> 3
            nn.Flatten(),
            nn.Linear(64 * 3 * 3, 64), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(64, num_classes))

    def features(self, x: Tensor) -> Tensor:
        """Résume des images [B, 1, 28, 28] ou [B, 784], dans [0, 1], en [B, 64] pour la FID."""
        return self.body(check_dtype(self, as_images(check_real_images(x, TO_UNIT))))

    def forward(self, x: Tensor) -> Tensor:
        """Donne les logits des classes [B, num_classes]."""
        return self.head(self.features(x))


def classifier_step(classifier: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """Mesure un lot (x, y) : entropie croisée -log p(y|x), moyenne par image, et exactitude.

    Le pas de `fit` s'en déduit : `functools.partial(classifier_step, classifier)`. `classifier`
    est un module x -> logits [B, num_classes], y int64 [B] ; {"loss", "accuracy"} sont deux
    scalaires, en nats et entre 0 et 1.
    """
    x, y = batch
    logits = classifier(x).float()  # sous autocast, ils sortent en bf16
    return {
        "loss": F.cross_entropy(logits, y),
        "accuracy": (logits.argmax(dim=1) == y).float().mean(),
    }
