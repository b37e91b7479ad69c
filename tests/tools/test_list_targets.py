from tools import notebooks
from tools.list_targets import list_targets

TARGETS = {"help", "setup", "test", "site", "student", "notebooks", "bench", "lint", "clean"}


def test_every_target_of_the_makefile_has_its_sentence():
    makefile = notebooks.ROOT / "Makefile"
    phony = next(
        line.split()[1:]
        for line in makefile.read_text(encoding="utf-8").splitlines()
        if line.startswith(".PHONY:")
    )
    listed = dict(list_targets(makefile))
    assert set(listed) == set(phony)
    assert set(listed) >= TARGETS
