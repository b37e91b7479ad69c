"""Les mesures : comptées à la main, et la FID contre sa formule entre deux gaussiennes."""

import ast
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import nn

from labkit import metrics
from labkit.data import load_images
from labkit.metrics import (
    accuracy,
    class_entropy,
    conditional_accuracy,
    diversity,
    features,
    fid,
    judge_samples,
    recognition,
)
from labkit.models import Classifier


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


class Fake(nn.Module):
    """Lit ses probabilités dans les premiers pixels : classe i au pixel i."""

    def __init__(self, classes: int = 3):
        super().__init__()
        self.classes = classes

    def forward(self, x):
        assert x.shape[1:] == (1, 28, 28)
        assert not self.training
        assert not torch.is_grad_enabled()
        return x.flatten(1)[:, : self.classes].log()


def images_of(probabilities) -> torch.Tensor:
    """Des images [N, 1, 28, 28] dont `Fake` tire ces probabilités."""
    probabilities = torch.tensor(probabilities)
    x = torch.zeros(len(probabilities), 784)
    x[:, : probabilities.shape[1]] = probabilities
    return x.view(-1, 1, 28, 28)


FIVE = images_of(
    [
        [0.95, 0.03, 0.02],  # 0, reconnu
        [0.02, 0.96, 0.02],  # 1, reconnu
        [0.91, 0.05, 0.04],  # 0, reconnu
        [0.10, 0.10, 0.80],  # 2, trop peu sûr
        [0.40, 0.30, 0.30],  # 0, trop peu sûr
    ]
)


def test_recognition_by_hand():
    measured = recognition(Fake(), FIVE)
    assert measured.pop("counts") == [2, 1, 0]
    assert measured == pytest.approx({"recognised": 0.6, "confidence": 0.804, "classes": 2})


def test_recognition_with_another_threshold():
    measured = recognition(Fake(), FIVE, threshold=0.5)
    assert measured["counts"] == [2, 1, 1]
    assert measured["classes"] == 3
    assert recognition(Fake(), FIVE, threshold=0.99)["recognised"] == 0


def test_recognition_of_flat_images():
    assert recognition(Fake(), FIVE.flatten(1)) == recognition(Fake(), FIVE)


def drawn_from(classes, count: int = 10) -> torch.Tensor:
    """Des images dont `Fake(count)` donne ces classes, et toutes les autres pour improbables."""
    return images_of((0.9 * torch.eye(count) + 0.01)[classes].tolist())


@pytest.mark.parametrize(("classes", "expected"), [
    ([3, 3, 3, 3], 0.0),
    (list(range(10)) * 2, 1.0),
    ([2, 7, 2, 7], math.log(2) / math.log(10)),
    ([0, 0, 0, 9], (2 * math.log(2) - 0.75 * math.log(3)) / math.log(10)),
])  # fmt: skip
def test_class_entropy_in_closed_form(classes, expected):
    """Une classe, toutes, deux à parts égales, deux dont l'une trois fois plus fréquente."""
    measured = class_entropy(Fake(10), drawn_from(classes))
    assert measured == pytest.approx(expected, abs=1e-12)


def test_class_entropy_is_a_share_of_its_maximum():
    """Deux classes à parts égales : tout, si le classifieur en connaît deux ; la moitié, quatre."""
    for known, expected in ((2, 1.0), (4, 0.5)):
        images = drawn_from([0, 1, 1, 0], known)
        assert class_entropy(Fake(known), images) == pytest.approx(expected)


def test_class_entropy_counts_unsure_images_as_the_others():
    measured = class_entropy(Fake(), FIVE)  # dont deux peu sûres
    expected = -sum(p * math.log(p) for p in (0.6, 0.2, 0.2)) / math.log(3)
    assert measured == pytest.approx(expected)
    assert class_entropy(Fake(), FIVE.flatten(1)) == measured


def test_accuracy_by_hand():
    assert accuracy(Fake(), FIVE, torch.tensor([0, 1, 0, 2, 0])) == 1
    assert accuracy(Fake(), FIVE, torch.tensor([0, 0, 0, 0, 0])) == pytest.approx(0.6)
    assert accuracy(Fake(), FIVE, torch.tensor([1, 2, 1, 0, 1])) == 0


def test_conditional_accuracy_by_hand():
    measured = conditional_accuracy(Fake(), FIVE, torch.tensor([0, 1, 1, 1, 0]))
    assert measured["accuracy"] == pytest.approx(0.6)
    assert measured["per_class"][:2] == pytest.approx([1, 1 / 3])
    assert math.isnan(measured["per_class"][2])  # personne n'a demandé la classe 2


