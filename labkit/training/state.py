"""L'état d'un entraînement : ce qu'un pas change, ce qu'un point de reprise garde et retrouve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from labkit.files import check_writable
from labkit.fingerprints import fingerprint
from labkit.training.checkpoints import CheckpointFile, check_same_model, check_same_processes
from labkit.training.device import device_of, prepare, rng_state, wants_bf16
from labkit.training.history import History, Totals
from labkit.training.players import Network, Player
from labkit.training.processes import broadcast_weights, gather, process_state, synchronize_rng
from labkit.training.progress import Progress
from labkit.training.stream import Stream

_COUNTERS = ("epoch", "step", "epoch_step", "trained", "seconds")


class TrainingState:
    """Les joueurs et leurs modèles, le flux des lots, les compteurs, l'historique."""

    def __init__(
        self,
        players: Mapping[str, Player],
        batches: Iterable,
        epochs: int,
        steps_per_epoch: int | None,
        precision: str,
    ):
        # PartialState plutôt que Accelerator.prepare : les pas appellent eux-mêmes leurs modèles,
        # que DistributedDataParallel aurait enveloppés ; fit moyenne donc les gradients lui-même.
        self.process = process_state()
        self.device = self.process.device
        self.players, self.epochs, self.precision = players, epochs, precision
        self.use_bf16 = wants_bf16(self.device, precision)
        self.progressive = {name for name, player in players.items() if player.takes_progress()}
        self.modules = _modules(players)
        self.models = list({id(p.model): p.model for p in players.values()}.values())
        self.homes = {name: device_of(module) for name, module in self.modules.items()}
        for module in self.modules.values():
            prepare(module, self.device)
            broadcast_weights(module, self.process)
        self.networks = _networks(players)
        synchronize_rng(self.process)
        self.stream = Stream(batches, self.process, steps_per_epoch)
        self.total_steps = self._count_steps()
        self.display = Progress(self.total_steps, self.process.is_main_process)
        self.file: CheckpointFile | None = None
        self.history, self.totals, self.seconds = History(), Totals(), 0.0
        self.epoch = 0  # époques finies
        self.step = 0  # pas faits depuis le début
        self.epoch_step = 0  # pas faits dans l'époque en cours
        self.trained = False  # l'époque en cours n'a plus de lot à voir, mais n'est pas mesurée
        self.all_stop = False  # tous les processus ont convenu de s'arrêter
        self.between_steps = True  # ni poids ni compteurs ne sont à moitié changés
        self.last_good = self.copy_weights()

    def progress(self) -> float:
        """L'avancement : 0 au premier pas, presque 1 au dernier."""
        return self.step / self.total_steps

    def is_timed(self) -> bool:
        """Dit si un taux ou un pas dépend de l'avancement."""
        return bool(self.progressive) or any(callable(p.lr) for p in self.players.values())

    def _count_steps(self) -> int | None:
        length = self.stream.length()
        if self.is_timed() and length is None:
            raise ValueError(
                "ces lots ne disent pas leur nombre : donnez steps_per_epoch, pour que lr et les "
                "pas qui dépendent de l'avancement sachent où ils en sont."
            )
        return length and self.epochs * length

    def merged_totals(self) -> Totals:
        """Les sommes de tous les processus."""
        return Totals.merge(gather(self.totals, self.process))

    def copy_weights(self) -> dict[str, dict[str, Tensor]]:
        """Une copie des poids de chaque modèle et de chaque moyenne."""
        return {
            name: {key: value.detach().clone() for key, value in module.state_dict().items()}
            for name, module in self.modules.items()
        }

    def give_back_weights(self) -> None:
        """Rend à chaque modèle ses poids de la dernière époque finie."""
        for name, weights in self.last_good.items():
            self.modules[name].load_state_dict(weights)

    def release(self) -> None:
        """Rend les modèles en mode évaluation, sur l'appareil où ils étaient."""
        for name, module in self.modules.items():
            module.eval().to(self.homes[name])

    # --- point de reprise -------------------------------------------------------------------------

    def keep(self, checkpoint: str | Path, resume: bool) -> None:
        """Ouvre le point de reprise ; l'entraînement repart de lui s'il le faut."""
        self.history.made_by = self.describe()
        self.file = CheckpointFile(checkpoint, self.history.made_by, self.display.line)
        if self.process.is_main_process:  # seul à l'écrire ensuite
            check_writable(self.file.path)
        if resume:
            self.resume()

    def describe(self) -> dict:
        """L'empreinte de l'entraînement : qui joue, sur quels lots, d'après quelle graine."""
        named = vars(self.players[""]) if "" in self.players else self.players
        return fingerprint(
            **named,
            batches=self.stream.batches,
            steps_per_epoch=self.stream.steps_per_epoch,
            epochs=self.epochs if self.is_timed() else None,  # sinon, on peut en ajouter
            precision=self.precision,
            seed=torch.initial_seed(),
            torch=torch.__version__.partition("+")[0],
        )

    def save(self) -> None:
        """Écrit le point de reprise, s'il y en a un ; le premier processus seul l'écrit."""
        if self.file is not None:
            state = self.capture()  # les processus y contribuent tous
            if self.process.is_main_process:
                self.file.write(state)

    def capture(self) -> dict:
        """Tout ce dont dépend la suite, dans tous les processus."""
        return {
            "models": {name: module.state_dict() for name, module in self.modules.items()},
            "networks": {name: network.state() for name, network in self.networks.items()},
            "history": asdict(self.history),
            "counters": {name: getattr(self, name) for name in _COUNTERS},
            "totals": asdict(self.merged_totals()),
            "stream": self.stream.state(),
            "rngs": gather(rng_state(), self.process),
        }

    def resume(self) -> None:
        """Retrouve l'état que donnait `capture`, si le fichier en a gardé un.

        Raises:
            CheckpointError: autres modèles, autre entraînement, autre nombre de processus au milieu
                d'une époque ; aucun poids n'a alors changé.
        """
        state = self.file.read()
        if state is None:
            return
        for name, module in self.modules.items():
            check_same_model(state["models"].get(name, {}), module, self.file.path)
        self.file.check_same_training(state)
        check_same_processes(state, self.process.num_processes, self.file.path)
        for name, module in self.modules.items():
            module.load_state_dict(state["models"][name])
        for name, network in self.networks.items():
            network.restore(state["networks"][name])
        self.history = History(**state["history"])
        for name, value in state["counters"].items():
            setattr(self, name, value)
        if self.process.is_main_process:  # ces sommes sont déjà celles de tous
            self.totals = Totals(**state["totals"])
        rank = min(self.process.process_index, len(state["rngs"]) - 1)
        self.stream.restore(state["stream"], state["rngs"][rank])
        self.last_good = self.copy_weights()
        self.display.line(self._describe_restart())

    def _describe_restart(self) -> str:
        if self.epoch >= self.epochs:
            return f"{self.file.path} : entraînement déjà fini ; augmentez `epochs` au besoin."
        lots = f", lot {self.epoch_step}" if self.epoch_step else ""
        return f"Reprise de {self.file.path} après l'époque {self.epoch}{lots}."


def _modules(players: Mapping[str, Player]) -> dict[str, nn.Module]:
    """Modèles et moyennes, chacun une fois : ce qu'on enregistre et qu'une divergence rend."""
    modules: dict[str, nn.Module] = {}
    for name, player in players.items():
        for key, module in ((name, player.model), (f"{name}_average", player.average)):
            if module is not None and all(module is not known for known in modules.values()):
                modules[key] = module
    return modules


def _networks(players: Mapping[str, Player]) -> dict[str, Network]:
    """Nom du joueur -> son réseau, le même pour tous les joueurs d'un même modèle."""
    networks: dict[str, Network] = {}
    for name, player in players.items():
        known = (network for network in networks.values() if network.module is player.model)
        networks[name] = next(known, None) or Network(player)
    return networks
