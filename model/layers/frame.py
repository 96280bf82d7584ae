"""Where a block finds itself: who may look at whom, from which position on, after what, and with which buffers.

Everything here is the same for every layer of a stack, so it is made once per pass and handed down.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from model.config import Config, Kind, Rotary
from model.layers.past import Past
from model.layers.positions import rotation

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
    """`additive` is 0 where a query may look and minus infinity where not, broadcast to (batch, heads, queries, keys);
    `None` means everything is allowed. `blind` marks queries that may look at nothing. `bias` (heads, queries, keys) is what
    ALiBi or relative positions add. `crossing` is where a decoder finds its source."""

    causal: bool
    additive: Tensor | None
    blind: Tensor | None
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
    """What an encoder leaves for a decoder: `value` (batch, S, width), and in `across` (T, S) or (batch, T, S) who may look at it (`None`: all)."""

    value: Tensor
    across: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """How a pass is watched: which maps it spells out, and into whose buffers."""

    maps: Maps = "all"
    scratch: Scratch = fresh


def frame(
    config: Config,
    kind: Kind,
    queries: int,
    like: Tensor,
    watch: Watch,
    *,
    mask: Tensor | None,
    bias: Tensor | None,
    past: Past | None = None,
    memory: Memory | None = None,
) -> Frame:
    """The frame of one pass of `queries` tokens through a stack of this kind, its floating-point values like `like`."""
    start = past.length if past else 0
    keys, window = (past.before if past else 0) + queries, config.attention.window
    allowed = _spread(mask) if mask is not None else None
    return Frame(
        causal=mask is None and start == 0 and kind == "decoder" and window is None,
        additive=own_additive(kind, window, queries, keys, like.dtype, like.device) if allowed is None else _additive(allowed, like),
        blind=_blind(allowed),
        bias=bias,
        turn=_turn(config, start, start + queries, like),
        past=past,
        maps=watch.maps,
        scratch=within(kind, watch.scratch),
        crossing=None if memory is None else _crossing(memory, like, watch),
    )


def _crossing(memory: Memory, like: Tensor, watch: Watch) -> Crossing:
    allowed = None if memory.across is None else _spread(memory.across)
    met = Frame(
        causal=False,
        additive=None if allowed is None else _additive(allowed, like),
        blind=_blind(allowed),
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


def _spread(mask: Tensor) -> Tensor:
    return mask[:, None] if mask.dim() == 3 else mask


def _additive(allowed: Tensor, like: Tensor) -> Tensor:
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
