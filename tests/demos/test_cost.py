"""Le budget du lab 10 dans la page : les nombres des labs, le front de labkit, le clavier."""

import statistics

import pytest

import labkit
from labkit import number
from tests.demos.conftest import visit
from tools import demo_numbers

PAGE = "cost/index.html"
STATUS = "document.querySelector('.demo-status').textContent"
MODELS = demo_numbers.comparison()


def means(measure):
    return {
        model["name"]: statistics.mean(model["measures"][measure])
        for model in MODELS
        if measure in model["measures"]
    }


@pytest.fixture(scope="module")
def loaded(browser, weights):
    with visit(browser, PAGE, reduced_motion="reduce") as page:
        page.wait_for_selector(".demo button")
        assert page.evaluate("weightFiles") == {}  # rien n'est chargé avant qu'on la touche
        page.get_by_label("Mesure", exact=True).focus()
        page.wait_for_function("demos[0].ranked")
        yield page


@pytest.fixture
def page(loaded):
    """Sans limite, pour la FID."""
    loaded.evaluate("""() => {
      const { time, size, form } = demos[0];
      [time.value, size.value, form.elements.measure.value] = [99, 99, "fid"];
      demos[0].refresh();
    }""")
    return loaded


def names(page, expression):
    return page.evaluate(f"({expression}).map(({{ name }}) => name)")


def test_the_measures_are_those_of_the_labs(page):
    assert page.evaluate("weightFiles.comparison") == MODELS


@pytest.mark.parametrize("measure", demo_numbers.MEASURES)
def test_the_front_is_that_of_labkit(page, measure):
    sign = -1 if measure == "fid" else 1
    seconds = {model["name"]: model["seconds"] for model in MODELS}
    expected = labkit.pareto_front(
        (name, seconds[name], -sign * mean) for name, mean in means(measure).items()
    )
    page.get_by_label("Mesure", exact=True).select_option(measure)
    assert names(page, f"choice.paretoFront(demos[0].ranked, '{measure}')") == expected


def test_a_tighter_budget_changes_who_is_first(page):
    assert "13 façons de tirer sur 13" in page.evaluate(STATUS)
    assert names(page, "demos[0].ranked")[0] == "ddim_auto"
    page.get_by_label("Durée de 64 tirages").focus()
    while page.evaluate("demos[0].budget.seconds") != 0.02:
        page.keyboard.press("ArrowLeft")
    found = names(page, "demos[0].ranked")
    expected = [name for name, _ in sorted(means("fid").items(), key=lambda item: item[1])]
    quick = {model["name"] for model in MODELS if model["seconds"] <= 0.02}
    assert found == [name for name in expected if name in quick]
    assert found[0] == "dcgan"
    page.get_by_label("Paramètres, au plus").focus()
    page.keyboard.press("Home")
    assert names(page, "demos[0].ranked") == []
    assert "Rien ne tient" in page.evaluate(STATUS)


def test_the_list_gives_each_mean_and_half_range(page):
    lines = page.locator(".demo-bar").all_inner_texts()
    for model in MODELS:
        values = model["measures"]["fid"]
        (line,) = (text for text in lines if f". {model['title']}\n" in text)
        middle = number(statistics.mean(values), 1)
        spread = f" ± {number((max(values) - min(values)) / 2, 1)}" if len(values) > 1 else ""
        assert line.endswith(middle + spread), line


def test_what_the_question_says_holds(page):
    """Aucune n'est première pour les trois mesures, et les lots le départagent."""
    page.get_by_label("aucune").check()
    page.get_by_role("button", name="Voir ce qui arrive").click()
    page.wait_for_function("document.querySelector('.demo-verdict').textContent.includes('Bien')")
    verdict = page.inner_text(".demo-verdict")
    best = {
        measure: set(
            page.evaluate(
                """(measure) => {
                  const budget = { seconds: Infinity, parameters: Infinity };
                  const ranked = choice.ranking(demos[0].models, measure, budget);
                  return [ranked[0], ...choice.ties(ranked, measure)].map(({ name }) => name);
                }""",
                measure,
            )
        )
        for measure in ("fid", "recall", "precision")
    }
    assert best["fid"] & best["recall"] & best["precision"] == set()
    assert "FID, DDIM autoguidé" in verdict and "rappel, DCGAN (non départagé de" in verdict


def test_two_overlapping_models_are_not_told_apart(page):
    found = page.evaluate("""() => {
      const model = (name, fid) => ({ name, measures: { fid } });
      const ranked = [model("a", [1, 3]), model("b", [2.5, 4]), model("c", [3.5, 5])];
      return choice.ties(ranked, "fid").map(({ name }) => name);
    }""")
    assert found == ["b"]
