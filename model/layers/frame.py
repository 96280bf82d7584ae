"""Where a block finds itself: who may look at whom, from which position on, after what, and with which buffers.

Everything here is made once per pass and handed down; the layers of a stack share it, unless a plan gives some a mask of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from model.config import Config, Kind, Rotary
from model.errors import Refusal
from model.layers.masks import Sight, Sights
from model.layers.past import Past
from model.layers.positions import rotation
from model.layers.skipping import Stripe, stripes

Maps = Literal["all", "pattern", "none"]
"""Which T × S maps attention spells out for a tap: scores, masked and pattern; the pattern alone; or none, taking the fast road."""

Scratch = Callable[[str, tuple[int, ...], Tensor], Tensor | None]


def fresh(name: str, shape: tuple[int, ...], like: Tensor) -> Tensor | None:
    """The scratch that owns no buffer: every result is newly allocated, as gradients need."""
    return None


def within(prefix: str, scratch: Scratch) -> Scratch:
    """The same scratch, its buffers named apart from those of other stacks."""
    return scratch if scratch is fresh else lambda name, shape, like: scratch(f"{prefix}.{name}", shape, like)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """`additive` is 0, or what a soft mask adds, where a query may look and minus infinity where not, broadcast to (batch, heads, queries,
    keys); `None` means everything is allowed. `blind` marks queries that may look at nothing, `stripes` where the fast road skips what is
    hidden (`None`: nowhere). `bias` (heads, queries, keys) is what ALiBi or relative positions add. `crossing` is where a decoder finds
    its source."""

    causal: bool
    additive: Tensor | None
    blind: Tensor | None
    stripes: tuple[Stripe, ...] | None
    bias: Tensor | None
    turn: tuple[Tensor, Tensor] | None
    past: Past | None
    maps: Maps
    scratch: Scratch
    crossing: Crossing | None


@dataclass(frozen=True, slots=True)
class Crossing:
    """A source as its encoder left it, (batch, S, width), and how a decoder's queries meet it."""

    memory: Tensor
    frame: Frame


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What an encoder leaves for a decoder: `value` (batch, S, width), and in `across` (T, S) or (batch, T, S) who may look at it, or a
    `Sight` for each layer (`None`: all)."""

    value: Tensor
    across: Tensor | Sight | Sights | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """How a pass is watched: which maps it spells out, and into whose buffers. Where it shows none of them and meets a mask, it may skip
    blocks of `skip` x `skip` hidden pairs; 0 computes them all."""

    maps: Maps = "all"
    scratch: Scratch = fresh
    skip: int = 0


def frames(
    config: Config,
    kind: Kind,
    queries: int,
    like: Tensor,
    watch: Watch,
    *,
    mask: Tensor | Sights | None,
    bias: Tensor | None,
    past: Past | None = None,
    memory: Memory | None = None,
) -> tuple[Frame, ...]:
    """The frame of every layer of a stack, in their order; layers that see alike share one."""
    depth, made = config.depths[kind], dict[tuple[int, int], Frame]()
    found: list[Frame] = []
    for met, across in zip(_by_layer(mask, depth), _by_layer(None if memory is None else memory.across, depth), strict=True):
        if (id(met), id(across)) not in made:
            about = None if memory is None else Memory(memory.value, across)
            made[id(met), id(across)] = frame(config, kind, queries, like, watch, mask=met, bias=bias, past=past, memory=about)
        found.append(made[id(met), id(across)])
    return tuple(found)


def _by_layer(mask: Tensor | Sight | Sights | None, depth: int) -> Sequence[Tensor | Sight | None]:
    if not isinstance(mask, tuple):
        return (mask,) * depth
    if len(mask) != depth:
        raise Refusal("mask.layers", "this stack has {depth} layers, and the masks are for {got}", depth=depth, got=len(mask))
    return mask


def frame(
    config: Config,
    kind: Kind,
    queries: int,
    like: Tensor,
    watch: Watch,
    *,
    mask: Tensor | Sight | None,
    bias: Tensor | None,
    past: Past | None = None,
    memory: Memory | None = None,
) -> Frame:
    """The frame of one pass of `queries` tokens through a stack of this kind, its floating-point values like `like`. Raises `Refusal` for
    a mask of another length."""
    start = past.length if past else 0
    keys, window = (past.before if past else 0) + queries, config.attention.window
    allowed = _allowed(mask, queries, keys)
    return Frame(
        causal=mask is None and start == 0 and kind == "decoder" and window is None,
        additive=own_additive(kind, window, queries, keys, like.dtype, like.device) if allowed is None else _additive(allowed, mask, like),
        blind=_blind(allowed),
        stripes=stripes(allowed, watch.skip) if allowed is not None and watch.skip else None,
        bias=bias,
        turn=_turn(config, start, start + queries, like),
        past=past,
        maps=watch.maps,
        scratch=within(kind, watch.scratch),
        crossing=None if memory is None else _crossing(memory, queries, like, watch),
    )


def _crossing(memory: Memory, queries: int, like: Tensor, watch: Watch) -> Crossing:
    across = None if isinstance(memory.across, tuple) else memory.across
    allowed = _allowed(across, queries, memory.value.shape[1])
    met = Frame(
        causal=False,
        additive=None if allowed is None else _additive(allowed, across, like),
        blind=_blind(allowed),
        stripes=stripes(allowed, watch.skip) if allowed is not None and watch.skip else None,
        bias=None,
        turn=None,
        past=None,
        maps=watch.maps,
        scratch=within("cross", watch.scratch),
        crossing=None,
    )
    return Crossing(memory.value, met)


@lru_cache(maxsize=32)
@torch.inference_mode(False)
def own_additive(kind: Kind, window: int | None, queries: int, keys: int, dtype: torch.dtype, device: torch.device) -> Tensor | None:
    """The mask a stack has of its own, as numbers to add: (queries, keys), the queries being the last of the keys; `None` where it
    hides nothing. A decoder's is causal; a window hides what is that far away or farther."""
    if kind == "decoder" and window is None:
        return None if queries == 1 else torch.full((queries, keys), -math.inf, dtype=dtype, device=device).triu(1 + keys - queries)
    if (kind == "encoder" or queries == 1) and (window is None or window >= keys):
        return None
    hidden = ~own_mask(kind, window, queries, keys, device)
    return torch.zeros(queries, keys, dtype=dtype, device=device).masked_fill_(hidden, -math.inf)


