"""GAN Lab dans un navigateur : ouvert d'un fichier, à la souris, au clavier, sans mouvement."""

import re

import pytest
import torch

from labkit import points
from tests.demos.conftest import visit

PAGE = "ganlab/index.html"
TEXT = "document.querySelector('.demo-status').textContent"
STEPS = f"Number(({TEXT}.match(/Pas (\\d+)/) || [0, -1])[1])"


def wait_for_steps(page, steps):
    page.wait_for_function(f"{STEPS} >= {steps}", timeout=60_000)


def steps_of(page):
    page.wait_for_function("document.querySelector('.demo-status').textContent.startsWith('Pas')")
    return page.evaluate(STEPS)


@pytest.fixture(scope="module")
def opened(browser):
    with visit(browser, PAGE, reduced_motion="reduce") as page:
        assert steps_of(page) == 0
        yield page


@pytest.fixture
def page(opened):
    """Les réglages de départ, au pas 0, en pause ; ni dessin, ni question."""
    opened.evaluate("""() => {
      const [demo] = demos;
      Object.assign(demo, { points: [], cursor: [0, 0], scenario: null });
      demo.slow.checked = false;
      demo.setPace("pause");
      demo.fill(game.DEFAULTS);
      demo.begin(game.DEFAULTS);
      demo.asked.replaceChildren();
    }""")
    opened.wait_for_function(f"demos[0].frame.rank === demos[0].games && {STEPS} === 0")
    return opened


def test_it_plays_at_once_and_pauses(open_page):
    page = open_page(PAGE)
    wait_for_steps(page, 20)
    page.get_by_role("button", name="Pause").click()
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('pause')")
    stopped = steps_of(page)
    page.get_by_role("button", name="Jouer").click()
    wait_for_steps(page, stopped + 5)


def test_who_prefers_calm_starts_it_himself(open_page):
    page = open_page(PAGE, reduced_motion="reduce")
    assert steps_of(page) == 0
    page.wait_for_timeout(300)
    assert steps_of(page) == 0
    page.get_by_role("button", name="Jouer").click()
    wait_for_steps(page, 5)


def test_one_step_of_each(page):
    for name, sentence in (("D seul", "D vient d'apprendre"), ("G seul", "G vient d'apprendre")):
        page.get_by_role("button", name=name).click()
        page.wait_for_function(
            f"document.querySelector('.demo-status').textContent.includes(`{sentence}`)"
        )
        assert steps_of(page) == 0
    page.get_by_role("button", name="Un pas").click()
    wait_for_steps(page, 1)


def test_slow_motion_shows_each_update(page):
    page.get_by_label("Au ralenti").check()
    page.get_by_role("button", name="Jouer").click()
    for camp in "DG":
        page.wait_for_function(
            f"document.querySelector('.demo-status').textContent.includes('{camp} vient')"
        )
    assert steps_of(page) <= 3


WEIGHTS = """([seed, steps]) => {
  const played = game.createGame({ seed, batchSize: 32 });
  for (let k = 0; k < steps; k++) game.step(played);
  return [...played.generator.layers, ...played.discriminator.layers].flatMap((l) => [...l.weight]);
}"""


def test_a_seed_gives_a_game(page):
    first, again, other = (page.evaluate(WEIGHTS, [seed, 10]) for seed in (3, 3, 4))
    assert first == again != other


def test_one_camp_alone_leaves_the_other_as_it_is(page):
    play = """(camp) => {
      const played = game.createGame({ batchSize: 32 });
      const read = () => [played.discriminator, played.generator].map(
        (net) => JSON.stringify(net.layers.map((layer) => [...layer.weight, ...layer.bias])));
      const before = read();
      game[camp](played);
      return read().map((text, rank) => text !== before[rank]);
    }"""
    assert page.evaluate(play, "stepDiscriminator") == [True, False]
    assert page.evaluate(play, "stepGenerator") == [False, True]


