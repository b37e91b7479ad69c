"""Le plan latent dans un navigateur : égal à labkit, à la souris, au clavier."""

import pytest
import torch

import labkit
from tests.demos.conftest import DEMOS, visit
from tests.demos.parity import arrays, difference
from tools import demos

PAGE = "latent/index.html"
STATUS = "document.querySelector('.demo-status').textContent"
LAYER, DRAWING = 1e-4, 1e-3

SETTLED = "demos[0].ask && !demos[0].isDecoding"


def touch(page):
    page.locator("canvas[data-panel=plane-autoencoder]").press("ArrowRight")
    page.wait_for_function(SETTLED)


@pytest.fixture(scope="module")
def loaded(browser, weights):
    """Une page pour tous, longue à charger."""
    with visit(browser, PAGE) as page:
        page.wait_for_timeout(200)
        assert page.evaluate("weightFiles") == {}  # rien n'est chargé avant qu'on la touche
        touch(page)
        names = page.evaluate("Object.keys(weightFiles)")
        assert sorted(names) == sorted(demos.WEIGHTS["latent"])
        page.evaluate("""async () => {
          const names = ["autoencoder", "vae_dense_2d"];
          for (const name of names) latent.load(name, await weights.load(name));
        }""")
        yield page


@pytest.fixture(scope="module")
def latent_map(loaded):
    """La carte du fichier de poids : par nœud, ce que lit le classifieur, et à quel point."""
    found = arrays(loaded, "() => demos[0].map")
    return {name: one["data"].view(one["shape"]) for name, one in found.items()}


@pytest.fixture
def page(loaded):
    """Le point au centre des plans."""
    loaded.evaluate("demos[0].goTo([40, 40])")
    loaded.wait_for_function(SETTLED)
    return loaded


def point(page):
    return page.evaluate("demos[0].point")


def layers_of(name, z):
    """Ce que donne chaque couche du décodeur de labkit, et l'image."""
    model = labkit.load_reference(name)
    chain = model.decoder if name == "autoencoder" else [*model.decoder.hidden]
    outputs, h = [], z
    with torch.no_grad():
        for layer in chain:
            h = layer(h)
            if not isinstance(layer, torch.nn.Linear):
                outputs.append(h)
        return outputs if name == "autoencoder" else [*outputs, model.decode(z)]


@pytest.mark.parametrize("name", demos.PLANES)
def test_every_layer_is_that_of_labkit(page, name):
    codes = demos.grid_codes(name)
    for rank in (0, 3280, 1234, 6560):
        z = codes[rank]
        found = page.evaluate(
            "([name, z]) => latent.trace(name, z).map((x) => [...x])", [name, z.tolist()]
        )
        *hidden, image = layers_of(name, z[None])
        for ours, theirs in zip(found[:-1], hidden, strict=True):
            kept = theirs[theirs > 0]  # les neurones éteints de la grille n'y sont plus
            assert difference([value for value in ours if value > 0], kept) < LAYER
        assert difference(found[-1], image) < DRAWING


@pytest.mark.parametrize("name", demos.PLANES)
def test_the_page_draws_what_labkit_draws(page, name):
    touch(page)
    column, row = point(page)
    found = page.evaluate("(name) => [...demos[0].images[name]]", name)
    z = demos.grid_codes(name)[row * demos.SIDE + column]
    with torch.no_grad():
        assert difference(found, labkit.load_reference(name).decode(z[None])) < DRAWING


def test_the_arrows_move_the_point_and_stop_at_the_edges(page):
    touch(page)
    plane = page.locator("canvas[data-panel=plane-vae_dense_2d]")
    assert point(page) == [41, 40]
    for key in ("ArrowUp", "ArrowLeft", "ArrowLeft", "Shift+ArrowDown"):
        plane.press(key)
    assert point(page) == [39, 36]
    for _ in range(9):
        plane.press("Shift+ArrowRight")
    assert point(page) == [80, 36]
    page.wait_for_function(f"{STATUS}.startsWith('u = (3,00 ; −0,30)')")
    assert page.evaluate(
        "document.querySelector('[role=status].demo-hidden').textContent"
    ).startswith("u = (3,00 ; −0,30) · autoencodeur")


def test_the_pointer_moves_the_point(page):
    plane = page.locator("canvas[data-panel=plane-autoencoder]")
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    x, y = page.evaluate("""() => {
      const to = demos[0].frame(document.querySelector("canvas[data-panel=plane-autoencoder]"));
      return [to.x(1.5), to.y(-0.75)];
    }""")
    page.mouse.click(box["x"] + x, box["y"] + y)
    page.wait_for_function(f"{STATUS}.startsWith('u = (1,50 ; −0,75)')")


