"""Small pictures that are true: heads counted one by one, a mask as the machine builds it, slopes, waves and buckets as they are
computed, an MLP as wide as its numbers say."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from components.canvas.blueprint.pen import Box, Mark, Stroke, Tone, arc, bars, circle, column, frame, polyline, row, trapezium
from model.config import Alibi, Config, GatedMlp, Learned, Relative, Rotary, Sinusoidal, Sliding
from model.layers.masks import Bidirectional, Causal, Mask, Window
from model.layers.positions import alibi_slopes, bucket

CELLS = 10  # a side of the mask's picture
NARROWEST = 2.2  # units from head to head; closer together they take another row
WIDEST = 64  # units the residual stream is drawn wide beside an MLP, at most
STEEP = 8  # lines of ALiBi, at most
ROOM = 24  # units an MLP's picture leaves free beside it
GAP = 22  # units between an MLP and its gate


# ---------------------------------------------------------------- heads


def rows_of(heads: int, kv_heads: int, width: float) -> int:
    """In how many rows heads are drawn so that they can be counted; no key/value head is cut in two."""
    possible = [rows for rows in range(1, 5) if kv_heads % rows == 0]
    return next((rows for rows in possible if width * rows / heads >= NARROWEST), possible[-1])


def heads(box: Box, count: int, kv_count: int) -> tuple[Mark, ...]:
    """A bar for each query head, and below it, as wide as the query heads that share it, its key/value head: keys, then values."""
    rows = rows_of(count, kv_count, box.w)
    high = (box.h - 5 * (rows - 1)) / rows
    asking, answering = [], []
    for place in (Box(box.x, box.y + at * (high + 5), box.w, high) for at in range(rows)):
        below = Box(place.x, place.y + 0.56 * high, place.w, 0.44 * high)
        asking += row(Box(place.x, place.y, place.w, 0.5 * high), count // rows)
        answering += _answering(below, count // rows, kv_count // rows)
    return Stroke(bars(asking), "solid"), Stroke(bars(answering), "half")


def _answering(box: Box, count: int, kv_count: int) -> list[Box]:
    """Keys above values; the gap on the right is the one that the query heads above have."""
    free = 0.28 * box.w / count
    wide = [Box(bar.x, bar.y, box.w / kv_count - free, bar.h) for bar in row(box, kv_count, 1)]
    return [Box(bar.x, at, bar.w, 0.42 * bar.h) for bar in wide for at in (bar.y, bar.y + 0.54 * bar.h)]


# ---------------------------------------------------------------- masks


def pattern(config: Config, kind: str) -> Mask:
    """The mask of a stack as the machine builds it, its window in proportion to the picture."""
    base = Causal() if kind == "causal" else Bidirectional()
    match config.attention.reach:
        case Sliding(window=window) if kind != "cross":
            return base & Window(min(CELLS, max(2, round(CELLS * window / config.context))))
        case _:
            return base


def mask(box: Box, config: Config, kind: str) -> tuple[Mark, ...]:
    """Queries in rows, keys in columns: a bar for every cell that may look."""
    allowed = pattern(config, kind).build(CELLS)
    lines = [row(line, CELLS, 0.8) for line in column(box, CELLS, 0.8)]
    lit = [cell for cells, line in zip(lines, allowed.tolist(), strict=True) for cell, may in zip(cells, line, strict=True) if may]
    return Stroke(frame(Box(box.x - 2, box.y - 2, box.w + 4, box.h + 4), 3), "quiet"), Stroke(bars(lit), "solid")


# ---------------------------------------------------------------- positions


def position(box: Box, config: Config, *, both_ways: bool = False) -> tuple[Mark, ...]:
    """How positions are told, in a box; distances run to one side or to both."""
    match config.positions:
        case Learned():
            return (Stroke(bars(cell for line in column(box, 4, 0.7) for cell in row(line, 6, 0.7)), "half"),)
        case Sinusoidal():
            return _waves(box)
        case Rotary() as rotary:
            return _turns(box, rotary)
        case Alibi():
            return _slopes(box, alibi_slopes(config.attention.heads))
        case Relative() as relative:
            return _buckets(box, relative, both_ways=both_ways)
        case _:
            return (Stroke(polyline([(box.x, box.middle), (box.right, box.middle)]), "ghost"),)


def _waves(box: Box) -> tuple[Mark, ...]:
    """Three of the sines, each a third as fast as the one above it."""
    steps = [at / 40 for at in range(41)]
    curves = [[(box.x + box.w * at, line.middle - 0.42 * line.h * math.sin(6 * math.pi * at / 3**n)) for at in steps] for n, line in _lines(box, 3)]
    return tuple(Stroke(polyline(curve), "line") for curve in curves)


def _lines(box: Box, count: int) -> list[tuple[int, Box]]:
    return list(enumerate(column(box, count, 1)))


def _turns(box: Box, rotary: Rotary) -> tuple[Mark, ...]:
    """A dial with the hands of four positions, one after the other; its rim is drawn as far as a head's numbers are turned."""
    x, y, radius = box.centre, box.middle, min(box.w, box.h) / 2
    tips = [(x + 0.78 * radius * math.sin(angle), y - 0.78 * radius * math.cos(angle)) for angle in (0.2, 1.0, 1.8, 2.6)]
    hands = "".join(polyline([(x, y), tip]) for tip in tips)
    return Stroke(circle(x, y, radius), "quiet"), Stroke(arc(x, y, radius, rotary.fraction), "line"), Stroke(hands, "line")