def test_blocks_change_nothing():
    x = torch.rand(2300, 1, 28, 28)
    labels = torch.randint(0, 3, (2300,))
    expected = x.flatten(1)[:, :3].argmax(1)
    assert accuracy(Fake(), x, expected) == 1
    measured = accuracy(Fake(), x, labels)
    assert measured == pytest.approx((labels == expected).float().mean().item())


def test_measures_leave_the_classifier_as_it_was():
    """En mode entraînement, BatchNorm suivrait les images mesurées et Dropout les brouillerait."""
    classifier, x = Classifier().train(), torch.rand(50, 1, 28, 28)
    before = {key: value.clone() for key, value in classifier.state_dict().items()}
    first = recognition(classifier, x, threshold=0.11)
    assert classifier.training
    assert all(torch.equal(classifier.state_dict()[key], value) for key, value in before.items())
    classifier.eval()
    assert recognition(classifier, x, threshold=0.11) == first
    assert not classifier.training
    assert all(p.grad is None for p in classifier.parameters())


def test_images_of_any_size_reach_the_classifier_as_they_are():
    class Colour(nn.Module):
        """Classe par le canal le plus clair."""

        def forward(self, x):
            assert x.shape[1:] == (3, 14, 14)
            return 100 * x.mean(dim=(2, 3))

    x = torch.zeros(6, 3, 14, 14)
    labels = torch.tensor([0, 1, 2, 2, 1, 0])
    x[torch.arange(6), labels] = 1
    assert accuracy(Colour(), x, labels) == 1
    assert recognition(Colour(), x)["counts"] == [2, 2, 2]


def test_four_small_channels_are_not_taken_for_a_flat_image():
    class Shape(nn.Module):
        def forward(self, x):
            assert x.shape == (2, 4, 14, 14)
            return torch.eye(2)

    assert accuracy(Shape(), torch.zeros(2, 4, 14, 14), torch.tensor([0, 1])) == 1


def test_points_of_the_plane_are_measured_without_bounds():
    class Quadrant(nn.Module):
        def features(self, x):
            return x

        def forward(self, x):
            return torch.stack([x[:, 0], -x[:, 0]], dim=1)

    points = 10 * torch.randn(500, 2)
    counts = recognition(Quadrant(), points, threshold=0.5)["counts"]
    assert counts == [(points[:, 0] > 0).sum(), (points[:, 0] < 0).sum()]
    shifted = points + torch.tensor([3.0, 4.0])
    assert fid(Quadrant(), points, shifted) == pytest.approx(25, rel=1e-3)


def test_images_take_the_precision_of_the_classifier():
    x, labels = torch.rand(20, 784), torch.arange(20) % 10
    single = Classifier()
    double = Classifier().double()
    double.load_state_dict(single.state_dict())
    expected = recognition(single, x)["confidence"]
    assert recognition(double, x)["confidence"] == pytest.approx(expected, rel=1e-5)
    assert accuracy(double, x, labels) == accuracy(single, x.double(), labels)


def test_diversity_by_hand():
    """Écarts types au sein de la classe : ceux de {0, 1} et de {0,5 ; 0,5}, en moyenne."""
    x = torch.zeros(4, 1, 2, 2)
    x[1], x[2:] = 1.0, 0.5
    labels = torch.tensor([3, 3, 7, 7])
    assert diversity(x, labels) == pytest.approx(math.sqrt(0.5) / 2)
    assert diversity(x.flatten(1), labels) == diversity(x, labels)
    assert diversity(x, torch.tensor([0, 1, 0, 1])) == pytest.approx(
        (math.sqrt(0.125) + math.sqrt(0.125)) / 2
    )


def test_diversity_of_repeated_images_is_zero(digits):
    labels = torch.arange(3).repeat_interleave(4)
    repeated = digits[:3].repeat_interleave(4, dim=0)
    assert diversity(repeated, labels) == pytest.approx(0, abs=1e-6)
    assert diversity(digits[:12], labels) > 0.1


# --- FID ------------------------------------------------------------------------------------------


class Pixels(nn.Module):
    """Une carte de caractéristiques fixe : projections linéaires des pixels, ou les premiers."""

    def __init__(self, projection: torch.Tensor):
        super().__init__()
        self.register_buffer("projection", projection)  # [784, F]

    def features(self, x):
        return x.flatten(1) @ self.projection


