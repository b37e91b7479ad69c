"""Les arguments refusés : le message nomme l'argument, ce qu'il a reçu, ce qu'il faut écrire."""

import math
import re

import numpy as np
import pytest
import torch

from labkit.edges import check_real, check_whole


@pytest.mark.parametrize("value", [1, 3, np.int64(3), np.uint8(1), 10**40])
def test_whole_numbers_of_any_kind_come_back_as_int(value):
    assert check_whole("steps", value) == value
    assert type(check_whole("steps", value)) is int


@pytest.mark.parametrize(("value", "said"), [
    ("2", "reçu '2' : écrivez steps=2."),
    (2.5, "reçu 2.5 : écrivez steps=3."),
    (28.0, "reçu 28.0 : écrivez steps=28."),
    (math.inf, "reçu inf : écrivez steps=3."),
    (True, "reçu True : écrivez steps=1."),
    (None, "reçu None : écrivez steps=3."),
    (torch.tensor(7), "reçu tensor(7) : écrivez steps=7."),
    (torch.zeros(100), "reçu Tensor : écrivez steps=3."),
    (torch.nn.Sequential(torch.nn.ReLU()), "reçu Sequential : écrivez steps=3."),
])  # fmt: skip
def test_what_is_not_whole_is_refused(value, said):
    with pytest.raises(TypeError, match=re.escape(f"steps attend un nombre entier, {said}")):
        check_whole("steps", value)


def test_whole_numbers_too_small_are_refused():
    with pytest.raises(ValueError, match="k doit valoir au moins 1, reçu k=0"):
        check_whole("k", 0)
    assert check_whole("seed", 0, at_least=0) == 0
    with pytest.raises(ValueError, match="classes doit valoir au moins 2, reçu classes=1"):
        check_whole("classes", np.int8(1), at_least=2)
    with pytest.raises(TypeError, match="écrivez size=5"):
        check_whole("size", "2", at_least=5)


@pytest.mark.parametrize("value", [0, -1.5, np.float32(0.5), np.int64(2), math.inf])
def test_real_numbers_of_any_kind_come_back(value):
    assert check_real("beta", value) is value


@pytest.mark.parametrize(("value", "said"), [
    ("0,9", "reçu '0,9' : écrivez beta=0.5."),
    ("1e-3", "reçu '1e-3' : écrivez beta=0.001."),
    (False, "reçu False : écrivez beta=0."),
    (torch.tensor(0.75), "reçu tensor(0.7500) : écrivez beta=0.75."),
    ([1.0], "reçu [1.0] : écrivez beta=0.5."),
    ("nan", "reçu 'nan' : écrivez beta=0.5."),
    (1j, "reçu 1j : écrivez beta=0.5."),
    (list(range(1000)), "reçu list : écrivez beta=0.5."),
])  # fmt: skip
def test_what_is_not_real_is_refused(value, said):
    with pytest.raises(TypeError, match=re.escape(f"beta attend un nombre, {said}")):
        check_real("beta", value)
