"""One token's way through a stack: every vector that it is, or leaves, from the embedding to the last norm.

L layers, H heads, G key/value heads, S tokens that can be looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.analysis.attention import pooled
from model.analysis.places import Where
from model.analysis.residual import parts_of, sliced, stations_of
from model.config import Kind
from model.trace import Trace, Tracer

Floats = NDArray[np.float32]
LATE = ("*.embed.*", "*.norm1", "*.norm2", "*.cross_norm", "*.mlp.hidden", "*.mlp.up", "*.mlp.activated", "head.*")
"""What a trace does not keep by itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """The vectors of token `at` in a `stack`. `ends` holds those outside the blocks by site ("embed.sum", "norm", "head.transform"), each
    one vector; `blocks` those inside, by the site's name in its block, one per layer of `layers`: ("before", (L, width)), ("attn.q", (L, H,
    size)), ("attn.k", (L, G, size)), ("attn.pattern", (L, H, S)) … and "attn.written" (L, H, width), what each head adds."""

    stack: Kind
    at: int
    layers: tuple[int, ...]
    ends: dict[str, Floats]
    blocks: dict[str, Floats]


@torch.no_grad()
def passage(trace: Trace, at: int, stack: Kind | None = None, layers: Sequence[int] | None = None) -> Passage:
    """The way of the token at place `at` of a stack, of the one that leads to the logits unless told; the insides of the blocks only of
    these `layers`, or of all."""
    stack = stack or trace.model.config.main
    chosen = tuple(range(trace.model.config.depths[stack]) if layers is None else layers)
    more = _more(trace)
    ends = {name.removeprefix(f"{stack}."): _numpy(value[at]) for name, value in more.items() if ".blocks." not in name and _mine(trace, stack, name)}
    if f"{stack}.norm" in trace.sites:
        ends["norm"] = _numpy(trace[f"{stack}.norm"][at])
    found: dict[str, list[Tensor]] = {}
    for layer in chosen:
        for name, value in _block(trace, more, stack, layer, at):
            found.setdefault(name, []).append(value)
    return Passage(stack, at, chosen, ends, {name: _numpy(torch.stack(values)) for name, values in found.items()})


def _more(trace: Trace) -> dict[str, Tensor]:
    """The sites that the trace did not keep, all from one more run."""
    again = Tracer(trace.model).trace(trace.ids, source=trace.source, **trace.masks, tap=trace.tap, keep=LATE, maps="none")
    return again.sites


def _mine(trace: Trace, stack: Kind, name: str) -> bool:
    return name.startswith(f"{stack}.") or (name.startswith("head.") and stack == trace.model.config.main)


def _block(trace: Trace, more: dict[str, Tensor], stack: Kind, layer: int, at: int) -> Iterator[tuple[str, Tensor]]:
    block = f"{stack}.blocks.{layer}."
    for name in stations_of(trace.model.config, stack):
        yield name, trace[f"{block}{name}"][at]
    for name, value in more.items():
        if name.startswith(block):
            yield name.removeprefix(block), value[at]
    for part in parts_of(trace.model.config, stack):
        yield f"{part}.out", trace[f"{block}{part}.out"][at]
        if part != "mlp":
            where = Where(stack, "cross" if part == "cross" else "attn")
            for leaf, value in _attention(trace, where, layer, at):
                yield f"{part}.{leaf}", value


def _attention(trace: Trace, where: Where, layer: int, at: int) -> Iterator[tuple[str, Tensor]]:
    """What every head does for one token; its own key and value only where it is asked as well."""
    mixed = trace[where.site(layer, "mixed")][:, at]
    yield "q", trace[where.site(layer, "q")][:, at]
    if where.branch == "attn":
        yield "k", trace[where.site(layer, "k")][:, at]
        yield "v", trace[where.site(layer, "v")][:, at]
    scores = _scores(trace, where, layer, at)
    yield "scores", scores
    yield "pattern", _pattern(trace, where, layer, at, scores)
    yield "mixed", mixed
    yield "written", torch.einsum("hds,hs->hd", sliced(trace.model, where, layer), mixed)


def _scores(trace: Trace, where: Where, layer: int, at: int) -> Tensor:
    """One row of every head's scores, before the mask: (H, S)."""
    attention = trace.model.config.attention
    q, k = trace[where.site(layer, "q")][:, at], trace[where.site(layer, "k")].repeat_interleave(attention.heads // attention.kv_heads, 0)
    scores = torch.einsum("hs,hks->hk", q, k) * (attention.size**-0.5 if attention.scaled else 1.0)
    bias = trace.model.stack(where.stack).bias(k.shape[1], k.shape[1], scores) if where.branch == "attn" else None
    return scores if bias is None else scores + bias[:, at]


def _pattern(trace: Trace, where: Where, layer: int, at: int, scores: Tensor) -> Tensor:
    """One row of every head's pattern: (H, S)."""
    kept = trace.sites.get(where.site(layer, "pattern"))
    if kept is not None:
        return kept[:, at]
    allowed, added = trace.allowed(where.branch, where.stack, layer)[..., at, :], trace.added(layer, where.branch, where.stack)
    scores = scores if added is None else scores + added[:, at]
    weights = scores.masked_fill(~allowed, -math.inf).softmax(-1)
    return weights.masked_fill(~allowed.any(-1, keepdim=True), 0)


def small_maps(trace: Trace, where: Where, side: int) -> tuple[Floats, int]:
    """Every head's map with at most `side` cells a side, (L, H, rows, columns), each cell the largest of `block` × `block` weights."""
    found, block = [], 1
    for layer in range(trace.model.config.depths[where.stack]):
        pattern = trace.pattern(layer, where.branch, where.stack)
        block = -(-max(pattern.shape[-2:]) // side)
        found.append(_numpy(pooled(pattern, block)))
    return np.stack(found), block


def _numpy(value: Tensor) -> Floats:
    return value.detach().float().cpu().numpy().copy()
