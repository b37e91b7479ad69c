"""L'autoencodeur du lab 02 : ses couches, ses formes, ses bornes."""

import pytest
import torch

from labkit.models import AutoEncoder, autoencoder_loss
from labkit.training import fit


@pytest.mark.parametrize("latent_dim", [1, 2, 16, 64])
def test_parameter_count(latent_dim):
    """Une couche de n à m a m (n + 1) paramètres ; 784-256-128-d, puis le miroir."""
    encoder = 256 * (784 + 1) + 128 * (256 + 1) + latent_dim * (128 + 1)
    decoder = 128 * (latent_dim + 1) + 256 * (128 + 1) + 784 * (256 + 1)
    assert sum(p.numel() for p in AutoEncoder(latent_dim).parameters()) == encoder + decoder


def test_default_latent_plane():
    model = AutoEncoder()
    assert model.latent_dim == 2
    assert sum(p.numel() for p in model.parameters()) == 469_010


@pytest.mark.parametrize("shape", [(5, 1, 28, 28), (5, 784), (1, 1, 28, 28)])
def test_shapes(shape):
    model = AutoEncoder(latent_dim=3)
    x = torch.rand(shape)
    z = model.encode(x)
    assert z.shape == (shape[0], 3)
    assert model.decode(z).shape == (shape[0], 784)
    assert torch.equal(model(x), model.decode(model.encode(x)))


def test_reading_order_of_pixels():
    model = AutoEncoder()
    x = torch.rand(4, 1, 28, 28)
    assert torch.equal(model(x), model(x.reshape(4, 784)))


def test_formula_layer_by_layer():
    model = AutoEncoder().double()
    x = torch.rand(3, 784, dtype=torch.float64)
    w = [p.detach() for p in model.parameters()]
    h = x
    for layer in range(6):
        h = h @ w[2 * layer].T + w[2 * layer + 1]
        if layer not in (2, 5):  # ni le code ni la sortie ne sont rectifiés
            h = h.clamp(min=0)
    torch.testing.assert_close(model(x), 1 / (1 + torch.exp(-h)))


def test_output_stays_in_the_unit_interval_however_far_the_code():
    decoded = AutoEncoder().decode(1e4 * torch.randn(64, 2))
    assert decoded.min() >= 0
    assert decoded.max() <= 1
    assert decoded.isfinite().all()


def test_code_can_be_negative():
    torch.manual_seed(0)
    z = AutoEncoder().encode(torch.rand(64, 784))
    assert z.min() < 0 < z.max()


def test_every_parameter_learns():
    model = AutoEncoder()
    x = torch.rand(32, 784)
    torch.nn.functional.mse_loss(model(x), x).backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize("latent_dim", [0, -1])
def test_latent_dimension_must_be_positive(latent_dim):
    with pytest.raises(ValueError, match=f"au moins 1, reçu latent_dim={latent_dim}"):
        AutoEncoder(latent_dim)


@pytest.mark.parametrize("shape", [(3, 1, 32, 32), (3, 3, 28, 28), (3, 783)])
def test_images_of_another_size_are_refused(shape):
    model = AutoEncoder()
    for call in (model, model.encode):
        with pytest.raises(ValueError, match="images de 784 pixels attendues"):
            call(torch.rand(shape))


def test_codes_of_another_dimension_are_refused():
    with pytest.raises(ValueError, match=r"codes z \[B, 2\] attendus, reçu \[4, 3\]"):
        AutoEncoder().decode(torch.rand(4, 3))


@pytest.mark.parametrize("shape", [(5, 1, 28, 28), (5, 784)])
def test_loss_is_the_mean_square_of_the_pixels(shape):
    x, y = torch.rand(shape), torch.rand(5, 784)
    expected = ((x.reshape(5, 784) - y) ** 2).mean()
    torch.testing.assert_close(autoencoder_loss(y, x), expected)
    assert autoencoder_loss(x.reshape(5, 784), x) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_loss_of_bf16_reconstructions_is_summed_in_float32(dtype):
    x, y = torch.rand(64, 784).to(dtype), torch.rand(64, 784).bfloat16()
    loss = autoencoder_loss(y, x)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, ((x.float() - y.float()) ** 2).mean())


@pytest.mark.parametrize("bad", [-0.1, 255.0, float("nan")])
def test_images_outside_the_unit_interval_are_refused(bad):
    x = torch.rand(3, 1, 28, 28)
    x[1, 0, 5, 5] = bad
    for call in (AutoEncoder(), AutoEncoder().encode):
        with pytest.raises(ValueError, match="hors de .*divisez des octets par 255"):
            call(x)


def test_bytes_are_refused():
    with pytest.raises(ValueError, match="nombres réels attendus, reçu torch.uint8 ; x / 255"):
        AutoEncoder()(torch.zeros(2, 784, dtype=torch.uint8))


def test_another_default_dtype_is_explained(default_float64):
    model = AutoEncoder()
    with pytest.raises(ValueError, match=r"images en torch.float32 .* remettez torch.float32"):
        model(torch.zeros(2, 784, dtype=torch.float32))
    with pytest.raises(ValueError, match="codes z en torch.float32 pour un modèle"):
        model.decode(torch.zeros(2, 2, dtype=torch.float32))


def test_another_default_dtype_is_explained_by_a_training_in_bf16(default_float64):
    model, x = AutoEncoder(), torch.rand(8, 1, 28, 28, dtype=torch.float32)

    def step(batch):
        return {"loss": autoencoder_loss(model(batch), batch)}

    with pytest.raises(ValueError, match="images en torch.float32 pour un modèle en torch.float64"):
        fit(step, [x], 1, model, precision="bf16", log_every=0)


def test_losses_of_arrays_are_refused():
    x = torch.rand(2, 784)
    with pytest.raises(ValueError, match="x_recon : un tenseur est attendu, reçu ndarray"):
        autoencoder_loss(x.numpy(), x)
    with pytest.raises(ValueError, match="images : un tenseur est attendu, reçu ndarray"):
        autoencoder_loss(x, x.numpy())
