"""Les nombres des démonstrations : ceux des labs, sous les noms des labs."""

import ast

import pytest

import labkit
from labkit import references
from tools import demo_numbers, notebooks


@pytest.fixture(scope="module")
def models():
    return {model["name"]: model for model in demo_numbers.comparison()}


def test_names_are_those_of_lab_10():
    """CONTENDERS = {nom: (titre, références, façon de tirer)} dans le carnet."""
    notebook = notebooks.read(notebooks.ROOT / "labs" / "10_comparaison.ipynb")
    (source,) = (c.source for c in notebook.cells if "\nCONTENDERS = {" in c.source)
    (table,) = (
        node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "CONTENDERS"
    )
    titles = {
        key.value: value.elts[0].value for key, value in zip(table.keys, table.values, strict=True)
    }
    assert titles == demo_numbers.CONTENDERS


def test_every_cost_is_that_of_the_results(models):
    for row in references.load_results("comparison_costs")["rows"]:
        model = models[row["model"]]
        assert model["parameters"] == row["parameters"]
        assert model["seconds"] == pytest.approx(sorted(row["seconds"])[1], abs=1e-5)
    seconds = [model["seconds"] for model in models.values()]
    assert seconds == sorted(seconds)


def test_parameters_are_those_of_the_references(models):
    size = labkit.count_parameters(labkit.load_reference("dcgan"))
    assert models["dcgan"]["parameters"] == size


def test_every_measure_is_that_of_the_results(models):
    for name in demo_numbers.CONTENDERS:
        rows = references.load_results(f"comparison_{name}")["rows"]
        for measure in demo_numbers.MEASURES:
            expected = [row[measure] for row in rows]
            assert models[name]["measures"][measure] == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("calls", [10, 20])
def test_fewer_steps_of_the_flow_are_those_of_the_results(models, calls):
    rows = [
        row
        for row in references.load_results("comparison_steps")["rows"]
        if row["method"] == "flux, Euler" and row["calls"] == calls
    ]
    measures = models[f"flow_{calls}"]["measures"]
    assert set(measures) == {"fid", "recognised"}
    assert measures["fid"] == pytest.approx([row["fid"] for row in rows], abs=5e-5)


def test_the_epochs_are_those_of_lab_5():
    rows = references.load_results("gan_worksheet_mnist")["rows"]
    found = demo_numbers.worksheet()
    for row, ours in zip(rows, found, strict=True):
        assert ours["epoch"] == row["epoch"] and ours["pictures"] == row["pictures"]
        assert ours["generatorLoss"] == row["generator_loss"]
        assert ours["fid"] == pytest.approx(row["fid"], abs=0.01)
        assert sum(ours["counts"]) == 32
    # À l'époque 0, tout est la même tache ; à la dernière, sept classes se voient.
    assert max(found[0]["counts"]) == 32
    assert sum(count > 0 for count in found[-1]["counts"]) == 7


def test_the_vocabulary_is_that_of_both_references():
    words = demo_numbers.vocabulary()
    for name in ("lm_phrases_diffusion", "lm_phrases_causal"):
        assert len(words) == labkit.load_reference(name).vocab_size
    assert words[:2] == ["<fin>", "<masque>"] and "voisines" in words
