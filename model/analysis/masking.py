"""What a mask changes: one text through one model twice, as it was trained and masked, and what lies between the two.

Readings are plain numpy. T tokens that ask, S that are asked (the same ones, but where a target looks across at its source); a mask is
boolean (T, S), rows = queries, columns = keys, True = may look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from model.analysis.attention import one_head
from model.analysis.places import Where, built, own
from model.config import Config
from model.layers.masks import Sight, union
from model.trace import Trace

Floats = NDArray[np.float32]
Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]


# ---------------------------------------------------------------- the mask itself


@dataclass(frozen=True, slots=True)
class Saving:
    """What a mask keeps of the T · S pairs of one attention, and what skipping the others would be worth.

    `pairs` are kept; `future` of them look ahead; `own` are those the model's own mask keeps. `flops` and `all_flops` are those of scores
    and mixing in every layer of the stack. `held` is the most keys a KV cache must hold at any moment while a text is generated: of the
    decoder's own tokens, or of its source; `None` for an encoder, and where some query looks ahead, for such a text cannot be generated
    one token at a time. `cache_bytes` are the fp32 bytes they take in all layers.
    """

    queries: int
    keys: int
    pairs: int
    own: int
    future: int
    flops: int
    all_flops: int
    held: int | None
    cache_bytes_per_key: int

    @property
    def all(self) -> int:
        """Every pair, T · S."""
        return self.queries * self.keys

    @property
    def share(self) -> float:
        """Pairs kept, of all."""
        return self.pairs / self.all

    @property
    def own_flops(self) -> int:
        """What the model's own mask costs."""
        return self.all_flops * self.own // self.all

    @property
    def cache_bytes(self) -> int | None:
        """Bytes of the keys and values held."""
        return None if self.held is None else self.held * self.cache_bytes_per_key


def saving(allowed: Booleans, config: Config, where: Where | None = None) -> Saving:
    """Count what a mask (T, S) keeps in one attention of a model of this configuration: two products, of 2 x heads x size FLOPs for each
    pair (see `model.cost.operations`). A kernel saves it only if it skips hidden blocks (Dao et al. 2022, arXiv:2205.14135, section 3.3);
    this machine computes every pair and hides some."""
    where, (queries, keys) = where or Where(config.main), allowed.shape
    depth, each = config.depths[where.stack], 4 * config.attention.heads * config.attention.size
    pairs, future = int(allowed.sum()), int(np.triu(allowed, 1).sum()) if where.branch == "attn" else 0
    return Saving(
        queries=queries,
        keys=keys,
        pairs=pairs,
        own=int(built(own(config, where), where, queries, keys).sum()),
        future=future,
        flops=each * pairs * depth,
        all_flops=each * queries * keys * depth,
        held=held(allowed, where),
        cache_bytes_per_key=4 * 2 * config.attention.kv_heads * config.attention.size * depth,
    )


def held(allowed: Booleans, where: Where) -> int | None:
    """The most keys that a KV cache must hold at any moment under a mask (T, S), each from its own step to the last query that looks at it;
    across, all that are looked at. `None` for an encoder, and where some query looks ahead."""
    length, looked = len(allowed), allowed.any(0)
    if where.branch == "cross":
        return int(looked.sum())
    if where.stack == "encoder" or np.triu(allowed, 1).any():
        return None
    born = np.arange(length)[looked]
    last = (length - 1 - allowed[::-1].argmax(0))[looked]
    change = np.bincount(born, minlength=length + 1) - np.bincount(last + 1, minlength=length + 1)
    return int(change.cumsum().max())


def reach(allowed: Booleans, layers: int) -> Booleans:
    """Which tokens can influence which outputs through `layers` blocks, (T, T): a path may take one look per layer, and the
    residual stream lets every token keep what it has."""
    return reached([allowed] * layers)[-1]


def reached(looks: Sequence[Booleans]) -> Booleans:
    """The same after every layer, of which each has a mask of its own, (T, T): (L + 1, T, T), before the first layer too."""
    known = [np.eye(len(looks[0]), dtype=bool)]
    for look in looks:
        known.append(product(look | known[0], known[-1]))
    return np.stack(known)


def product(one: Booleans, other: Booleans) -> Booleans:
    """Whether any way leads through both, (T, S) and (S, N): (T, N)."""
    return (torch.from_numpy(one).float() @ torch.from_numpy(other).float() > 0).numpy()


