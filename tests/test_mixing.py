"""The backward pass written by hand is the one calculus demands."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from model.config import Rotary
from model.layers.mixing import Manner, Mixing
from model.layers.positions import rotate, rotation

BATCH, TOKENS, SIZE = 3, 6, 8


def draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()


def spelled_out(projected: Tensor, offsets: Tensor, manner: Manner) -> Tensor:
    """The same as a textbook writes it, for autograd to take apart."""
    q, k, v = projected.transpose(1, 2).split((manner.heads, manner.kv_heads, manner.kv_heads), 1)
    if manner.turn is not None:
        q, k = rotate(q, *manner.turn), rotate(k, *manner.turn)
    group = manner.heads // manner.kv_heads
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    scores = manner.scale * q @ k.mT + offsets
    if manner.blind is None:
        return (torch.softmax(scores, -1) @ v).transpose(1, 2)
    # a row without any key has no softmax: it is given one, and then nothing of it is used
    pattern = torch.softmax(scores.masked_fill(manner.blind, 0), -1).masked_fill(manner.blind, 0)
    return (pattern @ v).transpose(1, 2)


CAUSAL = torch.full((TOKENS, TOKENS), -math.inf, dtype=torch.float64).triu(1)
BLINDED = CAUSAL.index_fill(0, torch.tensor([2]), -math.inf)
PENALTY = -torch.arange(4, dtype=torch.float64)[:, None, None] * (torch.arange(TOKENS)[:, None] - torch.arange(TOKENS)).abs()
PER_TEXT = torch.stack([CAUSAL, BLINDED, CAUSAL])[:, None]


@pytest.mark.parametrize("positions", [None, Rotary(), Rotary(fraction=0.5), Rotary(pairing="neighbours")], ids=str)
@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize(
    ("offsets", "blind"),
    [
        (torch.zeros((), dtype=torch.float64), None),
        (CAUSAL, None),
        (CAUSAL + PENALTY, None),
        (BLINDED, torch.isinf(BLINDED).all(-1, keepdim=True)),
        (PER_TEXT, torch.isinf(PER_TEXT).all(-1, keepdim=True)),
    ],
    ids=["open", "causal", "penalty", "blind", "per text"],
)
def test_value_and_gradient_are_those_of_the_textbook(positions: Rotary | None, kv_heads: int, offsets: Tensor, blind: Any) -> None:
    turn = None
    if positions is not None:
        cos, sin = rotation(positions, int(positions.fraction * SIZE), TOKENS, torch.device("cpu"))
        turn = positions, cos.double(), sin.double()
    manner = Manner(heads=4, kv_heads=kv_heads, scale=0.3, turn=turn, blind=blind)
    projected = draw(BATCH, TOKENS, 4 + 2 * kv_heads, SIZE, seed=1)
    slope = draw(BATCH, TOKENS, 4, SIZE, seed=2).detach()
    offsets = offsets.clone().requires_grad_()
    ours, expected = Mixing.apply(projected, offsets, manner), spelled_out(projected, offsets, manner)
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(torch.autograd.grad(ours, (projected, offsets), slope), torch.autograd.grad(expected, (projected, offsets), slope))
