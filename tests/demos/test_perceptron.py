"""Le perceptron dans la page : les poids de labkit et du lab 1, à la souris et au clavier."""

import re

import nbformat
import numpy as np
import pytest

from labkit.perceptron import Perceptron
from tests.demos.conftest import visit
from tools import notebooks

PAGE = "perceptron/index.html"
INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
TARGETS = {"ET": [0, 0, 0, 1], "OU": [0, 1, 1, 1], "XOR": [0, 1, 1, 0]}
SPOKEN = "document.querySelector('.demo > [role=status]').textContent"


DRAWN = "globalThis.demos && demos[0].to"


@pytest.fixture(scope="module")
def opened(browser):
    with visit(browser, PAGE, reduced_motion="reduce") as page:
        page.wait_for_function(DRAWN)
        yield page


@pytest.fixture
def page(opened):
    """XOR, un neurone, la croix au centre : le départ."""
    opened.evaluate("""() => {
      const [demo] = demos;
      demo.setPlaying(false);
      demo.choose({ points: "XOR", hidden: 0, rate: 0.7, seed: 0 });
      Object.assign(demo, { cursor: [0.5, 0.5], held: null, moved: null });
      demo.form.elements.label.value = 1;
    }""")
    return opened


def focus_plane(page):
    page.locator("canvas[data-panel=plane]").focus()


@pytest.mark.parametrize("name", TARGETS)
def test_the_neuron_is_that_of_labkit_pass_by_pass(page, name):
    fitted = Perceptron(rate=0.7, seed=3).fit(INPUTS, TARGETS[name], 500)
    found = page.evaluate(
        """([name, weights]) => {
          const neuron = learner.create(0, 0.7, 0);
          neuron.weights = weights;
          const points = learner.logic(name);
          const trace = [], errors = [];
          for (let k = 0; k < 500; k++) {
            errors.push(learner.pass(neuron, points));
            trace.push([...neuron.weights]);
          }
          return { trace, errors, right: learner.countRight(neuron, points) };
        }""",
        [name, fitted.history.weights[0].tolist()],
    )
    np.testing.assert_allclose(found["trace"], fitted.history.weights[1:], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found["errors"], fitted.history.errors, rtol=0, atol=1e-12)
    if name != "XOR":
        assert found["right"] == 4


def network_of_the_lab():
    """Les fonctions de la section 9 du lab 1, telles que le carnet les définit."""
    notebook = nbformat.read(notebooks.ROOT / "labs" / "01_perceptron.ipynb", as_version=4)
    cells = [
        c.source for c in notebook.cells if re.search(r"^def (forward|train)\(", c.source, re.M)
    ]
    scope = {"np": np, "inputs": INPUTS, "functions": {"XOR": np.array(TARGETS["XOR"])}}
    exec("from labkit.perceptron import sigmoid\n" + "\n".join(cells), scope)
    return scope


@pytest.mark.parametrize("hidden", [2, 4, 8])
def test_the_network_is_that_of_the_lab(page, hidden):
    lab = network_of_the_lab()
    start = lab["draw_weights"](hidden, seed=1)
    expected, _ = lab["train"](start, rate=0.7, iterations=500)
    W1, b1, W2, b2 = (weights[0] for weights in start)
    given = [W1.T.ravel(), b1.ravel(), W2.ravel(), b2.ravel()]
    found = page.evaluate(
        """([hidden, given]) => {
          const network = learner.create(hidden, 0.7, 0);
          const values = network.net.layers.flatMap(({ weight, bias }) => [weight, bias]);
          values.forEach((array, k) => array.set(given[k]));
          for (let k = 0; k < 500; k++) learner.pass(network, learner.logic("XOR"));
          return { weights: values.map((array) => [...array]),
            answers: [...learner.predict(network, [0, 0, 0, 1, 1, 0, 1, 1])] };
        }""",
        [hidden, [weights.tolist() for weights in given]],
    )
    W1, b1, W2, b2 = (weights[0] for weights in expected)
    for ours, theirs in zip((W1.T, b1, W2, b2), found["weights"], strict=True):
        np.testing.assert_allclose(theirs, ours.ravel(), rtol=0, atol=1e-10)
    answers = lab["forward"](INPUTS, expected)[1][0, :, 0]
    np.testing.assert_allclose(found["answers"], answers, rtol=0, atol=1e-10)


def test_what_the_demo_says_holds(page):
    """La durée ne change rien à XOR ; quatre neurones cachés, si ; les poids y tournent."""
    found = page.evaluate("""() => {
      const points = learner.logic("XOR");
      const neuron = learner.create(0, 0.7, 0);
      const rights = [], weights = [];
      for (let k = 0; k < 100000; k++) {
        learner.pass(neuron, points);
        rights.push(learner.countRight(neuron, points));
        if (k + 1 >= 1000 && (k + 1) % 1000 === 0) weights.push([...neuron.weights]);
      }
      const solved = [0, 1, 2, 3, 4].filter((seed) => {
        const network = learner.create(4, 0.7, seed);
        for (let k = 0; k < 2000; k++) learner.pass(network, points);
        return learner.countRight(network, points) === 4;
      });
      return { most: Math.max(...rights), weights, solved };
    }""")
    assert found["most"] < 4
    assert np.ptp(np.array(found["weights"]), axis=0).max() < 1e-9
    assert 0 in found["solved"] and len(found["solved"]) >= 4


