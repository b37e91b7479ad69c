"""La diffusion dans un navigateur : bloc par bloc égale à labkit, au clavier."""

import copy
import json

import pytest
import torch

import labkit
from labkit import metrics
from labkit.models.samplers import ancestral_step, class_guidance, ddim_step, ddim_times
from tests.demos.conftest import DEMOS, visit
from tests.demos.parity import arrays, difference
from tools import notebooks

PAGE = "diffusion/index.html"
STATUS = "document.querySelector('.demo-status').textContent"
VERDICT = "document.querySelector('.demo-verdict').textContent"
LAYER, DRAWING = 1e-4, 1e-3
SLOW = 120_000  # ms : un tirage sur une machine chargée

# Descend du bruit donné, comme la page, et rend chaque pas.
DESCEND = """([x, visited, fresh, settings]) => {
  let state = Float32Array.from(x);
  return visited.slice(0, -1).map((t, k) => {
    const noise = fresh ? Float32Array.from(fresh[k]) : null;
    const found = diffusion.step({ ...settings, x: state, t, after: visited[k + 1], fresh: noise });
    state = found.next;
    return found;
  });
}"""


@pytest.fixture(scope="module")
def process():
    return labkit.load_reference("ddpm_class")


@pytest.fixture(scope="module")
def precise(process):
    """Le même processus en float64 : ce dont float32, dans la page ou dans labkit, approche."""
    return copy.deepcopy(process).double()


@pytest.fixture(scope="module")
def loaded(browser, weights):
    """Une page pour tous, longue à charger."""
    with visit(browser, PAGE) as page:
        page.wait_for_timeout(200)
        assert page.evaluate("weightFiles") == {}  # rien n'est chargé avant qu'on la touche
        page.get_by_label("Graine", exact=True).focus()
        page.wait_for_function(f"{STATUS}.startsWith('Réseau chargé')", timeout=SLOW)
        assert page.evaluate("Object.keys(weightFiles)") == ["ddpm_class"]
        page.evaluate("async () => diffusion.load(await weights.load('ddpm_class'))")
        yield page


@pytest.fixture
def page(loaded):
    """Les réglages et la question de départ."""
    loaded.evaluate("""() => {
      demos[0].fill({ sampler: 0, steps: 20, label: 3, seed: 0 }, 1);
      demos[0].pose("noise");
    }""")
    return loaded


def noise(seed=0, count=1):
    return torch.randn(count, 1, 28, 28, generator=torch.Generator().manual_seed(seed))


def predict(process, x, t, label):
    """Le réseau de labkit tel quel, et non en bf16 comme `fast_inference`."""
    with torch.no_grad():
        return process.model(x, torch.full((len(x),), t), torch.full((len(x),), label))


def blocks_of(process, x, t, label):
    """Ce que donne chaque bloc du réseau, par nom."""
    found, hooks = {}, []
    for name in ("down1", "down2", "down3", "bottleneck", "merge3", "merge2", "merge1"):

        def keep(_module, _inputs, output, name=name):
            found[name] = output.clone()

        hooks.append(getattr(process.model, name).register_forward_hook(keep))
    found["noise"] = predict(process, x, t, label)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize(("t", "label"), [(999, 3), (500, 10), (0, 7)])
def test_every_block_is_that_of_labkit(page, process, t, label):
    x = noise()
    found = arrays(
        page,
        """([x, t, label]) => {
          const trace = {};
          const noise = diffusion.unet(Float32Array.from(x), t, label, trace);
          const { embedding, ...blocks } = trace;
          const entries = Object.entries(blocks).map(([name, { data }]) => [name, data]);
          return { noise, ...Object.fromEntries(entries) };
        }""",
        [x.flatten().tolist(), t, label],
    )
    expected = blocks_of(process, x, t, label)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert difference(found[name], values) < LAYER, name


def guided(process, label, scale):
    """Le guidage de labkit, sans précision réduite."""

    def predict_at(x, t):
        named, plain = (predict(process, x, t.item(), rank) for rank in (label, 10))
        return plain + scale * (named - plain)

    return predict_at


