"""Le jeu du plan : ses règles, ses mesures, et ce que son entraînement atteint."""

import math

import pytest
import torch

import labkit
from labkit import plane, points
from labkit.models import LOSSES, Ensemble, PlaneDiscriminator, PlaneGenerator, gan
from labkit.plane import Rules

SMALL = {"generator_dims": (8,), "discriminator_dims": (8,), "batch_size": 32}


@pytest.fixture(scope="module")
def ring():
    return plane.play(Rules(batch_size=128), steps=1000, every=500)


def test_the_ring_is_learnt(ring):
    """Le but annoncé : JS au quart de sa valeur de départ, pour quatre graines sur cinq."""
    js = ring["js"]
    assert js.shape == (3, 5) and ring.steps == [0, 500, 1000]
    assert (js[-1] <= js[0] / 4).sum() >= 4
    assert (ring["kl"][-1] < ring["kl"][0] / 4).sum() >= 4


def test_at_the_start_the_losses_are_those_of_a_coin(ring):
    assert ring["discriminator"][0].mean().item() == pytest.approx(2 * math.log(2), abs=0.1)
    assert ring["generator"][0].mean().item() == pytest.approx(math.log(2), abs=0.15)


def test_a_game_is_the_same_twice_and_leaves_the_randomness_alone():
    found = [plane.play(Rules(**SMALL), 20, range(2), every=10) for _ in range(2)]
    for name in ("js", "kl", "discriminator", "generator"):
        assert torch.equal(found[0][name], found[1][name])
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    plane.start(Rules(**SMALL))
    assert torch.equal(torch.rand(1), expected)


def test_a_game_computes_on_one_thread_and_gives_the_others_back():
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        plane.play(
            Rules(**SMALL), 1, [0], every=1, after=lambda _: seen.append(torch.get_num_threads())
        )
        assert seen[-1] == 1 and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_measuring_more_often_changes_nothing():
    games = [plane.play(Rules(**SMALL), 20, range(2), every=every) for every in (10, 20)]
    torch.testing.assert_close(games[0]["js"][-1], games[1]["js"][-1])


@pytest.mark.parametrize(("updates", "moved"), [((2, 0), (True, False)), ((0, 3), (False, True))])
def test_a_camp_of_zero_updates_does_not_move(updates, moved):
    rules = Rules(updates=updates, **SMALL)
    before, after = plane.start(rules, [0]), plane.play(rules, 3, [0], every=3)
    for camp, has_moved in zip(("discriminators", "generators"), moved, strict=True):
        same = [
            torch.equal(a, b)
            for a, b in zip(
                getattr(before, camp).parameters(), getattr(after, camp).parameters(), strict=True
            )
        ]
        assert all(same) is not has_moved


def test_each_update_of_d_has_points_of_its_own():
    game = plane.start(Rules(updates=(3, 1), **SMALL))
    assert list(game.players()) == [
        "discriminator_0", "discriminator_1", "discriminator_2", "generator_0",
    ]  # fmt: skip
    batch = next(game.batches())
    assert [list(x.shape) for x in batch] == [[5 * 32, 2]] * 3
    assert not torch.equal(batch[0], batch[1])


def test_d_alone_reaches_the_exact_optimum():
    """G figé, D entraîné seul tend vers p / (p + q), là où il y a des points."""
    rules = Rules(updates=(1, 0), rates=(5e-3, 1e-3))
    game = plane.play(rules, 800, [0], every=400)
    p, q = rules.law.shares(), points.cell_shares(game.draw(200_000)[0])
    best = points.optimal_discriminator(p, q)[:-1]
    learnt = game.opinion(plane.cell_centres(), 0).double()
    weight = ((p + q) / 2)[:-1]
    gap = ((learnt - best).abs() * weight)[weight > 0].sum()
    assert gap < 0.03
    start = plane.start(rules, [0]).opinion(plane.cell_centres(), 0).double()
    assert ((start - best).abs() * weight)[weight > 0].sum() > 0.3
    # À l'optimum, la perte de D vaut 2 log 2 - 2 JS(p, q).
    found = 2 * math.log(2) - 2 * points.js_divergence(p, q)
    assert game["discriminator"][-1].item() == pytest.approx(found.item(), abs=0.05)


@pytest.mark.parametrize("loss", plane.PLANE_LOSSES)
def test_the_push_is_the_gradient_of_the_loss_of_g(loss):
    game = plane.start(Rules(loss=loss, **SMALL), [0])
    x = torch.tensor([[0.2, -0.1], [0.5, 0.5]])
    network, step = game.discriminators.members()[0].double(), 1e-4

    def value(point):
        logit = network(point[None]).item()
        sigmoid = 1 / (1 + math.exp(-logit))
        return {
            "non_saturating": -math.log(sigmoid),
            "minimax": math.log(1 - sigmoid),
            "least_squares": (logit - 1) ** 2,
        }[loss]

    for point, push in zip(x, game.pushes(x, 0), strict=True):
        point = point.double()
        for axis in (0, 1):
            shift = step * torch.eye(2, dtype=torch.float64)[axis]
            slope = (value(point + shift) - value(point - shift)) / (2 * step)
            assert push[axis].item() == pytest.approx(-slope, abs=1e-4)


