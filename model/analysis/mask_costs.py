"""What a mask costs: pairs, FLOPs and bytes against the length of a text, counted; and seconds, measured."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.analysis.masking import held
from model.analysis.places import Where, built, named, own, sighted
from model.config import Config
from model.layers.frame import Watch
from model.layers.masks import Mask, Plan, union
from model.layers.skipping import kept_blocks
from model.transformer import Transformer

LENGTHS = (1, 2, 4, 8, 16, *range(32, 1_025, 32))
"""The lengths at which a mask is built and counted, unless others are asked for."""
FEWEST = 3
"""Laps of each way, at least; the first does not count."""
BLOCK = 64
"""Queries and keys a side of a block that is computed or skipped."""
NUMBER = 4
"""Bytes of a number in fp32."""

Integers = NDArray[np.int64]


# ---------------------------------------------------------------- counted


@dataclass(frozen=True, slots=True, eq=False)
class Costs:
    """One attention at several `lengths` (N,), all layers and heads together. `pairs` are kept, `own` by the model's own mask, of `all`.
    `held` are the most keys that a KV cache must hold at once, over all layers and key/value heads, while a text of this length is
    generated: -1 for an encoder, and where some query looks ahead, for then nothing can be generated one token at a time.

    `size` is the numbers per head.
    """

    lengths: Integers
    pairs: Integers
    own: Integers
    all: Integers
    held: Integers
    own_held: Integers
    size: int

    @property
    def share(self) -> NDArray[np.float64]:
        """Pairs kept, of all."""
        return self.pairs / self.all

    @property
    def flops(self) -> Integers:
        """FLOPs of scores and mixing for the pairs kept: two products of `size` multiplications and additions for each."""
        return 4 * self.size * self.pairs

    @property
    def own_flops(self) -> Integers:
        """The same of the model's own mask."""
        return 4 * self.size * self.own

    @property
    def all_flops(self) -> Integers:
        """The same of every pair, as a pass costs that hides and does not skip."""
        return 4 * self.size * self.all

    @property
    def map_bytes(self) -> Integers:
        """Bytes of the weights of the pairs kept, fp32, if every map of a pass is stored."""
        return NUMBER * self.pairs

    @property
    def all_map_bytes(self) -> Integers:
        """Bytes of every weight, hidden ones too."""
        return NUMBER * self.all

    @property
    def cache_bytes(self) -> Integers:
        """Bytes of the keys and values held when the KV cache is fullest, fp32; -1 where there is none."""
        return np.where(self.held < 0, -1, 2 * NUMBER * self.size * self.held)

    @property
    def own_cache_bytes(self) -> Integers:
        """The same under the model's own mask."""
        return np.where(self.own_held < 0, -1, 2 * NUMBER * self.size * self.own_held)


def sources(where: Where, length: int, text: tuple[int, int] | None = None) -> int:
    """How many tokens are asked where `length` ask: across as many more or fewer as in a `text` of so many targets and sources (both alike
    unless told), elsewhere as many."""
    targets, asked = text if text is not None and where.branch == "cross" else (1, 1)
    return max(1, round(length * asked / targets))


def costs(
    plan: Plan, config: Config, where: Where | None = None, lengths: Sequence[int] = LENGTHS, text: tuple[int, int] | None = None
) -> Costs:
    """Build the mask at every length and count. Across, `lengths` are the target's, and the source has tokens in proportion, as in a `text`
    of so many targets and sources. Raises `Refusal` for a layer or head that is not there."""
    where = where or Where(config.main)
    layers, heads, groups = config.depths[where.stack], config.attention.heads, config.attention.kv_heads
    plan.refuse_beyond(layers, heads)
    masks = [[plan.at(layer, head).mask for head in range(heads)] for layer in range(layers)]
    usual = [[own(config, where)] * heads] * layers
    asked = [sources(where, length, text) for length in lengths]
    counted = [[_counted(found, groups, where, size) for found in (masks, usual)] for size in zip(lengths, asked, strict=True)]
    (pairs, most), (own_pairs, own_most) = np.array(counted, np.int64).reshape(-1, 2, 2).transpose(1, 2, 0)
    at = np.array(lengths, np.int64)
    return Costs(at, pairs, own_pairs, layers * heads * at * np.array(asked, np.int64), most, own_most, config.attention.size)


