"""Le modèle de langue du lab 09 : `fit` contre `Trainer`, tirer avec un cache ou sans."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch

import labkit
from benchmarks.measure import Measure, alternate, bounded_where_bf16_is_fast, median_ratio
from labkit.models import CausalLM, causal_step
from labkit.training.device import one_thread

VOCABULARY, BLOCK = 8192, 128
SIZES = {"n_layer": 4, "n_head": 4, "n_embd": 256}  # la référence du lab, dans les deux cas
BATCH_SIZE, STEPS = 8, 8
REPEATS = 3
GENERATED = 128
RATE = 1e-3


def measures() -> Iterator[Measure]:
    with one_thread():
        training = _training_seconds()
        generation = _generation_seconds()
    ratio = partial(median_ratio, training["trainer"])
    yield bounded_where_bf16_is_fast(
        "CausalLM, fit contre Trainer (float32)", ratio(training["fit"]), at_least=1.2
    )
    yield Measure("CausalLM, fit et Trainer en float32", ratio(training["fit_fp32"]), at_least=1.0)
    yield Measure(
        f"CausalLM, {GENERATED} jetons avec cache contre sans",
        median_ratio(generation["without"], generation["with"]),
        at_least=5,
    )


def _training_seconds() -> dict[str, list[float]]:
    """Une époque des mêmes blocs, en temps de processeur : un cœur partagé n'y change rien."""
    torch.manual_seed(0)
    ids = torch.randint(VOCABULARY, (BATCH_SIZE * STEPS, BLOCK))
    actions = {"trainer": _trainer(ids), "fit": _fit(ids), "fit_fp32": _fit(ids, "fp32")}
    for action in actions.values():
        action()  # le premier passage prépare les calculs compilés
    return alternate(actions, REPEATS, clock=time.process_time)


def _fit(ids: torch.Tensor, precision: str = "auto") -> Callable[[], object]:
    model = CausalLM(VOCABULARY, BLOCK, **SIZES)
    return partial(
        labkit.fit, partial(causal_step, model), ids.split(BATCH_SIZE), 1, model, lr=RATE,
        optimizer=torch.optim.AdamW, max_grad_norm=1.0, precision=precision, log_every=0,
    )  # fmt: skip


def _trainer(ids: torch.Tensor) -> Callable[[], object]:
    """Le même réseau, AdamW et gradient borné à 1, ses réglages d'office."""
    import transformers

    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_positions=BLOCK, **SIZES, embd_pdrop=0.0, resid_pdrop=0.0,
        attn_pdrop=0.0, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    arguments = transformers.TrainingArguments(
        tempfile.gettempdir(), per_device_train_batch_size=BATCH_SIZE, num_train_epochs=1,
        learning_rate=RATE, report_to=[], logging_strategy="no", save_strategy="no",
        disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    blocks = [{"input_ids": block, "labels": block} for block in ids]
    model = transformers.GPT2LMHeadModel(config)
    trainer = transformers.Trainer(model, arguments, train_dataset=blocks)
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer.train


def _generation_seconds() -> dict[str, list[float]]:
    torch.manual_seed(0)
    model, start = CausalLM(VOCABULARY, BLOCK, **SIZES), torch.zeros(1, 1, dtype=torch.long)
    actions = {
        name: partial(model.generate, start, GENERATED, use_cache=name == "with")
        for name in ("with", "without")
    }
    for action in actions.values():
        action()
    return alternate(actions, REPEATS, clock=time.process_time)
