"""What a number was made from: terms that add up, each a product of factors that are other numbers, weights or constants."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch

from model.analysis.derivation.number import Number
from model.config import Activation
from model.layers.mlp import ACTIVATIONS


@dataclass(frozen=True, slots=True)
class Weight:
    """One number of a parameter, by the name `state_dict` gives it."""

    name: str
    index: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name}[{','.join(map(str, self.index))}]"


Named = Literal[
    "root_width",
    "one_over_root",
    "one_over_root_width",
    "wave",
    "cos",
    "sin",
    "minus_sin",
    "one_over_deviation",
    "one_over_rms",
    "minus_mean",
    "minus_slope",
    "distance",
    "soft",
    "allowed",
    "forbidden",
]


@dataclass(frozen=True, slots=True)
class Constant:
    """A number that the configuration, the position or a whole row decides; `name` says which."""

    name: Named


Source = Number | Weight | Constant


@dataclass(frozen=True, slots=True)
class Factor:
    """One operand: its value and where that comes from. Only a `Number` can be followed further."""

    value: float
    source: Source


@dataclass(frozen=True, slots=True)
class Term:
    """What one operand, or a product of several, contributes."""

    amount: float
    factors: tuple[Factor, ...]


# ---------------------------------------------------------------- from the sum of the terms to the value


@dataclass(frozen=True, slots=True)
class Total:
    """The sum is the value: `operation` says what kind of sum it is."""

    operation: Literal["copy", "lookup", "sum", "dot", "scores", "mix", "norm", "rotation", "mask"]

    def of(self, total: float) -> float:
        """The sum itself."""
        return total


@dataclass(frozen=True, slots=True)
class Share:
    """Softmax: the terms are the exponentials of a row, its `peak` taken off first, and the value is one of them by their sum; 0 where
    the row may look at nothing."""

    own: float
    peak: float
    score: float

    def of(self, total: float) -> float:
        """own ÷ total."""
        return self.own / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Activated:
    """An activation of the sum, and with a `gate` that times another number."""

    name: Activation
    gate: Factor | None = None

    def alone(self, total: float) -> float:
        """The activation without the gate."""
        return float(ACTIVATIONS[self.name](torch.tensor(total, dtype=torch.float64)))

    def of(self, total: float) -> float:
        """f(total), times the gate's other side."""
        return self.alone(total) * (1.0 if self.gate is None else self.gate.value)


Closing = Total | Share | Activated


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a norm knows of its row of `size` numbers; `mean` is `None` where it is not taken off (RMSNorm)."""

    size: int
    mean: float | None
    square: float
    eps: float

    @property
    def factor(self) -> float:
        """1 ÷ √(variance + ε), or ÷ √(mean square + ε)."""
        return 1 / math.sqrt(self.square + self.eps)


@dataclass(frozen=True, slots=True)
class Derivation:
    """How one number came to be: `terms`, the largest first, sum to `total`, and `closing` makes the `value` of that.

    `statistics` are those of the row that a norm reads.
    """

    number: Number
    value: float
    terms: tuple[Term, ...]
    closing: Closing
    statistics: Statistics | None = None

    @property
    def total(self) -> float:
        """The sum of all terms."""
        return math.fsum(term.amount for term in self.terms)

    @property
    def worked(self) -> float:
        """The value as it follows from the terms, in double precision."""
        return self.closing.of(self.total)

    @property
    def operands(self) -> tuple[Factor, ...]:
        """Every operand: the terms' factors, and the other side of a gate."""
        gate = (self.closing.gate,) if isinstance(self.closing, Activated) and self.closing.gate else ()
        return (*(factor for term in self.terms for factor in term.factors), *gate)

    @property
    def sources(self) -> tuple[Number, ...]:
        """The numbers that can be followed, those of the largest terms first."""
        return tuple(factor.source for factor in self.operands if isinstance(factor.source, Number))

    def listed(self, count: int) -> tuple[Term, ...]:
        """The `count` largest terms; of a softmax the one that is shared out is among them, however small."""
        first = self.terms[:count]
        if not isinstance(self.closing, Share):
            return first
        own = next(term for term in self.terms if _at(term) == self.number.index[-1])
        return first if own in first else (*first[:-1], own)

    def rest(self, listed: tuple[Term, ...]) -> float:
        """What all other terms add."""
        left = list(self.terms)
        for term in listed:
            left.remove(term)
        return math.fsum(term.amount for term in left)


def _at(term: Term) -> int:
    source = term.factors[0].source
    return source.index[-1] if isinstance(source, Number) else -1
