"""Mesurer un modèle sans le changer : le mode et le gradient, pendant et après."""

import pytest
import torch
from torch import nn

from labkit.models.modes import evaluating


@pytest.mark.parametrize("training", [True, False])
def test_mode_and_gradient_come_back(training):
    model = nn.Sequential(nn.Dropout(0.5)).train(training)
    with evaluating(model):
        assert not model.training
        assert not model[0].training
        assert not torch.is_grad_enabled()
    assert model.training == model[0].training == training
    assert torch.is_grad_enabled()


def test_mode_comes_back_after_an_error():
    model = nn.Dropout(0.5).train()
    with pytest.raises(ZeroDivisionError), evaluating(model):
        1 / 0  # noqa: B018
    assert model.training
    assert torch.is_grad_enabled()
