"""Les modèles du lab 9 dans la page : logits, attention et tirages de labkit ; le clavier."""

import pytest
import torch

import labkit
from labkit.models import generation
from labkit.text.grammar import PHRASES
from tests.demos.conftest import visit
from tests.demos.parity import difference

WORDS = PHRASES.tokenizer
SENTENCES = [
    "les voisines que le berger regarde <masque> très fières",
    "<masque> chat <masque> content",
    "mon vieux chat reste <masque>",
]
STATUS = "document.querySelector('.demo-status').textContent"


MODELS = {"masked": "masqué", "causal": "causal"}
FILES = {"masked": "lm_phrases_diffusion", "causal": "lm_phrases_causal"}


@pytest.fixture(scope="module")
def models():
    return {name: labkit.load_reference(file) for name, file in FILES.items()}


@pytest.fixture(scope="module")
def model(models):
    return models["masked"]


@pytest.fixture(scope="module")
def causal(models):
    return models["causal"]


@pytest.fixture(scope="module")
def page(browser, weights):
    """Une page pour tous, longue à charger ; chaque test y remet ce qu'il lit."""
    with visit(browser, "words/index.html", reduced_motion="reduce") as page:
        assert page.evaluate("weightFiles") == {}  # rien n'est chargé avant qu'on la touche
        page.get_by_label("Température").focus()
        page.wait_for_function("globalThis.demos && demos[0].laws")
        page.evaluate(
            """async (files) => {
              const names = Object.keys(files);
              const read = await Promise.all(names.map((name) => weights.load(files[name])));
              words.load(Object.fromEntries(names.map((name, k) => [name, read[k]])));
            }""",
            FILES,
        )
        yield page


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
@pytest.mark.parametrize("name", FILES)
def test_a_network_is_that_of_labkit_stage_by_stage(page, models, name, text):
    model, ids = models[name], encode(text)
    found = page.evaluate(
        """([name, ids]) => {
          const { stages, h, maps } = words.trace(name, ids);
          return { stages: stages.map((x) => [...x]), h: [...h], maps: maps.flat(3) };
        }""",
        [name, ids.tolist()],
    )
    x = model.tokens(ids[None])
    for block, stage in zip(model.blocks, found["stages"], strict=True):
        x = block(x)
        assert difference(stage, x) < 1e-4
    assert difference(found["h"], model.features(ids[None])) < 1e-4
    assert difference(found["maps"], model.attention_maps(ids[None])) < 1e-4


@torch.no_grad()
@pytest.mark.parametrize("text", SENTENCES)
def test_the_logits_are_those_of_labkit(page, models, text):
    ids = encode(text)
    found = page.evaluate("(ids) => words.blankLogits(ids).map((row) => [...row])", ids.tolist())
    expected = generation.blank_logits(models["masked"], ids[None], WORDS.mask_id)
    start = ids[: ids.tolist().index(WORDS.mask_id)]
    found += page.evaluate("(ids) => [[...words.nextLogits(ids)]]", start.tolist())
    expected = [*expected, models["causal"](start[None])[0, -1]]
    for row, logits in zip(found, expected, strict=True):
        assert difference(row[2:], logits[2:]) < 1e-4
        assert row[WORDS.mask_id] == float("-inf")


def test_no_position_of_the_causal_model_reads_the_future(page):
    """Un mot changé ne change aucun logit d'avant lui, bit pour bit ; il change les suivants."""
    ids = encode("mon vieux chat reste content ici").tolist()
    changed = page.evaluate(
        """([ids, other]) => {
          const [first, second] = [ids, other].map((given) => words.trace("causal", given).h);
          const size = first.length / ids.length;
          return ids.map((_, t) => {
            const [a, b] = [first, second].map((h) => h.slice(t * size, (t + 1) * size));
            return a.some((value, k) => value !== b[k]);
          });
        }""",
        [ids, [*ids[:4], 40, *ids[5:]]],
    )
    assert changed == [False] * 4 + [True] * 4
    maps = page.evaluate("(ids) => words.attention('causal', ids)", ids)
    maps = torch.tensor(maps)
    assert (maps == maps.tril()).all() and (maps.sum(dim=-1) - 1).abs().max() < 1e-5


@torch.no_grad()
@pytest.mark.parametrize(
    ("temperature", "top_p"), [(1, 1), (0.5, 1), (1.7, 0.9), (1, 0.3), (0.1, 0.5)]
)
def test_the_laws_are_those_of_labkit(page, models, temperature, top_p):
    ids = encode(SENTENCES[0])
    found = page.evaluate("(given) => words.laws(...given)", [ids.tolist(), 7, temperature, top_p])
    logits = {
        "masked": generation.blank_logits(models["masked"], ids[None], WORDS.mask_id),
        "causal": models["causal"](ids[None, :7])[:, -1],
    }
    for name, law in found.items():
        expected = generation.token_probabilities(logits[name], temperature, top_p=top_p)[0]
        expected[WORDS.mask_id] = 0  # le causal de labkit lui en laisse moins d'un cent-millième
        assert [value > 0 for value in law] == (expected > 0).tolist()
        assert difference(law, expected) < 1e-4


