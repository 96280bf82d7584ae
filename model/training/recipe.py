"""A recipe is a value: how a model is trained, refused at birth when it cannot work.

Like a configuration it is made of unions, so no setting is ever without effect, and its declared intervals draw the
editor. `model.config.to_dict` and `from_dict` write and read it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

from model.errors import Refusal
from model.space import Interval

# ---------------------------------------------------------------- optimisers


@dataclass(frozen=True, kw_only=True, slots=True)
class AdamW:
    """Steps of even size whatever the gradient's (Loshchilov & Hutter 2019, arXiv:1711.05101); matrices decay, vectors do not."""

    weight_decay: Annotated[float, Interval(0.0, 0.3, step=0.01)] = 0.01
    beta1: Annotated[float, Interval(0.5, 0.99, step=0.01)] = 0.9
    beta2: Annotated[float, Interval(0.9, 0.999, step=0.001)] = 0.98

    def __post_init__(self) -> None:
        _share("beta1", self.beta1)
        _share("beta2", self.beta2)
        _from_zero("weight_decay", self.weight_decay)


@dataclass(frozen=True, kw_only=True, slots=True)
class SGD:
    """Steps along the gradient, with momentum (Sutskever et al. 2013); matrices decay, vectors do not."""

    weight_decay: Annotated[float, Interval(0.0, 0.1, step=0.001)] = 0.0
    momentum: Annotated[float, Interval(0.0, 0.99, step=0.01)] = 0.9

    def __post_init__(self) -> None:
        _share("momentum", self.momentum)
        _from_zero("weight_decay", self.weight_decay)


Optimiser = AdamW | SGD


# ---------------------------------------------------------------- schedules


@dataclass(frozen=True, kw_only=True, slots=True)
class Constant:
    """The same rate to the end."""

    def height(self, fraction: float) -> float:
        """The rate's share of its peak when `fraction` of the budget is spent."""
        return 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Cosine:
    """Half a cosine from the peak down to `final` of it (Loshchilov & Hutter 2017, arXiv:1608.03983)."""

    final: Annotated[float, Interval(0.0, 0.5, step=0.01)] = 0.02

    def __post_init__(self) -> None:
        _portion("final", self.final)

    def height(self, fraction: float) -> float:
        """The rate's share of its peak when `fraction` of the budget is spent."""
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * fraction)) / 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Trapezoid:
    """Level, then straight down to `final` of the peak over the last `decline` of the budget (Hägele et al. 2024, arXiv:2405.18392)."""

    decline: Annotated[float, Interval(0.05, 1.0, step=0.05)] = 0.7
    final: Annotated[float, Interval(0.0, 0.5, step=0.01)] = 0.02

    def __post_init__(self) -> None:
        _portion("decline", self.decline)
        _portion("final", self.final)

    def height(self, fraction: float) -> float:
        """The rate's share of its peak when `fraction` of the budget is spent."""
        left = 1 - fraction
        return 1.0 if left >= self.decline else self.final + (1 - self.final) * left / self.decline


Schedule = Constant | Cosine | Trapezoid


# ---------------------------------------------------------------- budgets


@dataclass(frozen=True, kw_only=True, slots=True)
class Steps:
    """So many optimiser steps."""

    count: Annotated[int, Interval(10, 10_000, log=True)] = 500

    def __post_init__(self) -> None:
        _whole("count", self.count)

    def spent(self, steps: int, tokens: float, seconds: float) -> float:
        """The share of this budget that so many steps, tokens and seconds use up; 1 or more when nothing is left."""
        return steps / self.count


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """So many predicted tokens, padding not counted."""

    count: Annotated[int, Interval(10_000, 20_000_000, log=True)] = 1_000_000

    def __post_init__(self) -> None:
        _whole("count", self.count)

    def spent(self, steps: int, tokens: float, seconds: float) -> float:
        """The share of this budget that so many steps, tokens and seconds use up; 1 or more when nothing is left."""
        return tokens / self.count


@dataclass(frozen=True, kw_only=True, slots=True)
class Seconds:
    """So many seconds of training; what the reader does between two steps is not counted."""

    length: Annotated[float, Interval(5.0, 300.0, step=5.0)] = 30.0

    def __post_init__(self) -> None:
        _above_zero("length", self.length)

    def spent(self, steps: int, tokens: float, seconds: float) -> float:
        """The share of this budget that so many steps, tokens and seconds use up; 1 or more when nothing is left."""
        return seconds / self.length


Budget = Steps | Tokens | Seconds


# ---------------------------------------------------------------- clipping


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """A gradient longer than `norm` is shortened to it (Pascanu et al. 2013, arXiv:1211.5063)."""

    norm: Annotated[float, Interval(0.1, 10.0, log=True)] = 1.0

    def __post_init__(self) -> None:
        _above_zero("norm", self.norm)


@dataclass(frozen=True, kw_only=True, slots=True)
class NoClipping:
    """Every gradient is taken as it comes."""


Clipping = Clip | NoClipping


# ---------------------------------------------------------------- the whole


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How a model is trained: `batch` rows of `context` tokens a step, the rate rising over `warmup` steps to its peak.

    `precision` is that of the arithmetic inside a step; the weights themselves always stay in float32. `automatic` takes
    bfloat16 where this machine multiplies it faster. `seed` decides which activations dropout drops.
    Raises `Refusal` when the parts do not fit together.
    """

    learning_rate: Annotated[float, Interval(1e-4, 1e-1, log=True)] = 8e-3
    batch: Annotated[int, Interval(1, 64, step=1)] = 8
    context: Annotated[int, Interval(16, 512, step=16)] = 128
    warmup: Annotated[int, Interval(0, 500, step=10)] = 40
    optimiser: Optimiser = field(default_factory=AdamW)
    schedule: Schedule = field(default_factory=Trapezoid)
    budget: Budget = field(default_factory=Seconds)
    clipping: Clipping = field(default_factory=Clip)
    precision: Literal["automatic", "float32", "bfloat16"] = "automatic"
    seed: int = 0

    def __post_init__(self) -> None:
        _above_zero("learning_rate", self.learning_rate)
        _whole("batch", self.batch)
        _whole("context", self.context)
        _from_zero("warmup", self.warmup)
        if isinstance(self.budget, Steps) and self.warmup >= self.budget.count:
            raise Refusal(
                "training.warmup",
                "a warm-up of {warmup} steps never ends in a run of {steps}; warm up over {most} steps at most",
                warmup=self.warmup,
                steps=self.budget.count,
                most=self.budget.count - 1,
            )

    def rate(self, step: int, fraction: float) -> float:
        """The learning rate of step number `step` (from 1), at whose end `fraction` of the budget is spent."""
        rising = min(1.0, step / self.warmup) if self.warmup else 1.0
        return self.learning_rate * rising * self.schedule.height(min(1.0, fraction))


def _whole(name: str, value: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Refusal("training.whole", "{name} is a whole number, 1 or more; got {given}", name=name, given=value)


def _above_zero(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise Refusal("training.above_zero", "{name} is a number above zero; got {given}", name=name, given=value)


def _from_zero(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise Refusal("training.from_zero", "{name} is zero or more; got {given}", name=name, given=value)


def _share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise Refusal("training.share", "{name} is a share from 0 up to, not including, 1; got {given}", name=name, given=value)


def _portion(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise Refusal("training.portion", "{name} is a portion from 0 to 1; got {given}", name=name, given=value)
