"""Attention that skips what is hidden: the map is cut into square blocks, and those in which no query may look at any key are never computed.

A mask by itself saves nothing: its pairs are computed and then hidden. This is the road that saves, as block-sparse kernels do
(Child et al. 2019, arXiv:1904.10509, section 5.5), on the fused kernel of PyTorch: one call for each stripe of queries.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, slots=True, eq=False)
class Stripe:
    """Neighbouring queries that keep the same blocks of keys: where the keys stand, in one piece or several."""

    queries: slice
    keys: slice | Tensor

    def of(self, x: Tensor, axis: int) -> Tensor:
        """The stripe's keys along an axis of `x`, -1 or -2."""
        if isinstance(self.keys, Tensor):
            return x.index_select(axis, self.keys)
        return x[..., self.keys] if axis == -1 else x[..., self.keys, :]


def kept_blocks(allowed: Tensor, side: int) -> Tensor:
    """Which blocks of `side` x `side` pairs hold one that is allowed in some text or head: (⌈T / side⌉, ⌈S / side⌉) bool."""
    pairs = allowed.flatten(0, -3).any(0) if allowed.dim() > 2 else allowed
    rows, columns = (-(-length // side) for length in pairs.shape)
    whole = pairs.new_zeros(rows * side, columns * side)
    whole[: pairs.shape[0], : pairs.shape[1]] = pairs
    return whole.view(rows, side, columns, side).any(3).any(1)


def stripes(allowed: Tensor, side: int) -> tuple[Stripe, ...]:
    """The stripes of a mask (…, T, S), from the first query on; queries that keep no block are in none."""
    kept, (queries, keys) = kept_blocks(allowed, side), allowed.shape[-2:]
    found: list[Stripe] = []
    begin = 0
    for row in range(1, len(kept) + 1):
        if row < len(kept) and torch.equal(kept[row], kept[begin]):
            continue
        if kept[begin].any():
            found.append(Stripe(slice(begin * side, min(row * side, queries)), _places(kept[begin], side, keys)))
        begin = row
    return tuple(found)


def _places(kept: Tensor, side: int, keys: int) -> slice | Tensor:
    blocks = kept.nonzero().flatten()
    first, last = int(blocks[0]), int(blocks[-1])
    if last - first + 1 == len(blocks):
        return slice(first * side, min((last + 1) * side, keys))
    places = (blocks[:, None] * side + torch.arange(side)).flatten()
    return places[places < keys]


def attend(q: Tensor, k: Tensor, v: Tensor, found: tuple[Stripe, ...], offsets: Tensor, scale: float) -> Tensor:
    """softmax(scale · q kᵀ + offsets) v, stripe by stripe: q (B, H, T, size), k and v (B, H, S, size), offsets (…, T, S); zeros for
    queries in no stripe. Every other query must be allowed some key of its stripe."""
    mixed = torch.zeros_like(q)
    for stripe in found:
        met = stripe.of(offsets[..., stripe.queries, :], -1)
        at = q[..., stripe.queries, :], stripe.of(k, -2), stripe.of(v, -2)
        mixed[..., stripe.queries, :] = F.scaled_dot_product_attention(*at, attn_mask=met, scale=scale)
    return mixed