def _slopes(box: Box, slopes: Sequence[float]) -> tuple[Mark, ...]:
    """What each head takes off by distance, the present at the right: a line a head, at most eight of them."""
    some = slopes[:: max(1, len(slopes) // STEEP)]
    ends = [(box.x + box.w * max(0.0, 1 - 1 / (12 * slope)), box.y + box.h * min(1.0, 12 * slope)) for slope in some]
    return (Stroke("".join(polyline([(box.right, box.y), end]) for end in ends), "line"),)


def _buckets(box: Box, relative: Relative, *, both_ways: bool) -> tuple[Mark, ...]:
    """Where one bucket of distances ends and the next begins, from the token's own place to the reach."""
    distance = torch.arange(-relative.reach, relative.reach + 1 if both_ways else 1)
    number = bucket(distance, relative, both_ways)
    edges = [at for at in range(1, len(number)) if number[at] != number[at - 1]]
    ticks = [Box(box.x + box.w * at / len(number), box.y + 0.1 * box.h, 0.9, 0.8 * box.h) for at in edges]
    return Stroke(bars(ticks), "half"), Stroke(polyline([(box.x, box.bottom), (box.right, box.bottom)]), "line")


# ---------------------------------------------------------------- the MLP


def unit(config: Config, room: float) -> float:
    """How wide the residual stream can be drawn if the MLP beside it is to have room."""
    ratio = config.mlp.hidden / config.width
    free = room - ROOM
    return min(WIDEST, (free - GAP) / (2 * ratio) if isinstance(config.mlp, GatedMlp) else free / ratio, free)


def mlp(box: Box, config: Config, wide: float) -> tuple[Mark, ...]:
    """Up, bend, down, as wide as their numbers; a gate stands beside what it multiplies."""
    hidden, half = wide * config.mlp.hidden / config.width, box.middle
    gated = isinstance(config.mlp, GatedMlp)
    centres = [box.centre - (hidden + GAP) / 2, box.centre + (hidden + GAP) / 2] if gated else [box.centre]
    ups = "".join(trapezium(centre, box.y, half - 4, wide, hidden) for centre in centres)
    bend = Stroke(bars([Box(centres[-1] - hidden / 2, half - 3, hidden, 5)]), "solid")
    tone: Tone = "fill"
    marks = [Stroke(ups, tone), bend, Stroke(trapezium(box.centre, half + 3, box.bottom, hidden, wide), tone)]
    if gated:
        marks.append(Stroke(bars([Box(centres[0] - hidden / 2, half - 3, hidden, 5)]), "half"))
    return tuple(marks)
