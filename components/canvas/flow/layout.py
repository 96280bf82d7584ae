"""Where everything of the flow stands, from the configuration alone: the whole model, one block, one head.

Each picture is laid out twice, `wide` for a desk or a projector and `tall` for a phone, along the way that the residual stream takes: to
the right, or down. Boxes have the names that places have in a link (`decoder.2.attn.4`, counted from 1); what stands inside another box
lies inside it, and no two neighbours touch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from model.analysis.residual import parts_of
from model.config import Config, GatedMlp, Kind, Parallel, Serial

Shape = Literal["wide", "tall"]
WIDE, HIGH = 1160.0, 330.0
"""The wide pictures' size."""
ACROSS = 330.0
"""The tall ones' width."""
BRIDGE = 12.0
"""What the way from an encoder to the decoder's blocks takes of their upper edge."""
LEAST_HEAD = 9.0
"""Smaller heads have no box of their own: their block is a column of the ribbon."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the picture: its name, what it shows (`kind`), and where it lies. `inside` names the box it is part of."""

    name: str
    kind: str
    x: float
    y: float
    width: float
    height: float
    inside: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture: its size, its boxes in the order the numbers pass through them, and where across its width (or height) the residual
    stream runs, `stream`, at most `bed` thick."""

    shape: Shape
    width: float
    height: float
    stream: float
    bed: float
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A rectangle before it is known which way the stream runs: `a` along it, `c` across it."""

    name: str
    kind: str
    a: float
    c: float
    along: float
    across: float
    inside: str = ""

    def box(self, shape: Shape) -> Box:
        """Where it lies."""
        if shape == "wide":
            return Box(self.name, self.kind, self.a, self.c, self.along, self.across, self.inside)
        return Box(self.name, self.kind, self.c, self.a, self.across, self.along, self.inside)


def pictures(config: Config, tokens: int, source: int = 0) -> dict[str, Picture]:
    """Every picture of a model that reads so many tokens: `model.wide`, and for each stack and attention `block.decoder.tall`,
    `head.cross.wide` …"""
    found = {}
    shapes: tuple[Shape, ...] = ("wide", "tall")
    for shape in shapes:
        found[f"model.{shape}"] = model_picture(config, shape, tokens, source)
        for stack in config.depths:
            found[f"block.{stack}.{shape}"] = block_picture(config, stack, shape)
        found[f"head.{shape}"] = head_picture(shape)
    return found


# ---------------------------------------------------------------- the model


@dataclass(frozen=True, slots=True)
class Lane:
    """The measures of a stream's surroundings, across it; and how much of a block's beginning is its `title`'s,
    and of the `top` the bridge's from another stack."""

    heads: tuple[float, float]
    stream: float
    bed: float
    mlp: tuple[float, float]
    end: float
    title: float = 0.0
    top: float = 0.0


LANES: dict[Shape, Lane] = {
    "wide": Lane(heads=(28, 154), stream=212, bed=64, mlp=(272, 312), end=HIGH),
    "tall": Lane(heads=(22, 132), stream=192, bed=64, mlp=(252, 296), end=ACROSS, title=18.0),
}
ENDS: dict[Shape, dict[str, float]] = {
    "wide": {"tokens": 104, "embed": 34, "norm": 26, "out": 186, "gap": 12},
    "tall": {"tokens": 96, "embed": 42, "norm": 34, "out": 290, "gap": 10},
}


def model_picture(config: Config, shape: Shape, tokens: int, source: int = 0) -> Picture:
    """The whole model, tokens first and probabilities last; two stacks stand one after the other."""
    lane, ends = LANES[shape], ENDS[shape]
    stacks: list[Kind] = list(config.depths)
    if len(stacks) > 1:
        lane = replace(lane, top=BRIDGE, heads=(lane.heads[0] + BRIDGE, lane.heads[1]))
    fixed = sum(_ends(config, stack, ends) for stack in stacks)
    layers = sum(config.depths.values())
    room = (WIDE - fixed) / layers if shape == "wide" else _tall_block(config, layers)
    plans, at = [], 0.0
    for stack in stacks:
        lanes = list(_lane(config, stack, lane, ends, room, at))
        plans += lanes
        at = max(plan.a + plan.along for plan in lanes) + 2 * ends["gap"]
    long = max(plan.a + plan.along for plan in plans)
    size = (WIDE, HIGH) if shape == "wide" else (ACROSS, long)
    return Picture(shape, *size, lane.stream, lane.bed, tuple(plan.box(shape) for plan in plans))


def _tall_block(config: Config, layers: int) -> float:
    """How long a block is where the picture may be as long as it likes."""
    return 154.0 if layers <= 14 else max(16.0, 1_900 / layers)


