"""What a trace says about the residual stream: how long it is, who adds how much to it, and what each addition does to one logit.

Sizes are Euclidean norms. A head adds what its own slice of the output matrix makes of its mixed values; the output's bias belongs to no
head and stands apart. L layers, H heads, T tokens, K tokens of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.analysis.places import Where, weight
from model.config import Config, EncoderDecoder, Kind, Serial, Tied, Transformed
from model.errors import Refusal
from model.layers.block import Block
from model.layers.mlp import ACTIVATIONS
from model.trace import Branch, Trace
from model.transformer import Transformer

Floats = NDArray[np.float32]
Held = Literal["final norm", "norms on the way", "norm of the output", "gates of the output"]


# ---------------------------------------------------------------- sizes


@dataclass(frozen=True, slots=True, eq=False)
class Added:
    """What one part adds to the stream at every token of every layer: its `norms` (L, T) and its `cosines` (L, T) with the stream it is
    added to; for attention also by head, (L, H, T), and the norm of the output's bias, (L,), 0 where it has none."""

    norms: Floats
    cosines: Floats
    heads: Floats | None = None
    head_cosines: Floats | None = None
    bias: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """The residual stream of a stack, token by token. `norms` by name (`before`, `middle`, `crossed` where there is a source, `after`),
    each (L, T); `added` by part (`attn`, `cross`, `mlp`)."""

    stack: Kind
    norms: dict[str, Floats]
    added: dict[str, Added]


@torch.no_grad()
def stream(trace: Trace, stack: Kind | None = None) -> Stream:
    """How long the residual stream of a stack is, and what is added to it; of the stack that leads to the logits unless told."""
    config = trace.model.config
    stack = stack or config.main
    depth = config.depths[stack]
    stations = {name: np.stack([_norms(trace[f"{stack}.blocks.{layer}.{name}"]) for layer in range(depth)]) for name in stations_of(config, stack)}
    return Stream(stack, stations, {part: _added(trace, stack, part) for part in parts_of(config, stack)})


def stations_of(config: Config, stack: Kind) -> tuple[str, ...]:
    """Where the stream of a block can be measured, in order."""
    return ("before", "middle", "crossed", "after") if _crosses(config, stack) else ("before", "middle", "after")


def parts_of(config: Config, stack: Kind) -> tuple[str, ...]:
    """What writes to the stream of a block, in order."""
    return ("attn", "cross", "mlp") if _crosses(config, stack) else ("attn", "mlp")


def received(config: Config, stack: Kind, part: str) -> str:
    """The station whose stream a part adds to: a parallel block's parts add to one another's sum, and read the same."""
    if part == "attn":
        return "before"
    return "crossed" if part == "mlp" and _crosses(config, stack) else "middle"


def _crosses(config: Config, stack: Kind) -> bool:
    return stack == "decoder" and isinstance(config.form, EncoderDecoder)


def _added(trace: Trace, stack: Kind, part: str) -> Added:
    layers = range(trace.model.config.depths[stack])
    outs = [trace[f"{stack}.blocks.{layer}.{part}.out"] for layer in layers]
    streams = [trace[f"{stack}.blocks.{layer}.{received(trace.model.config, stack, part)}"] for layer in layers]
    norms, cosines = np.stack([_norms(out) for out in outs]), np.stack([_cosines(out, x) for out, x in zip(outs, streams, strict=True)])
    if part == "mlp":
        return Added(norms, cosines)
    where = Where(stack, "cross" if part == "cross" else "attn")
    heads = [_of_heads(trace, where, layer, x) for layer, x in zip(layers, streams, strict=True)]
    biases = [_bias(trace.model, where, layer) for layer in layers]
    bias = np.array([0.0 if found is None else float(found.norm()) for found in biases], np.float32)
    return Added(norms, cosines, np.stack([norm for norm, _ in heads]), np.stack([cosine for _, cosine in heads]), bias)


def _of_heads(trace: Trace, where: Where, layer: int, x: Tensor) -> tuple[Floats, Floats]:
    """Norm and cosine of what every head writes, (H, T) each, without writing it out: |W m|² = mᵀ (WᵀW) m."""
    mixed, slices = trace[where.site(layer, "mixed")], sliced(trace.model, where, layer)
    squares = torch.einsum("hts,hsr,htr->ht", mixed, slices.transpose(1, 2) @ slices, mixed)
    norms = squares.clamp(min=0).sqrt()
    along = torch.einsum("hts,hds,td->ht", mixed, slices, x)
    return _numpy(norms), _numpy(along / (norms * x.norm(dim=-1)).clamp(min=1e-12))


