"""Une seule boucle d'entraînement pour tous les modèles du cours, adversaires compris.

`fit` ne connaît que des pas : une fonction qui reçoit un lot et renvoie la perte. Tout le reste
est ici : processeur ou GPU, bf16, optimiseur, validation, journal, points de reprise, entraînement
sur plusieurs processus (`accelerate launch mon_script.py`, sans rien changer au script).
"""

from __future__ import annotations

import inspect
import io
import itertools
import json
import math
import operator
import random
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from labkit.files import check_writable, write_atomically
from labkit.precision import has_fast_bf16
from labkit.training.checkpoints import (
    CheckpointError,
    check_same_model,
    previous_path,
    read_checkpoint,
)
from labkit.training.processes import (
    anyone,
    average_gradients,
    broadcast_weights,
    process_state,
    rng_state,
    set_rng_state,
    synchronize_rng,
)

Step = Callable[[Any], Mapping[str, Tensor]]


class DivergenceError(ArithmeticError):
    """La perte est devenue infinie ou NaN. `history` garde les époques finies avant l'accident."""

    def __init__(self, message: str, history: History):
        super().__init__(message)
        self.history = history


@dataclass
class History(Mapping):
    """Ce que `fit` a mesuré : `history["loss"]` est une liste, d'une valeur par époque.

    Attributes:
        curves: nom -> moyennes par époque ; les noms de validation commencent par `val_`.
        seconds: durée de chaque époque, en secondes, validation comprise.
        interrupted_at: (époque, pas) si l'entraînement a été interrompu ; la dernière valeur des
            courbes est alors la moyenne de cette époque incomplète.
    """

    curves: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    interrupted_at: tuple[int, int] | None = None

    def __getitem__(self, name: str) -> list[float]:
        return self.curves[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.curves)

    def __len__(self) -> int:
        return len(self.curves)

    def add(self, means: Mapping[str, float], seconds: float) -> None:
        """Ajoute une époque.

        Args:
            means: nom -> moyenne de l'époque.
            seconds: durée, en secondes.
        """
        for name, value in means.items():
            self.curves.setdefault(name, []).append(value)
        self.seconds.append(seconds)

    def plot(self, **options):
        """Trace les courbes ; mêmes options que `labkit.plots.loss_curves`."""
        from labkit.plots import loss_curves

        return loss_curves({_french_name(name): curve for name, curve in self.items()}, **options)

    def save(self, path: str | Path) -> None:
        """Écrit l'historique en JSON."""
        write_atomically(Path(path), json.dumps(asdict(self), indent=1).encode("utf-8"))

    @classmethod
    def load(cls, path: str | Path) -> History:
        """Relit un historique écrit par `save`."""
        saved = json.loads(Path(path).read_text(encoding="utf-8"))
        if saved["interrupted_at"] is not None:
            saved["interrupted_at"] = tuple(saved["interrupted_at"])  # JSON n'a que des listes
        return cls(**saved)


def _french_name(name: str) -> str:
    part = "validation" if name.startswith("val_") else "entraînement"
    quantity = name.removeprefix("val_")
    return part if quantity == "loss" else f"{quantity} ({part})"


