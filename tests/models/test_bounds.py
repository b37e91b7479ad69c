"""Les bornes et les mesures des VAE : contre une intégrale, une ACP, et le calcul du lab."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli

from labkit.data import load_images
from labkit.models import (
    VAE,
    ConvCVAE,
    DenseDecoder,
    DenseEncoder,
    active_units,
    evaluate,
    importance_weighted_bound,
    vae_loss_from_logits,
)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def dense_vae(latent_dim=5, hidden=(32,)) -> VAE:
    encoder = DenseEncoder(latent_dim=latent_dim, hidden_dims=hidden)
    return VAE(encoder, DenseDecoder(latent_dim=latent_dim, hidden_dims=hidden[::-1]))


# --- bornes ---------------------------------------------------------------------------------------


class Linear(nn.Module):
    """Un VAE à une dimension dont log p(x) se calcule par une intégrale simple."""

    def __init__(self, mean: float, std: float):
        super().__init__()
        self.latent_dim = 1
        self.mean, self.logvar = mean, 2 * math.log(std)
        self.slopes = 0.4 * torch.randn(100)
        self.offsets = torch.randn(100)

    def encoder_part(self) -> nn.Module:
        outer = self

        class Encoder(nn.Module):
            latent_dim = 1

            def forward(self, x):
                ones = torch.ones(len(x), 1)
                return outer.mean * ones, outer.logvar * ones

        return Encoder()

    def forward(self, z):
        return z * self.slopes + self.offsets  # [B, 1] -> [B, 100]


def log_likelihood(decoder: Linear, x: torch.Tensor, z: np.ndarray) -> np.ndarray:
    """log p(x|z) pour chaque z, en float64."""
    logits = torch.from_numpy(z)[:, None] * decoder.slopes.double() + decoder.offsets.double()
    return Bernoulli(logits=logits).log_prob(x.double()).sum(1).numpy()


@pytest.fixture
def toy():
    """Un VAE, une image, et par une grille fine : log p(x), les moments de log w et de w/p(x)."""
    mean, std = 0.2, 0.7
    decoder = Linear(mean, std)
    x = (torch.rand(1, 100) < (0.4 * decoder.slopes + decoder.offsets).sigmoid()).float()
    grid = np.linspace(-8, 8, 4001)
    step = grid[1] - grid[0]
    log_prior = -0.5 * (math.log(2 * math.pi) + grid**2)
    log_q = -0.5 * (math.log(2 * math.pi * std**2) + ((grid - mean) / std) ** 2)
    log_joint = log_likelihood(decoder, x, grid) + log_prior
    shift = log_joint.max()
    evidence = shift + math.log(np.exp(log_joint - shift).sum() * step)
    q, log_w = np.exp(log_q) * step, log_joint - log_q
    elbo = (q * log_w).sum()
    variance = (q * (log_w - elbo) ** 2).sum()
    dispersion = (q * (np.exp(log_w - evidence) - 1) ** 2).sum()
    return VAE(decoder.encoder_part(), decoder), x, evidence, elbo, variance, dispersion


def test_bound_with_one_draw_is_the_elbo(toy):
    vae, x, _, elbo, variance, _ = toy
    draws = importance_weighted_bound(vae, x.expand(4000, -1), k=1)
    assert draws.shape == (4000,)
    assert draws.mean().item() == pytest.approx(elbo, abs=5 * math.sqrt(variance / 4000))
    assert draws.var().item() == pytest.approx(variance, rel=0.5)


def test_bound_tightens_towards_the_evidence(toy):
    vae, x, evidence, elbo, _, dispersion = toy
    counts, means, errors = (1, 4, 16), [], []
    for k in counts:
        draws = importance_weighted_bound(vae, x.expand(4000, -1), k)
        means.append(draws.mean().item())
        errors.append(draws.std().item() / math.sqrt(4000))  # erreur type de la moyenne
    for i in range(2):
        assert means[i + 1] > means[i] - 5 * math.hypot(errors[i], errors[i + 1])
    assert evidence - elbo > 10 * errors[0]  # l'écart à combler n'est pas dans le bruit
    # log d'une moyenne de k poids d'espérance 1 : il reste Var(w) / 2k au premier ordre.
    assert evidence - means[2] == pytest.approx(dispersion / 32, abs=5 * errors[2])


def test_bound_is_exact_when_the_code_is_ignored():
    """Si x ne dépend pas de z et que q est la loi a priori, tous les poids valent p(x)."""
    decoder = Linear(mean=0.0, std=1.0)
    decoder.slopes = torch.zeros(100)
    x = torch.randint(0, 2, (2100, 100)).float()  # plus de deux blocs
    vae = VAE(decoder.encoder_part(), decoder)
    expected = Bernoulli(logits=decoder.offsets).log_prob(x).sum(1)
    for k in (1, 7):
        torch.testing.assert_close(importance_weighted_bound(vae, x, k), expected)


def test_negative_elbo_is_the_loss():
    vae, x = dense_vae(2), torch.rand(500, 784)
    with torch.no_grad():
        losses = [vae_loss_from_logits(*swap(vae, x))[0].item() / 500 for _ in range(20)]
    bound = torch.stack([importance_weighted_bound(vae, x, 1).mean() for _ in range(20)])
    assert not bound.requires_grad
    spread = math.hypot(np.std(losses), bound.std().item()) / math.sqrt(20)
    assert -bound.mean().item() == pytest.approx(np.mean(losses), abs=5 * spread + 1e-3)


def swap(vae, x):
    """Les arguments de la perte, dans son ordre."""
    logits, mu, logvar = vae.reconstruct_logits(x)
    return logits, x, mu, logvar


def test_active_units_of_made_up_means():
    draws = torch.randn(10_000, 4)
    scale = torch.tensor([1.0, 0.05, 0.2, 0.0])  # variances 1 ; 0,0025 ; 0,04 ; 0
    mu = scale * draws + torch.tensor([0.0, 5.0, -3.0, 2.0])  # la moyenne ne compte pas
    assert active_units(mu).tolist() == [True, False, True, False]
    assert active_units(mu, threshold=0.001).tolist() == [True, True, True, False]
    assert active_units(mu, threshold=0.5).sum() == 1


def test_active_units_of_a_linear_gaussian_model():
    """ACP probabiliste : mu(x) = W x / (|W|² + s²), sa variance est |W|² / (|W|² + s²)."""
    w, s = torch.tensor([2.0, 0.02]), 1.0  # variances exactes 0,8 et 0,0004
    z = torch.randn(50_000, 2)
    x = w * z + s * torch.randn(50_000, 2)
    mu = w * x / (w.square() + s**2)
    exact = w.square() / (w.square() + s**2)
    torch.testing.assert_close(mu.var(0), exact, rtol=5 * math.sqrt(2 / 50_000), atol=0)
    assert active_units(mu).tolist() == [True, False]


# --- mesurer --------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [dense_vae, lambda: ConvCVAE(width=4)])
def test_evaluation_is_the_mean_over_the_images(model):
    """Le calcul du lab 03, écrit à la main, sur des lots de tailles inégales."""
    images, model = load_images("digits").test, model().eval()
    torch.manual_seed(1)
    found = evaluate(model, images.batches(100))
    assert list(found) == ["total", "bce", "kl", "active"]
    torch.manual_seed(1)
    sums, means = torch.zeros(2), []
    for x, labels in images.batches(100):  # 100, 100 et 50 images
        inputs = (x, labels) if isinstance(model, ConvCVAE) else (x,)
        logits, mu, logvar = model.reconstruct_logits(*inputs)
        sums += torch.stack(vae_loss_from_logits(logits, x, mu, logvar)[1:]).detach()
        means.append(mu.detach())
    bce, kl = (sums / 250).tolist()
    assert found["bce"] == pytest.approx(bce, rel=1e-5)
    assert found["kl"] == pytest.approx(kl, rel=1e-5)
    assert found["total"] == found["bce"] + found["kl"]
    assert found["active"] == active_units(torch.cat(means)).sum()


def test_evaluation_leaves_the_model_as_it_was():
    """En mode entraînement, BatchNorm normaliserait par le lot mesuré, et le suivrait."""
    model, batches = ConvCVAE(width=4), load_images("digits").val.batches(50)
    model(*next(iter(batches)))  # des moyennes mobiles quelconques
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(1)
    while_training = evaluate(model.train(), batches)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    torch.manual_seed(1)
    assert evaluate(model.eval(), batches) == while_training
    assert not model.training


def test_evaluation_sees_collapse():
    vae = dense_vae()
    nn.init.zeros_(vae.encoder.to_mu.weight)
    vae.encoder.to_mu.weight.data[:2] = 1.0
    assert evaluate(vae, load_images("digits").val.batches(100))["active"] == 2


def test_evaluation_without_batches_is_refused():
    with pytest.raises(ValueError, match="batches : aucun lot à mesurer"):
        evaluate(dense_vae(), [])


@pytest.mark.parametrize(
    "call",
    [
        lambda vae, x: evaluate(vae, [(x, None)]),
        lambda vae, x: importance_weighted_bound(vae, x, 1),
    ],
)
@pytest.mark.parametrize("bad", [-0.1, 255.0, math.nan])
def test_images_outside_the_unit_interval(call, bad):
    x = torch.rand(3, 784)
    x[1, 5] = bad
    with pytest.raises(ValueError, match=r"images hors de \[0, 1\]"):
        call(dense_vae(), x)


@pytest.mark.parametrize("k", [0, -1])
def test_bound_needs_a_draw(k):
    with pytest.raises(ValueError, match=f"k doit valoir au moins 1, reçu k={k}"):
        importance_weighted_bound(dense_vae(), torch.rand(2, 784), k)
