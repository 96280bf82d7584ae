"""The KV cache at work: what each pass computed and stored, what it only read, and that the answer is the one without a cache.

Legend: T tokens of the text, P passes (the first reads several tokens, every other one), H query heads, G key/value heads, S tokens
looked at (T, or those of a source), `size` the numbers per head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.analysis.places import Where
from model.errors import Refusal
from model.layers.past import Past
from model.transformer import Transformer

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Ledger:
    """One pass counted, per layer: `length` tokens are looked at, keys of `computed` of them were made now and of `reused` read from the
    cache, `gone` are behind the window. The cache holds `bytes` in all layers afterwards, those of text and source together."""

    length: int
    computed: int
    reused: int
    gone: int
    bytes: int

    @property
    def again(self) -> int:
        """Keys that this pass would have computed without a cache: one for every token."""
        return self.length


@dataclass(frozen=True, slots=True, eq=False)
class Cached:
    """One layer over a text read with a cache, its first tokens at once: the queries `q` (P, H, size) of the last token of each pass, where
    it looked `pattern` (P, H, S) (0 for tokens still to come), what it took `mixed` (P, H, size); the keys `k` and values `v` (G, S, size)
    as each pass stored them. `ledgers` counts the passes; `apart` (P,) is the largest difference between a pass's logits and those of one
    pass over the whole text without a cache."""

    layer: int
    where: Where
    q: Floats
    k: Floats
    v: Floats
    pattern: Floats
    mixed: Floats
    ledgers: tuple[Ledger, ...]
    apart: Floats

    def group(self, head: int) -> int:
        """The key/value head that a query head reads."""
        return head * len(self.k) // self.q.shape[1]


@torch.no_grad()
def cached(model: Transformer, ids: Sequence[int], first: int, layer: int, where: Where, source: Sequence[int] = ()) -> Cached:
    """Read `ids` with a cache: the `first` tokens in one pass, the others one by one, and watch one layer in one place (`where`: the
    decoder's own text, or across at the source). A model with a sliding window has a cache that rolls.

    Raises `Refusal` for an encoder, for a first pass over nothing, and for a place without a cache.
    """
    if where.stack != "decoder":
        raise Refusal("cache.encoder", "an encoder keeps no KV cache: each of its tokens looks at those still to come; use a decoder")
    if not 0 < first <= len(ids):
        raise Refusal("cache.first", "the first pass reads 1 to {tokens} tokens, got {given}", tokens=len(ids), given=first)
    memory = model.encode(torch.tensor([list(source)])) if source else None
    past = model.past(capacity=len(ids), rolled=model.config.attention.window is not None)
    whole = model(torch.tensor([list(ids)]), memory=memory)[0]
    seen, ledgers, apart = _Seen(f"{where.stack}.blocks.{layer}.{where.branch}."), [], []
    for start, end in _passes(first, len(ids)):
        before = past.before
        logits = model(torch.tensor([list(ids[start:end])]), memory=memory, past=past, tap=seen)
        ledgers.append(_counted(past, end, end - start, before) if where.branch == "attn" else _crossed(past, len(source), start == 0))
        apart.append((logits[0, -1] - whole[end - 1]).abs().max())
    return _reading(seen, layer, where, len(ids), ledgers, torch.stack(apart))


def keys_again(length: int, first: int) -> tuple[int, int]:
    """Keys computed in each layer by the time the text is `length` tokens long, of which the first pass read `first`: with a cache, and
    without one, where every pass makes all of them again."""
    return length, sum(range(first, length + 1))


def _passes(first: int, length: int) -> list[tuple[int, int]]:
    return [(0, first), *((place, place + 1) for place in range(first, length))]


def _counted(past: Past, length: int, computed: int, before: int) -> Ledger:
    return Ledger(length, computed, before, length - computed - before, past.bytes)


def _crossed(past: Past, source: int, begins: bool) -> Ledger:
    """The source's keys are all made before the first word, and none after it."""
    return Ledger(source, source if begins else 0, 0 if begins else source, 0, past.bytes)


class _Seen:
    """A tap on one attention: what each pass leaves there, in turn."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.found: dict[str, list[Tensor]] = {name: [] for name in ("q", "k", "v", "pattern", "mixed")}

    def __call__(self, name: str, value: Tensor) -> Tensor:
        leaf = name.removeprefix(self.prefix)
        if leaf != name and leaf in self.found:
            self.found[leaf].append(value[0].clone())
        return value

    def last(self, name: str) -> Tensor:
        """What was left by the last token of each pass: (P, H, …)."""
        return torch.stack([value[:, -1] for value in self.found[name]])


def _reading(seen: _Seen, layer: int, where: Where, tokens: int, ledgers: Sequence[Ledger], apart: Tensor) -> Cached:
    if where.branch == "cross":
        k, v = seen.found["k"][0], seen.found["v"][0]
        pattern = seen.last("pattern")
    else:
        k, v = (torch.cat(seen.found[name], 1) for name in "kv")
        pattern = torch.stack([_placed(row[:, -1], ledger, tokens) for row, ledger in zip(seen.found["pattern"], ledgers, strict=True)])
    numbers = {"q": seen.last("q"), "k": k, "v": v, "pattern": pattern, "mixed": seen.last("mixed")}
    return Cached(layer, where, **{name: value.float().numpy() for name, value in numbers.items()}, ledgers=tuple(ledgers), apart=apart.numpy())


def _placed(row: Tensor, ledger: Ledger, tokens: int) -> Tensor:
    """A row of weights (H, S) over the tokens it was about, as one over the whole text (H, T)."""
    whole = row.new_zeros(len(row), tokens)
    whole[:, ledger.gone : ledger.length] = row
    return whole
