"""La sonde linéaire : ce qu'une couche a déjà démêlé."""

from __future__ import annotations

from torch import Tensor

from labkit.clouds.checks import check_cloud, check_same_space


def linear_probe(train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor) -> float:
    """Mesure si une fonction linéaire des caractéristiques donne la classe : part de justes.

    Régression logistique sur les coordonnées centrées et réduites, pénalisée par ½ ‖W‖² (G. Alain
    et Y. Bengio, « Understanding intermediate layers using linear classifier probes », 2017). Le
    réseau qui a donné les caractéristiques n'est pas touché.

    Args:
        train: caractéristiques où apprendre, [N, F].
        train_labels: leurs classes, int64 [N], deux au moins.
        test: celles où l'on mesure, [M, F].
        test_labels: leurs classes, int64 [M].

    Returns:
        L'exactitude sur `test`, entre 0 et 1.

    Raises:
        ValueError: nuages impossibles ou de dimensions différentes, pas une classe par point, une
            seule classe.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train, test = check_cloud("train", train), check_cloud("test", test)
    check_same_space("train", train, "test", test)
    for name, labels, points in (("train", train_labels, train), ("test", test_labels, test)):
        if not isinstance(labels, Tensor) or labels.shape != points.shape[:1]:
            shape = list(getattr(labels, "shape", ())) or type(labels).__name__
            raise ValueError(
                f"{name}_labels : une classe par point, [{len(points)}], attendue, reçu {shape}."
            )
    if len(train_labels.unique()) < 2:
        raise ValueError("train_labels : deux classes au moins, pour qu'il y ait à choisir.")
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    probe.fit(train.numpy(), train_labels.numpy())
    return float(probe.score(test.numpy(), test_labels.numpy()))
