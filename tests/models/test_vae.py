"""Les VAE du lab 03 : leurs formes, leur perte contre torch, leur pas."""

import inspect
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Bernoulli, Normal, kl_divergence

from labkit.models import (
    VAE,
    ConvCVAE,
    ConvDecoder,
    ConvEncoder,
    DenseDecoder,
    DenseEncoder,
    gaussian_kl,
    reparameterize,
    vae_loss,
    vae_loss_from_logits,
    vae_step,
)

DENSE = [(400,), (256, 128), (512, 256), (512, 256, 64)]
CONVOLUTIONAL = [(32, 64), (16, 32, 64), (32, 64, 128)]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def dense_vae(latent_dim=5, hidden=(512, 256)) -> VAE:
    encoder = DenseEncoder(latent_dim=latent_dim, hidden_dims=hidden)
    return VAE(encoder, DenseDecoder(latent_dim=latent_dim, hidden_dims=hidden[::-1]))


def conv_vae(latent_dim=10, channels=(32, 64, 128)) -> VAE:
    return VAE(ConvEncoder(latent_dim, channels), ConvDecoder(latent_dim, channels))


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


# --- les réseaux ----------------------------------------------------------------------------------


def test_parameter_counts_of_the_report():
    assert count(dense_vae(5)) == 1_071_130
    assert count(conv_vae(10)) == 313_557


@pytest.mark.parametrize("latent_dim", [2, 20])
@pytest.mark.parametrize("hidden", DENSE)
def test_dense_parameter_count(hidden, latent_dim):
    """Une couche de n à m a m (n + 1) paramètres ; deux têtes à l'encodeur."""
    sizes = [784, *hidden]
    body = sum(m * (n + 1) for n, m in zip(sizes[:-1], sizes[1:], strict=True))
    heads = 2 * latent_dim * (hidden[-1] + 1)
    sizes = [latent_dim, *hidden[::-1], 784]
    mirror = sum(m * (n + 1) for n, m in zip(sizes[:-1], sizes[1:], strict=True))
    assert count(dense_vae(latent_dim, hidden)) == body + heads + mirror


@pytest.mark.parametrize("latent_dim", [2, 20])
@pytest.mark.parametrize("channels", CONVOLUTIONAL)
def test_convolutional_parameter_count(channels, latent_dim):
    """Une convolution k×k de n à m canaux a m (n k² + 1) paramètres."""
    kernels = [4, 4, 3][: len(channels)]
    flat = channels[-1] * (25 if len(channels) == 3 else 49)
    planes = [1, *channels]
    steps = list(zip(planes[:-1], planes[1:], kernels, strict=True))
    body = sum(m * (n * k * k + 1) for n, m, k in steps)
    mirror = sum(n * (m * k * k + 1) for n, m, k in steps)
    heads = 2 * latent_dim * (flat + 1)
    assert count(conv_vae(latent_dim, channels)) == body + heads + flat * (latent_dim + 1) + mirror


@pytest.mark.parametrize("shape", [(3, 1, 28, 28), (3, 784), (1, 1, 28, 28)])
@pytest.mark.parametrize("hidden", DENSE)
def test_dense_shapes(hidden, shape):
    vae = dense_vae(7, hidden)
    x_recon, mu, logvar = vae(torch.rand(shape))
    assert mu.shape == logvar.shape == (shape[0], 7)
    assert x_recon.shape == (shape[0], 784)
    assert vae.latent_dim == 7


@pytest.mark.parametrize("shape", [(3, 1, 28, 28), (3, 784), (1, 1, 28, 28)])
@pytest.mark.parametrize("channels", CONVOLUTIONAL)
def test_convolutional_shapes(channels, shape):
    vae = conv_vae(4, channels)
    x_recon, mu, logvar = vae(torch.rand(shape))
    assert mu.shape == logvar.shape == (shape[0], 4)
    assert x_recon.shape == (shape[0], 1, 28, 28)