def shrunk(allowed: Booleans, side: int) -> tuple[Floats, int]:
    """The mask (T, S) at no more than `side` cells a side, each the share of its `block` × `block` pairs that are kept; and `block`."""
    block = -(-max(allowed.shape) // side)
    rows, columns = (np.arange(0, length, block) for length in allowed.shape)
    kept = np.add.reduceat(np.add.reduceat(allowed.astype(np.float32), rows, 0), columns, 1)
    high, wide = (np.diff([*edges.tolist(), length]) for edges, length in zip((rows, columns), allowed.shape, strict=True))
    sizes = np.multiply.outer(high, wide)
    return (kept / sizes).astype(np.float32), block


# ---------------------------------------------------------------- default | masked | difference


@dataclass(frozen=True, slots=True, eq=False)
class MapsReading:
    """One head's weights (T, S) without and with the mask, where its own mask and this one let it look. Rows sum to 1, or to 0 where a
    row is blind."""

    where: Where
    layer: int
    head: int
    default: Floats
    masked: Floats
    own: Booleans
    allowed: Booleans

    @property
    def difference(self) -> Floats:
        """Masked minus default, from -1 to 1."""
        return self.masked - self.default

    @property
    def moved(self) -> float:
        """The share of attention that went elsewhere, averaged over the rows: half the sum of absolute differences."""
        return float(np.abs(self.difference).sum(1).mean()) / 2

    @property
    def strongest(self) -> tuple[int, int]:
        """The query and the key whose weight changed most."""
        query, key = np.unravel_index(np.abs(self.difference).argmax(), self.default.shape)
        return int(query), int(key)


def maps(default: Trace, masked: Trace, layer: int, head: int, where: Where | None = None) -> MapsReading:
    """The same head in both traces of one text."""
    where = where or Where(default.model.config.main)
    before, after = (one_head(trace, layer, head, where) for trace in (default, masked))
    return MapsReading(where, layer, head, before.pattern, after.pattern, before.allowed, after.allowed)


@dataclass(frozen=True, slots=True, eq=False)
class NextReading:
    """What the model says at one token: `ids` (n,) likeliest first by the larger of their two probabilities `default` and `masked` (n,);
    `divergence`, KL(default ‖ masked) in nats over the whole vocabulary."""

    ids: Integers
    default: Floats
    masked: Floats
    divergence: float

    @property
    def first(self) -> tuple[int, int]:
        """Where, among `ids`, the likeliest token stands without and with the mask."""
        return int(self.default.argmax()), int(self.masked.argmax())


def next_tokens(default: Trace, masked: Trace, count: int = 10, at: int = -1) -> NextReading:
    """What the model says at the token `at`, both ways, cut to its `count` likeliest tokens: what follows it, or, in an encoder, what
    belongs in its place."""
    before, after = (trace.logits[at].double().log_softmax(-1) for trace in (default, masked))
    ids = torch.maximum(before, after).topk(min(count, len(before))).indices
    divergence = (before.exp() * (before - after)).sum().clamp(min=0)
    return NextReading(ids.cpu().numpy(), _probabilities(before[ids]), _probabilities(after[ids]), float(divergence))


@dataclass(frozen=True, slots=True, eq=False)
class ShiftReading:
    """How far the mask moved what the model says at each token: `divergence` (T,), KL(default ‖ masked) in nats."""

    divergence: Floats

    @property
    def worst(self) -> int:
        """Where it moved most."""
        return int(self.divergence.argmax())


def shifts(default: Trace, masked: Trace) -> ShiftReading:
    """How far every token's prediction moved. For an encoder, which has no next token whose loss could be measured."""
    before, after = (trace.logits.double().log_softmax(-1) for trace in (default, masked))
    return ShiftReading((before.exp() * (before - after)).sum(-1).clamp(min=0).float().cpu().numpy())


def _probabilities(logarithms: torch.Tensor) -> Floats:
    return logarithms.exp().float().cpu().numpy()


@dataclass(frozen=True, slots=True, eq=False)
class LossReading:
    """How surprising each token was, in nats: entry t is about token t + 1, predicted at t; `default`, `masked` (T - 1,).

    `told` (T - 1,) marks predictions that could see their own answer, directly or through the layers: there a low loss is
    copying, not knowing.
    """

    default: Floats
    masked: Floats
    told: Booleans

    @property
    def means(self) -> tuple[float, float]:
        """Nats per token without and with the mask, over all tokens."""
        return float(self.default.mean()), float(self.masked.mean())

    @property
    def worst(self) -> int:
        """The prediction that the mask made most harder (or least easier)."""
        return int((self.masked - self.default).argmax())


def losses(default: Trace, masked: Trace) -> LossReading:
    """The loss of every token after the first, both ways. Needs two tokens or more."""
    told = reached([union((Sight(masked.allowed(layer=layer)),)).cpu().numpy() for layer in range(masked.model.config.layers)])[-1]
    return LossReading(_surprise(default), _surprise(masked), np.diagonal(told, 1).copy())


def _surprise(trace: Trace) -> Floats:
    return -trace.logits[:-1].float().log_softmax(-1).gather(-1, trace.ids[1:, None])[:, 0].cpu().numpy()
