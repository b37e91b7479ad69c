"""Les démonstrations dans un navigateur : leurs calculs, et le plus long blocage de la page."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.measure import Measure, Skipped
from tools import check_site, demos

SECONDS = 5
STEPS = "demos[0].frame ? demos[0].frame.steps : 0"
WATCH = """() => {
  window.blocks = [0];
  new PerformanceObserver((list) => blocks.push(...list.getEntries().map((e) => e.duration)))
    .observe({ type: "longtask" });
}"""
LONGEST = "Math.max(...blocks)"

# La durée médiane, en ms, d'une demande au worker de la page, après quelques-unes pour s'échauffer.
MEDIAN = """async (question) => {
  const durations = [];
  for (let turn = 0; turn < 25; turn++) {
    const start = performance.now();
    await question();
    durations.push(performance.now() - start);
  }
  return durations.slice(5).sort((a, b) => a - b)[10];
}"""


def _ganlab(page) -> Iterator[Measure]:
    page.wait_for_function(f"({STEPS}) > 100")
    page.evaluate("void blocks.splice(1)")  # le régime établi, sans l'ouverture
    start = page.evaluate(f"[performance.now(), {STEPS}]")
    page.wait_for_timeout(1000 * SECONDS)
    end = page.evaluate(f"[performance.now(), {STEPS}]")
    speed = 1000 * (end[1] - start[1]) / (end[0] - start[0])
    yield Measure("GAN Lab, pas par seconde (256 points)", speed, at_least=60, digits=0)


def _latent(page) -> Iterator[Measure]:
    for name, title in (("autoencoder", "autoencodeur"), ("vae_dense_2d", "VAE dense")):
        question = f"() => demos[0].ask('decode', '{name}', [0.5, -1])"
        duration = page.evaluate(f"({MEDIAN})({question})")
        yield Measure(f"Plan latent, un dessin : {title}", duration, "ms", at_most=25, digits=1)


def _classes(page) -> Iterator[Measure]:
    question = "() => demos[0].ask('decodeAll', [[[0, 1, 0, -1, 0, 1, 0, -1, 0, 1], 3]])"
    duration = page.evaluate(f"({MEDIAN})({question})")
    yield Measure("CVAE, un dessin et sa lecture", duration, "ms", at_most=25, digits=1)


def _diffusion(page) -> Iterator[Measure]:
    for guidance, title in ((1, "sans guidage"), (3, "guidé")):
        page.evaluate(f"demos[0].guidance.value = {guidance}")
        page.evaluate("demos[0].drawOne()")  # le premier tirage échauffe le navigateur
        duration = page.evaluate("""async () => {
          const start = performance.now();
          await demos[0].drawOne();
          return (performance.now() - start) / 1000;
        }""")
        yield Measure(f"Diffusion, vingt pas de DDIM, {title}", duration, "s", at_most=1)


def _perceptron(page) -> Iterator[Measure]:
    page.get_by_label("Neurones cachés").fill("8")
    page.get_by_label("Passages entre deux dessins").select_option("1000")
    page.get_by_role("button", name="Jouer").click()
    page.wait_for_timeout(1000 * SECONDS)
    speed = page.evaluate("demos[0].learner.passes") / SECONDS
    yield Measure("Perceptron, passages par seconde (8 neurones cachés)", speed, digits=0)


def _path(page) -> Iterator[Measure]:
    for action, title in (("generate", "un dessin"), ("draw", "un dessin et sa lecture")):
        question = f"() => demos[0].ask('{action}', new Array(100).fill(0.1))"
        duration = page.evaluate(f"({MEDIAN})({question})")
        yield Measure(f"DCGAN, {title}", duration, "ms", at_most=25, digits=1)


def _filter(page) -> Iterator[Measure]:
    drawn = "{ seed: 2, psi: 1, turn: 0, shift: 0.5, network: 'stylegan3', filtersAround: true }"
    duration = page.evaluate(f"({MEDIAN})(() => demos[0].ask('draw', {drawn}))")
    yield Measure("StyleGAN3, un dessin", duration, "ms", at_most=150, digits=0)


def _words(page) -> Iterator[Measure]:
    for call, title in (
        ("'blankLogits', [0, ...new Array(11).fill(1), 0]", "modèle masqué, onze trous"),
        ("'nextLogits', [0, ...new Array(11).fill(2)]", "modèle causal, après onze mots"),
    ):
        duration = page.evaluate(f"({MEDIAN})(() => demos[0].ask({call}))")
        yield Measure(f"Mots, une lecture : {title}", duration, "ms", at_most=30, digits=1)


# Par démonstration, son titre et ce que l'on y mesure, une fois chargée.
MEASURED: dict[str, tuple[str, Callable]] = {
    "ganlab": ("GAN Lab", _ganlab),
    "perceptron": ("Perceptron", _perceptron),
    "path": ("DCGAN", _path),
    "words": ("Mots", _words),
    "filter": ("StyleGAN3", _filter),
    "latent": ("Plan latent", _latent),
    "classes": ("CVAE", _classes),
    "diffusion": ("Diffusion", _diffusion),
}


def measures() -> Iterator[Measure | Skipped]:
    try:
        from playwright.sync_api import sync_playwright

        path = check_site.find_browser()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        yield Skipped("Démonstrations dans un navigateur", str(error))
        return
    demos.write_weights()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        for name, (title, measure) in MEASURED.items():
            page = browser.new_page()
            page.goto((demos.DEMOS / name / "index.html").as_uri())
            page.evaluate(WATCH)
            page.evaluate("demos[0].open && demos[0].open()")
            yield from measure(page)
            longest = page.evaluate(LONGEST)
            yield Measure(
                f"{title}, plus long blocage de la page", longest, "ms", at_most=50, digits=0
            )
            page.close()
        browser.close()
