"""Ce que valent des images tirées, d'après un classifieur entraîné sur de vraies images.

Un classifieur est ici un module x [B, 1, 28, 28] dans [0, 1] -> logits [B, classes], comme
`labkit.models.Classifier`. Toutes les mesures se font en mode évaluation, par blocs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

_BLOCK = 1000  # images passées ensemble dans le réseau


def recognition(classifier: nn.Module, images: Tensor, threshold: float = 0.9) -> dict:
    """Mesure si des images tirées ressemblent à une classe, et combien de classes elles couvrent.

    Une image est reconnue si la probabilité de sa classe la plus probable dépasse `threshold`.

    Args:
        classifier: module x -> logits [B, classes].
        images: images dans [0, 1], [N, 1, 28, 28] ou [N, 784].
        threshold: seuil de confiance, entre 0 et 1.

    Returns:
        `recognised`, part d'images reconnues ; `confidence`, moyenne de la plus grande
        probabilité ; `classes`, nombre de classes ayant au moins une image reconnue ; `counts`,
        nombre d'images reconnues de chaque classe.

    Raises:
        ValueError: aucune image, ou images hors de [0, 1].
    """
    probabilities = _outputs(classifier, classifier, images).softmax(dim=1)  # [N, classes]
    confidence, predicted = probabilities.max(dim=1)
    sure = confidence > threshold
    counts = predicted[sure].bincount(minlength=probabilities.shape[1])
    return {
        "recognised": sure.float().mean().item(),
        "confidence": confidence.mean().item(),
        "classes": int((counts > 0).sum()),
        "counts": counts.tolist(),
    }


def accuracy(classifier: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Mesure la part d'images bien classées.

    Args:
        classifier: module x -> logits [B, classes].
        images: images dans [0, 1], [N, 1, 28, 28] ou [N, 784].
        labels: classes int64 [N].

    Returns:
        Une part entre 0 et 1.

    Raises:
        ValueError: aucune image, pas une classe par image, classe inconnue du classifieur, images
            hors de [0, 1].
    """
    return conditional_accuracy(classifier, images, labels)["accuracy"]


def conditional_accuracy(
    classifier: nn.Module, images: Tensor, labels: Tensor
) -> dict[str, float | list[float]]:
    """Mesure si des images tirées sont de la classe demandée.

    Args:
        classifier: module x -> logits [B, classes], entraîné sur de vraies images.
        images: images tirées, dans [0, 1], [N, 1, 28, 28] ou [N, 784].
        labels: classes demandées, int64 [N].

    Returns:
        `accuracy`, part d'images de la classe demandée, et `per_class`, la même part pour chaque
        classe, NaN pour celles que personne n'a demandées.

    Raises:
        ValueError: aucune image, pas une classe par image, classe inconnue du classifieur, images
            hors de [0, 1].
    """
    if labels.shape != images.shape[:1]:
        raise ValueError(
            f"une classe par image attendue, reçu {list(labels.shape)} pour {len(images)} images."
        )
    logits = _outputs(classifier, classifier, images)  # [N, classes]
    labels, num_classes = labels.to(logits.device), logits.shape[1]
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"le classifieur connaît les classes 0 à {num_classes - 1}, reçu de {labels.min()} à "
            f"{labels.max()}."
        )
    right = logits.argmax(dim=1) == labels  # [N]
    asked = labels.bincount(minlength=num_classes)  # [classes]
    found = labels[right].bincount(minlength=num_classes)
    return {"accuracy": right.float().mean().item(), "per_class": (found / asked).tolist()}


def fid(classifier: nn.Module, real: Tensor, generated: Tensor) -> float:
    """Calcule la distance de Fréchet entre de vraies images et des images tirées.

    FID = ‖m₁ - m₂‖² + tr(S₁ + S₂ - 2 (S₁ S₂)^½), où m et S sont la moyenne et la covariance des
    caractéristiques (Heusel et coll., 2017). Celles-ci viennent du classifieur du cours et non du
    réseau Inception : les valeurs ne se comparent qu'entre elles, à nombre d'images égal.

    Args:
        classifier: module dont `features` donne x -> [B, F], comme `labkit.models.Classifier`.
        real: vraies images dans [0, 1], [N, 1, 28, 28] ou [N, 784], N au moins 2.
        generated: images tirées, de même.

    Returns:
        La distance, positive ou nulle à l'arrondi près ; 0 pour deux jeux identiques.

    Raises:
        ValueError: moins de deux images d'un côté, ou images hors de [0, 1].
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    if min(len(real), len(generated)) < 2:
        raise ValueError(
            "la FID compare des covariances : il faut au moins deux images de chaque côté, reçu "
            f"{len(real)} vraies et {len(generated)} tirées."
        )
    real_features = _outputs(classifier, classifier.features, real).double()  # [N, F]
    generated_features = _outputs(classifier, classifier.features, generated).double()
    # torchmetrics attend un réseau : l'identité, puisque les caractéristiques sont déjà là.
    extractor = nn.Identity()
    extractor.num_features = real_features.shape[1]
    distance = FrechetInceptionDistance(feature=extractor).to(real_features.device)
    distance.update(real_features, real=True)
    distance.update(generated_features, real=False)
    return distance.compute().item()


@torch.no_grad()
def _outputs(classifier: nn.Module, function: Callable, images: Tensor) -> Tensor:
    """Ce que donne `function`, le classifieur ou une de ses parties, sur toutes les images."""
    if len(images) == 0:
        raise ValueError("aucune image à mesurer.")
    low, high = images.aminmax()
    if not (low >= 0 and high <= 1):  # vrai aussi pour NaN
        raise ValueError(
            f"images hors de [0, 1] (de {low:.3g} à {high:.3g}) : le classifieur n'en a jamais vu."
        )
    device = next((p.device for p in classifier.parameters()), images.device)
    with _evaluating(classifier):
        blocks = images.reshape(len(images), 1, 28, 28).split(_BLOCK)
        return torch.cat([function(block.to(device)).float() for block in blocks])


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Met le module en mode évaluation, puis le rend comme il était."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