def descend(process, x, visited, fresh, *, label, guidance, eta):
    """Les pas { noise, x0, next } de labkit, à la précision de ses poids."""
    dtype = process.model.to_noise.weight.dtype
    x, fresh, predicted = x.to(dtype), fresh.to(dtype), guided(process, label, guidance)
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for k, (t, after) in enumerate(zip(visited[:-1], visited[1:], strict=True)):
            patch.setattr(torch, "randn_like", lambda _, k=k: fresh[k][None])
            now, target = torch.tensor([t]), torch.tensor([after])
            eps = predicted(x, now)
            x0, x = (
                process.predict_x0(x, now, eps),
                ddim_step(process, x, now, target, eps, eta=eta),
            )
            found.append({"noise": eps, "x0": x0, "next": x})
    return found


@pytest.mark.parametrize(("eta", "guidance"), [
    (0.0, 0.0), (0.0, 1.0), (0.0, 2.0), (1.0, 2.0), (0.0, 4.0), (1.0, 8.0), (0.0, 8.0),
])  # fmt: skip
def test_a_whole_drawing_is_that_of_labkit(page, process, precise, eta, guidance):
    """Contre float64 : à t = 999, x̂0 = (x - √(1 - ᾱ) ε̂) / √ᾱ multiplie l'arrondi de ε̂ par 157.

    Un guidage s l'étend encore, d'un facteur 2 s - 1 au plus. Le float32 de labkit s'y écarte
    lui-même de 2,8e-3 à s = 8, quand la page, qui fait ses sommes en float64, reste sous 1e-3.
    L'erreur n'est pas reprise au pas suivant, où x̂0 compte pour √ᾱ' : l'image finie est à 1e-4.
    """
    steps = 6
    visited = [*ddim_times(process.timesteps, steps), -1]
    x, fresh = noise(1), noise(2, steps)
    settings = {"label": 4, "guidance": guidance, "eta": eta}
    found = arrays(
        page, DESCEND, [x.flatten().tolist(), visited, fresh.flatten(1).tolist(), settings]
    )
    expected, rounded = (
        descend(model, x, visited, fresh, **settings) for model in (precise, process)
    )
    for ours, theirs in zip(found, expected, strict=True):
        assert difference(ours["noise"], theirs["noise"]) < LAYER
        assert difference(ours["x0"], theirs["x0"]) < DRAWING
        assert difference(ours["next"], theirs["next"]) < LAYER
    error, of_labkit = (
        difference(first["x0"].flatten(), expected[0]["x0"]) for first in (found[0], rounded[0])
    )
    assert error <= of_labkit


@pytest.mark.parametrize("t", [999, 400, 1, 0])
def test_with_eta_one_a_step_to_the_instant_before_is_that_of_ddpm(page, process, t, monkeypatch):
    x, fresh = noise(3), noise(4)
    settings = {"label": 2, "guidance": 1, "eta": 1}
    visited = [t, t - 1]
    (found,) = arrays(
        page, DESCEND, [x.flatten().tolist(), visited, fresh.flatten(1).tolist(), settings]
    )
    monkeypatch.setattr(torch, "randn_like", lambda _: fresh)
    now = torch.tensor([t])
    expected = ancestral_step(process, x, now, now - 1, predict(process, x, t, 2))
    assert difference(found["next"], expected) < DRAWING


def test_the_guidance_written_here_is_that_of_labkit(process, monkeypatch):
    """Le guidage de `class_guidance`, précision réduite écartée."""
    from contextlib import nullcontext

    from labkit.models import samplers

    monkeypatch.setattr(samplers, "fast_inference", lambda _: nullcontext())
    x, t = noise(), torch.tensor([300])
    expected = class_guidance(process.model, [4], 3.0)(x, t)
    torch.testing.assert_close(guided(process, 4, 3.0)(x, t), expected, atol=1e-4, rtol=1e-4)


