import shutil

import pytest

from tools import contract, notebooks, repository

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
