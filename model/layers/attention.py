"""Attention: every token asks (query), every token answers (key), and what is said (value) is mixed by how well they match.

Legend: B batch, H query heads, G key/value heads, T queries, S keys, size the numbers per head.
Three roads lead to the same numbers, and tests hold them equal: the spelled-out one that a tap can watch and change, the
hand-written one that trains fastest on a CPU (no fused kernel has a fast backward there), and PyTorch's fused kernel.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import Config, Rotary
from model.layers.frame import Frame
from model.layers.mixing import Mixing, Turning
from model.layers.positions import rotate
from model.tap import Tap, ignore


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017, section 3.2); with fewer key/value heads than query heads, grouped
    (Ainslie et al. 2023). One matrix holds the queries' rows, then the keys', then the values'."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        a = config.attention
        self.heads, self.kv_heads, self.size, self.positions = a.heads, a.kv_heads, a.size, config.positions
        self.scale = 1 / math.sqrt(a.size)
        self.qkv = nn.Linear(config.width, (a.heads + 2 * a.kv_heads) * a.size, bias=a.bias)
        self.out = nn.Linear(a.heads * a.size, config.width, bias=a.out_bias)

    def forward(self, x: Tensor, frame: Frame, layer: int, tap: Tap = ignore) -> Tensor:
        """From the normed residual (B, T, width) to what attention adds to it (B, T, width)."""
        q, k, v = self.project(x, frame)
        q, k, v = tap("q", q), tap("k", k), tap("v", v)
        if frame.past is not None:
            k, v = frame.past.extend(layer, k, v)
        k, v = self.share(k), self.share(v)
        if tap is not ignore and frame.maps != "none":
            mixed = self.spelled_out(q, k, frame, layer, tap) @ v
        elif torch.is_grad_enabled():
            mixed = self.for_training(q, k, v, frame)
        else:
            mixed = self.fused(q, k, v, frame)
        return tap("out", self.out(tap("mixed", mixed).transpose(1, 2).flatten(2)))

    def project(self, x: Tensor, frame: Frame) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, H, T, size), keys and values (B, G, T, size), turned by position where the scheme is rotary."""
        heads = self.qkv(x).unflatten(-1, (self.heads + 2 * self.kv_heads, self.size)).permute(2, 0, 1, 3)
        turning, v = heads.split((self.heads + self.kv_heads, self.kv_heads))
        if isinstance(self.positions, Rotary) and frame.turn is not None:
            turn = Turning.apply if torch.is_grad_enabled() else rotate
            turning = turn(turning, self.positions, *frame.turn)
        q, k = turning.split((self.heads, self.kv_heads))
        return q.transpose(0, 1), k.transpose(0, 1), v.transpose(0, 1)

    def share(self, kv: Tensor) -> Tensor:
        """Give each group of query heads its one key or value head: (B, G, S, size) to (B, H, S, size)."""
        return kv if self.kv_heads == self.heads else kv.repeat_interleave(self.heads // self.kv_heads, 1)

    def spelled_out(self, q: Tensor, k: Tensor, frame: Frame, layer: int, tap: Tap) -> Tensor:
        """softmax(q kᵀ / √size + bias + mask), one site at a time: the pattern (B, H, T, S), in the frame's buffers where it has them."""
        shape = (*q.shape[:-1], k.shape[-2])
        if frame.maps == "pattern":
            masked = self.scores(q, k, frame, frame.scratch("scores", shape, q))
            masked = masked if frame.additive is None else masked.add_(frame.additive)
        else:
            scores = tap("scores", self.scores(q, k, frame))
            masked = tap("masked", scores if frame.additive is None else scores + frame.additive)
        pattern = torch.softmax(masked, -1, out=frame.scratch(f"{layer}.pattern", shape, q))
        return tap("pattern", pattern if frame.blind is None else pattern.masked_fill(frame.blind, 0))

    def scores(self, q: Tensor, k: Tensor, frame: Frame, out: Tensor | None = None) -> Tensor:
        """q · k / √size for every query and key, plus ALiBi's penalty: (B, H, T, S), before the mask."""
        shape = (*q.shape[:-1], k.shape[-2])
        bias = q.new_zeros(1, 1, 1) if frame.bias is None else frame.bias.repeat(len(q), 1, 1)
        flat = None if out is None else out.flatten(0, 1)
        pairs = q.flatten(0, 1), k.flatten(0, 1).transpose(-1, -2)
        return torch.baddbmm(bias, *pairs, alpha=self.scale, beta=0 if frame.bias is None else 1, out=flat).view(shape)

    def for_training(self, q: Tensor, k: Tensor, v: Tensor, frame: Frame) -> Tensor:
        """The same in three dense steps whose backward pass is written out; a blind row comes out as zeros."""
        shape, where = (*q.shape[:-1], k.shape[-2]), self.offsets(q, frame)
        offsets = q.new_zeros(1, 1, 1) if where is None else _heads_first(where.to(q.dtype).expand(shape))
        blind = None if frame.blind is None else _heads_first(frame.blind.expand(*shape[:-1], 1))
        flat = _heads_first(q), _heads_first(k.to(q.dtype)), _heads_first(v.to(q.dtype))
        return Mixing.apply(*flat, offsets, blind, self.scale).unflatten(0, (shape[1], shape[0])).transpose(0, 1)

    def fused(self, q: Tensor, k: Tensor, v: Tensor, frame: Frame) -> Tensor:
        """PyTorch's kernel; it never shows its pattern."""
        if frame.causal and frame.bias is None:
            return F.scaled_dot_product_attention(q, k, v, is_causal=q.shape[-2] > 1)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=self.offsets(q, frame))
        return mixed if frame.blind is None else mixed.masked_fill(frame.blind, 0)

    def offsets(self, q: Tensor, frame: Frame) -> Tensor | None:
        """What is added to the scores before the softmax: the mask, ALiBi's penalty, both or nothing."""
        if frame.additive is None or frame.bias is None:
            return frame.additive if frame.bias is None else frame.bias
        return frame.additive + frame.bias


def _heads_first(x: Tensor) -> Tensor:
    """(batch, heads, …) as (heads x batch, …): for what `project` made, without moving a number."""
    return x.transpose(0, 1).flatten(0, 1)