def sliced(model: Transformer, where: Where, layer: int) -> Tensor:
    """Each head's part of the output matrix: (H, width, size)."""
    heads = model.config.attention.heads
    return weight(model, where, layer, "out.weight").unflatten(1, (heads, -1)).transpose(0, 1)


def _bias(model: Transformer, where: Where, layer: int) -> Tensor | None:
    return weight(model, where, layer, "out.bias") if model.config.attention.out_bias else None


def _norms(value: Tensor) -> Floats:
    return _numpy(value.norm(dim=-1))


def _cosines(one: Tensor, other: Tensor) -> Floats:
    return _numpy(torch.cosine_similarity(one, other, dim=-1))


# ---------------------------------------------------------------- what it does to a logit


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """The logits (K,) of some `tokens` at one place, as a sum of what each part adds to them by the direct path (Elhage et al. 2021, "A
    Mathematical Framework for Transformer Circuits"; nostalgebraist's logit lens read part by part).

    `embedding` (K,) is what the stream began with; `heads` (K, L, H) and `biases` (K, L) by branch (`attn`, `cross`); `mlp` (K, L);
    `offsets` (K,) what the norms' own offsets add, and the output's on its way; `bias` (K,) the output's bias for this very token. They
    add up to the logits exactly. For that to be a sum, what is no sum is held as it was in this pass: `held` names it.
    """

    at: int
    tokens: tuple[int, ...]
    logits: Floats
    embedding: Floats
    heads: dict[Branch, Floats]
    biases: dict[Branch, Floats]
    mlp: Floats
    offsets: Floats
    bias: Floats
    held: tuple[Held, ...]

    @property
    def total(self) -> Floats:
        """All terms added: the logits again, (K,)."""
        attention = sum(heads.sum((1, 2)) + self.biases[branch].sum(1) for branch, heads in self.heads.items())
        return self.embedding + attention + self.mlp.sum(1) + self.offsets + self.bias


@torch.no_grad()
def attribution(trace: Trace, at: int, tokens: tuple[int, ...]) -> Attribution:
    """What each part adds to the logits of `tokens` at place `at`. Raises `Refusal` for a place outside the text or a token outside the
    vocabulary."""
    config = trace.model.config
    _refuse_outside(config, at, len(trace.ids), tokens)
    u, offsets = _before_the_head(trace, at, tokens)
    stack, depth = config.main, config.layers
    heads: dict[Branch, Floats] = {branch: np.zeros((len(tokens), depth, config.attention.heads), np.float32) for branch in _branches(config)}
    biases: dict[Branch, Floats] = {branch: np.zeros((len(tokens), depth), np.float32) for branch in heads}
    mlp = np.zeros((len(tokens), depth), np.float32)
    for layer in reversed(range(depth)):
        for part, norm in _undone(trace.model, layer):
            if norm is not None:
                u, offset = _through(norm, u, _summed(trace, layer, part, at))
                offsets = offsets + offset
            if part == "mlp":
                mlp[:, layer] = _numpy(u @ trace[f"{stack}.blocks.{layer}.mlp.out"][at])
                continue
            where = Where(stack, part)
            written = torch.einsum("hds,hs->hd", sliced(trace.model, where, layer), trace[where.site(layer, "mixed")][:, at])
            heads[part][:, layer] = _numpy(u @ written.T)
            bias = _bias(trace.model, where, layer)
            biases[part][:, layer] = 0 if bias is None else _numpy(u @ bias)
    return Attribution(
        at=at,
        tokens=tokens,
        logits=_numpy(trace.logits[at, list(tokens)]),
        embedding=_numpy(u @ trace[f"{stack}.blocks.0.before"][at]),
        heads=heads,
        biases=biases,
        mlp=mlp,
        offsets=_numpy(offsets),
        bias=_numpy(_output_bias(trace.model, tokens)),
        held=tuple(_held(config)),
    )


