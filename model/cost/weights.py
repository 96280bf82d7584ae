"""Every weight of a transformer by name and shape, and how many numbers they hold together.

The names are those of the built model (`decoder.blocks.0.attn.qkv.weight`), so that a checkpoint can be checked, weight by
weight, before any memory is taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from model.config import Config, Free, GatedMlp, LayerNorm, Learned, Norm, Parallel


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
    for index in range(config.layers):
        for weight in _block(config):
            yield Weight(f"decoder.blocks.{index}.{weight.name}", weight.shape)
    yield from _ending(config)


def parts(config: Config) -> tuple[Part, ...]:
    """The parameters part by part; those of a block once, with `times` the number of layers."""
    return (*_gather(_embedding(config), 1), *_gather(_block(config), config.layers), *_gather(_ending(config), 1))


def parameters(config: Config) -> int:
    """How many numbers the model learns. A tied output counts once, with the embedding it reuses."""
    return sum(part.total for part in parts(config))


def _gather(found: Iterator[Weight], times: int) -> Iterator[Part]:
    for name, group in groupby(found, key=lambda weight: weight.name.rpartition(".")[0]):
        yield Part(name, sum(weight.count for weight in group), times)


def _embedding(config: Config) -> Iterator[Weight]:
    yield Weight("embed.token.weight", (config.vocabulary, config.width))
    if isinstance(config.positions, Learned):
        yield Weight("embed.position.weight", (config.context, config.width))


def _block(config: Config) -> Iterator[Weight]:
    attention, width = config.attention, config.width
    yield from _norm("norm1", config.norm, width)
    yield from _linear("attn.qkv", width, (attention.heads + 2 * attention.kv_heads) * attention.size, attention.bias)
    yield from _linear("attn.out", attention.heads * attention.size, width, attention.out_bias)
    if config.arrangement != Parallel(norms=1):
        yield from _norm("norm2", config.norm, width)
    yield from _linear("mlp.up", width, config.mlp.hidden, config.mlp.bias)
    if isinstance(config.mlp, GatedMlp):
        yield from _linear("mlp.gate", width, config.mlp.hidden, config.mlp.bias)
    yield from _linear("mlp.down", config.mlp.hidden, width, config.mlp.bias)


def _ending(config: Config) -> Iterator[Weight]:
    if config.final_norm:
        yield from _norm("decoder.norm", config.norm, config.width)
    if isinstance(config.output, Free):
        yield from _linear("head.unembed", config.width, config.vocabulary, config.output.bias)


def _norm(name: str, norm: Norm, width: int) -> Iterator[Weight]:
    yield Weight(f"{name}.weight", (width,))
    if isinstance(norm, LayerNorm) and norm.bias:
        yield Weight(f"{name}.bias", (width,))


def _linear(name: str, inputs: int, outputs: int, bias: bool) -> Iterator[Weight]:
    yield Weight(f"{name}.weight", (outputs, inputs))
    if bias:
        yield Weight(f"{name}.bias", (outputs,))
