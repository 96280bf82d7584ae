"""Where a block finds itself: who may look at whom, from which position on, after what, and with which buffers.

Everything here is the same for every layer, so it is made once per forward pass and handed down.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from model.config import Alibi, Config, Rotary
from model.layers.past import Past
from model.layers.positions import alibi, rotation

Maps = Literal["all", "pattern", "none"]
"""Which T × S maps attention spells out for a tap: scores, masked and pattern; the pattern alone; or none, taking the fast road."""

Scratch = Callable[[str, tuple[int, ...], Tensor], Tensor | None]


def fresh(name: str, shape: tuple[int, ...], like: Tensor) -> Tensor | None:
    """The scratch that owns no buffer: every result is newly allocated, as gradients need."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """`additive` is 0 where a query may look and minus infinity where not, broadcast to (batch, heads, queries, keys);
    `None` means everything is allowed. `blind` marks queries that may look at nothing. `bias` is ALiBi's (heads, queries, keys)."""

    start: int
    causal: bool
    additive: Tensor | None
    blind: Tensor | None
    bias: Tensor | None
    turn: tuple[Tensor, Tensor] | None
    past: Past | None
    maps: Maps
    scratch: Scratch


def frame(config: Config, ids: Tensor, mask: Tensor | None, past: Past | None, like: Tensor, maps: Maps, scratch: Scratch) -> Frame:
    """The frame of one forward pass over `ids` (batch, T), its floating-point values like `like`."""
    queries, start = ids.shape[1], past.length if past else 0
    keys = start + queries
    allowed = _spread(mask) if mask is not None else None
    return Frame(
        start=start,
        causal=mask is None and start == 0,
        additive=_additive(allowed, like) if allowed is not None else causal_additive(queries, keys, like.dtype, like.device),
        blind=_blind(allowed),
        bias=alibi(config.attention.heads, queries, keys, like.device).to(like.dtype) if isinstance(config.positions, Alibi) else None,
        turn=_turn(config, start, keys, like),
        past=past,
        maps=maps,
        scratch=scratch,
    )


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def causal_additive(queries: int, keys: int, dtype: torch.dtype, device: torch.device) -> Tensor | None:
    """The causal mask as numbers to add: (queries, keys), the queries being the last of the keys; `None` for a single query."""
    if queries == 1:
        return None
    return torch.full((queries, keys), -math.inf, dtype=dtype, device=device).triu(1 + keys - queries)


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