def _refuse_outside(config: Config, at: int, length: int, tokens: tuple[int, ...]) -> None:
    for name, given, limit in (("at", at, length), *(("token", token, config.vocabulary) for token in tokens)):
        if not 0 <= given < limit:
            raise Refusal("attention.outside", "{name} counts from 0 to {last}, got {given}", name=name, last=limit - 1, given=given)


def _branches(config: Config) -> tuple[Branch, ...]:
    return ("attn", "cross") if isinstance(config.form, EncoderDecoder) else ("attn",)


def _held(config: Config) -> Iterator[Held]:
    if isinstance(config.readout, Transformed):
        yield from ("gates of the output", "norm of the output")
    if config.final_norm:
        yield "final norm"
    if config.arrangement == Serial(norm_place="after"):
        yield "norms on the way"


def _undone(model: Transformer, layer: int) -> Iterator[tuple[Literal["attn", "cross", "mlp"], nn.Module | None]]:
    """A block's additions from the last to the first, each with the norm that its sum goes through, where norms stand after the sums."""
    after, blocks = model.config.arrangement == Serial(norm_place="after"), model.stack().blocks
    block = blocks[layer % len(blocks)]
    assert isinstance(block, Block)
    yield "mlp", block.norm2 if after else None
    if block.cross is not None:
        yield "cross", block.cross_norm if after else None
    yield "attn", block.norm1 if after else None


def _summed(trace: Trace, layer: int, part: str, at: int) -> Tensor:
    """The sum that a norm after it received: (width,)."""
    config = trace.model.config
    block = f"{config.main}.blocks.{layer}"
    return trace[f"{block}.{received(config, config.main, part)}"][at] + trace[f"{block}.{part}.out"][at]


def _through(norm: nn.Module, u: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Directions (K, width) as they stand before a norm whose scale is held as `x` (width,) set it, and what its offset adds, (K,)."""
    assert isinstance(norm, nn.LayerNorm | nn.RMSNorm)
    gained = u * norm.weight
    if isinstance(norm, nn.RMSNorm):
        return gained * (x.square().mean() + (norm.eps or 0)).rsqrt(), u.new_zeros(len(u))
    offset = u.new_zeros(len(u)) if norm.bias is None else u @ norm.bias
    return (gained - gained.mean(-1, keepdim=True)) * (x.var(correction=0) + norm.eps).rsqrt(), offset


def _before_the_head(trace: Trace, at: int, tokens: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Where the residual stream must point for these logits to grow, (K, width), and what the way there adds by itself, (K,)."""
    config, model = trace.model.config, trace.model
    rows = model.get_parameter("embed.token.weight" if isinstance(config.output, Tied) else "head.unembed.weight")[list(tokens)]
    u, offsets = rows * (model.head.scale or 1.0), rows.new_zeros(len(tokens))
    last = trace[f"{config.main}.blocks.{config.layers - 1}.after"][at]
    normed = trace[f"{config.main}.norm"][at] if config.final_norm else last
    if model.head.narrow is not None:
        u = u @ model.head.narrow.weight
    if model.head.transform is not None:
        u, offsets = _through_transform(model, u, normed)
    if not config.final_norm:
        return u, offsets
    norm = model.stack().norm
    assert norm is not None
    u, offset = _through(norm, u, last)
    return u, offsets + offset


def _through_transform(model: Transformer, u: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """The same through the output's own matrix, activation and norm: each number's gate, activation over input, is held as it was."""
    transform, readout = model.head.transform, model.config.readout
    assert transform is not None
    assert isinstance(readout, Transformed)
    entered = transform.dense(x)
    left = ACTIVATIONS[readout.activation](entered)
    u, offsets = _through(transform.norm, u, left)
    gates = torch.where(entered == 0, 0.5, left / torch.where(entered == 0, 1.0, entered))
    gated = u * gates
    return gated @ transform.dense.weight, offsets + gated @ transform.dense.bias


def _output_bias(model: Transformer, tokens: tuple[int, ...]) -> Tensor:
    bias = model.head.bias if model.head.unembed is None else model.head.unembed.bias
    return torch.zeros(len(tokens)) if bias is None else bias[list(tokens)]


def _numpy(value: Tensor) -> Floats:
    return value.detach().float().cpu().numpy().copy()
