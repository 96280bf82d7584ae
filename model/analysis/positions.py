"""What positions add to the scores: the scheme as it stands in a model, and each score of a text taken apart, by distance.

A distance is query minus key, in tokens: 3 looks three tokens back, −3 ahead. H heads, T tokens, D distances, P positions, C pairs of
numbers that turn. What adds up to a score is held to the traced score by a test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import Alibi, Config, Kind, Learned, NoPositions, Relative, Rotary, Serial, Sinusoidal
from model.errors import Refusal
from model.layers.attention import Attention
from model.layers.block import Block
from model.layers.positions import alibi_slopes, bucket, rotation, stretched
from model.trace import Trace
from model.transformer import Transformer

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


# ---------------------------------------------------------------- the scheme as it stands


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """A vector per position, added to the token's: `similarity` (P, P) the cosine between each two, `lengths` (P,) their norms, and
    `places` (P,) the positions these are, evenly chosen where there are many."""

    places: Integers
    similarity: Floats
    lengths: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Turning:
    """Pairs of numbers turned: `speeds` (C,) in radians per token, fastest first; `waves` (C, D) the cosine of each pair's angle between
    two tokens so far apart, which is what becomes of the product of equal pairs. `fixed` is the share of a head that does not turn."""

    speeds: NDArray[np.float64]
    waves: Floats
    fixed: float

    @property
    def periods(self) -> NDArray[np.float64]:
        """Tokens until each pair stands as before: (C,)."""
        return 2 * np.pi / self.speeds

    @property
    def equal(self) -> Floats:
        """The product of a vector with itself so far away, over its squared length, all its numbers being equally large: (D,)."""
        return self.fixed + (1 - self.fixed) * self.waves.mean(0)


@dataclass(frozen=True, slots=True, eq=False)
class Slopes:
    """A penalty per token of distance in each head: `slopes` (H,), and what they take off, `added` (H, D)."""

    slopes: NDArray[np.float64]
    added: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """A trained number per head and bucket of distances: what each distance adds, `added` (H, D), and its bucket (D,)."""

    buckets: Integers
    added: Floats


@dataclass(frozen=True, slots=True)
class Nothing:
    """Positions add nothing."""


Scheme = Vectors | Turning | Slopes | Numbers | Nothing


@torch.no_grad()
def scheme(model: Transformer, stack: Kind | None = None, distances: Integers | None = None, most: int = 128) -> Scheme:
    """How a model tells positions apart in one stack. `distances` (D,) are those asked for, 0 to 127 unless told; of position vectors
    at most `most` are compared."""
    config, far = model.config, np.arange(128) if distances is None else distances
    match config.positions:
        case Learned() | Sinusoidal():
            return _vectors(model, most)
        case Rotary() as positions:
            speeds = _speeds(positions, config.rotated)
            return Turning(speeds, np.cos(speeds[:, None] * far).astype(np.float32), 1 - config.rotated / config.attention.size)
        case Alibi():
            slopes = np.array(alibi_slopes(config.attention.heads))
            return Slopes(slopes, (-slopes[:, None] * np.abs(far)).astype(np.float32))
        case Relative():
            return _numbers(model, stack, far)
        case NoPositions():
            return Nothing()


def _vectors(model: Transformer, most: int) -> Vectors:
    places = np.unique(np.linspace(0, model.config.context - 1, min(most, model.config.context)).astype(np.int64))
    table = model.embed.places(0, model.config.context)
    if table is None:
        sentence = "this model adds no position's vector to its tokens; its positions are {given}"
        raise Refusal("positions.vectors", sentence, given=type(model.config.positions).__name__)
    rows = table[torch.from_numpy(places)].float()
    similarity = F.normalize(rows, dim=-1) @ F.normalize(rows, dim=-1).T
    return Vectors(places, similarity.cpu().numpy(), rows.norm(dim=-1).cpu().numpy())


def _speeds(positions: Rotary, turned: int) -> NDArray[np.float64]:
    """Radians per token of each pair: (turned / 2,). Su et al. 2021, equation 15."""
    plain = positions.base ** (-torch.arange(0, turned, 2, dtype=torch.float64) / turned)
    return stretched(plain, positions).numpy()


def _numbers(model: Transformer, stack: Kind | None, far: Integers) -> Numbers:
    relative = model.stack(stack).relative
    assert relative is not None
    buckets = bucket(-torch.from_numpy(far), relative.positions, relative.both_ways)
    return Numbers(buckets.numpy(), relative.weight[buckets].T.float().cpu().numpy())


# ---------------------------------------------------------------- scores taken apart


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """One head's scores as a sum: `terms` (N, T, T) under `names` (N). The first, or for position vectors the one of tokens alone, knows
    no position; biases, which know none either, are counted with the tokens. `held` says that a norm's divisor, measured on the whole,
    was held fixed, without which no sum of vectors comes apart; where it is false the split is exact without a condition."""

    names: tuple[str, ...]
    terms: Floats
    held: bool

    @property
    def scores(self) -> Floats:
        """What they add up to: (T, T)."""
        return self.terms.sum(0)

    @property
    def added(self) -> Floats:
        """What positions add: all but the first term (T, T)."""
        return self.terms[1:].sum(0)


TERMS: dict[type, tuple[str, ...]] = {
    Learned: ("token_token", "token_position", "position_token", "position_position"),
    Sinusoidal: ("token_token", "token_position", "position_token", "position_position"),
    Rotary: ("content", "turning"),
    Alibi: ("content", "penalty"),
    Relative: ("content", "number"),
    NoPositions: ("content",),
}
"""What the scores of each scheme are the sum of."""


def layers(config: Config, stack: Kind | None = None) -> range:
    """The layers whose scores come apart: all, but only the first where a vector is added before it, for after that layer tokens and
    positions are mixed for good."""
    return range(1 if isinstance(config.positions, Learned | Sinusoidal) else config.depths[stack or config.main])


@torch.no_grad()
def parts(trace: Trace, layer: int, head: int, stack: Kind | None = None) -> Parts:
    """One head's scores taken apart. Raises `Refusal` for a layer where tokens and positions are mixed."""
    config, kind = trace.model.config, stack or trace.model.config.main
    known = layers(config, kind)
    if layer not in known:
        sentence = "tokens and positions are told apart in layers up to {last}, got {given}; after that they are mixed"
        raise Refusal("positions.layer", sentence, last=known[-1] + 1, given=layer + 1)
    names = TERMS[type(config.positions)]
    match config.positions:
        case Learned() | Sinusoidal():
            terms = _four(trace, kind, head)
            return Parts(names, terms, config.embedding.norm or _normed_before(config) or config.attention.head_norm)
        case Rotary():
            q, k = _unturned(trace, kind, layer, head)
            content = q @ k.T * _scale(config)
            return Parts(names, _numpy(torch.stack([content, sum(_turned(trace, q, k), start=torch.zeros_like(content))])), False)
        case _:
            scores = trace.scores(layer, "attn", kind)[head]
            bias = trace.model.stack(kind).bias(len(scores), len(scores), scores)
            return Parts(names, _numpy(scores[None] if bias is None else torch.stack([scores - bias[head], bias[head]])), False)


