"""From the projected heads to what attention mixes, with the backward pass written out: for training on a CPU, where no fused
kernel has a fast one. A test holds both directions equal to what PyTorch derives by itself.

Legend: B batch, H query heads, G key/value heads, T tokens, size the numbers per head; heads come first, so that all of one
kind lie together in memory and no product has to copy them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from model.config import Rotary
from model.layers.positions import rotate


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How queries meet keys: `turn` is the rotation and its tables, if there is one; `blind` (broadcast to B, H, T, 1) marks
    queries that may look at nothing."""

    heads: int
    kv_heads: int
    scale: float
    turn: tuple[Rotary, Tensor, Tensor] | None
    blind: Tensor | None


class Mixing(torch.autograd.Function):
    """softmax(scale · q kᵀ + offsets) v, the queries and keys turned before; only the pattern is kept, not what led to it."""

    @staticmethod
    def forward(ctx: Any, projected: Tensor, offsets: Tensor, manner: Manner) -> Tensor:
        """Queries', keys' and values' heads (B, T, H + 2G, size), and `offsets` to add to the scaled scores (broadcast to B, H, T, T),
        to the mixed values (B, T, H, size)."""
        batch, tokens, _, size = projected.shape
        turning, v = projected.permute(2, 0, 1, 3).split((manner.heads + manner.kv_heads, manner.kv_heads))
        if manner.turn is not None:
            turning = rotate(turning, *manner.turn)
        q, k = turning.split((manner.heads, manner.kv_heads))
        q, k, v = q.flatten(0, 1), _share(k, manner), _share(v, manner)
        shape = (batch, manner.heads, tokens, tokens)
        pattern = torch.softmax(torch.baddbmm(_heads_first(offsets, shape), q, k.mT, alpha=manner.scale), -1)
        if manner.blind is not None:
            pattern.masked_fill_(_heads_first(manner.blind, (*shape[:-1], 1)), 0)
        ctx.save_for_backward(q, k, v, pattern)
        ctx.manner, ctx.offsets = manner, offsets.shape if ctx.needs_input_grad[1] else None
        return torch.bmm(pattern, v).view(manner.heads, batch, tokens, size).permute(1, 2, 0, 3)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor | None, None]:
        """Each factor's slope is the product's slope times the other factor; and so back, step by step."""
        manner, (q, k, v, pattern) = ctx.manner, ctx.saved_tensors
        batch, tokens, _, size = grad_outputs[0].shape
        slope = grad_outputs[0].permute(2, 0, 1, 3).flatten(0, 1)
        to_v = torch.bmm(pattern.mT, slope)
        to_pattern = torch.bmm(slope, v.mT)
        # the softmax: pattern · (slope - Σ slope · pattern), summed over the keys; a row of zeros stays one
        to_scores = torch.ops.aten._softmax_backward_data(to_pattern, pattern, -1, pattern.dtype)
        to_q = torch.bmm(to_scores, k).view(manner.heads, batch, tokens, size)
        to_k = _unshare(torch.bmm(to_scores.mT, q), manner, batch)
        to_turned = torch.cat([to_q, to_k]).mul_(manner.scale)
        if manner.turn is not None:
            positions, cos, sin = manner.turn
            to_turned = rotate(to_turned, positions, cos, -sin)
        to_projected = slope.new_empty(batch, tokens, manner.heads + 2 * manner.kv_heads, size)
        turning, values = to_projected.permute(2, 0, 1, 3).split((manner.heads + manner.kv_heads, manner.kv_heads))
        turning.copy_(to_turned)
        values.copy_(_unshare(to_v, manner, batch))
        to_offsets = None if ctx.offsets is None else to_scores.unflatten(0, (-1, batch)).transpose(0, 1).sum_to_size(ctx.offsets)
        return to_projected, to_offsets, None


def _share(kv: Tensor, manner: Manner) -> Tensor:
    """Give each group of query heads its one key or value head: (G, B, T, size) to (H x B, T, size)."""
    group = manner.heads // manner.kv_heads
    return (kv if group == 1 else kv.repeat_interleave(group, 0)).flatten(0, 1)


def _unshare(slope: Tensor, manner: Manner, batch: int) -> Tensor:
    """What a shared head is told by its whole group: (H x B, T, size) to (G, B, T, size)."""
    return slope.unflatten(0, (manner.kv_heads, -1, batch)).sum(1) if manner.kv_heads < manner.heads else slope.unflatten(0, (-1, batch))


def _heads_first(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Something of (batch, heads, …), as far as it was spelled out, broadcast and seen as (heads x batch, …)."""
    return x.expand(shape).transpose(0, 1).flatten(0, 1)
