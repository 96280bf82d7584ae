"""Chance that keeps its accounts: every choice adds its −log p, so a finished text knows exactly how likely it was."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """A seeded source of choices. `nats` is the −log probability of all choices since it was last set to zero.

    The sum is the entropy of the process only if one text has one derivation; the grammar sees to that.
    """

    def __init__(self, seed: int | str) -> None:
        self.random = random.Random(f"micro-world {seed}")
        self.nats = 0.0

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely."""
        self.nats += math.log(len(options))
        return options[int(self.random.random() * len(options))]

    def weigh(self, options: Sequence[T], weights: Sequence[float]) -> T:
        """One of the options, as likely as its share of the weights; one of weight 0 is never chosen."""
        total = sum(weights)
        left = self.random.random() * total
        for option, weight in zip(options, weights, strict=True):
            left -= weight
            if left < 0:
                self.nats -= math.log(weight / total)
                return option
        option, weight = next((o, w) for o, w in zip(reversed(options), reversed(weights), strict=True) if w > 0)
        self.nats -= math.log(weight / total)
        return option

    def flip(self, probability: float) -> bool:
        """True with this probability."""
        return self.weigh((True, False), (probability, 1 - probability))

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """`count` different options in random order."""
        left = list(options)
        return [left.pop(left.index(self.pick(left))) for _ in range(count)]
