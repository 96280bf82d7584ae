"""A trace: every site of one forward pass, kept.

Fresh tensors cost more in page faults than in arithmetic. So a tracer owns the buffers of its T × T maps and uses them again,
and it keeps only what the rest follows from: scores come from q and k when they are asked for, above `EAGER` tokens patterns
do too, and any other site not kept is found by running the same text once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from math import inf
from typing import Any, Literal, cast

import torch
from torch import Tensor

from model.config import Config, EncoderDecoder, Kind
from model.errors import Refusal
from model.layers.frame import Maps, Watch, own_mask
from model.layers.masks import Sights, union
from model.memory import keep_freed_memory
from model.tap import Tap, chain, ignore
from model.transformer import Transformer

EAGER = 256
MAPS = ("scores", "masked", "pattern")
LEAN = (
    *("logits", "*.sum", "*.before", "*.middle", "*.crossed", "*.after", "*.mixed", "*.out", "encoder.norm", "decoder.norm"),
    *("*.attn.[qkv]", "*.cross.[qkv]", "*.attn.pattern", "*.cross.pattern"),
)
"""What a trace keeps unless asked for more: the residual stream, what is written to it, and attention's parts."""
Branch = Literal["attn", "cross"]
"""A stack's attention among its own tokens, or a decoder's to its source."""


