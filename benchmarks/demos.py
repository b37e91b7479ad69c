"""GAN Lab dans un navigateur : pas par seconde, dessin compris, et blocage de la page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Measure, Skipped
from tools import check_site

PAGE = Path(__file__).resolve().parents[1] / "demos" / "ganlab" / "index.html"
SECONDS = 5
STEPS = "demos[0].frame ? demos[0].frame.steps : 0"
WATCH = """() => {
  window.blocks = [0];
  new PerformanceObserver((list) => blocks.push(...list.getEntries().map((e) => e.duration)))
    .observe({ type: "longtask" });
}"""


def measures() -> Iterator[Measure | Skipped]:
    try:
        from playwright.sync_api import sync_playwright

        path = check_site.find_browser()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        yield Skipped("GAN Lab dans un navigateur", str(error))
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        page = browser.new_page()
        page.goto(PAGE.as_uri())
        page.wait_for_function(f"({STEPS}) > 100")
        page.evaluate(WATCH)
        start = page.evaluate(f"[performance.now(), {STEPS}]")
        page.wait_for_timeout(1000 * SECONDS)
        end = page.evaluate(f"[performance.now(), {STEPS}]")
        longest = page.evaluate("Math.max(...blocks)")
        browser.close()
    speed = 1000 * (end[1] - start[1]) / (end[0] - start[0])
    yield Measure("GAN Lab, pas par seconde (256 points)", speed, at_least=60, digits=0)
    yield Measure("GAN Lab, plus long blocage de la page", longest, "ms", at_most=50, digits=0)
