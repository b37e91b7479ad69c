"""Le flux des lots : où l'on en est d'un parcours, et de quoi le retrouver après un arrêt.

L'ordre des lots se tire du hasard de `torch` au début de chaque parcours. Garder l'état de ce
hasard et le rang du prochain lot suffit donc à reprendre au milieu d'une époque, au bit près.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from labkit.data import ImageSet, ImageSplits
from labkit.training.device import preserved_rng, rng_state, set_rng_state


class Stream:
    """Les lots qui passent, répartis entre les processus.

    Une époque est un parcours des lots, ou `steps_per_epoch` pas : les parcours se suivent alors
    d'une époque à l'autre, et des lots sans fin conviennent.
    """

    def __init__(self, batches: Iterable, process, steps_per_epoch: int | None):
        self.batches, self.process = batches, process
        self.steps_per_epoch = steps_per_epoch
        self.order_rng = rng_state()  # commun à tous les processus, qui tirent le même ordre
        self.pass_rng = self.order_rng
        self.passes = 0  # parcours commencés
        self.position = 0  # lots donnés dans le parcours en cours ; 0 si aucun n'est ouvert
        self._iterator: Iterator | None = None
        self._resumed_rng: dict | None = None

    def length(self) -> int | None:
        """Nombre de pas d'une époque, ou None si les lots ne disent pas leur nombre."""
        if self.steps_per_epoch is not None:
            return self.steps_per_epoch
        return operator.length_hint(self.batches) // self.process.num_processes or None

    def epoch(self, done: int) -> Iterator[Any]:
        """Les lots qui restent de l'époque, dont `done` sont déjà passés."""
        while self.steps_per_epoch is None or done < self.steps_per_epoch:
            if self._iterator is None:
                self._open()
            for batch in self._iterator:
                self.position += 1
                done += 1
                yield batch
                if done == self.steps_per_epoch:
                    return
            self._iterator, self.position = None, 0
            if self.steps_per_epoch is None:
                return

    def state(self) -> dict:
        """Ce qu'un point de reprise garde du flux."""
        return {
            "order_rng": self.order_rng,
            "pass_rng": self.pass_rng,
            "passes": self.passes,
            "position": self.position,
        }

    def restore(self, state: dict, rng: dict) -> None:
        """Reprend l'état donné par `state`, et le hasard `rng` qu'avait alors ce processus."""
        self.order_rng, self.pass_rng = state["order_rng"], state["pass_rng"]
        self.passes, self.position = state["passes"], state["position"]
        set_rng_state(rng)
        self._resumed_rng = rng

    @contextmanager
    def aside(self, batches: Iterable) -> Iterator[Iterator[Any]]:
        """D'autres lots, de validation : l'entraînement qui suit n'en voit rien."""
        training_order = self.order_rng
        with preserved_rng():
            yield self._shard(batches, self._common_rng(), needed=1)
        self.order_rng = training_order

    def _open(self) -> None:
        """Commence un parcours, ou retrouve celui que l'arrêt avait laissé."""
        if not self.position:
            self.pass_rng = self._common_rng()
            self.passes += 1
        needed = self.process.num_processes
        self._iterator = self._shard(self.batches, self.pass_rng, needed)
        if self.position:
            for _ in itertools.islice(self._iterator, self.position):
                pass  # lots déjà vus avant l'interruption
            set_rng_state(self._resumed_rng)

    def _common_rng(self) -> dict:
        """Le hasard d'où tirer l'ordre des lots, le même dans tous les processus."""
        return rng_state() if self.process.num_processes == 1 else self.order_rng

    def _shard(self, batches: Iterable, rng: dict, needed: int) -> Iterator[Any]:
        """La part de ce processus, un lot sur `num_processes`, dans un ordre tiré de `rng`.

        Les pas d'entraînement s'attendent d'un processus à l'autre : `needed` vaut alors leur
        nombre, et les derniers lots, s'ils ne suffisent pas à en donner un à chacun, sont laissés.
        """
        set_rng_state(rng)
        iterator = iter(batches)
        head = list(itertools.islice(iterator, needed))
        if not head:
            raise ValueError(
                "aucun lot à parcourir : l'ensemble est-il vide, ou le générateur déjà épuisé ? "
                "Passez une liste, un DataLoader ou `images.batches(...)` : ils se relisent."
            )
        if len(head) < needed:
            raise ValueError(
                f"{len(head)} lot(s) ne suffisent pas à {needed} processus : prenez des lots plus "
                "petits ou moins de processus."
            )
        iterator = itertools.chain(head, iterator)
        count, rank = self.process.num_processes, self.process.process_index
        if count == 1:
            return iterator
        # L'ordre des lots est commun, tiré ci-dessus ; le hasard des pas doit différer ensuite,
        # d'un processus et d'un parcours à l'autre, sans changer l'ordre du parcours suivant.
        self.order_rng = rng_state()
        torch.manual_seed(int(torch.randint(2**62, ())) + self.passes * count + rank)
        groups = iter(lambda: list(itertools.islice(iterator, count)), [])
        return (group[rank] for group in groups if len(group) >= max(needed, rank + 1))


def check_batches(name: str, batches: Any) -> None:
    """Refuse ce qui n'est pas un parcours de lots, en disant quoi écrire."""
    if isinstance(batches, torch.nn.Module):
        raise TypeError(
            f"{name} attend des lots, reçu le modèle {type(batches).__name__} : l'ordre est "
            "fit(step, batches, epochs, model)."
        )
    if isinstance(batches, (ImageSet, ImageSplits)):  # se parcourt image par image
        part = "val" if name == "validation" else "train"
        raise TypeError(
            f"{name} attend des lots, reçu {type(batches).__name__} : écrivez "
            f"data.{part}.batches(64)."
        )
    is_iterable = hasattr(batches, "__iter__") or hasattr(batches, "__getitem__")
    if not is_iterable or isinstance(batches, (str, bytes)):
        raise TypeError(f"{name} attend un parcours de lots, reçu {type(batches).__name__}.")