def test_levels_and_instants_are_those_of_labkit(page, process):
    levels = page.evaluate("Array.from({ length: 1001 }, (_, k) => diffusion.level(k - 1))")
    expected = torch.cat([process.image_levels[-1:], process.alpha_bars])
    torch.testing.assert_close(torch.tensor(levels), expected, atol=1e-6, rtol=1e-6)
    for steps in (1, 3, 5, 7, 10, 16, 20, 50, 100, 300, 1000):
        assert page.evaluate(f"diffusion.times({steps})") == ddim_times(1000, steps)


# --- la page ------------------------------------------------------------------------------------


def draw(page):
    page.get_by_role("button", name="Tirer", exact=True).click()
    page.wait_for_function(f"{STATUS}.startsWith('Tirage fini')", timeout=SLOW)


def test_a_seed_gives_a_picture_and_another_seed_another(page):
    page.get_by_label("Nombre de pas").select_option("5")
    pictures = []
    for seed in ("0", "0", "1"):
        page.get_by_label("Graine", exact=True).fill(seed)
        draw(page)
        pictures.append(page.evaluate("[...demos[0].frames[5].x]"))
    assert pictures[0] == pictures[1] != pictures[2]


def test_the_page_draws_what_labkit_draws(page, process):
    """Le tirage affiché, refait par labkit à partir du même bruit."""
    page.get_by_label("Nombre de pas").select_option("10")
    page.get_by_label("Guidage s").fill("2")
    draw(page)
    frames = page.evaluate("demos[0].frames.map(({ x }) => [...x])")
    x, predicted = torch.tensor(frames[0]).view(1, 1, 28, 28), guided(process, 3, 2.0)
    assert abs(x.mean()) < 0.15 and 0.9 < x.std() < 1.1
    visited = [*ddim_times(1000, 10), -1]
    for t, after in zip(visited[:-1], visited[1:], strict=True):
        now = torch.tensor([t])
        x = ddim_step(process, x, now, torch.tensor([after]), predicted(x, now), eta=0.0)
    assert difference(frames[-1], x) < DRAWING


def test_the_steps_are_gone_through_by_keyboard(page):
    page.get_by_label("Nombre de pas").select_option("5")
    draw(page)
    shown = page.get_by_label("Pas montré")
    assert shown.get_attribute("aria-valuetext") == "image finie"
    shown.press("ArrowLeft")
    assert page.evaluate(STATUS).startswith(
        "Pas 5 sur 5, t = 199 · variance du bruit 1 − ᾱ = 0,341"
    )
    shown.press("Home")
    assert page.evaluate(STATUS).startswith(
        "Pas 1 sur 5, t = 999 · variance du bruit 1 − ᾱ = 1,000"
    )
    named = page.locator("canvas[data-panel=x0]").get_attribute("aria-label")
    assert named.startswith("L'image devinée x̂0. Pas 1 sur 5")


def test_a_new_drawing_replaces_the_one_under_way(page):
    page.get_by_label("Nombre de pas").select_option("100")
    page.get_by_role("button", name="Tirer", exact=True).click()
    page.wait_for_function("demos[0].frames.length > 1", timeout=SLOW)
    page.get_by_label("Nombre de pas").select_option("5")
    draw(page)
    assert page.evaluate("demos[0].frames.map(({ t }) => t)") == [999, 799, 599, 399, 199, -1]


def test_a_bad_seed_is_refused_beside_its_field_and_nothing_is_lost(page):
    page.get_by_label("Nombre de pas").select_option("5")
    draw(page)
    field = page.get_by_label("Graine", exact=True)
    for value in ("", "-1", "1,5", "un"):
        field.fill(value)
        page.get_by_role("button", name="Tirer", exact=True).click()
        assert "Un entier de 0 à 999999" in page.locator("#df-seed-error").inner_text()
        assert field.get_attribute("aria-invalid") == "true"
        assert field.evaluate("(e) => e === document.activeElement")
    assert page.evaluate("demos[0].frames.length") == 6


def test_without_a_class_there_is_nothing_to_guide(page):
    page.get_by_label("Classe").select_option("10")
    assert page.get_by_label("Guidage s").is_disabled()
    assert page.evaluate("demos[0].read()") == {
        "sampler": 0, "steps": 20, "label": 10, "seed": 0, "guidance": 1,
    }  # fmt: skip