def test_after_a_hole_the_causal_model_has_no_law(page):
    ids = encode("<masque> vieux chat reste <masque>").tolist()
    laws = page.evaluate("(ids) => [1, 5].map((at) => words.laws(ids, at, 1, 1))", ids)
    assert [one["causal"] is None for one in laws] == [False, True]
    write(page, "? vieux chat reste ?")
    page.wait_for_function(f"{STATUS}.startsWith('Place 1')")
    page.get_by_role("button", name="trou, place 5").click()
    page.wait_for_function(f"{STATUS}.includes('rien, un trou reste à gauche')")
    page.get_by_label("Tête", exact=True).select_option("causal 1 2")
    page.wait_for_function("demos[0].reads.textContent.includes('Un trou reste à gauche')")
    assert "Un trou reste à gauche" in page.evaluate("demos[0].causal.textContent")


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


@pytest.mark.parametrize(("temperature", "top_p"), [(1, 1), (0.8, 0.9)])
@pytest.mark.parametrize("seed", range(3))
def test_the_causal_model_writes_the_words_of_labkit(page, causal, seed, temperature, top_p):
    length = 11
    expected = causal.generate(
        torch.tensor([[WORDS.end_id]]), length, temperature=temperature, top_p=top_p,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    again = torch.Generator().manual_seed(seed)
    numbers = [torch.rand(1, dtype=torch.float64, generator=again).item() for _ in range(length)]
    blank = [WORDS.end_id, *[WORDS.mask_id] * length, WORDS.end_id]
    found = page.evaluate(
        """([ids, temperature, topP, us]) =>
          words.write(ids, { order: "causal", temperature, topP }, us)""",
        [blank, temperature, top_p, numbers],
    )
    assert found["text"][:-1] == expected[0].tolist()
    assert [one["place"] for one in found["kept"]] == list(range(1, length + 1))


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


def test_a_sentence_is_written_by_the_causal_model_by_keyboard(page):
    write(page, "mon vieux chat reste ?")
    page.get_by_label("Phrase entière").select_option("causal")
    page.get_by_role("button", name="Écrire une phrase entière").focus()
    page.keyboard.press("Enter")
    page.wait_for_function(f"{STATUS}.startsWith('Modèle causal, de gauche à droite')")
    ranks = page.evaluate("[...demos[0].line.querySelectorAll('sub')].map((e) => +e.textContent)")
    assert ranks == list(range(1, 12))
    page.get_by_label("Phrase entière").select_option("confident")


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


def test_top_p_is_changed_by_keyboard(page):
    write(page, "mon vieux chat reste ?")
    page.wait_for_function("demos[0].laws && demos[0].at === 5")
    page.get_by_label("Top-p").focus()
    page.keyboard.press("Home")
    page.wait_for_function("demos[0].laws.masked.filter((value) => value > 0).length <= 2")
    page.keyboard.press("End")
    page.wait_for_function("demos[0].laws.masked.filter((value) => value > 0).length > 100")


@pytest.mark.parametrize(("name", "reader"), [("masked", 5), ("causal", 4)])
def test_the_bars_are_the_row_that_predicts_the_word(page, name, reader):
    write(page, "mon vieux chat reste ?")
    page.wait_for_function("demos[0].laws && demos[0].at === 5")
    page.get_by_label("Tête", exact=True).select_option(f"{name} 1 3")
    page.wait_for_function(f"demos[0].map.ariaLabel.includes('{MODELS[name]}, étage 2, tête 4')")
    maps = page.evaluate(f"demos[0].ask('attention', '{name}', demos[0].ids)")
    widths = page.evaluate(
        "[...demos[0].reads.children].map((e) => parseFloat(e.children[1].firstChild.style.width))"
    )
    row = maps[1][3][reader]
    assert widths == pytest.approx([100 * weight for weight in row], abs=0.051)
    drawn = page.evaluate("""[...demos[0].map.children].map((line) =>
      [...line.children].map((cell) => +cell.style.getPropertyValue("--weight")))""")
    assert torch.allclose(torch.tensor(drawn), torch.tensor(maps[1][3]), atol=6e-4)
    framed = page.evaluate("[...demos[0].map.children].map((e) => e.className)")
    assert framed.index("words-reader") == reader


def test_a_token_is_quick(page):
    """Le but, 30 ms au repos, se mesure par `make bench` ; ici, six fois plus."""
    durations = page.evaluate("""() => {
      const ids = [0, ...new Array(11).fill(1), 0];
      const left = [0, ...new Array(11).fill(2)];
      return [() => words.blankLogits(ids), () => words.nextLogits(left)].map((read) => {
        const start = performance.now();
        for (let k = 0; k < 10; k++) read();
        return (performance.now() - start) / 10;
      });
    }""")
    assert max(durations) < 180