@pytest.mark.parametrize("channels", CONVOLUTIONAL)
def test_decoder_mirrors_the_encoder(channels):
    """Les cartes ont les mêmes tailles à l'aller et au retour, dans l'ordre inverse."""

    def shapes(network, start, layer_types):
        found = []
        for layer in network:
            start = layer(start)
            if isinstance(layer, layer_types):
                found.append(tuple(start.shape[1:]))
        return found

    vae = conv_vae(6, channels)
    down = shapes(vae.encoder.hidden, torch.rand(2, 1, 28, 28), nn.Conv2d)
    up = shapes(vae.decoder.layers, torch.randn(2, 6), (nn.Unflatten, nn.ConvTranspose2d))
    assert down == up[-2::-1]
    assert up[-1] == (1, 28, 28)
    sides = [14, 7, 5][: len(channels)]
    assert down == [(c, side, side) for c, side in zip(channels, sides, strict=True)]


@pytest.mark.parametrize("make", [dense_vae, conv_vae])
def test_same_image_flat_or_not(make):
    vae, x = make(), torch.rand(4, 1, 28, 28)
    for one, other in zip(vae.encode(x), vae.encode(x.flatten(1)), strict=True):
        torch.testing.assert_close(one, other)


def test_dense_encoder_layer_by_layer():
    encoder = DenseEncoder(latent_dim=3).double()
    x = torch.rand(4, 784, dtype=torch.float64)
    w = dict(encoder.named_parameters())
    h = x
    for layer in (0, 2):
        h = (h @ w[f"hidden.{layer}.weight"].T + w[f"hidden.{layer}.bias"]).clamp(min=0)
    mu, logvar = encoder(x)
    torch.testing.assert_close(mu, h @ w["to_mu.weight"].T + w["to_mu.bias"])
    torch.testing.assert_close(logvar, h @ w["to_logvar.weight"].T + w["to_logvar.bias"])


def test_dense_decoder_layer_by_layer():
    decoder = DenseDecoder(latent_dim=3).double()
    h = z = 5 * torch.randn(4, 3, dtype=torch.float64)
    w = list(decoder.parameters())
    for layer in range(3):
        h = h @ w[2 * layer].T + w[2 * layer + 1]
        h = h if layer == 2 else h.clamp(min=0)  # la sortie est un logit, sans sigmoïde
    torch.testing.assert_close(decoder(z), h)


@pytest.mark.parametrize("channels", CONVOLUTIONAL)
def test_convolutions_layer_by_layer(channels):
    vae = conv_vae(3, channels).double()
    h = x = torch.rand(4, 1, 28, 28, dtype=torch.float64)
    *w, mu_weight, mu_bias, _, _ = vae.encoder.parameters()
    strides = [(2, 1), (2, 1), (1, 0)][: len(channels)]  # (pas, remplissage) de chaque convolution
    for layer, (stride, padding) in enumerate(strides):
        h = F.conv2d(h, w[2 * layer], w[2 * layer + 1], stride, padding).clamp(min=0)
    torch.testing.assert_close(vae.encode(x)[0], h.flatten(1) @ mu_weight.T + mu_bias)

    z = torch.randn(4, 3, dtype=torch.float64)
    weight, bias, *w = vae.decoder.parameters()
    h = (z @ weight.T + bias).clamp(min=0).view_as(h)
    for layer, (stride, padding) in enumerate(reversed(strides)):
        h = h.clamp(min=0)  # sans effet sur la première carte, déjà rectifiée
        h = F.conv_transpose2d(h, w[2 * layer], w[2 * layer + 1], stride, padding)
    torch.testing.assert_close(vae.decode_logits(z), h)


@pytest.mark.parametrize("make", [dense_vae, conv_vae])
def test_decode_is_the_sigmoid_of_the_logits(make):
    vae = make()
    z = torch.randn(8, vae.latent_dim)
    torch.testing.assert_close(vae.decode(z), 1 / (1 + torch.exp(-vae.decode_logits(z))))


@pytest.mark.parametrize("make", [dense_vae, conv_vae])
def test_ranges_however_far_the_code(make):
    vae = make()
    decoded = vae.decode(1e4 * torch.randn(32, vae.latent_dim))
    assert decoded.min() >= 0
    assert decoded.max() <= 1
    mu, logvar = vae.encode(torch.rand(32, 784))
    assert mu.min() < 0 < mu.max()  # ni la moyenne ni la log-variance ne sont rectifiées
    assert logvar.min() < 0 < logvar.max()


