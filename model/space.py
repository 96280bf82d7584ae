"""What is worth trying: the range a setting is offered in. What is *legal* is the configuration's own affair.

A declaration such as `heads: Annotated[int, Interval(1, 16)]` feeds the widget, the sweep and the tests alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from model.errors import Refusal


@dataclass(frozen=True, slots=True)
class Interval:
    """Numbers from `low` to `high`, both included, in steps of `step` (or evenly in the logarithm)."""

    low: float
    high: float
    step: float | None = None
    log: bool = False

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise Refusal("space.order", "an interval runs from low to high, got low={low}, high={high}", low=self.low, high=self.high)
        if self.log and self.low <= 0:
            raise Refusal("space.log", "a logarithmic interval starts above zero, got low={low}", low=self.low)

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few named options."""

    options: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.options:
            raise Refusal("space.empty", "a choice needs at least one option, got none")

    def __contains__(self, value: object) -> bool:
        return value in self.options


@dataclass(frozen=True, slots=True)
class Parts:
    """One of several dataclasses: the alternatives of a union, each with settings of its own."""

    options: tuple[type, ...]


Space = Interval | Choice | Parts


@dataclass(frozen=True, slots=True)
class Setting:
    """One declared setting: its field name, its type and the space it is offered in."""

    name: str
    kind: type
    space: Space


def settings(cls: type) -> Iterator[Setting]:
    """The declared settings of a configuration dataclass, in the order they are written."""
    hints = get_type_hints(cls, include_extras=True)
    for field in dataclasses.fields(cls):
        space = space_of(hints[field.name])
        if space is not None:
            yield Setting(field.name, _plain(hints[field.name]), space)


def space_of(hint: Any) -> Space | None:
    """The space a type hint declares: its annotation, a literal's options, a union's parts; `None` if it declares none."""
    for extra in getattr(hint, "__metadata__", ()):
        if isinstance(extra, Interval | Choice):
            return extra
    hint = _plain(hint)
    if get_origin(hint) is Literal:
        return Choice(get_args(hint))
    if hint is bool:
        return Choice((False, True))
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return Parts(options) if all(dataclasses.is_dataclass(option) for option in options) else None


def _plain(hint: Any) -> Any:
    return get_args(hint)[0] if hasattr(hint, "__metadata__") else hint
