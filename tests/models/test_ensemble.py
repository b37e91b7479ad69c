"""Des réseaux empilés calculent ce que chacun calculerait seul."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

import labkit
from labkit.data import ImageSet
from labkit.models import (
    DCDiscriminator,
    DCGenerator,
    Ensemble,
    Generator,
    discriminator_step,
    generator_step,
)

COUNT, SIZE = 3, 8


def networks(build):
    found = []
    for seed in range(COUNT):
        torch.manual_seed(seed)
        found.append(build())
    return found


@pytest.mark.parametrize("build", [Generator, partial(DCGenerator, width=4)], ids=["dense", "conv"])
def test_each_network_reads_its_own_rows(build):
    alone = [network.eval() for network in networks(build)]
    together = Ensemble(alone).eval()
    z = torch.randn(COUNT * SIZE, 100)
    apart = torch.cat([network(part) for network, part in zip(alone, z.split(SIZE), strict=True)])
    assert torch.allclose(together(z), apart, atol=1e-6)


def test_batch_normalisation_keeps_the_statistics_of_each():
    alone = [network.train() for network in networks(partial(DCDiscriminator, width=4))]
    together = Ensemble(alone).train()
    x = torch.rand(COUNT * SIZE, 1, 28, 28)
    together(x)
    for network, part, member in zip(alone, x.split(SIZE), together.members(), strict=True):
        network(part)
        for name, value in network.state_dict().items():
            assert torch.allclose(member.state_dict()[name], value, atol=1e-6), name


def test_dropout_differs_from_one_network_to_the_next():
    same = nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.5))
    together = Ensemble([same, copy.deepcopy(same)]).train()
    first, second = together(torch.ones(2, 4)).unbind()
    assert not torch.equal(first == 0, second == 0)


def test_a_game_played_together_is_the_games_played_alone():
    """Une perte moyenne divise chaque gradient par K : seul l'ε d'Adam voit la différence."""
    pixels = torch.randint(0, 256, (COUNT * SIZE, 1, 28, 28), dtype=torch.uint8)
    batch = ImageSet(pixels, torch.arange(COUNT * SIZE) % 10).tensors()
    noise = torch.randn(6, COUNT * SIZE, 100)

    def play(generator, discriminator, x, draws):
        draws = iter(draws)
        generator.register_forward_pre_hook(lambda module, args: (next(draws), *args[1:]))
        pair = generator, discriminator
        players = {
            "discriminator": labkit.Player(discriminator, discriminator_step(*pair)),
            "generator": labkit.Player(generator, generator_step(*pair)),
        }
        labkit.fit(players, [(x, batch[1][: len(x)])] * 3, 1, precision="fp32", log_every=0)

    build = partial(DCGenerator, width=4), partial(DCDiscriminator, width=4)
    alone = list(zip(*map(networks, build), strict=True))
    together = [Ensemble([copy.deepcopy(n) for n in nets]) for nets in zip(*alone, strict=True)]
    play(*together, batch[0], noise)
    for rank, pair in enumerate(alone):
        rows = slice(rank * SIZE, (rank + 1) * SIZE)
        play(*pair, batch[0][rows], noise[:, rows])
        for network, stacked in zip(pair, together, strict=True):
            member = stacked.members()[rank]
            for name, value in network.state_dict().items():
                assert torch.allclose(member.state_dict()[name], value, atol=2e-4), name


def test_members_are_copies():
    together = Ensemble(networks(Generator))
    before = copy.deepcopy(together.state_dict())
    for member in together.members():
        nn.init.zeros_(member.layers[0].weight)
    assert all(torch.equal(before[name], value) for name, value in together.state_dict().items())


def test_what_cannot_be_stacked():
    with pytest.raises(ValueError, match="reçu aucun réseau"):
        Ensemble([])
    with pytest.raises(ValueError, match="même architecture"):
        Ensemble([DCGenerator(width=4), DCGenerator(width=6)])
    with pytest.raises(ValueError, match="multiple de 3 lignes, reçu 10"):
        Ensemble(networks(Generator))(torch.randn(10, 100))