def test_the_ring_is_learnt_in_the_browser(page):
    """Le but annoncé : JS au quart de sa valeur de départ, pour quatre graines sur cinq."""
    play = """(seed) => {
      const played = game.createGame({ seed, batchSize: 64 });
      const start = game.measure(played).js;
      for (let k = 0; k < 600; k++) game.step(played);
      return game.measure(played).js / start;
    }"""
    ratios = [page.evaluate(play, seed) for seed in range(5)]
    assert sum(ratio <= 0.25 for ratio in ratios) >= 4, ratios


def test_the_laws_and_the_gaps_are_those_of_labkit(page):
    torch.manual_seed(0)
    drawn = points.law("ring").sample(500)
    drawn[0] = 3.0  # un point dehors
    for name in points.LAW_NAMES:
        found = page.evaluate(
            """([name, drawn]) => {
              const exact = game.lawShares(game.centresOf(name));
              const [bare, filled] = [0, 0.5].map((added) => game.cellShares(drawn, 500, added));
              return { exact: [...exact], bare: [...bare], js: game.jsDivergence(exact, bare),
                       kl: game.klDivergence(exact, filled) };
            }""",
            [name, drawn.double().flatten().tolist()],
        )
        exact = points.law(name).shares()
        bare, filled = (points.cell_shares(drawn, added=added) for added in (0, 0.5))
        replayed = torch.tensor(found["exact"], dtype=torch.float64)
        torch.testing.assert_close(replayed, exact, atol=1e-6, rtol=0)
        torch.testing.assert_close(torch.tensor(found["bare"], dtype=torch.float64), bare)
        assert found["js"] == pytest.approx(points.js_divergence(exact, bare).item(), abs=1e-5)
        assert found["kl"] == pytest.approx(points.kl_divergence(exact, filled).item(), abs=1e-4)


@pytest.mark.parametrize(("label", "value", "message"), [
    ("Neurones cachés de G (une couche par nombre)", "", "au moins une couche cachée"),
    ("Neurones cachés de D (une couche par nombre)", "32 0", "de 1 à 64 neurones"),
    ("Neurones cachés de D (une couche par nombre)", "8 8 8 8 8", "Une à quatre couches"),
    ("Points d'un lot", "5000", "Un entier de 8 à 512"),
    ("Taux d'apprentissage de G", "-1", "plus grand que 0"),
    ("Taux d'apprentissage de D", "vite", "plus grand que 0"),
    ("Mises à jour de D par pas", "1,5", "Un entier de 0 à 20"),
    ("Graine", "", "Un entier de 0 à 999999"),
])  # fmt: skip
def test_a_bad_setting_is_refused_beside_its_field_and_nothing_is_lost(page, label, value, message):
    page.get_by_role("button", name="Un pas").click()
    wait_for_steps(page, 1)
    field = page.get_by_label(label, exact=True)
    field.fill(value)
    field.press("Enter")
    error = page.locator(f"#{field.get_attribute('aria-describedby')}")
    assert message in error.inner_text()
    assert field.get_attribute("aria-invalid") == "true"
    assert field.input_value() == value
    page.get_by_role("button", name="Recommencer").click()
    assert field.evaluate("(e) => e === document.activeElement")
    assert steps_of(page) == 1  # la partie en cours est toujours là


def test_a_ratio_of_zero_on_both_sides_is_refused(page):
    for camp in "DG":
        page.get_by_label(f"Mises à jour de {camp} par pas").fill("0")
        page.get_by_label(f"Mises à jour de {camp} par pas").press("Tab")
    assert "D et G à 0" in page.locator("#gl-updatesG-error").inner_text()


def test_fewer_than_two_drawn_points_are_refused_then_two_play(page):
    page.get_by_label("Loi des vrais points").select_option("own")
    canvas = page.locator("canvas[data-panel=cloud]")
    canvas.focus()
    canvas.press("Enter")
    page.get_by_role("button", name="Recommencer").click()
    assert "au moins deux points : il y en a 1" in page.locator("#gl-law-error").inner_text()
    canvas.focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowUp", "Enter"):
        canvas.press(key)
    page.get_by_role("button", name="Recommencer").click()
    assert page.evaluate("demos[0].rules.law") == [[0, 0], [-0.1, 0.05]]
    page.get_by_role("button", name="Un pas").click()
    wait_for_steps(page, 1)


