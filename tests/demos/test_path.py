"""Le DCGAN du lab 5 dans la page, égal à labkit étage par étage, et les époques du lab."""

import pytest
import torch

import labkit
from labkit import plots, references
from tests.demos.conftest import visit
from tests.demos.parity import difference

PAGE = "path/index.html"
READY = "globalThis.demos && demos[0].stops.length"


@pytest.fixture(scope="module")
def page(browser, weights):
    """Une page pour tous, longue à charger ; chaque test y remet ce qu'il lit."""
    with visit(browser, PAGE, reduced_motion="reduce") as page:
        assert page.evaluate("weightFiles") == {}  # rien n'est chargé avant qu'on la touche
        page.get_by_role("slider", name="Époque").focus()
        page.wait_for_function(READY, timeout=60_000)
        page.evaluate("""async () => {
          const files = await Promise.all(["dcgan", "classifier"].map(weights.load));
          ["dcgan", "classifier"].forEach((name, rank) => path.load(name, files[rank]));
        }""")
        yield page


def codes():
    torch.manual_seed(0)
    return torch.randn(4, 100)


@torch.no_grad()
def test_the_generator_is_that_of_labkit_stage_by_stage(page):
    generator = labkit.load_reference("dcgan")
    found = page.evaluate(
        "(codes) => codes.map((z) => path.trace(z).map((stage) => [...stage]))", codes().tolist()
    )
    for z, stages in zip(codes(), found, strict=True):
        h = z[None]
        expected = []
        for rank, layer in enumerate(generator.layers):
            h = layer(h)
            if rank in (3, 6, 9):
                expected.append(h)
        for stage, theirs in zip(stages[:-1], expected, strict=True):
            assert difference(stage, theirs) < 1e-4
        assert difference(stages[-1], generator(z[None])) < 1e-3


@torch.no_grad()
def test_the_classifier_is_that_of_labkit(page):
    images = labkit.load_reference("dcgan")(codes())
    expected = labkit.load_reference("classifier")(images).softmax(dim=1)
    found = page.evaluate(
        "(images) => images.map((image) => [...path.classify(Float32Array.from(image))])",
        images.flatten(1).tolist(),
    )
    for ours, theirs in zip(found, expected, strict=True):
        assert difference(ours, theirs) < 1e-4


def test_every_point_of_the_arc_keeps_the_law(page):
    """cos² + sin² = 1 ; au milieu de la ligne droite, la variance est moitié moindre."""
    first, last = codes()[:2].tolist()
    for share in (0, 0.3, 0.5, 1):
        a, b = (
            page.evaluate(
                "([share, isArc]) => [path.between([1], [0], share, isArc)[0],"
                " path.between([0], [1], share, isArc)[0]]",
                [share, is_arc],
            )
            for is_arc in (True, False)
        )
        assert a[0] ** 2 + a[1] ** 2 == pytest.approx(1)
        assert b[0] + b[1] == pytest.approx(1)
    ends = page.evaluate(
        "([first, last]) => [0, 1].map((share) => path.between(first, last, share, true))",
        [first, last],
    )
    assert ends[0] == pytest.approx(first) and ends[1] == pytest.approx(last, abs=1e-6)


def test_the_worker_draws_what_the_page_says(page):
    """Ce que montre le curseur est l'image du code de cette étape."""
    page.get_by_label("Avancement").focus()
    page.keyboard.press("Home")
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    z, image, shown = page.evaluate(
        "[demos[0].codeAt(7), [...demos[0].stops[7].image], demos[0].pathStatus.textContent]"
    )
    with torch.no_grad():
        expected = labkit.load_reference("dcgan")(torch.tensor([z]))
    assert difference(image, expected) < 1e-3
    assert "Chemin à 35 %" in shown


def test_another_end_and_a_straight_line(page):
    middle = page.evaluate("demos[0].stops[10].length")
    page.get_by_label("Chemin", exact=True).select_option("line")
    page.wait_for_function(f"demos[0].stops[10].length < 0.85 * {middle}")
    ends, image = page.evaluate("[demos[0].ends, demos[0].stops[20].image[400]]")
    page.get_by_role("button", name="Autre arrivée").click()
    page.wait_for_function(f"demos[0].stops[20].image[400] !== {image}")
    assert page.evaluate("demos[0].ends") == [ends[0], max(ends) + 1]
    page.get_by_label("Chemin", exact=True).select_option("arc")
    page.wait_for_function(f"demos[0].stops[10].length > {middle} * 0.9")


def test_the_epochs_are_those_of_the_lab(page):
    rows = references.load_results("gan_worksheet_mnist")["rows"]
    page.get_by_role("slider", name="Époque").focus()
    page.keyboard.press("End")
    text = page.evaluate("demos[0].epochStatus.textContent")
    last = rows[-1]
    assert text.startswith(f"Époque {last['epoch']} ·")
    assert f"FID {round(last['fid'])}" in text
    assert f"perte de G {labkit.number(last['generator_loss'], 2)}" in text
    assert page.get_by_role("slider", name="Époque").get_attribute("aria-valuetext") == str(
        last["epoch"]
    )
    page.keyboard.press("Home")
    assert "perte" not in page.evaluate("demos[0].epochStatus.textContent")


def test_the_pictures_are_those_of_the_lab(page):
    row = references.load_results("gan_worksheet_mnist")["rows"][9]
    found = page.evaluate("""() => {
      const { strip } = demos[0].rows[9];
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [strip.width, strip.height];
      const ctx = canvas.getContext("2d");
      ctx.drawImage(strip, 0, 0);
      const { data } = ctx.getImageData(0, 0, strip.width, strip.height);
      return Array.from({ length: data.length / 4 }, (_, k) => data[4 * k]);
    }""")
    expected = torch.tensor(plots.from_text(row["pictures"])).transpose(0, 1).flatten()
    assert (torch.tensor(found) / 255 - expected).abs().max() < 0.01


def test_what_the_demo_says_holds(page):
    rows = {row["epoch"]: row for row in page.evaluate("demos[0].rows")}
    assert rows[10]["generatorLoss"] / rows[20]["generatorLoss"] > 3
    assert rows[20]["fid"] > rows[10]["fid"] and rows[20]["entropy"] < rows[10]["entropy"]
    assert all(max(rows[epoch]["counts"]) > 32 * 2 / 3 for epoch in rows if epoch <= 30)
    assert max(rows[35]["counts"]) < 32 * 2 / 3
    page.get_by_label("elles s'améliorent").check()
    page.get_by_role("button", name="Voir ce qui arrive").click()
    page.wait_for_function("document.querySelector('.demo-verdict').textContent.includes('FID')")
    text = page.inner_text(".demo-verdict")
    assert "Perte de G : 9,70, puis 2,96 ; FID : 541, puis 720. Il fallait attendre" in text


def test_a_picture_is_quick(page):
    """Le but, 25 ms au repos, se mesure par `make bench` ; ici, six fois plus."""
    duration = page.evaluate("""() => {
      const z = new Array(100).fill(0.1);
      const start = performance.now();
      for (let k = 0; k < 10; k++) path.generate(z);
      return (performance.now() - start) / 10;
    }""")
    assert duration < 150
