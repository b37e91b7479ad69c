"""Ce que toute démonstration doit à son lecteur, quelle qu'elle soit."""

import re

import pytest

from tests.demos.conftest import DEMOS

PAGES = sorted(path.parent.name for path in DEMOS.glob("*/index.html"))
CODE = 40_000  # octets du script d'une démonstration, ses textes compris
LARGER = {"ganlab": 60_000}  # elle entraîne deux réseaux, et dessine six panneaux

CONTRAST = """() => {
  const probe = document.createElement("div");
  document.querySelector(".demo").append(probe);
  const light = (name) => {
    probe.style.color = `var(${name})`;
    const channels = getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map((c) => {
      const v = c / 255;
      return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2];
  };
  const ratio = (a, b) => {
    const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const found = {};
  for (const ink of ["ink", "error"]) found[ink] = ratio(`--demo-${ink}`, "--demo-paper") / 4.5;
  found.button = ratio("--demo-ink", "--demo-surface") / 4.5;
  found.main = ratio("--demo-on-accent", "--demo-accent") / 4.5;
  for (const mark of ["real", "drawn", "border", "accent"]) {
    found[mark] = ratio(`--demo-${mark}`, "--demo-paper") / 3;
  }
  probe.remove();
  return found;
}"""

NAMELESS = """() => [...document.querySelectorAll(
    '.demo :is(button, select, input, canvas[role=img], [role=group], form)')].filter((e) =>
    !(e.getAttribute('aria-label') || e.textContent.trim() || (e.labels && e.labels.length)))
    .map((e) => e.outerHTML)"""

FOCUSABLE = """[...document.querySelectorAll(
    ".demo :is(button, select, input:not([type=radio]), summary, canvas[tabindex='0'])")]"""


def open_calm(open_page, name, **options):
    page = open_page(f"{name}/index.html", reduced_motion="reduce", **options)
    page.wait_for_selector(".demo button")
    return page


@pytest.mark.parametrize("name", PAGES)
def test_everything_has_a_name_and_ids_are_unique(open_page, name):
    page = open_calm(open_page, name)
    assert page.evaluate(NAMELESS) == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", PAGES)
def test_everything_is_reached_by_keyboard_and_shows_it(open_page, name):
    page = open_calm(open_page, name)
    count = page.evaluate(f"{FOCUSABLE}.length")
    reached = set()
    for _ in range(2 * count + 10):
        page.keyboard.press("Tab")
        rank, outline = page.evaluate(
            f"""() => [{FOCUSABLE}.indexOf(document.activeElement),
                       getComputedStyle(document.activeElement).outlineStyle]"""
        )
        if rank >= 0:
            reached.add(rank)
            assert outline != "none", rank
    hidden = page.evaluate(
        f"""{FOCUSABLE}.flatMap((e, rank) =>
          e.checkVisibility() && e.tabIndex >= 0 ? [] : [rank])"""
    )
    assert reached | set(hidden) == set(range(count))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_it_fits_and_contrasts(open_page, name, scheme, width):
    viewport = {"width": width, "height": 800}
    page = open_calm(open_page, name, color_scheme=scheme, viewport=viewport)
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0
    ratios = page.evaluate(CONTRAST)
    assert min(ratios.values()) >= 1, ratios


@pytest.mark.parametrize("name", PAGES)
def test_it_follows_the_theme_of_the_site(open_page, name):
    page = open_calm(open_page, name, color_scheme="light")
    paper = "getComputedStyle(document.querySelector('.demo')).getPropertyValue('--demo-paper')"
    bright = page.evaluate(paper)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert page.evaluate(paper) != bright


@pytest.mark.parametrize("name", PAGES)
def test_a_prediction_is_asked_before_playing(open_page, name):
    page = open_calm(open_page, name)
    if name == "ganlab":  # l'expérience se choisit d'abord
        page.get_by_role("button", name="Un G trop petit").click()
    page.locator(".demo-quiz button").click()
    assert "votre prédiction" in page.locator(".demo-quiz .demo-error").inner_text()


@pytest.mark.parametrize("name", PAGES)
def test_without_script_the_page_says_where_to_look(open_page, name):
    page = open_page(f"{name}/index.html", java_script_enabled=False)
    assert "demande JavaScript ; le lab" in page.inner_text("main")


@pytest.mark.parametrize("name", PAGES)
def test_the_guide_gives_a_frame_tall_enough(open_page, name):
    guide = (DEMOS.parent / "book" / "instructor_guide.md").read_text(encoding="utf-8")
    height = int(re.search(rf"^\| `{name}` \|.*\| (\d+) \|$", guide, re.MULTILINE)[1])
    page = open_calm(open_page, name, viewport={"width": 760, "height": 800})
    needed = page.evaluate("document.documentElement.scrollHeight")
    assert needed + 100 <= height <= needed + 600


@pytest.mark.parametrize("name", PAGES)
def test_its_code_is_light(name):
    size = sum(path.stat().st_size for path in (DEMOS / name).glob("*.js"))
    assert size <= LARGER.get(name, CODE)


def test_a_long_curve_is_thinned_evenly(open_page):
    page = open_calm(open_page, "perceptron")
    steps, values = page.evaluate("""() => {
      const kept = drawing.trace(["error"], 8);
      for (let k = 0; k < 43; k++) kept.push(k, { error: -k });
      return [kept.steps, kept.error];
    }""")
    assert steps == [0, 8, 16, 24, 32, 40, 42]
    assert values == [-step for step in steps]