def set_seed(seed: int) -> None:
    """Fixe les tirages de Python, de NumPy et de PyTorch.

    Args:
        seed: graine, entier positif ou nul.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)  # le processeur et tous les GPU


def pick_device() -> torch.device:
    """Choisit où calculer : GPU CUDA, puis GPU Apple, puis processeur."""
    return process_state().device


def moving_average(model: nn.Module, decay: float = 0.999) -> AveragedModel:
    """Prépare la moyenne mobile exponentielle des poids d'un modèle, que `fit` tient à jour.

    À chaque pas, moyenne <- d · moyenne + (1 - d) · poids, où d = min(decay, (1 + n) / (10 + n))
    au pas n : les premiers pas, encore loin du but, s'oublient vite (Ho et coll., 2020, § 4).

    Args:
        model: modèle à entraîner ; la moyenne en est une copie.
        decay: oubli visé, entre 0 et 1 ; 0,999 retient à peu près les mille derniers pas.

    Returns:
        La moyenne, à donner à `fit(average=…)` ; le modèle moyen est son attribut `module`.

    Raises:
        ValueError: decay hors de [0, 1[.
    """
    if not 0 <= decay < 1:
        raise ValueError(f"decay doit être entre 0 compris et 1 exclu, reçu {decay}.")

    def update(average: Tensor, weight: Tensor, count: Tensor) -> Tensor:
        return torch.lerp(average, weight, max(1 - decay, 9 / (10 + int(count))))

    return AveragedModel(model, avg_fn=update)


def fit(
    step: Step | Mapping[str, Step],
    batches: Iterable,
    epochs: int,
    model: nn.Module | Mapping[str, nn.Module],
    *,
    lr: float = 1e-3,
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
    validation: Iterable | None = None,
    average: AveragedModel | Mapping[str, AveragedModel] | None = None,
    max_grad_norm: float | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = True,
    precision: str = "auto",
    log_every: int = 1,
) -> History:
    """Entraîne un modèle, ou plusieurs qui s'opposent, et renvoie l'historique.

    Un pas reçoit un lot et renvoie au moins `{"loss": perte}`, un scalaire ; les autres valeurs
    sont moyennées et notées aussi. Pour des réseaux adversaires, `step` et `model` sont deux
    dictionnaires de mêmes clés : sur chaque lot les pas se suivent dans l'ordre, et chacun ne met
    à jour que le modèle de même clé, nommé devant ses valeurs (`discriminator_loss`).

    Args:
        step: fonction lot -> {"loss": scalaire, …}, ou dictionnaire de telles fonctions. Le hasard
            qu'elle emploie vient de `torch`, seul tirage que la reprise sait reproduire.
        batches: lots, parcourus une fois par époque. Les tenseurs sont déplacés sur l'appareil.
        epochs: nombre total d'époques, celles d'avant une reprise comprises.
        model: module à entraîner, ou dictionnaire de modules. Entraîné sur l'appareil que donne
            `pick_device`, il est rendu en mode évaluation sur celui où il était.
        lr: pas d'apprentissage.
        optimizer: fabrique appelée par `optimizer(paramètres, lr=lr)`.
        validation: lots sur lesquels le même pas est mesuré, sans apprendre, à la fin de l'époque.
        average: moyenne des poids que rend `moving_average(model)`, mise à jour après chaque pas ;
            pour plusieurs modèles, dictionnaire des moyennes de ceux qui en ont une.
        max_grad_norm: norme au-delà de laquelle le gradient de chaque modèle est raccourci
            (Pascanu et coll., 2013), strictement positive ; None pour le laisser tel quel.
        checkpoint: fichier du point de reprise, écrit à chaque époque ; le précédent est gardé à
            côté.
        resume: repart du point de reprise s'il existe ; sinon recommence et l'écrase.
        precision: "auto" (bf16 où il est rapide), "fp32" ou "bf16".
        log_every: écrit une ligne toutes les `log_every` époques ; 0 pour aucune.

    Returns:
        L'historique. Après une interruption (Ctrl-C, bouton stop), il s'arrête au dernier pas
        fini, et le modèle garde les poids de ce pas.

    Raises:
        ValueError: aucun lot, clés de `step` et de `model` différentes, précision inconnue, moins
            d'une époque, pas d'apprentissage négatif, borne du gradient négative, nulle ou NaN,
            perte qui ne dépend pas du modèle.
        TypeError: pas qui ne renvoie pas {"loss": scalaire}, moyenne qui ne vient pas de
            `moving_average`.
        DivergenceError: perte infinie ou NaN ; le modèle retrouve les poids de la dernière époque
            finie.
        CheckpointError: point de reprise illisible, d'un autre modèle, ou impossible à écrire.
    """
    _check_settings(epochs, lr, max_grad_norm)
    trainer = _Trainer(step, model, lr, optimizer, precision, average, max_grad_norm)
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None:
        if trainer.process.is_main_process:  # seul à l'écrire ensuite
            check_writable(path)
        if resume:
            trainer.restore(path, epochs)
    with (
        _deferred_interrupt() as interrupt_requested,
        trainer.progress_bar(epochs, batches) as bar,
    ):
        try:
            while trainer.epoch < epochs:
                trainer.train_epoch(batches, bar, interrupt_requested)
                trainer.finish_epoch(validation, path)
                if log_every and trainer.epoch % log_every == 0:
                    trainer.log(epochs, bar)
        except KeyboardInterrupt:
            trainer.stop(epochs, path)
        finally:
            trainer.release()
    return trainer.history


class _Trainer:
    """L'état d'un entraînement : ce qu'un point de reprise écrit et relit."""

    def __init__(self, step, model, lr, optimizer, precision, average, max_grad_norm):
        # PartialState plutôt que Accelerator.prepare : les pas appellent eux-mêmes leurs modèles,
        # que DistributedDataParallel aurait enveloppés ; fit moyenne donc les gradients lui-même.
        self.process = process_state()
        self.lr, self.max_grad_norm = lr, max_grad_norm
        self.steps = step if isinstance(step, Mapping) else {"": step}
        self.models = model if isinstance(model, Mapping) else {"": model}
        if set(self.steps) != set(self.models):
            raise ValueError(
                f"les pas {sorted(self.steps)} et les modèles {sorted(self.models)} doivent porter "
                "les mêmes noms."
            )
        self.use_bf16 = _wants_bf16(self.process.device, precision)
        self.homes = {name: _device_of(module) for name, module in self.models.items()}
        self.averages = _named_averages(average, self.models)
        # Tout ce qu'un point de reprise garde et qu'une divergence fait revenir.
        self.modules = self.models | {f"{name}_average": m for name, m in self.averages.items()}
        for module in self.modules.values():
            _place(module, self.process)
        self.parameters = {
            name: [p for p in module.parameters() if p.requires_grad]
            for name, module in self.models.items()
        }
        self.optimizers = {
            name: _build_optimizer(optimizer, parameters, lr)
            for name, parameters in self.parameters.items()
        }
        self.history = History()
        self.epoch = 0  # époques finies
        self.step_count = 0  # pas faits dans l'époque en cours
        self.totals = _Totals()
        synchronize_rng(self.process)
        self.order_rng = rng_state()
        self.epoch_rng = self.order_rng
        self.resume_rng: dict[str, Tensor] | None = None
        self.last_good = self._copy_weights()
        self.seconds = 0.0

    # --- une époque -------------------------------------------------------------------------------

    def train_epoch(self, batches: Iterable, bar, interrupt_requested: Callable[[], bool]) -> None:
        start, earlier = time.perf_counter(), self.seconds
        for module in self.models.values():
            module.train()
        for batch in self._remaining_batches(batches):
            self._train_step(batch)
            self.step_count += 1
            self.seconds = earlier + time.perf_counter() - start
            bar.update()
            if anyone(interrupt_requested(), self.process):
                raise KeyboardInterrupt

    def _remaining_batches(self, batches: Iterable) -> Iterator:
        """Les lots de l'époque qui restent à voir, les mêmes qu'avant une interruption."""
        if self.resume_rng is None:
            self.epoch_rng = self._common_rng()
        iterator = self._shard(batches, self.epoch_rng, needed=self.process.num_processes)
        for _ in itertools.islice(iterator, self.step_count):
            pass  # lots déjà vus avant l'interruption
        if self.resume_rng is not None:
            if self.process.is_main_process:  # c'est le sien que le point de reprise a gardé
                set_rng_state(self.resume_rng)
            self.resume_rng = None
        return iterator

    def _common_rng(self) -> dict[str, Tensor]:
        """Le hasard d'où tirer l'ordre des lots, le même dans tous les processus."""
        return rng_state() if self.process.num_processes == 1 else self.order_rng

    def _shard(self, batches: Iterable, rng: dict[str, Tensor], needed: int = 1) -> Iterator:
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
        # d'un processus et d'une époque à l'autre, sans changer l'ordre de l'époque suivante.
        self.order_rng = rng_state()
        torch.manual_seed(int(torch.randint(2**62, ())) + self.epoch * count + rank)
        groups = iter(lambda: list(itertools.islice(iterator, count)), [])
        return (group[rank] for group in groups if len(group) >= max(needed, rank + 1))

    def _train_step(self, batch: Any) -> None:
        batch = _send(batch, self.process.device)
        values = {}
        for name, step in self.steps.items():
            optimizer, parameters = self.optimizers[name], self.parameters[name]
            optimizer.zero_grad(set_to_none=True)
            result = self._call(step, batch)
            self._check_finite(result["loss"])
            _backward(result["loss"], parameters)
            average_gradients(parameters, self.process)
            if self.max_grad_norm is not None:
                nn.utils.clip_grad_norm_(parameters, self.max_grad_norm)
            optimizer.step()
            if name in self.averages:
                self.averages[name].update_parameters(self.models[name])
            values |= _prefixed(name, result)
        self.totals.add(values, _batch_size(batch))

    def _call(self, step: Step, batch: Any) -> Mapping[str, Tensor]:
        with torch.autocast(self.process.device.type, torch.bfloat16, enabled=self.use_bf16):
            result = step(batch)
        _check_result(result)
        return result

    def _check_finite(self, loss: Tensor) -> None:
        value = loss.item()
        if not math.isfinite(value):
            self._diverge(f"la perte vaut {value}", self.step_count + 1)

    def _check_finite_weights(self) -> None:
        """Un gradient NaN abîme les poids sans que la perte du pas l'ait montré."""
        for module in self.modules.values():
            if not all(value.isfinite().all() for value in module.state_dict().values()):
                self._diverge("des poids sont devenus infinis ou NaN", self.step_count)

    def _diverge(self, symptom: str, step_number: int) -> NoReturn:
        for name, weights in self.last_good.items():
            self.modules[name].load_state_dict(weights)
        origin = f"de la fin de l'époque {self.epoch}" if self.epoch else "du départ"
        raise DivergenceError(
            f"{symptom} à l'époque {self.epoch + 1}, lot {step_number}. Causes probables : pas "
            f"d'apprentissage trop grand (ici {self.lr:g} ; souvent entre 1e-4 et 1e-2), données "
            "non normalisées ou déjà NaN, logarithme ou division de zéro dans la perte. Le modèle "
            f"a retrouvé ses poids {origin}.",
            self.history,
        )

    def finish_epoch(self, validation: Iterable | None, path: Path | None) -> None:
        start = time.perf_counter()
        self._check_finite_weights()
        means = self._reduced(self.totals)
        if validation is not None:
            means |= {f"val_{name}": value for name, value in self._validate(validation).items()}
        self.history.add(means, self.seconds + time.perf_counter() - start)
        self.epoch += 1
        self.step_count, self.seconds, self.totals = 0, 0.0, _Totals()
        self.last_good = self._copy_weights()
        self.epoch_rng = self._common_rng()
        if path is not None:
            self.save(path)

    @torch.no_grad()
    def _validate(self, validation: Iterable) -> dict[str, float]:
        for module in self.models.values():
            module.eval()
        totals = _Totals()
        training_rng, training_order = rng_state(), self.order_rng
        for batch in self._shard(validation, self._common_rng()):
            batch = _send(batch, self.process.device)
            values = {}
            for name, step in self.steps.items():
                values |= _prefixed(name, self._call(step, batch))
            totals.add(values, _batch_size(batch))
        # Mesurer ne change rien à l'entraînement qui suit.
        set_rng_state(training_rng)
        self.order_rng = training_order
        return self._reduced(totals)

    def _reduced(self, totals: _Totals) -> dict[str, float]:
        """Moyennes sur les exemples de tous les processus."""
        if self.process.num_processes > 1:
            from accelerate.utils import gather_object

            totals = _Totals.merge(gather_object([totals]))
        return totals.means()

    def release(self) -> None:
        """Rend les modèles en mode évaluation, sur l'appareil où ils étaient."""
        for name, module in (*self.models.items(), *self.averages.items()):
            module.eval().to(self.homes[name])

    # --- journal ----------------------------------------------------------------------------------

    def progress_bar(self, epochs: int, batches: Iterable):
        from tqdm import tqdm

        steps = operator.length_hint(batches) // self.process.num_processes
        total = steps and epochs * steps
        done = self.epoch * steps + self.step_count if steps else 0
        # Elle n'apparaît que si l'attente dépasse deux secondes, et s'efface à la fin. Les outils
        # qui exécutent les notebooks l'éteignent par la variable TQDM_DISABLE.
        hidden = {} if self.process.is_main_process else {"disable": True}
        return tqdm(total=total, initial=done, delay=2, leave=False, unit="pas", **hidden)

    def log(self, epochs: int, bar) -> None:
        if not self.process.is_main_process:
            return
        values = [f"{name} {curve[-1]:.4f}" for name, curve in self.history.items()]
        duration = f"{self.history.seconds[-1]:.1f} s"
        epoch = f"époque {self.epoch:{len(str(epochs))}d}/{epochs}"
        bar.clear()
        print(" · ".join([epoch, *values, duration]), flush=True)

    def stop(self, epochs: int, path: Path | None) -> None:
        """Garde ce qui est acquis à l'interruption : poids, historique, point de reprise."""
        if path is not None:
            self.save(path)
        if self.totals.sums:
            self.history.add(self._reduced(self.totals), self.seconds)
        self.history.interrupted_at = (self.epoch + 1, self.step_count)
        if not self.process.is_main_process:
            return
        advice = (
            "pour continuer, relancez la cellule" if path else "poids et historique sont gardés"
        )
        print(
            f"Entraînement interrompu à l'époque {self.epoch + 1}/{epochs}, après le lot "
            f"{self.step_count} : {advice}."
        )

    # --- points de reprise ------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        if not self.process.is_main_process:
            return
        buffer = io.BytesIO()
        torch.save(
            {
                "models": {name: module.state_dict() for name, module in self.modules.items()},
                "optimizers": {
                    name: {
                        "name": type(optimizer).__name__,
                        "state": optimizer.state_dict()["state"],
                    }
                    for name, optimizer in self.optimizers.items()
                },
                "history": asdict(self.history),
                "epoch": self.epoch,
                "step_count": self.step_count,
                "totals": asdict(self.totals),
                "seconds": self.seconds,
                "epoch_rng": self.epoch_rng,
                "rng": rng_state(),
            },
            buffer,
        )
        write_atomically(path, buffer.getvalue(), previous=previous_path(path))

    def restore(self, path: Path, epochs: int) -> None:
        state = read_checkpoint(path, self.process.device)
        if state is None:
            return
        for name, module in self.modules.items():
            check_same_model(state["models"].get(name, {}), module, path)
        for name, module in self.modules.items():
            module.load_state_dict(state["models"][name])
        for name in self.models:
            self._restore_moments(name, state["optimizers"][name])
        self.history = History(**state["history"])
        self.epoch, self.step_count = state["epoch"], state["step_count"]
        self.totals, self.seconds = _Totals(**state["totals"]), state["seconds"]
        self.last_good = self._copy_weights()
        self.epoch_rng = self.order_rng = state["epoch_rng"]
        if self.step_count:
            self.resume_rng = state["rng"]
        else:
            set_rng_state(self.epoch_rng)
        if self.process.is_main_process:
            print(self._describe_restart(path, epochs))

    def _describe_restart(self, path: Path, epochs: int) -> str:
        if self.epoch >= epochs:
            return f"{path} : les {epochs} époques sont déjà faites ; augmentez `epochs` au besoin."
        lots = f", lot {self.step_count}" if self.step_count else ""
        return f"Reprise de {path} après l'époque {self.epoch}{lots}."

    def _restore_moments(self, name: str, saved: dict) -> None:
        """Reprend les moments de l'optimiseur, avec les réglages (lr) de cet appel de `fit`."""
        optimizer = self.optimizers[name]
        if saved["name"] != type(optimizer).__name__:
            raise CheckpointError(
                f"le point de reprise vient de l'optimiseur {saved['name']}, ici "
                f"{type(optimizer).__name__} : gardez le même, ou passez resume=False."
            )
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": saved["state"], "param_groups": groups})

    def _copy_weights(self) -> dict[str, dict[str, Tensor]]:
        return {
            name: {key: value.detach().clone() for key, value in module.state_dict().items()}
            for name, module in self.modules.items()
        }


@dataclass
class _Totals:
    """Sommes pondérées par la taille des lots : le dernier, plus petit, compte moins."""

    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, values: Mapping[str, Tensor | float], size: int) -> None:
        for name, value in values.items():
            # item : un nombre de NumPy rendrait le point de reprise illisible (weights_only).
            number = value.item() if hasattr(value, "item") else value
            self.sums[name] = self.sums.get(name, 0.0) + number * size
            self.counts[name] = self.counts.get(name, 0) + size

    def means(self) -> dict[str, float]:
        """Moyenne de chaque valeur sur les lots où elle a été donnée."""
        return {name: total / self.counts[name] for name, total in self.sums.items()}

    @classmethod
    def merge(cls, parts: Iterable[_Totals]) -> _Totals:
        """Additionne les sommes de plusieurs processus."""
        whole = cls()
        for part in parts:
            for name, value in part.sums.items():
                whole.sums[name] = whole.sums.get(name, 0.0) + value
                whole.counts[name] = whole.counts.get(name, 0) + part.counts[name]
        return whole


def _check_settings(epochs: int, lr: float, max_grad_norm: float | None) -> None:
    if epochs < 1:
        raise ValueError(f"il faut au moins une époque, reçu epochs={epochs}.")
    if not lr >= 0:
        raise ValueError(f"le pas d'apprentissage doit être positif, reçu lr={lr}.")
    if max_grad_norm is not None and not max_grad_norm > 0:
        raise ValueError(
            "la norme du gradient doit être bornée par un nombre strictement positif, reçu "
            f"max_grad_norm={max_grad_norm}."
        )


def _check_result(result: Any) -> None:
    if not isinstance(result, Mapping) or "loss" not in result:
        found = (
            f"les clés {sorted(result)}" if isinstance(result, Mapping) else type(result).__name__
        )
        raise TypeError(f'le pas doit renvoyer un dictionnaire {{"loss": perte}}, reçu {found}.')
    loss = result["loss"]
    if loss is None:
        raise TypeError("la perte vaut None : la fonction qui la calcule a-t-elle un return ?")
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        raise TypeError(
            f"la perte doit être un tenseur d'un seul nombre, reçu {_shape_or_type(loss)}."
        )


def _named_averages(average, models: Mapping[str, nn.Module]) -> dict[str, AveragedModel]:
    if average is None:
        return {}
    averages = average if isinstance(average, Mapping) else {"": average}
    unknown = sorted(set(averages) - set(models))
    if unknown:
        raise ValueError(f"moyennes {unknown} sans modèle de ce nom, parmi {sorted(models)}.")
    if not all(isinstance(module, AveragedModel) for module in averages.values()):
        raise TypeError("average attend ce que rend labkit.moving_average(model).")
    return dict(averages)


def _backward(loss: Tensor, parameters: list[nn.Parameter]) -> None:
    """Calcule les gradients de ces seuls paramètres, jamais ceux d'un adversaire."""
    if not loss.requires_grad:
        raise ValueError(
            "la perte n'a pas de gradient : retirez torch.no_grad() ou .detach() du pas, et "
            "vérifiez que le modèle a des paramètres à apprendre."
        )
    loss.backward(inputs=parameters)
    if all(parameter.grad is None for parameter in parameters):
        raise ValueError(
            "la perte ne dépend pas du modèle donné à fit : le pas emploie-t-il bien ce modèle, et "
            "non un autre de même nom ?"
        )


def _wants_bf16(device: torch.device, precision: str) -> bool:
    if precision not in ("auto", "fp32", "bf16"):
        raise ValueError(f"précision {precision!r} inconnue : choisir 'auto', 'fp32' ou 'bf16'.")
    return precision == "bf16" or (precision == "auto" and has_fast_bf16(device))


def _device_of(module: nn.Module) -> torch.device:
    return next(itertools.chain(module.parameters(), module.buffers()), torch.empty(0)).device


def _place(module: nn.Module, process) -> None:
    """Déplace le modèle sur l'appareil, au format des convolutions, égal entre processus."""
    module.to(process.device)
    if any(isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)) for part in module.modules()):
        module.to(memory_format=torch.channels_last)
    broadcast_weights(module, process)


