"""Un texte tiré d'un modèle de Markov caché : tout s'y calcule exactement.

Un état émet un jeton, puis en choisit un autre. Le texte est une suite de phrases indépendantes,
chacune finie par le jeton `<fin>`, de numéro 0, qu'un seul état émet : l'état 0. Algorithmes avant
et avant-arrière : Rabiner 1989, *Proceedings of the IEEE* 77(2), § III.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property

import numpy as np
from scipy import sparse

_MASK = 1  # numéro du jeton `<masque>`, qu'aucun état n'émet
_CHUNK = 64  # suites traitées à la fois : la mémoire reste sous quelques dizaines de Mo
_DIGITS = 12  # deux croyances égales à ce nombre de décimales sont la même


class HiddenMarkov:
    """Un modèle de Markov caché sur des jetons, dont les phrases ont une longueur bornée.

    Args:
        transitions: probabilités [S, S] de passer d'un état à un autre ; la ligne de l'état 0, qui
            émet `<fin>`, est la loi du premier état d'une phrase.
        emissions: probabilités [S, V] d'émettre chaque jeton.
    """

    def __init__(self, transitions: np.ndarray, emissions: np.ndarray):
        self.transitions = transitions
        self.emissions = emissions
        self._forward_moves = sparse.csr_array(transitions.T)  # [S, S], d'où l'on vient en colonne
        self._backward_moves = sparse.csr_array(transitions)

    def fingerprint(self) -> dict:
        """Nombre d'états et de jetons, et SHA-256 des deux lois."""
        digest = hashlib.sha256(np.ascontiguousarray(self.transitions))
        digest.update(np.ascontiguousarray(self.emissions))
        return {"shape": list(self.emissions.shape), "sha256": digest.hexdigest()}

    # --- tirer ------------------------------------------------------------------------------------

    def sample(self, count: int, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        """Tire des phrases.

        Args:
            count: nombre de phrases, n.
            random: hasard, le même d'une version de NumPy à l'autre.

        Returns:
            Jetons et états [n, L], L étant la longueur de la plus longue, `<fin>` comprise ; tout
            ce qui suit la fin d'une phrase vaut 0.
        """
        move, emit = _Chooser(self.transitions), _Chooser(self.emissions)
        states = move(np.zeros(count, dtype=np.int64), random)
        tokens, visited = [], []
        while states.any():
            tokens.append(emit(states, random))
            visited.append(states)
            states = np.where(states, move(states, random), 0)
        tokens.append(states)
        visited.append(states)
        return np.stack(tokens, axis=1), np.stack(visited, axis=1)

    # --- prédire ----------------------------------------------------------------------------------

    def causal_log_probs(self, ids: np.ndarray, from_start: bool = True) -> np.ndarray:
        """log p(w_t | w_1 … w_(t-1)), en nats, par l'algorithme avant : [B, T] -> [B, T].

        Args:
            ids: jetons, entiers [B, T].
            from_start: chaque suite commence avec une phrase ; sinon elle est coupée au hasard
                dans le texte, comme un bloc, et son premier état suit la loi stationnaire.

        Returns:
            Des log-probabilités ; -inf au premier jeton impossible et après lui.
        """
        found = []
        for _, columns in _chunks(self._checked(ids)):
            passes = self._forward(columns, self.emissions.T, from_start)
            found.append(np.stack([evidence for _, evidence in passes], axis=1))
        with np.errstate(divide="ignore"):
            return np.log(np.concatenate(found))

    def masked_log_probs(
        self,
        ids: np.ndarray,
        shown: np.ndarray,
        noise: float = 0.0,
        from_start: bool = True,
        target_noise: float | None = None,
    ) -> np.ndarray:
        """log p(w_t | tout ce qui est montré), en nats, par l'algorithme avant-arrière : [B, T].

        La perte d'un modèle masqué se mesure aux seules places à deviner. Qu'une place en soit une
        est déjà une information : le jeton qu'on y montre y est bien plus souvent faux qu'ailleurs,
        et la borne de cette perte est à `target_noise`.

        Args:
            ids: vrais jetons, entiers [B, T].
            shown: ce que voit le modèle, [B, T] : des jetons, dont `<masque>`.
            noise: probabilité qu'un jeton montré, masques exclus, ait été remplacé par un jeton
                tiré uniformément. Pour 15 % de jetons choisis, dont 80 % masqués, 10 % remplacés
                et 10 % laissés : 0,015 / 0,88.
            from_start: comme pour `causal_log_probs`.
            target_noise: la même probabilité à la place t, sachant qu'elle est à deviner, 1/2 dans
                cet exemple ; celle des autres par défaut.

        Returns:
            Des log-probabilités ; NaN là où la grammaire ne peut pas produire ce qui est montré.
        """
        ids, shown, channel = self._checked(ids), self._checked(shown), self._channel(noise)
        here = channel if target_noise is None else self._channel(target_noise)
        found = []
        for rows, around in self._around(shown, channel, from_start):
            truth, seen = ids[rows], shown[rows]
            # Σ_s p(s | avant) p(w | s) p(après | s), pour le vrai mot w : [B, T].
            joint = np.einsum("btS,btS->bt", around, self.emissions.T[truth])
            total = np.einsum("btS,btS->bt", around, (here @ self.emissions.T)[seen])
            with np.errstate(divide="ignore", invalid="ignore"):
                found.append(np.log(joint * here[seen, truth] / total))
        return np.concatenate(found)

    def posteriors(
        self, shown: np.ndarray, noise: float = 0.0, from_start: bool = True
    ) -> np.ndarray:
        """La loi du vrai jeton à chaque place, sachant ce qui est montré : [B, T] -> [B, T, V].

        Args:
            shown: ce que voit le modèle, entiers [B, T].
            noise: comme pour `masked_log_probs`.
            from_start: comme pour `causal_log_probs`.

        Returns:
            Des probabilités ; NaN là où la grammaire ne peut pas produire ce qui est montré.
        """
        shown, channel = self._checked(shown), self._channel(noise)
        found = []
        for rows, around in self._around(shown, channel, from_start):
            joint = (around @ self.emissions) * channel[shown[rows]]
            with np.errstate(invalid="ignore"):
                found.append(joint / joint.sum(2, keepdims=True))
        return np.concatenate(found)

    def _checked(self, ids: np.ndarray) -> np.ndarray:
        tokens, size = np.asarray(ids), self.emissions.shape[1]
        if tokens.ndim != 2 or tokens.dtype.kind not in "iu":
            raise ValueError(
                f"jetons attendus : entiers [B, T], reçu {tokens.dtype} {list(tokens.shape)}."
            )
        if tokens.size and not 0 <= tokens.min() <= tokens.max() < size:
            raise ValueError(
                f"jetons de {tokens.min()} à {tokens.max()}, hors du vocabulaire de {size}."
            )
        return tokens

    def _channel(self, noise: float) -> np.ndarray:
        """p(jeton montré | vrai jeton) à un facteur près, [V, V] ; un masque n'apprend rien."""
        size = self.emissions.shape[1]
        channel = (1 - noise) * np.eye(size) + noise / size
        channel[_MASK] = 1.0
        return channel

    def _around(
        self, shown: np.ndarray, channel: np.ndarray, from_start: bool
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Par paquets : p(état | les autres jetons), à un facteur près, [B, T, S]."""
        likelihoods = channel @ self.emissions.T  # [V, S]
        for rows, columns in _chunks(shown):
            passes = self._forward(columns, likelihoods, from_start)
            around = np.stack([prior for prior, _ in passes])  # [T, S, B]
            after = np.ones(around.shape[1:])
            for place in reversed(range(len(columns))):
                around[place] *= after
                after = self._backward_moves @ (likelihoods[columns[place]].T * after)
                after = _normalized(after)
            yield rows, np.moveaxis(around, 2, 0)

    def _forward(
        self, columns: np.ndarray, likelihoods: np.ndarray, from_start: bool
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """À chaque place : p(état | jetons d'avant) [S, B], et p(jeton | jetons d'avant) [B].

        `likelihoods[v, s]` est la probabilité de voir le jeton v dans l'état s.
        """
        first = self.transitions[0] if from_start else self.stationary
        prior = np.repeat(first[:, None], columns.shape[1], axis=1)
        for seen in columns:
            joint = prior * likelihoods[seen].T
            yield prior, joint.sum(0)
            prior = self._forward_moves @ _normalized(joint)

    # --- compter ----------------------------------------------------------------------------------

    @property
    def entropy(self) -> float:
        """Entropie du texte, en nats par jeton, `<fin>` compris.

        Les phrases sont indépendantes et leur fin se voit : par le théorème du renouvellement,
        c'est l'entropie d'une phrase divisée par sa longueur moyenne. Aucun modèle causal ne fait
        mieux en moyenne, et exp(entropie) est la plus petite perplexité.
        """
        return self.sentence_entropy / self.mean_length

    @property
    def sentence_entropy(self) -> float:
        """Entropie d'une phrase, en nats."""
        return self._sentence[0]

    @property
    def mean_length(self) -> float:
        """Nombre moyen de jetons d'une phrase, `<fin>` compris."""
        return self._sentence[1]

    @cached_property
    def stationary(self) -> np.ndarray:
        """Loi de l'état à une place prise au hasard dans le texte, [S]."""
        visits, current = np.zeros(len(self.transitions)), self.transitions[0]
        visits[0] = 1.0
        while current[1:].any():
            visits[1:] += current[1:]
            current = self._forward_moves @ np.r_[0.0, current[1:]]
        return visits / visits.sum()

    @cached_property
    def _sentence(self) -> tuple[float, float]:
        """Entropie et longueur moyenne d'une phrase.

        L'entropie conditionnelle dépend de ce que les mots lus apprennent de l'état : une croyance,
        loi sur les états. Elles sont en nombre fini, car tout doute se lève en quelques mots, et
        elles forment une chaîne observable : H(phrase) = Σ visites · H(mot | croyance).
        """
        entropy = length = 0.0
        waiting = {_key(np.eye(1, len(self.transitions))[0]): 1.0}
        known: dict[tuple, tuple[float, dict[tuple, float]]] = {}
        end = next(iter(waiting))
        while waiting:
            reached: dict[tuple, float] = {}
            for belief, mass in waiting.items():
                if belief not in known:
                    known[belief] = self._successors(belief)
                word_entropy, successors = known[belief]
                entropy += mass * word_entropy
                length += mass
                for successor, probability in successors.items():
                    if successor != end:
                        reached[successor] = reached.get(successor, 0.0) + mass * probability
            waiting = reached
        return entropy, length

    def _successors(self, belief: tuple) -> tuple[float, dict[tuple, float]]:
        """Entropie du mot qui suit une croyance, et croyances où il mène, avec leur probabilité."""
        states, weights = map(np.array, zip(*belief, strict=True))
        prior = weights @ self.transitions[states]
        possible = np.flatnonzero(prior)
        joint = prior[possible, None] * self.emissions[possible]  # [états possibles, V]
        words = joint.sum(0)
        joint, words = joint[:, words > 0], words[words > 0]
        successors: dict[tuple, float] = {}
        for column, probability in zip((joint / words).T, words, strict=True):
            kept = np.flatnonzero(column)
            key = tuple(zip(possible[kept].tolist(), column[kept].round(_DIGITS).tolist(),
                            strict=True))  # fmt: skip
            successors[key] = successors.get(key, 0.0) + probability
        return float(-(words * np.log(words)).sum()), successors


class _Chooser:
    """Tire une colonne selon la ligne de probabilités de chaque état, par inversion."""

    def __init__(self, probabilities: np.ndarray):
        rows = probabilities.cumsum(1)
        rows /= rows[:, -1:]  # 1 exactement, sans l'arrondi de la somme
        self._width = rows.shape[1]
        self._ladder = (rows + np.arange(len(rows))[:, None]).ravel()

    def __call__(self, states: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        draws = random.random_sample(len(states))
        return np.searchsorted(self._ladder, states + draws, side="right") - states * self._width


def _chunks(ids: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Des paquets de suites, un au moins : leurs lignes, et leurs jetons place par place [T, B]."""
    for start in range(0, max(len(ids), 1), _CHUNK):
        rows = slice(start, start + _CHUNK)
        yield rows, ids[rows].T


def _normalized(columns: np.ndarray) -> np.ndarray:
    """Divise chaque colonne par sa somme ; une colonne nulle le reste."""
    totals = columns.sum(0)
    return columns / np.where(totals > 0, totals, 1.0)


def _key(belief: np.ndarray) -> tuple:
    states = np.flatnonzero(belief)
    return tuple(zip(states.tolist(), belief[states].tolist(), strict=True))
