"""The patterns of the field: each a rule with a name, of a query's and a key's position alone."""

from __future__ import annotations

import re
from dataclasses import astuple, dataclass, field
from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.errors import Refusal
from model.layers.masks.combining import Mask

WIDEST = 1_024
"""Tokens a hand-made mask may cover."""
WORD = 2**32 - 1
LAST = 2**62
"""A lot that loses against any other."""


class Pattern(Mask):
    """A mask with a name of its own, written `name` or `name(arguments)` as in its `example`."""

    __slots__ = ()
    name: ClassVar[str]
    example: ClassVar[str]

    def arguments(self) -> tuple[int | str, ...]:
        """What stands between the brackets."""
        return astuple(self)  # pyright: ignore[reportArgumentType]  # every pattern is a dataclass

    def __str__(self) -> str:
        arguments = self.arguments()
        return f"{self.name}({','.join(map(str, arguments))})" if arguments else self.name


@dataclass(frozen=True, slots=True)
class Causal(Pattern):
    """No query sees what comes after it: the mask of a decoder (Vaswani et al. 2017, section 3.2.3)."""

    name: ClassVar[str] = "causal"
    example: ClassVar[str] = "causal"

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        return key <= query


@dataclass(frozen=True, slots=True)
class Bidirectional(Pattern):
    """Every query sees every key: the mask of an encoder (Devlin et al. 2018, arXiv:1810.04805)."""

    name: ClassVar[str] = "bidirectional"
    example: ClassVar[str] = "bidirectional"

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        return (key >= 0) & (query >= 0)


@dataclass(frozen=True, slots=True)
class Window(Pattern):
    """Fewer than `size` steps away, on either side (Beltagy et al. 2020, arXiv:2004.05150)."""

    name: ClassVar[str] = "window"
    example: ClassVar[str] = "window(8)"
    size: int

    def __post_init__(self) -> None:
        _whole(self.name, self.size, 1)

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        return (query - key).abs() < self.size


@dataclass(frozen=True, slots=True)
class Wait(Pattern):
    """A query sees `lag` keys more than its own place has: a translator that reads so many words before it writes and then one for
    each that it writes (wait-k, Ma et al. 2019, arXiv:1810.08398, equation 4)."""

    name: ClassVar[str] = "wait"
    example: ClassVar[str] = "wait(3)"
    lag: int

    def __post_init__(self) -> None:
        _whole(self.name, self.lag, 0)

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        return key <= query + self.lag


@dataclass(frozen=True, slots=True)
class Prefix(Pattern):
    """Everyone sees the first `length` keys; `causal | prefix(n)` is a prefix-LM (Raffel et al. 2020, arXiv:1910.10683)."""

    name: ClassVar[str] = "prefix"
    example: ClassVar[str] = "prefix(4)"
    length: int

    def __post_init__(self) -> None:
        _whole(self.name, self.length, 0)

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        return key < self.length


@dataclass(frozen=True, slots=True)
class Dilated(Pattern):
    """A window with gaps: fewer than `size` strides of `step` tokens away, on either side, and whole strides only, so that it reaches
    `step` times as far for the same keys (Beltagy et al. 2020, section 3.1). With a step of 1 it is a window."""

    name: ClassVar[str] = "dilated"
    example: ClassVar[str] = "dilated(4,2)"
    size: int
    step: int

    def __post_init__(self) -> None:
        _whole(self.name, self.size, 1)
        _whole(self.name, self.step, 1)

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        away = query - key
        return (away % self.step == 0) & (away.abs() < self.size * self.step)


@dataclass(frozen=True, slots=True)
class Strided(Pattern):
    """Every `stride`-th token, counted from the query both ways, itself included: the second head of Child et al. (2019,
    arXiv:1904.10509, section 4.3); with the first, their pattern is `causal & (window(s) | strided(s))`."""

    name: ClassVar[str] = "strided"
    example: ClassVar[str] = "strided(4)"
    stride: int

    def __post_init__(self) -> None:
        _whole(self.name, self.stride, 1)

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        return (query - key) % self.stride == 0


@dataclass(frozen=True, slots=True)
class Blocks(Pattern):
    """The text is cut into blocks of `size`, and each token sees its own block: what a block-sparse kernel computes whole
    (Qiu et al. 2020, arXiv:1911.02972)."""

    name: ClassVar[str] = "blocks"
    example: ClassVar[str] = "blocks(4)"
    size: int

    def __post_init__(self) -> None:
        _whole(self.name, self.size, 1)

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        return query // self.size == key // self.size


@dataclass(frozen=True, slots=True)
class Global(Pattern):
    """The first `count` tokens see all and are seen by all, as those of Longformer and BigBird do (Beltagy et al. 2020, section 3.1;
    Zaheer et al. 2020, arXiv:2007.14062, section 2)."""

    name: ClassVar[str] = "global"
    example: ClassVar[str] = "global(1)"
    count: int

    def __post_init__(self) -> None:
        _whole(self.name, self.count, 0)

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        return (query < self.count) | (key < self.count)