def _build_optimizer(factory, parameters, lr) -> torch.optim.Optimizer:
    """Crée l'optimiseur, en version fusionnée (une seule boucle compilée) quand elle existe."""
    options = {"fused": True} if "fused" in inspect.signature(factory).parameters else {}
    try:
        return factory(parameters, lr=lr, **options)
    except RuntimeError:  # version fusionnée absente sur cet appareil ou dans cette version
        return factory(parameters, lr=lr)


def _send(batch: Any, device: torch.device) -> Any:
    from accelerate.utils import send_to_device

    return send_to_device(batch, device, non_blocking=True)


def _prefixed(name: str, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{name}_{key}" if name else key: value for key, value in values.items()}


def _batch_size(batch: Any) -> int:
    from accelerate.utils import find_batch_size

    try:
        return find_batch_size(batch)
    except (TypeError, ValueError, IndexError):  # lot sans tenseur, comme ceux de range(100)
        return 1


def _shape_or_type(value: Any) -> str:
    return f"un tenseur {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


# --- interruption ---------------------------------------------------------------------------------


@contextmanager
def _deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Reporte Ctrl-C à la fin du pas en cours, pour que poids, moments et compteurs s'accordent."""
    requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # signal y serait interdit
        yield requested.is_set
        return
    earlier = signal.signal(signal.SIGINT, lambda *_: requested.set())
    try:
        yield requested.is_set
    finally:
        signal.signal(signal.SIGINT, earlier)
