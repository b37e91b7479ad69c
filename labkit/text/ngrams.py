"""Les modèles à n-grammes interpolés : le repère qu'un réseau doit dépasser.

p(w_t | w_(t-n+1) … w_(t-1)) = λ_0 / V + Σ_k λ_k f_k, où f_k est la fréquence de w_t après les k - 1
jetons qui le précèdent. Les λ se règlent par EM sur la validation (Jelinek et Mercer 1980).
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from labkit.edges import check_whole, received

_START = 0  # le jeton `<fin>` précède le texte
_TOLERANCE = 1e-7  # nats par jeton : en deçà, EM s'arrête


class NGramModel:
    """Un modèle à n-grammes interpolé, compté sur un texte.

    Attributes:
        order: longueur n des n-grammes : 1 (unigrammes), 2 (bigrammes), 3 (trigrammes)…
        vocab_size: nombre de jetons, V.
        weights: λ_0 … λ_n, de somme 1 ; égaux tant que `fit_weights` ne les a pas réglés.

    Args:
        ids: jetons d'entraînement, entiers [N].
        vocab_size: nombre de jetons du découpage.
        order: longueur des n-grammes.

    Raises:
        TypeError, ValueError: `order` ou `vocab_size` n'est pas un entier positif, texte vide,
            jeton hors du vocabulaire, ou n-grammes trop nombreux pour être numérotés.
    """

    def __init__(self, ids: Tensor | np.ndarray, vocab_size: int, order: int = 3):
        self.vocab_size = check_whole("vocab_size", vocab_size)
        self.order = check_whole("order", order)
        if self.vocab_size**self.order >= 2**63:
            raise ValueError(
                f"order={order} : les n-grammes de {vocab_size} jetons sont trop nombreux pour "
                "être numérotés sur 64 bits. Écrivez order=3."
            )
        self.weights = np.full(order + 1, 1 / (order + 1))
        tokens = self._checked(ids)
        # Le dernier n-gramme n'a pas de suite : il n'est le contexte de rien.
        self._counts = [_Counts(self._codes(tokens, length)) for length in range(1, order + 1)]
        self._contexts = [_Counts(self._codes(tokens, length, lag=1)) for length in range(1, order)]
        self._total = len(tokens)

    def fit_weights(self, ids: Tensor | np.ndarray) -> NGramModel:
        """Règle λ pour rendre ces jetons les plus probables, par EM, et renvoie le modèle.

        λ_k ← moyenne de λ_k f_k / Σ_j λ_j f_j : la log-vraisemblance est concave, EM en atteint
        donc le maximum.

        Args:
            ids: jetons de validation, entiers [N], absents des comptes.
        """
        frequencies = self._frequencies(self._checked(ids))  # [n + 1, N]
        previous = -np.inf
        while True:
            mixed = self.weights @ frequencies
            score = np.log(mixed).mean()
            if score - previous < _TOLERANCE:
                return self
            self.weights = self.weights * (frequencies / mixed).mean(1)
            previous = score

    def log_probs(self, ids: Tensor | np.ndarray) -> np.ndarray:
        """log p(w_t | contexte), en nats, de chaque jeton : [N] -> float64 [N]."""
        return np.log(self.weights @ self._frequencies(self._checked(ids)))

    def perplexity(self, ids: Tensor | np.ndarray) -> float:
        """exp(-moyenne des log p) : la perplexité par jeton, de 1 à l'infini."""
        return float(np.exp(-self.log_probs(ids).mean()))

    def _frequencies(self, tokens: np.ndarray) -> np.ndarray:
        """1 / V, f_1, …, f_n de chaque jeton, [n + 1, N].

        Après un contexte jamais vu, f_k n'est pas définie : f_(k-1) en tient lieu.
        """
        found = np.empty((self.order + 1, len(tokens)))
        found[0] = 1 / self.vocab_size
        found[1] = self._counts[0](tokens) / self._total
        for length in range(2, self.order + 1):
            seen = self._contexts[length - 2](self._codes(tokens, length - 1, lag=1))
            counts = self._counts[length - 1](self._codes(tokens, length))
            found[length] = np.where(seen, counts / np.maximum(seen, 1), found[length - 1])
        return found

    def _codes(self, tokens: np.ndarray, length: int, lag: int = 0) -> np.ndarray:
        """Numéro du n-gramme qui finit `lag` jetons avant chaque place, [N]."""
        padded = np.concatenate([np.full(length + lag - 1, _START), tokens])
        codes = np.zeros(len(tokens), dtype=np.int64)
        for place in range(length):
            codes = codes * self.vocab_size + padded[place : place + len(tokens)]
        return codes

    def _checked(self, ids: Tensor | np.ndarray) -> np.ndarray:
        tokens = np.asarray(ids)
        if tokens.ndim != 1 or not len(tokens) or tokens.dtype.kind not in "iu":
            raise ValueError(f"ids attend des jetons entiers [N], N positif, reçu {received(ids)}.")
        if tokens.min() < 0 or tokens.max() >= self.vocab_size:
            raise ValueError(
                f"ids : jetons de {tokens.min()} à {tokens.max()}, hors du vocabulaire de "
                f"{self.vocab_size}. Viennent-ils d'un autre découpage ?"
            )
        return tokens.astype(np.int64)


class _Counts:
    """Combien de fois chaque numéro a été vu."""

    def __init__(self, codes: np.ndarray):
        self._codes, self._numbers = np.unique(codes, return_counts=True)

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        places = np.minimum(np.searchsorted(self._codes, codes), len(self._codes) - 1)
        return np.where(self._codes[places] == codes, self._numbers[places], 0)