def _ends(config: Config, stack: Kind, ends: dict[str, float]) -> float:
    """How much room a stack takes that is no block."""
    last = stack == config.main
    parts = ["tokens", "embed", *(["norm"] if config.final_norm else []), *(["out"] if last else [])]
    return sum(ends[part] for part in parts) + ends["gap"] * (len(parts) + (0 if last else 2))


def _lane(config: Config, stack: Kind, lane: Lane, ends: dict[str, float], room: float, at: float) -> Iterator[Plan]:
    """A stack from its tokens to its end."""
    gap = ends["gap"]
    yield Plan(f"{stack}.tokens", "tokens", at, lane.top, ends["tokens"], lane.end - lane.top)
    at += ends["tokens"] + gap
    low, high = lane.stream - lane.bed / 2, lane.stream + lane.bed / 2
    yield Plan(f"{stack}.embed", "embed", at, low - 26, ends["embed"], high - low + 52)
    at += ends["embed"] + gap
    for layer in range(1, config.depths[stack] + 1):
        yield from _block(config, stack, layer, lane, at, room)
        at += room
    if config.final_norm:
        yield Plan(f"{stack}.norm", "norm", at, low - 26, ends["norm"], high - low + 52)
        at += ends["norm"] + gap
    if stack == config.main:
        yield Plan("out", "out", at, 0, ends["out"], lane.end)


def _block(config: Config, stack: Kind, layer: int, lane: Lane, at: float, room: float) -> Iterator[Plan]:
    """One block in the model's picture: its heads on one side of the stream, its MLP on the other."""
    name, gap = f"{stack}.{layer}", min(10.0, room * 0.12)
    wide = room - gap
    yield Plan(name, "block", at, lane.top, wide, lane.end - lane.top)
    if room < 40:
        return
    inner, (low, high) = wide - 10 - lane.title, lane.heads
    branches = branches_of(config, stack)
    share = inner / len(branches)
    for number, branch in enumerate(branches):
        region = (at + 5 + lane.title + number * share, low, share - (4 if len(branches) > 1 else 0), high - low)
        for head, (a, c, side) in enumerate(cells(config.attention.heads, *region), 1):
            yield Plan(f"{name}.{branch}.{head}", "head", a, c, side, side, name)
    low, high = lane.mlp
    yield Plan(f"{name}.mlp", "mlp", at + 5 + lane.title, low, inner, high - low, name)


def branches_of(config: Config, stack: Kind) -> tuple[str, ...]:
    """The attentions of a stack's blocks."""
    return parts_of(config, stack)[:-1]


