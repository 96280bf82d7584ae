"""Lines: every shape of the drawing as an SVG path, in the drawing's own units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Tone = Literal["fill", "solid", "half", "line", "quiet", "ghost"]
"""How a path is drawn: a tint with an outline, the full colour, half of it, a line, a quiet line, a dashed one."""
Role = Literal["name", "figure", "small", "sign"]
Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle: its corner at the top left, its width and height."""

    x: float
    y: float
    w: float
    h: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.w

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.h

    @property
    def centre(self) -> float:
        """Half way across."""
        return self.x + self.w / 2

    @property
    def middle(self) -> float:
        """Half way down."""
        return self.y + self.h / 2

    def inside(self, other: Box, slack: float = 0.5) -> bool:
        """Whether it lies within another."""
        across = other.x - slack <= self.x and self.right <= other.right + slack
        return across and other.y - slack <= self.y and self.bottom <= other.bottom + slack


@dataclass(frozen=True, slots=True)
class Stroke:
    """A path and how it is drawn."""

    d: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class Label:
    """Words at a point of their baseline; `turned` ones read upwards."""

    x: float
    y: float
    text: str
    role: Role = "figure"
    anchor: Anchor = "start"
    turned: bool = False


Mark = Stroke | Label


def frame(box: Box, radius: float = 6) -> str:
    """A rectangle with round corners."""
    r = min(radius, box.w / 2, box.h / 2)
    across, down, turn = f"h{box.w - 2 * r:g}", f"v{box.h - 2 * r:g}", f"a{r:g} {r:g} 0 0 1"
    back, up = f"h{2 * r - box.w:g}", f"v{2 * r - box.h:g}"
    return f"M{box.x + r:g} {box.y:g}{across}{turn} {r:g} {r:g}{down}{turn} {-r:g} {r:g}{back}{turn} {-r:g} {-r:g}{up}{turn} {r:g} {-r:g}z"


def bars(boxes: Iterable[Box]) -> str:
    """Plain rectangles, all in one path."""
    return "".join(f"M{box.x:.4g} {box.y:.4g}h{box.w:.4g}v{box.h:.4g}h{-box.w:.4g}z" for box in boxes)


def row(box: Box, count: int, share: float = 0.72) -> list[Box]:
    """`count` equal bars side by side in a box, each filling this share of its place."""
    pitch = box.w / count
    return [Box(box.x + pitch * at, box.y, max(pitch * share, 0.4), box.h) for at in range(count)]


def column(box: Box, count: int, share: float = 0.62) -> list[Box]:
    """`count` equal bars one below the other."""
    pitch = box.h / count
    return [Box(box.x, box.y + pitch * at, box.w, max(pitch * share, 0.4)) for at in range(count)]


def run(*points: Point, radius: float = 7) -> str:
    """A line through points, its corners rounded."""
    path = f"M{points[0][0]:g} {points[0][1]:g}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        r = min(radius, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        (x0, y0), (x1, y1) = _towards(corner, before, r), _towards(corner, after, r)
        path += f"L{x0:g} {y0:g}Q{corner[0]:g} {corner[1]:g} {x1:g} {y1:g}"
    return f"{path}L{points[-1][0]:g} {points[-1][1]:g}"


def _towards(start: Point, end: Point, distance: float) -> Point:
    whole = math.dist(start, end) or 1
    return start[0] + (end[0] - start[0]) * distance / whole, start[1] + (end[1] - start[1]) * distance / whole


def polyline(points: Sequence[Point]) -> str:
    """A line through points as they are."""
    return "M" + "L".join(f"{x:.4g} {y:.4g}" for x, y in points)


def trapezium(centre: float, top: float, bottom: float, above: float, below: float) -> str:
    """A shape as wide as `above` at its top and as `below` at its bottom."""
    left, right = (centre - above / 2, top), (centre + above / 2, top)
    return polyline([left, right, (centre + below / 2, bottom), (centre - below / 2, bottom)]) + "z"


def circle(x: float, y: float, radius: float) -> str:
    """A whole circle."""
    return f"M{x - radius:g} {y:g}a{radius:g} {radius:g} 0 1 1 {2 * radius:g} 0a{radius:g} {radius:g} 0 1 1 {-2 * radius:g} 0z"


def arc(x: float, y: float, radius: float, share: float) -> str:
    """So much of a circle, clockwise from the top."""
    if share >= 1:
        return circle(x, y, radius)
    across, up = radius * math.sin(2 * math.pi * share), radius * math.cos(2 * math.pi * share)
    return f"M{x:g} {y - radius:g}A{radius:g} {radius:g} 0 {int(share > 0.5)} 1 {x + across:.5g} {y - up:.5g}"


def cross(x: float, y: float, arm: float, *, turned: bool = False) -> str:
    """A plus, or turned a times sign."""
    if turned:
        a = arm * math.sqrt(0.5)
        return f"M{x - a:g} {y - a:g}l{2 * a:g} {2 * a:g}M{x - a:g} {y + a:g}l{2 * a:g} {-2 * a:g}"
    return f"M{x - arm:g} {y:g}h{2 * arm:g}M{x:g} {y - arm:g}v{2 * arm:g}"
