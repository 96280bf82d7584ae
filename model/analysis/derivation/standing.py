"""What stands at a site, steps that no tap sees included; of a map as little as is asked for."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor

from model.analysis.derivation.layout import layout
from model.analysis.derivation.number import Number, Place
from model.analysis.derivation.wiring import BETWEEN, SUMS, Wiring
from model.config import Kind
from model.errors import Refusal
from model.layers.attention import Attention
from model.trace import MAPS, Branch, Trace
from model.transformer import Transformer


@torch.no_grad()
def value(trace: Trace, number: Number) -> float:
    """The number itself. Raises `Refusal` where this model has no such site, or this text no such place in it."""
    shape = shape_of(trace, number.site)
    if len(number.index) != len(shape) or any(at >= size for at, size in zip(number.index, shape, strict=True)):
        told = " × ".join(map(str, shape))
        raise Refusal("derivation.index", "{site} is {shape} here, counted from 0; got {given}", site=number.site, shape=told, given=str(number))
    return float(vector(trace, number.site, *number.index[:-1])[number.index[-1]])


def shape_of(trace: Trace, site: str) -> tuple[int, ...]:
    """How many numbers stand there, axis by axis. Raises `Refusal` where this model has no such site."""
    axes = layout(trace.model.config).get(site)
    if axes is None:
        raise Refusal("derivation.site", "this model has no {site}", site=site[:60])
    about = 0 if trace.source is None else len(trace.source)
    return tuple((about if axis.about else len(trace.ids)) if axis.size is None else axis.size for axis in axes)


@torch.no_grad()
def standing(trace: Trace, site: str) -> Tensor:
    """Everything at a site, without a batch axis. Raises `Refusal` where this model has no such site."""
    shape_of(trace, site)
    place = Place.of(site, trace.model.config)
    if place.leaf in BETWEEN:
        return _between(trace, place)
    return trace.logits if site == "logits" else trace[site]


@torch.no_grad()
def vector(trace: Trace, site: str, *index: int) -> Tensor:
    """The last axis of a site, all other axes chosen; of a map only this row is worked out, unless it was kept."""
    branch, _, leaf = Place.of(site, trace.model.config).leaf.rpartition(".")
    if leaf in MAPS and site not in trace.sites:
        return _row(trace, Place.of(site, trace.model.config), cast(Branch, branch), leaf, *index)
    return standing(trace, site)[index]


# ---------------------------------------------------------------- what no tap sees


def _between(trace: Trace, place: Place) -> Tensor:
    """The model's own parts, on what the trace kept."""
    wiring, model = Wiring(trace.model.config, place.stack, place.layer), trace.model
    branch, _, leaf = place.leaf.rpartition(".")
    if place.leaf in SUMS.values():
        one, other = wiring.summed(place.leaf)
        return trace[one] + trace[other]
    if branch == "head":
        assert model.head.transform is not None
        dense = model.head.transform.dense(trace[wiring.left])
        return dense if leaf == "dense" else model.head.transform.activation(dense)
    attention = part(model, wiring, cast(Branch, branch))
    if leaf == "by_head":
        mixed = trace[wiring.site(f"{branch}.mixed")]
        return torch.einsum("whs,hts->htw", attention.out.weight.unflatten(1, mixed.shape[::2]), mixed)
    asked = leaf[0] == "q"
    read = trace[wiring.asks(cast(Branch, branch)) if asked else wiring.answers(cast(Branch, branch))]
    heads = attention.qkv(read).unflatten(-1, (-1, attention.size)).transpose(0, 1)
    chosen = heads[: attention.heads] if asked else heads[attention.heads : attention.heads + attention.kv_heads]
    norm = attention.q_norm if asked else attention.k_norm
    return chosen if norm is None or leaf.endswith("projected") else norm(chosen)


def part(model: Transformer, wiring: Wiring, branch: Branch) -> Attention:
    """The attention of a layer, the one block's where all layers share it."""
    return cast(Attention, model.get_submodule(wiring.weight(branch)))


def _row(trace: Trace, place: Place, branch: Branch, leaf: str, head: int, query: int) -> Tensor:
    """One row of a map that was not kept."""
    attention, wiring = trace.model.config.attention, Wiring(trace.model.config, place.stack, place.layer)
    k = trace[wiring.site(f"{branch}.k")][head * attention.kv_heads // attention.heads]
    scores = k @ trace[wiring.site(f"{branch}.q")][head, query]
    scores = scores / math.sqrt(attention.size) if attention.scaled else scores
    bias = biases(trace, place.stack, branch)
    scores = scores if bias is None else scores + bias[head, query]
    if leaf == "scores":
        return scores
    added = softly(trace, place, branch)
    allowed = may_look(trace, place, branch, head)[query]
    masked = (scores if added is None else scores + added[head, query]).masked_fill(~allowed, -math.inf)
    return masked if leaf != "pattern" else masked.softmax(-1).nan_to_num(0.0)


def biases(trace: Trace, stack: Kind, branch: Branch) -> Tensor | None:
    """What positions add to a stack's scores, (heads, T, T); `None` where they enter elsewhere."""
    if branch == "cross":
        return None
    length = len(trace.ids) if stack == trace.model.config.main or trace.source is None else len(trace.source)
    return trace.model.stack(stack).bias(length, length, trace.logits)


def may_look(trace: Trace, place: Place, branch: Branch, head: int) -> Tensor:
    """Who may look at whom in one head of one layer: (T, S) bool."""
    allowed = trace.allowed(branch, place.stack, place.layer)
    return allowed[head] if allowed.dim() == 3 else allowed


def softly(trace: Trace, place: Place, branch: Branch) -> Tensor | None:
    """What a soft mask adds to a layer's scores, (heads, T, S); `None` where nothing is."""
    return trace.added(place.layer, branch, place.stack)