def cells(count: int, a: float, c: float, along: float, across: float, most: float = 76.0) -> list[tuple[float, float, float]]:
    """`count` squares in a rectangle, as large as fit, in rows along it, as (a, c, side); none where they would be too small to be told
    apart."""
    columns = max(range(1, count + 1), key=lambda columns: (min(along / columns, across / math.ceil(count / columns)), -columns))
    rows = math.ceil(count / columns)
    step = min(along / columns, across / rows, most)
    if step < LEAST_HEAD:
        return []
    side, left, top = step - max(1.0, min(4.0, step * 0.1)), a + (along - step * columns) / 2, c + across - step * rows
    return [(left + step * (at % columns), top + step * (at // columns), side) for at in range(count)]


# ---------------------------------------------------------------- a block


SLICE, SPARE = 16.0, 22.0
STRIP = 30.0


def block_picture(config: Config, stack: Kind, shape: Shape) -> Picture:
    """One block opened: what each branch reads, its heads or its hidden numbers, what it adds, in the order of the configuration."""
    stations = list(_stations(config, stack))
    lengths = _lengths(config, stations, shape)
    plans, at = [], 12.0 if shape == "wide" else 22.0
    for (name, kind), along in zip(stations, lengths, strict=True):
        plans += _station(config, name, kind, at, along, shape)
        at += along + SPARE
    lane = BLOCK_LANES[shape]
    size = (WIDE, HIGH) if shape == "wide" else (ACROSS, at)
    return Picture(shape, *size, lane.stream, lane.bed, tuple(plan.box(shape) for plan in plans))


BLOCK_LANES: dict[Shape, Lane] = {
    "wide": Lane(heads=(38, 192), stream=262, bed=64, mlp=(38, 192), end=HIGH),
    "tall": Lane(heads=(10, 196), stream=264, bed=76, mlp=(10, 196), end=ACROSS),
}


def _stations(config: Config, stack: Kind) -> Iterator[tuple[str, str]]:
    """The parts of a block as the numbers pass through them, each with its kind."""
    yield "before", "slice"
    match config.arrangement:
        case Parallel(norms=norms):
            yield from (("norm1", "strip"), ("attn", "heads"), ("attn.out", "strip"))
            yield from ((("norm2", "strip"),) if norms == 2 else ())
            yield from (("mlp", "hidden"), ("mlp.out", "strip"))
        case Serial(norm_place=place):
            for branch, norm, station in _serial(config, stack):
                first = place == "before"
                yield from (((norm, "strip"),) if first else ())
                yield from ((branch, "hidden" if branch == "mlp" else "heads"), (f"{branch}.out", "strip"))
                yield from (((norm, "norm"),) if not first else ())
                yield from (((station, "slice"),) if station != "after" else ())
    yield "after", "slice"


def _serial(config: Config, stack: Kind) -> Iterator[tuple[str, str, str]]:
    """Each branch of a serial block, the norm that goes with it, and the station of the stream behind it."""
    yield "attn", "norm1", "middle"
    if "cross" in branches_of(config, stack):
        yield "cross", "cross_norm", "crossed"
    yield "mlp", "norm2", "after"


def _lengths(config: Config, stations: Sequence[tuple[str, str]], shape: Shape) -> list[float]:
    """How long each station is: heads as large as is good to see, hidden numbers the rest of a wide picture."""
    low, high = BLOCK_LANES[shape].heads
    rows = min(config.attention.heads, 2 if shape == "tall" or config.attention.heads > 2 else 1)
    side = min(120.0, (high - low) / rows)
    heads = max(110.0, math.ceil(config.attention.heads / rows) * side + 20)
    panels = 3 if isinstance(config.mlp, GatedMlp) else 2
    lengths = {"slice": SLICE, "strip": STRIP, "norm": STRIP, "heads": heads, "hidden": 200.0 * panels}
    if shape == "wide":
        count = sum(kind == "heads" for _, kind in stations)
        room = WIDE - 24 - sum(lengths[kind] for _, kind in stations if kind not in ("heads", "hidden")) - SPARE * (len(stations) - 1)
        lengths["heads"] = min(heads, (room - 90.0 * panels) / count)
        lengths["hidden"] = min(room - lengths["heads"] * count, (high - low) * panels)
        lengths["heads"] = (room - lengths["hidden"]) / count
    return [lengths[kind] for _, kind in stations]


def _station(config: Config, name: str, kind: str, at: float, along: float, shape: Shape) -> Iterator[Plan]:
    lane = BLOCK_LANES[shape]
    low, high = lane.heads
    match kind:
        case "slice" | "norm":
            yield Plan(name, kind, at, lane.stream - lane.bed / 2, along, lane.bed)
        case "strip":
            yield Plan(name, kind, at, low, along, high - low)
        case "heads":
            yield Plan(name, kind, at, low, along, high - low)
            for head, cell in enumerate(cells(config.attention.heads, at, low, along, high - low, most=120.0), 1):
                a, c, side = cell
                yield Plan(f"{name}.{head}", "head", a, c, side, side, name)
        case _:
            yield from _hidden(config, at, along, low, high)


def _hidden(config: Config, at: float, along: float, low: float, high: float) -> Iterator[Plan]:
    """The MLP's hidden numbers before and after the activation; where it is gated, what they multiply between them."""
    names = ["mlp.hidden", *(["mlp.up"] if isinstance(config.mlp, GatedMlp) else []), "mlp.activated"]
    share = (along + 10) / len(names)
    for number, name in enumerate(names):
        yield Plan(name, "hidden", at + number * share, low, share - 10, high - low)


# ---------------------------------------------------------------- a head


ROWS: Sequence[tuple[str, float]] = (("q", 16), ("k", 16), ("v", 16), ("scores", 22), ("pattern", 42), ("mixed", 16), ("written", 26))
"""What a head does for one token, in order, and how high each row is drawn."""
LABELLED = 21.0


def head_picture(shape: Shape) -> Picture:
    """One head opened: seven rows of numbers and its whole map."""
    wide = shape == "wide"
    across, at, boxes = (780.0 if wide else ACROSS), 0.0, []
    stretch = (HIGH - 8 - LABELLED * len(ROWS)) / sum(high for _, high in ROWS) if wide else 1.3
    for name, high in ROWS:
        boxes.append(Box(name, "row", 0, at + LABELLED, across, high * stretch))
        at += LABELLED + high * stretch
    side = HIGH - LABELLED - 8 if wide else ACROSS - LABELLED
    left, top = (WIDE - side, LABELLED) if wide else (LABELLED, at + 2 * LABELLED)
    boxes.append(Box("map", "map", left, top, side, side))
    return Picture(shape, WIDE if wide else ACROSS, HIGH if wide else top + side + 8, 0, 0, tuple(boxes))