@pytest.mark.parametrize("make", [dense_vae, conv_vae])
def test_every_parameter_learns(make):
    vae, x = make(), torch.rand(16, 1, 28, 28)
    logits, mu, logvar = vae.reconstruct_logits(x)
    vae_loss_from_logits(logits, x, mu, logvar)[0].backward()
    assert all(p.grad.abs().sum() > 0 for p in vae.parameters())


@pytest.mark.parametrize("make", [dense_vae, conv_vae])
def test_forward_and_logits_agree(make):
    vae, x = make(), torch.rand(5, 1, 28, 28)
    torch.manual_seed(1)
    logits, mu, logvar = vae.reconstruct_logits(x)
    torch.manual_seed(1)
    x_recon, mu_again, logvar_again = vae(x)
    torch.testing.assert_close(x_recon, logits.sigmoid())
    assert torch.equal(mu, mu_again)
    assert torch.equal(logvar, logvar_again)
    assert not torch.equal(vae(x)[0], x_recon)  # un nouveau z à chaque appel


# --- reparamétrisation ----------------------------------------------------------------------------


def test_reparameterization_draws_from_the_right_law():
    mu = torch.tensor([[1.0, -2.0]]).expand(200_000, 2)
    logvar = torch.tensor([[math.log(4.0), math.log(0.25)]]).expand(200_000, 2)
    z = reparameterize(mu, logvar)
    # Erreur type σ/√N sur la moyenne, σ/√(2N) sur l'écart type : cinq d'entre elles.
    tolerance = 5 * torch.tensor([2.0, 0.5]) / math.sqrt(200_000)
    assert ((z.mean(0) - mu[0]).abs() < tolerance).all()
    assert ((z.std(0) - torch.tensor([2.0, 0.5])).abs() < tolerance).all()
    assert abs(np.corrcoef(z.T.numpy())[0, 1]) < 5 / math.sqrt(200_000)


def test_gradient_passes_through_the_reparameterization():
    mu = torch.randn(6, 3, requires_grad=True)
    logvar = torch.randn(6, 3, requires_grad=True)
    z = reparameterize(mu, logvar)
    weights = torch.randn(6, 3)
    (weights * z).sum().backward()
    torch.testing.assert_close(mu.grad, weights)  # dz/dmu = 1
    epsilon = (z - mu) / torch.exp(0.5 * logvar)
    expected = weights * 0.5 * torch.exp(0.5 * logvar) * epsilon  # dz/dlogvar = ½ σ ε
    torch.testing.assert_close(logvar.grad, expected)
    assert (mu.grad != 0).all()
    assert (logvar.grad != 0).all()


def test_no_gradient_passes_through_a_direct_draw():
    mu = torch.randn(6, 3, requires_grad=True)
    logvar = torch.randn(6, 3, requires_grad=True)
    assert not Normal(mu, torch.exp(0.5 * logvar)).sample().requires_grad
    with torch.no_grad():
        assert not reparameterize(mu, logvar).requires_grad


def test_vae_uses_the_reparameterization():
    vae, x = conv_vae(3), torch.rand(4, 1, 28, 28)
    logits, _, _ = vae.reconstruct_logits(x)
    logits.sum().backward()  # sans KL : le gradient n'atteint l'encodeur que par z
    assert vae.encoder.to_mu.weight.grad.abs().sum() > 0
    assert vae.encoder.to_logvar.weight.grad.abs().sum() > 0


# --- perte ----------------------------------------------------------------------------------------


def test_kl_against_torch_distributions():
    mu, logvar = 3 * torch.randn(50, 8), 2 * torch.randn(50, 8)
    prior = Normal(torch.zeros(50, 8), torch.ones(50, 8))
    expected = kl_divergence(Normal(mu, torch.exp(0.5 * logvar)), prior)
    torch.testing.assert_close(gaussian_kl(mu, logvar), expected)


