import copy

from nbformat.v4 import new_output

from tools.normalize import normalize


def test_only_deterministic_outputs_come_back(lab):
    executed = copy.deepcopy(lab)
    strict = next(cell for cell in executed.cells if "print(1" in cell.source)
    strict.outputs = [
        new_output("stream", name="stdout", text="2\n"),
        new_output("stream", name="stdout", text="fin\n"),
        new_output("execute_result", data={"text/plain": "7"}, execution_count=9),
    ]
    strict.execution_count = 9
    strict.metadata["papermill"] = {"duration": 0.2}
    figure = next(cell for cell in executed.cells if "display(figure)" in cell.source)
    figure.outputs = [new_output("display_data", data={"image/png": "AA=="})]
    source = copy.deepcopy(lab)
    source.metadata["papermill"] = {"duration": 0.2}
    source.cells[0].metadata["collapsed"] = True

    result = normalize(source, executed)

    cells = {cell.id: cell for cell in result.cells}
    kept = cells[strict.id]
    assert [output.get("text") for output in kept.outputs] == ["2\nfin\n", None]
    assert kept.execution_count == kept.outputs[1].execution_count == 3
    counts = [cell.execution_count for cell in result.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    assert kept.metadata == {}
    assert cells[figure.id].outputs == []
    assert cells[figure.id].metadata == {"tags": ["nbval-ignore-output"]}
    assert result.cells[0].metadata == {}
    assert result.metadata.kernelspec["name"] == "python3"
    assert "papermill" not in result.metadata


def test_normalizing_twice_changes_nothing(lab):
    once = normalize(copy.deepcopy(lab), lab)
    assert normalize(copy.deepcopy(once), once) == once
