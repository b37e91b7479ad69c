"""La classe et le code dans un navigateur : égal à labkit, au clavier."""

import pytest
import torch

import labkit
from tests.demos.conftest import visit
from tests.demos.parity import difference
from tools import demos

PAGE = "classes/index.html"
STATUS = "document.querySelector('.demo-status').textContent"
VERDICT = "document.querySelector('.demo-verdict').textContent"
LAYER, DRAWING = 1e-4, 1e-3
SLOW = 120_000  # ms : un décodage sur une machine chargée


@pytest.fixture(scope="module")
def cvae():
    return labkit.load_reference("cvae_small")


def wait(page):
    page.wait_for_function(f"{STATUS}.startsWith('Dix classes') && !demos[0].decoding",
                           timeout=SLOW)  # fmt: skip


@pytest.fixture(scope="module")
def loaded(browser, weights):
    """Une page pour tous, longue à charger."""
    with visit(browser, PAGE) as page:
        page.wait_for_timeout(200)
        assert page.evaluate("weightFiles") == {}  # rien n'est chargé avant qu'on la touche
        page.get_by_label("Graine des codes").focus()
        wait(page)
        names = page.evaluate("Object.keys(weightFiles)")
        assert sorted(names) == sorted(demos.WEIGHTS["classes"])
        page.evaluate("""async () => {
          const names = ["cvae_small", "classifier"];
          for (const name of names) classes.load(name, await weights.load(name));
        }""")
        yield page


@pytest.fixture
def page(loaded):
    """Les réglages de départ, et z = 0."""
    loaded.evaluate("""() => {
      const { label, seed } = demos[0].form.elements;
      [label.value, seed.value] = [4, 0];
      demos[0].changed("seed");
      demos[0].setCode(new Array(10).fill(0));
    }""")
    wait(loaded)
    return loaded


def stages_of(cvae, z, label):
    """Ce que donne chaque étage du décodeur de labkit, et l'image."""
    found, h = [], torch.cat([z, cvae.one_hot([label])], dim=1)
    with torch.no_grad():
        for layer in cvae.decoder:
            h = layer(h)
            if isinstance(layer, torch.nn.ReLU):
                found.append(h)
        return [*found, torch.sigmoid(h)]


@pytest.mark.parametrize("label", [0, 4, 9])
def test_every_stage_is_that_of_labkit(page, cvae, label):
    z = torch.randn(1, 10, generator=torch.Generator().manual_seed(label))
    found = page.evaluate(
        "([z, label]) => classes.trace(z, label).map((data) => [...data])", [z[0].tolist(), label]
    )
    *stages, image = stages_of(cvae, z, label)
    assert len(found) == 4
    for ours, theirs in zip(found[:-1], stages, strict=True):
        assert difference(ours, theirs) < LAYER
    assert difference(found[-1], image) < DRAWING
    assert difference(found[-1], cvae.decode(z, cvae.one_hot([label]))) < DRAWING


