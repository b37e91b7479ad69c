"""Le modèle de langue du lab 09 : `fit` contre `Trainer`, tirer avec un cache ou sans."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sized
from functools import partial

import torch
from torch import nn

import labkit
from benchmarks.measure import (
    FLOAT32,
    LABKIT,
    LIMIT,
    Measure,
    Resident,
    Speeds,
    bounded_where_bf16_is_fast,
    compare,
)
from labkit.models import CausalLM, causal_step
from labkit.text import TokenSet, blocks
from labkit.text.grammar import PHRASES
from labkit.training.device import one_thread

VOCABULARY, BLOCK = 8192, 128
SIZES = {"n_layer": 4, "n_head": 4, "n_embd": 256}  # la référence du lab, dans les deux cas
SMALL_BLOCK, SMALL_SIZES = 64, {"n_layer": 2, "n_head": 4, "n_embd": 64}  # ceux de `phrases`
BATCH_SIZE, STEPS = 8, 8
REPEATS = 3
GENERATED = 128
RATE = 1e-3
TRAINER = "Trainer"


def measures() -> Iterator[Measure | Speeds]:
    with one_thread():
        training, generation = _training_speeds(), _generation_speeds()
        perplexity = _perplexity_ratio()
    yield training
    yield bounded_where_bf16_is_fast(
        "CausalLM, fit contre Trainer (float32)", training.ratio(TRAINER), at_least=1.2
    )
    ratio = training.ratio(TRAINER, FLOAT32)
    yield Measure("CausalLM, fit et Trainer en float32", ratio, at_least=1.0)
    yield Measure(
        "CausalLM, perplexité de phrases, fit sur Trainer", perplexity, at_most=1.02, digits=3
    )
    yield training.to_limit()
    yield generation
    ratio = generation.ratio("sans cache", "avec cache")
    yield Measure(f"CausalLM, {GENERATED} jetons avec cache contre sans", ratio, at_least=5)


def _training_speeds() -> Speeds:
    """Une époque des mêmes blocs, en temps de processeur : un cœur partagé n'y change rien."""
    torch.manual_seed(0)
    ids = TokenSet(torch.randint(VOCABULARY, (BATCH_SIZE * STEPS, BLOCK)))
    ours, theirs = _models(VOCABULARY, BLOCK, SIZES)
    loops = {
        LABKIT: _fit(ours, _batches(ids)),
        FLOAT32: _fit(ours, _batches(ids), "fp32"),
        TRAINER: _trainer(theirs, ids),
        LIMIT: _fit(ours, Resident(ids.blocks.split(BATCH_SIZE))),
    }
    count = ids.blocks.numel()
    return compare("CausalLM", count, loops, REPEATS, "jetons", time.process_time)


def _perplexity_ratio() -> float:
    """La perplexité de test après une époque de `phrases` : celle de fit sur celle de Trainer."""
    text, words = labkit.load_text("phrases"), PHRASES.tokenizer
    train, test = (blocks(words.encode(part), SMALL_BLOCK) for part in (text.train, text.test))
    torch.manual_seed(0)
    ours, theirs = _models(words.vocab_size, SMALL_BLOCK, SMALL_SIZES)
    _fit(ours, _batches(TokenSet(train)), "fp32")()
    _trainer(theirs, TokenSet(train))()
    with torch.no_grad():
        loss, their_loss = causal_step(ours, test)["loss"], theirs.eval()(test, labels=test).loss
    return math.exp(loss - their_loss)


def _models(vocabulary: int, block: int, sizes: dict[str, int]) -> tuple[CausalLM, nn.Module]:
    """Le même réseau, de labkit et de transformers."""
    import transformers

    config = transformers.GPT2Config(
        vocab_size=vocabulary, n_positions=block, **sizes, embd_pdrop=0.0, resid_pdrop=0.0,
        attn_pdrop=0.0, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return CausalLM(vocabulary, block, **sizes), transformers.GPT2LMHeadModel(config)


def _batches(ids: TokenSet) -> Sized:
    return ids.batches(BATCH_SIZE, shuffle=True)


def _fit(model: CausalLM, batches: Sized, precision: str = "auto") -> Callable[[], object]:
    return partial(
        labkit.fit, partial(causal_step, model), batches, 1, model, lr=RATE,
        optimizer=torch.optim.AdamW, max_grad_norm=1.0, precision=precision, log_every=0,
    )  # fmt: skip


def _trainer(model: nn.Module, ids: TokenSet) -> Callable[[], object]:
    """AdamW, taux constant et gradient borné à 1, ses réglages d'office pour le reste."""
    import transformers

    arguments = transformers.TrainingArguments(
        tempfile.gettempdir(), per_device_train_batch_size=BATCH_SIZE, num_train_epochs=1,
        learning_rate=RATE, lr_scheduler_type="constant", weight_decay=0.01, report_to=[],
        logging_strategy="no", save_strategy="no", disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    examples = [{"input_ids": block, "labels": block} for block in ids.blocks]
    trainer = transformers.Trainer(model, arguments, train_dataset=examples)
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
