"""Les réseaux du plan, et plusieurs d'entre eux calculés de front comme s'ils étaient seuls."""

import pytest
import torch

import labkit
from labkit.models import LOSSES, PlaneDiscriminator, PlaneGenerator, SideBySide, gan
from labkit.models.plane import summed


def test_shapes():
    assert PlaneGenerator(1, (5,))(torch.zeros(7, 1)).shape == (7, 2)
    assert PlaneDiscriminator((5, 4))(torch.zeros(7, 2)).shape == (7, 1)


def test_both_noises_have_mean_zero_and_variance_one():
    torch.manual_seed(0)
    z = torch.randn(100_000, 2)
    for noise in ("gaussian", "uniform"):
        found = PlaneGenerator(noise=noise).to_noise(z)
        assert found.mean().abs() < 0.01 and (found.var() - 1).abs() < 0.015
    assert found.abs().max() <= 3**0.5 + 1e-6
    assert (found.abs() < 3**0.5 / 2).float().mean().item() == pytest.approx(0.5, abs=0.01)


def make_pairs(count):
    torch.manual_seed(1)
    pairs = [(PlaneGenerator(2, (6, 5)), PlaneDiscriminator((4, 3))) for _ in range(count)]
    return [list(camp) for camp in zip(*pairs, strict=True)]


def test_side_by_side_gives_what_each_gives():
    generators, _ = make_pairs(3)
    together = SideBySide(generators)
    z = torch.randn(9, 6)
    assert together.latent_dim == 6
    for rank, (alone, columns) in enumerate(zip(generators, z.chunk(3, dim=1), strict=True)):
        expected = alone(columns)
        torch.testing.assert_close(together(z)[:, 2 * rank : 2 * rank + 2], expected)
        torch.testing.assert_close(together.network(rank)(columns), expected)


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.SGD])
@pytest.mark.parametrize("loss", ["non_saturating", "least_squares"])
def test_games_side_by_side_are_played_as_if_alone(monkeypatch, optimizer, loss):
    """Mêmes poids, mêmes points, même bruit : 40 pas de front égalent 40 pas joués seul."""
    count, steps, batch = 3, 40, 16
    generators, discriminators = make_pairs(count)
    reals = torch.rand(steps, batch, 2 * count)
    noises = torch.randn(2 * steps, batch, 2 * count)

    def train(generator, discriminator, part, scale):
        turns = iter(noises)
        monkeypatch.setattr(gan, "draw", lambda g, *_: g(next(turns)[:, part]))
        losses = summed(LOSSES[loss], scale)
        players = {
            "d": labkit.Player(
                discriminator, gan.discriminator_step(generator, discriminator, losses),
                lr=0.01, optimizer=optimizer,
            ),
            "g": labkit.Player(
                generator, gan.generator_step(generator, discriminator, losses),
                lr=0.01, optimizer=optimizer,
            ),
        }  # fmt: skip
        labkit.fit(players, [[x[:, part]] for x in reals], 1, log_every=0, precision="fp32")

    together = SideBySide(generators), SideBySide(discriminators)
    train(*together, slice(None), count)
    for rank, camps in enumerate(zip(generators, discriminators, strict=True)):
        train(*camps, slice(2 * rank, 2 * rank + 2), 1)
        for alone, wide in zip(camps, together, strict=True):
            for name, weight in wide.network(rank).state_dict().items():
                torch.testing.assert_close(weight, alone.state_dict()[name], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(("build", "error", "message"), [
    (lambda: PlaneGenerator(hidden_dims=()), ValueError, "au moins une couche cachée"),
    (lambda: PlaneDiscriminator([]), ValueError, "au moins une couche cachée"),
    (lambda: PlaneDiscriminator((0,)), ValueError, r"hidden_dims\[0\] doit valoir au moins 1"),
    (lambda: PlaneDiscriminator(32), TypeError, "suite d'entiers"),
    (lambda: PlaneGenerator(0), ValueError, "latent_dim doit valoir au moins 1"),
    (lambda: PlaneGenerator(noise="uniforme"), ValueError, "Vouliez-vous dire 'uniform'"),
])  # fmt: skip
def test_impossible_networks_are_refused(build, error, message):
    with pytest.raises(error, match=message):
        build()
