"""Attention with its backward pass written out, for training on a CPU, where no fused kernel has a fast one.

Legend: N = heads x batch, heads first; T queries, S keys. What the chain rule says is derived in the comments of `backward`;
a test holds it equal to what PyTorch derives by itself. Only the pattern is kept, never the scores it came from.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from model.config import Rotary
from model.layers.positions import rotate


class Turning(torch.autograd.Function):
    """Rotary positions, whose gradient needs no memory: it is turned back by the same angles."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, positions: Rotary, cos: Tensor, sin: Tensor) -> Tensor:
        """x: (..., T, size), as `rotate`."""
        ctx.turn = positions, cos, sin
        return rotate(x, positions, cos, sin)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        positions, cos, sin = ctx.turn
        return rotate(grad_outputs[0], positions, cos, -sin), None, None, None


class Mixing(torch.autograd.Function):
    """softmax(scale · q kᵀ + offsets) v; a query that may look at nothing gets zeros."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, offsets: Tensor, blind: Tensor | None, scale: float) -> Tensor:
        """q (N, T, size), k and v (N, S, size), offsets broadcast to (N, T, S), blind to (N, T, 1): mixed values (N, T, size)."""
        pattern = torch.softmax(torch.baddbmm(offsets, q, k.mT, alpha=scale), -1)
        if blind is not None:
            pattern.masked_fill_(blind, 0)
        ctx.save_for_backward(q, k, v, pattern)
        ctx.scale = scale
        return torch.bmm(pattern, v)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (slope,), (q, k, v, pattern) = grad_outputs, ctx.saved_tensors
        # mixed = pattern · v, so each factor's slope is the result's slope times the other factor
        to_v = torch.bmm(pattern.mT, slope)
        to_pattern = torch.bmm(slope, v.mT)
        # softmax: pattern · (slope - Σ slope · pattern) along the keys; rows of zeros stay zero
        to_scores = torch.ops.aten._softmax_backward_data(to_pattern, pattern, -1, pattern.dtype)
        to_q = torch.bmm(to_scores, k).mul_(ctx.scale)
        to_k = torch.bmm(to_scores.mT, q).mul_(ctx.scale)
        return to_q, to_k, to_v, None, None, None
