"""Soft masks: numbers added to the scores of the pairs a mask keeps, so that a query looks less at a key instead of not at all.

They are rules without training: what ALiBi, KERPLE or T5's buckets would add, laid over any model. A specification joins them to a
mask by `+`: `causal & window(8) + alibi(1)`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import astuple, dataclass
from math import isfinite
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from model.errors import Refusal
from model.layers.masks.combining import Mask
from model.layers.positions import alibi_slopes

HEAVIEST = 1_000_000
"""The largest number a soft mask is given."""
MOST = 64
"""Values a relative bias lists, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What a layer's attention meets instead of its own mask: `allowed`, True = may look, (T, S) or (heads, T, S), and what is `added`
    to the scores, (heads, T, S); `None` adds nothing."""

    allowed: Tensor
    added: Tensor | None = None

    def part(self, queries: int, keys: int) -> Sight:
        """The first so many queries and keys of it."""
        return Sight(self.allowed[..., :queries, :keys], None if self.added is None else self.added[..., :queries, :keys])


class Soft(ABC):
    """A rule that says, for every head, query and key, what is added to their score."""

    __slots__ = ()
    name: ClassVar[str]
    example: ClassVar[str]

    @abstractmethod
    def added(self, query: Tensor, key: Tensor, heads: int) -> Tensor:
        """Positions (queries, 1) and (1, keys) in; numbers (heads, queries, keys) out, or (1, queries, keys) where all heads add the same."""

    def numbers(self) -> tuple[float, ...]:
        """What stands between the brackets."""
        return astuple(self)  # pyright: ignore[reportArgumentType]  # every soft mask is a dataclass

    def __str__(self) -> str:
        return f"{self.name}({','.join(map(_written, self.numbers()))})"


@dataclass(frozen=True, slots=True)
class Alibi(Soft):
    """Each step away costs a head its slope, times `strength` (Press et al. 2022, arXiv:2108.12409, section 3): 1 is as published, 0
    adds nothing. Both ways alike, so that it serves an encoder too."""

    name: ClassVar[str] = "alibi"
    example: ClassVar[str] = "alibi(1)"
    strength: float

    def __post_init__(self) -> None:
        _within(self.name, self.strength, 0)

    def added(self, query: Tensor, key: Tensor, heads: int) -> Tensor:
        slopes = torch.tensor(alibi_slopes(heads))[:, None, None]
        return -self.strength * slopes * (query - key).abs()


@dataclass(frozen=True, slots=True)
class Kerple(Soft):
    """Distance d costs `weight` · ln(1 + `growth` · d): steep near by, almost flat far away (Chi et al. 2022, arXiv:2205.09921:
    the logarithmic variant, with these numbers given and not learnt)."""

    name: ClassVar[str] = "kerple"
    example: ClassVar[str] = "kerple(1,1)"
    weight: float
    growth: float

    def __post_init__(self) -> None:
        _within(self.name, self.weight, 0)
        _within(self.name, self.growth, 0)

    def added(self, query: Tensor, key: Tensor, heads: int) -> Tensor:
        return -self.weight * torch.log1p(self.growth * (query - key).abs()[None].float())


@dataclass(frozen=True, slots=True)
class Relative(Soft):
    """Distance d, either way, adds the value of its place: the first for a token itself, the second for its neighbours, the last for all
    farther ones (T5's biases, Raffel et al. 2020, section 2.1, with values given by hand and a bucket for each distance)."""

    name: ClassVar[str] = "relative"
    example: ClassVar[str] = "relative(0,2,-1)"
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.values) <= MOST:
            raise Refusal("mask.values", "relative takes 1 to {most} values, as in relative(0,2,-1); got {got}", most=MOST, got=len(self.values))
        for value in self.values:
            _within(self.name, value, -HEAVIEST)

    def numbers(self) -> tuple[float, ...]:
        return self.values

    def added(self, query: Tensor, key: Tensor, heads: int) -> Tensor:
        return torch.tensor(self.values)[(query - key).abs().clamp(max=len(self.values) - 1)][None]


SOFT: dict[str, type[Soft]] = {kind.name: kind for kind in (Alibi, Kerple, Relative)}


@dataclass(frozen=True, slots=True)
class Shaded:
    """A mask and the soft masks laid over what it keeps; most have none. Written `mask + soft + soft`."""

    mask: Mask
    soft: tuple[Soft, ...] = ()

    def __str__(self) -> str:
        return " + ".join(map(str, (self.mask, *self.soft)))

    def sight(self, query: Tensor, key: Tensor, heads: int) -> Sight:
        """What attention meets, for positions (queries, 1) and (1, keys)."""
        allowed = self.mask.allows(query, key).expand(len(query), key.shape[-1])
        if not self.soft:
            return Sight(allowed)
        return Sight(allowed, torch.stack([soft.added(query, key, heads).expand(heads, *allowed.shape) for soft in self.soft]).sum(0).float())


def _written(number: float) -> str:
    return np.format_float_positional(number, trim="-")


def _within(name: str, number: float, low: float) -> None:
    if not (isfinite(number) and low <= number <= HEAVIEST):
        sentence = "{name} takes numbers from {low} to {high}; got {given}"
        raise Refusal("mask.weight", sentence, name=name, low=low, high=HEAVIEST, given=number)
