"""Les fichiers de configuration disent tous la même chose."""

import re

import pytest
import yaml

from tools import notebooks

ROOT = notebooks.ROOT


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")))
def test_workflows_are_valid_and_pin_their_actions(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    used = [step["uses"] for step in steps if "uses" in step]
    assert used and all(re.search(r"@v\d+$", action) for action in used)


def test_the_table_of_contents_names_existing_pages():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [toc["root"]] + [c["file"] for part in toc["parts"] for c in part["chapters"]]
    computed = {"book/questions", "book/results", "book/status", "book/bench", "book/teaching"}
    for file in set(files) - computed:
        suffix = ".ipynb" if file.startswith("labs/") else ".md"
        assert (ROOT / (file + suffix)).exists(), file


def test_every_lab_is_in_the_table_of_contents():
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    assert all(f"labs/{path.stem}\n" in toc for path in (ROOT / "labs").glob("*.ipynb"))
