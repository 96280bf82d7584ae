"""What several heads do for several tokens together: their weights summed, and, of long texts, the threads strong enough to be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from model.analysis.attention import BAND, Floats, credits, one_head, rows_at
from model.analysis.places import Where, sides
from model.errors import Refusal
from model.trace import Trace

Side = Literal["query", "key"]
Heads = tuple[tuple[int, int], ...]
"""(layer, head), counted from 0, in the order in which they were chosen."""

RUNGS = (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5)
PER_QUERY = 12


# ---------------------------------------------------------------- added up


@dataclass(frozen=True, slots=True, eq=False)
class Threads:
    """The attention of some heads, added over some tokens.

    With `side` "query" the tokens are those that ask, and `by_head[h, j]` = Σ over the chosen queries i of head h's weight (i, j): what each
    key j gets, (H, S). With "key" they are those that are asked, and `by_head[h, i]` = Σ over the chosen keys j of the same weight: what each
    query i spends on them, (H, T). One token's whole attention in one head is 1. No `tokens` at all means every token, `chosen` says how many
    those are. Without `sink` weights on the first key count as nothing; the others stay what they are.
    """

    where: Where
    heads: Heads
    tokens: tuple[int, ...]
    side: Side
    sink: bool
    by_head: Floats
    chosen: int

    @property
    def summed(self) -> Floats:
        """Added over the heads as well: (S,) or (T,)."""
        return self.by_head.sum(0) if len(self.by_head) else np.zeros(self.by_head.shape[1], np.float32)

    @property
    def averaged(self) -> Floats:
        """The sum divided by how many heads and how many tokens were chosen."""
        return self.summed / np.float32(max(1, len(self.heads) * self.chosen))

    @property
    def whole(self) -> float:
        """All of it: of queries, with the sink, the number of heads times that of tokens that may look at anything."""
        return float(self.by_head.sum())


def threads(
    trace: Trace, heads: Heads, tokens: Sequence[int], side: Side = "query", where: Where | None = None, *, sink: bool = True
) -> Threads:
    """Weights of `heads` added over `tokens` (positions from 0; none: all of them), without those on the first key if the `sink` is left
    out. Raises `Refusal` for a head or token that is not there."""
    where = where or Where(trace.model.config.main)
    queries, keys = map(len, sides(trace, where))
    among, across = (queries, keys) if side == "query" else (keys, queries)
    _refuse_strange(trace, where, heads, tokens, among)
    chosen = list(tokens) or list(range(among))
    if side == "query":
        rows = _given(trace, where, heads, chosen)
    else:
        rows = [_taken(trace, where, head, [key for key in chosen if key or sink]) for head in heads]
    by_head = np.stack(rows) if rows else np.zeros((0, across), np.float32)
    if side == "query" and not sink:
        by_head[:, 0] = 0
    return Threads(where, heads, tuple(tokens), side, sink, by_head, len(chosen))


def _given(trace: Trace, where: Where, heads: Heads, chosen: list[int]) -> list[Floats]:
    """What the chosen queries give to each key, head by head; no map of a long text is ever whole."""
    found: dict[int, Floats] = {}
    for layer in {layer for layer, _ in heads}:
        bands = (rows_at(trace, where, layer, chosen[start : start + BAND]) for start in range(0, len(chosen), BAND))
        found[layer] = np.sum([band.sum(1) for band in bands], axis=0)
    return [found[layer][head] for layer, head in heads]


def _taken(trace: Trace, where: Where, head: tuple[int, int], chosen: list[int]) -> Floats:
    return one_head(trace, *head, where).pattern[:, chosen].sum(1)


def _refuse_strange(trace: Trace, where: Where, heads: Heads, tokens: Sequence[int], among: int) -> None:
    config = trace.model.config
    for layer, head in heads:
        if not (0 <= layer < config.depths[where.stack] and 0 <= head < config.attention.heads):
            raise Refusal("threads.head", "this model has no head {head} in a layer {layer}, counted from 0", layer=layer, head=head)
    strange = [token for token in tokens if not 0 <= token < among]
    if strange:
        raise Refusal("threads.token", "tokens count from 0 to {last}, got {given}", last=among - 1, given=strange[0])


def sunk(trace: Trace, heads: Heads, tokens: Sequence[int], where: Where | None = None) -> float:
    """The share of these queries' attention (none: of all) that these heads give to the first key; 0 where no head is chosen."""
    found = threads(trace, heads, tokens, "query", where)
    return float(found.summed[0]) / found.whole if found.whole else 0.0


# ---------------------------------------------------------------- which heads to begin with


def speaking(trace: Trace, query: int, where: Where, count: int = 3) -> Heads:
    """The heads worth seeing together at one query, at most `count`, the first of them first.

    In the stack that leads to the logits: those that add most to its likeliest token (see `credits`) by what they took from elsewhere than
    the first key. In the other one: those that look most decidedly at a key that is neither the first nor the token itself.
    """
    config = trace.model.config
    layers, heads = config.depths[where.stack], config.attention.heads
    rows = np.stack([rows_at(trace, where, layer, [query])[:, 0] for layer in range(layers)])
    main = where.stack == config.main
    score = credits(trace, where, slice(query, query + 1))[..., 0] * (1 - rows[..., 0]) if main else _elsewhere(rows, query)
    best = np.argsort(-score, axis=None, kind="stable")[:count]
    return tuple(divmod(int(place), heads) for place in best if score.flat[place] > 0) or (divmod(int(best[0]), heads),)


def _elsewhere(rows: Floats, query: int) -> Floats:
    others = rows.copy()
    others[..., [0, query] if query < others.shape[-1] else [0]] = 0
    return others.max(-1)


# ---------------------------------------------------------------- strong enough to be drawn


@dataclass(frozen=True, slots=True, eq=False)
class Strong:
    """One head's weights from `floor` up, query after query: `counts` (T,) says how many each has, `keys` and `weights` (N,) which and how much.

    The floor is the lowest rung at which no more than `PER_QUERY` of them fall to a query on average: nothing above it is missing, so a
    picture that draws them all can say what it leaves out.
    """

    floor: float
    counts: NDArray[np.uint16]
    keys: NDArray[np.uint16]
    weights: Floats


def strong(pattern: Floats, per_query: int = PER_QUERY) -> Strong:
    """The strong weights of one map (T, S)."""
    room = per_query * len(pattern)
    floor = next((rung for rung in RUNGS if np.count_nonzero(pattern >= rung) <= room), RUNGS[-1])
    kept = pattern >= floor
    keys = np.nonzero(kept)[1].astype(np.uint16)
    return Strong(floor, kept.sum(1).astype(np.uint16), keys, pattern[kept])
