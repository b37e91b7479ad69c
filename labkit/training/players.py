"""Les joueurs : un modèle, le pas qui donne sa perte, et la façon dont `fit` l'entraîne.

Plusieurs joueurs peuvent entraîner le même modèle, comme une pénalité calculée un pas sur seize :
ils partagent alors un optimiseur, donc ses moments.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from labkit.edges import check_real, check_whole, received
from labkit.training.eager import eager

Step = Callable[..., Mapping[str, Tensor]]
Rate = float | Callable[[float], float]
DEFAULT_RATE = 1e-3

# Sous 1,2e-38, un nombre est dénormal : le processeur calcule sur lui dix fois plus lentement. Sans
# gradient, comme dans un neurone dont la ReLU donne toujours 0, l'inertie d'Adam y tombe en 830 pas
# (0,9⁸³⁰) et n'en sort plus : 0,9 fois le plus petit nombre s'arrondit à lui-même.
_SWEEP_EVERY = 100  # pas


@dataclass(frozen=True)
class Player:
    """Un modèle et la façon dont `fit` l'entraîne.

    Attributes:
        model: module à entraîner.
        step: fonction lot -> {"loss": scalaire, …}, ou (lot, avancement) -> {…}.
        every: le pas n'est joué qu'un lot sur `every`, le dernier de chaque groupe.
        lr: taux d'apprentissage, nombre ou fonction de l'avancement dans [0, 1] ; 1e-3 par défaut.
        optimizer: fabrique appelée par `optimizer(paramètres, lr=…)` ; Adam par défaut.
        accumulate: nombre de lots dont les gradients sont moyennés avant une mise à jour.
        max_grad_norm: norme au-delà de laquelle le gradient est raccourci (Pascanu et coll., 2013).
        average: ce que renvoie `moving_average(model)`, mis à jour après chaque mise à jour.

    Les joueurs d'un même modèle prennent `lr` et `optimizer` du premier d'entre eux.
    """

    model: nn.Module
    step: Step
    every: int = 1
    lr: Rate | None = None
    optimizer: Callable[..., torch.optim.Optimizer] | None = None
    accumulate: int = 1
    max_grad_norm: float | None = None
    average: AveragedModel | None = None

    def takes_progress(self) -> bool:
        """Dit si le pas demande aussi l'avancement : deux arguments obligatoires."""
        return _required_arguments(self.step) > 1


def as_players(step: Step | Mapping[str, Player], model: Any, **settings: Any) -> dict[str, Player]:
    """Les joueurs que reçoit `fit` : un seul, sans nom, ou un dictionnaire, réglages vérifiés.

    Raises:
        TypeError, ValueError: réglage impossible, ou donné à `fit` plutôt qu'à chaque joueur.
    """
    if not isinstance(step, Mapping):
        return settle({"": Player(model, step, **settings)})
    given = [name for name, value in {"model": model, **settings}.items() if value is not None]
    if given:
        raise ValueError(
            f"avec un dictionnaire de joueurs, {', '.join(given)} se donne à chacun : "
            "Player(model, step, lr=…)."
        )
    return settle(step)


def settle(players: Mapping[str, Player]) -> dict[str, Player]:
    """Vérifie les réglages de chaque joueur et complète ceux que le premier du modèle décide.

    Raises:
        TypeError, ValueError: réglage impossible ; le message le nomme et dit quoi écrire.
    """
    if not players:
        raise ValueError("il faut au moins un joueur : un modèle et son pas.")
    settled: dict[str, Player] = {}
    for name, player in players.items():
        _check(name, player)
        leader = next((p for p in settled.values() if p.model is player.model), None)
        settled[name] = _complete(player) if leader is None else _follow(name, player, leader)
    return settled


def _complete(player: Player) -> Player:
    return replace(
        player,
        lr=DEFAULT_RATE if player.lr is None else player.lr,
        optimizer=player.optimizer or torch.optim.Adam,
    )


def _follow(name: str, player: Player, leader: Player) -> Player:
    for setting in ("lr", "optimizer"):
        if getattr(player, setting) not in (None, getattr(leader, setting)):
            raise ValueError(
                f"{setting} de {name!r} diffère de celui d'un autre joueur du même modèle, dont il "
                f"partage l'optimiseur : ne donnez {setting} qu'au premier."
            )
    if max(player.accumulate, leader.accumulate) > 1:
        raise ValueError(
            f"{name!r} partage son modèle avec un autre joueur : accumulate doit y valoir 1, les "
            "gradients de l'un se mêleraient à ceux de l'autre."
        )
    return replace(player, lr=leader.lr, optimizer=leader.optimizer)


