"""L'installation choisit, dit ce qu'elle choisit, et se passe de ce qui manque."""

import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools import install, lock
from tools.install import Choice, Installer

SMALL = """\
nvidia-cublas==1.0 ; sys_platform == 'linux' \\
    --hash=sha256:aa
    # via torch
paquet==1.0 \\
    --hash=sha256:bb
    # via -r requirements.in
torch==2.0 ; python_full_version >= '3.11' \\
    --hash=sha256:cc
    # via -r requirements.in
torchvision==0.2 \\
    --hash=sha256:dd
    # via -r requirements.in
triton==3.0 \\
    --hash=sha256:ee
    # via torch
uv==0.1 \\
    --hash=sha256:ff
    # via -r requirements.in
"""
CPU = Choice("cpu", "aucun GPU NVIDIA")


@pytest.fixture
def machine(monkeypatch):
    """Linux, sans GPU ni torch, dont l'index léger répond ; chaque test en change un trait."""
    monkeypatch.setattr(install.sys, "platform", "linux")
    monkeypatch.setattr(install, "has_nvidia_gpu", lambda: False)
    monkeypatch.setattr(install, "installed_torch", lambda: "")
    monkeypatch.setattr(install, "answers", lambda *_: True)
    return monkeypatch


@pytest.fixture
def commands(monkeypatch):
    """Ce qui est lancé, fichiers lus ; `commands.fail` dit quelles commandes échouent."""
    log = SimpleNamespace(lines=[], fail=lambda line: False)

    def run(command, env=None, **_):
        words = [w.replace(sys.executable, "python") for w in command]
        if "-r" in words:
            text = Path(words.pop()).read_text(encoding="utf-8")
            words += [entry.name for entry in lock.entries(text)]
        line = " ".join(words)
        log.lines.append(line)
        return SimpleNamespace(returncode=int(log.fail(line)), stdout="")

    monkeypatch.setattr(install.subprocess, "run", run)
    monkeypatch.setattr(install, "installed_torch", lambda: "")
    return log


def installs(log):
    """Les commandes qui installent, sans les options communes."""
    return [
        line.replace("python -m ", "")
        .replace(" --python python", "")
        .replace(" --compile-bytecode", "")
        .replace(" --disable-pip-version-check", "")
        .replace(" --no-deps", "")
        .replace(" --require-hashes -r", "")
        for line in log.lines
        if " install " in line
    ]


def test_without_a_gpu_torch_is_the_light_one_and_it_is_said(machine):
    choice = install.choose(None)
    assert choice.kind == "cpu"
    assert "légère" in str(choice) and "make setup TORCH=gpu" in str(choice)


@pytest.mark.parametrize(("trait", "value", "reason"), [
    ("has_nvidia_gpu", lambda: True, "GPU NVIDIA"),
    ("answers", lambda *_: False, "ne répond pas en 3 s"),
])  # fmt: skip
def test_the_whole_torch_otherwise_and_why(machine, trait, value, reason):
    machine.setattr(install, trait, value)
    choice = install.choose(None)
    assert choice.kind == "gpu"
    assert reason in str(choice) and "make setup TORCH=cpu" in str(choice)


@pytest.mark.parametrize(("installed", "kind"), [("2.0+cpu", "cpu"), ("2.0", "gpu")])
def test_what_is_installed_stays_without_network(machine, installed, kind):
    machine.setattr(install, "answers", lambda *_: pytest.fail("réseau inutile"))
    machine.setattr(install, "installed_torch", lambda: installed)
    assert install.choose(None).kind == kind


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_the_choice_can_be_forced(machine, kind):
    machine.setattr(install, "has_nvidia_gpu", lambda: kind == "cpu")
    choice = install.choose(kind)
    assert (choice.kind, choice.forced) == (kind, True)


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_have_a_single_torch(machine, platform):
    machine.setattr(install.sys, "platform", platform)
    assert install.choose(None) is None


def test_an_index_answers_or_not(server):
    address = f"http://127.0.0.1:{server.server_port}"
    assert not install.answers(address, 3)
    server.files["torch"] = b"<a href='torch-2.0.whl'>"
    assert install.answers(address, 3)
    assert not install.answers("pas une adresse", 3)


def test_an_index_is_not_waited_for_longer_than_said(monkeypatch):
    """Le délai vaut pour tout, la résolution du nom comprise."""
    release = threading.Event()

    def mute(*_, **__):
        release.wait(60)
        raise OSError("trop tard")

    monkeypatch.setattr(install.urllib.request, "urlopen", mute)
    assert not install.answers("http://127.0.0.1", 0.01)
    release.set()


def test_uv_installs_everything_hashes_checked(commands):
    install.install(Installer(SMALL), None)
    assert installs(commands) == [
        "pip install uv",
        "uv pip install nvidia-cublas paquet torch torchvision triton uv",
        f"uv pip install --no-build-isolation --editable {lock.ROOT}",
    ]
    assert all("--require-hashes" in line for line in commands.lines[::2][:2])


