"""A training step against the plain PyTorch loop: the same model, weights and rows, on one thread, taking turns.

The plain loop is the one every tutorial ends with: fused attention (SDPA), float32, `AdamW`, `clip_grad_norm_`, `loss.item()`.
Ours is `model.training` as the app runs it, precision chosen by its probe.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from model import config
from model.layers.attention import Attention
from model.layers.frame import Frame
from model.training import Recipe, Steps, train
from model.training.source import Batch, following
from model.transformer import Transformer
from tests.bench.race import Row, race, row

VOCABULARY, CONTEXT, BATCH, FILL = 756, 128, 8, 0.92
SIZES = ((2, 2, 64), (4, 4, 128), (4, 8, 256))
"""Layers, heads and width: the live model, the one between, the embedded one."""
ROUNDS = 25


class Rows:
    """Random rows, padded at their ends like packed documents."""

    pad = 0

    def next(self, batch: int) -> Batch:
        rows = torch.randint(1, VOCABULARY, (batch, CONTEXT + 1))
        rows[:, round(FILL * CONTEXT) :] = self.pad
        return following(rows)

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Random rows have no place to go back to."""


def rows() -> list[Row]:
    """One training step at three sizes."""
    torch.set_num_threads(1)
    found = []
    for layers, heads, width in SIZES:
        times = race({"ours": _ours(_model(layers, heads, width)), "plain": _plain(_model(layers, heads, width))}, ROUNDS)
        found.append(row(f"training step vs plain PyTorch loop, L{layers} H{heads} d{width}", times["ours"], times["plain"]))
    return found


def _model(layers: int, heads: int, width: int) -> Transformer:
    attention = config.Attention(heads=heads, kv_heads=heads, size=width // heads)
    mlp = config.PlainMlp(hidden=4 * width, activation="gelu")
    return Transformer(config.Config(vocabulary=VOCABULARY, context=CONTEXT, width=width, layers=layers, attention=attention, mlp=mlp))


def _ours(model: Transformer) -> Callable[[], object]:
    return train(model, Rows(), Recipe(learning_rate=1e-3, batch=BATCH, context=CONTEXT, budget=Steps(count=1_000_000))).advance


def _plain(model: Transformer) -> Callable[[], object]:
    for part in model.modules():
        if isinstance(part, Attention):
            part.for_training = partial(_fused, part)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01, foreach=True)
    source, steps = Rows(), count()

    def step() -> tuple[int, float]:
        batch = source.next(BATCH)
        logits = model(batch.ids)
        loss = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=source.pad)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        return next(steps), loss.item()

    return step


def _fused(attention: Attention, x: Tensor, frame: Frame) -> Tensor:
    return attention.fused(*attention.project(x, frame), frame).transpose(1, 2).flatten(2)
