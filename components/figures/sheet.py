"""Pictures on which a large thing keeps its proportions: what fills machines' memories, times or counts on one logarithmic rule, and
figures with how they are known. Plain markup, which follows a slider without any script."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from components.i18n import Words

Known = Literal["computed", "measured", "published", "rumoured"]
"""Arithmetic on assumptions; measured on this machine; printed in a paper; said without proof."""

MOST_BOXES = 48
SECOND, MINUTE, HOUR, DAY, YEAR = 1.0, 60.0, 3_600.0, 86_400.0, 365.25 * 86_400
TIMES = {
    "millisecond": 1e-3 * SECOND,
    "second": SECOND,
    "minute": MINUTE,
    "hour": HOUR,
    "day": DAY,
    "month": 30 * DAY,
    "year": YEAR,
    "century": 100 * YEAR,
    "ten_thousand": 1e4 * YEAR,
    "million": 1e6 * YEAR,
    "billion": 1e9 * YEAR,
}
COUNTS = {f"{power}": 10.0**power for power in range(0, 22, 2)}
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


# ---------------------------------------------------------------- numbers too large to write out


def scientific(words: Words, value: float) -> str:
    """A large count as a power of ten: 5.7 × 10²³; below a million it is written out."""
    if value < 1e6:
        return words.number(value, 0)
    mantissa, _, exponent = f"{value:.2e}".partition("e+")
    return f"{words.number(float(mantissa), 2)}\u00a0×\u00a010{str(int(exponent)).translate(_SUPERSCRIPT)}"


def amount(words: Words, value: float) -> str:
    """How many of something, whole where there are many of it, with a decimal or more where there are few."""
    if value < 1:
        return words.number(value)
    return words.count(value) if value >= 10 else words.number(value, 1)


def span(words: Words, seconds: float) -> str:
    """A time from microseconds to the age of mountains: days from two of them on, years from two of them on."""
    if seconds < 5e-4:
        return f"{words.number(1_000 * seconds)}\u00a0ms"
    if seconds < 2 * DAY:
        return words.duration(seconds)
    if seconds < 2 * YEAR:
        return words("paper.time.days", count=words.number(seconds / DAY, 0 if seconds >= 10 * DAY else 1))
    years = seconds / YEAR
    return words("paper.time.years", count=words.count(years) if years >= 1e6 else words.number(years, 1 if years < 10 else 0))


# ---------------------------------------------------------------- how a figure is known


def mark(words: Words, known: Known) -> str:
    """The sign of how a figure is known."""
    return f'<i class="v-known v-{known}">{html.escape(words(f"paper.known.{known}.name"))}</i>'


def kilowatt_hours(words: Words, value: float) -> str:
    """Electricity in the unit that suits it: kWh, MWh or GWh."""
    for size, unit in ((1e6, "GWh"), (1e3, "MWh")):
        if value >= 10 * size:
            return f"{words.number(value / size, 0)}\u00a0{unit}"
    return f"{words.number(value, 0 if value >= 10 else None)}\u00a0kWh"


def tonnes(words: Words, kilograms: float) -> str:
    """A mass: kg, or t from a tonne on."""
    if kilograms < 1_000:
        return f"{words.number(kilograms, 0 if kilograms >= 10 else None)}\u00a0kg"
    return f"{words.number(kilograms / 1_000, 0 if kilograms >= 1e5 else 1)}\u00a0t"


def flops(words: Words, value: float) -> str:
    """FLOPs or FLOP/s with the prefix that suits them: "1.98 G"."""
    power = min(int(math.log10(max(value, 1))) // 3, 6)
    scaled = value / 1_000**power
    digits = 0 if scaled >= 100 or not power else 1 if scaled >= 10 else 2
    return f"{words.number(scaled, digits)}\u00a0{('', 'k', 'M', 'G', 'T', 'P', 'E')[power]}"


def legend(words: Words, shown: Sequence[Known]) -> str:
    """What each sign means."""
    told = "".join(f"<span>{mark(words, known)} {html.escape(words(f'paper.known.{known}.help'))}</span>" for known in shown)
    return f'<p class="v-signs">{told}</p>'


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as it is written, what it is, and a line more where one is needed."""

    value: str
    name: str
    more: str = ""


def cards(words: Words, figures: Sequence[Figure], known: Known = "computed") -> str:
    """Figures beside one another, the number first; all of them known in one way."""
    return f'<div class="v-plate v-cards"><div>{"".join(map(_card, figures))}</div>{mark(words, known)}</div>'


def _card(figure: Figure) -> str:
    more = f"<small>{html.escape(figure.more)}</small>" if figure.more else ""
    return f"<p><b>{html.escape(figure.value)}</b><span>{html.escape(figure.name)}</span>{more}</p>"


