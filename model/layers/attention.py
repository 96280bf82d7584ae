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
from model.errors import Refusal
from model.layers.frame import Frame
from model.layers.mixing import Manner, Mixing
from model.layers.positions import rotate
from model.layers.skipping import attend
from model.tap import Tap, ignore


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017, section 3.2); with fewer key/value heads than query heads, grouped
    (Ainslie et al. 2023). One matrix holds the queries' rows, then the keys', then the values'."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        a = config.attention
        self.heads, self.kv_heads, self.size, self.positions = a.heads, a.kv_heads, a.size, config.positions
        self.scale = 1 / math.sqrt(a.size) if a.scaled else 1.0
        self.qkv = nn.Linear(config.width, (a.heads + 2 * a.kv_heads) * a.size, bias=a.bias)
        self.q_norm, self.k_norm = (nn.RMSNorm(a.size, eps=config.norm.eps) if a.head_norm else None for _ in range(2))
        self.out = nn.Linear(a.heads * a.size, config.width, bias=a.out_bias)

    def forward(self, x: Tensor, frame: Frame, layer: int, tap: Tap = ignore) -> Tensor:
        """From the normed residual (B, T, width) to what attention adds to it (B, T, width)."""
        if tap is ignore and frame.past is None and torch.is_grad_enabled():
            return self.out(self.for_training(x, frame))
        return self.meet(*self.project(x, frame), frame, layer, tap)

    def meet(self, q: Tensor, k: Tensor, v: Tensor, frame: Frame, layer: int, tap: Tap) -> Tensor:
        """Queries (B, H, T, size) look at keys and take values (B, G, S, size): (B, T, width)."""
        q, k, v = tap("q", q), tap("k", k), tap("v", v)
        if frame.past is not None:
            k, v = frame.past.extend(layer, k, v)
        k, v = self.share(k), self.share(v)
        shown = frame.maps != "none" and (tap is not ignore or torch.is_grad_enabled())
        mixed = self.spelled_out(q, k, frame, layer, tap) @ v if shown else self.fused(q, k, v, frame)
        return tap("out", self.out(tap("mixed", mixed).transpose(1, 2).flatten(2)))

    def heads_of(self, x: Tensor) -> Tensor:
        """What every head asks, answers and says, in this order: (B, T, H + 2G, size)."""
        heads = self.qkv(x).unflatten(-1, (self.heads + 2 * self.kv_heads, self.size))
        if self.q_norm is None or self.k_norm is None:
            return heads
        q, k, v = heads.split((self.heads, self.kv_heads, self.kv_heads), -2)
        return torch.cat([self.q_norm(q), self.k_norm(k), v], -2)

    def project(self, x: Tensor, frame: Frame) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, H, T, size), keys and values (B, G, T, size), turned by position where the scheme is rotary."""
        turning, v = self.heads_of(x).transpose(1, 2).split((self.heads + self.kv_heads, self.kv_heads), 1)
        if isinstance(self.positions, Rotary) and frame.turn is not None:
            turning = rotate(turning, self.positions, *frame.turn)
        q, k = turning.split((self.heads, self.kv_heads), 1)
        return q, k, v

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
        met = masked if frame.blind is None else masked.masked_fill(frame.blind, 0)  # a softmax over nothing is no number, nor is its slope
        pattern = torch.softmax(met, -1, out=frame.scratch(f"{layer}.pattern", shape, q))
        return tap("pattern", pattern if frame.blind is None else pattern.masked_fill(frame.blind, 0))

    def scores(self, q: Tensor, k: Tensor, frame: Frame, out: Tensor | None = None) -> Tensor:
        """q · k / √size for every query and key, plus what positions add: (B, H, T, S), before the mask; undivided where the scheme says so."""
        shape = (*q.shape[:-1], k.shape[-2])
        bias = q.new_zeros(1, 1, 1) if frame.bias is None else frame.bias.repeat(len(q), 1, 1)
        flat = None if out is None else out.flatten(0, 1)
        pairs = q.flatten(0, 1), k.flatten(0, 1).transpose(-1, -2)
        return torch.baddbmm(bias, *pairs, alpha=self.scale, beta=0 if frame.bias is None else 1, out=flat).view(shape)

    def for_training(self, x: Tensor, frame: Frame) -> Tensor:
        """All of it but the last product, its backward pass written out: (B, T, H x size)."""
        offsets = self.offsets(frame)
        manner = Manner(
            heads=self.heads,
            kv_heads=self.kv_heads,
            scale=self.scale,
            turn=(self.positions, *frame.turn) if isinstance(self.positions, Rotary) and frame.turn is not None else None,
            blind=frame.blind,
        )
        return Mixing.apply(self.heads_of(x), x.new_zeros(()) if offsets is None else offsets.to(x.dtype), manner).flatten(2)

    def fused(self, q: Tensor, k: Tensor, v: Tensor, frame: Frame) -> Tensor:
        """PyTorch's kernel; it never shows its pattern."""
        if frame.causal and frame.bias is None:
            return F.scaled_dot_product_attention(q, k, v, is_causal=q.shape[-2] > 1, scale=self.scale)
        offsets = self.offsets(frame)
        if offsets is not None and frame.blind is not None:
            offsets = offsets.masked_fill(frame.blind, 0)
        if offsets is not None and frame.stripes is not None:
            mixed = attend(q, k, v, frame.stripes, offsets, self.scale)
        else:
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=offsets, scale=self.scale)
        return mixed if frame.blind is None else mixed.masked_fill(frame.blind, 0)

    def offsets(self, frame: Frame) -> Tensor | None:
        """What is added to the scores before the softmax: the mask, what positions add, both or nothing."""
        if frame.additive is None or frame.bias is None:
            return frame.additive if frame.bias is None else frame.bias
        return frame.additive + frame.bias


class CrossAttention(Attention):
    """Queries from the target, keys and values from what an encoder made of the source (Vaswani et al. 2017, section 3.2.3); nothing
    is turned by position, and every target token may look at the whole source unless it is told otherwise."""

    def forward(self, x: Tensor, frame: Frame, layer: int, tap: Tap = ignore) -> Tensor:
        """From the normed residual (B, T, width) to what looking at the source adds to it (B, T, width)."""
        source = frame.crossing
        if source is None:
            raise Refusal("source.missing", "this model writes about a source, and none was given; encode one and hand it over as memory")
        k, v = self.remembered(source.memory) if frame.past is None else frame.past.across(layer, source.memory, self.remembered)
        return self.meet(self.asked(x), k, v, source.frame, layer, tap)

    def asked(self, x: Tensor) -> Tensor:
        """The target's queries: (B, H, T, size)."""
        rows = self.heads * self.size
        q = F.linear(x, self.qkv.weight[:rows], None if self.qkv.bias is None else self.qkv.bias[:rows]).unflatten(-1, (self.heads, self.size))
        return (q if self.q_norm is None else self.q_norm(q)).transpose(1, 2)

    def remembered(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """The source's keys and values, two of (B, G, S, size), from what its encoder left (B, S, width)."""
        rows = self.heads * self.size
        kv = F.linear(memory, self.qkv.weight[rows:], None if self.qkv.bias is None else self.qkv.bias[rows:])
        k, v = kv.unflatten(-1, (2 * self.kv_heads, self.size)).split(self.kv_heads, -2)
        return (k if self.k_norm is None else self.k_norm(k)).transpose(1, 2), v.transpose(1, 2)