def turns(trace: Trace, layer: int, head: int, stack: Kind | None = None) -> Iterator[Floats]:
    """What turning changes in one head's scores, pair by pair, the fastest first: C times (T, T). Only for rotary positions."""
    q, k = _unturned(trace, stack or trace.model.config.main, layer, head)
    return map(_numpy, _turned(trace, q, k))


def _normed_before(config: Config) -> bool:
    return config.arrangement != Serial(norm_place="after")


def _scale(config: Config) -> float:
    return config.attention.size**-0.5 if config.attention.scaled else 1.0


def _block(trace: Trace, kind: Kind, layer: int) -> Block:
    blocks = trace.model.stack(kind).blocks
    found = blocks[layer % len(blocks)]
    assert isinstance(found, Block)
    return found


def _four(trace: Trace, kind: Kind, head: int) -> Floats:
    """Tokens' and positions' queries against tokens' and positions' keys, in the first layer: (4, T, T)."""
    model, block = trace.model, _block(trace, kind, 0)
    whole, where = trace[f"{kind}.embed.sum"], trace[f"{kind}.embed.position"]
    split = torch.stack([whole - where, where])
    if model.embed.norm is not None:
        split = _through(model.embed.norm, split)
    if model.embed.widen is not None and model.embed.widens_last:
        split = _linear(split, model.embed.widen.weight, model.embed.widen.bias)
    if _normed_before(model.config):
        split = _through(block.norm1, split)
    q, k = _queries_and_keys(block.attn, split, head)
    return _numpy((torch.einsum("aqs,bks->abqk", q, k) * _scale(model.config)).flatten(0, 1))


def _queries_and_keys(attention: Attention, split: Tensor, head: int) -> tuple[Tensor, Tensor]:
    """One head's queries and keys of each part: two of (2, T, size)."""
    group, size = head // (attention.heads // attention.kv_heads), attention.size
    rows = slice(head * size, (head + 1) * size), slice((attention.heads + group) * size, (attention.heads + group + 1) * size)
    bias = attention.qkv.bias
    q, k = (_linear(split, attention.qkv.weight[row], None if bias is None else bias[row]) for row in rows)
    if attention.q_norm is None or attention.k_norm is None:
        return q, k
    return _through(attention.q_norm, q), _through(attention.k_norm, k)


