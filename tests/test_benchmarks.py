"""Les mesures : rien de non mesuré ne passe pour tenu."""

import dataclasses
import itertools
from pathlib import Path

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

import labkit
from benchmarks import __main__ as command
from benchmarks import diffusion, gan, growth, labs, language, loop, measure, mnist, paper, rivals
from benchmarks.__main__ import FAMILIES
from benchmarks.measure import (
    LABKIT,
    LIMIT,
    USUAL,
    Measure,
    Resident,
    Skipped,
    Speeds,
    alternate,
    compare,
)
from labkit.data import DataError
from labkit.models import UNet
from labkit.text import TokenSet
from tools import notebooks
from tools.bench_page import read_results


def test_every_family_is_measured():
    """Un fichier de mesures que `make bench` ignore serait une promesse que nul ne vérifie."""
    paths = Path(measure.__file__).parent.glob("*.py")
    written = {path.stem for path in paths if "def measures(" in path.read_text("utf-8")}
    assert {family.__name__.removeprefix("benchmarks.") for family in FAMILIES} == written


class Fake:
    """Une famille dont on choisit les mesures."""

    def __init__(self, name, *found):
        self.__name__, self.measures = f"benchmarks.{name}", lambda: found


def test_measures_are_kept_by_family_and_a_broken_bound_fails(tmp_path, monkeypatch, capsys):
    speeds = Speeds("AE", "images", 100, {LABKIT: [1.0, 2.0, 4.0]})
    one = Fake("un", speeds, Measure("rapport", 2.0, at_least=1))
    two = Fake("deux", Measure("durée", 9.0, "s", at_most=3), Skipped("rien", "sans données"))
    monkeypatch.setattr(command, "FAMILIES", (one, two))
    assert command.main([], tmp_path) == 1
    monkeypatch.setattr(command, "FAMILIES", (Fake("un", Measure("rapport", 3.0)), two))
    assert command.main(["un"], tmp_path) == 0
    families = read_results(tmp_path)["families"]
    assert [m["value"] for m in families["un"]["measures"]] == [3.0]  # mesurée de nouveau
    slow, skipped = families["deux"]["measures"]  # gardée
    assert (slow["value"], slow["held"], slow["at_most"]) == (9.0, False, 3)
    assert skipped["reason"] == "sans données"
    assert families["un"]["machine"]["cores"] >= 1
    assert "AE, images par seconde" in capsys.readouterr().out


def test_an_unknown_family_is_refused_with_the_known_ones(tmp_path, capsys):
    with pytest.raises(SystemExit):
        command.main(["inconnue"], tmp_path)
    message = capsys.readouterr().err
    assert "famille inconnue : inconnue" in message
    assert "labs, mnist" in message


@pytest.mark.parametrize(("name", "seconds", "held"), [
    ("01_perceptron", 20.0, True), ("01_perceptron", 20.1, False), ("02_autoencoder", 40.1, False),
    ("04_cvae", 60.0, True), ("07_stylegan3", 75.1, False), ("08_ddpm", 69.9, True),
])  # fmt: skip
def test_labs_are_held_to_their_budget_on_an_old_laptop(name, seconds, held, monkeypatch):
    asked = []

    def execute_all(*_, **options):
        asked.append(options)
        return [{"name": name, "status": "réussi", "cpu_seconds": seconds}]

    monkeypatch.setattr(labs.execute, "execute_all", execute_all)
    (measure,) = labs.measures()
    assert asked == [{"old_laptop": True}]
    assert (measure.value, measure.held) == (seconds, held)


@pytest.mark.parametrize(("record", "held", "reason"), [
    ({"status": "échec", "cpu_seconds": 3.0}, False, "échoué"),
    ({"status": "réussi", "cpu_seconds": 0.0}, True, "ne compte pas"),
])  # fmt: skip
def test_a_lab_that_was_not_measured_does_not_pass_for_held(record, held, reason, monkeypatch):
    records = [{"name": "01_perceptron", **record}]
    monkeypatch.setattr(labs.execute, "execute_all", lambda *_, **__: records)
    (skipped,) = labs.measures()
    assert skipped.held is held
    assert reason in skipped.line()


def test_every_lab_has_its_budget():
    numbers = {path.stem[:2] for path in (notebooks.ROOT / "labs").glob("*.ipynb")}
    assert numbers <= set(labs.BUDGETS)