def test_the_experiment_plays_and_concludes(page):
    page.get_by_label("les quatre exemples bien classés").check()
    page.get_by_role("button", name="Voir ce qui arrive").click()
    verdict = "document.querySelector('.demo-verdict').textContent"
    page.wait_for_function(f"{verdict}.includes('Il fallait attendre')", timeout=60_000)
    text = page.evaluate(verdict).replace("\u202f", " ")
    assert "Après 100 000 passages" in text and "aucune droite" in text
    assert page.get_by_role("button", name="Jouer").is_visible()


def test_the_cross_shows_while_the_plane_has_the_focus(page):
    drawn = "demos[0].plane.canvas.toDataURL()"
    before = page.evaluate(drawn)
    focus_plane(page)
    assert page.evaluate(drawn) != before
    page.locator("canvas[data-panel=plane]").blur()
    assert page.evaluate(drawn) == before


def test_points_are_set_flipped_and_removed_by_keyboard(page):
    focus_plane(page)
    for key in ("ArrowUp", "ArrowRight", "1"):
        page.keyboard.press(key)
    assert page.evaluate("demos[0].points.length") == 5
    last = "demos[0].points[demos[0].points.length - 1]"
    assert page.evaluate(last) == {"x1": 0.55, "x2": 0.55, "target": 1}
    assert page.get_by_label("Exemples", exact=True).input_value() == "own"
    page.keyboard.press("Enter")
    assert page.evaluate(f"{last}.target") == 0
    page.keyboard.press("ArrowRight")
    assert "x1 0,60, x2 0,55. Point de cible 0." in page.evaluate(SPOKEN)
    page.keyboard.press("Backspace")
    assert page.evaluate("demos[0].points.length") == 4
    page.keyboard.press("Backspace")  # rien sous la croix : rien ne s'ôte
    assert page.evaluate("demos[0].points.length") == 4


@pytest.mark.parametrize(
    "options", [{}, {"has_touch": True, "viewport": {"width": 360, "height": 800}}]
)
def test_points_are_set_and_flipped_by_pointer(open_page, options):
    page = open_page(PAGE, reduced_motion="reduce", **options)
    page.wait_for_function(DRAWN)
    plane = page.locator("canvas[data-panel=plane]")
    side = plane.bounding_box()["width"]
    touch = plane.tap if options else plane.click
    touch(position={"x": 0.5 * side, "y": 0.5 * side})
    x1, x2, target = page.evaluate("(({ x1, x2, target }) => [x1, x2, target])(demos[0].points[4])")
    assert [x1, x2] == pytest.approx([0.5, 0.5], abs=0.02) and target == 1
    touch(position={"x": 0.5 * side, "y": 0.5 * side})
    assert page.evaluate("demos[0].points.map((p) => p.target)") == [0, 1, 1, 0, 0]


def test_a_point_is_dragged_with_the_mouse(page):
    plane = page.locator("canvas[data-panel=plane]")
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.75 * box["height"])  # 00
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.75 * box["height"], steps=8)
    page.mouse.up()
    moved = page.evaluate("demos[0].points[0]")
    assert [moved["x1"], moved["x2"]] == pytest.approx([0.5, 0], abs=0.02)
    assert moved["target"] == 0 and page.evaluate("demos[0].points.length") == 4


def test_one_class_alone_is_refused(page):
    page.get_by_role("button", name="Effacer les points").click()
    focus_plane(page)
    page.keyboard.press("1")
    page.get_by_role("button", name="Jouer").click()
    assert "au moins un point de chaque cible" in page.evaluate(SPOKEN)
    assert page.evaluate("demos[0].learner.passes") == 0


@pytest.mark.parametrize(("label", "value", "message"), [
    ("Taux d'apprentissage", "-1", "plus grand que 0"),
    ("Taux d'apprentissage", "vite", "comme 0,7"),
    ("Graine des poids", "1,5", "Un entier de 0 à 999999"),
])  # fmt: skip
def test_a_bad_setting_is_refused_beside_its_field(page, label, value, message):
    page.get_by_role("button", name="Un passage").click()
    field = page.get_by_label(label)
    field.fill(value)
    field.press("Tab")
    assert message in page.locator(f"#{field.get_attribute('aria-describedby')}").inner_text()
    assert field.get_attribute("aria-invalid") == "true"
    page.get_by_role("button", name="Recommencer").click()
    assert page.evaluate("demos[0].learner.passes") == 1  # rien n'est perdu


def test_hidden_neurons_change_the_network_by_keyboard(page):
    slider = page.get_by_label("Neurones cachés")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("learner.lines(demos[0].learner).length") == 3
    assert slider.get_attribute("aria-valuetext") == "3"
    page.get_by_role("button", name="Autre tirage").click()
    assert page.get_by_label("Graine des poids").input_value() == "1"


def test_the_page_is_never_blocked_for_long(page):
    page.get_by_label("Passages entre deux dessins").select_option("1000")
    page.evaluate("""() => {
      window.long = [];
      new PerformanceObserver((list) => long.push(...list.getEntries().map((e) => e.duration)))
        .observe({ type: "longtask" });
    }""")
    page.get_by_role("button", name="Jouer").click()
    page.wait_for_timeout(1500)
    assert max(page.evaluate("window.long"), default=0) < 200
