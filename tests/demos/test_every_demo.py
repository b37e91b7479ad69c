"""Ce que toute démonstration doit à son lecteur, quelle qu'elle soit."""

import re

import pytest

from tests.demos.conftest import DEMOS, visit
from tools import demos, page_checks

PAGES = sorted(path.parent.name for path in DEMOS.glob("*/index.html"))
LOADING = sorted({*demos.WEIGHTS, *demos.NUMBERS})  # celles qui attendent un fichier de poids
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

CUT = """() => [...document.querySelectorAll(".demo select")].filter((menu) => {
  const whole = menu.cloneNode(true);
  whole.removeAttribute("id");
  whole.style.cssText = "position: absolute; width: max-content; max-width: none";
  menu.after(whole);
  const wanted = whole.offsetWidth;
  whole.remove();
  return wanted > menu.offsetWidth;
}).map((menu) => menu.id)"""

FOCUSABLE = """[...document.querySelectorAll(
    ".demo :is(button, select, input:not([type=radio]), summary, canvas[tabindex='0'])")]"""


PHONE = {"has_touch": True, "viewport": {"width": 360, "height": 740}, "offline": True}
VERDICT = "document.querySelector('.demo-verdict').textContent"
SLOW = 60_000  # ms : une expérience sur une machine chargée


def tap_first_answer(page, name):
    """Touche une réponse, puis le bouton qui la met à l'épreuve, réclamée s'il vient d'abord."""
    if name == "ganlab":  # l'expérience se choisit d'abord ; de petits lots la rendent courte
        page.evaluate("game.DEFAULTS.batchSize = 16")
        page.get_by_role("button", name="Un G trop petit").tap()
    page.locator(".demo-quiz button").tap()
    asked = page.locator(".demo-quiz .demo-error").inner_text()
    assert asked == "Choisissez d'abord une réponse : c'est votre prédiction."
    page.locator(".demo-quiz input").first.tap()
    page.locator(".demo-quiz button").tap()


@pytest.fixture(scope="module", params=PAGES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def played(name, browser, weights):
    """La démonstration sur un téléphone hors ligne, jouée au doigt de la question au verdict."""
    with visit(browser, f"{name}/index.html", reduced_motion="reduce", **PHONE) as page:
        page.wait_for_selector(".demo button")
        assert faults(page) == []
        tap_first_answer(page, name)
        page.wait_for_function(f"/Bien prédit|Il fallait/.test({VERDICT})", timeout=SLOW)
        yield page


@pytest.fixture
def page(played):
    """La même, à la largeur et dans le mode où elle a été jouée."""
    played.set_viewport_size(PHONE["viewport"])
    played.emulate_media(color_scheme="light")
    return played


def faults(page):
    """Ce qu'axe reproche à la page, en clair et en sombre."""
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found += page_checks.accessibility(page, page_checks.axe_script())
    return found


def test_axe_finds_no_fault_on_a_phone(page):
    assert faults(page) == []


def test_everything_has_a_name_and_ids_are_unique(page):
    assert page.evaluate(NAMELESS) == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


def test_everything_is_reached_by_keyboard_and_shows_it(page):
    count = page.evaluate(f"{FOCUSABLE}.length")
    reached = set()
    for _ in range(2 * count + 10):
        page.keyboard.press("Tab")
        rank, outline = page.evaluate(
            f"""() => [{FOCUSABLE}.indexOf(document.activeElement),
                       getComputedStyle(document.activeElement).outlineStyle]"""
        )
        if rank in reached:
            break
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
def test_it_fits_and_contrasts(page, scheme, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0
    ratios = page.evaluate(CONTRAST)
    assert min(ratios.values()) >= 1, ratios


@pytest.mark.parametrize("width", [360, 1280])
def test_every_choice_is_read_whole(page, width):
    """Aucun menu n'est plus étroit que le plus long de ses choix."""
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate(CUT) == []


def test_it_follows_the_theme_of_the_site(page):
    paper = "getComputedStyle(document.querySelector('.demo')).getPropertyValue('--demo-paper')"
    bright = page.evaluate(paper)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    dark = page.evaluate(paper)
    page.evaluate("delete document.documentElement.dataset.theme")
    assert dark != bright


def test_the_guide_gives_a_frame_tall_enough(page, name):
    """Verdict compris, dès 760 pixels."""
    guide = (DEMOS.parent / "book" / "instructor_guide.md").read_text(encoding="utf-8")
    height = int(re.search(rf"^\| `{name}` \|.*\| (\d+) \|$", guide, re.MULTILINE)[1])
    page.set_viewport_size({"width": 760, "height": 400})
    needed = page.evaluate("document.documentElement.scrollHeight")
    assert needed + 30 <= height <= needed + 500


@pytest.mark.parametrize("loading", LOADING)
def test_missing_weights_say_what_to_do_and_can_be_asked_again(browser, weights, loading):
    """Aucune erreur ne reste sans lecteur ; la question, jouée de nouveau, les demande encore."""
    with visit(browser, f"{loading}/index.html", reduced_motion="reduce", **PHONE) as page:
        page.evaluate("""() => {
          globalThis.found = weights.load;
          weights.load = async () => { throw new Error("Les poids manquent."); };
        }""")
        tap_first_answer(page, loading)
        page.wait_for_function(f"{VERDICT} === 'Les poids manquent.'")
        status = page.locator(".demo-status").first.inner_text()
        assert status == "Les poids manquent."
        page.evaluate("void (weights.load = found)")
        page.locator(".demo-quiz button").tap()
        page.wait_for_function(
            f"Object.keys(weightFiles).length && {VERDICT} && !{VERDICT}.includes('manquent')",
            timeout=SLOW,
        )


def test_a_worker_that_fails_or_stops_is_told(open_page):
    found = open_page("latent/index.html").evaluate("""async () => {
      const told = [];
      const install = (root) => {
        root.essai = {
          answer: () => 7,
          fail: () => { throw new Error("trop grand"); },
          stop: () => setTimeout(() => { throw new Error("plus de place"); }),
        };
      };
      const ask = workers.interview("essai", [install], (text) => told.push(text));
      const fate = (action) => ask(action).catch((error) => error.message);
      const fates = [await fate("fail"), await fate("answer")];
      await fate("stop");
      for (let k = 0; k < 400 && told.length < 2; k++) {
        await new Promise((resolve) => { setTimeout(resolve, 5); });
      }
      const heard = told.length;
      fates.push(await fate("answer"));
      return { told, heard, fates };
    }""")
    assert found["heard"] == 2  # l'arrêt est dit sans attendre la question suivante
    failed, stopped = found["told"][:2]
    assert failed.startswith("Le calcul a échoué (trop grand). Recommencez")
    assert "plus de place). Rechargez la page pour recommencer." in stopped
    assert found["fates"] == [failed, 7, stopped]


def test_without_script_the_page_says_where_to_look(open_page, name):
    page = open_page(f"{name}/index.html", java_script_enabled=False)
    assert "demande JavaScript ; le lab" in page.inner_text("main")


def test_its_code_is_light(name):
    size = sum(path.stat().st_size for path in (DEMOS / name).glob("*.js"))
    assert size <= LARGER.get(name, CODE)


def test_a_long_curve_is_thinned_evenly(open_page):
    page = open_page("perceptron/index.html")
    steps, values = page.evaluate("""() => {
      const kept = drawing.trace(["error"], 8);
      for (let k = 0; k < 43; k++) kept.push(k, { error: -k });
      return [kept.steps, kept.error];
    }""")
    assert steps == [0, 8, 16, 24, 32, 40, 42]
    assert values == [-step for step in steps]
