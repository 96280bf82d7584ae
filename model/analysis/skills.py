"""What a model can do: its loss against the exact floor, and the share of each skill's probes it continues rightly."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from model.text.rows import table
from model.text.skills import Probe, probes
from model.text.tokenizer import Tokenizer
from model.text.world import Dials, Document
from model.transformer import Transformer

ROW = 128
"""Tokens per row when documents are measured, as they were packed in training."""
ROWS_AT_ONCE = 16
PROBES_AT_ONCE = 64


@torch.inference_mode()
def loss(model: Transformer, tokenizer: Tokenizer, documents: Sequence[Document]) -> tuple[float, int]:
    """Total loss (nats) and number of predicted tokens, the end of each document among them. Divide it by the documents'
    own −log-probability for the ratio to the floor."""
    total, count = 0.0, 0
    length = min(ROW, model.config.context)
    for rows in table(documents, tokenizer, length).split(ROWS_AT_ONCE):
        targets = rows[:, 1:]
        logits = model(rows[:, :-1]).flatten(0, 1).float()
        total += F.cross_entropy(logits, targets.flatten(), ignore_index=tokenizer.pad, reduction="sum").item()
        count += int((targets != tokenizer.pad).sum())
    return total, count


def floor(documents: Sequence[Document]) -> float:
    """The least total loss (nats) any model can have on these documents."""
    return -sum(document.log_probability for document in documents)


def measure(model: Transformer, tokenizer: Tokenizer, *, count: int = 200, dials: Dials | None = None) -> dict[str, float]:
    """The share of right continuations for each skill, on up to `count` probes."""
    return {name: accuracy(model, tokenizer, asked) for name, asked in probes(count, dials).items() if asked}


@torch.inference_mode()
def accuracy(model: Transformer, tokenizer: Tokenizer, asked: Sequence[Probe]) -> float:
    """The share of probes whose greedy continuation is one of the answers. Feeding an answer and asking for the most likely token at
    each of its places is the same as decoding greedily, as far as being right goes; several answers are single tokens, so that any
    may be fed. Those of a length are read together, so that little padding is."""
    right, asked = 0, sorted(asked, key=lambda probe: len(probe.prompt))
    for start in range(0, len(asked), PROBES_AT_ONCE):
        right += _right(model, tokenizer, asked[start : start + PROBES_AT_ONCE])
    return right / len(asked)


def _right(model: Transformer, tokenizer: Tokenizer, asked: Sequence[Probe]) -> int:
    prompts = [[tokenizer.begin, *tokenizer.encode(probe.prompt).ids] for probe in asked]
    answers = [[_continuation(tokenizer, probe.prompt, answer) for answer in probe.answers] for probe in asked]
    whole = [prompt + answer[0] for prompt, answer in zip(prompts, answers, strict=True)]
    greedy = model(_padded(whole, tokenizer.pad)).argmax(-1).tolist()
    said = [row[len(prompt) - 1 : len(ids) - 1] for row, prompt, ids in zip(greedy, prompts, whole, strict=True)]
    return sum(words in answer for words, answer in zip(said, answers, strict=True))


def _continuation(tokenizer: Tokenizer, prompt: str, answer: str) -> list[int]:
    return list(tokenizer.encode(prompt + answer).ids[len(tokenizer.encode(prompt).ids) :])


def _padded(rows: Sequence[list[int]], pad: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [pad] * (longest - len(row)) for row in rows])
