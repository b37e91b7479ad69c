"""Le modèle de langue du lab 09 : `fit` contre `Trainer`, tirer avec un cache ou sans."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import nn

import labkit
from benchmarks.measure import Measure, alternate, bounded_where_bf16_is_fast, median_ratio
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


def measures() -> Iterator[Measure]:
    with one_thread():
        training = _training_seconds()
        perplexity = _perplexity_ratio()
        generation = _generation_seconds()
    ratio = partial(median_ratio, training["trainer"])
    yield bounded_where_bf16_is_fast(
        "CausalLM, fit contre Trainer (float32)", ratio(training["fit"]), at_least=1.2
    )
    yield Measure("CausalLM, fit et Trainer en float32", ratio(training["fit_fp32"]), at_least=1.0)
    yield Measure(
        "CausalLM, perplexité de phrases, fit sur Trainer", perplexity, at_most=1.02, digits=3
    )
    yield Measure(
        f"CausalLM, {GENERATED} jetons avec cache contre sans",
        median_ratio(generation["without"], generation["with"]),
        at_least=5,
    )


def _training_seconds() -> dict[str, list[float]]:
    """Une époque des mêmes blocs, en temps de processeur : un cœur partagé n'y change rien."""
    torch.manual_seed(0)
    ids = TokenSet(torch.randint(VOCABULARY, (BATCH_SIZE * STEPS, BLOCK)))
    ours, theirs = _models(VOCABULARY, BLOCK, SIZES)
    actions = {
        "trainer": _trainer(theirs, ids),
        "fit": _fit(ours, ids),
        "fit_fp32": _fit(ours, ids, "fp32"),
    }
    for action in actions.values():
        action()  # le premier passage prépare les calculs compilés
    return alternate(actions, REPEATS, clock=time.process_time)


def _perplexity_ratio() -> float:
    """La perplexité de test après une époque de `phrases` : celle de fit sur celle de Trainer."""
    text, words = labkit.load_text("phrases"), PHRASES.tokenizer
    train, test = (blocks(words.encode(part), SMALL_BLOCK) for part in (text.train, text.test))
    torch.manual_seed(0)
    ours, theirs = _models(words.vocab_size, SMALL_BLOCK, SMALL_SIZES)
    _fit(ours, TokenSet(train), "fp32")()
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


def _fit(model: CausalLM, ids: TokenSet, precision: str = "auto") -> Callable[[], object]:
    return partial(
        labkit.fit, partial(causal_step, model), ids.batches(BATCH_SIZE, shuffle=True), 1, model,
        lr=RATE, optimizer=torch.optim.AdamW, max_grad_norm=1.0, precision=precision, log_every=0,
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
