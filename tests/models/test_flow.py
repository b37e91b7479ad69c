"""L'appariement de flux du lab 10, contre des lois dont la vitesse exacte est connue."""

import math

import pytest
import torch
from torch import nn

from labkit.models import FlowMatching, UNet
from labkit.models.flow import euler_step, heun_step
from tests.models.diffusion_toys import Zero, images


class GaussianFlow(nn.Module):
    """La vitesse exacte quand chaque pixel des images suit N(mean, std²)."""

    def __init__(self, mean: float = 0.3, std: float = 0.2):
        super().__init__()
        self.mean, self.std = mean, std
        self.instants = []

    def forward(self, x, instants):
        self.instants.append(instants)
        t = (instants / 999)[:, None, None, None]
        variance = ((1 - t) * self.std) ** 2 + t**2
        centred = x - (1 - t) * self.mean
        noise = t / variance * centred  # E[ε | x_t]
        image = self.mean + (1 - t) * self.std**2 / variance * centred  # E[x0 | x_t]
        return noise - image


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def last(states):
    return list(states)[-1][1]


# --- l'aller et la perte --------------------------------------------------------------------------


def test_mixing_joins_image_and_noise_in_a_straight_line():
    flow, x0, noise = FlowMatching(Zero()), images(3), torch.randn(3, 1, 8, 8)
    assert torch.equal(flow.forward_process(x0, 0, noise), x0)
    assert torch.equal(flow.forward_process(x0, 1.0, noise), noise)
    mixed = flow.forward_process(x0, torch.tensor([0.0, 0.25, 1.0]), noise)
    torch.testing.assert_close(mixed[1], 0.75 * x0[1] + 0.25 * noise[1])


def test_loss_of_a_null_velocity_is_the_size_of_the_true_one():
    """E‖ε - x0‖² = 1 + E‖x0‖², ε et x0 indépendants."""
    x0 = images(4000)
    loss = FlowMatching(Zero()).loss(x0)
    assert loss.item() == pytest.approx(1 + x0.square().mean().item(), abs=0.02)


def test_loss_of_the_best_velocity_is_the_variance_left():
    """Var(ε - x0 | x_t) = σ² / ((1 - t)² σ² + t²), dont la moyenne sur t est σ π / 2."""
    mean, std = 0.3, 0.1
    x0 = (mean + std * torch.randn(8000, 1, 8, 8)).clamp(-1, 1)
    loss = FlowMatching(GaussianFlow(mean, std)).loss(x0).item()
    assert loss == pytest.approx(std * math.pi / 2, rel=0.03)
    assert FlowMatching(GaussianFlow(mean, 2 * std)).loss(x0).item() > 1.05 * loss


def test_network_reads_uniform_instants_from_0_to_999():
    model = Zero()
    FlowMatching(model).loss(images(4000))
    ((_, instants, labels),) = model.calls
    assert labels is None
    assert instants.is_floating_point() and instants.shape == (4000,)
    assert 0 <= instants.min() < 2 and 997 < instants.max() <= 999
    assert instants.mean().item() == pytest.approx(499.5, abs=5 * 999 / math.sqrt(12 * 4000))


def test_loss_reaches_every_weight():
    flow = FlowMatching(UNet(width=2, time_emb_dim=8))
    flow.loss(images()).backward()
    assert all(p.grad.abs().sum() > 0 for p in flow.parameters() if p.requires_grad)


def test_uncentred_images_are_a_warning():
    with pytest.warns(UserWarning, match="aucun pixel de x0 n'est négatif"):
        FlowMatching(Zero()).loss(images().abs())


# --- tirer ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["euler", "heun"])
def test_fine_steps_carry_the_noise_to_the_data(method):
    """Vers une gaussienne, le flux exact mène x_1 à m + σ x_1."""
    flow = FlowMatching(GaussianFlow(0.3, 0.2))
    noise = torch.randn(5, 1, 8, 8)
    reached = last(flow.flow_steps(noise, steps=2000 if method == "euler" else 100, method=method))
    torch.testing.assert_close(reached, 0.3 + 0.2 * noise, atol=3e-3, rtol=0)


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("heun", 2)])
def test_error_falls_with_the_order_of_the_method(method, order):
    flow = FlowMatching(GaussianFlow(0.3, 0.5)).double()
    noise = torch.randn(5, 1, 8, 8, dtype=torch.float64)

    def error(steps):
        states = _exact_states(flow.model, noise, steps, method)
        return (states - 0.3 - 0.5 * noise).abs().max().item()

    assert error(80) / error(160) == pytest.approx(2**order, rel=0.1)


