"""The loss curve: what one or two runs have reached, against what nobody can go below; beside it, what they wrote on the way.

`chart` lays a picture out (pure, tested), `pack` makes it bytes, `losscurve` mounts `view.js`, which only draws. Nothing comes back.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from streamlit.components.v2 import component

from components.canvas import plate
from components.theme import PAIR

HERE = Path(__file__).parent

Format = Callable[[float], str]


# ---------------------------------------------------------------- what is drawn


@dataclass(frozen=True, slots=True)
class Line:
    """A run: its name, and points `(n,)` in the order they came. `y` is smoothed for the eye, `raw` is what each point measured."""

    name: str
    x: np.ndarray
    y: np.ndarray
    raw: np.ndarray
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """What run `line` wrote when it stood at `x`: `opening` was given to it, `text` is its own."""

    line: int
    x: float
    when: str
    reached: str
    opening: str
    text: str


@dataclass(frozen=True, slots=True)
class Level:
    """A height known before any training: the floor, or what guessing costs."""

    name: str
    y: float
    floor: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """A range, whether it is logarithmic, and its ticks: where each stands and what is written there."""

    title: str
    low: float
    high: float
    log: bool
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """The whole picture. `right` measures the same heights as `left`, as a multiple of the floor; it is bare where there is none."""

    revision: str
    label: str
    empty: str
    x: Axis
    left: Axis
    right: Axis
    lines: tuple[Line, ...]
    levels: tuple[Level, ...]
    passages: tuple[Passage, ...]
    log_title: str
    language: str


# ---------------------------------------------------------------- laying it out


def smooth(values: np.ndarray, share: float = 0.025) -> np.ndarray:
    """The mean of each point and its neighbours within `share` of the curve, `(n,)` → `(n,)`; it lags behind no descent."""
    reach = int(len(values) * share)
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    where = np.arange(len(values))
    reach_here = np.minimum(reach, where)
    left, right = where - reach_here, np.minimum(where + reach_here, len(values) - 1)
    return ((sums[right + 1] - sums[left]) / (right + 1 - left)).astype(np.float32)


def round_up(value: float) -> float:
    """The next of 1, 1.5, 2, 3, 4, 5, 6, 8, 10 × a power of ten: an axis that ends there moves seldom."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= value * (1 - 1e-9))


def even_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, evenly apart, `about` so many."""
    step = 10.0 ** math.floor(math.log10((high - low) / about))
    step *= next(m for m in (1, 2, 2.5, 5, 10) if (high - low) / (m * step) <= about + 1)
    return [step * n for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 1.5, 2, 3, 4, 5, 7 × powers of ten from `low` to `high`; only 1, 2, 5 where the range is wide."""
    steps = (1, 1.5, 2, 3, 4, 5, 7) if high / low < 15 else (1, 2, 5)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**power for power in powers for step in steps if low * (1 - 1e-9) <= step * 10.0**power <= high * (1 + 1e-9)]


def axis(title: str, low: float, high: float, say: Format, log: bool = False, unit: float = 1.0) -> Axis:
    """An axis from `low` to `high`, its ticks at round multiples of `unit`."""
    places = log_ticks(low / unit, high / unit) if log else even_ticks(low / unit, high / unit)
    return Axis(title, low, high, log, tuple((place * unit, say(place)) for place in places))


def heights(levels: Sequence[Level], lines: Sequence[Line], log: bool) -> tuple[float, float]:
    """The range of losses to show: from a little below the floor, or the lowest loss, to a little above guessing, more only for a run
    that blew up, and less only for one that went below the floor."""
    guess = max(level.y for level in levels)
    known = [level.y for level in levels if level.floor and level.y > 0]
    reached = [max(float(line.y.min()), guess / 1_000) for line in lines if line.y.size]
    floor = min([*known, *reached], default=guess / 10)
    worst = max((float(line.y.max()) for line in lines if line.y.size), default=guess)
    top = min(max(guess * 1.12, worst * 1.05), guess * 4)
    return (floor * 0.86, top) if log else (0.0, top)


# ---------------------------------------------------------------- bytes


def pack(chart: Chart) -> bytes:
    """An envelope of plate.js: all but the points as its header, then x, y and raw of each line as float32."""
    header = {field.name: plate.plain(getattr(chart, field.name)) for field in dataclasses.fields(chart) if field.name != "lines"}
    header |= {"colours": PAIR, "lines": [{"name": line.name, "tip": line.tip, "count": len(line.x)} for line in chart.lines]}
    numbers = [np.asarray(column, "<f4") for line in chart.lines for column in (line.x, line.y, line.raw)]
    return plate.envelope(header, plate.squeeze(numbers))


_view = component("vitrine.losscurve", html='<div class="losscurve"></div>', js=plate.script(HERE), css=plate.style(HERE, "plate.css"))


def losscurve(key: str, chart: Chart) -> None:
    """Draw the chart; called again with new numbers, it repaints in place."""
    _view(key=key, data=pack(chart))