def first_pixels(count: int) -> Pixels:
    return Pixels(torch.eye(784)[:, :count])


def random_projections(count: int) -> Pixels:
    return Pixels(torch.randn(784, count) / 28)


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    return load_images("digits").train.tensors()[0]


def test_fid_of_a_set_with_itself(digits):
    for network in (random_projections(16), Classifier()):
        assert fid(network, digits, digits) == pytest.approx(0, abs=1e-4)


def test_fid_against_the_formula(digits):
    network = random_projections(12)
    generated = (digits + 0.2 * torch.rand_like(digits)).clamp(max=1)[:900]
    sides = [network.features(x).double().numpy() for x in (digits, generated)]
    (m1, m2), (s1, s2) = [x.mean(0) for x in sides], [np.cov(x.T) for x in sides]
    root = scipy.linalg.sqrtm(s1 @ s2).real
    expected = ((m1 - m2) ** 2).sum() + np.trace(s1 + s2 - 2 * root)
    assert fid(network, digits, generated) == pytest.approx(expected, rel=1e-4)


def test_fid_between_two_gaussians():
    """Covariances diagonales : ‖m₁ - m₂‖² + Σ (σ₁ - σ₂)²."""
    mean1, mean2 = torch.tensor([0.5, 0.4, 0.6]), torch.tensor([0.5, 0.5, 0.45])
    std1, std2 = torch.tensor([0.05, 0.10, 0.08]), torch.tensor([0.10, 0.05, 0.08])

    def draw(mean, std):
        x = torch.zeros(20_000, 784)
        x[:, :3] = (mean + std * torch.randn(20_000, 3)).clamp(0, 1)  # à 4 σ au moins du bord
        return x

    expected = ((mean1 - mean2).square() + (std1 - std2).square()).sum().item()
    # L'erreur type de chaque moyenne est au plus 0,1/√20000 = 0,0007 ; m₁ - m₂ au plus 0,15.
    tolerance = 5 * 2 * 0.15 * 0.001 * math.sqrt(2)
    measured = fid(first_pixels(3), draw(mean1, std1), draw(mean2, std2))
    assert measured == pytest.approx(expected, abs=tolerance)
    assert expected > 10 * tolerance


def test_fid_of_a_shift_is_its_squared_length(digits):
    """Décaler ne change pas la covariance : il ne reste que ‖m₁ - m₂‖²."""
    network, darker = first_pixels(784), 0.5 * digits
    network.projection[:] = network.projection / 28
    shifted = darker + 0.25
    assert fid(network, darker, shifted) == pytest.approx(0.25**2, rel=1e-3)


def test_fid_is_symmetric(digits):
    network = random_projections(8)
    a, b = digits[:600], digits[600:1200].flip(-1)
    assert fid(network, a, b) == pytest.approx(fid(network, b, a), rel=1e-4)


def test_fid_grows_with_noise(digits):
    network = random_projections(16)
    half, other = digits[:640], digits[640:1280]
    noise = torch.randn_like(other)
    distances = [
        fid(network, half, (other + level * noise).clamp(0, 1)) for level in (0, 0.1, 0.2, 0.4, 0.8)
    ]
    assert distances == sorted(distances)
    assert distances[-1] > 20 * distances[0]


def test_fid_sees_what_is_missing(digits):
    """Qui ne dessine qu'une classe est loin du jeu entier, même si ses images sont parfaites."""
    network, labels = random_projections(16), load_images("digits").train.labels
    varied = fid(network, digits[:640], digits[640:])
    only_zeros = fid(network, digits[:640], digits[labels == 0])
    assert only_zeros > 10 * varied


def test_fid_without_float64_on_the_device(digits):
    """Le GPU d'un Mac n'a pas de float64 : les caractéristiques passent d'abord au processeur."""

    class OnMac(torch.Tensor):
        def cpu(self):
            return self.as_subclass(torch.Tensor)

        def double(self):
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")

    class Mac(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def features(self, x):
            return self.network.features(x).as_subclass(OnMac)

    network = random_projections(8)
    a, b = digits[:300], digits[300:600]
    assert fid(Mac(network), a, b) == fid(network, a, b)


def test_judgement_of_samples_gathers_recognition_and_fid(digits):
    classifier = Classifier()
    images, real = digits[:200], digits[200:500]
    verdict = judge_samples(classifier, images, real)
    assert list(verdict) == ["recognised", "confidence", "classes", "counts", "fid"]
    assert verdict.pop("fid") == fid(classifier, real, images)
    assert verdict == recognition(classifier, images)


def test_the_fid_is_that_of_torchmetrics(digits):
    from torchmetrics.image.fid import FrechetInceptionDistance

    network, real, drawn = Classifier(), digits[:300], digits[300:500].square()
    extractor = nn.Identity()
    extractor.num_features = 64
    distance = FrechetInceptionDistance(feature=extractor)
    for images, is_real in ((real, True), (drawn, False)):
        distance.update(features(network, images).double(), real=is_real)
    assert fid(network, real, drawn) == pytest.approx(distance.compute().item(), rel=1e-6)


def test_torchmetrics_never_loads():
    """Son import prend des secondes, pour une formule de quatre lignes."""
    tree = ast.parse(Path(metrics.__file__).read_text(encoding="utf-8"))
    lines = [ast.unparse(n) for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom))]
    assert "import torch" in lines
    assert not any("torchmetrics" in line for line in lines)