def _exact_states(model, x, steps, method):
    """Le trajet en float64, que le réseau de labkit fait en float32."""
    step = {"euler": euler_step, "heun": heun_step}[method]

    def velocity(x, t):
        return model(x, torch.full((len(x),), 999 * t, dtype=torch.float64))

    for k in range(steps):
        x = step(velocity, x, 1 - k / steps, 1 - (k + 1) / steps)
    return x


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_one_image_is_reached_by_euler_whatever_the_steps(steps):
    """Toutes les images égales, les trajets sont droits : un seul pas est exact."""
    flow, noise = FlowMatching(GaussianFlow(0.4, 0.0)), torch.randn(3, 1, 8, 8)
    reached = last(flow.flow_steps(noise, steps=steps))
    torch.testing.assert_close(reached, torch.full_like(noise, 0.4), atol=1e-5, rtol=0)


def test_steps_tell_where_they_are_and_call_the_network_at_their_times():
    flow, noise = FlowMatching(GaussianFlow()), torch.randn(2, 1, 8, 8)
    assert [t for t, _ in flow.flow_steps(noise, steps=4)] == [0.75, 0.5, 0.25, 0.0]
    seen = torch.stack(flow.model.instants)
    expected = torch.tensor([999, 749.25, 499.5, 249.75])[:, None].expand(4, 2)
    torch.testing.assert_close(seen, expected)


def test_heun_calls_the_network_twice_a_step():
    flow = FlowMatching(GaussianFlow())
    list(flow.flow_steps(torch.randn(2, 1, 8, 8), steps=3, method="heun"))
    assert len(flow.model.instants) == 6


def test_samples_are_in_the_unit_interval_and_follow_the_seed():
    flow = FlowMatching(UNet(width=2, time_emb_dim=8)).eval()
    torch.manual_seed(3)
    first = flow.sample(2, 16, steps=2)
    torch.manual_seed(3)
    start = flow.starting_noise(2, (16, 16))
    expected = ((last(flow.flow_steps(start, steps=2)) + 1) / 2).clamp(0, 1)
    assert first.shape == (2, 1, 16, 16) and not first.requires_grad
    assert torch.equal(first, expected)
    assert first.min() >= 0 and first.max() <= 1


def test_velocity_is_that_of_the_network():
    flow, x = FlowMatching(GaussianFlow()), torch.randn(2, 1, 8, 8)
    expected = flow.model(x, torch.tensor([999.0, 0.0]))
    torch.testing.assert_close(flow.predict_velocity(x, torch.tensor([1.0, 0.0])), expected)
    torch.testing.assert_close(flow.predict_velocity(x, 1)[:1], expected[:1])


# --- ce qui est refusé ----------------------------------------------------------------------------


@pytest.mark.parametrize("t", [-0.1, 1.5, math.nan, [0.1, 0.2], "tard", torch.rand(4, 1)])
def test_times_out_of_the_path_are_refused(t):
    flow, x = FlowMatching(Zero()), images(4)
    with pytest.raises(ValueError, match="temps t de 0 à 1 attendus"):
        flow.predict_velocity(x, t)


@pytest.mark.parametrize("method", ["rk4", "Heun", None, []])
def test_unknown_method_is_refused(method):
    with pytest.raises(ValueError, match="écrivez method='euler' ou method='heun'"):
        FlowMatching(Zero()).flow_steps(torch.randn(1, 1, 8, 8), method=method)


@pytest.mark.parametrize(("steps", "error"), [(0, ValueError), (2.5, TypeError)])
def test_steps_that_are_not_a_count_are_refused(steps, error):
    with pytest.raises(error, match="steps"):
        FlowMatching(Zero()).sample(1, 8, steps=steps)


def test_images_and_noise_of_another_shape_are_refused():
    flow = FlowMatching(UNet(width=2, time_emb_dim=8))
    with pytest.raises(ValueError, match=r"images \[B, 1, H, W\] attendues"):
        flow.loss(images().expand(4, 3, 8, 8))
    with pytest.raises(ValueError, match=r"images hors de \[-1, 1\]"):
        flow.loss(2 * images())
    with pytest.raises(ValueError, match="le bruit .* doit avoir la forme des images"):
        flow.forward_process(images(4), 0.5, torch.randn(3, 1, 8, 8))
    with pytest.raises(ValueError, match="image_size"):
        flow.sample(1, 4)
