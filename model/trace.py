"""A trace: every site of one forward pass, kept.

Fresh tensors cost more in page faults than in arithmetic. So a tracer owns the buffers of its T × T maps and uses them again,
and it keeps only what the rest follows from: scores come from q and k when they are asked for, above `EAGER` tokens patterns
do too, and any other site not kept is found by running the same text once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from math import inf

import torch
from torch import Tensor

from model.config import Alibi
from model.layers.frame import Maps, causal_additive
from model.layers.positions import alibi
from model.memory import keep_freed_memory
from model.tap import Tap, chain, ignore
from model.transformer import Transformer

EAGER = 256
MAPS = ("scores", "masked", "pattern")
LEAN = ("logits", "*.sum", "*.before", "*.middle", "*.after", "*.attn.[qkv]", "*.attn.pattern", "*.mixed", "*.out", "decoder.norm")
"""What a trace keeps unless asked for more: the residual stream, what is written to it, and attention's parts."""


@dataclass(frozen=True, slots=True)
class Site:
    """One place a tap can see: its dotted name, its shape for a batch of one (T tokens) and what stands there."""

    name: str
    shape: tuple[int | str, ...]
    meaning: str


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What one text did inside one model. `ids` (T,), `logits` (T, V), `mask` (T, T) bool; `trace[site]` has no batch axis.

    Patterns are views of the tracer's buffers, valid until its next trace; `clone` keeps them. `tap` changed what was traced.
    """

    model: Transformer = field(repr=False)
    ids: Tensor
    logits: Tensor
    mask: Tensor
    tap: Tap = field(repr=False)
    sites: dict[str, Tensor] = field(repr=False)

    def __getitem__(self, site: str) -> Tensor:
        """The value at a site: kept, worked out, or found by running again. Raises `KeyError` for a site this model has not."""
        block, _, leaf = site.rpartition(".attn.")
        if site not in self.sites and leaf in MAPS:
            return {"scores": self.scores, "masked": self.masked, "pattern": self.pattern}[leaf](int(block.rpartition(".")[2]))
        if site not in self.sites:
            self.sites.update(Tracer(self.model).trace(self.ids, mask=self.mask, tap=self.tap, keep=(site,), maps="none").sites)
        return self.sites[site]

    def scores(self, layer: int) -> Tensor:
        """q · k / √size plus any position bias, before the mask: (heads, T, T)."""
        name = f"decoder.blocks.{layer}.attn."
        if name + "scores" in self.sites:
            return self.sites[name + "scores"]
        attention = self.model.config.attention
        q, k = self.sites[name + "q"], self.sites[name + "k"].repeat_interleave(attention.heads // attention.kv_heads, 0)
        scores = (q @ k.transpose(-1, -2)).mul_(attention.size**-0.5)
        if isinstance(self.model.config.positions, Alibi):
            scores += alibi(attention.heads, len(self.ids), len(self.ids), scores.device).to(scores.dtype)
        return scores

    def masked(self, layer: int) -> Tensor:
        """The scores, minus infinity where a query may not look: (heads, T, T)."""
        name = f"decoder.blocks.{layer}.attn.masked"
        return self.sites[name] if name in self.sites else self.scores(layer).masked_fill(~self.mask, -inf)

    def pattern(self, layer: int) -> Tensor:
        """Who looks at whom: (heads, T, T), rows summing to 1 (or to 0 where a row may look at nothing)."""
        name = f"decoder.blocks.{layer}.attn.pattern"
        if name in self.sites:
            return self.sites[name]
        return self.masked(layer).softmax(-1).masked_fill_(~self.mask.any(-1, keepdim=True), 0)

    def clone(self) -> Trace:
        """The same trace in memory of its own."""
        return replace(self, sites={name: value.clone() for name, value in self.sites.items()})


class Tracer:
    """Runs one model and keeps what it saw. Not for two threads at once: its buffers are shared by its traces."""

    def __init__(self, model: Transformer) -> None:
        keep_freed_memory()
        self.model = model
        self._buffers: dict[str, Tensor] = {}

    @torch.no_grad()
    def trace(
        self, ids: Tensor | Sequence[int], *, mask: Tensor | None = None, tap: Tap = ignore, keep: tuple[str, ...] = LEAN, maps: Maps | None = None
    ) -> Trace:
        """Run `ids` (T,) and keep the sites whose names match one of the patterns `keep` ("*.attn.q"; "*" keeps all).

        `mask` (T, T), True = may look; `tap` may change values before they are kept, maps included; `maps` overrides what is
        spelled out for this length. Raises `Refusal` for more tokens than the model's context.
        """
        row = torch.as_tensor(ids, device=self.model.embed.token.weight.device)
        found: dict[str, Tensor] = {}

        def record(name: str, value: Tensor) -> Tensor:
            if _wanted(name, keep):
                found[name] = value[0]
            return value

        lean: Maps = "pattern" if len(row) <= EAGER else "none"
        maps = maps or (lean if tap is ignore else "all")
        logits = self.model(row[None], mask=mask, tap=chain(tap, record), maps=maps, scratch=self._buffer)[0]
        return Trace(self.model, row, logits, _boolean(mask, row), tap, found)

    def _buffer(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        held = self._buffers.get(name)
        if held is None or held.shape != shape or held.dtype != like.dtype:
            held = self._buffers[name] = torch.empty(shape, dtype=like.dtype, device=like.device)
        return held


def sites(model: Transformer) -> list[Site]:
    """Every site of a model, in the order a forward pass reaches them; nothing is computed. Axes that follow the text read "T"."""
    two, three = _shapes(model, 2), _shapes(model, 3)
    return [Site(name, tuple("T" if a != b else a for a, b in zip(shape, three[name], strict=True)), _meaning(name)) for name, shape in two.items()]


def _shapes(model: Transformer, length: int) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}

    def note(name: str, value: Tensor) -> Tensor:
        found[name] = tuple(value.shape)
        return value

    with torch.device("meta"), torch.no_grad():
        Transformer(model.config)(torch.zeros(1, length, dtype=torch.long), tap=note)
    return found


@lru_cache(maxsize=4_096)
def _wanted(name: str, keep: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in keep)


def _boolean(mask: Tensor | None, row: Tensor) -> Tensor:
    if mask is not None:
        return mask
    additive = causal_additive(len(row), len(row), torch.float32, row.device)
    return torch.ones(len(row), len(row), dtype=torch.bool, device=row.device) if additive is None else additive == 0


_MEANINGS = {
    "embed.token": "the token's own vector",
    "embed.position": "the position's vector",
    "embed.sum": "what enters the first block",
    "before": "the residual stream as the block receives it",
    "norm1": "the residual after the block's first norm",
    "attn.q": "queries, after any rotation",
    "attn.k": "keys, after any rotation",
    "attn.v": "values",
    "attn.scores": "q · k / √size plus any position bias, before the mask",
    "attn.masked": "scores with minus infinity where a query may not look",
    "attn.pattern": "attention weights: each row sums to 1",
    "attn.mixed": "each head's values, mixed by its pattern",
    "attn.out": "what attention adds to the residual stream",
    "middle": "the residual stream after attention",
    "norm2": "the residual after the block's second norm",
    "mlp.hidden": "the MLP's hidden numbers before the activation",
    "mlp.up": "what the activated gate multiplies",
    "mlp.activated": "the MLP's hidden numbers after the activation",
    "mlp.out": "what the MLP adds to the residual stream",
    "after": "the residual stream as the block leaves it",
    "decoder.norm": "the residual stream after the final norm",
    "logits": "a score for every token of the vocabulary",
}


def _meaning(name: str) -> str:
    return next(text for ending, text in _MEANINGS.items() if name == ending or name.endswith("." + ending))