@pytest.mark.parametrize("never_written", [True, False])
def test_modules_are_compiled_once_where_python_would_not_keep_them(
    commands, monkeypatch, never_written
):
    monkeypatch.setattr(install.sys, "dont_write_bytecode", never_written)
    install.install(Installer(SMALL), None)
    uv = [line for line in commands.lines if " uv pip install " in line]
    assert [("--compile-bytecode" in line) for line in uv] == [never_written] * 2


def test_without_uv_pip_installs(commands, capsys):
    commands.fail = lambda line: line.endswith(" uv") and "paquet" not in line
    install.install(Installer(SMALL), None)
    assert installs(commands)[1:] == [
        "pip install nvidia-cublas paquet torch torchvision triton uv",
        f"pip install --no-build-isolation --editable {lock.ROOT}",
    ]
    assert "pip installe tout" in capsys.readouterr().out


def test_where_uv_fails_pip_takes_over(commands):
    commands.fail = lambda line: "-m uv" in line
    install.install(Installer(SMALL), None)
    assert [line.split()[0] for line in installs(commands)] == ["pip", "uv", "pip", "uv", "pip"]


def test_the_light_torch_comes_from_its_index_without_the_gpu_libraries(commands):
    install.install(Installer(SMALL), CPU)
    assert installs(commands)[1:3] == [
        f"uv pip install --index-url {install.CPU_INDEX} "
        "torch==2.0 ; python_full_version >= '3.11' torchvision==0.2",
        "uv pip install paquet uv",
    ]


def test_a_light_torch_that_cannot_be_had_becomes_the_whole_one(commands, capsys):
    commands.fail = lambda line: install.CPU_INDEX in line
    install.install(Installer(SMALL), CPU)
    assert "uv pip install nvidia-cublas paquet torch torchvision triton uv" in installs(commands)
    assert "voici la complète" in capsys.readouterr().out


def test_a_light_torch_that_was_asked_for_is_not_replaced(commands):
    commands.fail = lambda line: install.CPU_INDEX in line
    with pytest.raises(install.InstallError, match="make setup TORCH=gpu"):
        install.install(Installer(SMALL), Choice("cpu", "demandée", forced=True))
    assert not any("paquet" in line for line in commands.lines)


@pytest.mark.parametrize(("installed", "kind", "replaced"), [
    ("2.0+cpu", "gpu", True), ("2.0", "cpu", True), ("2.0+cpu", "cpu", False),
    ("2.0", "gpu", False), ("", "cpu", False), ("", "gpu", False),
])  # fmt: skip
def test_the_other_torch_is_replaced(commands, monkeypatch, installed, kind, replaced):
    monkeypatch.setattr(install, "installed_torch", lambda: installed)
    install.install(Installer(SMALL), Choice(kind, "demandée", forced=True))
    forced = [line for line in commands.lines if "--force-reinstall" in line]
    assert len(forced) == replaced
    assert all("torchvision" in line and "paquet" not in line for line in forced)
    removed = [line.split("--yes ")[1] for line in commands.lines if "uninstall" in line]
    assert removed == (["nvidia-cublas triton"] if replaced and kind == "cpu" else [])


def test_a_light_torch_that_cannot_be_had_leaves_the_other_in_place(commands, monkeypatch):
    monkeypatch.setattr(install, "installed_torch", lambda: "2.0")
    commands.fail = lambda line: install.CPU_INDEX in line
    with pytest.raises(install.InstallError):
        install.install(Installer(SMALL), Choice("cpu", "demandée", forced=True))
    assert not any("uninstall" in line for line in commands.lines)


def test_a_package_that_cannot_be_installed_fails_the_installation(commands, monkeypatch, capsys):
    commands.fail = lambda line: "torchmetrics" in line
    monkeypatch.setattr(install, "choose", lambda forced: None)
    assert install.main([]) == 1
    assert "inachevée" in capsys.readouterr().err
    assert not any("--editable" in line for line in commands.lines)


def test_uv_is_given_the_indexes_of_pip(monkeypatch):
    for name in install.UV_VARIABLES.values():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "/deja/la.pem")
    environment = install.uv_environment(
        ":env:.cert='/autre.pem'\n"
        "global.extra-index-url='\\nhttp://a.test/simple\\nhttp://b.test/simple'\n"
        "global.index-url='http://miroir.test/simple'\n"
        "global.timeout='60'\n"
    )
    assert environment["UV_DEFAULT_INDEX"] == "http://miroir.test/simple"
    assert environment["UV_INDEX"] == "http://a.test/simple http://b.test/simple"
    assert environment["SSL_CERT_FILE"] == "/deja/la.pem"


def test_the_installer_needs_nothing_but_the_standard_library():
    """Il tourne dans un environnement vide, comme celui que `python -m venv` vient de créer."""
    program = "import sys; sys.path.insert(0, '.'); import tools.install"
    subprocess.run([sys.executable, "-S", "-I", "-c", program], cwd=lock.ROOT, check=True)
