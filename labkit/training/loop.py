"""La boucle : un pas, une époque, un entraînement, pour tous les modèles du cours.

`fit` ne connaît que des pas : une fonction qui reçoit un lot et renvoie la perte. Ce dont elle a
besoin est à côté, un fichier par sujet : `players` (qui joue, et comment), `stream` (les lots),
`state` (ce qu'un pas change), `history`, `checkpoints`, `averages`, `interruption`, `progress`,
`device`, et `processes` pour s'entraîner à plusieurs (`accelerate launch mon_script.py`, sans rien
changer au script).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from labkit.edges import check_whole
from labkit.training.device import batch_size, first_tensor, preserved_rng, send
from labkit.training.history import History, Totals, divergence, log_line, read_numbers
from labkit.training.interruption import DeferredInterrupt, Interruption, describe_stop
from labkit.training.players import (
    Network,
    Player,
    Rate,
    Step,
    as_players,
    check_gradient,
    check_reached,
    check_result,
    prefix,
)
from labkit.training.processes import anyone, average_buffers, average_gradients, gather
from labkit.training.state import TrainingState
from labkit.training.stream import check_batches


def fit(
    step: Step | Mapping[str, Player],
    batches: Iterable,
    epochs: int,
    model: nn.Module | None = None,
    *,
    lr: Rate | None = None,
    optimizer: Callable[..., torch.optim.Optimizer] | None = None,
    max_grad_norm: float | None = None,
    average: AveragedModel | None = None,
    validation: Iterable | None = None,
    steps_per_epoch: int | None = None,
    after_epoch: Callable[[int], object] | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = True,
    precision: str = "auto",
    log_every: int = 1,
) -> History:
    """Entraîne un modèle, ou plusieurs joueurs tour à tour, et renvoie l'historique.

    Un pas reçoit un lot, et l'avancement dans [0, 1] s'il prend deux arguments ; il renvoie au
    moins `{"loss": perte}`, un scalaire. Les autres valeurs sont moyennées et notées aussi. Pour
    des réseaux antagonistes, donnez un dictionnaire de `Player` : sur chaque lot ils jouent dans
    l'ordre, chacun ne met à jour que son modèle, et son nom précède ceux de ses valeurs
    (`discriminator_loss`).

    Args:
        step: fonction lot -> {"loss": scalaire, …}, ou dictionnaire nom -> `Player`. Le hasard
            qu'elle emploie vient de `torch`, seul tirage que la reprise sait reproduire.
        batches: lots, parcourus une fois par époque, ou sans fin avec `steps_per_epoch`.
        epochs: nombre total d'époques, celles d'avant une reprise comprises.
        model: module à entraîner, sur l'appareil que donne `pick_device` ; il est rendu en mode
            évaluation sur celui où il était.
        lr, optimizer, max_grad_norm, average: voir `Player`, où ils se donnent s'il y en a.
        validation: lots où les pas sont mesurés à la fin de l'époque, en mode évaluation. Les
            gradients y restent permis, pour une pénalité qui en calcule ; rien n'est mis à jour.
        steps_per_epoch: nombre de pas d'une époque ; les parcours des lots s'enchaînent alors.
        after_epoch: fonction appelée avec le numéro de chaque époque finie, modèles en mode
            évaluation ; le hasard qu'elle tire ne change pas la suite.
        checkpoint: fichier du point de reprise, écrit à chaque époque ; le précédent est gardé à
            côté.
        resume: repart du point de reprise s'il existe ; sinon recommence et l'écrase.
        precision: "auto" (bf16 où il est rapide), "fp32" ou "bf16".
        log_every: écrit une ligne toutes les `log_every` époques ; 0 pour aucune.

    Raises:
        Interruption: Ctrl-C ou bouton d'arrêt : un KeyboardInterrupt, une fois le pas en cours
            fini et ce qui est acquis gardé. Au deuxième, l'arrêt est immédiat.
        DivergenceError: perte ou poids infinis ou NaN ; les modèles retrouvent les poids de la
            dernière époque finie.
        CheckpointError: point de reprise illisible, d'un autre modèle, ou fait autrement.
        FileError: point de reprise impossible à écrire.
        TypeError, ValueError: argument impossible ; le message dit lequel, et quoi écrire.
    """
    check_batches("batches", batches)
    epochs = check_whole("epochs", epochs)
    check_whole("log_every", log_every, at_least=0)
    if after_epoch is not None and not callable(after_epoch):
        raise TypeError(
            f"after_epoch attend une fonction, à qui donner l'époque finie, reçu {after_epoch!r}."
        )
    if steps_per_epoch is not None:
        check_whole("steps_per_epoch", steps_per_epoch)
    if validation is not None:
        check_batches("validation", validation)
    players = as_players(
        step, model, lr=lr, optimizer=optimizer, max_grad_norm=max_grad_norm, average=average
    )
    loop = _Loop(players, batches, epochs, steps_per_epoch, precision)
    try:
        if checkpoint is not None:
            loop.keep(checkpoint, resume)
        return loop.run(validation, after_epoch, log_every)
    finally:
        loop.release()


class _Loop(TrainingState):
    """Les pas, les époques et les accidents qui font avancer un entraînement."""

    # --- un pas -----------------------------------------------------------------------------------

    def train_step(self, batch: Any) -> None:
        """Fait jouer, sur un lot, chaque joueur dont c'est le tour."""
        if self.unchecked:
            self.must_send = _is_elsewhere(batch, self.device)
        if self.must_send:
            batch = send(batch, self.device)
        values = {}
        for name, player in self.players.items():
            if (self.step + 1) % player.every == 0:
                values |= _named(name, self.play(name, player, batch))
        numbers = read_numbers(values)
        self.check_losses(numbers)
        self.totals.add(numbers, batch_size(batch))
        self.step += 1
        self.epoch_step += 1

    def play(self, name: str, player: Player, batch: Any) -> Mapping[str, Tensor]:
        """Calcule la perte d'un joueur et son gradient ; met à jour son modèle s'il est temps."""
        network, first = self.networks[name], name in self.unchecked
        if network.plays % player.accumulate == 0:
            network.optimizer.zero_grad(set_to_none=True)
        result = self.call(name, batch)
        if first:
            check_result(result)
            check_gradient(result["loss"])
        loss = result["loss"] if player.accumulate == 1 else result["loss"] / player.accumulate
        # Les gradients de ces seuls poids, jamais ceux d'un autre joueur que la perte traverse.
        loss.backward(inputs=network.parameters)
        if first:
            check_reached(network.parameters)
            self.unchecked.remove(name)
        average_gradients(network.parameters, self.process)
        for model in self.models:
            average_buffers(model, self.process)
        network.plays += 1
        if network.plays % player.accumulate == 0:
            self.update(network, player)
        return result

    def update(self, network: Network, player: Player) -> None:
        """Change les poids d'un modèle, puis leur moyenne."""
        if player.max_grad_norm is not None:
            nn.utils.clip_grad_norm_(network.parameters, player.max_grad_norm)
        if network.rate is not None:
            for group in network.optimizer.param_groups:
                group["lr"] = network.rate(self.progress())
        network.update()
        if player.average is not None:
            player.average.update_parameters(player.model)

    def call(self, name: str, batch: Any) -> Mapping[str, Tensor]:
        """Ce que renvoie le pas d'un joueur, en bf16 si c'est la précision choisie."""
        arguments = (batch, self.progress()) if name in self.progressive else (batch,)
        if not self.use_bf16:  # run a déjà écarté l'autocast d'un appelant
            return self.players[name].step(*arguments)
        with torch.autocast(self.device.type, torch.bfloat16):
            return self.players[name].step(*arguments)

    # --- une époque, un entraînement --------------------------------------------------------------

    def run(
        self,
        validation: Iterable | None,
        after_epoch: Callable[[int], object] | None,
        log_every: int,
    ) -> History:
        """Enchaîne les époques qui restent ; une interruption garde ce qui est acquis."""
        # Hors des pas en bf16, et jamais autour : autocast y garderait de vieux poids en mémoire.
        plain = torch.autocast(self.device.type, enabled=False)
        with DeferredInterrupt() as self.interrupt, nullcontext() if self.use_bf16 else plain:
            try:
                while self.epoch < self.epochs:
                    self.train_epoch()
                    self.finish_epoch(validation)
                    self.report(after_epoch, log_every)
                    self.check_interrupt()  # demandée pendant la mesure, ou par `after_epoch`
            except KeyboardInterrupt:
                self.stop()
        return self.history

    def train_epoch(self) -> None:
        """Passe les lots qui restent de l'époque en cours."""
        if self.trained:
            return
        start, self.unchecked = time.perf_counter() - self.seconds, set(self.players)
        for model in self.models:
            model.train()
        for batch in self.stream.epoch(self.epoch_step):
            self.between_steps = False
            self.train_step(batch)
            self.between_steps = True
            self.seconds = time.perf_counter() - start
            self.display.step(self.step, self.current_line)
            self.check_interrupt()
        self.trained = True

    def finish_epoch(self, validation: Iterable | None) -> None:
        """Mesure l'époque, l'ajoute à l'historique et l'enregistre."""
        start = time.perf_counter()
        self.check_weights()
        means = self.merged_totals().means()
        for model in self.models:
            model.eval()
        if validation is not None:
            means |= {f"val_{name}": value for name, value in self.validate(validation).items()}
        self.history.add(means, self.seconds + time.perf_counter() - start)
        self.epoch += 1
        self.epoch_step, self.trained, self.seconds, self.totals = 0, False, 0.0, Totals()
        self.last_good = self.copy_weights()
        self.save()

    def validate(self, validation: Iterable) -> dict[str, float]:
        """Moyennes des mêmes pas sur d'autres lots : tous les joueurs, sans rien apprendre."""
        totals = Totals()
        with self.stream.aside(validation) as batches:
            for batch in batches:
                batch = send(batch, self.device) if _is_elsewhere(batch, self.device) else batch
                values = {}
                for name in self.players:
                    values |= _named(name, self.call(name, batch))
                totals.add(read_numbers(values), batch_size(batch))
        return Totals.merge(gather(totals, self.process)).means()

    def current_line(self) -> str:
        """La ligne de l'époque en cours, pour la barre d'avancement."""
        return log_line(self.epoch + 1, self.epochs, self.totals.means(), self.seconds)

    def report(self, after_epoch: Callable[[int], object] | None, log_every: int) -> None:
        """Écrit la ligne de l'époque finie, et passe la main à qui veut la voir."""
        if log_every and self.epoch % log_every == 0:
            means = {name: curve[-1] for name, curve in self.history.items()}
            line = log_line(self.epoch, self.epochs, means, self.history.seconds[-1])
            self.display.line(line)
        if after_epoch is not None:
            with preserved_rng():
                after_epoch(self.epoch)

    # --- accidents --------------------------------------------------------------------------------

    def check_interrupt(self) -> None:
        """S'arrête ici si un des processus l'a demandé."""
        if anyone(self.interrupt.requested, self.process):
            self.all_stop = True
            raise KeyboardInterrupt

    def check_losses(self, numbers: Mapping[str, float]) -> None:
        """Refuse une perte infinie ou NaN."""
        for name in self.players:
            value = numbers.get(prefix(name) + "loss", 0.0)
            if not math.isfinite(value):
                self.diverge(f"la perte vaut {value}", self.epoch_step + 1)

    def check_weights(self) -> None:
        """Un gradient NaN abîme les poids sans que la perte du pas l'ait montré."""
        for module in self.modules.values():
            if not all(value.isfinite().all() for value in module.state_dict().values()):
                self.diverge("des poids sont devenus infinis ou NaN", self.epoch_step)

    def diverge(self, symptom: str, step_number: int) -> NoReturn:
        """Rend aux modèles les poids de la dernière époque finie, et explique."""
        self.give_back_weights()
        rates = [n.optimizer.param_groups[0]["lr"] for n in self.networks.values()]
        raise divergence(symptom, step_number, rates, self.history)

    def stop(self) -> NoReturn:
        """Garde ce qui est acquis, dit comment continuer, et laisse passer l'interruption."""
        # Enregistrer demande que tous les processus soient là : un second Ctrl-C n'arrête que le
        # sien.
        together = self.all_stop or self.process.num_processes == 1
        if self.between_steps and together and self.epoch < self.epochs:
            self.save()
            if self.totals.sums:
                self.history.add(self.merged_totals().means(), self.seconds)
        where = None
        if self.epoch < self.epochs:
            where = self.history.interrupted_at = (self.epoch + 1, self.epoch_step)
        is_kept = self.file is not None and self.file.written
        message = describe_stop(where, self.epochs, self.between_steps, is_kept)
        self.display.line(message)
        raise Interruption(message, self.history) from None


def _is_elsewhere(batch: Any, device: torch.device) -> bool:
    tensor = first_tensor(batch)
    return tensor is not None and tensor.device != device


def _named(name: str, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix(name) + key: value for key, value in values.items()}