@dataclass(frozen=True, slots=True)
class Random(Pattern):
    """Each token draws `count` tokens among itself and those before it (all, where there are no more), and two tokens see each other
    where the later drew the earlier (after BigBird, Zaheer et al. 2020, section 2).

    Query q draws the keys k <= q of the smallest `mixed(q, k, seed)`. Nothing else enters, so the pairs stay as a text grows, and with
    `causal &` every query keeps exactly its draw.
    """

    name: ClassVar[str] = "random"
    example: ClassVar[str] = "random(2,0)"
    count: int
    seed: int

    def __post_init__(self) -> None:
        _whole(self.name, self.count, 0)
        _whole(self.name, self.seed, 0)

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        later, earlier = torch.maximum(query, key), torch.minimum(query, key)
        length = int(later.max()) + 1 if later.numel() else 0
        return _drawn(self.count, self.seed, length)[later, earlier]


@lru_cache(maxsize=32)
def _drawn(count: int, seed: int, length: int) -> Tensor:
    """Which keys each query drew: (length, length), nothing above the diagonal."""
    position = torch.arange(length)
    query, key = position[:, None], position[None, :]
    lot = torch.where(key <= query, mixed(query, key, seed) * length + key, LAST)  # no two lots of a query are alike
    drawn = lot.topk(min(count, length), dim=-1, largest=False).indices
    return torch.zeros(length, length, dtype=torch.bool).scatter_(1, drawn, True) & (key <= query)


def mixed(query: Tensor, key: Tensor, seed: int) -> Tensor:
    """A number from 0 to 2³² - 1 for each query, key and seed, as good as thrown: three odd multiples added, then twice shifted down by
    16 and 15 bits, joined by exclusive or and multiplied, all modulo 2³² (after Wellons's `lowbias32`)."""
    number = (query * 0x9E3779B1 + key * 0x85EBCA6B + (seed * 0xC2B2AE35 & WORD)) & WORD
    number = ((number ^ (number >> 16)) * 0x7FEB352D) & WORD
    number = ((number ^ (number >> 15)) * 0x846CA68B) & WORD
    return number ^ (number >> 16)


@dataclass(frozen=True, slots=True)
class Packed(Pattern):
    """Documents of these lengths share one row, and none sees another; what is left over is one more document
    (Krell et al. 2021, arXiv:2107.02027)."""

    name: ClassVar[str] = "packed"
    example: ClassVar[str] = "packed(3,5)"
    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.lengths:
            raise Refusal("mask.packed", "packed takes the length of each document, such as packed(3,5); got none")
        for length in self.lengths:
            _whole(self.name, length, 1)

    def arguments(self) -> tuple[int | str, ...]:
        return self.lengths

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        ends = torch.tensor(self.lengths).cumsum(0)
        return torch.bucketize(query, ends, right=True) == torch.bucketize(key, ends, right=True)


@dataclass(frozen=True, slots=True)
class PadLeft(Pattern):
    """The first `count` keys are filling and hidden from all; their own queries see nothing when `causal` is added."""

    name: ClassVar[str] = "pad_left"
    example: ClassVar[str] = "pad_left(2)"
    count: int

    def __post_init__(self) -> None:
        _whole(self.name, self.count, 0)

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        return key >= self.count


@dataclass(frozen=True, slots=True)
class PadRight(Pattern):
    """The last `count` keys are filling and hidden from all."""

    name: ClassVar[str] = "pad_right"
    example: ClassVar[str] = "pad_right(2)"
    count: int

    def __post_init__(self) -> None:
        _whole(self.name, self.count, 0)

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        return key < key.shape[-1] - self.count


@dataclass(frozen=True, slots=True)
class Painted(Pattern):
    """Made by hand for the first `length` tokens: `length` x `length` bits by rows, first bit highest, in hexadecimal.
    Beyond that square it goes on causally, so that a text may grow after its mask was painted."""

    name: ClassVar[str] = "painted"
    example: ClassVar[str] = "painted(2,b0)"
    length: int
    bits: str = field(repr=False)

    def __post_init__(self) -> None:
        _whole(self.name, self.length, 1)
        digits = -(-self.length * self.length // 8) * 2
        if self.length > WIDEST:
            raise Refusal("mask.wide", "a hand-made mask covers up to {widest} tokens; got {length}", widest=WIDEST, length=self.length)
        if len(self.bits) != digits or not re.fullmatch(r"[0-9a-f]*", self.bits):
            raise Refusal(
                "mask.bits",
                "painted({length}, …) takes {digits} hexadecimal digits (0-9, a-f); got {got}, beginning {given!r}",
                length=self.length,
                digits=digits,
                got=len(self.bits),
                given=self.bits[:16],
            )

    @classmethod
    def of(cls, allowed: Tensor | NDArray[np.bool_]) -> Painted:
        """The hand-made mask that equals these booleans (length, length)."""
        return cls(len(allowed), np.packbits(np.asarray(allowed, bool)).tobytes().hex())

    def square(self) -> Tensor:
        """The painted booleans (length, length)."""
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(self.bits), dtype=np.uint8), count=self.length**2)
        return torch.from_numpy(bits.astype(bool)).view(self.length, self.length)

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        last = self.length - 1
        painted = self.square()[query.clamp(max=last), key.clamp(max=last)]
        return torch.where((query <= last) & (key <= last), painted, key <= query)


PATTERNS: dict[str, type[Pattern]] = {
    kind.name: kind
    for kind in (Causal, Bidirectional, Window, Dilated, Strided, Blocks, Global, Random, Wait, Prefix, Packed, PadLeft, PadRight, Painted)
}


def _whole(name: str, value: int, low: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise Refusal("mask.number", "{name} takes whole numbers, {low} or more; got {given}", name=name, low=low, given=value)
