"""Muon et AdamW ensemble : qui apprend quoi, le même taux, la reprise au bit près."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

from labkit.models import CausalLM, causal_step
from labkit.training import muon
from labkit.training.optimizers import Muon, orthogonalize
from tests.training.helpers import quiet_fit


def new_model(seed: int = 0) -> CausalLM:
    torch.manual_seed(seed)
    return CausalLM(11, block_size=8, n_layer=1, n_head=2, n_embd=8)


def batches(count: int = 6) -> list[torch.Tensor]:
    return list(torch.randint(11, (count, 4, 8), generator=torch.Generator().manual_seed(0)))


def build(model: nn.Module, **options):
    return muon(model, **options)(list(model.parameters()), lr=1e-2)


def test_hidden_matrices_go_to_muon_and_the_rest_to_adamw():
    model = new_model()
    model.blocks[0].widen.weight.requires_grad_(False)  # gelé : ni l'un ni l'autre
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = muon(model)(list(parameters.values()), lr=1e-2)
    matrices, others = (
        {name for name, p in parameters.items() if any(p is q for q in group["params"])}
        for group in optimizer.param_groups
    )
    assert matrices == {
        f"blocks.0.{name}.weight" for name in ("attention.to_qkv", "attention.merge", "narrow")
    }
    assert others == set(parameters) - matrices


def test_each_part_steps_as_it_would_alone():
    model, alone = new_model(), new_model()
    optimizer = build(model, weight_decay=0.1)
    ranks = {id(p): rank for rank, p in enumerate(model.parameters())}
    copies = list(alone.parameters())
    matrices, others = (
        [copies[ranks[id(p)]] for p in group["params"]] for group in optimizer.param_groups
    )
    parts = (
        Muon(matrices, lr=1e-2, weight_decay=0.1),
        torch.optim.AdamW(others, lr=1e-2, weight_decay=0.1, betas=(0.9, 0.95), fused=True),
    )
    for ids in batches():
        for network, optimizers in ((model, [optimizer]), (alone, parts)):
            network.zero_grad()
            causal_step(network, ids)["loss"].backward()
            for each in optimizers:
                each.step()
    for found, expected in zip(model.parameters(), alone.parameters(), strict=True):
        assert torch.equal(found, expected)


def test_the_rate_of_fit_reaches_both_parts():
    """À taux nul rien ne bouge ; à taux donné, matrices et plongements bougent."""
    for rate, moved in ((0.0, False), (1e-2, True)):
        model, start = new_model(), new_model().state_dict()
        quiet_fit(
            partial(causal_step, model), batches(), 1, model, optimizer=muon(model),
            lr=lambda progress, rate=rate: rate,
        )  # fmt: skip
        for name in ("blocks.0.widen.weight", "tokens.weight"):
            assert torch.equal(model.state_dict()[name], start[name]) is not moved


def test_a_training_resumes_to_the_bit(tmp_path):
    path = tmp_path / "reprise"

    def train(model: nn.Module, epochs: int, **options) -> None:
        torch.manual_seed(4)
        quiet_fit(
            partial(causal_step, model), batches(), epochs, model, optimizer=muon(model),
            lr=1e-2, **options,
        )  # fmt: skip

    whole, resumed = new_model(), new_model()
    train(whole, 4)
    train(resumed, 2, checkpoint=path)
    resumed = new_model(seed=1)
    train(resumed, 4, checkpoint=path)
    for found, expected in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(found, expected)


def test_state_is_loaded_into_both_parts():
    model = new_model()
    optimizer = build(model)
    causal_step(model, batches()[0])["loss"].backward()
    optimizer.step()
    other = build(model)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    twin = copy.deepcopy(model.state_dict())
    optimizer.step()
    moved = copy.deepcopy(model.state_dict())
    model.load_state_dict(twin)
    other.step()
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, moved[name])


def test_orthogonalize_keeps_singular_vectors_and_evens_singular_values():
    random = torch.Generator().manual_seed(0)
    for shape in ((6, 20), (20, 6), (8, 8)):
        matrix = torch.randn(shape, generator=random)
        left, values, right = torch.linalg.svd(matrix, full_matrices=False)
        found = left.T @ orthogonalize(matrix) @ right.T  # diagonale
        evened = found.diagonal()
        assert torch.allclose(found, torch.diag(evened), atol=1e-4)
        assert evened[values > 0.05 * values.max()].sub(1).abs().max() < 0.35


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="PyTorch d'avant 2.9")
def test_muon_follows_pytorchs_to_the_precision_of_bfloat16():
    torch.manual_seed(0)
    start = torch.randn(12, 30)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    options = {"lr": 1e-2, "weight_decay": 0.1}
    pair = (
        (ours, Muon([ours], **options)),
        (theirs, torch.optim.Muon([theirs], adjust_lr_fn="match_rms_adamw", **options)),
    )
    for gradient in torch.randn(5, 12, 30):
        for matrix, optimizer in pair:
            matrix.grad = gradient.clone()
            optimizer.step()
    moved = (theirs - start).norm()
    assert (ours - theirs).norm() < 0.02 * moved