def test_kl_is_never_negative_and_zero_at_the_prior():
    assert (gaussian_kl(torch.zeros(4, 2), torch.zeros(4, 2)) == 0).all()
    assert (gaussian_kl(5 * torch.randn(10_000, 1), 5 * torch.randn(10_000, 1)) >= 0).all()
    logvar = torch.logspace(-12, 0, 1000)[:, None]  # tout près de la loi a priori
    near = gaussian_kl(torch.zeros(2000, 1), torch.cat([logvar, -logvar]))
    assert near.min() > -1e-8
    exact = (logvar.double().exp() - 1 - logvar.double()) / 2
    torch.testing.assert_close(near[:1000].double(), exact, atol=1e-8, rtol=1e-4)


def test_kl_is_summed_in_float32():
    kl = gaussian_kl(torch.full((100, 10), 1.5).bfloat16(), torch.zeros(100, 10).bfloat16())
    assert kl.dtype == torch.float32
    assert kl.sum().item() == pytest.approx(1000 * 1.125)


@pytest.mark.parametrize("shape", [(6, 784), (6, 1, 28, 28)])
def test_bce_against_torch(shape):
    logits, x = 4 * torch.randn(shape), torch.rand(6, 1, 28, 28)
    mu, logvar = torch.randn(6, 3), torch.randn(6, 3)
    x_recon = logits.sigmoid()
    precise = logits.double().sigmoid().view_as(x)
    exact = F.binary_cross_entropy(precise, x.double(), reduction="sum")
    rounded = F.binary_cross_entropy(x_recon.view_as(x), x, reduction="sum")
    for (total, bce, kl), expected in (
        (vae_loss_from_logits(logits, x, mu, logvar), exact.float()),
        (vae_loss(x_recon, x, mu, logvar), rounded),  # 1 - x_recon a déjà perdu des décimales
    ):
        torch.testing.assert_close(bce, expected, rtol=2e-6, atol=0)
        torch.testing.assert_close(kl, gaussian_kl(mu, logvar).sum())
        torch.testing.assert_close(total, bce + kl)
        assert total.dim() == bce.dim() == kl.dim() == 0


def test_bce_of_binary_images_is_the_bernoulli_likelihood():
    logits, x = torch.randn(5, 784), torch.randint(0, 2, (5, 784)).float()
    _, bce, _ = vae_loss_from_logits(logits, x, torch.zeros(5, 2), torch.zeros(5, 2))
    torch.testing.assert_close(bce, -Bernoulli(logits=logits).log_prob(x).sum())


@pytest.mark.parametrize("beta", [0, 0.2, 1.0, 5])
def test_beta_weighs_the_kl_only(beta):
    logits, x = torch.randn(4, 784), torch.rand(4, 784)
    mu, logvar = torch.randn(4, 2), torch.randn(4, 2)
    plain = vae_loss_from_logits(logits, x, mu, logvar)
    for loss in (vae_loss_from_logits, vae_loss):
        output = logits if loss is vae_loss_from_logits else logits.sigmoid()
        total, bce, kl = loss(output, x, mu, logvar, beta=beta)
        torch.testing.assert_close(total, plain[1] + beta * plain[2])
        torch.testing.assert_close((bce, kl), plain[1:])


def test_loss_is_summed_over_the_batch():
    logits, x, mu, logvar = (torch.rand(8, d) for d in (784, 784, 3, 3))
    whole = vae_loss_from_logits(logits, x, mu, logvar)
    parts = [
        vae_loss_from_logits(*(t[half] for t in (logits, x, mu, logvar)))
        for half in (slice(0, 3), slice(3, 8))
    ]
    torch.testing.assert_close(torch.stack(whole), sum(torch.stack(part) for part in parts))


def test_logits_loss_is_exact_where_the_sigmoid_saturates():
    logits = torch.tensor([1000.0, -1000.0]).repeat(392)[None].bfloat16().requires_grad_()
    x = torch.tensor([0.0, 1.0]).repeat(392)[None]
    zeros = torch.zeros(1, 2)
    bce = vae_loss_from_logits(logits, x, zeros, zeros)[1]
    assert bce.dtype == torch.float32
    assert bce.item() == pytest.approx(784 * 1000)  # tous les pixels sûrs d'eux, et faux
    bce.backward()
    torch.testing.assert_close(logits.grad.float(), torch.tensor([1.0, -1.0]).repeat(392)[None])
    assert vae_loss_from_logits(logits, 1 - x, zeros, zeros)[1] == 0


