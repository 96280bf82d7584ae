"""What a mask changes: one text through one model twice, as it was trained and masked, and what lies between the two.

Readings are plain numpy. T tokens; a mask is boolean (T, T), rows = queries, columns = keys, True = may look.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from model.config import Config
from model.cost import cache_bytes_per_token, operations
from model.trace import Trace

Floats = NDArray[np.float32]
Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]


# ---------------------------------------------------------------- the mask itself


@dataclass(frozen=True, slots=True)
class Saving:
    """What a mask keeps of the T² pairs, and what skipping the others would be worth.

    `pairs` are kept; `future` of them look ahead; `causal` is what a decoder keeps, T (T + 1) / 2. `flops` and `all_flops`
    are those of scores and mixing in every layer. `held` is the most keys a KV cache must hold at any moment while the text
    is generated (`None` where some query looks ahead: such a text cannot be generated one token at a time), `cache_bytes`
    the fp32 bytes they take in all layers.
    """

    length: int
    pairs: int
    future: int
    flops: int
    all_flops: int
    held: int | None
    cache_bytes_per_key: int

    @property
    def all(self) -> int:
        """Every pair, T²."""
        return self.length**2

    @property
    def causal(self) -> int:
        """The pairs of a plain decoder."""
        return self.length * (self.length + 1) // 2

    @property
    def share(self) -> float:
        """Pairs kept, of all."""
        return self.pairs / self.all

    @property
    def cache_bytes(self) -> int | None:
        """Bytes of the keys and values held."""
        return None if self.held is None else self.held * self.cache_bytes_per_key


def saving(allowed: Booleans, config: Config) -> Saving:
    """Count what a mask (T, T) keeps, for a model of this configuration. A kernel saves it only if it skips hidden blocks
    (Dao et al. 2022, arXiv:2205.14135, section 3.3); this machine computes every pair and hides some."""
    length, pairs = len(allowed), int(allowed.sum())
    future = int(np.triu(allowed, 1).sum())
    all_flops = sum(operation.total for operation in operations(config, length) if operation.name in ("attn.scores", "attn.mixed"))
    return Saving(
        length=length,
        pairs=pairs,
        future=future,
        flops=all_flops * pairs // length**2,
        all_flops=all_flops,
        held=None if future else _held(allowed),
        cache_bytes_per_key=cache_bytes_per_token(config),
    )


def _held(allowed: Booleans) -> int:
    """A key lives from its own step to the last query that looks at it; the most that live at once."""
    length = len(allowed)
    looked = allowed.any(0)
    born = np.arange(length)[looked]
    last = (length - 1 - allowed[::-1].argmax(0))[looked]
    change = np.bincount(born, minlength=length + 1) - np.bincount(last + 1, minlength=length + 1)
    return int(change.cumsum().max())


def reach(allowed: Booleans, layers: int) -> Booleans:
    """Which tokens can influence which outputs through `layers` blocks, (T, T): a path may take one look per layer, and the
    residual stream lets every token keep what it has."""
    step = torch.from_numpy(allowed | np.eye(len(allowed), dtype=bool)).float()
    paths = step
    for _ in range(layers - 1):
        paths = (paths @ step).clamp_(max=1)
    return (paths > 0).numpy()


def shrunk(allowed: Booleans, side: int) -> tuple[Floats, int]:
    """The mask at no more than `side` cells a side, each the share of its `block` × `block` pairs that are kept; and `block`."""
    length = len(allowed)
    block = -(-length // side)
    edges = np.arange(0, length, block)
    kept = np.add.reduceat(np.add.reduceat(allowed.astype(np.float32), edges, 0), edges, 1)
    sizes = np.diff(np.append(edges, length))
    return (kept / np.outer(sizes, sizes)).astype(np.float32), block


# ---------------------------------------------------------------- default | masked | difference


@dataclass(frozen=True, slots=True, eq=False)
class MapsReading:
    """One head's weights (T, T) without and with the mask, and the mask. Rows sum to 1, or to 0 where a row is blind."""

    layer: int
    head: int
    default: Floats
    masked: Floats
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


def maps(default: Trace, masked: Trace, layer: int, head: int) -> MapsReading:
    """The same head in both traces of one text."""
    return MapsReading(layer, head, _weights(default, layer, head), _weights(masked, layer, head), masked.mask.cpu().numpy())


def _weights(trace: Trace, layer: int, head: int) -> Floats:
    return trace.pattern(layer)[head].float().cpu().numpy().copy()


@dataclass(frozen=True, slots=True, eq=False)
class NextReading:
    """What may follow the last token: `ids` (n,) likeliest first by the larger of their two probabilities `default` and
    `masked` (n,); `divergence`, KL(default ‖ masked) in nats over the whole vocabulary."""

    ids: Integers
    default: Floats
    masked: Floats
    divergence: float

    @property
    def first(self) -> tuple[int, int]:
        """Where, among `ids`, the likeliest token stands without and with the mask."""
        return int(self.default.argmax()), int(self.masked.argmax())


def next_tokens(default: Trace, masked: Trace, count: int = 10) -> NextReading:
    """The distribution after the last token, both ways, cut to its `count` likeliest tokens."""
    before, after = (trace.logits[-1].double().log_softmax(-1) for trace in (default, masked))
    ids = torch.maximum(before, after).topk(min(count, len(before))).indices
    divergence = (before.exp() * (before - after)).sum().clamp(min=0)
    return NextReading(ids.cpu().numpy(), _probabilities(before[ids]), _probabilities(after[ids]), float(divergence))


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
    reached = reach(masked.mask.cpu().numpy(), masked.model.config.layers)
    return LossReading(_surprise(default), _surprise(masked), np.diagonal(reached, 1).copy())


def _surprise(trace: Trace) -> Floats:
    return -trace.logits[:-1].float().log_softmax(-1).gather(-1, trace.ids[1:, None])[:, 0].cpu().numpy()
