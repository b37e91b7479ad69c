"""Ce que les modèles vérifient de leurs entrées : ce qui passe, et ce que dit le refus."""

import numpy as np
import pytest
import torch
from torch import nn

from labkit.models import (
    VAE,
    AutoEncoder,
    Classifier,
    ConvCVAE,
    ConvDecoder,
    ConvEncoder,
    DenseDecoder,
    DenseEncoder,
    importance_weighted_bound,
)
from labkit.models.checks import (
    as_images,
    check_dtype,
    check_real_images,
    check_unit_interval,
    class_tensor,
)


def test_what_is_right_comes_back_as_it_is():
    x = torch.tensor([[0.0, 0.5, 1.0]])
    assert check_unit_interval(x) is x
    assert check_dtype(nn.Linear(3, 1), x) is x
    assert check_dtype(nn.Identity(), x.double()).dtype == torch.float64  # aucun poids à accorder


def test_autocast_reconciles_dtypes_by_itself():
    layer, x = nn.Linear(3, 1), torch.rand(2, 3).bfloat16()
    with pytest.raises(ValueError, match="torch.bfloat16 pour un modèle en torch.float32"):
        check_dtype(layer, x)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(check_dtype(layer, x)).shape == (2, 1)


@pytest.mark.parametrize("x", [torch.zeros(2, 3).long(), torch.zeros(2, 3).byte()])
def test_integers_are_refused_with_their_remedy(x):
    with pytest.raises(ValueError, match=f"nombres réels attendus, reçu {x.dtype} ; faites ceci."):
        check_real_images(x, "faites ceci")


@pytest.mark.parametrize("shape", [(3, 784), (3, 28, 28), (3, 1, 28, 28), (0, 784)])
def test_flat_images_take_their_shape_back(shape):
    x = torch.rand(shape)
    assert as_images(x).shape == (shape[0], 1, 28, 28)
    assert torch.equal(as_images(x).flatten(), x.flatten())


def test_autocast_does_not_reconcile_float64_nor_integers():
    layer, x = nn.Linear(3, 1), torch.rand(2, 3)
    pairs = ((layer, x.double()), (nn.Linear(3, 1).double(), x), (layer, x.int()))
    with torch.autocast("cpu", torch.bfloat16):
        for module, inputs in pairs:
            with pytest.raises(ValueError, match=f"{inputs.dtype} pour un modèle en"):
                check_dtype(module, inputs)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0.0, 1.0], r"torch.float32 \[2\] ; labels.long\(\)"),
        ([True, False], r"torch.bool \[2\]"),
        (3, r"torch.int64 \[\]"),
        ("12", "reçu '12'"),
        ([0, 5], "reçu de 0 à 5"),
    ],
)
def test_labels_are_whole_classes_the_model_knows(labels, said):
    with pytest.raises(ValueError, match=f"classes entières .B. entre 0 et 4 attendues.*{said}"):
        class_tensor(labels, 5, None)


def test_labels_come_back_as_long():
    for labels in ([0, 4], torch.tensor([0, 4], dtype=torch.uint8), torch.tensor([0, 4]).numpy()):
        assert torch.equal(class_tensor(labels, 5, 2), torch.tensor([0, 4]))
    assert class_tensor(torch.zeros(0, dtype=torch.int64), 5, None).shape == (0,)


@pytest.mark.parametrize(
    ("x", "received"),
    [
        (torch.rand(2, 784).numpy(), "ndarray ; écrivez torch.as_tensor"),
        ([[0.5] * 784], "list ; écrivez torch.as_tensor"),
        (0.5, r"float\."),
    ],
)
def test_what_is_not_a_tensor_is_refused_by_every_model(x, received):
    c = torch.eye(10)[:2]
    for encode in (
        AutoEncoder().encode,
        VAE(DenseEncoder(), DenseDecoder()).encode,
        DenseEncoder(),
        ConvEncoder(),
        lambda x: ConvCVAE(width=4).encode(x, c),
        Classifier(),
        lambda x: importance_weighted_bound(VAE(DenseEncoder(), DenseDecoder()), x, 1),
    ):
        with pytest.raises(ValueError, match=f"images : un tenseur est attendu, reçu {received}"):
            encode(x)
    for decode in (
        AutoEncoder().decode,
        VAE(DenseEncoder(), DenseDecoder()).decode,
        lambda z: ConvCVAE(width=4).decode(z, c),
    ):
        with pytest.raises(ValueError, match=f"codes z : un tenseur est attendu, reçu {received}"):
            decode(x)


def test_an_empty_batch_is_refused_by_every_model():
    x = torch.zeros(0, 1, 28, 28)
    for encode in (AutoEncoder(), VAE(DenseEncoder(), DenseDecoder()), Classifier()):
        with pytest.raises(ValueError, match=r"au moins une image est attendue, reçu \[0, "):
            encode(x)


@pytest.mark.parametrize(
    "make", [AutoEncoder, DenseEncoder, DenseDecoder, ConvEncoder, ConvDecoder, ConvCVAE]
)
def test_a_latent_dimension_is_a_whole_number(make):
    with pytest.raises(TypeError, match="latent_dim attend .* reçu '2' : écrivez latent_dim=2"):
        make(latent_dim="2")
    assert type(make(latent_dim=np.int64(3)).latent_dim) is int


def test_images_out_of_range_are_not_told_of_a_loss():
    with pytest.raises(ValueError, match="de 0 à 255.*divisez des octets par 255") as caught:
        check_unit_interval(torch.tensor([[0.0, 255.0]]))
    assert "perte" not in str(caught.value)