def test_a_measure_without_bound_says_so():
    measure = Measure("rapport", 2.0)
    assert measure.held
    assert "aucune" in measure.line()


def test_actions_are_timed_in_turn_by_the_given_clock():
    calls, ticks = [], itertools.count()
    actions = {name: lambda name=name: calls.append((name, next(ticks))) for name in "ab"}
    seconds = alternate(actions, repeats=3, clock=lambda: next(ticks))
    assert [name for name, _ in calls] == ["a", "b"] * 3
    assert seconds == {"a": [2, 2, 2], "b": [2, 2, 2]}  # deux tics après le départ de chacune


@pytest.mark.parametrize(("fit_seconds", "added", "held"), [
    ([0.9, 0.6, 0.5], 1000, False),  # les tours gênés, plus longs, ne comptent pas
    ([0.5, 0.403, 0.6], 30, True),
])  # fmt: skip
def test_what_fit_adds_is_in_microseconds_a_step(fit_seconds, added, held, monkeypatch):
    seconds = {"bare": [0.4, 0.4, 0.45], "fit": fit_seconds}
    monkeypatch.setattr(loop, "STEPS", 100)
    monkeypatch.setattr(loop, "alternate", lambda *_, **__: seconds)
    overhead, ratio = loop._overhead()
    assert (overhead.value, overhead.unit) == (pytest.approx(added), "µs")
    assert (overhead.at_most, overhead.held) == (40, held)
    assert ratio.held


def test_both_loops_learn_alike_and_give_the_threads_back(monkeypatch):
    """Même réseau, mêmes pas, même optimiseur : seul ce qui les entoure diffère."""
    monkeypatch.setattr(loop, "STEPS", 20)
    monkeypatch.setattr(loop, "REPEATS", 1)
    models, prepare = [], loop._prepare

    def seeded():
        torch.manual_seed(0)
        model, step = prepare()
        models.append(model)
        return model, step

    monkeypatch.setattr(loop, "_prepare", seeded)
    threads = torch.get_num_threads()
    list(loop.measures())
    assert torch.get_num_threads() == threads
    start, _ = seeded()
    bare, fitted = (model.state_dict() for model in models[:2])
    for name, weight in start.state_dict().items():
        assert torch.equal(bare[name], fitted[name])
        assert not torch.equal(bare[name], weight)


def test_epochs_that_lengthen_are_told():
    assert loop._lengthening([9.0, *[1.0] * 5, *[2.0] * 5]) == 2  # la première, imports compris


def test_long_trainings_are_timed_epoch_by_epoch(monkeypatch):
    monkeypatch.setattr(loop, "EPOCHS", 7)
    bare, fitted = loop._ageing()
    assert (bare.at_most, fitted.at_most) == (None, 1.2)
    assert len(loop._bare_epochs([next(iter(labkit.load_images("digits").train.batches(8)))])) == 7


def assert_compared(speeds, count):
    """Les trois boucles d'une famille, autant de tours chacune."""
    assert set(speeds.seconds) == {LABKIT, USUAL, LIMIT}
    assert len({len(found) for found in speeds.seconds.values()}) == 1
    assert speeds.count == count


def test_a_speed_is_a_median_with_its_spread():
    speeds = Speeds("AE", "images", 100, {LABKIT: [1.0, 2.0, 4.0], USUAL: [2.0, 8.0, 16.0]})
    assert speeds.rates() == {LABKIT: (50.0, 25.0, 100.0), USUAL: (12.5, 6.25, 50.0)}
    assert speeds.ratio(USUAL) == 4.0  # tour par tour : 2, 4, 4
    assert "AE, images par seconde : labkit 50 (25 à 100)" in speeds.line()


def test_a_resident_batch_is_the_first_as_often_as_there_are_batches():
    batches = [object(), object(), object()]
    resident = Resident(batches)
    assert len(resident) == 3
    assert list(resident) == [batches[0]] * 3


def test_each_loop_runs_once_before_it_is_timed():
    calls = []
    loops = {name: lambda name=name: calls.append(name) for name in "ab"}
    speeds = compare("AE", 1, loops, repeats=2)
    assert calls == ["a", "b"] * 3
    assert [len(found) for found in speeds.seconds.values()] == [2, 2]