def test_the_noise_leaves_late_and_the_verdict_gives_the_numbers(page, process):
    page.get_by_label("vers t = 500, à mi-chemin").check()
    page.get_by_role("button", name="Tirer une image").click()
    page.wait_for_function(f"{VERDICT}.includes('passe sous')", timeout=SLOW)
    verdict = page.evaluate(VERDICT)
    visited = ddim_times(1000, 20)
    passed = next(k for k, t in enumerate(visited) if process.noise_levels[t] < 0.5)
    assert f"au pas {passed + 1} sur 20, t = {visited[passed]}." in verdict
    assert (process.noise_levels[:1000] < 0.5).sum() in range(240, 280)
    assert round(100 * process.noise_levels[499].item()) == 92
    assert "À t = 499, il vaut 0,92" in verdict and "vaut encore 0,92" in verdict
    gaps = page.evaluate("demos[0].gaps")
    assert gaps[10] < 0.35 * gaps[0]
    assert "Il fallait attendre : vers t = 250, tard" in verdict


def test_guidance_narrows_the_drawings_and_the_verdict_gives_the_numbers(page):
    page.get_by_role("button", name="Autre question").click()
    page.get_by_label("plus variées").check()
    page.get_by_role("button", name="Tirer deux fois neuf images").click()
    page.wait_for_function(f"{VERDICT}.includes('diversité passe')", timeout=SLOW)
    sets = page.evaluate(
        "['before', 'nine'].map((n) => demos[0].sets[n].images.map((i) => [...i]))"
    )
    images = torch.tensor(sets).clamp(0, 1)
    labels = torch.zeros(9, dtype=torch.long)
    measured = [(metrics.diversity(nine, labels), nine.mean().item()) for nine in images]
    assert measured[1][0] < measured[0][0] and measured[1][1] > measured[0][1]
    verdict = page.evaluate(VERDICT)
    for before, after in zip(*measured, strict=True):
        assert f"{before:.2f} à {after:.2f}".replace(".", ",") in verdict


def test_what_the_second_verdict_says_holds_for_other_seeds(process):
    """Diversité en baisse, gris en hausse, de s = 1 à s = 4 : deux fois neuf graines d'un 3."""
    for seed in range(2):
        found = []
        for scale in (1.0, 4.0):
            torch.manual_seed(seed)
            nine = process.sample_ddim(9, steps=10, labels=[3] * 9, guidance=scale)
            found.append((metrics.diversity(nine, torch.zeros(9).long()), nine.mean().item()))
        assert found[1][0] < found[0][0] and found[1][1] > found[0][1]


def test_the_numbers_quoted_are_those_of_the_lab():
    text = (DEMOS / "diffusion" / "questions.js").read_text(encoding="utf-8")
    path = notebooks.ROOT / "labkit" / "reference" / "results" / "ddpm_guidance.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    fid = {row["scale"]: round(row["fid"]) for row in rows}
    assert f"la FID passe de {fid[1]} à {fid[2]} quand" in text
    assert f"à {fid[4]} pour s = 4 et à {fid[8]} pour s = 8" in text
    # Les tirages : les images reconnues, comptées par classe, sur la part qu'elles en font.
    assert {round(sum(row["counts"]) / row["recognised"]) for row in rows} == {2000}
    assert "sur deux mille tirages, la classe demandée est mieux suivie" in text
    by_scale = {row["scale"]: row for row in rows}
    assert by_scale[1]["obeyed"] < by_scale[2]["obeyed"] < by_scale[4]["obeyed"]


def test_the_page_is_never_blocked_for_long(open_page):
    """Le but, 50 ms au repos, se mesure par `make bench` ; ici, huit fois plus."""
    page = open_page(PAGE)
    page.evaluate("""() => {
      window.long = [0];
      new PerformanceObserver((list) => long.push(...list.getEntries().map((e) => e.duration)))
        .observe({ type: "longtask" });
    }""")
    page.get_by_label("Nombre de pas").select_option("10")
    draw(page)
    assert max(page.evaluate("window.long")) < 400
