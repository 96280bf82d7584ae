"""What a trace says about attention: every head at a glance, one head, one token, and the arithmetic of a single cell.

Readings are plain numpy, so that whoever draws them needs neither torch nor the model. L layers, H heads, T tokens that ask, S that
are asked: the same ones, but where a target looks across at its source.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.analysis.places import Where, sides, weight
from model.config import Alibi, Direct, LayerNorm, Tied
from model.errors import Refusal
from model.layers.positions import alibi_slopes
from model.trace import Trace

Floats = NDArray[np.float32]
Booleans = NDArray[np.bool_]

BAND = 64  # queries worked out at a time: their weights stay in a processor’s cache
CELLS = 1 << 20  # cells of all small maps together


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
    """All maps, small: `maps` (L, H, rows, columns), each number the largest of `block` × `block` weights, so that no peak is lost.

    `sinks` (L, H): the share of its attention that each head gives to the first key, averaged over the tokens that can look elsewhere
    (the sink of Xiao et al. 2023, arXiv:2309.17453). `telling` is the (layer, head, query) worth looking at first (see `_tell`).
    """

    maps: Floats
    block: int
    sinks: Floats
    telling: tuple[int, int, int]


def overview(trace: Trace, side: int = 64, where: Where | None = None, at: int | None = None) -> Overview:
    """Every head's map at no more than `side` cells a side; `at` is the query that matters, where there is one. Of a long text no map
    is ever whole in memory: each is worked out a band of queries at a time, and only what is said here stays."""
    where = where or Where(trace.model.config.main)
    block, queries = -(-max(map(len, sides(trace, where))) // side), _telling_queries(trace, where, at)
    glances = [_glance(trace, where, layer, block) for layer in range(trace.model.config.depths[where.stack])]
    maps, firsts, decided = (np.stack(part) for part in zip(*glances, strict=True))
    elsewhere = slice(1, None) if where.branch == "attn" and firsts.shape[-1] > 1 else slice(None)
    sinks = firsts[..., elsewhere].mean(-1)
    return Overview(maps, block, sinks, _tell(trace, where, queries, firsts[..., queries], decided[..., queries]))


def thumbnail(layers: int, heads: int) -> int:
    """The cells a side that so many heads' small maps may have, that all of them together stay a picture and not a download: 64 up to
    256 heads, then as many as hold `CELLS` together, and never fewer than 16."""
    return max(16, min(64, math.isqrt(CELLS // (layers * heads))))


@torch.no_grad()
def _glance(trace: Trace, where: Where, layer: int, block: int) -> tuple[Floats, Floats, Floats]:
    """One layer: its maps pooled, (H, rows, columns), and of each query, (H, T), the weight of the first key and the largest weight of any
    key that is neither the first nor the query's own."""
    bands = [_seen(pattern, start, block, where) for start, pattern in _bands(trace, where, layer, block)]
    small, first, decided = (_numpy(torch.cat(part, 1)) for part in zip(*bands, strict=True))
    return small, first, decided


def _seen(pattern: Tensor, start: int, block: int, where: Where) -> tuple[Tensor, Tensor, Tensor]:
    """What `_glance` says, of the queries from `start` on: `pattern` (H, queries, S), which is written into."""
    small, first = pooled(pattern, block), pattern[..., 0].clone()
    pattern[..., 0] = 0
    if where.branch == "attn":
        pattern.diagonal(start, -2, -1).zero_()
    decided = pattern.amax(-1)
    if start == 0:
        decided[:, :1] = 0
    return small, first, decided