@pytest.fixture
def steps():
    """Combien de poids change chaque mise à jour, de tout optimiseur, dans l'ordre."""
    found = []

    def count(optimizer, *_):
        found.append(sum(p.numel() for g in optimizer.param_groups for p in g["params"]))

    handle = register_optimizer_step_post_hook(count)
    yield found
    handle.remove()


@pytest.mark.parametrize("name", mnist.FAMILIES)
def test_every_family_of_mnist_trains_the_same_model_in_both_loops(name, monkeypatch, steps):
    """Autant de poids mis à jour, autant de fois, et la même perte au premier pas, à bf16 près."""
    family, images = mnist.FAMILIES[name], labkit.load_images("digits").train[:8]
    monkeypatch.setattr(mnist, "usual_loader", lambda count: list(images.batches(4)))
    mnist._usual_epoch(family)
    usual = steps[:]
    mnist._fit(family, images.batches(4))
    assert len(usual) == 2
    assert steps[2:] == usual
    labkit.set_seed(0)
    model, batch = family.build(), next(iter(images.batches(4)))
    labkit.set_seed(1)
    loss = family.step(model)(batch)["loss"].item()
    labkit.set_seed(1)
    assert family.loss(model, batch).item() == pytest.approx(loss, rel=1e-4)


@pytest.fixture
def small_gan(monkeypatch):
    """La mesure du GAN sur deux lots, les mêmes pour les deux boucles."""
    images = labkit.load_images("digits")
    monkeypatch.setattr(gan, "IMAGES", 8)
    monkeypatch.setattr(gan, "BATCH_SIZE", 4)
    monkeypatch.setattr(gan, "usual_loader", lambda count: list(images.train[:count].batches(4)))
    monkeypatch.setattr(labkit, "load_images", lambda name, download: images)
    return images.train[:8].batches(4)


@pytest.mark.parametrize("fast", [False, True])
def test_the_gan_is_bounded_only_where_bf16_is_fast(fast, small_gan, monkeypatch):
    monkeypatch.setattr(measure, "has_fast_bf16", lambda device: fast)
    speeds, ratio, limit = gan.measures()
    assert_compared(speeds, 8)
    assert ratio.value == speeds.ratio(USUAL) > 0
    assert ratio.at_least == (1.4 if fast else None)
    assert (limit.value, limit.at_most) == (speeds.ratio(LABKIT, LIMIT), 1.1)


def test_a_gan_without_data_is_skipped(monkeypatch):
    def missing(name, download):
        raise DataError("MNIST manque")

    monkeypatch.setattr(labkit, "load_images", missing)
    (skipped,) = gan.measures()
    assert "MNIST manque" in skipped.line()


def test_both_loops_train_the_same_two_networks(small_gan, monkeypatch):
    """Mêmes réseaux, mêmes optimiseurs, autant de mises à jour de chacun."""
    steps, adam = [], gan.ADAM

    def counted(parameters, lr, **options):
        optimizer = adam(parameters, lr=lr)
        sizes = sum(p.numel() for group in optimizer.param_groups for p in group["params"])
        optimizer.register_step_post_hook(lambda *_: steps.append((sizes, lr)))
        return optimizer

    monkeypatch.setattr(gan, "ADAM", counted)
    gan._usual_epoch()
    usual = steps[:]
    gan._fit(small_gan)
    assert len(usual) == 4
    assert steps[4:] == usual


@pytest.fixture
def small_diffusion(monkeypatch):
    """Les mesures de la diffusion sur un petit UNet, peu de pas et peu d'images."""
    images = labkit.load_images("digits")
    usual = list(images.train[:4].batches(2, value_range=(-1.0, 1.0)))
    monkeypatch.setattr(diffusion, "UNet", lambda: UNet(width=2, time_emb_dim=8))
    monkeypatch.setattr(diffusion, "TIMESTEPS", 12)
    monkeypatch.setattr(diffusion, "DDIM_STEPS", 3)
    monkeypatch.setattr(diffusion, "SAMPLES", 2)
    monkeypatch.setattr(diffusion, "IMAGES", 4)
    monkeypatch.setattr(diffusion, "usual_loader", lambda count, centred: usual)
    monkeypatch.setattr(labkit, "load_images", lambda name, download: images)


