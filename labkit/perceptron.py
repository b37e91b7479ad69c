"""Le perceptron du lab 01 : un neurone sigmoïde et la règle delta, en NumPy.

F. Rosenblatt, « The perceptron », 1958 ; B. Widrow et M. Hoff, « Adaptive switching circuits »,
1960.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labkit.edges import check_real, check_whole, received


def sigmoid(a: np.ndarray) -> np.ndarray:
    """Calcule 1 / (1 + exp(-a)) sans débordement, quel que soit le signe de a."""
    # exp n'est appelée que sur des nombres négatifs ou nuls : elle ne déborde pas.
    exp = np.exp(-np.abs(a))
    return np.where(np.asarray(a) >= 0, 1.0, exp) / (1.0 + exp)


@dataclass
class PerceptronHistory:
    """Ce qui s'est passé pendant l'apprentissage.

    Attributes:
        weights: poids après chaque passage, [iterations + 1, 1 + D] ; la ligne 0 est le tirage
            initial.
        errors: écart absolu moyen |cible - sortie| pendant chaque passage, [iterations].
    """

    weights: np.ndarray
    errors: np.ndarray


class Perceptron:
    """Un neurone sigmoïde : y = σ(-w0 + w1 x1 + w2 x2 + …).

    Args:
        rate: taux d'apprentissage η, strictement positif.
        seed: graine du tirage des poids initiaux, uniformes sur [-1, 1].

    Attributes:
        weights: (w0, w1, w2, …) ; w0 multiplie l'entrée constante -1, c'est le seuil du neurone.
        history: `PerceptronHistory` du dernier apprentissage.

    Raises:
        TypeError: taux d'apprentissage qui n'est pas un nombre.
        ValueError: taux d'apprentissage nul, négatif ou infini.
    """

    def __init__(self, rate: float = 0.7, seed: int = 0):
        check_real("rate", rate)
        if not 0 < rate < np.inf:
            raise ValueError(
                f"le taux d'apprentissage doit être fini et strictement positif, reçu {rate}."
            )
        self.rate = rate
        self.seed = seed

    def fit(self, inputs, targets, iterations: int = 1000) -> Perceptron:
        """Apprend par la règle delta, un exemple à la fois, dans l'ordre donné.

        Pour chaque exemple : δ = cible - sortie, puis w ← w + η · entrée · δ. C'est la descente de
        gradient de l'entropie croisée, exemple par exemple.

        Args:
            inputs: exemples [N, D].
            targets: cibles [N], chacune 0 ou 1.
            iterations: nombre de passages sur les N exemples, au moins 1.

        Returns:
            Le perceptron lui-même.

        Raises:
            TypeError: nombre de passages qui n'est pas entier.
            ValueError: formes incompatibles, aucun exemple, cible autre que 0 ou 1, valeur qui
                n'est pas un nombre fini, moins d'un passage.
        """
        iterations = check_whole("iterations", iterations)
        inputs, targets = _check_examples(inputs, targets)
        extended = _with_constant(inputs)  # [N, 1 + D]
        weights = np.random.default_rng(self.seed).uniform(-1, 1, extended.shape[1])
        trace, errors = [weights], []
        for _ in range(iterations):
            deltas = []
            for x, target in zip(extended, targets, strict=True):
                delta = target - sigmoid(x @ weights)
                weights = weights + self.rate * x * delta
                deltas.append(abs(delta))
            trace.append(weights)
            errors.append(np.mean(deltas))
        self.weights = weights
        self.history = PerceptronHistory(np.array(trace), np.array(errors))
        return self

    def predict_proba(self, inputs) -> np.ndarray:
        """Calcule la sortie du neurone, [N] entre 0 et 1, pour des entrées [N, D].

        Raises:
            RuntimeError: le neurone n'a pas encore appris.
            ValueError: entrées qui ne sont pas des nombres, ou d'une autre largeur que celles de
                l'apprentissage.
        """
        if not hasattr(self, "weights"):
            raise RuntimeError("ce neurone n'a pas encore de poids : appelez d'abord fit.")
        inputs, width = _numbers("inputs", inputs), len(self.weights) - 1
        if inputs.ndim != 2 or inputs.shape[1] != width:
            raise ValueError(
                f"inputs : entrées [N, {width}] attendues, comme à l'apprentissage, reçu "
                f"{list(inputs.shape)} ; la constante -1 s'ajoute toute seule, et un exemple seul "
                "s'écrit [[…]]."
            )
        return sigmoid(_with_constant(inputs) @ self.weights)

    def predict(self, inputs) -> np.ndarray:
        """Classe des entrées [N, D] : 1 quand la sortie dépasse 1/2, sinon 0.

        Raises:
            RuntimeError, ValueError: comme `predict_proba`.
        """
        return (self.predict_proba(inputs) > 0.5).astype(int)


def _with_constant(inputs: np.ndarray) -> np.ndarray:
    """Ajoute devant chaque exemple l'entrée constante -1, celle du poids w0."""
    return np.hstack([-np.ones((len(inputs), 1)), inputs])


def _numbers(name: str, values) -> np.ndarray:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} : un tableau de nombres attendu, reçu {received(values)}."
        ) from error


def _check_examples(inputs, targets) -> tuple[np.ndarray, np.ndarray]:
    inputs, targets = _numbers("inputs", inputs), _numbers("targets", targets)
    if inputs.ndim != 2 or not len(inputs) or targets.shape != (len(inputs),):
        raise ValueError(
            "entrées [N, D] et cibles [N] attendues, avec N au moins 1, "
            f"reçu {list(inputs.shape)} et {list(targets.shape)}."
        )
    if not np.isfinite(inputs).all():
        raise ValueError("les entrées contiennent une valeur infinie ou NaN.")
    wrong = sorted(set(targets.tolist()) - {0.0, 1.0})
    if wrong:
        raise ValueError(
            f"les cibles doivent valoir 0 ou 1, reçu aussi {wrong}. "
            "Pour des cibles -1/+1, passez (cibles + 1) / 2."
        )
    return inputs, targets
