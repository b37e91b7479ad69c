"""Le modèle de langue du lab 09 : `fit` contre `Trainer`, tirer avec un cache ou sans."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sized
from functools import partial

import torch

import labkit
from benchmarks.measure import (
    LABKIT,
    LIMIT,
    Measure,
    Resident,
    Speeds,
    bounded_where_bf16_is_fast,
    compare,
)
from labkit.models import CausalLM, causal_step
from labkit.training.device import one_thread

VOCABULARY, BLOCK = 8192, 128
SIZES = {"n_layer": 4, "n_head": 4, "n_embd": 256}  # la référence du lab, dans les deux cas
BATCH_SIZE, STEPS = 8, 8
REPEATS = 3
GENERATED = 128
RATE = 1e-3
TRAINER, FLOAT32 = "Trainer", "labkit en float32"


def measures() -> Iterator[Measure | Speeds]:
    with one_thread():
        training, generation = _training_speeds(), _generation_speeds()
    yield training
    yield bounded_where_bf16_is_fast(
        "CausalLM, fit contre Trainer (float32)", training.ratio(TRAINER), at_least=1.2
    )
    ratio = training.ratio(TRAINER, FLOAT32)
    yield Measure("CausalLM, fit et Trainer en float32", ratio, at_least=1.0)
    yield training.to_limit()
    yield generation
    ratio = generation.ratio("sans cache", "avec cache")
    yield Measure(f"CausalLM, {GENERATED} jetons avec cache contre sans", ratio, at_least=5)


def _training_speeds() -> Speeds:
    """Une époque des mêmes blocs, en temps de processeur : un cœur partagé n'y change rien."""
    torch.manual_seed(0)
    ids = torch.randint(VOCABULARY, (BATCH_SIZE * STEPS, BLOCK))
    batches = ids.split(BATCH_SIZE)
    loops = {
        LABKIT: _fit(batches),
        FLOAT32: _fit(batches, "fp32"),
        TRAINER: _trainer(ids),
        LIMIT: _fit(Resident(batches)),
    }
    return compare("CausalLM", ids.numel(), loops, REPEATS, "jetons", time.process_time)


def _fit(batches: Sized, precision: str = "auto") -> Callable[[], object]:
    model = CausalLM(VOCABULARY, BLOCK, **SIZES)
    return partial(
        labkit.fit, partial(causal_step, model), batches, 1, model, lr=RATE,
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


def _generation_speeds() -> Speeds:
    torch.manual_seed(0)
    model, start = CausalLM(VOCABULARY, BLOCK, **SIZES), torch.zeros(1, 1, dtype=torch.long)
    loops = {
        f"{word} cache": partial(model.generate, start, GENERATED, use_cache=word == "avec")
        for word in ("avec", "sans")
    }
    name = "CausalLM, tirage"
    return compare(name, GENERATED, loops, REPEATS, "jetons", time.process_time)