def test_a_law_is_drawn_with_the_mouse(page):
    page.get_by_label("Loi des vrais points").select_option("own")
    page.locator("canvas[data-panel=cloud]").scroll_into_view_if_needed()
    box = page.locator("canvas[data-panel=cloud]").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.5 * box["height"], steps=10)
    page.mouse.up()
    drawn = page.evaluate("demos[0].points")
    assert len(drawn) > 5
    assert drawn[0] == pytest.approx([-0.46, 0], abs=0.03)
    assert drawn[-1] == pytest.approx([0.46, 0], abs=0.03)
    page.get_by_role("button", name="Effacer mon dessin").click()
    assert page.evaluate("demos[0].points") == []


def test_a_live_setting_changes_the_game_under_way(page):
    page.get_by_role("button", name="Un pas").click()
    wait_for_steps(page, 1)
    page.get_by_label("Taux d'apprentissage de D").fill("0,01")
    page.get_by_label("Taux d'apprentissage de D").press("Tab")
    assert page.evaluate("demos[0].rules.rates") == [0.01, 0.001]
    assert steps_of(page) == 1


def test_a_game_that_diverges_says_so_and_starts_again(page):
    page.get_by_label("Optimiseur").select_option("sgd")
    for camp in "DG":
        page.get_by_label(f"Taux d'apprentissage de {camp}").fill("1")
    page.get_by_label("Perte", exact=True).select_option("least_squares")
    page.get_by_role("button", name="Recommencer").click()
    page.get_by_role("button", name="Jouer").click()
    page.wait_for_function(f"{TEXT}.includes('a divergé')", timeout=60_000)
    assert page.get_by_role("button", name="Jouer").is_visible()
    page.get_by_label("Optimiseur").select_option("adam")
    page.get_by_role("button", name="Recommencer").click()
    page.get_by_role("button", name="Un pas").click()
    wait_for_steps(page, 1)


def play_quickly(page, title, answer):
    """Joue une expérience, par lots de 16, jusqu'à son verdict."""
    page.evaluate("game.DEFAULTS.batchSize = 16")
    page.get_by_role("button", name=title, exact=True).click()
    page.get_by_label(answer, exact=True).check()
    page.get_by_role("button", name="Voir ce qui arrive").click()
    page.wait_for_function("document.querySelector('.demo-verdict').textContent.includes('JS')",
                           timeout=60_000)  # fmt: skip
    page.evaluate("game.DEFAULTS.batchSize = 256")
    return page.locator(".demo-verdict").inner_text()


def test_a_worker_that_stops_is_told(open_page):
    page = open_page(PAGE, reduced_motion="reduce")
    assert steps_of(page) == 0
    page.evaluate("""() => {
      const event = new ErrorEvent("error", { message: "plus de place", cancelable: true });
      demos[0].worker.dispatchEvent(event);
    }""")
    assert page.evaluate(TEXT) == (
        "Le calcul s'est arrêté (plus de place). Rechargez la page pour recommencer."
    )


def test_an_experiment_asks_for_a_prediction_first(page):
    page.get_by_role("button", name="Un G trop petit").click()
    page.get_by_role("button", name="Voir ce qui arrive").click()
    assert "votre prédiction" in page.locator("#gl-answer-error").inner_text()
    assert steps_of(page) == 0


def test_an_experiment_plays_then_judges_the_prediction(page):
    verdict = play_quickly(page, "Un G trop petit", "un anneau plus flou")
    assert re.match(
        r"JS : 0,\d\d au départ, 0,\d\d à la fin\. Il fallait attendre : une tache", verdict
    )
    assert page.get_by_label("Neurones cachés de G").input_value() == "2"


