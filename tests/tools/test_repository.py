import re
import shutil
import subprocess

import pytest
from jinja2 import Environment, FileSystemLoader

from tools import contract, notebooks, repository, site, student

TEXT = {".md", ".py", ".toml", ".yml", ".cff", ".ipynb", ".txt", ".css", ".bib"}
NEW = "https://git.example/ecole/cours"


def test_the_address_is_rewritten_everywhere(course):
    assert repository.main([NEW + ".git"], course) == 0
    assert repository.current_address(course) == NEW
    readme = (course / "README.md").read_text(encoding="utf-8")
    assert NEW in readme and "depot.example" not in readme
    lab = notebooks.read(course / "labs" / "01_essai.ipynb")
    assert contract.violations(lab, NEW) == []


def test_rewriting_twice_changes_nothing(course, capsys):
    repository.main([NEW], course)
    assert repository.rewrite(course, NEW) == []
    assert repository.main([NEW], course) == 0
    assert "déjà" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", ["", "cours", "git@x:cours", "https://", 'https://x/"y'])
def test_a_wrong_address_changes_nothing_and_says_the_right_form(course, capsys, wrong):
    assert repository.main([wrong], course) == 1
    assert "make depot URL=https://" in capsys.readouterr().err
    assert "depot.example" in repository.current_address(course)


def test_no_file_of_this_repository_is_forgotten(tmp_path):
    """Après réécriture d'une copie, aucun fichier suivi ne cite plus l'ancienne adresse."""
    root, address = notebooks.ROOT, repository.current_address(notebooks.ROOT)
    citing = [
        path.relative_to(root)
        for pattern in ("*.*", "labs/*", "book/**/*", "labkit/**/*", ".github/**/*")
        for path in root.glob(pattern)
        if path.suffix in TEXT and address in path.read_text(encoding="utf-8")
    ]
    for path in citing:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / path, tmp_path / path)
    changed = repository.rewrite(tmp_path, NEW)
    assert sorted(path.relative_to(tmp_path) for path in changed) == sorted(citing)


def download_links(depot):
    """Les adresses que propose le menu de téléchargement d'un lab."""
    templates = Environment(loader=FileSystemLoader(notebooks.ROOT / "book" / "_templates"))
    menu = templates.get_template("download.html").render(
        pagename="labs/01_essai", depot=depot, pathto=lambda page, _: page
    )
    return re.findall('href="(.+?)"', menu)


def test_colab_opens_the_student_copies_once_there_is_an_address(course):
    assert site.depot(course) == ""
    assert not any("://" in link for link in download_links(site.depot(course)))
    assert repository.main(["https://github.com/ecole/cours"], course) == 0
    outside = [link for link in download_links(site.depot(course)) if "://" in link]
    assert outside == [
        "https://colab.research.google.com/github/ecole/cours/blob/etudiants/01_essai.ipynb",
        "https://mybinder.org/v2/gh/ecole/cours/etudiants?labpath=01_essai.ipynb",
    ]
    workflow = (notebooks.ROOT / ".github" / "workflows" / "site.yml").read_text("utf-8")
    assert "git push --force origin etudiants" in workflow


def test_the_copies_that_colab_opens_install_labkit_from_that_address(course):
    repository.main(["https://github.com/ecole/cours"], course)
    assert student.main([], course) == 0
    copies = course / "_build" / "student"
    assert (copies / "requirements.txt").read_text() == (
        "labkit @ git+https://github.com/ecole/cours\n"
    )
    text = (copies / "01_essai.ipynb").read_text(encoding="utf-8")
    assert "git+https://github.com/ecole/cours" in text
    assert "début solution" not in text and "2 * x" not in text


@pytest.mark.skipif(shutil.which("make") is None, reason="make n'est pas sur cette machine")
def test_make_depot_calls_the_tool_with_its_address():
    # Lancé par un autre make, il annoncerait le dossier où il entre et dont il sort.
    command = ["make", "--no-print-directory", "--dry-run", "depot", f"URL={NEW}"]
    done = subprocess.run(command, cwd=notebooks.ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].endswith(f'-m tools.repository "{NEW}"')
