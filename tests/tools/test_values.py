"""Des nombres cités par leur chemin, contre de petites fiches écrites ici."""

import json

import pytest

from tools.notebooks import LabError
from tools.values import Values, is_one_number, path_of


@pytest.fixture
def values(tmp_path):
    (tmp_path / "results").mkdir()
    card = {"metrics": {"mse": 0.03702, "share": 0.9366}, "epochs": 1200, "lab": "02"}
    rows = [
        {"way": "DDIM, 10 pas", "seed": 0, "fid": 25.0},
        {"way": "DDIM, 10 pas", "seed": 1, "fid": 26.0},
        {"way": "DDPM", "seed": 0, "fid": 3.8},
    ]
    (tmp_path / "ae.json").write_text(json.dumps(card), encoding="utf-8")
    (tmp_path / "results" / "ways.json").write_text(json.dumps({"rows": rows}), encoding="utf-8")
    return Values(tmp_path)


@pytest.mark.parametrize(("text", "expected"), [
    ("erreur {ae/metrics/mse:4}", "erreur 0,0370"),
    ("{ae/metrics/share:1%} reconnus", "93,7\u202f% reconnus"),
    ("{ae/epochs} époques", "1\u202f200 époques"),
    ("{ways/rows[way=DDPM]/fid:1} puis {ways/rows[way=DDIM, 10 pas;seed=1]/fid:0}", "3,8 puis 26"),
    ("{ways/rows[way=DDIM, 10 pas]/fid:1}", "25,5"),
    ("{ways/rows[]/2/fid:1}", "3,8"),
    ("rien à lire", "rien à lire"),
])  # fmt: skip
def test_paths_become_numbers(values, text, expected):
    assert values.fill(text) == expected


@pytest.mark.parametrize("path", [
    "ae/metrics/fid", "ae/lab", "ae", "ways/rows[way=PixelCNN]/fid", "ways/rows[]/9/fid",
])  # fmt: skip
def test_a_path_to_nothing_is_told(values, path):
    with pytest.raises(LabError, match="nombre"):
        values.find(path)


def test_a_missing_table_names_the_command_that_makes_it(values):
    with pytest.raises(LabError, match="'vae' .* make references"):
        values.fill("{vae/metrics/fid}")


def test_a_lone_path_is_known():
    assert is_one_number("{ae/epochs}") and path_of("{ae/epochs:2}") == "ae/epochs"
    assert not is_one_number("dimension {ae/epochs}")