@pytest.mark.parametrize(("title", "answer", "names", "early"), [
    ("Cinq mises à jour de D pour une de G", "à peu près le même",
     ("cinq pour un", "un pour un"), "vers 300 pas"),
    ("Un bruit uniforme", "couvert à peu près aussi bien",
     ("bruit uniforme", "bruit gaussien"), "au départ"),
])  # fmt: skip
def test_an_experiment_that_compares_plays_both_games(page, title, answer, names, early):
    verdict = play_quickly(page, title, answer)
    gaps = [rf"{name} : 0,\d\d {early}, 0,\d\d à la fin" for name in names]
    assert re.match(rf"JS, {' ; '.join(gaps)}\. Bien prédit\.", verdict), verdict
    rules = page.evaluate("demos[0].rules")
    assert [rules["updates"], rules["noise"]] == [[1, 1], "gaussian"]  # celles de la seconde


def test_what_the_experiments_say_holds(page):
    """Les verdicts affichés, remesurés dans la page sur leur graine."""
    play = """([rank, changes, marks = [500]]) => {
      const played = game.createGame({ ...scenarios[rank].rules, batchSize: 64, ...changes });
      const gaps = [];
      for (let k = 1; k <= Math.max(...marks); k++) {
        game.step(played);
        if (marks.includes(k)) gaps.push(game.measure(played).js);
      }
      return { js: gaps[gaps.length - 1], gaps, loss: played.losses.discriminator };
    }"""
    line, small, strong = (page.evaluate(play, [rank, {}]) for rank in (0, 1, 2))
    assert line["js"] > 0.3 and small["js"] > 0.25 and small["loss"] < 1.25
    relieved = page.evaluate(play, [2, {"updates": [1, 1]}])
    adam = page.evaluate(play, [2, {"optimizer": "adam", "rates": [2e-3, 1e-3]}])
    assert strong["js"] > 1.3 * relieved["js"] and strong["js"] > 2 * adam["js"]
    (early, late), (early_one, late_one) = (
        page.evaluate(play, [3, {"batchSize": 128, **changes}, [300, 600]])["gaps"]
        for changes in ({}, {"updates": [1, 1]})
    )
    assert early < 0.8 * early_one and abs(late - late_one) < 0.03


def test_everything_is_reached_by_keyboard(open_page):
    page = open_page(PAGE, reduced_motion="reduce")
    assert steps_of(page) == 0
    page.get_by_text("Ce que voit chaque neurone de D").click()
    reached = []
    page.locator("body").focus()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("""() => {
          const e = document.activeElement;
          const label = e.labels && e.labels[0] ? e.labels[0].textContent : e.textContent;
          const outline = getComputedStyle(e).outlineStyle;
          return [e.getAttribute('aria-label') || label.trim(), outline];
        }"""))  # fmt: skip
    names = [name for name, _ in reached]
    for name in (
        "Un D trop fort", "Jouer", "D seul", "Au ralenti", "Recommencer", "Couche 1, neurone 1",
        "Couche 2, neurone 1", "Loi des vrais points", "Graine",
    ):  # fmt: skip
        assert name in names
    assert all(outline != "none" for name, outline in reached if name in ("Jouer", "Graine"))
    page.locator("[aria-label='Couche 1, neurone 1']").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("demos[0].shown") == [0, 1]
    assert "couche 1, neurone 2" in page.locator("figure", has_text="Ce que D croit").inner_text()
    page.locator("[aria-label='Couche 1, neurone 2']").blur()
    assert page.evaluate("demos[0].shown") is None


def test_the_page_is_never_blocked_for_long(open_page):
    """Le but, 50 ms au repos, se mesure par `make bench` ; ici, quatre fois plus."""
    page = open_page(PAGE)
    wait_for_steps(page, 1)
    page.evaluate("""() => {
      window.long = [];
      new PerformanceObserver((list) => long.push(...list.getEntries().map((e) => e.duration)))
        .observe({ type: "longtask" });
    }""")
    page.wait_for_timeout(2000)
    assert max(page.evaluate("window.long"), default=0) < 200