# --- erreurs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [-0.2, 1.3, 255.0, math.nan])
def test_images_outside_the_unit_interval(bad):
    x = FIVE.clone()
    x[0, 0, 9, 9] = bad
    network, labels = first_pixels(3), torch.zeros(5, dtype=torch.int64)
    for measure in (
        lambda: recognition(Fake(), x),
        lambda: class_entropy(Fake(), x),
        lambda: accuracy(Fake(), x, labels),
        lambda: conditional_accuracy(Fake(), x, labels),
        lambda: fid(network, FIVE, x),
        lambda: fid(network, x, FIVE),
    ):
        with pytest.raises(ValueError, match=r"images hors de \[0, 1\]"):
            measure()


def test_no_image_at_all():
    empty, none = torch.zeros(0, 1, 28, 28), torch.zeros(0, dtype=torch.int64)
    with pytest.raises(ValueError, match="aucune image"):
        recognition(Fake(), empty)
    with pytest.raises(ValueError, match="aucune image"):
        class_entropy(Fake(), empty)
    with pytest.raises(ValueError, match="aucune image"):
        accuracy(Fake(), empty, none)


@pytest.mark.parametrize("measure", [accuracy, conditional_accuracy])
def test_one_label_an_image(measure):
    with pytest.raises(ValueError, match=r"une classe par image attendue, reçu \[1\] pour 5"):
        measure(Fake(), FIVE, torch.tensor([0]))


@pytest.mark.parametrize("label", [-1, 3])
def test_class_the_classifier_does_not_know(label):
    with pytest.raises(ValueError, match="connaît les classes 0 à 2"):
        conditional_accuracy(Fake(), FIVE, torch.tensor([0, 1, 2, 0, label]))


def test_fid_needs_two_images_a_side(digits):
    with pytest.raises(ValueError, match="deux images de chaque côté, reçu 5 vraies et 1 tirées"):
        fid(first_pixels(3), digits[:5], digits[:1])


@pytest.mark.parametrize("threshold", [90, 1.5, -0.1, math.nan])
def test_threshold_is_a_probability(threshold):
    with pytest.raises(ValueError, match=f"probabilité entre 0 et 1 attendue, reçu {threshold}"):
        recognition(Fake(), FIVE, threshold)


def test_threshold_in_percent_is_translated():
    with pytest.raises(ValueError, match="pour 90 %, écrivez 0.9"):
        recognition(Fake(), FIVE, threshold=90)


def test_arrays_are_refused(digits):
    array, labels = FIVE.numpy(), torch.zeros(5, dtype=torch.int64)
    network = first_pixels(3)
    for measure, name in (
        (lambda: recognition(Fake(), array), "images"),
        (lambda: class_entropy(Fake(), array), "images"),
        (lambda: accuracy(Fake(), array, labels), "images"),
        (lambda: accuracy(Fake(), FIVE, labels.numpy()), "labels"),
        (lambda: accuracy(Fake(), FIVE, labels.tolist()), "labels"),
        (lambda: diversity(array, labels), "images"),
        (lambda: fid(network, array, FIVE), "real"),
        (lambda: fid(network, FIVE, array), "generated"),
    ):
        message = rf"{name} : un tenseur attendu, reçu (ndarray|list) ; écrivez torch.as_tensor"
        with pytest.raises(ValueError, match=message):
            measure()


def test_bytes_are_refused():
    x = (255 * FIVE).to(torch.uint8)
    with pytest.raises(ValueError, match="images : nombres réels .* reçu torch.uint8 ; divisez"):
        recognition(Fake(), x)
    with pytest.raises(ValueError, match="generated : nombres réels"):
        fid(first_pixels(3), FIVE, x)