@lru_cache(maxsize=32)
@torch.inference_mode(False)
def own_mask(kind: Kind, window: int | None, queries: int, keys: int, device: torch.device | str = "cpu") -> Tensor:
    """The same mask as booleans, `True` = may look: (queries, keys); shared by whoever asks, so nobody may write into it."""
    distance = torch.arange(keys - queries, keys, device=device)[:, None] - torch.arange(keys, device=device)
    allowed = distance >= 0 if kind == "decoder" else torch.ones_like(distance, dtype=torch.bool)
    return allowed if window is None else allowed & (distance.abs() < window)


def _allowed(mask: Tensor | Sight | None, queries: int, keys: int) -> Tensor | None:
    """A mask as it meets (B, heads, queries, keys). A tensor's third axis from behind is the batch, a sight's the heads."""
    if mask is None:
        return None
    allowed = mask.allowed if isinstance(mask, Sight) else mask
    if allowed.shape[-2] not in (1, queries) or allowed.shape[-1] != keys:
        sentence = "the mask is for {rows} × {columns} tokens, and here {queries} look at {keys}"
        raise Refusal("mask.length", sentence, rows=allowed.shape[-2], columns=allowed.shape[-1], queries=queries, keys=keys)
    if allowed.dim() < 3:
        return allowed
    return allowed[None] if isinstance(mask, Sight) else allowed[:, None] if allowed.dim() == 3 else allowed


def _additive(allowed: Tensor, mask: Tensor | Sight | None, like: Tensor) -> Tensor:
    if isinstance(mask, Sight) and mask.added is not None:
        return mask.added.to(like).expand(1, -1, -1, -1).masked_fill(~allowed.to(like.device), -math.inf)
    return torch.zeros(allowed.shape, dtype=like.dtype, device=like.device).masked_fill_(~allowed.to(like.device), -math.inf)


def _blind(allowed: Tensor | None) -> Tensor | None:
    if allowed is None:
        return None
    rows = ~allowed.any(-1, keepdim=True)
    return rows if bool(rows.any()) else None


def _turn(config: Config, start: int, end: int, like: Tensor) -> tuple[Tensor, Tensor] | None:
    if not isinstance(config.positions, Rotary):
        return None
    cos, sin = rotation(config.positions, config.rotated, max(config.context, end), like.device)
    return cos[start:end].to(like.dtype), sin[start:end].to(like.dtype)
