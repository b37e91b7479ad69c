"""Le jeu du lab 06 : un GAN du plan, joué sur plusieurs graines à la fois, et ce qu'on en mesure.

C'est `fit` qui entraîne, avec les pas de `labkit.models.gan` : il n'y a ici que les règles d'une
partie, les joueurs qui en découlent, et les mesures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from labkit._names import did_you_mean
from labkit.edges import check_real, check_whole, received
from labkit.models.checks import trusted_inputs
from labkit.models.ensemble import Ensemble
from labkit.models.gan import LOSSES, AdversarialLoss, discriminator_step, draw, generator_step
from labkit.models.modes import evaluating
from labkit.models.plane import PlaneDiscriminator, PlaneGenerator
from labkit.points import SIDE, Law, cell_shares, js_divergence, kl_divergence, law
from labkit.training import Player, fit
from labkit.training.device import one_thread, preserved_rng

PLANE_LOSSES = ("non_saturating", "minimax", "least_squares")
OPTIMIZERS = {"adam": partial(torch.optim.Adam, betas=(0.5, 0.99)), "sgd": torch.optim.SGD}
SHOWN = 4000  # points tirés pour chaque mesure


@dataclass(frozen=True)
class Rules:
    """Les règles d'une partie.

    Attributes:
        law: la loi des vrais points, ou son nom.
        latent_dim, noise: dimension et loi du bruit, comme pour `PlaneGenerator`.
        generator_dims, discriminator_dims: neurones de chaque couche cachée de G et de D.
        updates: mises à jour de D, puis de G, dans un pas ; l'une des deux peut être 0.
        loss: nom d'une perte, parmi `PLANE_LOSSES`.
        optimizer: "adam" ou "sgd".
        rates: taux d'apprentissage de D, puis de G.
        batch_size: points d'un lot.

    Raises:
        TypeError, ValueError: règle impossible ; le message la nomme.
    """

    law: Law | str = "ring"
    latent_dim: int = 2
    noise: str = "gaussian"
    generator_dims: tuple[int, ...] = (32, 32)
    discriminator_dims: tuple[int, ...] = (32, 32)
    updates: tuple[int, int] = (1, 1)
    loss: str = "non_saturating"
    optimizer: str = "adam"
    rates: tuple[float, float] = (2e-3, 1e-3)
    batch_size: int = 256

    def __post_init__(self):
        object.__setattr__(self, "law", law(self.law) if isinstance(self.law, str) else self.law)
        if not isinstance(self.law, Law):
            raise TypeError(
                f"law attend un nom ou labkit.points.Law(points), reçu {received(self.law)}."
            )
        _check_updates(self.updates)
        _check_name("loss", self.loss, PLANE_LOSSES)
        _check_name("optimizer", self.optimizer, OPTIMIZERS)
        _check_rates(self.rates)
        check_whole("batch_size", self.batch_size)

    def networks(self) -> tuple[PlaneGenerator, PlaneDiscriminator]:
        """Deux réseaux neufs, dont les poids viennent du hasard de `torch`."""
        generator = PlaneGenerator(self.latent_dim, self.generator_dims, self.noise)
        return generator, PlaneDiscriminator(self.discriminator_dims)


def _check_updates(updates: object) -> None:
    if not isinstance(updates, (tuple, list)) or len(updates) != 2:
        raise TypeError(
            f"updates attend deux entiers, pour D puis pour G, reçu {received(updates)} : écrivez "
            "updates=(5, 1)."
        )
    for rank, count in enumerate(updates):
        check_whole(f"updates[{rank}]", count, at_least=0)
    if not any(updates):
        raise ValueError(
            "updates=(0, 0) : ni D ni G n'apprendrait. L'un des deux doit valoir au moins 1."
        )


def _check_name(name: str, value: object, known: Iterable[str]) -> None:
    if value not in tuple(known):
        choices = ", ".join(map(repr, known))
        raise ValueError(
            f"{name}={value!r} inconnu : choisissez parmi {choices}.{did_you_mean(value, known)}"
        )


def _check_rates(rates: object) -> None:
    if not isinstance(rates, (tuple, list)) or len(rates) != 2:
        raise TypeError(
            f"rates attend deux taux, de D puis de G, reçu {received(rates)} : écrivez "
            "rates=(2e-3, 1e-3)."
        )
    for rank, rate in enumerate(rates):
        if not 0 < check_real(f"rates[{rank}]", rate) <= 1:
            raise ValueError(f"rates[{rank}] doit être dans ]0, 1], reçu {rate}.")


# --- jouer ----------------------------------------------------------------------------------------


@dataclass
class Game:
    """Des parties jouées de front, une par graine, sous les mêmes règles.

    Attributes:
        rules: les règles.
        seeds: les graines des poids de départ.
        generators, discriminators: les S réseaux de chaque camp.
        steps: pas où l'on a mesuré, 0 compris.
        measures: nom -> mesures [pas mesurés, S] : "js" et "kl", de la loi aux points de G sur
            une grille, en nats ; "discriminator" et "generator", les deux pertes.
    """

    rules: Rules
    seeds: list[int]
    generators: Ensemble
    discriminators: Ensemble
    steps: list[int] = field(default_factory=list)
    measures: dict[str, list[Tensor]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Tensor:
        return torch.stack(self.measures[name])

    def draw(self, count: int = SHOWN) -> Tensor:
        """Tire `count` points de chaque G : [S, count, 2]."""
        with evaluating(self.generators):
            return self.apart(draw(self.generators, len(self.seeds) * count))

    def apart(self, rows: Tensor) -> Tensor:
        """Sépare les parties : [S · N, m], les lignes d'un ensemble -> [S, N, m]."""
        return rows.unflatten(0, (len(self.seeds), -1))

    def players(self) -> dict[str, Player]:
        """Ce que `fit` fait jouer : à chaque pas, D autant de fois que le veut la règle, puis G.

        Chaque mise à jour de D a ses propres vrais points ; un lot en compte donc plusieurs.
        """
        nets = self.generators, self.discriminators
        loss = summed(self.loss, len(self.seeds))
        steps = (discriminator_step(*nets, loss), generator_step(*nets, loss))
        players = {}
        for camp in (0, 1):
            name, model = (("discriminator", nets[1]), ("generator", nets[0]))[camp]
            optimizer, rate = OPTIMIZERS[self.rules.optimizer], self.rules.rates[camp]
            for turn in range(self.rules.updates[camp]):
                step = _on_turn(steps[camp], turn if camp == 0 else 0)
                players[f"{name}_{turn}"] = Player(model, step, lr=rate, optimizer=optimizer)
        return players

    def batches(self) -> Iterator[list[Tensor]]:
        """Des lots sans fin : autant de paquets de vrais points [S · B, 2] que D a de tours."""
        turns, count = max(1, self.rules.updates[0]), len(self.seeds) * self.rules.batch_size
        while True:
            yield list(self.rules.law.sample(turns, count))

    def measure(self, step: int) -> None:
        """Ajoute une mesure de chaque partie, sur des points neufs."""
        count, law = len(self.seeds), self.rules.law
        drawn, real = self.draw(), law.sample(count, SHOWN)
        exact = law.shares()
        with evaluating(self.discriminators):
            on_real, on_drawn = (
                self.apart(self.discriminators(x.flatten(0, 1))) for x in (real, drawn)
            )  # [S, N, 1]
        losses = [
            [self.loss.discriminator(a, b), self.loss.generator(None, b)]
            for a, b in zip(on_real, on_drawn, strict=True)
        ]
        found = {
            "js": js_divergence(exact, cell_shares(drawn)),
            # Un demi-point de plus par case garde la KL finie.
            "kl": kl_divergence(exact, cell_shares(drawn, added=0.5)),
            "discriminator": torch.tensor([pair[0] for pair in losses]),
            "generator": torch.tensor([pair[1] for pair in losses]),
        }
        self.steps.append(step)
        for name, values in found.items():
            self.measures.setdefault(name, []).append(values)

    @property
    def loss(self) -> AdversarialLoss:
        """Les deux pertes du jeu."""
        return LOSSES[self.rules.loss]

    def opinion(self, x: Tensor, rank: int) -> Tensor:
        """Ce que le D de rang `rank` pense de points [N, 2] : leur probabilité d'être vrais, [N].

        La perte des moindres carrés n'a pas de sigmoïde : la sortie de D, bornée, en tient lieu.
        """
        with torch.no_grad():
            logits = self.discriminators.members()[rank](x)[:, 0]
        return logits.clamp(0, 1) if self.rules.loss == "least_squares" else logits.sigmoid()

    def grid(self, rank: int) -> Tensor:
        """L'image par le G de rang `rank` des nœuds de `noise_grid` : [n, n, 2], ou [n, 2]."""
        z = noise_grid(self.rules.latent_dim)
        with torch.no_grad():
            corners = self.generators.members()[rank](z.flatten(0, -2))
        return corners.unflatten(0, z.shape[:-1])

    def pushes(self, x: Tensor, rank: int) -> Tensor:
        """Le sens où la perte de G pousse des points [N, 2] : -∂L_G/∂x de chacun, [N, 2]."""
        x = x.detach().requires_grad_()
        logits = self.discriminators.members()[rank](x)
        total = len(x) * self.loss.generator(None, logits)  # la perte est une moyenne
        (gradient,) = torch.autograd.grad(total, x)
        return -gradient