@pytest.mark.parametrize("fast", [False, True])
def test_diffusion_is_bounded_only_where_bf16_is_fast(fast, small_diffusion, monkeypatch):
    monkeypatch.setattr(measure, "has_fast_bf16", lambda device: fast)
    speeds, training, limit, draws, sampling = diffusion.measures()
    assert_compared(speeds, 4)
    assert draws.count == 2 and len(draws.seconds) == 2
    assert min(training.value, limit.value, sampling.value) > 0
    assert (training.at_least, sampling.at_least) == ((2.5, 30) if fast else (None, None))
    assert ("sans borne" in training.line()) is ("sans borne" in sampling.line()) is not fast


def test_sampling_is_measured_without_data(small_diffusion, monkeypatch):
    def missing(name, download):
        raise DataError("MNIST manque")

    monkeypatch.setattr(labkit, "load_images", missing)
    training, _, sampling = diffusion.measures()
    assert "MNIST manque" in training.line()
    assert sampling.value > 0


def test_the_sampler_of_the_report_gives_images(small_diffusion):
    drawn = diffusion._ReportSampler().sample(3)
    assert drawn.shape == (3, 1, 28, 28)
    assert torch.equal(drawn, drawn.clamp(0, 1))
    assert drawn.isfinite().all()


@pytest.fixture
def small_language(monkeypatch):
    """Les mesures du modèle de langue sur un petit Transformer et quatre blocs."""
    pytest.importorskip("transformers")
    text = labkit.load_text("phrases")
    train, test = ("".join(part.splitlines(True)[:60]) for part in (text.train, text.test))
    short = dataclasses.replace(text, train=train, test=test)
    monkeypatch.setattr(labkit, "load_text", lambda name: short)
    monkeypatch.setattr(language, "SMALL_BLOCK", 8)
    monkeypatch.setattr(language, "SMALL_SIZES", {"n_layer": 1, "n_head": 2, "n_embd": 8})
    monkeypatch.setattr(language, "VOCABULARY", 20)
    monkeypatch.setattr(language, "BLOCK", 8)
    monkeypatch.setattr(language, "SIZES", {"n_layer": 1, "n_head": 2, "n_embd": 8})
    monkeypatch.setattr(language, "BATCH_SIZE", 2)
    monkeypatch.setattr(language, "STEPS", 2)
    monkeypatch.setattr(language, "REPEATS", 1)
    monkeypatch.setattr(language, "GENERATED", 4)


# Secondes d'un tour, à la place de celles de la machine : un cœur occupé n'y change rien.
LANGUAGE_SECONDS = {
    language.TRAINER: 6.0, LABKIT: 3.0, language.FLOAT32: 4.0, LIMIT: 2.5,
    "sans cache": 7.0, "avec cache": 1.0,
}  # fmt: skip


@pytest.mark.parametrize("fast", [False, True])
def test_language_models_are_bounded_where_bf16_is_fast(fast, small_language, monkeypatch):
    def alternate(actions, repeats, clock):
        return {name: [LANGUAGE_SECONDS[name]] * repeats for name in actions}

    monkeypatch.setattr(measure, "has_fast_bf16", lambda device: fast)
    monkeypatch.setattr(measure, "alternate", alternate)
    speeds, training, plain, perplexity, limit, draws, cache = language.measures()
    assert (training.at_least, plain.at_least, cache.at_least) == (1.2 if fast else None, 1.0, 5)
    assert (training.value, plain.value, limit.value, cache.value) == (2.0, 1.5, 1.2, 7.0)
    assert (speeds.unit, speeds.count, draws.count) == ("jetons", 4 * 8, 4)
    assert set(speeds.seconds) == {LABKIT, language.FLOAT32, language.TRAINER, LIMIT}
    assert perplexity.at_most == 1.02
    assert perplexity.value == pytest.approx(1, abs=0.05)  # à peine entraînés, tous deux


def test_both_language_models_see_the_same_blocks(small_language, steps):
    """Autant de poids, de mises à jour et de jetons de part et d'autre."""
    ids = TokenSet(torch.randint(20, (4, 8)))
    ours, theirs = language._models(20, 8, language.SIZES)
    language._trainer(theirs, ids)()
    trainer = steps[:]
    language._fit(ours, language._batches(ids))()
    assert len(trainer) == 2
    assert steps[2:] == trainer


def test_the_slope_is_that_of_a_power_law():
    sizes = (1, 2, 4, 8)
    found = growth.Growth("VAE", "largeur", sizes, [3 * size**1.5 for size in sizes], [1] * 4)
    assert found.slope() == pytest.approx(1.5)
    assert found.record()["slope"] == pytest.approx(1.5)


