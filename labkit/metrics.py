"""Ce que valent des images tirées, d'après un classifieur entraîné sur de vraies images.

Un classifieur est ici un module images -> logits [B, classes], comme `labkit.models.Classifier`.
Les images sont dans [0, 1], [N, C, H, W] de toute taille qu'il accepte ; [N, 784] se lit comme
[N, 1, 28, 28]. Des points [N, D] lui sont donnés tels quels, sans borne. Toutes les mesures se
font en mode évaluation, par blocs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from labkit.clouds.frechet import between_moments, moments
from labkit.edges import check_real
from labkit.models.modes import evaluating

# Images passées ensemble dans le réseau : plus nombreuses, leurs cartes quittent le cache.
_BLOCK = 250
_SIDE = 28  # côté des images du cours, quand elles arrivent à plat


def judge_samples(classifier: nn.Module, images: Tensor, real: Tensor) -> dict:
    """Juge des images tirées : celles que l'on reconnaît, et leur distance à de vraies images.

    Args:
        classifier: module images -> logits [B, classes], dont `features` donne x -> [B, F].
        images: images tirées, dans [0, 1], N au moins 2.
        real: vraies images, de même ; en prendre autant que de tirages, pour comparer des FID.

    Returns:
        Ce que donne `recognition`, et `fid`.

    Raises:
        ValueError: comme `recognition` et `fid`.
    """
    return {**recognition(classifier, images), "fid": fid(classifier, real, images)}


def recognition(classifier: nn.Module, images: Tensor, threshold: float = 0.9) -> dict:
    """Mesure si des images tirées ressemblent à une classe, et combien de classes elles couvrent.

    Une image est reconnue si la probabilité de sa classe la plus probable dépasse `threshold`.

    Args:
        classifier: module images -> logits [B, classes].
        images: images tirées, dans [0, 1].
        threshold: seuil de confiance, entre 0 et 1.

    Returns:
        `recognised`, part d'images reconnues ; `confidence`, moyenne de la plus grande
        probabilité ; `classes`, nombre de classes ayant au moins une image reconnue ; `counts`,
        nombre d'images reconnues de chaque classe.

    Raises:
        TypeError: classifieur qui n'est pas un module, seuil qui n'est pas un nombre.
        ValueError: aucune image, images hors de [0, 1], seuil qui n'est pas une probabilité.
    """
    check_real("threshold", threshold)
    if not 0 <= threshold <= 1:
        advice = f" ; pour {threshold:g} %, écrivez {threshold / 100:g}" if threshold > 1 else ""
        raise ValueError(
            f"threshold : une probabilité entre 0 et 1 attendue, reçu {threshold}{advice}."
        )
    images = _as_inputs(images, "images")
    probabilities = _outputs(classifier, images).softmax(dim=1)  # [N, classes]
    confidence, predicted = probabilities.max(dim=1)
    sure = confidence > threshold
    counts = predicted[sure].bincount(minlength=probabilities.shape[1])
    return {
        "recognised": sure.float().mean().item(),
        "confidence": confidence.mean().item(),
        "classes": int((counts > 0).sum()),
        "counts": counts.tolist(),
    }


def class_entropy(classifier: nn.Module, images: Tensor) -> float:
    """Mesure si des images tirées se répartissent entre les classes : H(p) / log(classes).

    p est la part des images que le classifieur range dans chaque classe, sûr de lui ou non.

    Args:
        classifier: module images -> logits [B, classes].
        images: images tirées, dans [0, 1].

    Returns:
        1 si toutes les classes sont aussi fréquentes, 0 si une seule est produite.

    Raises:
        TypeError: classifieur qui n'est pas un module.
        ValueError: aucune image, images hors de [0, 1].
    """
    logits = _outputs(classifier, _as_inputs(images, "images"))  # [N, classes]
    counts = logits.argmax(dim=1).bincount(minlength=logits.shape[1])
    shares = torch.distributions.Categorical(probs=counts.double())
    return shares.entropy().item() / math.log(logits.shape[1])


def accuracy(classifier: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Mesure la part, entre 0 et 1, d'images [N, …] bien classées, de classes int64 [N].

    Raises:
        ValueError: comme `conditional_accuracy`.
    """
    return conditional_accuracy(classifier, images, labels)["accuracy"]


def conditional_accuracy(
    classifier: nn.Module, images: Tensor, labels: Tensor
) -> dict[str, float | list[float]]:
    """Mesure si des images tirées sont de la classe demandée.

    Args:
        classifier: module images -> logits [B, classes], entraîné sur de vraies images.
        images: images tirées, dans [0, 1].
        labels: classes demandées, int64 [N].

    Returns:
        `accuracy`, part d'images de la classe demandée, et `per_class`, la même part pour chaque
        classe, NaN pour celles que personne n'a demandées.

    Raises:
        TypeError: classifieur qui n'est pas un module.
        ValueError: aucune image, images hors de [0, 1], pas une classe entière par image, classe
            inconnue du classifieur.
    """
    images = _as_inputs(images, "images")
    _check_labels(labels, len(images))
    logits = _outputs(classifier, images)  # [N, classes]
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


