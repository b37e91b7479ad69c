"""requirements.txt dit la même chose que requirements.in et pyproject.toml."""

import re

import pytest

from tools import lock

ROOT = lock.ROOT
LOCKED = (ROOT / lock.LOCK).read_text(encoding="utf-8")
ENTRIES = lock.entries(LOCKED)
SOURCE = (ROOT / lock.SOURCE).read_text(encoding="utf-8")
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
DIRECT = f"-r {lock.SOURCE}"
PIN = re.compile(r"^([\w.-]+)==([\w.+!-]+)(?:; (python_version (?:<|>=) \"3\.\d+\"))?(?:  #.*)?$")

SMALL = """\
un==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via -r requirements.in, deux
deux==2.0.post1 ; sys_platform == 'linux' and python_full_version >= '3.11' \\
    --hash=sha256:cc
    # via -r requirements.in
"""


def pins():
    """Les lignes de requirements.in, sous les noms normalisés des index."""
    lines = [line for line in SOURCE.splitlines() if line and not line.startswith("#")]
    found = [PIN.match(line) for line in lines]
    assert all(found), [line for line, pin in zip(lines, found, strict=True) if not pin]
    return [(normal(pin[1]), pin[2], pin[3] or "") for pin in found]


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def condition(marker):
    """La condition d'un paquet direct sur Python, telle que requirements.in l'écrit."""
    return re.sub(r"python_full_version (\S+) '([\d.]+)'", r'python_version \1 "\2"', marker)


def test_entries_are_read_with_their_condition_and_their_parents():
    one, two = lock.entries(lock.HEADER + SMALL)
    assert (one.name, one.version, one.marker, one.parents) == ("un", "1.0", "", (DIRECT, "deux"))
    assert (two.version, two.parents) == ("2.0.post1", (DIRECT,))
    assert two.marker == "sys_platform == 'linux' and python_full_version >= '3.11'"
    assert one.text + two.text == SMALL


def test_the_lock_is_nothing_but_its_entries():
    """Un paquet que `entries` ne lirait pas ne serait pas installé."""
    assert lock.HEADER + "".join(entry.text for entry in ENTRIES) == LOCKED


def test_the_lock_pins_what_requirements_in_pins_and_nothing_else():
    """Après un changement de requirements.in, `make lock`."""
    direct = [(e.name, e.version, condition(e.marker)) for e in ENTRIES if DIRECT in e.parents]
    assert sorted(direct) == sorted(pins())


def test_every_other_package_is_there_for_one_that_is_there():
    names = {entry.name for entry in ENTRIES}
    parents = {parent for entry in ENTRIES for parent in entry.parents}
    assert parents - {DIRECT} <= names


def test_no_index_is_named():
    assert "://" not in LOCKED and "--index" not in LOCKED


def declared():
    """Le plancher que pyproject.toml donne à chaque dépendance de labkit."""
    block = re.search(r"^dependencies = \[(.*?)^\]", PYPROJECT, re.DOTALL | re.MULTILINE)[1]
    return dict(re.findall(r'"([\w-]+)(?:>=([\d.]+))?"', block))


@pytest.mark.parametrize(("name", "floor"), declared().items())
def test_every_dependency_of_labkit_is_pinned_above_its_floor(name, floor):
    versions = [version for pinned, version, _ in pins() if pinned == name]
    assert versions and floor
    assert all(numbers(version) >= numbers(floor) for version in versions)


def numbers(version):
    return [int(part) for part in version.split(".")]


def test_uv_is_told_to_lock_every_system_and_every_python(monkeypatch, tmp_path):
    asked = []

    def uv(command, **options):
        asked.append((command, options))
        (tmp_path / lock.LOCK).write_text(SMALL, encoding="utf-8")
        return type("Done", (), {"returncode": 0})

    monkeypatch.setattr(lock, "ROOT", tmp_path)
    monkeypatch.setattr(lock.subprocess, "run", uv)
    assert lock.main(["--upgrade"]) == 0
    ((command, _),) = asked
    assert {"--universal", "--generate-hashes", "--no-emit-index-url", "--upgrade"} <= set(command)
    assert command[command.index("--python-version") + 1] == "3.10"
    assert (tmp_path / lock.LOCK).read_text(encoding="utf-8") == lock.HEADER + SMALL


def test_a_failed_lock_leaves_the_file_alone(monkeypatch, tmp_path):
    (tmp_path / lock.LOCK).write_text("ancien", encoding="utf-8")
    monkeypatch.setattr(lock, "ROOT", tmp_path)
    failed = type("Done", (), {"returncode": 2})
    monkeypatch.setattr(lock.subprocess, "run", lambda *_, **__: failed)
    assert lock.main([]) == 2
    assert (tmp_path / lock.LOCK).read_text(encoding="utf-8") == "ancien"
