"""What a trace says about attention: every head at a glance, one head, one token, and the arithmetic of a single cell.

Readings are plain numpy, so that whoever draws them needs neither torch nor the model. L layers, H heads, T tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.config import Alibi, LayerNorm, Tied
from model.errors import Refusal
from model.layers.positions import alibi_slopes
from model.trace import Trace
from model.transformer import Transformer

Floats = NDArray[np.float32]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Cell:
    """One weight's address; everything counts from 0."""

    layer: int
    head: int
    query: int
    key: int


# ---------------------------------------------------------------- every head at a glance


@dataclass(frozen=True, slots=True, eq=False)
class Overview:
    """All maps, small: `maps` (L, H, S, S), each number the largest of `block` × `block` weights, so that no peak is lost.

    `sinks` (L, H): the share of its attention that each head gives to the first token, averaged over the later tokens
    (the sink of Xiao et al. 2023, arXiv:2309.17453). `telling` is the (layer, head) worth looking at first: of what the last
    token took from anywhere but the sink, it is the one that spoke most for the likeliest next token (see `credits`).
    """

    maps: Floats
    block: int
    sinks: Floats
    telling: tuple[int, int]


def overview(trace: Trace, side: int = 64) -> Overview:
    """Every head's map at no more than `side` cells a side."""
    length, layers = len(trace.ids), range(trace.model.config.layers)
    block = -(-length // side)
    maps, sinks, drawn = [], [], []
    for pattern in (_numpy(trace.pattern(layer)) for layer in layers):
        maps.append(pooled(pattern, block))
        sinks.append(pattern[:, 1:, 0].mean(1) if length > 1 else pattern[:, 0, 0])
        drawn.append(1 - pattern[:, -1, 0])
    layer, head = divmod(int(np.argmax(credits(trace) * np.stack(drawn))), trace.model.config.attention.heads)
    return Overview(np.stack(maps), block, np.stack(sinks), (layer, head))


@torch.no_grad()
def credits(trace: Trace) -> Floats:
    """How much each head, at the last token, adds to the logit of the likeliest next one by the direct path: (L, H), up to the
    last norm's factor, which all heads share (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits")."""
    direction = _direction(trace.model, int(trace.logits[-1].argmax()))
    mixed = [trace[f"decoder.blocks.{layer}.attn.mixed"][:, -1] for layer in range(trace.model.config.layers)]
    written = (direction @ trace.model.get_parameter(f"decoder.blocks.{layer}.attn.out.weight") for layer in range(len(mixed)))
    return np.stack([_numpy((out.view_as(values) * values).sum(-1)) for out, values in zip(written, mixed, strict=True)])


def _direction(model: Transformer, token: int) -> Tensor:
    """Where the residual stream must point for this token's logit to grow: (width,)."""
    tied, normed = isinstance(model.config.output, Tied), model.config.final_norm
    row = model.get_parameter("embed.token.weight" if tied else "head.unembed.weight")[token]
    gained = row * model.get_parameter("decoder.norm.weight") if normed else row
    return gained - gained.mean() if normed and isinstance(model.config.norm, LayerNorm) else gained


def pooled(maps: Floats, block: int) -> Floats:
    """The largest weight of every `block` × `block` square: (…, T, T) to (…, ceil(T / block), ceil(T / block))."""
    if block == 1:
        return maps
    lacking = -maps.shape[-1] % block
    padded = np.pad(maps, [(0, 0)] * (maps.ndim - 2) + [(0, lacking), (0, lacking)])
    small = padded.shape[-1] // block
    return padded.reshape(*maps.shape[:-2], small, block, small, block).max((-3, -1))


# ---------------------------------------------------------------- one head, one token


@dataclass(frozen=True, slots=True, eq=False)
class HeadReading:
    """One head's whole map: `pattern` (T, T), rows summing to 1, and where the mask let it look, `allowed` (T, T)."""

    layer: int
    head: int
    pattern: Floats
    allowed: Booleans

    @property
    def length(self) -> int:
        """How many tokens there are."""
        return len(self.pattern)

    @property
    def telling(self) -> tuple[int, int]:
        """The (query, key) worth looking at first: the last token, whose row decides the next one, and where it looks most."""
        return self.length - 1, self.strongest(self.length - 1, without_sink=True)

    def strongest(self, query: int, *, without_sink: bool = False) -> int:
        """The key that `query` looks at most; `without_sink` passes over the first token where there is another to look at."""
        row = np.where(self.allowed[query], self.pattern[query], -1.0)
        if without_sink and self.allowed[query, 1:].any():
            row[0] = -1.0
        return int(row.argmax())


@dataclass(frozen=True, slots=True, eq=False)
class TokenReading:
    """One token in one head, both ways: `looks` (T,) where it looks (its row), `looked` (T,) who looks at it (its column)."""

    position: int
    looks: Floats
    looked: Floats


def one_head(trace: Trace, layer: int, head: int) -> HeadReading:
    """The exact map of one head, at any length. Raises `Refusal` for a head the model does not have."""
    _refuse_outside(trace, Cell(layer, head, 0, 0))
    return HeadReading(layer, head, _pattern(trace, layer, head), _allowed(trace, head))


def one_token(reading: HeadReading, position: int) -> TokenReading:
    """Where the token at `position` looks in this head, and who looks at it."""
    return TokenReading(position, reading.pattern[position], reading.pattern[:, position])


# ---------------------------------------------------------------- one cell


@dataclass(frozen=True, slots=True, eq=False)
class CellArithmetic:
    """Every number between two tokens' vectors and the residual stream, for one head (Vaswani et al. 2017, equation 1).

    `q`, `k`, `v` (size,) after any rotation; `root` = √size; `slope` is ALiBi's for this head, `None` where there is none.
    `scores` and `allowed` (T,) are the query's whole row, before the mask. `mixed` (size,) is what all keys hand over
    together, `contribution` (width,) the same through this head's slice of the output matrix. `before` (width,) is the
    residual stream at the query, `attention` (width,) what all heads and the output's bias add to it.
    """

    cell: Cell
    q: Floats
    k: Floats
    v: Floats
    root: float
    slope: float | None
    scores: Floats
    allowed: Booleans
    mixed: Floats
    contribution: Floats
    before: Floats
    attention: Floats

    @property
    def products(self) -> Floats:
        """q times k, one number per dimension."""
        return self.q * self.k

    @property
    def dot(self) -> float:
        """q · k."""
        return float(self.products.sum())

    @property
    def scaled(self) -> float:
        """q · k / √size."""
        return self.dot / self.root

    @property
    def bias(self) -> float:
        """What ALiBi takes off for the distance (0 without it)."""
        return -(self.slope or 0.0) * abs(self.cell.query - self.cell.key)

    @property
    def score(self) -> float:
        """What the mask and the softmax receive: scaled plus bias."""
        return self.scaled + self.bias

    @property
    def may_look(self) -> bool:
        """Whether the mask lets this query see this key."""
        return bool(self.allowed[self.cell.key])

    @property
    def peak(self) -> float:
        """The row's largest score among the allowed, taken off every score before the exponential; 0 for a row that sees nothing."""
        return float(self.scores[self.allowed].max()) if self.allowed.any() else 0.0

    @property
    def exponentials(self) -> Floats:
        """exp(score − peak) over the row: (T,), 0 where the mask forbids."""
        return np.where(self.allowed, np.exp(np.minimum(self.scores - self.peak, 0)), 0).astype(np.float32)

    @property
    def denominator(self) -> float:
        """What the exponentials sum to; 0 for a row that sees nothing."""
        return float(self.exponentials.sum())

    @property
    def weights(self) -> Floats:
        """The row's softmax: (T,), each exponential's share of their sum; zeros for a row that sees nothing."""
        return self.exponentials / np.float32(self.denominator or 1.0)

    @property
    def weight(self) -> float:
        """The cell itself."""
        return float(self.weights[self.cell.key])

    @property
    def weighted(self) -> Floats:
        """What this key hands over: weight × v, (size,)."""
        return self.v * np.float32(self.weight)

    @property
    def after(self) -> Floats:
        """The residual stream with attention added, before any norm that may follow the sum: (width,)."""
        return self.before + self.attention


@torch.no_grad()
def arithmetic(trace: Trace, at: Cell) -> CellArithmetic:
    """The arithmetic of one cell, every number the trace's own. Raises `Refusal` for a cell outside the model or the text."""
    _refuse_outside(trace, at)
    name, attention = f"decoder.blocks.{at.layer}", trace.model.config.attention
    shared = at.head * attention.kv_heads // attention.heads
    q, k, v = trace[f"{name}.attn.q"][at.head, at.query], trace[f"{name}.attn.k"][shared], trace[f"{name}.attn.v"][shared]
    mixed = trace[f"{name}.attn.mixed"][at.head, at.query]
    project = trace.model.get_parameter(f"{name}.attn.out.weight")[:, at.head * attention.size : (at.head + 1) * attention.size]
    return CellArithmetic(
        cell=at,
        q=_numpy(q),
        k=_numpy(k[at.key]),
        v=_numpy(v[at.key]),
        root=math.sqrt(attention.size),
        slope=alibi_slopes(attention.heads)[at.head] if isinstance(trace.model.config.positions, Alibi) else None,
        scores=_numpy(_scores(trace, at.layer, at.head, slice(at.query, at.query + 1))[0]),
        allowed=_allowed(trace, at.head)[at.query],
        mixed=_numpy(mixed),
        contribution=_numpy(project @ mixed),
        before=_numpy(trace[f"{name}.before"][at.query]),
        attention=_numpy(trace[f"{name}.attn.out"][at.query]),
    )


def _pattern(trace: Trace, layer: int, head: int) -> Floats:
    """One head's map: the one the trace kept, or worked out without its neighbours'."""
    kept = trace.sites.get(f"decoder.blocks.{layer}.attn.pattern")
    if kept is not None:
        return _numpy(kept[head])
    allowed = trace.mask[head] if trace.mask.dim() == 3 else trace.mask
    masked = _scores(trace, layer, head).masked_fill(~allowed, -math.inf)
    return _numpy(masked.softmax(-1).masked_fill(~allowed.any(-1, keepdim=True), 0))


def _scores(trace: Trace, layer: int, head: int, query: slice = slice(None)) -> Tensor:
    """Scores before the mask of some of a head's queries: (queries, T)."""
    attention = trace.model.config.attention
    q = trace[f"decoder.blocks.{layer}.attn.q"][head, query]
    k = trace[f"decoder.blocks.{layer}.attn.k"][head * attention.kv_heads // attention.heads]
    scores = q @ k.T / math.sqrt(attention.size)
    if not isinstance(trace.model.config.positions, Alibi):
        return scores
    position = torch.arange(len(k), device=k.device)
    return scores - alibi_slopes(attention.heads)[head] * (position[query, None] - position).abs()


def _allowed(trace: Trace, head: int) -> Booleans:
    return (trace.mask[head] if trace.mask.dim() == 3 else trace.mask).cpu().numpy()


def _refuse_outside(trace: Trace, at: Cell) -> None:
    config, length = trace.model.config, len(trace.ids)
    limits = {"layer": config.layers, "head": config.attention.heads, "query": length, "key": length}
    for name, limit in limits.items():
        if not 0 <= getattr(at, name) < limit:
            raise Refusal("attention.outside", "{name} counts from 0 to {last}, got {given}", name=name, last=limit - 1, given=getattr(at, name))


def _numpy(value: Tensor) -> Floats:
    return value.detach().float().cpu().numpy().copy()