def _check(name: str, player: Player) -> None:
    if not isinstance(player, Player):
        raise TypeError(
            f"le joueur {name!r} doit être un labkit.Player(model, step), reçu "
            f"{type(player).__name__}."
        )
    _check_model(name, player.model)
    _check_step(player.step)
    check_whole("every", player.every)
    check_whole("accumulate", player.accumulate)
    _check_rate(player.lr)
    _check_optimizer(player.optimizer)
    _check_norm(player.max_grad_norm)
    if player.average is not None:
        _check_average(player.average, player.model)


def _check_step(step: Any) -> None:
    if not callable(step):
        raise TypeError(
            f'step attend une fonction lot -> {{"loss": perte}}, reçu {type(step).__name__}.'
        )
    try:
        inspect.signature(step).bind(*["lot"] * (1 + (_required_arguments(step) > 1)))
    except TypeError as error:
        raise TypeError(
            "step attend une fonction d'un argument, le lot, ou de deux, le lot et l'avancement : "
            f"écrivez def step(batch). Reçu step{inspect.signature(step)}."
        ) from error


def _required_arguments(step: Step) -> int:
    """Nombre d'arguments que l'on ne peut pas taire."""
    parameters = inspect.signature(step).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in positional and p.default is p.empty for p in parameters)


def _check_average(average: Any, model: nn.Module) -> None:
    if not isinstance(average, AveragedModel):
        raise TypeError(
            "average attend ce que renvoie labkit.moving_average(model), reçu "
            f"{type(average).__name__}."
        )
    shapes = [
        {name: value.shape for name, value in module.state_dict().items()}
        for module in (average.module, model)
    ]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "average est la moyenne d'un autre modèle : donnez labkit.moving_average(model), de ce "
            "même modèle."
        )


def _check_model(name: str, model: Any) -> None:
    if not isinstance(model, nn.Module):
        hint = " model et batches sont-ils inversés ?" if hasattr(model, "__iter__") else ""
        if name:
            hint = f" Donnez à {name!r} le réseau qu'entraîne son pas : Player(model, step)."
        raise TypeError(f"model attend un torch.nn.Module, reçu {type(model).__name__}.{hint}")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(
            f"{type(model).__name__} n'a aucun poids à apprendre : il n'en a pas, ou tous sont "
            "gelés. Rendez-leur leur gradient par model.requires_grad_(True)."
        )


def _check_rate(lr: Any) -> None:
    if lr is None or callable(lr):
        return
    if isinstance(lr, bool) or not isinstance(lr, Real):
        raise TypeError(
            f"lr attend un nombre ou une fonction de l'avancement, reçu {received(lr)} : écrivez "
            "lr=1e-3."
        )
    if not lr >= 0:
        raise ValueError(f"le taux d'apprentissage doit être positif, reçu lr={lr}.")


def _check_optimizer(optimizer: Any) -> None:
    if optimizer is None or (callable(optimizer) and not isinstance(optimizer, str)):
        return
    received = repr(optimizer) if isinstance(optimizer, str) else type(optimizer).__name__
    raise TypeError(
        f"optimizer attend une fabrique, que fit appelle lui-même, reçu {received} : écrivez "
        "optimizer=torch.optim.Adam, sans parenthèses ni guillemets, ou functools.partial("
        "torch.optim.SGD, momentum=0.9)."
    )


def _check_norm(norm: Any) -> None:
    if norm is None:
        return
    if not check_real("max_grad_norm", norm) > 0:
        raise ValueError(
            "la norme du gradient doit être bornée par un nombre strictement positif, reçu "
            f"max_grad_norm={norm}."
        )