def _linear(split: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Both parts through a matrix, (2, T, rows); its offset, which knows no position, goes with the first."""
    return _offset(split @ weight.T, bias)


def _offset(split: Tensor, bias: Tensor | None) -> Tensor:
    return split if bias is None else torch.stack([split[0] + bias, split[1]])


def _through(norm: nn.Module, split: Tensor) -> Tensor:
    """Both parts (2, T, width) through a norm whose divisor is that of their sum: what comes out adds up to the normed sum."""
    whole = split.sum(0)
    if isinstance(norm, nn.LayerNorm):
        divisor = (whole.var(-1, unbiased=False, keepdim=True) + norm.eps).sqrt()
        return _offset((split - split.mean(-1, keepdim=True)) / divisor * norm.weight, norm.bias)
    assert isinstance(norm, nn.RMSNorm)
    eps = torch.finfo(whole.dtype).eps if norm.eps is None else norm.eps
    return split / (whole.square().mean(-1, keepdim=True) + eps).sqrt() * norm.weight


def _unturned(trace: Trace, kind: Kind, layer: int, head: int) -> tuple[Tensor, Tensor]:
    """One head's queries and keys as they are before they turn: two of (T, size)."""
    attention = _block(trace, kind, layer).attn
    read = trace[f"{kind}.blocks.{layer}.{'norm1' if _normed_before(trace.model.config) else 'before'}"]
    heads = attention.heads_of(read)
    return heads[:, head], heads[:, attention.heads + head // (attention.heads // attention.kv_heads)]


def _turned(trace: Trace, q: Tensor, k: Tensor) -> Iterator[Tensor]:
    """What turning changes in q · k, pair by pair. A pair at q's angle a and k's angle b gives (q · k) cos(a − b) + (q × k) sin(a − b)."""
    config = trace.model.config
    positions = config.positions
    assert isinstance(positions, Rotary)
    cos, sin = rotation(positions, config.rotated, max(config.context, len(q)), q.device)
    for pair in range(cos.shape[-1]):
        (a, b), (c, d) = _pair(q, positions, config.rotated, pair), _pair(k, positions, config.rotated, pair)
        u, v = cos[: len(q), pair], sin[: len(q), pair]
        same, across = torch.outer(a, c) + torch.outer(b, d), torch.outer(a, d) - torch.outer(b, c)
        apart, aside = torch.outer(u, u) + torch.outer(v, v), torch.outer(v, u) - torch.outer(u, v)
        yield (same * (apart - 1) + across * aside) * _scale(config)


def _pair(x: Tensor, positions: Rotary, turned: int, pair: int) -> tuple[Tensor, Tensor]:
    if positions.pairing == "halves":
        return x[:, pair], x[:, pair + turned // 2]
    return x[:, 2 * pair], x[:, 2 * pair + 1]


# ---------------------------------------------------------------- by distance


@dataclass(frozen=True, slots=True, eq=False)
class ByDistance:
    """Every head of one layer, each term averaged over the pairs of tokens so far apart that may look at each other: `means` (N, H, D)
    under `names` (N), at `distances` (D,), each a mean of `pairs` (D,) scores. `held`: see `Parts`."""

    layer: int
    names: tuple[str, ...]
    distances: Integers
    pairs: Integers
    means: Floats
    held: bool

    @property
    def added(self) -> Floats:
        """What positions add: (H, D)."""
        return self.means[1:].sum(0)


def by_distance(trace: Trace, layer: int, stack: Kind | None = None) -> ByDistance:
    """A layer's scores on this text, taken apart and averaged by distance."""
    allowed = trace.allowed("attn", stack).numpy()
    query, key = np.nonzero(allowed)
    distances, which, pairs = np.unique(query - key, return_inverse=True, return_counts=True)
    found = [parts(trace, layer, head, stack) for head in range(trace.model.config.attention.heads)]
    means = [[np.bincount(which, term[query, key]) / pairs for term in head.terms] for head in found]
    swapped = np.array(means, np.float32).swapaxes(0, 1)
    return ByDistance(layer, found[0].names, distances, pairs, swapped, found[0].held)


@torch.no_grad()
def equal_vectors(trace: Trace, layer: int, distances: Integers, stack: Kind | None = None) -> Floats:
    """For rotary positions: each head's own queries multiplied with themselves so far away, over their squared length and averaged
    over the text: (H, D). It starts at 1; how it falls depends on which pairs a head uses."""
    config, kind = trace.model.config, stack or trace.model.config.main
    positions = config.positions
    assert isinstance(positions, Rotary)
    waves = np.cos(_speeds(positions, config.rotated)[:, None] * distances)
    rows = []
    for head in range(config.attention.heads):
        q, _ = _unturned(trace, kind, layer, head)
        pairs = [_pair(q, positions, config.rotated, pair) for pair in range(config.rotated // 2)]
        shares = torch.stack([a.square() + b.square() for a, b in pairs], -1) / q.square().sum(-1, keepdim=True)
        mean = shares.double().mean(0).cpu().numpy()
        rows.append(1 - mean.sum() + mean @ waves)
    return np.array(rows, np.float32)


def _numpy(value: Tensor) -> Floats:
    return value.detach().float().cpu().numpy()