@pytest.mark.parametrize(("button", "name"), [
    ("Dans un trou de l'autoencodeur", "autoencoder"), ("Dans un trou du VAE", "vae_dense_2d"),
])  # fmt: skip
def test_a_hole_is_far_from_any_code_and_not_recognised(page, latent_map, button, name):
    touch(page)
    page.get_by_role("button", name=button).click()
    page.wait_for_function(f"{STATUS}.startsWith('u =') && demos[0].point[0] !== 41")
    column, row = point(page)
    assert latent_map[f"{name}.confidence"][row, column] <= 0.9
    steps = torch.linspace(-demos.REACH, demos.REACH, demos.SIDE)
    u = torch.stack([steps[column], steps[row]])
    codes = torch.tensor(demos.read_codes()[name]["codes"])
    between = torch.cdist(codes, codes).fill_diagonal_(9).min(dim=1).values
    ratio = ((codes - u).norm(dim=1).min() / between.median()).item()
    assert u.norm() <= 2 and ratio > 5
    reading = page.locator(".latent-reading").nth(0 if name == "autoencoder" else 1).inner_text()
    assert f"à {ratio:.1f} fois".replace(".", ",") in reading
    assert "non reconnu" in reading


@pytest.mark.parametrize("name", demos.PLANES)
def test_the_map_is_what_the_classifier_reads(latent_map, name):
    """À deux cents nœuds du plan, contre labkit : le fichier de poids porte les autres."""
    nodes = torch.randperm(demos.SIDE**2, generator=torch.Generator().manual_seed(0))[:200]
    model, classifier = (labkit.load_reference(one) for one in (name, "classifier"))
    with torch.no_grad():
        images = model.decode(demos.grid_codes(name)[nodes]).reshape(-1, 1, 28, 28)
        expected, labels = classifier(images).softmax(dim=1).max(dim=1)
    found = latent_map[f"{name}.confidence"].flatten()[nodes]
    assert (found - expected).abs().max() < 1e-3  # l'arrondi d'un float16
    assert torch.equal(latent_map[f"{name}.label"].flatten()[nodes].long(), labels)


def test_what_the_verdict_says_holds_for_other_draws(latent_map):
    """À peu près sept dessins reconnus sur dix, pour l'un comme pour l'autre, cinq graines."""
    for seed in range(5):
        draws = torch.randn(1000, 2, generator=torch.Generator().manual_seed(seed))
        ranks = ((draws.clamp(-3, 3) + 3) / 6 * (demos.SIDE - 1)).round().long()
        shares = [
            (latent_map[f"{name}.confidence"][ranks[:, 1], ranks[:, 0]] > 0.9).float().mean().item()
            for name in demos.PLANES
        ]
        assert all(0.65 < share < 0.8 for share in shares), shares
        assert abs(shares[0] - shares[1]) < 0.08


def test_the_prediction_is_judged_on_a_thousand_draws(page, latent_map):
    page.get_by_label("presque tous").check()
    page.get_by_role("button", name="Tirer les codes").click()
    verdict = page.locator(".demo-verdict")
    page.wait_for_function(
        "document.querySelector('.demo-verdict').textContent.includes('sur mille')"
    )
    draws = page.evaluate("demos[0].draws")
    assert len(draws) == 1000
    for name, word in (("autoencoder", "autoencodeur"), ("vae_dense_2d", "VAE")):
        count = sum(latent_map[f"{name}.confidence"][row, column] > 0.9 for column, row in draws)
        assert f"{word}, {count}" in verdict.inner_text()
    assert "Il fallait attendre : environ sept sur dix" in verdict.inner_text()
    assert page.get_by_label("Griser ce que").is_checked()


def test_a_weight_file_that_is_not_there_names_the_command(browser):
    page = browser.new_page()
    page.goto((DEMOS / PAGE).as_uri())
    found = page.evaluate("weights.load('absent').catch((error) => error.message)")
    page.close()
    assert "python -m tools.demos" in found


def test_an_error_leaves_the_page_free(page):
    page.evaluate("""() => {
      globalThis.kept = demos[0].ask;
      demos[0].ask = () => Promise.reject(new controls.Told("essai"));
      demos[0].goTo([50, 40]).catch(() => {});
    }""")
    page.wait_for_function("!demos[0].isDecoding")
    page.evaluate("void (demos[0].ask = kept)")
    page.evaluate("demos[0].goTo([60, 40])")
    page.wait_for_function(f"{STATUS}.startsWith('u = (1,50')")