@dataclass(frozen=True, slots=True)
class Site:
    """One place a tap can see: its dotted name, its shape for a batch of one (T tokens, S of a source) and what stands there."""

    name: str
    shape: tuple[int | str, ...]
    meaning: str


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What one text did inside one model. `ids` (T,), `logits` (T, V), `mask` (T, T) bool; `trace[site]` has no batch axis.

    An encoder–decoder's trace has its `source` (S,), who may look at whom in it, and, (T, S), who may look across at it. Where layers or
    heads had masks of their own, these say who may look at whom in any of them; `allowed` and `added` know each layer's.
    Patterns are views of the tracer's buffers, valid until its next trace; `clone` keeps them. `tap` changed what was traced.
    """

    model: Transformer = field(repr=False)
    ids: Tensor
    logits: Tensor
    mask: Tensor
    source: Tensor | None
    source_mask: Tensor | None
    across: Tensor | None
    sights: Mapping[str, Sights] = field(repr=False)
    tap: Tap = field(repr=False)
    sites: dict[str, Tensor] = field(repr=False)

    def __getitem__(self, site: str) -> Tensor:
        """The value at a site: kept, worked out, or found by running again. Raises `KeyError` for a site this model has not."""
        block, _, leaf = site.rpartition(".")
        if site not in self.sites and leaf in MAPS and block.endswith((".attn", ".cross")):
            stack, _, layer, branch = block.split(".")
            return getattr(self, leaf)(int(layer), cast(Branch, branch), cast(Kind, stack))
        if site not in self.sites:
            self.sites.update(self._again(site).sites)
        return self.sites[site]

    def scores(self, layer: int, branch: Branch = "attn", stack: Kind | None = None) -> Tensor:
        """q · k / √size plus what positions add, before the mask: (heads, T, S), S the tokens looked at."""
        name = self._name(layer, branch, stack)
        if name + "scores" in self.sites:
            return self.sites[name + "scores"]
        attention = self.model.config.attention
        q, k = self[name + "q"], self[name + "k"].repeat_interleave(attention.heads // attention.kv_heads, 0)
        scores = q @ k.transpose(-1, -2)
        if attention.scaled:
            scores.mul_(attention.size**-0.5)
        bias = self.model.stack(stack).bias(q.shape[-2], k.shape[-2], scores) if branch == "attn" else None
        return scores if bias is None else scores.add_(bias.detach())

    def masked(self, layer: int, branch: Branch = "attn", stack: Kind | None = None) -> Tensor:
        """The scores, minus infinity where a query may not look: (heads, T, S)."""
        name = self._name(layer, branch, stack)
        if name + "masked" in self.sites:
            return self.sites[name + "masked"]
        scores, added = self.scores(layer, branch, stack), self.added(layer, branch, stack)
        return (scores if added is None else scores + added).masked_fill(~self.allowed(branch, stack, layer), -inf)

    def pattern(self, layer: int, branch: Branch = "attn", stack: Kind | None = None) -> Tensor:
        """Who looks at whom: (heads, T, S), rows summing to 1 (or to 0 where a row may look at nothing)."""
        name = self._name(layer, branch, stack)
        if name + "pattern" in self.sites:
            return self.sites[name + "pattern"]
        return self.masked(layer, branch, stack).softmax(-1).masked_fill_(~self.allowed(branch, stack, layer).any(-1, keepdim=True), 0)

    def allowed(self, branch: Branch = "attn", stack: Kind | None = None, layer: int | None = None) -> Tensor:
        """Who may look at whom: (T, S) bool, in any layer and head; or in one `layer`, where it may be (heads, T, S). Raises `Refusal`
        for a map this model has not."""
        sights = self.sights.get(self._named(branch, stack))
        if layer is not None and sights is not None:
            return sights[layer].allowed
        if (stack or self.model.config.main) == self.model.config.main:
            found = self.mask if branch == "attn" else self.across
        else:
            found = self.source_mask if branch == "attn" else None
        if found is None:
            raise Refusal("trace.branch", "this model has no {branch} in its {stack}", branch=branch, stack=stack or self.model.config.main)
        return found

    def added(self, layer: int, branch: Branch = "attn", stack: Kind | None = None) -> Tensor | None:
        """What a soft mask added to a layer's scores: (heads, T, S); `None` for nothing."""
        sights = self.sights.get(self._named(branch, stack))
        return None if sights is None else sights[layer].added

    def _named(self, branch: Branch, stack: Kind | None) -> str:
        return "across" if branch == "cross" else "mask" if stack in (None, self.model.config.main) else "source_mask"

    def _name(self, layer: int, branch: Branch, stack: Kind | None) -> str:
        return f"{stack or self.model.config.main}.blocks.{layer}.{branch}."

    @property
    def masks(self) -> dict[str, Any]:
        """Every mask it was made with, by the names that `Tracer.trace` has for them."""
        return {"mask": self.mask, "source_mask": self.source_mask, "across": self.across, **self.sights}

    def _again(self, site: str) -> Trace:
        return Tracer(self.model).trace(self.ids, source=self.source, **self.masks, tap=self.tap, keep=(site,), maps="none")

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
        self,
        ids: Tensor | Sequence[int],
        *,
        source: Tensor | Sequence[int] | None = None,
        mask: Tensor | Sights | None = None,
        source_mask: Tensor | Sights | None = None,
        across: Tensor | Sights | None = None,
        tap: Tap = ignore,
        keep: tuple[str, ...] = LEAN,
        maps: Maps | None = None,
    ) -> Trace:
        """Run `ids` (T,), for an encoder–decoder about a `source` (S,), and keep the sites whose names match one of the patterns
        `keep` ("*.attn.q"; "*" keeps all).

        `mask` (T, T), `source_mask` (S, S) and `across` (T, S), True = may look, or a `Sight` for each layer; `tap` may change values before they are
        kept, maps included; `maps` overrides what is spelled out for this length. Raises `Refusal` for more tokens than the model's context.
        """
        device = self.model.embed.token.weight.device
        row, read = torch.as_tensor(ids, device=device), None if source is None else torch.as_tensor(source, device=device)
        found: dict[str, Tensor] = {}
        longest = max(len(row), 0 if read is None else len(read))
        lean: Maps = "pattern" if longest <= EAGER else "none"
        watch, seen = Watch(maps or (lean if tap is ignore else "all"), self._buffer), chain(tap, _recorder(found, keep))
        memory = None if read is None else self.model.encode(read[None], mask=source_mask, across=across, tap=seen, watch=watch)
        logits = self.model(row[None], memory=memory, mask=mask, tap=seen, watch=watch)[0]
        config, given = self.model.config, {"mask": mask, "source_mask": source_mask, "across": across}
        return Trace(
            model=self.model,
            ids=row,
            logits=logits,
            mask=_own(config, config.main, len(row), row.device) if mask is None else union(mask),
            source=read,
            source_mask=_own(config, "encoder", len(read), device) if read is not None and source_mask is None else _union(source_mask),
            across=torch.ones(len(row), len(read), dtype=torch.bool, device=device) if read is not None and across is None else _union(across),
            sights={name: given for name, given in given.items() if isinstance(given, tuple)},
            tap=tap,
            sites=found,
        )

    def _buffer(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        held = self._buffers.get(name)
        if held is None or held.shape != shape or held.dtype != like.dtype:
            held = self._buffers[name] = torch.empty(shape, dtype=like.dtype, device=like.device)
        return held


def sites(model: Transformer) -> list[Site]:
    """Every site of a model, in the order a forward pass reaches them; nothing is computed. Axes that follow the text read "T", those
    that follow a source "S"."""
    two, three = _shapes(model, 2, 5), _shapes(model, 3, 7)
    return [Site(name, tuple(map(_axis, shape, three[name])), _meaning(name)) for name, shape in two.items()]


def _axis(a: int, b: int) -> int | str:
    return {(2, 3): "T", (5, 7): "S"}.get((a, b), a)


def _shapes(model: Transformer, length: int, source: int) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}

    def note(name: str, value: Tensor) -> Tensor:
        found[name] = tuple(value.shape)
        return value

    with torch.device("meta"), torch.no_grad():
        empty = Transformer(replace(model.config, context=max(model.config.context, source)))
        ids = torch.zeros(1, length, dtype=torch.long)
        about = empty.encode(torch.zeros(1, source, dtype=torch.long), tap=note) if isinstance(model.config.form, EncoderDecoder) else None
        empty(ids, memory=about, tap=note)
    return found