def test_image_loss_stays_finite_where_the_sigmoid_saturates():
    logits = torch.tensor([1000.0, -1000.0]).repeat(392)[None].requires_grad_()
    x = torch.tensor([0.0, 1.0]).repeat(392)[None]
    zeros = torch.zeros(1, 2)
    total, bce, _ = vae_loss(logits.sigmoid(), x, zeros, zeros)
    total.backward()
    assert bce.item() > 784 * 80
    assert bce.isfinite()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("make", [dense_vae, conv_vae])
def test_both_losses_under_bf16_autocast(make):
    vae, x = make(), (torch.rand(64, 1, 28, 28) > 0.8).float()
    torch.manual_seed(1)
    logits, mu, logvar = vae.reconstruct_logits(x)
    expected = vae_loss_from_logits(logits, x, mu, logvar)
    with torch.autocast("cpu", torch.bfloat16):
        torch.manual_seed(1)
        logits, mu, logvar = vae.reconstruct_logits(x)
        assert logits.dtype == torch.bfloat16
        from_logits = vae_loss_from_logits(logits, x, mu, logvar)
        torch.manual_seed(1)
        x_recon, mu, logvar = vae(x)
        assert x_recon.dtype == torch.float32
        from_images = vae_loss(x_recon, x, mu, logvar)
    for losses in (from_logits, from_images):
        assert all(value.dtype == torch.float32 for value in losses)
        torch.testing.assert_close(losses[0], expected[0], rtol=2**-8, atol=0)  # précision de bf16


def test_images_sure_of_themselves_stay_exact_in_bf16():
    """En bf16, sigmoïde(7) vaudrait 1 et un pixel éteint coûterait 87 nats au lieu de 7."""

    class Sure(nn.Module):
        latent_dim = 1

        def forward(self, z):
            return torch.full((len(z), 784), 7.0, dtype=torch.bfloat16)

    vae = VAE(DenseEncoder(latent_dim=1), Sure())
    x_recon = vae.decode(torch.zeros(2, 1))
    zeros = torch.zeros(2, 1)
    bce = vae_loss(x_recon, torch.zeros(2, 784), zeros, zeros)[1]
    assert bce.item() == pytest.approx(2 * 784 * math.log1p(math.exp(7)), rel=1e-4)


def test_nan_reaches_the_loss():
    """`fit` explique une perte NaN mieux que ne le ferait la perte."""
    nan, x, zeros = torch.full((1, 784), math.nan), torch.rand(1, 784), torch.zeros(1, 2)
    assert vae_loss_from_logits(nan, x, zeros, zeros)[0].isnan()
    assert vae_loss(nan, x, zeros, zeros)[0].isnan()


# --- le pas ---------------------------------------------------------------------------------------


def by_hand(model, batch, beta=1.0):
    """Le pas écrit tel que le lab 03 l'explique."""
    inputs = batch if isinstance(model, ConvCVAE) else batch[:1]
    logits, mu, logvar = model.reconstruct_logits(*inputs)
    total, bce, kl = vae_loss_from_logits(logits, batch[0], mu, logvar, beta)
    return {"loss": total / len(mu), "bce": bce / len(mu), "kl": kl / len(mu)}


@pytest.mark.parametrize("make", [dense_vae, conv_vae, lambda: ConvCVAE(width=4)])
def test_step_is_the_loss_of_the_lab_per_image(make):
    model, batch = make(), (torch.rand(6, 1, 28, 28), torch.arange(6))
    for beta in (1.0, 0.2, 5):
        torch.manual_seed(1)
        values = vae_step(model, beta)(batch)
        torch.manual_seed(1)
        expected = by_hand(model, batch, beta)
        assert list(values) == ["loss", "bce", "kl"]
        assert all(torch.equal(values[name], expected[name]) for name in values)
    values["loss"].backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


def test_weight_may_follow_the_training():
    """`fit` donne la part faite aux pas à deux arguments : rien à compter, donc rien à rejouer."""
    model, batch = dense_vae(3, (16,)), (torch.rand(4, 784), torch.zeros(4))
    step = vae_step(model, lambda progress: 2 * min(1.0, 4 * progress))
    for progress, beta in ((0.0, 0.0), (0.125, 1.0), (0.25, 2.0), (1.0, 2.0), (0.125, 1.0)):
        torch.manual_seed(1)
        values = step(batch, progress)
        torch.manual_seed(1)
        assert torch.equal(values["loss"], by_hand(model, batch, beta)["loss"])


