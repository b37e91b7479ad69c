"""Une archive s'exécute là où labkit n'est pas, et n'y installe que lui."""

import io
import os
import shutil
import subprocess
import sysconfig
import venv
import zipfile
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup

from tools import archives, notebooks

RUN = """
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=600).execute()
"""


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    """Ce que le site donne à télécharger."""
    folder = tmp_path_factory.mktemp("site")
    archives.write_downloads(notebooks.ROOT, folder)
    return folder / archives.FOLDER


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory):
    """Un Python qui a torch, Jupyter et le reste, comme celui de Colab, mais pas labkit."""
    if os.name == "nt":
        pytest.skip("les liens symboliques y demandent des droits")
    folder = tmp_path_factory.mktemp("bare")
    packages = folder / "packages"
    packages.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "labkit" not in path.name and path.suffix != ".pth" and path.name != "pip":
            (packages / path.name).symlink_to(path)
    venv.create(folder / "venv", with_pip=True, symlinks=True)
    for path in site_packages(folder / "venv").glob("setuptools*"):
        shutil.rmtree(path)  # celui de venv est trop vieux pour torch
    (site_packages(folder / "venv") / "others.pth").write_text(f"{packages}\n", encoding="utf-8")
    return folder / "venv" / "bin" / "python"


def site_packages(environment):
    """Le dossier des paquets d'un environnement."""
    return Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))


def installed(python):
    """Les paquets que l'environnement nu contient en propre."""
    folder = site_packages(python.parent.parent)
    return {path.name.partition("-")[0] for path in folder.glob("*.dist-info")}


def execute(python, notebook):
    """Exécute un notebook dans son dossier, sans réseau pour pip."""
    environment = os.environ | {"PIP_NO_INDEX": "1", "PIP_NO_CACHE_DIR": "1"}
    environment.pop("PYTHONPATH", None)
    environment["JUPYTER_DATA_DIR"] = str(python.parent.parent / "jupyter")
    subprocess.run(
        [python, "-c", RUN, notebook.name],
        cwd=notebook.parent,
        env=environment,
        check=True,
        timeout=900,
    )


def unzip(archive, folder):
    """Le notebook d'une archive dépliée dans un dossier vide."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return folder / archive.stem / f"{archive.stem}.ipynb"


def test_a_lab_runs_from_its_archive_and_leaves_torch_alone(downloads, bare_python, tmp_path):
    before = installed(bare_python)
    assert "labkit" not in before
    execute(bare_python, unzip(downloads / "01_perceptron.zip", tmp_path))
    assert installed(bare_python) - before == {"labkit"}


def test_the_weights_of_a_lab_reach_labkit(downloads, bare_python, tmp_path):
    path = unzip(downloads / "02_autoencoder.zip", tmp_path)
    notebook = nbformat.read(path, as_version=4)
    setup = next(cell for cell in notebook.cells if "import labkit" in cell.source)
    setup.source += '\nassert labkit.load_reference("autoencoder") is not None'
    setup.source += f'\nassert "{notebooks.ROOT}" not in labkit.__file__'
    notebook.cells = [setup]
    nbformat.write(notebook, path)
    execute(bare_python, path)


def test_every_lab_has_a_copy_without_solution_and_an_archive(downloads):
    labs = [path.stem for path in notebooks.lab_paths(notebooks.ROOT / "labs")]
    expected = {f"{lab}.{kind}" for lab in labs for kind in ("ipynb", "zip")}
    assert {path.name for path in downloads.iterdir()} == expected | {f"{archives.COURSE}.zip"}
    for lab in labs:
        with zipfile.ZipFile(downloads / f"{lab}.zip") as opened:
            text = opened.read(f"{lab}/{lab}.ipynb").decode()
            assert {f"{lab}/LICENSE", f"{lab}/LISEZMOI.txt"} <= set(opened.namelist())
        assert "find_spec" in text
        assert "depot.example" not in text
        assert "--- début solution" not in text


def test_the_course_carries_its_site_without_the_archives(downloads, tmp_path):
    html = tmp_path / "html"
    item = '<li data-download="{0}"><a href="#">x<span class="size"></span></a></li>'
    for name, content in {
        "index.html": "Accueil",
        "labs/01_a.html": item.format("01_a.ipynb") + item.format("01_a.zip"),
        "_static/a.js": "0;",
        "telechargements/01_a.ipynb": "{}",
        "telechargements/01_a.zip": "zip",
    }.items():
        (html / name).parent.mkdir(parents=True, exist_ok=True)
        (html / name).write_text(content, encoding="utf-8")
    files = archives.offline_site(html)
    assert set(files) == {
        "site/index.html", "site/labs/01_a.html", "site/_static/a.js",
        "site/telechargements/01_a.ipynb",
    }  # fmt: skip
    page = BeautifulSoup(files["site/labs/01_a.html"], "html.parser")
    assert [li.get("hidden") for li in page.select("li")] == [None, ""]
    with zipfile.ZipFile(downloads / f"{archives.COURSE}.zip") as opened:
        names = {name.partition("/")[2] for name in opened.namelist()}
    assert {"01_perceptron.ipynb", "site/telechargements/01_perceptron.ipynb"} <= names
    assert any(name.endswith(".whl") for name in names)
    assert "poids/classifier.safetensors" in names


def test_an_archive_carries_the_weights_that_its_lab_names(lab):
    folder = notebooks.ROOT / "labkit" / "reference"
    assert archives.weights_of(lab, "01_essai", folder) == []
    lab.cells[4].source = 'labkit.load_reference("classifier")'
    assert archives.weights_of(lab, "01_essai", folder) == [folder / "classifier.safetensors"]
    own = {path.stem for path in archives.weights_of(lab, "03_vae", folder)}
    assert {"vae_conv", "vae_dense", "vae_dense_2d", "classifier"} <= own


def test_the_same_sources_give_the_same_wheel():
    package = notebooks.ROOT / "labkit"
    assert archives.build_wheel(package) == archives.build_wheel(package)


def test_the_wheel_holds_the_package_but_not_its_weights():
    package = notebooks.ROOT / "labkit"
    name, content = archives.build_wheel(package)
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        files = set(opened.namelist())
        metadata = opened.read(f"{name.removesuffix('-py3-none-any.whl')}.dist-info/METADATA")
    data = {"labkit/text/romans.csv", "labkit/reference/vae_conv.json"}
    assert {"labkit/__init__.py", *data} <= files
    assert not [file for file in files if file.endswith((".safetensors", ".pyc"))]
    assert metadata.decode().startswith("Metadata-Version:")
