"""Le modèle masqué du lab 9 dans la page : logits, attention et tirages de labkit ; le clavier."""

import pytest
import torch

import labkit
from labkit.models import generation
from labkit.text.grammar import PHRASES
from tests.demos.conftest import DEMOS
from tests.demos.parity import difference

WORDS = PHRASES.tokenizer
SENTENCES = [
    "les voisines que le berger regarde <masque> très fières",
    "<masque> chat <masque> content",
    "mon vieux chat reste <masque>",
]
STATUS = "document.querySelector('.demo-status').textContent"


@pytest.fixture(scope="module")
def model():
    return labkit.load_reference("lm_phrases_diffusion")


@pytest.fixture(scope="module")
def page(browser, weights):
    """Une page pour tous, longue à charger ; chaque test y remet ce qu'il lit."""
    context = browser.new_context(locale="fr-FR", reduced_motion="reduce")
    page, problems = context.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((DEMOS / "words/index.html").as_uri())
    assert page.evaluate("weightFiles") == {}  # rien n'est chargé avant qu'on la touche
    page.get_by_label("Température").focus()
    page.wait_for_function("globalThis.demos && demos[0].laws")
    page.evaluate("weights.load('lm_phrases_diffusion').then(words.load)")
    yield page
    context.close()
    assert problems == []


def encode(text):
    end = torch.tensor([WORDS.end_id])
    return torch.cat([end, WORDS.encode(text), end])


def write(page, text):
    """Change la phrase de la page, et attend sa loi."""
    field = page.locator("#words-text")
    field.fill(text)
    field.press("Enter")
    ids = encode(text.replace("?", "<masque>")).tolist()
    page.wait_for_function(f"JSON.stringify(demos[0].ids) === '{ids}'.replaceAll(' ', '')")
    page.wait_for_function("demos[0].line.children.length === demos[0].ids.length - 2")


@torch.no_grad()
@pytest.mark.parametrize("text", SENTENCES)
def test_the_network_is_that_of_labkit_stage_by_stage(page, model, text):
    ids = encode(text)
    found = page.evaluate(
        """(ids) => {
          const { stages, h, maps } = words.trace(ids);
          return { stages: stages.map((x) => [...x]), h: [...h], maps: maps.flat(3),
                   logits: words.blankLogits(ids).map((row) => [...row.slice(2)]) };
        }""",
        ids.tolist(),
    )
    x = model.tokens(ids[None])
    for block, stage in zip(model.blocks, found["stages"], strict=True):
        x = block(x)
        assert difference(stage, x) < 1e-4
    assert difference(found["h"], model.features(ids[None])) < 1e-4
    assert difference(found["maps"], model.attention_maps(ids[None])) < 1e-4
    logits = generation.blank_logits(model, ids[None], WORDS.mask_id)
    for row, expected in zip(found["logits"], logits, strict=True):
        assert difference(row, expected[2:]) < 1e-4


@pytest.mark.parametrize(
    ("temperature", "top_p"), [(1, 1), (0.5, 1), (1.7, 0.9), (1, 0.3), (0.1, 0.5)]
)
def test_a_law_is_that_of_labkit(page, model, temperature, top_p):
    ids = encode(SENTENCES[0])
    logits = generation.blank_logits(model, ids[None], WORDS.mask_id).detach()
    found = page.evaluate(
        "([ids, temperature, topP]) =>"
        " words.probabilities(words.blankLogits(ids)[0], temperature, topP)",
        [ids.tolist(), temperature, top_p],
    )
    expected = generation.token_probabilities(logits, temperature, top_p=top_p)[0]
    assert [value > 0 for value in found] == (expected > 0).tolist()
    assert difference(found, expected) < 1e-4


@torch.no_grad()
def test_the_left_alone_is_labkit_with_the_rest_masked(page, model):
    ids = encode(SENTENCES[0])
    laws = page.evaluate("(ids) => words.laws(ids, 7, 1, 1)", ids.tolist())
    left = ids.clone()
    left[8:] = WORDS.mask_id
    for name, read in (("both", ids), ("left", left)):
        assert difference(laws[name], model.fill(read[None], WORDS.mask_id)[0]) < 1e-4