@pytest.mark.parametrize(("beta", "arguments"), [(1.0, 1), (lambda progress: progress, 2)])
def test_step_says_by_its_arguments_whether_it_follows(beta, arguments):
    step = vae_step(dense_vae(2, (8,)), beta)
    required = [p for p in inspect.signature(step).parameters.values() if p.default is p.empty]
    assert len(required) == arguments


def test_step_checks_the_range_of_the_images_once(monkeypatch):
    counted, original = [], torch.Tensor.aminmax
    monkeypatch.setattr(torch.Tensor, "aminmax", lambda x: counted.append(x) or original(x))
    for model in (conv_vae(), ConvCVAE(width=4)):
        counted.clear()
        vae_step(model)((torch.rand(4, 1, 28, 28), torch.arange(4)))
        assert len(counted) == 1
        with pytest.raises(ValueError, match=r"images hors de \[0, 1\]"):
            vae_step(model)((255 * torch.rand(4, 1, 28, 28), torch.arange(4)))


def test_step_refuses_a_negative_weight():
    with pytest.raises(ValueError, match="beta doit être positif ou nul, reçu -1"):
        vae_step(dense_vae(2, (8,)), -1)
    step = vae_step(dense_vae(2, (8,)), lambda progress: progress - 0.5)
    with pytest.raises(ValueError, match="beta doit être positif ou nul, reçu -0.5"):
        step((torch.rand(2, 784), torch.zeros(2)), 0.0)


# --- erreurs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [DenseEncoder, DenseDecoder, ConvEncoder, ConvDecoder])
@pytest.mark.parametrize("latent_dim", [0, -3])
def test_latent_dimension_must_be_positive(part, latent_dim):
    with pytest.raises(ValueError, match=f"au moins 1, reçu latent_dim={latent_dim}"):
        part(latent_dim=latent_dim)


@pytest.mark.parametrize("part", [ConvEncoder, ConvDecoder])
@pytest.mark.parametrize("channels", [(32,), (8, 16, 32, 64)])
def test_two_or_three_convolutions(part, channels):
    with pytest.raises(ValueError, match=f"deux ou trois convolutions .* reçu {len(channels)}"):
        part(channels=channels)


def test_encoder_and_decoder_must_agree():
    with pytest.raises(ValueError, match="donne 5 dimensions latentes et le décodeur en attend 7"):
        VAE(DenseEncoder(latent_dim=5), DenseDecoder(latent_dim=7))


@pytest.mark.parametrize("make", [dense_vae, conv_vae])
def test_code_of_another_dimension(make):
    vae = make()
    for shape in ((4, vae.latent_dim + 1), (vae.latent_dim,)):
        with pytest.raises(ValueError, match=rf"codes z \[B, {vae.latent_dim}\] attendus"):
            vae.decode(torch.zeros(shape))


@pytest.mark.parametrize("make", [dense_vae, conv_vae])
def test_image_of_another_size(make):
    with pytest.raises(ValueError, match="images de 784 pixels attendues"):
        make().encode(torch.rand(4, 1, 32, 32))


@pytest.mark.parametrize("make", [dense_vae, conv_vae])
@pytest.mark.parametrize("bad", [-0.1, 1.5, 255.0, math.nan])
def test_images_outside_the_unit_interval(make, bad):
    vae, x = make(), torch.rand(3, 1, 28, 28)
    logits, mu, logvar = vae.reconstruct_logits(x)
    x[1, 0, 5, 5] = bad
    with pytest.raises(ValueError, match=r"images hors de \[0, 1\]"):
        vae(x)
    with pytest.raises(ValueError, match=r"images hors de \[0, 1\]"):
        vae_loss_from_logits(logits, x, mu, logvar)
    with pytest.raises(ValueError, match=r"images hors de \[0, 1\]"):
        vae_loss(logits.sigmoid(), x, mu, logvar)