def start(rules: Rules, seeds: Iterable[int] = range(5)) -> Game:
    """Prépare une partie par graine : poids tirés de chaque graine, aucun pas joué.

    Args:
        rules: les règles.
        seeds: les graines.

    Raises:
        ValueError: aucune graine.
    """
    seeds, networks = list(seeds), []
    if not seeds:
        raise ValueError("seeds : au moins une graine est attendue, comme range(5).")
    with preserved_rng():
        for seed in seeds:
            torch.manual_seed(seed)
            networks.append(rules.networks())
    generators, discriminators = (Ensemble(camp) for camp in zip(*networks, strict=True))
    return Game(rules, seeds, generators, discriminators)


def play(
    rules: Rules,
    steps: int = 2000,
    seeds: Iterable[int] = range(5),
    every: int = 500,
    after: Callable[[Game], object] | None = None,
) -> Game:
    """Joue une partie par graine, toutes de front, et les mesure tous les `every` pas.

    Args:
        rules: les règles.
        steps: nombre de pas, multiple de `every`.
        seeds: les graines des poids ; la première fixe aussi le hasard des bruits et des lots.
        every: pas entre deux mesures.
        after: fonction appelée avec la partie après chaque mesure, pour en garder des images.

    Raises:
        TypeError, ValueError: nombre de pas qui n'est pas un multiple de `every`, aucune graine.
        DivergenceError: poids ou perte infinis ou NaN.
    """
    every, steps = check_whole("every", every), check_whole("steps", steps)
    if steps % every:
        raise ValueError(f"steps doit être un multiple de every={every}, reçu steps={steps}.")
    game = start(rules, seeds)
    torch.manual_seed(game.seeds[0])

    def look(epoch: int) -> None:
        game.measure(epoch * every)
        if after is not None:
            after(game)

    with preserved_rng():
        look(0)
    # Les points viennent d'une loi vérifiée : ils n'ont pas à être dans [0, 1] comme des images.
    with trusted_inputs(), one_thread():
        fit(
            game.players(), game.batches(), steps // every, steps_per_epoch=every,
            after_epoch=look, log_every=0, precision="fp32",
        )  # fmt: skip
    return game