def test_the_classifier_is_that_of_labkit(page, cvae):
    file = "weights.unpack(weightFiles.classifier)"
    model = labkit.load_reference("classifier")
    z = torch.randn(10, 10, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        images = cvae.decode(z, cvae.one_hot(range(10)))
        expected = model(images).softmax(dim=1)
    for image, chances in zip(images, expected, strict=True):
        found = page.evaluate(
            f"(image) => [...classifier.chances({file}, Float32Array.from(image))]",
            image.flatten().tolist(),
        )
        assert difference(found, chances) < LAYER


def test_the_rows_are_what_labkit_draws(page, cvae):
    page.get_by_role("button", name="Tirer un z").click()
    wait(page)
    z = torch.tensor([page.evaluate("demos[0].code")])
    assert z.abs().max() > 0
    others = torch.tensor(page.evaluate("demos[0].others"))
    rows = page.evaluate("""() => Object.fromEntries(["classes", "codes"].map((name) =>
      [name, demos[0].rows[name].map(({ image, read }) => [[...image], read])]))""")
    model = labkit.load_reference("classifier")
    with torch.no_grad():
        expected = {
            "classes": cvae.decode(z.expand(10, -1), cvae.one_hot(range(10))),
            "codes": cvae.decode(torch.cat([z, others]), cvae.one_hot([4] * 10)),
        }
        for name, images in expected.items():
            for (image, read), wanted in zip(rows[name], images, strict=True):
                assert difference(image, wanted) < DRAWING
                assert read == model(wanted[None]).argmax()


def test_a_slider_moves_by_keyboard_and_all_ten_classes_with_it(page):
    page.get_by_role("button", name="z = 0").click()
    wait(page)
    before = page.evaluate("demos[0].rows.classes.map(({ image }) => [...image])")
    page.locator("summary").press("Enter")
    slider = page.get_by_label("z3", exact=True)
    for _ in range(5):
        slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "0,5"
    page.wait_for_function("demos[0].code[2] === 0.5 && !demos[0].decoding", timeout=SLOW)
    after = page.evaluate("demos[0].rows.classes.map(({ image }) => [...image])")
    assert all(one != other for one, other in zip(before, after, strict=True))


def test_the_second_row_follows_its_class_and_seed(page):
    page.get_by_role("button", name="z = 0").click()
    wait(page)
    page.get_by_label("Classe de la seconde rangée").select_option("7")
    page.wait_for_function(f"{STATUS}.includes('lus comme un 7')", timeout=SLOW)
    others = page.evaluate("demos[0].others")
    page.get_by_label("Graine des codes").fill("5")
    page.get_by_label("Graine des codes").press("Tab")
    assert page.evaluate("demos[0].others") != others
    page.get_by_label("Graine des codes").fill("0")
    page.get_by_label("Graine des codes").press("Tab")
    assert page.evaluate("demos[0].others") == others


def test_a_bad_seed_is_refused_beside_its_field(page):
    others = page.evaluate("demos[0].others")
    field = page.get_by_label("Graine des codes")
    for value in ("", "-3", "deux"):
        field.fill(value)
        field.press("Tab")
        assert "Un entier de 0 à 999999" in page.locator("#cl-seed-error").inner_text()
    assert field.get_attribute("aria-invalid") == "true"
    assert page.evaluate("demos[0].others") == others


def test_the_prediction_is_judged_on_what_the_classifier_reads(page):
    page.get_by_label("dix fois le même chiffre").check()
    page.get_by_role("button", name="Demander les dix classes").click()
    page.wait_for_function(f"{VERDICT}.includes('lues par')", timeout=SLOW)
    read = " ".join(str(k) for k in page.evaluate("demos[0].rows.classes.map(({ read }) => read)"))
    assert f"lues par le classifieur : {read}." in page.evaluate(VERDICT)
    assert "Il fallait attendre : les dix chiffres" in page.evaluate(VERDICT)


def slants(images):
    """Pente moyenne du trait : moment croisé sur moment vertical, autour du centre de l'encre."""
    ink = images.view(-1, 28, 28)
    axis, mass = torch.arange(28.0), ink.sum(dim=(1, 2))
    x = axis - ((ink.sum(dim=1) * axis).sum(dim=1) / mass)[:, None]  # [N, 28]
    y = axis - ((ink.sum(dim=2) * axis).sum(dim=1) / mass)[:, None]
    crossed = (ink * y[:, :, None] * x[:, None, :]).sum(dim=(1, 2))
    return crossed / (ink * y.square()[:, :, None]).sum(dim=(1, 2))


def test_what_the_verdict_says_holds(cvae):
    """La part de z dans l'épaisseur et l'inclinaison, moyennes de classe ôtées ; trois graines."""
    for seed in range(3):
        z = torch.randn(300, 10, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            labels = cvae.one_hot(list(range(10)) * 300)
            images = cvae.decode(z.repeat_interleave(10, dim=0), labels)
        for measure in (images.mean(dim=(1, 2, 3)), slants(images)):
            left = measure.view(300, 10) - measure.view(300, 10).mean(dim=0)
            assert left.mean(dim=1).var() / left.var() > 0.9


def test_an_error_leaves_the_page_free(page):
    page.evaluate("""() => {
      globalThis.kept = demos[0].ask;
      demos[0].ask = () => Promise.reject(new controls.Told("essai"));
      demos[0].refresh().catch(() => {});
    }""")
    page.wait_for_function("!demos[0].decoding")
    page.evaluate("void (demos[0].ask = kept)")
    page.get_by_label("Classe de la seconde rangée").select_option("2")
    page.wait_for_function(f"{STATUS}.includes('lus comme un 2')", timeout=SLOW)