def _counted(masks: Sequence[Sequence[Mask]], groups: int, where: Where, size: tuple[int, int]) -> tuple[int, int]:
    """The pairs that all heads keep among so many queries and keys, and the keys that their key/value heads hold."""
    allowed = {mask: built(mask, where, *size) for mask in {mask for layer in masks for mask in layer}}
    pairs = {mask: int(found.sum()) for mask, found in allowed.items()}
    sharing = [frozenset(layer[first : first + len(layer) // groups]) for layer in masks for first in range(0, len(layer), len(layer) // groups)]
    most = {together: held(torch.stack([allowed[mask] for mask in together]).any(0).numpy(), where) for together in set(sharing)}
    counts = [count for together in sharing if (count := most[together]) is not None]
    return sum(pairs[mask] for layer in masks for mask in layer), sum(counts) if len(counts) == len(sharing) else -1


# ---------------------------------------------------------------- measured


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of one whole pass over `tokens` tokens, medians over `laps`: `plain`, the model as it is; `hidden`, every pair computed and
    the mask's hidden; `skipped`, only blocks computed that hold an allowed pair, `kept` of `blocks` in a map.

    `attention` is the part of each of the three that a mask can save at all: from queries, keys and values to what is mixed, in all
    layers of the masked attention.
    """

    tokens: int
    plain: float
    hidden: float
    skipped: float
    attention: tuple[float, float, float]
    kept: int
    blocks: int
    laps: int

    @property
    def gained(self) -> float:
        """How many times sooner the pass is over that skips than the one that hides."""
        return self.hidden / self.skipped


def times(model: Transformer, plan: Plan, tokens: int = 512, where: Where | None = None, seconds: float = 1.0) -> Times:
    """Let the model read `tokens` tokens (at most its context; an encoder–decoder a source as long too) in these three ways, in turns, for
    about so many seconds, so that whatever else the machine does slows all of them alike. The first lap, when nothing is warm, does not
    count; two more do at least. All three take the fast road, which shows no map; which ids are read changes nothing."""
    config = model.config
    where, tokens = where or Where(config.main), min(tokens, config.context)
    mask = sighted(plan, config, where, tokens, tokens)
    ways = ((None, Watch("none")), (mask, Watch("none")), (mask, Watch("none", skip=BLOCK)))
    laps: list[list[tuple[float, float]]] = [[] for _ in ways]
    end = time.perf_counter() + seconds
    with torch.inference_mode():
        for number in cycle(range(len(ways))):
            laps[number].append(_lap(model, where, tokens, *ways[number]))
            if time.perf_counter() > end and len(laps[-1]) >= FEWEST:
                break
    (plain, hidden, skipped), attention = ([median(lap[part] for lap in counted[1:]) for counted in laps] for part in (0, 1))
    kept = kept_blocks(union(mask), BLOCK)
    return Times(tokens, plain, hidden, skipped, (attention[0], attention[1], attention[2]), int(kept.sum()), kept.numel(), len(laps[-1]) - 1)


def _lap(model: Transformer, where: Where, tokens: int, mask: Any, watch: Watch) -> tuple[float, float]:
    """One pass under a mask in one place: its seconds, and those between values and what is mixed of them there."""
    ids, given = torch.arange(tokens)[None] % model.config.vocabulary, {named(model.config, where): mask}
    mixing, begun = 0.0, 0.0

    def clock(name: str, value: Tensor) -> Tensor:
        nonlocal mixing, begun
        if name.startswith(f"{where.stack}.") and name.endswith(f".{where.branch}.v"):
            begun = time.perf_counter()
        elif name.startswith(f"{where.stack}.") and name.endswith(f".{where.branch}.mixed"):
            mixing += time.perf_counter() - begun
        return value

    start = time.perf_counter()
    memory = None
    if len(model.config.depths) > 1:
        memory = model.encode(ids, mask=given.get("source_mask"), across=given.get("across"), tap=clock, watch=watch)
    model(ids, memory=memory, mask=given.get("mask"), tap=clock, watch=watch)
    return time.perf_counter() - start, mixing