def _on_turn(step: Callable, turn: int) -> Callable:
    """Le même pas, sur le paquet de rang `turn` du lot."""
    return lambda batch: step([batch[turn]])


def summed(loss: AdversarialLoss, count: int) -> AdversarialLoss:
    """La somme, et non la moyenne, des pertes de `count` parties jouées de front.

    Chacune reçoit ainsi le gradient qu'elle aurait seule, quel que soit l'optimiseur.

    Args:
        loss: les pertes d'une partie.
        count: nombre de parties.
    """
    return AdversarialLoss(
        lambda real, fake: count * loss.discriminator(real, fake),
        lambda real, fake: count * loss.generator(real, fake),
        loss.is_relative,
    )


# --- regarder -------------------------------------------------------------------------------------


def cell_centres(side: int = SIDE) -> Tensor:
    """Le centre de chaque case du carré, [side², 2], dans l'ordre de `cell_shares`."""
    middles = (torch.arange(side) + 0.5) / side * 2 - 1
    y, x = torch.meshgrid(middles, middles, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)


def noise_grid(latent_dim: int, side: int = 20) -> Tensor:
    """Une grille régulière du bruit, en z gaussiens dont chaque case a la même probabilité.

    Args:
        latent_dim: dimension du bruit, 1 ou 2.
        side: cases par côté.

    Returns:
        [side + 1, side + 1, 2] pour un bruit de dimension 2, [side + 1, 1] pour une dimension 1.
        Les bords, de probabilité nulle, sont ramenés à 1 % et 99 %.

    Raises:
        ValueError: bruit de plus de deux dimensions.
    """
    if check_whole("latent_dim", latent_dim) > 2:
        raise ValueError(f"une grille se dessine en dimension 1 ou 2, reçu {latent_dim}.")
    z = torch.special.ndtri(torch.linspace(0.01, 0.99, side + 1))
    if latent_dim == 1:
        return z[:, None]
    return torch.stack(torch.meshgrid(z, z, indexing="ij"), dim=-1)
