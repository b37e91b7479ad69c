"""Le moteur des démonstrations, égal à PyTorch, et son hasard."""

import pytest
import torch

import labkit
from labkit.models import LOSSES, PlaneDiscriminator, PlaneGenerator, gan
from labkit.plane import OPTIMIZERS
from tests.demos.conftest import visit

STEPS, BATCH = 200, 64

# Rejoue dans la page la partie que labkit a jouée : mêmes poids, mêmes points, mêmes bruits.
REPLAY = """(fixture) => {
  const played = game.createGame(fixture.rules);
  const fill = (net, weights) => net.layers.forEach((layer, rank) => {
    layer.weight.set(weights[2 * rank].flat());
    layer.bias.set(weights[2 * rank + 1]);
  });
  const read = (net) => net.layers.flatMap((layer) => [[...layer.weight], [...layer.bias]]);
  fill(played.generator, fixture.generator);
  fill(played.discriminator, fixture.discriminator);
  const losses = fixture.batches.map(({ real, noises }) => [
    game.stepDiscriminator(played, { real, noise: noises[0] }),
    game.stepGenerator(played, { noise: noises[1] }),
  ]);
  return { losses, generator: read(played.generator), discriminator: read(played.discriminator) };
}"""


@pytest.fixture(scope="module")
def page(browser):
    with visit(browser, "ganlab/index.html", reduced_motion="reduce") as page:
        yield page


def weights(network):
    return [parameter.detach().tolist() for parameter in network.parameters()]


def make_fixture(monkeypatch, loss, optimizer, dtype):
    """Joue 200 pas avec labkit ; renvoie de quoi les rejouer, les pertes, et les deux réseaux."""
    torch.manual_seed(0)
    networks = PlaneGenerator(2, (32, 32)), PlaneDiscriminator((32, 32))
    fixture = {
        "rules": {"loss": loss, "optimizer": optimizer, "batchSize": BATCH, "rates": [2e-3, 1e-3]},
        "generator": weights(networks[0]),
        "discriminator": weights(networks[1]),
        "batches": [],
    }
    generator, discriminator = (network.to(dtype) for network in networks)
    law = labkit.points.law("ring")
    batches = [[law.sample(BATCH).to(dtype)] for _ in range(STEPS)]
    noises = [[torch.randn(BATCH, 2, dtype=dtype) for _ in range(2)] for _ in batches]
    fixture["batches"] = [
        {"real": real.flatten().tolist(), "noises": [n.flatten().tolist() for n in pair]}
        for (real,), pair in zip(batches, noises, strict=True)
    ]
    turns, losses = iter([noise for pair in noises for noise in pair]), []
    monkeypatch.setattr(gan, "draw", lambda g, *_: g(next(turns)))

    def noted(step):
        def play(batch):
            values = step(batch)
            losses.append(values["loss"].item())
            return values

        return play

    steps = {
        "discriminator": noted(gan.discriminator_step(generator, discriminator, LOSSES[loss])),
        "generator": noted(gan.generator_step(generator, discriminator, LOSSES[loss])),
    }
    players = {
        name: labkit.Player(model, steps[name], lr=rate, optimizer=OPTIMIZERS[optimizer])
        for name, model, rate in (
            ("discriminator", discriminator, 2e-3), ("generator", generator, 1e-3),
        )
    }  # fmt: skip
    with labkit.models.checks.trusted_inputs():
        labkit.fit(players, batches, 1, log_every=0, precision="fp32")
    return fixture, losses, generator, discriminator


@pytest.mark.parametrize(("loss", "optimizer", "dtype", "tolerance"), [
    ("non_saturating", "adam", torch.float32, 1e-4),
    ("non_saturating", "sgd", torch.float32, 1e-4),
    ("least_squares", "adam", torch.float32, 1e-4),
    ("least_squares", "sgd", torch.float32, 1e-4),
    ("non_saturating", "adam", torch.float64, 2e-6),
    # La perte minimax amplifie l'arrondi de float32 (8e-4 en 200 pas) : à lire en float64.
    ("minimax", "adam", torch.float64, 2e-6),
])  # fmt: skip
def test_two_hundred_steps_are_those_of_pytorch(
    page, monkeypatch, loss, optimizer, dtype, tolerance
):
    """Le moteur compte en float64 : contre float32, l'écart est l'arrondi de PyTorch.

    Il en reste contre float64, car les pertes de `gan` y sont calculées en float32.
    """
    fixture, losses, *networks = make_fixture(monkeypatch, loss, optimizer, dtype)
    found = page.evaluate(REPLAY, fixture)
    flat = torch.tensor(found["losses"], dtype=torch.float64).flatten()
    expected = torch.tensor(losses, dtype=torch.float64)
    torch.testing.assert_close(flat, expected, atol=tolerance, rtol=0)
    for network, name in zip(networks, ("generator", "discriminator"), strict=True):
        for ours, theirs in zip(network.parameters(), found[name], strict=True):
            replayed = torch.tensor(theirs, dtype=torch.float64).view_as(ours)
            torch.testing.assert_close(replayed, ours.detach().double(), atol=tolerance, rtol=0)
