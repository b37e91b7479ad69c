"""Le jeu du plan : cinq graines de front, sans bf16."""

import time
from collections.abc import Iterator

from benchmarks.measure import Measure
from labkit import plane


def measures() -> Iterator[Measure]:
    start = time.perf_counter()
    game = plane.play(plane.Rules(), steps=2000)
    seconds = time.perf_counter() - start
    js = game["js"]
    quartered = int((js[-1] <= js[0] / 4).sum())
    yield Measure("GAN du plan, 5 graines × 2 000 pas", seconds, "s", at_most=20, digits=1)
    yield Measure("anneau, graines où la JS est au quart", quartered, at_least=4, digits=0)
