"""Le test à deux échantillons : un réseau neuf peut-il distinguer le vrai du tiré ?"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from labkit.edges import check_whole
from labkit.models.classifier import classifier_step
from labkit.models.modes import evaluating

_BATCH = 64


def two_sample_test(
    make: Callable[[], nn.Module],
    real: Tensor,
    generated: Tensor,
    epochs: int = 5,
    seed: int = 0,
) -> dict[str, float]:
    """Entraîne un réseau neuf à dire si un exemple est vrai, et compte ses réponses justes.

    Il s'entraîne sur une moitié de chaque jeu et répond sur l'autre. Si les deux lois sont la même,
    il a raison une fois sur deux, à √(1/4n) près pour n réponses (D. Lopez-Paz et M. Oquab,
    « Revisiting classifier two-sample tests », 2017).

    Args:
        make: fonction sans argument qui renvoie un réseau exemples -> logits [B, 2].
        real: vrais exemples [N, …], N au moins 4.
        generated: exemples tirés, en même nombre et de même forme.
        epochs: époques d'entraînement.
        seed: graine du partage, des poids et des lots.

    Returns:
        `accuracy`, part de réponses justes ; `error`, son écart type si les lois sont la même ;
        `p_value`, probabilité d'une part au moins aussi grande dans ce cas (loi normale).

    Raises:
        TypeError, ValueError: époques qui ne sont pas un entier d'au moins 1, jeux de tailles ou de
            formes différentes, moins de quatre exemples de chaque.
    """
    from labkit.training import fit, set_seed  # torch seul, tant que personne n'entraîne

    epochs = check_whole("epochs", epochs)
    _check_examples(real, generated)
    set_seed(seed)
    halves = [_halves(examples) for examples in (real, generated)]
    train, test = (_labelled(*parts) for parts in zip(*halves, strict=True))
    network = make()
    fit(partial(classifier_step, network), _Batches(*train), epochs, network, log_every=0)
    accuracy = _accuracy(network, *test)
    error = 0.5 / math.sqrt(len(test[0]))
    p_value = 0.5 * math.erfc((accuracy - 0.5) / error / math.sqrt(2))
    return {"accuracy": accuracy, "error": error, "p_value": p_value}


def _check_examples(real: Tensor, generated: Tensor) -> None:
    shapes = [tuple(getattr(examples, "shape", ())) for examples in (real, generated)]
    if shapes[0] != shapes[1] or not shapes[0] or shapes[0][0] < 4:
        raise ValueError(
            "real et generated : deux tenseurs de même forme [N, …], N au moins 4, sont attendus ; "
            f"reçu {list(shapes[0])} et {list(shapes[1])}. À nombres inégaux, répondre toujours la "
            "même chose aurait raison plus d'une fois sur deux."
        )


def _halves(examples: Tensor) -> tuple[Tensor, ...]:
    return examples[torch.randperm(len(examples))].tensor_split(2)


def _labelled(real: Tensor, generated: Tensor) -> tuple[Tensor, Tensor]:
    """Les exemples et leur classe : 1 pour un vrai, 0 pour un tiré."""
    labels = torch.cat([torch.ones(len(real)), torch.zeros(len(generated))]).long()
    return torch.cat([real, generated]), labels


class _Batches:
    """Des lots mêlés à chaque parcours."""

    def __init__(self, examples: Tensor, labels: Tensor):
        self.examples, self.labels = examples, labels

    def __len__(self) -> int:
        return -(-len(self.examples) // _BATCH)

    def __iter__(self):
        for picks in torch.randperm(len(self.examples)).split(_BATCH):
            yield self.examples[picks], self.labels[picks]


def _accuracy(network: nn.Module, examples: Tensor, labels: Tensor) -> float:
    with evaluating(network):
        right = [
            (network(x).argmax(dim=1) == y).sum()
            for x, y in zip(examples.split(1000), labels.split(1000), strict=True)
        ]
    return torch.stack(right).sum().item() / len(examples)
