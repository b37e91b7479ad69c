"""Des réseaux empilés calculent ce que chacun calculerait seul."""

import copy

import pytest
import torch
from torch import nn

from labkit.models import DCGenerator, Ensemble, PlaneDiscriminator, PlaneGenerator

COUNT, SIZE = 3, 8


def networks(build):
    found = []
    for seed in range(COUNT):
        torch.manual_seed(seed)
        found.append(build())
    return found


@pytest.mark.parametrize("noise", ["gaussian", "uniform"])
def test_each_network_reads_its_own_rows(noise):
    alone = networks(lambda: PlaneGenerator(noise=noise))
    together = Ensemble(alone)
    z = torch.randn(COUNT * SIZE, 2)
    apart = torch.cat([network(part) for network, part in zip(alone, z.split(SIZE), strict=True)])
    assert torch.allclose(together(z), apart, atol=1e-6)
    assert not torch.allclose(together(z), together(z.roll(SIZE, dims=0)).roll(-SIZE, dims=0))


def test_a_single_layer_is_a_network():
    alone = networks(lambda: nn.Linear(4, 3))
    x = torch.randn(COUNT * SIZE, 4)
    apart = torch.cat([layer(part) for layer, part in zip(alone, x.split(SIZE), strict=True)])
    together = Ensemble(alone)
    assert torch.allclose(together(x), apart, atol=1e-6)
    assert torch.equal(together.members()[2].weight, alone[2].weight)


def test_each_network_has_its_own_gradient():
    alone = networks(PlaneDiscriminator)
    together = Ensemble(alone)
    x = torch.randn(COUNT * SIZE, 2)
    together(x).square().sum().backward()
    for rank, (network, part) in enumerate(zip(alone, x.split(SIZE), strict=True)):
        network(part).square().sum().backward()
        for name, weight in network.named_parameters():
            found = together.network.get_parameter(name).grad[rank]
            assert torch.allclose(found, weight.grad, atol=1e-5), name


def test_dropout_differs_from_one_network_to_the_next():
    same = nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.5))
    together = Ensemble([same, copy.deepcopy(same)]).train()
    first, second = together(torch.ones(2, 4)).unbind()
    assert not torch.equal(first == 0, second == 0)


def test_members_are_copies():
    together = Ensemble(networks(PlaneGenerator))
    before = copy.deepcopy(together.state_dict())
    for member in together.members():
        nn.init.zeros_(member.layers[0].weight)
    assert all(torch.equal(before[name], value) for name, value in together.state_dict().items())


def test_members_follow_the_mode_of_the_ensemble():
    together = Ensemble(networks(PlaneGenerator))
    assert together.members()[0].training
    assert not together.eval().members()[0].training


def test_what_cannot_be_stacked():
    with pytest.raises(ValueError, match="reçu aucun réseau"):
        Ensemble([])
    with pytest.raises(ValueError, match="même architecture"):
        Ensemble([PlaneGenerator(), PlaneGenerator(latent_dim=1)])
    with pytest.raises(ValueError, match="des poids dans BatchNorm2d, Conv"):
        Ensemble(networks(lambda: DCGenerator(width=4)))
    with pytest.raises(ValueError, match="avec biais ; ce réseau a aussi des poids dans Linear"):
        Ensemble([nn.Linear(2, 1, bias=False)])
    layer = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="une couche sert deux fois"):
        Ensemble([nn.Sequential(layer, nn.ReLU(), layer)])
    with pytest.raises(ValueError, match="multiple de 3 lignes, reçu 10"):
        Ensemble(networks(PlaneGenerator))(torch.randn(10, 2))
