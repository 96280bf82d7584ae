"""Every weight of a transformer by name and shape, and how many numbers they hold together.

The names are those of the built model (`decoder.blocks.0.attn.qkv.weight`), so that a checkpoint can be checked, weight by
weight, before any memory is taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from model.config import (
    Config,
    Direct,
    EncoderDecoder,
    Free,
    GatedMlp,
    Kind,
    LayerNorm,
    Learned,
    Narrow,
    Norm,
    Parallel,
    Relative,
    Tied,
    Transformed,
)


@dataclass(frozen=True, slots=True)
class Weight:
    """One trained array: its name in the model's state, and its shape."""

    name: str
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the model (`embed.token`, `attn.qkv`): the numbers in one of it, and how many of it there are."""

    name: str
    each: int
    times: int

    @property
    def total(self) -> int:
        """The numbers in all of them."""
        return self.each * self.times


def weights(config: Config) -> Iterator[Weight]:
    """Every trained array of the model this configuration describes, in the order of the forward pass."""
    yield from _embedding(config)
    for kind in config.depths:
        yield from _relative(config, kind)
        for index in range(distinct(config, kind)):
            for weight in _block(config, kind):
                yield Weight(f"{kind}.blocks.{index}.{weight.name}", weight.shape)
        yield from _final_norm(config, kind)
    yield from _ending(config)


def distinct(config: Config, kind: Kind) -> int:
    """How many blocks of a stack have weights of their own: all, or one that serves every layer."""
    return 1 if config.shared else config.depths[kind]


def parts(config: Config) -> tuple[Part, ...]:
    """The parameters part by part; those of a block once, with `times` the number of layers that have their own. In a model of two
    stacks the name of a block's part starts with its stack."""
    found = [*_gather(_embedding(config), 1)]
    for kind in config.depths:
        prefix = f"{kind}." if len(config.depths) > 1 else ""
        found += _gather(_relative(config, kind), 1)
        found += [Part(prefix + part.name, part.each, part.times) for part in _gather(_block(config, kind), distinct(config, kind))]
        found += _gather(_final_norm(config, kind), 1)
    return (*found, *_gather(_ending(config), 1))


def parameters(config: Config) -> int:
    """How many numbers the model learns. A tied output counts once, with the embedding it reuses."""
    return sum(part.total for part in parts(config))


def _gather(found: Iterator[Weight], times: int) -> Iterator[Part]:
    for name, group in groupby(found, key=lambda weight: weight.name.rpartition(".")[0]):
        yield Part(name, sum(weight.count for weight in group), times)


def _embedding(config: Config) -> Iterator[Weight]:
    room, width = config.embedding.room, config.width
    summed = config.token_width if isinstance(room, Narrow) and room.positions == "before" else width
    yield Weight("embed.token.weight", (config.vocabulary, config.token_width))
    if isinstance(config.positions, Learned):
        yield Weight("embed.position.weight", (config.context + config.positions.spare, summed))
    if config.embedding.segments:
        yield Weight("embed.segment.weight", (config.embedding.segments, summed))
    if config.embedding.norm:
        yield from _norm("embed.norm", config.norm, summed)
    if isinstance(room, Narrow):
        yield from _linear("embed.widen", room.size, width, room.bias)


def _relative(config: Config, kind: Kind) -> Iterator[Weight]:
    if isinstance(config.positions, Relative):
        yield Weight(f"{kind}.relative.weight", (config.positions.buckets, config.attention.heads))


def _block(config: Config, kind: Kind) -> Iterator[Weight]:
    yield from _norm("norm1", config.norm, config.width)
    yield from _attention("attn", config)
    if kind == "decoder" and isinstance(config.form, EncoderDecoder):
        yield from _norm("cross_norm", config.norm, config.width)
        yield from _attention("cross", config)
    if config.arrangement != Parallel(norms=1):
        yield from _norm("norm2", config.norm, config.width)
    yield from _linear("mlp.up", config.width, config.mlp.hidden, config.mlp.bias)
    if isinstance(config.mlp, GatedMlp):
        yield from _linear("mlp.gate", config.width, config.mlp.hidden, config.mlp.bias)
    yield from _linear("mlp.down", config.mlp.hidden, config.width, config.mlp.bias)


def _attention(name: str, config: Config) -> Iterator[Weight]:
    attention = config.attention
    yield from _linear(f"{name}.qkv", config.width, (attention.heads + 2 * attention.kv_heads) * attention.size, attention.bias)
    if attention.head_norm:
        yield Weight(f"{name}.q_norm.weight", (attention.size,))
        yield Weight(f"{name}.k_norm.weight", (attention.size,))
    yield from _linear(f"{name}.out", attention.heads * attention.size, config.width, attention.out_bias)


def _final_norm(config: Config, kind: Kind) -> Iterator[Weight]:
    if config.final_norm:
        yield from _norm(f"{kind}.norm", config.norm, config.width)


def _ending(config: Config) -> Iterator[Weight]:
    narrow = config.token_width
    if isinstance(config.readout, Transformed):
        yield from _linear("head.transform.dense", config.width, narrow, True)
        yield from _norm("head.transform.norm", config.norm, narrow)
    if isinstance(config.readout, Direct) and narrow != config.width:
        yield from _linear("head.narrow", config.width, narrow, False)
    if isinstance(config.output, Free):
        yield from _linear("head.unembed", narrow, config.vocabulary, config.output.bias)
    if isinstance(config.output, Tied) and config.output.bias:
        yield Weight("head.bias", (config.vocabulary,))


def _norm(name: str, norm: Norm, width: int) -> Iterator[Weight]:
    yield Weight(f"{name}.weight", (width,))
    if isinstance(norm, LayerNorm) and norm.bias:
        yield Weight(f"{name}.bias", (width,))


def _linear(name: str, inputs: int, outputs: int, bias: bool) -> Iterator[Weight]:
    yield Weight(f"{name}.weight", (outputs, inputs))
    if bias:
        yield Weight(f"{name}.bias", (outputs,))