@pytest.mark.parametrize("order", ["confident", "random"])
@pytest.mark.parametrize("seed", range(3))
def test_sampled_words_are_those_of_labkit_for_the_same_numbers(page, model, order, seed):
    length, temperature = 9, 0.8
    blank = torch.full((length + 2,), WORDS.mask_id)
    blank[0] = blank[-1] = WORDS.end_id
    expected = model.unmask(
        blank[None], WORDS.mask_id, length, order=order, temperature=temperature,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    again, numbers = torch.Generator().manual_seed(seed), []
    for left in range(length, 0, -1):
        numbers += torch.rand(left, 1, dtype=torch.float64, generator=again).flatten().tolist()
        if order == "random":
            numbers += torch.rand(left, generator=again).tolist()
    found = page.evaluate(
        """([ids, order, temperature, us]) =>
          words.write(ids, { order, temperature, topP: 1 }, us).text""",
        [blank.tolist(), order, temperature, numbers],
    )
    assert found == expected[0].tolist()


def test_what_the_question_says_holds(page):
    """Les plus sûrs d'abord : pour vingt graines, jamais de gauche à droite ; ni le mot attendu."""
    written = page.evaluate("""() => Array.from({ length: 20 }, (_, seed) => {
      const random = nn.random(seed);
      const us = Array.from({ length: 132 }, () => random.uniform());
      const blank = [0, ...new Array(11).fill(1), 0];
      const { kept } = words.write(blank, { order: "confident", temperature: 1, topP: 1 }, us);
      return { places: kept.map(({ place }) => place),
               others: kept.filter(({ isLikeliest }) => !isLikeliest).length };
    })""")
    assert all(one["places"] != sorted(one["places"]) for one in written)
    assert all(one["others"] > 0 for one in written)
    page.get_by_label("de gauche à droite, toujours").check()
    page.get_by_role("button", name="Voir ce qui arrive").click()
    page.wait_for_function("document.querySelector('.demo-verdict').textContent.includes('Places')")
    verdict = page.inner_text(".demo-verdict")
    places = ", ".join(map(str, written[0]["places"]))
    assert f"dans l'ordre : {places}" in verdict and "Il fallait attendre" in verdict


def test_from_left_to_right_is_an_order_too(page):
    found = page.evaluate("""() => {
      const random = nn.random(1);
      const us = Array.from({ length: 40 }, () => random.uniform());
      const rules = { order: "left", temperature: 1, topP: 1 };
      const { kept } = words.write([0, 1, 1, 1, 1, 0], rules, us);
      return kept.map(({ place }) => place);
    }""")
    assert found == [1, 2, 3, 4]


def test_a_word_is_hidden_then_put_back_by_keyboard(page):
    write(page, "mon vieux chat reste content")
    page.get_by_role("button", name="chat", exact=True).focus()
    page.keyboard.press("Enter")
    page.wait_for_function("demos[0].ids[3] === 1")
    page.wait_for_function(f"{STATUS}.startsWith('Place 3')")
    hole = page.get_by_role("button", name="trou, place 3")
    assert hole.get_attribute("aria-pressed") == "true"
    assert hole.evaluate("(e) => e === document.activeElement")
    assert page.locator("#words-text").input_value() == "mon vieux ? reste content"
    page.keyboard.press("Enter")
    page.wait_for_function(f"demos[0].ids[3] === {WORDS.encode('chat').item()}")


def test_a_word_is_drawn_and_says_its_chance(page):
    write(page, "mon vieux chat reste ?")
    page.wait_for_function(f"{STATUS}.startsWith('Place 5')")
    page.get_by_role("button", name="Tirer ce mot").click()
    page.wait_for_function(f"{STATUS}.startsWith('Tiré à la place 5')")
    assert page.evaluate("demos[0].ids[5]") > WORDS.mask_id
    page.get_by_role("button", name="Tirer ce mot").click()
    page.wait_for_function(f"{STATUS}.includes('Aucun mot caché')")


@pytest.mark.parametrize(("text", "message"), [
    ("le dragon dort", "« dragon » n'est pas l'un des 423 mots"),
    ("", "au moins un mot"),
    ("le " * 17, "16 mots au plus sont attendus, il y en a 17"),
])  # fmt: skip
def test_a_bad_sentence_is_refused_beside_its_field_and_nothing_is_lost(page, text, message):
    write(page, "mon vieux chat reste ?")
    field = page.locator("#words-text")
    field.fill(text)
    field.press("Enter")
    page.wait_for_function("document.querySelector('#words-text-error').textContent")
    assert message in page.inner_text("#words-text-error")
    assert field.get_attribute("aria-invalid") == "true"
    assert page.evaluate("demos[0].ids.length") == 7


def test_top_p_and_a_head_are_changed_by_keyboard(page):
    write(page, "mon vieux chat reste ?")
    page.wait_for_function("demos[0].laws && demos[0].at === 5")
    page.get_by_label("Top-p").focus()
    page.keyboard.press("Home")
    page.wait_for_function("demos[0].laws.both.filter((value) => value > 0).length <= 2")
    page.keyboard.press("End")
    page.wait_for_function("demos[0].laws.both.filter((value) => value > 0).length > 100")
    page.get_by_label("Tête").select_option("11")
    found = page.evaluate("demos[0].ask('attention', demos[0].ids).then((maps) => maps[2][3][5])")
    best = page.evaluate(
        "(row) => demos[0].textOf(demos[0].ids[row.indexOf(Math.max(...row))])", found
    )
    widths = page.evaluate("""[...demos[0].reads.children].map((line) => {
      const [name, bar] = line.children;
      return [name.textContent, parseFloat(bar.firstChild.style.width)];
    })""")
    assert max(widths, key=lambda pair: pair[1])[0] == best


def test_a_token_is_quick(page):
    """Le but, 30 ms au repos, se mesure par `make bench` ; ici, six fois plus."""
    duration = page.evaluate("""() => {
      const ids = [0, ...new Array(11).fill(1), 0];
      const start = performance.now();
      for (let k = 0; k < 10; k++) words.blankLogits(ids);
      return (performance.now() - start) / 10;
    }""")
    assert duration < 180
