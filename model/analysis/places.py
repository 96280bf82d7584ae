"""Where attention happens: in a stack among its own tokens, or across, from a decoder to its source."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from model.config import Config, EncoderDecoder, Kind, Sliding
from model.layers.masks import Bidirectional, Causal, Mask, Plan, Sights, Window
from model.trace import Branch, Trace
from model.transformer import Transformer


@dataclass(frozen=True, slots=True)
class Where:
    """One of a model's attentions: the stack whose tokens ask, and whether they ask each other or a source."""

    stack: Kind
    branch: Branch = "attn"

    @property
    def name(self) -> str:
        """`encoder`, `decoder` or `cross`."""
        return "cross" if self.branch == "cross" else self.stack

    def site(self, layer: int, leaf: str) -> str:
        """The name of one of its sites, such as `decoder.blocks.2.cross.q`."""
        return f"{self.stack}.blocks.{layer}.{self.branch}.{leaf}"

    @property
    def received(self) -> str:
        """The residual stream as this attention finds it, below its block's name."""
        return "middle" if self.branch == "cross" else "before"


CROSS = Where("decoder", "cross")


def places(config: Config) -> dict[str, Where]:
    """The attentions that a model of this configuration has, by name, in the order a pass goes through them."""
    found = [Where(kind) for kind in config.depths] + ([CROSS] if isinstance(config.form, EncoderDecoder) else [])
    return {where.name: where for where in found}


def main(config: Config) -> Where:
    """The attention worth looking at first: across where there is a source, else among the tokens of the one stack."""
    return CROSS if isinstance(config.form, EncoderDecoder) else Where(config.main)


def own(config: Config, where: Where) -> Mask:
    """The mask a model has of its own there."""
    everything = Causal() if where == Where("decoder") else Bidirectional()
    reach = config.attention.reach
    if where.branch == "cross" or not isinstance(reach, Sliding):
        return everything
    return Window(reach.window) if isinstance(everything, Bidirectional) else everything & Window(reach.window)


def built(mask: Mask, where: Where, queries: int, keys: int) -> Tensor:
    """A mask as booleans (queries, keys): across, each text counts from its own beginning."""
    return mask.across(queries, keys) if where.branch == "cross" else mask.build(queries)


def sighted(plan: Plan, config: Config, where: Where, queries: int, keys: int) -> Tensor | Sights:
    """A plan for this attention as the model and its tracer take it: booleans (queries, keys), or a `Sight` for each layer. Raises
    `Refusal` for a layer or head that is not there."""
    layers, heads = config.depths[where.stack], config.attention.heads
    return plan.across(layers, heads, queries, keys) if where.branch == "cross" else plan.build(layers, heads, queries)


def named(config: Config, where: Where) -> str:
    """What `Tracer.trace` calls the mask of this place: `mask`, `source_mask` or `across`."""
    return "across" if where.branch == "cross" else "mask" if where.stack == config.main else "source_mask"


def sides(trace: Trace, where: Where) -> tuple[Tensor, Tensor]:
    """The ids that ask (T,) and those that are asked (S,)."""
    among = trace.ids if where.stack == trace.model.config.main else _source(trace)
    return among, _source(trace) if where.branch == "cross" else among


def _source(trace: Trace) -> Tensor:
    return torch.empty(0, dtype=trace.ids.dtype) if trace.source is None else trace.source


def weight(model: Transformer, where: Where, layer: int, name: str) -> Tensor:
    """A weight of this attention in one layer, the one block's where all layers share it."""
    block = 0 if model.config.shared else layer
    return model.get_parameter(where.site(block, name))