def test_what_a_step_keeps_grows_with_the_batch_and_leaves_the_weights_out():
    model = growth.dense_vae(1)
    half, whole = (
        growth.kept_bytes(model, (torch.rand(count, 1, 28, 28), torch.zeros(count)))
        for count in (32, 64)
    )
    assert whole == pytest.approx(2 * half, rel=0.01)
    # L'image, les quatre couches cachées après leur ReLU et les logits, au moins.
    assert half >= 32 * 4 * (784 + 512 + 256 + 256 + 512 + 784)
    assert half < 4 * labkit.count_parameters(model)


def test_twice_the_width_is_four_times_the_hidden_weights():
    narrow, wide = (growth.MODELS["VAE dense"](width) for width in (1, 2))
    assert narrow.encoder.hidden[2].weight.numel() * 4 == wide.encoder.hidden[2].weight.numel()


def test_operations_are_twice_the_products_of_the_three_passes():
    """Une couche dense : aller, gradient des poids ; celui des entrées n'est pas demandé."""
    layer = torch.nn.Linear(100, 50)
    found = paper._operations(lambda x: {"loss": layer(x).sum()}, torch.rand(8, 100))
    assert found == 2 * 2 * 8 * 100 * 50


def test_a_step_on_gpus_is_bounded_by_its_launch_then_adds_the_exchange():
    assert paper.step_seconds(1, 2, 10**6, gpus=1) == 2 * paper.LAUNCH
    assert paper.step_seconds(paper.SUSTAINED, 1, 10**6, gpus=1) == pytest.approx(1)
    exchange = paper.step_seconds(1, 1, 10**6, gpus=8) - paper.LAUNCH
    assert exchange == pytest.approx(2 * 7 / 8 * 4e6 / paper.LINK)


def test_the_steps_of_a_card_are_its_epochs_of_batches():
    card = {"epochs": 3, "dataset": {"train": 1000}}
    assert paper.steps_of(card, 128) == 3 * 8
    assert paper.steps_of(card | {"made_by": {"steps_per_epoch": 5}}, 128) == 15


@pytest.mark.parametrize("run", paper.RUNS, ids=lambda run: run.reference)
def test_a_training_on_paper_has_the_batches_of_its_card(run):
    card = labkit.list_references()[run.reference]
    told = card.get("made_by", {}).get("batches", {}).get("batch_size")
    assert told in (None, run.size)  # les premières fiches n'en disent rien


def test_paper_names_what_bounds_each_training(monkeypatch):
    chosen = [run for run in paper.RUNS if run.reference in ("vae_dense", "lm_causal")]
    monkeypatch.setattr(paper, "RUNS", chosen)
    found = {measure.name: measure for measure in paper.measures()}
    dense, words = found["03_vae, vae_dense"], found["09_language, lm_causal"]
    assert (dense.bound, words.bound) == ("lancement des noyaux", "calcul")
    assert dense.parameters == 1_071_130
    assert dense.elsewhere["×1000, 1 GPU"] == pytest.approx(100 * dense.elsewhere["×10, 1 GPU"])


def test_an_absent_rival_is_skipped_and_a_present_one_confronted(monkeypatch):
    absent = {"lightning", "pythae"}
    real_import = __import__

    def refuse(name, *args, **options):
        if name in absent:
            raise ImportError(f"No module named {name!r}")
        return None if name == "diffusers" else real_import(name, *args, **options)

    loops = {LABKIT: lambda: None, "diffusers": lambda: None}
    monkeypatch.setattr("builtins.__import__", refuse)
    monkeypatch.setattr(rivals, "_against_diffusers", lambda count: loops)
    monkeypatch.setattr(rivals, "_against_its_sampler", lambda count: loops)
    monkeypatch.setattr(rivals, "compare", lambda name, count, *_: Speeds(
        name, "images", count, {LABKIT: [1.0], "diffusers": [3.0]}
    ))  # fmt: skip
    found = list(rivals.measures())
    skipped = [measure for measure in found if isinstance(measure, Skipped)]
    assert [measure.name for measure in skipped] == [
        "AE, lightning / labkit", "VAE convolutif, pythae / labkit",
    ]  # fmt: skip
    ratios = [measure for measure in found if isinstance(measure, Measure)]
    assert [(ratio.value, ratio.at_least) for ratio in ratios] == [(3.0, 1)] * 2