def diversity(images: Tensor, labels: Tensor) -> float:
    """Mesure la variété d'images [N, …] : écart type des pixels au sein d'une classe, en moyenne.

    Args:
        images: images tirées, dans [0, 1].
        labels: classe demandée pour chacune, int64 [N] ; au moins deux images par classe.

    Returns:
        Moyenne sur les pixels, puis sur les classes demandées ; 0 si toutes se répètent.

    Raises:
        ValueError: aucune image, images hors de [0, 1], pas une classe entière par image, classe
            d'une seule image.
    """
    images = _as_inputs(images, "images")
    _check_labels(labels, len(images))
    classes, counts = labels.unique(return_counts=True)
    if counts.min() < 2:
        raise ValueError("la diversité compare des images : il en faut au moins deux par classe.")
    return torch.stack([images[labels == c].std(dim=0).mean() for c in classes]).mean().item()


def features(classifier: nn.Module, images: Tensor) -> Tensor:
    """Donne les caractéristiques float32 [N, F] de chaque image, pour les mesures de `clouds`.

    Args:
        classifier: module dont `features` donne x -> [B, F], comme `labkit.models.Classifier`.
        images: images dans [0, 1].

    Raises:
        TypeError: classifieur qui n'est pas un module, ou n'a pas de `features`.
        ValueError: aucune image, images hors de [0, 1].
    """
    return _outputs(classifier, _as_inputs(images, "images"), "features").cpu()


def fid(classifier: nn.Module, real: Tensor, generated: Tensor) -> float:
    """Calcule la distance de Fréchet entre de vraies images et des images tirées.

    FID = ‖m₁ - m₂‖² + tr(S₁ + S₂ - 2 (S₁ S₂)^½), où m et S sont la moyenne et la covariance des
    caractéristiques (Heusel et coll., 2017). Celles-ci viennent du classifieur du cours et non du
    réseau Inception : les valeurs ne se comparent qu'entre elles, à nombre d'images égal.

    Args:
        classifier: module dont `features` donne x -> [B, F], comme `labkit.models.Classifier`.
        real: vraies images dans [0, 1], N au moins 2.
        generated: images tirées, de même.

    Returns:
        La distance, positive ou nulle à l'arrondi près ; 0 pour deux jeux identiques.

    Raises:
        TypeError: classifieur qui n'est pas un module, ou n'a pas de `features`.
        ValueError: moins de deux images d'un côté, ou images hors de [0, 1].
    """
    real, generated = _as_inputs(real, "real"), _as_inputs(generated, "generated")
    if min(len(real), len(generated)) < 2:
        raise ValueError(
            "la FID compare des covariances : il faut au moins deux images de chaque côté, reçu "
            f"{len(real)} vraies et {len(generated)} tirées."
        )
    # Sur le processeur : en float64, que le GPU d'un Mac ne connaît pas.
    real_features, generated_features = (
        _outputs(classifier, images, "features").cpu().double()  # [N, F]
        for images in (real, generated)
    )
    return between_moments(*moments(real_features), *moments(generated_features)).item()


def _outputs(classifier: nn.Module, images: Tensor, method: str = "__call__") -> Tensor:
    """Ce que donne le classifieur, ou une de ses méthodes, sur toutes les images."""
    if not isinstance(classifier, nn.Module):
        raise TypeError(
            f"classifier attend un torch.nn.Module, reçu {type(classifier).__name__} : écrivez "
            'labkit.load_reference("classifier"), ou donnez le vôtre.'
        )
    function = getattr(classifier, method, None)
    if function is None:
        raise TypeError(
            f"classifier : {type(classifier).__name__} n'a pas de méthode `{method}`, qui donne "
            "images -> caractéristiques [B, F]. Prenez un labkit.models.Classifier, ou écrivez-la."
        )
    like = next(classifier.parameters(), images)  # même appareil, même précision
    with evaluating(classifier):
        return torch.cat([function(block.to(like)).float() for block in images.split(_BLOCK)])


def _as_inputs(images: Tensor, name: str) -> Tensor:
    """Les images, prêtes pour le réseau, si ce sont des nombres réels de [0, 1]."""
    _check_tensor(images, name)
    if images.dim() < 2:
        raise ValueError(
            f"{name} : images [N, C, H, W] ou points [N, D] attendus, reçu {list(images.shape)} ; "
            "une image seule s'écrit image[None]."
        )
    if len(images) == 0:
        raise ValueError(f"{name} : aucune image à mesurer.")
    if not images.is_floating_point():
        raise ValueError(
            f"{name} : nombres réels dans [0, 1] attendus, reçu {images.dtype} ; divisez des "
            "octets par 255."
        )
    if images.dim() < 4 and images.shape[1:].numel() == _SIDE**2:
        images = images.reshape(-1, 1, _SIDE, _SIDE)
    if images.dim() == 2:
        return images  # des points
    low, high = images.aminmax()
    if not (low >= 0 and high <= 1):  # vrai aussi pour NaN
        raise ValueError(
            f"{name} : images hors de [0, 1] (de {low:.3g} à {high:.3g}), l'intervalle attendu ; "
            "écrivez (x + 1) / 2 pour des images de -1 à 1, x / 255 pour des octets."
        )
    return images


def _check_labels(labels: Tensor, count: int) -> None:
    _check_tensor(labels, "labels")
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(
            f"labels : classes entières attendues, reçu {labels.dtype} ; écrivez labels.long()."
        )
    if labels.shape != (count,):
        raise ValueError(
            f"labels : une classe par image attendue, reçu {list(labels.shape)} pour "
            f"{count} images."
        )


def _check_tensor(value: Tensor, name: str) -> None:
    if not isinstance(value, Tensor):
        advice = " ; écrivez torch.as_tensor(…)" if hasattr(value, "__len__") else ""
        raise ValueError(f"{name} : un tenseur attendu, reçu {type(value).__name__}{advice}.")