def _bands(trace: Trace, where: Where, layer: int, block: int) -> Iterator[tuple[int, Tensor]]:
    """A layer's maps a band of queries at a time: where the band starts, and (H, queries, S). The bands start at multiples of `block`."""
    kept, queries = trace.sites.get(where.site(layer, "pattern")), len(sides(trace, where)[0])
    step = block * max(1, BAND // block)
    if kept is not None:
        yield from ((start, kept[:, start : start + step].float().clone()) for start in range(0, queries, step))
        return
    attention = trace.model.config.attention
    q = trace[where.site(layer, "q")] * (attention.size**-0.5 if attention.scaled else 1)
    k = trace[where.site(layer, "k")].repeat_interleave(attention.heads // attention.kv_heads, 0).mT
    bias, allowed = _biases(trace, where, layer), trace.allowed(where.branch, where.stack, layer)
    for start in range(0, queries, step):
        band = slice(start, start + step)
        yield start, _weights(q[:, band], k, None if bias is None else bias[:, band], allowed[..., band, :])


@torch.no_grad()
def rows_at(trace: Trace, where: Where, layer: int, queries: Sequence[int]) -> Floats:
    """The weights of some queries in every head of a layer, (H, queries, S), without the rest of their maps."""
    at, kept = torch.as_tensor(queries, dtype=torch.long), trace.sites.get(where.site(layer, "pattern"))
    if kept is not None:
        return _numpy(kept[:, at])
    attention = trace.model.config.attention
    q = trace[where.site(layer, "q")][:, at] * (attention.size**-0.5 if attention.scaled else 1)
    k = trace[where.site(layer, "k")].repeat_interleave(attention.heads // attention.kv_heads, 0).mT
    bias, allowed = _biases(trace, where, layer), trace.allowed(where.branch, where.stack, layer)
    return _numpy(_weights(q, k, None if bias is None else bias[:, at], allowed[..., at, :]))


def _weights(q: Tensor, k: Tensor, bias: Tensor | None, allowed: Tensor) -> Tensor:
    """The pattern of some queries: (H, queries, S). Keys behind the last that any of them may look at are not even scored."""
    seen = allowed.flatten(0, -2).any(0).nonzero()
    reach = int(seen[-1]) + 1 if len(seen) else 0
    found = q.new_zeros(*q.shape[:2], k.shape[-1])
    scores = q @ k[..., :reach]
    if bias is not None:
        scores += bias[..., :reach]
    forbidden = ~allowed[..., :reach]
    weights = scores.masked_fill_(forbidden, -math.inf).softmax(-1)
    found[..., :reach] = weights.masked_fill_(forbidden.all(-1, keepdim=True), 0)
    return found


def pooled(maps: Tensor, block: int) -> Tensor:
    """The largest weight of every `block` × `block` square: (…, T, S) to (…, ceil(T / block), ceil(S / block))."""
    if block == 1:
        return maps.clone()
    high, wide = maps.shape[-2:]
    padded = torch.nn.functional.pad(maps, (0, -wide % block, 0, -high % block))
    rows = padded.unflatten(-2, (-1, block)).amax(-2)  # first along the axis that is not contiguous: whole rows at once
    return rows.unflatten(-1, (-1, block)).amax(-1)


def _telling_queries(trace: Trace, where: Where, at: int | None) -> slice:
    """Among which queries to seek the one worth looking at: `at`; unless told, the last of a text that is being continued, else all."""
    continued = where == Where("decoder") and "encoder" not in trace.model.config.depths
    last = len(trace.ids) - 1 if continued else None
    chosen = last if at is None else at
    return slice(0, None) if chosen is None else slice(chosen, chosen + 1)


def _tell(trace: Trace, where: Where, queries: slice, firsts: Floats, decided: Floats) -> tuple[int, int, int]:
    """The (layer, head, query) worth looking at first, of these queries: what they give the first key, and the most they give any other
    than it and themselves, both (L, H, queries).

    In the stack that leads to the logits: of what a query took from anywhere but the sink, the head that spoke most for its likeliest
    token (see `credits`). In the other one: the head that looks most decidedly at some other token than the first, over all queries.
    """
    if where.stack == trace.model.config.main:
        score = credits(trace, where, queries) * (1 - firsts)
        best = score.max(-1)
    else:
        score = decided
        best = score.mean(-1)
    layer, head = divmod(int(best.argmax()), best.shape[1])
    return layer, head, queries.start + int(score[layer, head].argmax())


@torch.no_grad()
def credits(trace: Trace, where: Where, queries: slice) -> Floats:
    """How much each head, at each of these queries, adds to the logit of the token that is likeliest there, by the direct path: (L, H,
    queries), up to the last norm's factor, which all heads share (Elhage et al. 2021, "A Mathematical Framework for Transformer
    Circuits"). Where norms stand after the sums, those in between are passed over, and this is an estimate."""
    directions = _directions(trace, queries)
    found = []
    for layer in range(trace.model.config.depths[where.stack]):
        mixed = trace[where.site(layer, "mixed")][:, queries]
        written = directions @ weight(trace.model, where, layer, "out.weight")
        found.append(_numpy((written.unflatten(-1, (len(mixed), -1)).transpose(0, 1) * mixed).sum(-1)))
    return np.stack(found)


def _directions(trace: Trace, queries: slice) -> Tensor:
    """Where the residual stream must point, at each query, for its likeliest token's logit to grow: (queries, width)."""
    config, model = trace.model.config, trace.model
    rows = _gradients(trace, queries)
    if not config.final_norm:
        return rows
    gained = rows * model.get_parameter(f"{config.main}.norm.weight")
    return gained - gained.mean(-1, keepdim=True) if isinstance(config.norm, LayerNorm) else gained


def _gradients(trace: Trace, queries: slice) -> Tensor:
    """How the likeliest token's logit grows with what the output reads: (queries, width). The token's own row of the output's matrix,
    where nothing stands between; else the slope of what does."""
    config, model, likeliest = trace.model.config, trace.model, trace.logits[queries].argmax(-1)
    if isinstance(config.readout, Direct):
        rows = model.get_parameter("embed.token.weight" if isinstance(config.output, Tied) else "head.unembed.weight")[likeliest]
        return rows if config.token_width == config.width else rows @ model.get_parameter("head.narrow.weight")
    read = trace[f"{config.main}.norm" if config.final_norm else f"{config.main}.blocks.{config.layers - 1}.after"][queries]
    with torch.enable_grad():
        read = read.detach().requires_grad_()
        logits = model.head(read[None], model.embed.token.weight)[0].gather(-1, likeliest[:, None])
        return torch.autograd.grad(logits.sum(), read)[0]


# ---------------------------------------------------------------- one head, one token


@dataclass(frozen=True, slots=True, eq=False)
class HeadReading:
    """One head's whole map: `pattern` (T, S), rows summing to 1, and where the mask let it look, `allowed` (T, S). `square` says that
    those who look and those who are looked at are the same tokens."""

    where: Where
    layer: int
    head: int
    pattern: Floats
    allowed: Booleans

    @property
    def square(self) -> bool:
        """Whether the tokens that ask are those that are asked."""
        return self.where.branch == "attn"

    @property
    def queries(self) -> int:
        """How many tokens ask."""
        return len(self.pattern)

    @property
    def keys(self) -> int:
        """How many are asked."""
        return self.pattern.shape[1]

    def strongest(self, query: int, *, without_sink: bool = False) -> int:
        """The key that `query` looks at most; `without_sink` passes over the first token where there is another to look at."""
        row = np.where(self.allowed[query], self.pattern[query], -1.0)
        if without_sink and self.allowed[query, 1:].any():
            row[0] = -1.0
        return int(row.argmax())


def one_head(trace: Trace, layer: int, head: int, where: Where | None = None) -> HeadReading:
    """The exact map of one head, at any length. Raises `Refusal` for a head the model does not have."""
    where = where or Where(trace.model.config.main)
    _refuse_outside(trace, where, Cell(layer, head, 0, 0))
    return HeadReading(where, layer, head, _pattern(trace, where, layer, head), _allowed(trace, where, layer, head))


# ---------------------------------------------------------------- one cell


@dataclass(frozen=True, slots=True, eq=False)
class CellArithmetic:
    """Every number between two tokens' vectors and the residual stream, for one head (Vaswani et al. 2017, equation 1).

    `q`, `k`, `v` (size,) after any rotation; `root` = √size, `None` where scores are not divided. `bias` is what positions add to this
    score, 0 where they enter elsewhere; `slope` is ALiBi's for this head, `None` where there is none. `scores` and `allowed` (S,) are the
    query's whole row, before the mask. `mixed` (size,) is what all keys hand over together, `contribution` (width,) the same through this
    head's slice of the output matrix. `before` (width,) is the residual stream at the query, `attention` (width,) what all heads and the
    output's bias add to it.
    """

    cell: Cell
    q: Floats
    k: Floats
    v: Floats
    root: float | None
    bias: float
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
        """q · k / √size, or q · k where nothing is divided."""
        return self.dot if self.root is None else self.dot / self.root

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
        """exp(score − peak) over the row: (S,), 0 where the mask forbids."""
        return np.where(self.allowed, np.exp(np.minimum(self.scores - self.peak, 0)), 0).astype(np.float32)

    @property
    def denominator(self) -> float:
        """What the exponentials sum to; 0 for a row that sees nothing."""
        return float(self.exponentials.sum())

    @property
    def weights(self) -> Floats:
        """The row's softmax: (S,), each exponential's share of their sum; zeros for a row that sees nothing."""
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
def arithmetic(trace: Trace, at: Cell, where: Where | None = None) -> CellArithmetic:
    """The arithmetic of one cell, every number the trace's own. Raises `Refusal` for a cell outside the model or the text."""
    where = where or Where(trace.model.config.main)
    _refuse_outside(trace, where, at)
    attention, block = trace.model.config.attention, f"{where.stack}.blocks.{at.layer}"
    shared, own = at.head * attention.kv_heads // attention.heads, slice(at.head * attention.size, (at.head + 1) * attention.size)
    k, v = trace[where.site(at.layer, "k")][shared, at.key], trace[where.site(at.layer, "v")][shared, at.key]
    mixed, bias = trace[where.site(at.layer, "mixed")][at.head, at.query], _bias(trace, where, at.layer, at.head, slice(at.query, at.query + 1))
    return CellArithmetic(
        cell=at,
        q=_numpy(trace[where.site(at.layer, "q")][at.head, at.query]),
        k=_numpy(k),
        v=_numpy(v),
        root=math.sqrt(attention.size) if attention.scaled else None,
        bias=0.0 if bias is None else float(bias[0, at.key]),
        slope=alibi_slopes(attention.heads)[at.head] if bias is not None and isinstance(trace.model.config.positions, Alibi) else None,
        scores=_numpy(_scores(trace, where, at.layer, at.head, slice(at.query, at.query + 1))[0]),
        allowed=_allowed(trace, where, at.layer, at.head)[at.query],
        mixed=_numpy(mixed),
        contribution=_numpy(weight(trace.model, where, at.layer, "out.weight")[:, own] @ mixed),
        before=_numpy(trace[f"{block}.{where.received}"][at.query]),
        attention=_numpy(trace[where.site(at.layer, "out")][at.query]),
    )


def _pattern(trace: Trace, where: Where, layer: int, head: int) -> Floats:
    """One head's map: the one the trace kept, or worked out without its neighbours'."""
    kept = trace.sites.get(where.site(layer, "pattern"))
    if kept is not None:
        return _numpy(kept[head])
    allowed = _of_head(trace.allowed(where.branch, where.stack, layer), head)
    masked = _scores(trace, where, layer, head).masked_fill(~allowed, -math.inf)
    return _numpy(masked.softmax(-1).masked_fill(~allowed.any(-1, keepdim=True), 0))


@torch.no_grad()
def _scores(trace: Trace, where: Where, layer: int, head: int, queries: slice = slice(None)) -> Tensor:
    """Scores before the mask of some of a head's queries: (queries, S)."""
    attention = trace.model.config.attention
    q = trace[where.site(layer, "q")][head, queries]
    k = trace[where.site(layer, "k")][head * attention.kv_heads // attention.heads]
    scores, bias = q @ k.T / (math.sqrt(attention.size) if attention.scaled else 1), _bias(trace, where, layer, head, queries)
    return scores if bias is None else scores + bias


def _bias(trace: Trace, where: Where, layer: int, head: int, queries: slice) -> Tensor | None:
    """What positions, and a soft mask, add to some of a head's scores, (queries, S); `None` for nothing."""
    added = _biases(trace, where, layer)
    return None if added is None else added[head, queries]


def _biases(trace: Trace, where: Where, layer: int) -> Tensor | None:
    """The same of every head and query: (H, T, S)."""
    added = trace.added(layer, where.branch, where.stack)
    if where.branch == "cross":
        return added
    length = len(sides(trace, where)[0])
    bias = trace.model.stack(where.stack).bias(length, length, trace.logits)
    return added if bias is None else bias if added is None else bias + added


def _allowed(trace: Trace, where: Where, layer: int, head: int) -> Booleans:
    return _of_head(trace.allowed(where.branch, where.stack, layer), head).cpu().numpy()


def _of_head(mask: Tensor, head: int) -> Tensor:
    return mask[head] if mask.dim() == 3 else mask


def _refuse_outside(trace: Trace, where: Where, at: Cell) -> None:
    config, (queries, keys) = trace.model.config, map(len, sides(trace, where))
    limits = {"layer": config.depths[where.stack], "head": config.attention.heads, "query": queries, "key": keys}
    for name, limit in limits.items():
        if not 0 <= getattr(at, name) < limit:
            raise Refusal("attention.outside", "{name} counts from 0 to {last}, got {given}", name=name, last=limit - 1, given=getattr(at, name))


def _numpy(value: Tensor) -> Floats:
    return value.detach().float().cpu().numpy().copy()