def test_logits_given_in_place_of_images():
    zeros = torch.zeros(2, 3)
    for logits in (torch.full((2, 784), 3.0), torch.full((2, 784), -3.0)):
        with pytest.raises(ValueError, match="employez vae_loss_from_logits"):
            vae_loss(logits, torch.rand(2, 784), zeros, zeros)


@pytest.mark.parametrize("loss", [vae_loss, vae_loss_from_logits])
def test_loss_refuses_what_does_not_match(loss):
    x, zeros = torch.rand(2, 784), torch.zeros(2, 3)
    with pytest.raises(ValueError, match="beta doit être positif ou nul, reçu -0.5"):
        loss(x, x, zeros, zeros, beta=-0.5)
    with pytest.raises(ValueError, match=r"mu \[2, 3\] et logvar \[2, 4\]"):
        loss(x, x, zeros, torch.zeros(2, 4))
    with pytest.raises(ValueError, match=r"le décodeur donne \[1, 784\]"):
        loss(x[:1], x, zeros, zeros)  # une diffusion silencieuse fausserait la somme


@pytest.mark.parametrize("make", [dense_vae, conv_vae])
def test_bytes_are_refused(make):
    with pytest.raises(ValueError, match="nombres réels attendus, reçu torch.uint8 ; x / 255"):
        make().encode(torch.zeros(2, 1, 28, 28, dtype=torch.uint8))


@pytest.mark.parametrize("make", [dense_vae, conv_vae])
def test_another_default_dtype_is_explained(make, default_float64):
    vae = make()
    with pytest.raises(ValueError, match="float32 pour un modèle en torch.float64"):
        vae(torch.zeros(2, 1, 28, 28, dtype=torch.float32))
    vae.float()
    with pytest.raises(ValueError, match=r"codes z en torch.float64 pour un .* en torch.float32"):
        vae.decode(torch.randn(2, vae.latent_dim))


def test_weights_of_another_type_are_refused():
    x, zeros = torch.rand(2, 784), torch.zeros(2, 3)
    with pytest.raises(TypeError, match="beta attend un nombre, reçu '1' : écrivez beta=1"):
        vae_step(dense_vae(2, (8,)), beta="1")
    for loss in (vae_loss, vae_loss_from_logits):
        with pytest.raises(TypeError, match="beta attend un nombre, reçu None"):
            loss(x, x, zeros, zeros, beta=None)
        assert loss(x, x, zeros, zeros, beta=torch.tensor(2.0))[2] == 0


@pytest.mark.parametrize(("make", "message"), [
    (lambda: DenseEncoder(hidden_dims=8), "hidden_dims attend une suite d'entiers, reçu 8"),
    (lambda: DenseDecoder(hidden_dims=()), r"hidden_dims attend une suite d'entiers, reçu \(\)"),
    (lambda: DenseEncoder(hidden_dims=("8",)), r"hidden_dims\[0\] attend un nombre entier"),
    (lambda: ConvEncoder(channels=("a", "b")), r"channels\[0\] attend .* reçu 'a'"),
    (lambda: DenseEncoder(input_dim="784"), "écrivez input_dim=784"),
    (lambda: DenseDecoder(output_dim=784.0), "écrivez output_dim=784"),
    (lambda: VAE(nn.Linear(2, 2), DenseDecoder()), "encoder : un module .* reçu Linear"),
    (lambda: VAE(DenseEncoder(), None), "decoder : un module .* reçu NoneType"),
])  # fmt: skip
def test_parts_of_another_type_are_refused(make, message):
    with pytest.raises(TypeError, match=message):
        make()


@pytest.mark.parametrize("loss", [vae_loss, vae_loss_from_logits])
def test_losses_of_arrays_are_refused(loss):
    x, mu = torch.rand(2, 784), torch.zeros(2, 3)
    for arguments, name in (
        ((x.numpy(), x, mu, mu), "sortie du décodeur"),
        ((x, x.numpy(), mu, mu), "images"),
        ((x, x, mu.numpy(), mu), "mu"),
        ((x, x, mu, mu.numpy()), "logvar"),
    ):
        with pytest.raises(ValueError, match=f"{name} : un tenseur est attendu, reçu ndarray"):
            loss(*arguments)
