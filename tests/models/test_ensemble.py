"""Des réseaux empilés donnent ce que chacun donne, gradients compris."""

import pytest
import torch

from labkit.models import Ensemble, PlaneDiscriminator, PlaneGenerator


def make(count):
    torch.manual_seed(0)
    return [PlaneGenerator(3, (6, 5)) for _ in range(count)]


def test_an_ensemble_gives_what_each_gives():
    networks, z = make(4), torch.randn(4 * 9, 3)
    ensemble = Ensemble(networks)
    assert ensemble.latent_dim == 3 and ensemble.count == 4
    expected = torch.cat([n(part) for n, part in zip(networks, z.chunk(4), strict=True)])
    torch.testing.assert_close(ensemble(z), expected)


def test_each_gradient_is_its_own():
    networks, z = make(3), torch.randn(3 * 5, 3)
    ensemble = Ensemble(networks)
    ensemble(z).square().sum().backward()
    for rank, (network, part) in enumerate(zip(networks, z.chunk(3), strict=True)):
        network(part).square().sum().backward()
        for stacked, alone in zip(ensemble.parameters(), network.parameters(), strict=True):
            torch.testing.assert_close(stacked.grad[rank], alone.grad)


def test_members_are_copies():
    networks = make(2)
    ensemble = Ensemble(networks).eval()
    for network, member in zip(networks, ensemble.members(), strict=True):
        for ours, theirs in zip(member.parameters(), network.parameters(), strict=True):
            assert torch.equal(ours, theirs)
        assert not member.training
        with torch.no_grad():
            next(member.parameters()).zero_()
    assert all(bool(parameter.any()) for parameter in ensemble.parameters())


def test_it_is_saved_with_its_weights_alone():
    ensemble, other = Ensemble(make(2)), Ensemble([PlaneGenerator(3, (6, 5)) for _ in range(2)])
    assert len(list(ensemble.parameters())) == len(list(make(1)[0].parameters()))
    other.load_state_dict(ensemble.state_dict())
    z = torch.randn(4, 3)
    assert torch.equal(other(z), ensemble(z))


@pytest.mark.parametrize(("build", "message"), [
    (lambda: Ensemble([]), "reçu aucun réseau"),
    (lambda: Ensemble([*make(1), PlaneGenerator(3, (6, 4))]), "même architecture"),
    (lambda: Ensemble([*make(1), PlaneDiscriminator((6, 5))]), "PlaneDiscriminator"),
    (lambda: Ensemble(make(3))(torch.zeros(7, 3)), "un multiple de 3 lignes, reçu 7"),
])  # fmt: skip
def test_mistakes_are_explained(build, message):
    with pytest.raises(ValueError, match=message):
        build()