def test_opinions_are_probabilities():
    for loss in ("non_saturating", "least_squares"):
        game = plane.start(Rules(loss=loss, **SMALL), [0])
        opinion = game.opinion(10 * torch.randn(200, 2), 0)
        assert opinion.min() >= 0 and opinion.max() <= 1 and opinion.shape == (200,)


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.SGD])
@pytest.mark.parametrize("loss", ["non_saturating", "least_squares"])
def test_games_side_by_side_are_played_as_if_alone(monkeypatch, optimizer, loss):
    """Mêmes poids, mêmes points, même bruit : 40 pas de front égalent 40 pas joués seul."""
    count, steps, batch = 3, 40, 16
    torch.manual_seed(1)
    camps = (
        [PlaneGenerator(2, (6, 5)) for _ in range(count)],
        [PlaneDiscriminator((4, 3)) for _ in range(count)],
    )
    reals, noises = torch.rand(steps, count * batch, 2), torch.randn(2 * steps, count * batch, 2)

    def train(generator, discriminator, rows, scale):
        turns = iter(noises)
        monkeypatch.setattr(gan, "draw", lambda g, *_: g(next(turns)[rows]))
        losses = plane.summed(LOSSES[loss], scale)
        networks = {"d": discriminator, "g": generator}
        makers = {"d": gan.discriminator_step, "g": gan.generator_step}
        players = {
            name: labkit.Player(
                networks[name], make(generator, discriminator, losses), lr=0.01, optimizer=optimizer
            )
            for name, make in makers.items()
        }
        batches = [(x[rows],) for x in reals]
        labkit.fit(players, batches, 1, log_every=0, precision="fp32")

    together = [Ensemble(camp) for camp in camps]
    train(*together, slice(None), count)
    for rank in range(count):
        alone = [camp[rank] for camp in camps]
        train(*alone, slice(rank * batch, (rank + 1) * batch), 1)
        for network, ensemble in zip(alone, together, strict=True):
            for name, weight in ensemble.members()[rank].state_dict().items():
                expected = network.state_dict()[name]
                torch.testing.assert_close(weight, expected, atol=2e-5, rtol=1e-4)


def test_grids():
    centres = plane.cell_centres(4)
    shares = points.cell_shares(centres[5:6], side=4)
    assert shares.argmax() == 5
    assert plane.noise_grid(2, 10).shape == (11, 11, 2)
    assert plane.noise_grid(1, 10).shape == (11, 1)
    for latent_dim, shape in ((1, (21, 2)), (2, (21, 21, 2))):
        game = plane.start(Rules(latent_dim=latent_dim, **SMALL), [0, 1])
        corners = game.grid(1)
        assert corners.shape == shape
        z = plane.noise_grid(latent_dim)[-1:].reshape(-1, latent_dim)
        torch.testing.assert_close(corners[-1].reshape(-1, 2), game.generators.members()[1](z))
    with pytest.raises(ValueError, match="en dimension 1 ou 2, reçu 3"):
        plane.noise_grid(3)


@pytest.mark.parametrize(("settings", "error", "message"), [
    ({"updates": (0, 0)}, ValueError, "ni D ni G n'apprendrait"),
    ({"updates": (-1, 1)}, ValueError, r"updates\[0\] doit valoir au moins 0"),
    ({"updates": 5}, TypeError, r"écrivez updates=\(5, 1\)"),
    ({"updates": (1.5, 1)}, TypeError, r"updates\[0\] attend un nombre entier"),
    ({"loss": "wasserstein"}, ValueError, "loss='wasserstein' inconnu"),
    ({"optimizer": "Adam"}, ValueError, "Vouliez-vous dire 'adam'"),
    ({"rates": (0, 1e-3)}, ValueError, r"rates\[0\] doit être dans"),
    ({"rates": 1e-3}, TypeError, "deux taux"),
    ({"batch_size": 0}, ValueError, "batch_size doit valoir au moins 1"),
    ({"law": 3}, TypeError, r"un nom ou labkit.points.Law\(points\), reçu 3"),
    ({"law": "carré"}, ValueError, "'carré' inconnue"),
])  # fmt: skip
def test_impossible_rules_are_refused(settings, error, message):
    with pytest.raises(error, match=message):
        Rules(**settings)


def test_impossible_games_are_refused():
    with pytest.raises(
        ValueError, match="steps doit être un multiple de every=500, reçu steps=700"
    ):
        plane.play(Rules(), steps=700)
    with pytest.raises(ValueError, match="au moins une graine"):
        plane.start(Rules(), [])
    with pytest.raises(ValueError, match="au moins une couche cachée"):
        plane.start(Rules(generator_dims=()))