def build_optimizer(player: Player, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Crée l'optimiseur, en version fusionnée (une seule boucle compilée) quand elle existe."""
    factory, lr = eager(player.optimizer), player.lr(0.0) if callable(player.lr) else player.lr
    options = {"fused": True} if "fused" in inspect.signature(factory).parameters else {}
    try:
        return factory(parameters, lr=lr, **options)
    except RuntimeError:  # version fusionnée absente sur cet appareil ou dans cette version
        return factory(parameters, lr=lr)


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """Les poids qui apprennent, dans l'ordre où l'optimiseur les reçoit."""
    return [p for p in model.parameters() if p.requires_grad]


class Network:
    """Un modèle, ses poids à apprendre et l'optimiseur que partagent ses joueurs."""

    def __init__(self, leader: Player):
        self.module = leader.model
        self.parameters = trainable(leader.model)
        self.optimizer = build_optimizer(leader, self.parameters)
        self.rate = leader.lr if callable(leader.lr) else None
        self.plays = 0  # pas joués, suivis ou non d'une mise à jour

    def update(self) -> None:
        """Change les poids selon leurs gradients."""
        self.optimizer.step()
        if self.plays % _SWEEP_EVERY == 0:
            self.sweep()

    def sweep(self) -> None:
        """Met à zéro les moments dénormaux, qui ralentissent le processeur."""
        for state in self.optimizer.state.values():
            for moment in state.values():
                if isinstance(moment, Tensor) and moment.is_floating_point():
                    moment.masked_fill_(moment.abs() < torch.finfo(moment.dtype).tiny, 0)

    def state(self) -> dict:
        """Moments, et gradients d'une accumulation en cours."""
        return {
            "optimizer": type(self.optimizer).__name__,
            "moments": self.optimizer.state_dict()["state"],
            "gradients": [parameter.grad for parameter in self.parameters],
            "plays": self.plays,
        }

    def restore(self, saved: dict) -> None:
        """Reprend l'état que donnait `state`, avec les réglages de cet appel de `fit`."""
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": saved["moments"], "param_groups": groups})
        for parameter, gradient in zip(self.parameters, saved["gradients"], strict=True):
            parameter.grad = None if gradient is None else gradient.to(parameter.device)
        self.plays = saved["plays"]


def check_result(result: Any) -> None:
    """Refuse ce qui n'est pas {"loss": tenseur d'un seul nombre, …}."""
    if result is None:
        raise TypeError(_expected("None : la fonction du pas a-t-elle un return ?"))
    if not isinstance(result, Mapping):
        raise TypeError(_expected(f"{type(result).__name__}."))
    if "loss" not in result:
        raise TypeError(_expected(f"les clés {sorted(result)}."))
    loss = result["loss"]
    if loss is None:
        raise TypeError("la perte vaut None : la fonction qui la calcule a-t-elle un return ?")
    if not isinstance(loss, Tensor):
        raise TypeError(
            f"la perte doit être un tenseur d'un seul nombre, reçu {type(loss).__name__}."
        )
    if loss.numel() != 1:
        raise TypeError(
            f"la perte doit être un tenseur d'un seul nombre, reçu un tenseur {list(loss.shape)} : "
            "prenez-en la moyenne, loss.mean()."
        )
    for name, value in result.items():
        is_scalar = value.numel() == 1 if isinstance(value, Tensor) else _is_number(value)
        if not is_scalar:
            found = f"un tenseur {list(value.shape)}" if isinstance(value, Tensor) else repr(value)
            raise TypeError(
                f"{name!r}, que renvoie le pas, doit être un nombre ou un tenseur d'un seul "
                f"nombre, reçu {found:.60}."
            )


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) or (hasattr(value, "item") and value.size == 1)


def _expected(received: str) -> str:
    return f'le pas doit renvoyer un dictionnaire {{"loss": perte}}, reçu {received}'


def check_gradient(loss: Tensor) -> None:
    """Refuse une perte dont on ne peut pas dériver."""
    if not loss.requires_grad:
        raise ValueError(
            "la perte n'a pas de gradient : retirez torch.no_grad() ou .detach() du pas, et "
            "vérifiez que le modèle a des paramètres à apprendre."
        )


def check_reached(parameters: list[nn.Parameter]) -> None:
    """Refuse un pas dont la perte n'a donné de gradient à aucun des poids du modèle."""
    if all(parameter.grad is None for parameter in parameters):
        raise ValueError(
            "la perte ne dépend pas du modèle donné à fit : le pas emploie-t-il bien ce modèle, et "
            "non un autre de même nom ?"
        )


def prefix(name: str) -> str:
    """Ce qui précède les noms des valeurs d'un joueur : rien s'il est seul."""
    return f"{name}_" if name else ""