# ---------------------------------------------------------------- memory


@dataclass(frozen=True, slots=True)
class Slice:
    """A share of a load: its name, its colour, its bytes."""

    name: str
    colour: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Pile:
    """Bytes laid into machines of `memory` bytes each, of which `room` may be filled."""

    slices: tuple[Slice, ...]
    memory: float
    room: float

    @property
    def total(self) -> int:
        """All the bytes."""
        return sum(part.bytes for part in self.slices)

    @property
    def machines(self) -> int:
        """How many machines it fills, the last one in part."""
        return math.ceil(self.total / self.room)


def grouped(machines: int) -> int:
    """How many machines one box stands for, so that no picture has more than `MOST_BOXES`: 1, or a power of eight."""
    each = 1
    while machines > MOST_BOXES * each:
        each *= 8
    return each


def boxes(words: Words, pile: Pile, each: int, most: int) -> str:
    """The machines side by side, filled from the left; a box stands for `each` of them, and `most` boxes are the longest row of the picture."""
    count = math.ceil(pile.machines / each)
    size = "large" if most <= 4 else "middle" if most <= 16 else "small"
    filled = "".join(_box(pile, number, each) for number in range(count))
    label = html.escape(", ".join(f"{part.name} {words.bytes(part.bytes)}" for part in pile.slices))
    return f'<div class="v-boxes v-boxes-{size}" role="img" aria-label="{label}">{filled}</div>'


def _box(pile: Pile, number: int, each: int) -> str:
    """One box: what of each slice lies in it, then what must stay free."""
    low, high = number * each * pile.room, (number + 1) * each * pile.room
    at, layers = 0.0, ""
    for part in pile.slices:
        inside = min(at + part.bytes, high) - max(at, low)
        at += part.bytes
        if inside > 0:
            layers += f'<i style="width:{inside / (each * pile.memory):.3%};background:{part.colour}" title="{html.escape(part.name)}"></i>'
    return f'<span>{layers}<em style="width:{1 - pile.room / pile.memory:.1%}"></em></span>'


def slices(words: Words, piles: Sequence[Pile]) -> str:
    """Which colour is what, and how many bytes in each pile."""
    named: dict[str, list[Slice]] = {}
    for part in (part for pile in piles for part in pile.slices):
        named.setdefault(part.name, []).append(part)
    return f'<p class="v-keys">{"".join(_slice(words, name, parts) for name, parts in named.items())}</p>'


def _slice(words: Words, name: str, parts: Sequence[Slice]) -> str:
    sizes = " · ".join(words.bytes(part.bytes) for part in parts)
    return f'<span><i style="background:{parts[0].colour}"></i>{html.escape(name)} {sizes}</span>'


# ---------------------------------------------------------------- a logarithmic rule


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time or a count: what has it, how it is written, and how it is known."""

    name: str
    value: float
    said: str
    colour: str
    known: tuple[Known, ...] = ("computed",)


def rule(words: Words, stretches: Sequence[Stretch], ticks: Mapping[str, float], reach: tuple[float, float]) -> str:
    """Bars from a common start on a logarithmic rule; `ticks` are values that people know, by the names of their words."""
    low, high = reach
    bars = "".join(_bar(words, stretch, low, high) for stretch in stretches)
    inside = [(_share(value, low, high), name) for name, value in ticks.items() if low * 1.01 < value < high * 0.99]
    told = "".join(f'<span style="left:{share:.2%}">{html.escape(words(f"paper.ticks.{name}"))}</span>' for share, name in inside)
    lines = "".join(f'<u style="left:{share:.2%}"></u>' for share, _ in inside)
    return f'<div class="v-rule"><div class="v-spans">{lines}{bars}</div><p class="v-ticks">{told}</p></div>'


def _bar(words: Words, stretch: Stretch, low: float, high: float) -> str:
    signs = " ".join(mark(words, known) for known in stretch.known)
    width = _share(stretch.value, low, high)
    return (
        f"<p><b>{html.escape(stretch.said)}</b> {html.escape(stretch.name)} {signs}"
        f'<i class="v-length" style="width:{width:.2%};background:{stretch.colour}"></i></p>'
    )


def reach(stretches: Sequence[Stretch], ticks: Mapping[str, float]) -> tuple[float, float]:
    """Where a rule starts and ends that has room for all of these: at ticks around them."""
    values, marks = [stretch.value for stretch in stretches], sorted(ticks.values())
    low = max((mark for mark in marks if mark < min(values)), default=min(values) / 10)
    high = min((mark for mark in marks if mark > max(values)), default=max(values) * 10)
    return low, high


def _share(value: float, low: float, high: float) -> float:
    return min(max(math.log(value / low) / math.log(high / low), 0.0), 1.0)