@pytest.mark.parametrize("measure", [accuracy, conditional_accuracy])
def test_labels_must_be_integers(measure):
    with pytest.raises(
        ValueError, match=r"labels : classes entières .* torch.float32 ; .*long\(\)"
    ):
        measure(Fake(), FIVE, torch.zeros(5))
    with pytest.raises(ValueError, match="labels : classes entières"):
        diversity(FIVE, torch.zeros(5))


def test_three_channels_are_more_than_the_classifier_reads():
    with pytest.raises(ValueError, match=r"images de 784 pixels attendues, reçu \[4, 3, 28, 28\]"):
        recognition(Classifier(), torch.rand(4, 3, 28, 28))


def test_diversity_needs_two_images_a_class():
    with pytest.raises(ValueError, match="au moins deux par classe"):
        diversity(FIVE, torch.tensor([0, 0, 1, 1, 2]))
    with pytest.raises(ValueError, match="aucune image"):
        diversity(FIVE[:0], torch.zeros(0, dtype=torch.int64))


@pytest.mark.parametrize(("threshold", "advice"), [
    ("0.9", "reçu '0.9' : écrivez threshold=0.9"),
    (torch.tensor(0.5), r"reçu tensor\(0.5000\) : écrivez threshold=0.5"),
    (None, "reçu None"),
])  # fmt: skip
def test_a_threshold_is_a_number(threshold, advice):
    with pytest.raises(TypeError, match=f"threshold attend un nombre, {advice}"):
        recognition(Fake(), FIVE, threshold)
    assert recognition(Fake(), FIVE, np.float32(0.5)) == recognition(Fake(), FIVE, 0.5)


@pytest.mark.parametrize("images", [torch.tensor(0.5), torch.rand(784)])
def test_images_without_a_batch_axis_are_refused(images):
    labels, network = torch.tensor([0]), first_pixels(3)
    for measure, name in (
        (lambda: recognition(Fake(), images), "images"),
        (lambda: accuracy(Fake(), images, labels), "images"),
        (lambda: diversity(images, labels), "images"),
        (lambda: fid(network, images, FIVE), "real"),
        (lambda: fid(network, FIVE, images), "generated"),
    ):
        with pytest.raises(ValueError, match=rf"{name} : images \[N, C, H, W\] .*image\[None\]"):
            measure()


@pytest.mark.parametrize("measure", [lambda x, y: accuracy(Fake(), x, y), diversity])
def test_boolean_labels_are_refused(measure):
    with pytest.raises(ValueError, match="classes entières attendues, reçu torch.bool ; .*long"):
        measure(FIVE, torch.ones(5, dtype=torch.bool))


def test_a_classifier_without_features_is_refused(digits):
    with pytest.raises(TypeError, match="classifier : Fake n'a pas de méthode `features`"):
        fid(Fake(), digits[:4], digits[4:8])
    for measure in (recognition, class_entropy):
        with pytest.raises(TypeError, match="classifier attend un torch.nn.Module, reçu function"):
            measure(lambda x: x, digits[:4])


def test_diversity_reads_the_images_of_the_other_measures():
    labels = torch.zeros(5, dtype=torch.int64)
    with pytest.raises(ValueError, match="nombres réels .* reçu torch.uint8 ; divisez"):
        diversity((255 * FIVE).to(torch.uint8), labels)
    with pytest.raises(ValueError, match=r"hors de \[0, 1\].*\(x \+ 1\) / 2"):
        diversity(2 * FIVE - 1, labels)


# --- les caractéristiques -------------------------------------------------------------------------


def test_features_are_those_of_the_classifier_in_evaluation():
    classifier, x = Classifier().train(), torch.rand(1500, 1, 28, 28)
    found = metrics.features(classifier, x)
    assert found.shape == (1500, 64) and not found.requires_grad
    assert torch.allclose(found[:50], classifier.eval().features(x[:50]), atol=1e-6)


@pytest.mark.parametrize(("images", "message"), [
    (2 * torch.rand(4, 1, 28, 28) - 1, r"images hors de \[0, 1\]"),
    (torch.rand(4, 1, 32, 32), "images de 784 pixels attendues"),
    (torch.randint(256, (4, 1, 28, 28)), "divisez des octets par 255"),
])  # fmt: skip
def test_images_of_another_range_or_size_have_no_features(images, message):
    with pytest.raises(ValueError, match=message):
        metrics.features(Classifier(), images)