@lru_cache(maxsize=4_096)
def _wanted(name: str, keep: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in keep)


def _recorder(found: dict[str, Tensor], keep: tuple[str, ...]) -> Tap:
    """A tap that puts the sites asked for into `found`, as they pass."""

    def record(name: str, value: Tensor) -> Tensor:
        if _wanted(name, keep):
            found[name] = value[0]
        return value

    return record


def _union(mask: Tensor | Sights | None) -> Tensor | None:
    return None if mask is None else union(mask)


def _own(config: Config, kind: Kind, length: int, device: torch.device) -> Tensor:
    """The mask a stack has of its own: (T, T) bool."""
    return own_mask(kind, config.attention.window, length, length, device)


_MEANINGS = {
    "embed.token": "the token's own vector",
    "embed.position": "the position's vector",
    "embed.segment": "the vector of the part of the text it belongs to",
    "embed.sum": "the sum of these vectors",
    "embed.norm": "that sum, normalised",
    "embed.wide": "the token's vector, widened to the residual stream",
    "before": "the residual stream as the block receives it",
    "norm1": "the residual after the block's first norm",
    "attn.q": "queries, after any rotation",
    "attn.k": "keys, after any rotation",
    "attn.v": "values",
    "attn.scores": "q · k / √size plus what positions add, before the mask",
    "attn.masked": "scores plus what a soft mask adds, minus infinity where a query may not look",
    "attn.pattern": "attention weights: each row sums to 1",
    "attn.mixed": "each head's values, mixed by its pattern",
    "attn.out": "what attention adds to the residual stream",
    "cross_norm": "the residual after the norm of cross-attention",
    "cross.q": "the target's queries",
    "cross.k": "the source's keys",
    "cross.v": "the source's values",
    "cross.scores": "q · k / √size between target and source",
    "cross.masked": "the same, minus infinity where a query may not look",
    "cross.pattern": "who in the target looks at whom in the source: each row sums to 1",
    "cross.mixed": "the source's values, mixed by each head's pattern",
    "cross.out": "what cross-attention adds to the residual stream",
    "crossed": "the residual stream after cross-attention",
    "middle": "the residual stream after attention",
    "norm2": "the residual after the block's second norm",
    "mlp.hidden": "the MLP's hidden numbers before the activation",
    "mlp.up": "what the activated gate multiplies",
    "mlp.activated": "the MLP's hidden numbers after the activation",
    "mlp.out": "what the MLP adds to the residual stream",
    "after": "the residual stream as the block leaves it",
    "encoder.norm": "the encoder's residual stream after its final norm",
    "decoder.norm": "the residual stream after the final norm",
    "head.transform": "the residual stream after the output's own matrix, activation and norm",
    "head.narrow": "the residual stream narrowed to a token's vector",
    "logits": "a score for every token of the vocabulary",
}


def _meaning(name: str) -> str:
    return next(text for ending, text in _MEANINGS.items() if name == ending or name.endswith("." + ending))
