"""Le classifieur qui sert d'instrument : ses formes, son pas, sa reconstruction."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from labkit import references
from labkit.data import load_images
from labkit.metrics import accuracy
from labkit.models import Classifier, classifier_step
from labkit.training import fit


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("shape", [(3, 1, 28, 28), (3, 784), (1, 1, 28, 28)])
def test_shapes(shape):
    model = Classifier(num_classes=7).eval()
    x = torch.rand(shape)
    assert model.features(x).shape == (shape[0], 64)
    assert model(x).shape == (shape[0], 7)
    torch.testing.assert_close(model(x), model(x.reshape(-1, 1, 28, 28)))


def test_logits_come_from_the_features():
    model, x = Classifier().eval(), torch.rand(4, 1, 28, 28)
    torch.testing.assert_close(model(x), model.head(model.features(x)))


def test_parameter_count():
    convolutions = 9 * (1 * 16 + 16 * 32 + 32 * 64) + 2 * (16 + 32 + 64)
    dense = (64 * 9 + 1) * 64 + 65 * 10
    assert sum(p.numel() for p in Classifier().parameters()) == convolutions + dense


def test_step_against_torch():
    model = Classifier().eval()
    x, y = torch.rand(20, 1, 28, 28), torch.arange(20) % 10
    values = classifier_step(model, (x, y))
    torch.testing.assert_close(values["loss"], F.cross_entropy(model(x), y))
    assert values["accuracy"].item() == pytest.approx(accuracy(model, x, y))
    in_bf16 = classifier_step(lambda x: model(x).bfloat16(), (x, y))["loss"]
    assert in_bf16.dtype == torch.float32
    torch.testing.assert_close(in_bf16, values["loss"], rtol=0.01, atol=0)


def test_learns_the_digits():
    data, model = load_images("digits"), Classifier()
    batches = data.train.batches(64, shuffle=True)
    fit(partial(classifier_step, model), batches, 4, model, lr=2e-3, log_every=0)
    assert accuracy(model, *data.test.tensors()) > 0.9


def test_reference_machinery_rebuilds_it():
    rebuilt = references.build({"class": "labkit.models.Classifier", "num_classes": 5})
    assert type(rebuilt) is Classifier and rebuilt.num_classes == 5


def test_at_least_two_classes():
    with pytest.raises(ValueError, match="num_classes doit valoir au moins 2, reçu num_classes=1"):
        Classifier(num_classes=1)


@pytest.mark.parametrize("shape", [(2, 3, 28, 28), (2, 1, 32, 32), (2, 100)])
def test_images_of_another_size_are_refused(shape):
    with pytest.raises(ValueError, match=r"images de 784 pixels attendues, reçu \[2, "):
        Classifier()(torch.rand(shape))


def test_another_default_dtype_is_explained(default_float64):
    with pytest.raises(ValueError, match="float32 pour un modèle en torch.float64"):
        Classifier()(torch.zeros(2, 784, dtype=torch.float32))


def test_bytes_are_refused_with_the_division_they_need():
    with pytest.raises(ValueError, match="reçu torch.uint8 ; x / 255 les ramène"):
        Classifier()(torch.zeros(2, 1, 28, 28, dtype=torch.uint8))
