"""Who may look at whom: attention masks as boolean functions of a query's and a key's position.

A mask is a value. `Causal() & Window(8)` combines two of them, `str` writes the specification (`causal & window(8)`),
`parse` reads it back, and `build` turns it into the booleans that attention consumes. Nothing here knows what is attended to.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from typing import ClassVar, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.errors import Refusal

LONGEST = 2_000  # characters of a specification, not counting the bits of hand-made masks
DEEPEST = 64  # brackets and ~ within one another
WIDEST = 1_024  # tokens a hand-made mask may cover


class Mask(ABC):
    """A rule that says, for every query and key, whether the one may look at the other."""

    __slots__ = ()

    @abstractmethod
    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        """Positions (queries, 1) and (1, keys) in; booleans that broadcast to (queries, keys) out, True = may look."""

    def build(self, queries: int, keys: int | None = None) -> Tensor:
        """The mask as booleans (queries, keys), True = may look; when there are fewer queries than keys, as with a KV
        cache, the queries are the *last* positions. Raises `Refusal` when there are more queries than keys."""
        keys = queries if keys is None else keys
        if not 0 <= queries <= keys:
            raise Refusal(
                "mask.sizes", "a mask needs at least as many keys as queries; got {queries} queries and {keys} keys", queries=queries, keys=keys
            )
        position = torch.arange(keys)
        return self.allows(position[keys - queries :, None], position[None, :]).expand(queries, keys).clone()

    def across(self, targets: int, sources: int) -> Tensor:
        """The same rule between two texts, each counted from its own beginning: (targets, sources), True = may look."""
        return self.allows(torch.arange(targets)[:, None], torch.arange(sources)[None, :]).expand(targets, sources).clone()

    def __and__(self, other: Mask) -> Mask:
        return And((*_parts(And, self), *_parts(And, other)))

    def __or__(self, other: Mask) -> Mask:
        return Or((*_parts(Or, self), *_parts(Or, other)))

    def __invert__(self) -> Mask:
        return Not(self)


# ---------------------------------------------------------------- the patterns


class Pattern(Mask):
    """A mask with a name of its own, written `name` or `name(arguments)`."""

    __slots__ = ()
    name: ClassVar[str]

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

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        return key <= query


@dataclass(frozen=True, slots=True)
class Bidirectional(Pattern):
    """Every query sees every key: the mask of an encoder (Devlin et al. 2018, arXiv:1810.04805)."""

    name: ClassVar[str] = "bidirectional"

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        return (key >= 0) & (query >= 0)


@dataclass(frozen=True, slots=True)
class Window(Pattern):
    """Fewer than `size` steps away, on either side (Beltagy et al. 2020, arXiv:2004.05150)."""

    name: ClassVar[str] = "window"
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
    lag: int

    def __post_init__(self) -> None:
        _whole(self.name, self.lag, 0)

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        return key <= query + self.lag


@dataclass(frozen=True, slots=True)
class Prefix(Pattern):
    """Everyone sees the first `length` keys; `causal | prefix(n)` is a prefix-LM (Raffel et al. 2020, arXiv:1910.10683)."""

    name: ClassVar[str] = "prefix"
    length: int

    def __post_init__(self) -> None:
        _whole(self.name, self.length, 0)

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        return key < self.length


@dataclass(frozen=True, slots=True)
class Packed(Pattern):
    """Documents of these lengths share one row, and none sees another; what is left over is one more document
    (Krell et al. 2021, arXiv:2107.02027)."""

    name: ClassVar[str] = "packed"
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
    count: int

    def __post_init__(self) -> None:
        _whole(self.name, self.count, 0)

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        return key >= self.count


@dataclass(frozen=True, slots=True)
class PadRight(Pattern):
    """The last `count` keys are filling and hidden from all."""

    name: ClassVar[str] = "pad_right"
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


# ---------------------------------------------------------------- how they combine


@dataclass(frozen=True, slots=True)
class And(Mask):
    """Allowed where every part allows."""

    parts: tuple[Mask, ...]

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        allowed = self.parts[0].allows(query, key)
        for part in self.parts[1:]:
            allowed = allowed & part.allows(query, key)
        return allowed

    def __str__(self) -> str:
        return " & ".join(_bracketed(part, And, Or) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or(Mask):
    """Allowed where any part allows."""

    parts: tuple[Mask, ...]

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        allowed = self.parts[0].allows(query, key)
        for part in self.parts[1:]:
            allowed = allowed | part.allows(query, key)
        return allowed

    def __str__(self) -> str:
        return " | ".join(_bracketed(part, Or) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Not(Mask):
    """Allowed where the part does not allow."""

    part: Mask

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        return ~self.part.allows(query, key)

    def __str__(self) -> str:
        return f"~{_bracketed(self.part, And, Or)}"


PATTERNS: dict[str, type[Pattern]] = {kind.name: kind for kind in (Causal, Bidirectional, Window, Wait, Prefix, Packed, PadLeft, PadRight, Painted)}


def blind_rows(allowed: Tensor) -> tuple[int, ...]:
    """The rows of a mask (queries, keys) that may look at nothing; attention gives them a pattern of zeros."""
    return tuple((~allowed.any(-1)).nonzero().flatten().tolist())


# ---------------------------------------------------------------- reading a specification


def parse(specification: str, named: Mapping[str, Mask] | None = None) -> Mask:
    """The mask a specification describes: the patterns by name, joined by `~`, `&`, `|` (binding in that order) and brackets.

    `named` are masks that may stand in it under a name of their own (in lower case), without brackets.
    Raises `Refusal` with what was given, where, and what would work."""
    reader = _Reader(_words(specification), named or {})
    mask = reader.either(0)
    if reader.next.text:
        _refuse("mask.operator", "two patterns are joined by & or |", reader.next)
    return mask


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    place: int  # characters from the beginning, from 1


def _words(specification: str) -> list[_Word]:
    length = len(re.sub(r",\s*[0-9a-fA-F]{9,}", "", specification))
    if length > LONGEST or len(specification) > LONGEST + WIDEST**2:
        raise Refusal("mask.long", "a mask specification is up to {longest} characters; got {length}", longest=LONGEST, length=len(specification))
    words = [_Word(found[0].lower(), found.start() + 1) for found in re.finditer(r"-?\w+|[^\w\s]", specification)]
    if not words:
        raise Refusal("mask.empty", "a mask specification names a pattern, such as causal or causal & window(8); got nothing")
    return [*words, _Word("", len(specification) + 1)]


@dataclass(slots=True)
class _Reader:
    """Recursive descent: either = both ("|" both)*, both = one ("&" one)*, one = "~" one | "(" either ")" | pattern."""

    words: list[_Word]
    named: Mapping[str, Mask]
    at: int = 0

    @property
    def next(self) -> _Word:
        return self.words[self.at]

    def take(self) -> _Word:
        word = self.next
        self.at += bool(word.text)
        return word

    def took(self, text: str) -> bool:
        found = self.next.text == text
        self.at += found
        return found

    def either(self, depth: int) -> Mask:
        parts = [self.both(depth)]
        while self.took("|"):
            parts.append(self.both(depth))
        return Or(tuple(parts)) if len(parts) > 1 else parts[0]

    def both(self, depth: int) -> Mask:
        parts = [self.one(depth)]
        while self.took("&"):
            parts.append(self.one(depth))
        return And(tuple(parts)) if len(parts) > 1 else parts[0]

    def one(self, depth: int) -> Mask:
        word = self.take()
        if depth >= DEEPEST:
            raise Refusal("mask.deep", "brackets and ~ go up to {deepest} deep; character {place} goes deeper", deepest=DEEPEST, place=word.place)
        if word.text == "~":
            return Not(self.one(depth + 1))
        if word.text != "(":
            return self.pattern(word)
        mask = self.either(depth + 1)
        if not self.took(")"):
            _refuse("mask.close", "a bracket is closed by )", self.next)
        return mask

    def pattern(self, word: _Word) -> Mask:
        if word.text in self.named and self.next.text != "(":
            return self.named[word.text]
        if word.text not in PATTERNS:
            _refuse("mask.unknown", "a pattern is one of {patterns}", word)
        arguments = self.arguments() if self.took("(") else []
        if word.text == Packed.name:
            return Packed(tuple(map(_number, arguments)))
        example = _WRITTEN[word.text]
        wanted = len(re.findall(r"\(|,", example))
        if len(arguments) != wanted:
            raise Refusal(
                "mask.arguments",
                "{name} takes {wanted} values, as in {example}; got {got} at character {place}",
                name=word.text,
                wanted=wanted,
                example=example,
                got=len(arguments),
                place=word.place,
            )
        if word.text == Painted.name:
            return Painted(_number(arguments[0]), arguments[1].text)
        return PATTERNS[word.text](*map(_number, arguments))

    def arguments(self) -> list[_Word]:
        found: list[_Word] = []
        while not self.took(")"):
            if found and not self.took(","):
                _refuse("mask.comma", "numbers between brackets are parted by commas", self.next)
            found.append(self.take())
        return found


_WRITTEN = {
    "causal": "causal",
    "bidirectional": "bidirectional",
    "window": "window(8)",
    "wait": "wait(3)",
    "prefix": "prefix(4)",
    "pad_left": "pad_left(2)",
    "pad_right": "pad_right(2)",
    "painted": "painted(2,b0)",
}


def _number(word: _Word) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", word.text):
        _refuse("mask.digits", "between brackets stand whole numbers from 0 to 999999", word)
    return int(word.text)


def _refuse(code: str, sentence: str, word: _Word) -> NoReturn:
    if not word.text:
        raise Refusal(
            "mask.unfinished", "the specification stops at character {place}, before a pattern, a number or a closing bracket", place=word.place
        )
    raise Refusal(code, sentence + "; got {given} at character {place}", given=word.text[:40], place=word.place, patterns=", ".join(PATTERNS))


def _whole(name: str, value: int, low: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise Refusal("mask.number", "{name} takes whole numbers, {low} or more; got {given}", name=name, low=low, given=value)


def _parts(kind: type[And | Or], mask: Mask) -> tuple[Mask, ...]:
    return mask.parts if isinstance(mask, kind) else (mask,)


def _bracketed(mask: Mask, *kinds: type[Mask]) -> str:
    return f"({mask})" if isinstance(mask, kinds) else str(mask)
