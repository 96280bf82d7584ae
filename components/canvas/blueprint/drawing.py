"""Where everything stands: one configuration laid out from the text at the top to the scores at the bottom, in units of about a pixel.

The residual stream is one line from the embedding to the output. A branch leaves it at a dot and returns at a plus; a norm
stands where it stands in the arithmetic, on a branch or on the stream itself. The first block of a stack is opened, the
others follow as closed ones, counted. An encoder–decoder has two columns, one above the other where the page is `narrow`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from components.canvas.blueprint import glyphs
from components.canvas.blueprint.anatomy import Part, State, anatomy, place
from components.canvas.blueprint.pen import Box, Label, Mark, Point, Stroke, bars, circle, column, cross, frame, row, run, trapezium
from components.canvas.blueprint.sheet import STREAM, Column, sheet
from components.i18n import Words
from model.config import (
    Config,
    Encoder,
    EncoderDecoder,
    Fixed,
    GatedMlp,
    Parallel,
    RMSNorm,
    Serial,
    Sliding,
    Tied,
)

ATTENTION, MLP = 192.0, 130.0  # how high the panels are
PILL = 116.0
Flow = Literal["stream", "branch", "memory", "tie"]


@dataclass(frozen=True, slots=True)
class Placed:
    """A part where it stands: what the reader can point at, and its picture."""

    part: Part
    box: Box
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Wire:
    """What flows from part to part."""

    d: str
    flow: Flow


@dataclass(frozen=True, slots=True)
class Sum:
    """A plus on the stream: so many branches of a block return there, or something is added to the input (0)."""

    x: float
    y: float
    branches: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """The whole picture inside `box`; `grounds` lie under everything, words among them; `knots`, where wires meet, over the wires."""

    box: Box
    placed: tuple[Placed, ...]
    wires: tuple[Wire, ...]
    sums: tuple[Sum, ...]
    grounds: tuple[Mark, ...]
    knots: tuple[Mark, ...]


def draw(config: Config, words: Words, states: Mapping[str, State], unit: float, *, narrow: bool = False) -> Drawing:
    """Lay a configuration out. `states` names the parts to draw; `unit` is the residual stream's width beside the MLP."""
    return _Draughtsman(config, words, states, unit, narrow).drawing()


class _Draughtsman:
    """Draws from top to bottom; each method is given a height and returns the one at which it ended."""

    def __init__(self, config: Config, words: Words, states: Mapping[str, State], unit: float, narrow: bool) -> None:
        self.config, self.words, self.unit = config, words, unit
        self.parts = {part.name: part for part in anatomy(config) if part.name in states}
        self.two = isinstance(config.form, EncoderDecoder)
        self.sheet, self.narrow = sheet(config, narrow=narrow), narrow
        self.wide = self.sheet.wide
        self.placed: list[Placed] = []
        self.wires: list[Wire] = []
        self.sums: list[Sum] = []
        self.grounds: list[Mark] = []
        self.knots: list[Mark] = []

    # ------------------------------------------------------------ what methods below are made of

    def put(self, name: str, box: Box, *marks: Mark) -> None:
        """Place a part, if it is one of those to be drawn; a missing one shows its outline and says so."""
        if name not in self.parts:
            return
        part = self.parts[name]
        if not part.present:
            said = self.words(f"blueprint.without.{part.kind}")
            marks = (Stroke(frame(box), "ghost"), Label(box.centre, box.middle + 4.5, said, "small", "middle"))
        self.placed.append(Placed(part, box, marks))

    def wire(self, *points: Point, flow: Flow = "branch") -> None:
        self.wires.append(Wire(run(*points), flow))

    def say(self, key: str, **values: int | str) -> str:
        """Words of the drawing, numbers in them as the language writes them."""
        written = {name: value if isinstance(value, str) else self.words.number(value, 0) for name, value in values.items()}
        return self.words(f"blueprint.{key}", **written)

    def norm(self) -> str:
        return "RMSNorm" if isinstance(self.config.norm, RMSNorm) else "LayerNorm"

    # ------------------------------------------------------------ the whole

    def drawing(self) -> Drawing:
        columns = self.sheet.columns()
        y = self.input(0, self.sheet.entrances())
        top, ends = y, []
        for stack, at in columns.items():
            if stack == "main" and self.sheet.stacked:
                y = max(ends) + 40
                self.wire((self.sheet.aisle, top), (self.sheet.aisle, y - 14), (at.stream, y - 14), (at.stream, y), flow="stream")
            ends.append(self.stack("source." if stack == "source" else "", at, y if self.sheet.stacked else top))
        height = max(self.output(ends[-1], columns["main"]), *ends)
        self.put("training", Box(0, height + 6, self.wide, 24), Label(self.wide / 2, height + 22, self.born(), "small", "middle"))
        whole = Box(-self.sheet.margin, -4, self.wide + 2 * self.sheet.margin, height + 38)
        return Drawing(whole, tuple(self.placed), tuple(self.wires), tuple(self.sums), tuple(self.grounds), tuple(self.knots))

    def born(self) -> str:
        initial = self.config.initialisation
        how = self.say("born.fixed", deviation=self.words.number(initial.deviation)) if isinstance(initial, Fixed) else self.say("born.fan")
        return self.say("training", dropout=self.words.percent(self.config.dropout), born=how)

    # ------------------------------------------------------------ from the text to the stream

    def input(self, y: float, streams: Sequence[float]) -> float:
        """Text, token table, and what is added before the first block."""
        self.text(Box(0, y, self.wide, 26), streams)
        for x in streams:
            self.wire((x, y + 24), (x, y + 38))
        y = self.token(Box(4, y + 38, self.wide - 8 + (18 if self.sheet.stacked else 0), 46))
        start, after = y, getattr(self.config.embedding.room, "positions", "before") == "after"
        steps = [self.widen, self.added, self.settled] if after else [self.added, self.settled, self.widen]
        for step in steps:
            y = step(y, streams)
        for x in streams:
            self.wires.insert(0, Wire(run((x, start), (x, y)), "stream"))
        return y

    def text(self, box: Box, streams: Sequence[float]) -> None:
        """A few tokens above each stream, and what they are."""
        marks: list[Mark] = []
        long, alone = (86, False) if self.sheet.stacked else (130, len(streams) == 1)
        for number, x in enumerate(streams):
            left = box.right - long - 4 if number else x - 66 if x == box.centre else box.x + 4
            chips = row(Box(left, box.y + 5, long, 16), long // 21, 0.84)
            marks += [Stroke("".join(frame(chip, 3) for chip in chips), "line")]
            said = self.say(f"text.{'alone' if alone else ('source', 'target')[number]}", context=self.config.context)
            marks.append(Label(left - 8 if number else left + long + 6, box.y + 18, said, "small", "end" if number else "start"))
        self.put("text", box, *marks)

    def token(self, box: Box) -> float:
        config = self.config
        table = bars(cell for line in column(Box(box.x + 12, box.y + 9, 60, 30), 5, 0.7) for cell in row(line, 9, 0.74))
        figure = self.say("shape", rows=config.vocabulary, columns=config.token_width)
        scaled = self.say("token.scaled", width=config.width) if config.embedding.scaled else ""
        marks = (Stroke(frame(box), "fill"), Stroke(table, "half"), Label(box.x + 86, box.y + 20, self.say("part.token"), "name"))
        self.put("token", box, *marks, Label(box.x + 86, box.y + 38, " ".join(filter(None, (figure, scaled))), "figure"))
        return box.bottom

    def added(self, y: float, streams: Sequence[float]) -> float:
        """Vectors added to the token's: its position's, its segment's."""
        for name in ("positions", "segments"):
            if name not in self.parts or (name == "positions" and place(self.config) not in ("sum", "nowhere")):
                continue
            y += 8
            box = self.between(streams, y, 32)
            glyph = glyphs.position(Box(box.x + 10, box.y + 7, 40, 18), self.config) if name == "positions" else self.segments(box)
            said = self.entering() if name == "positions" else self.say("segments", count=self.config.embedding.segments)
            self.put(name, box, Stroke(frame(box), "fill"), *glyph, Label(box.x + 62, box.middle + 5, said, "name"))
            if self.parts[name].present:
                self.join(streams, box)
            y = box.bottom
        return y

    def between(self, streams: Sequence[float], y: float, h: float) -> Box:
        """The room beside the one stream, or between two."""
        left = streams[0] + 40
        right = min(streams[1] - 30, self.wide - 8) if len(streams) > 1 else self.wide - 12
        return Box(left, y, right - left, h)

    def segments(self, box: Box) -> tuple[Mark, ...]:
        return (Stroke(bars(row(Box(box.x + 10, box.y + 11, 40, 10), max(1, self.config.embedding.segments), 0.86)), "half"),)

    def entering(self) -> str:
        """What the positions are called."""
        return self.say(f"positions.{type(self.config.positions).__name__}")

    def join(self, streams: Sequence[float], box: Box) -> None:
        for x in streams:
            self.wire((box.x if x < box.x else box.right, box.middle), (x, box.middle))
            self.sums.append(Sum(x, box.middle, 0))

    def settled(self, y: float, streams: Sequence[float]) -> float:
        """The norm of the sum."""
        if "embed_norm" not in self.parts:
            return y
        pills = [Box(x - 16 if x < self.wide / 2 or len(streams) == 1 else x + 16 - PILL, y + 10, PILL, 24) for x in streams]
        marks = [mark for pill in pills for mark in self.pill(pill, self.norm())]
        self.put("embed_norm", _around(pills), *marks)
        return pills[0].bottom

    def widen(self, y: float, streams: Sequence[float]) -> float:
        """From the token's own width to the stream's."""
        if "widen" not in self.parts:
            return y
        x, config = streams[0], self.config
        box = Box(max(x - 40, 0), y + 8, 220, 34)
        shape = Stroke(trapezium(x, box.y, box.bottom, 24, 72), "fill")
        self.put("widen", box, shape, Label(x + 44, box.middle + 5, self.say("change", before=config.token_width, after=config.width), "figure"))
        return box.bottom

    def pill(self, box: Box, said: str) -> tuple[Mark, ...]:
        return Stroke(frame(box, 12), "fill"), Label(box.centre, box.middle + 4.5, said, "figure", "middle")

    # ------------------------------------------------------------ a stack

    def stack(self, before: str, at: Column, y: float) -> float:
        """The opened block, those like it, and the final norm; for a source also the way to who reads it."""
        start = y
        y = self.block(before, at, y + 12)
        y = self.others(before, at, y + 8)
        if f"{before}final" in self.parts:
            pill = at.reach(-16, PILL - 16, y + 10, 24)
            self.put(f"{before}final", pill, *self.pill(pill, self.norm()))
            y = pill.bottom
        y += 14
        self.wires.insert(0, Wire(run((at.stream, start), (at.stream, y)), "stream"))
        if before:
            self.remember(at, y)
        return y

    def block(self, before: str, at: Column, y: float) -> float:
        """The frame, the stream's name beside it, and the branches."""
        top, number = y, len(self.placed)
        match self.config.arrangement:
            case Parallel(norms=norms):
                y = self.parallel(at, y + 46, norms)
            case Serial(norm_place=where):
                names = ["norm1", *(["cross_norm"] if self.two and not before else []), "norm2"]
                for name in names:
                    y = self.branch(before, at, name, y + 46 if name == "norm1" else y + 20, after=where == "after")
        frame_box = Box(at.stream - STREAM if at.side == 1 else at.panel.x - 12, top, self.sheet.column, y + 14 - top)
        if isinstance(self.config.arrangement, Parallel):
            frame_box = Box(0, top, self.sheet.column, y + 14 - top)
        self.opened(before, at, frame_box, number)
        return frame_box.bottom

    def opened(self, before: str, at: Column, box: Box, number: int) -> None:
        """The block itself and its stream are placed under what stands in them."""
        layers = self.config.form.encoder_layers if before and isinstance(self.config.form, EncoderDecoder) else self.config.layers
        title = Label(box.x + box.w / 2 + 20 * at.side, box.y + 18, self.say("block.one", layers=layers), "name", "middle")
        if isinstance(self.config.arrangement, Parallel):
            title = Label(box.x + 14, box.y + 18, self.say("block.one", layers=layers), "name")
        side = at.beside(-24) if isinstance(self.config.arrangement, Serial) else at.stream + 16
        called = Label(side, box.middle, self.say("stream", width=self.config.width), "small", "middle", turned=True)
        under = len(self.placed)
        self.put(f"{before}block", box, Stroke(frame(box, 10), "quiet"), title)
        self.put(f"{before}stream", Box(at.stream - 12, box.y + 2, 24, box.h - 4), called)
        self.placed[number:] = self.placed[under:] + self.placed[number:under]

    def branch(self, before: str, at: Column, norm: str, y: float, *, after: bool) -> float:
        """One branch in series: out of the stream at a dot, through its panel, back at a plus."""
        panel = Box(at.panel.x, y + 20, at.panel.w, ATTENTION if norm != "norm2" else MLP)
        pill = at.reach(40, 40 + PILL, y - 12, 24)
        self.dot(at.stream, y)
        self.wire((at.stream, y), (panel.centre, y), (panel.centre, panel.y))
        if not after:
            self.put(f"{before}{norm}", pill, *self.pill(pill, self.norm()))
        self.panel(before, norm, panel, at)
        y = panel.bottom + 18
        self.wire((panel.centre, panel.bottom), (panel.centre, y), (at.stream, y))
        self.sums.append(Sum(at.stream, y, 1))
        if after:
            pill = at.reach(-16, PILL - 16, y + 16, 24)
            self.put(f"{before}{norm}", pill, *self.pill(pill, self.norm()))
            y = pill.bottom
        return y

    def panel(self, before: str, norm: str, box: Box, at: Column) -> None:
        match norm:
            case "norm1":
                self.attention(before, box)
            case "cross_norm":
                self.attention("cross.", box)
                self.told = (box.x + 6, box.y + 66)
            case _:
                self.mlp(before, box)

    def parallel(self, at: Column, y: float, norms: int) -> float:
        """Attention and MLP side by side: both read the stream at one dot, both return at one plus."""
        right, left = Box(at.panel.x, y + 34, at.panel.w, ATTENTION), Box(4, y + 34, self.sheet.mlp, MLP)
        one, two = (Box(panel.centre - min(PILL, panel.w) / 2, y - 12, min(PILL, panel.w), 24) for panel in (right, left))
        self.dot(at.stream, y)
        self.wire((at.stream, y), (right.centre, y), (right.centre, right.y))
        if norms == 1:
            self.wire((right.centre, y + 21), (at.stream + 7, y + 21))
            self.wire((at.stream - 7, y + 21), (left.centre, y + 21), (left.centre, left.y))
            self.wires.append(Wire(f"M{at.stream + 7:g} {y + 21:g}a7 7 0 0 0 -14 0", "branch"))
        else:
            self.wire((at.stream, y), (left.centre, y), (left.centre, left.y))
        self.put("norm1", one, *self.pill(one, self.norm()))
        self.put("norm2", two, *self.pill(two, self.norm()))
        self.attention("", right)
        self.mlp("", left)
        y = right.bottom + 18
        for panel in (right, left):
            self.wire((panel.centre, panel.bottom), (panel.centre, y), (at.stream, y))
        self.sums.append(Sum(at.stream, y, 2))
        return y

    def dot(self, x: float, y: float) -> None:
        self.knots.append(Stroke(circle(x, y, 5), "solid"))

    def others(self, before: str, at: Column, y: float) -> float:
        """The blocks that follow, closed and counted."""
        layers = dict(self.parts[f"{before}stack"].settings)["form.encoder_layers" if before else "layers"]
        more = layers - 1
        high = min(110.0, max(24.0, 9.0 * more))
        middle = isinstance(self.config.arrangement, Parallel)
        slabs = Box(at.stream - 84, y, 168, high) if middle else at.reach(-28, 150 if self.narrow else 210, y, high)
        tone = "ghost" if self.config.shared else "half"
        said = self.say("stack.shared" if self.config.shared else "stack.more", more=more) if more else self.say("stack.none")
        x = slabs.right + 12 if middle or at.side == 1 else slabs.x - 12
        drawn = (Stroke("".join(frame(slab, 2) for slab in column(slabs, more, 0.55)), tone),) if more else ()
        label, long = Label(x, slabs.middle + 5, said, "figure", "start" if middle else at.anchor), 100 if middle or self.narrow else 122
        self.put(f"{before}stack", _around([slabs, Box(x if label.anchor == "start" else x - long, y, long, high)]), *drawn, label)
        return slabs.bottom

    def remember(self, at: Column, y: float) -> None:
        """From the end of the encoder to every block of the decoder."""
        self.ended = (at.stream, y)

    # ------------------------------------------------------------ inside a panel

    def attention(self, before: str, box: Box) -> None:
        """Heads, the way to the scores, the mask, and back to the stream's width."""
        a, cross_ = self.config.attention, before == "cross."
        self.grounds.append(Stroke(frame(box, 8), "fill"))
        self.grounds.append(Label(box.x + 12, box.y + 20, self.say("cross" if cross_ else "attention"), "name"))
        heads = Box(box.x + 8, box.y + 28, box.w - 16, 52)
        bars_ = Box(heads.x + 26, heads.y + 4, heads.w - 30, 44)
        signs = (Label(heads.x + 6, heads.y + 20, "q", "sign"), Label(heads.x + 6, heads.y + 43, "kv", "sign"))
        counted = self.say("heads.shared" if a.kv_heads != a.heads else "heads.own", heads=a.heads, kv_heads=a.kv_heads, size=a.size)
        figure = Label(box.right - 12, box.y + 20, counted, "figure", "end")
        self.put(f"{before}heads", heads, *glyphs.heads(bars_, a.heads, a.kv_heads), *signs, figure)
        self.chain(before, box, heads)
        out = Box(box.x + 10, box.bottom - 32, box.w - 20, 24)
        change = self.say("out", before=a.heads * a.size, after=self.config.width)
        self.put(f"{before}out", out, Stroke(frame(out, 4), "fill"), Label(out.centre, out.middle + 4.5, change, "figure", "middle"))

    def chain(self, before: str, box: Box, heads: Box) -> None:
        """From queries and keys to the pattern, tile by tile; the values go round and meet it."""
        names = [name for name in self.order(before) if f"{before}{name}" in self.parts]
        pitch = (box.w - 28) / len(names)
        side = min(44.0, pitch - 12)
        tiles = [Box(box.x + 2 + pitch * (at + 0.5) - side / 2, box.y + 94, side, 44) for at in range(len(names))]
        node = (box.right - 16, tiles[0].middle)
        self.wire((tiles[0].centre, heads.bottom), (tiles[0].centre, tiles[0].y))
        self.wire((node[0], heads.bottom), (node[0], box.bottom - 32))
        for tile, after in zip(tiles, [*(tile.x for tile in tiles[1:]), node[0] - 7], strict=True):
            self.wire((tile.right, tile.middle), (after, tile.middle))
        self.knots += [Stroke(circle(*node, 7), "line"), Stroke(cross(*node, 4.5, turned=True), "line")]
        for name, tile in zip(names, tiles, strict=True):
            reach = Box(tile.centre - pitch / 2 + 1, tile.y - 3, pitch - 2, tile.h + 21)
            caption = Label(tile.centre, tile.bottom + 15, self.caption(before, name), "small", "middle")
            self.put(f"{before}{name}", reach, *self.tile(before, name, tile), caption)

    def order(self, before: str) -> tuple[str, ...]:
        """What lies between heads and pattern: positions turn queries and keys, or are added to the scores; none enter across stacks."""
        if before == "cross.":
            return "scores", "mask"
        return {"turn": ("positions", "scores", "mask"), "scores": ("scores", "positions", "mask")}.get(place(self.config), ("scores", "mask"))

    def tile(self, before: str, name: str, box: Box) -> tuple[Mark, ...]:
        square = Box(box.centre - min(box.w, 40) / 2, box.middle - min(box.w, 40) / 2, min(box.w, 40), min(box.w, 40))
        match name:
            case "positions":
                both_ways = self.parts[f"{before}mask"].drawn == "all"
                return glyphs.position(square, self.config, both_ways=both_ways)
            case "mask":
                return glyphs.mask(square, self.config, str(self.parts[f"{before}mask"].drawn))
            case _:
                sign = "q̂·k̂" if self.config.attention.head_norm else "q·k"
                return Stroke(frame(box, 6), "line"), Label(box.centre, box.middle + 5, sign, "sign", "middle")

    def caption(self, before: str, name: str) -> str:
        match name:
            case "positions":
                return self.say(f"entering.{type(self.config.positions).__name__}")
            case "scores":
                return self.say("scores.scaled", size=self.config.attention.size) if self.config.attention.scaled else self.say("scores.plain")
        kind = str(self.parts[f"{before}mask"].drawn)
        reach = self.config.attention.reach
        return self.say("mask.window", window=reach.window) if isinstance(reach, Sliding) and kind != "cross" else self.say(f"mask.{kind}")

    def mlp(self, before: str, box: Box) -> None:
        """Its picture to scale, and its three widths."""
        mlp, gated = self.config.mlp, isinstance(self.config.mlp, GatedMlp)
        self.grounds.append(Stroke(frame(box, 8), "fill"))
        small, figure = box.w < PILL, self.words(f"settings.options.{mlp.activation}.name")
        title = Label(box.x + 12, box.y + 20, self.say("mlp.gated" if gated else "mlp.plain"), "name")
        marks = glyphs.mlp(Box(box.x, box.y + (44 if small else 32), box.w, 54 if small else 66), self.config, self.unit)
        widths = self.say("mlp.up" if small else "mlp.widths", width=self.config.width, hidden=mlp.hidden)
        times = (Label(box.centre, box.y + 66, "×", "sign", "middle"),) if gated else ()
        self.put(
            f"{before}mlp",
            box,
            *marks,
            *times,
            title,
            Label(box.x + 12, box.y + 37, figure, "small") if small else Label(box.right - 12, box.y + 20, figure, "figure", "end"),
            Label(box.centre, box.bottom - 10, widths, "small" if small else "figure", "middle"),
        )

    # ------------------------------------------------------------ from the stream to the scores

    def output(self, y: float, at: Column) -> float:
        """What reads the stream, and the scores."""
        if self.two:
            self.carry(y)
        for name in ("readout", "narrow"):
            y = self.reader(name, at, y)
        box = Box(4, y + 4, self.sheet.column - 8, 46) if at.side == 1 else at.reach(-40, self.sheet.column - 48, y + 4, 46)
        self.put("output", box, Stroke(frame(box), "fill"), *self.scores(box))
        self.wire((at.stream, y), (at.stream, box.y), flow="stream")
        if isinstance(self.config.output, Tied):
            self.tie(box, at)
        return box.bottom

    def scores(self, box: Box) -> tuple[Mark, ...]:
        """A distribution, what turns the stream into it, and what it says."""
        config = self.config
        title = self.say("output.tied" if isinstance(config.output, Tied) else "output.free")
        figure = self.say("change", before=config.token_width if isinstance(config.output, Tied) else config.width, after=config.vocabulary)
        answer = self.say("answer.blank" if isinstance(config.form, Encoder) else "answer.next")
        steps = [3, 5, 9, 30, 14, 7, 4, 3, 2]
        chart = bars(Box(box.right - 72 + 6.4 * at, box.bottom - 9 - high, 4.6, high) for at, high in enumerate(steps))
        told = figure if self.narrow else f"{figure} · {answer}"
        return Stroke(chart, "half"), Label(box.x + 86, box.y + 20, title, "name"), Label(box.x + 86, box.y + 38, told, "figure")

    def reader(self, name: str, at: Column, y: float) -> float:
        """One more matrix between stream and output."""
        if name not in self.parts:
            return y
        config = self.config
        box = at.reach(-28, 250, y + 2, 30)
        said = self.say(f"{name}.line", width=config.width, after=config.token_width)
        x = box.x + 28 + 16 if at.side == 1 else box.right - 28 - 16
        self.put(name, box, Stroke(frame(box), "fill"), Label(x, box.middle + 5, said, "figure", at.anchor))
        self.wire((at.stream, y), (at.stream, box.bottom + 8), flow="stream")
        return box.bottom + 8

    def carry(self, y: float) -> None:
        """The encoder's result, from where it ends to where the decoder looks at it."""
        (x, bottom), (left, high) = self.ended, self.told
        if self.sheet.stacked:
            points: tuple[Point, ...] = ((x, bottom), (x, bottom + 12), (-8, bottom + 12), (-8, high), (left, high))
        else:
            aisle = self.sheet.aisle
            points = ((x, bottom), (x, bottom + 10), (aisle, bottom + 10), (aisle, high), (left, high))
        self.wires.append(Wire(run(*points), "memory"))
        label = Box(x + 24, bottom - 14, 220, 24)
        self.put("memory", label, Label(label.x, label.y + 15, self.say("memory", width=self.config.width), "small"))

    def tie(self, box: Box, at: Column) -> None:
        """The output's way back to the table it reuses."""
        x = 4 - self.sheet.margin if at.side == 1 else self.wide + self.sheet.margin - 4
        edge = box.x if at.side == 1 else box.right
        token = next(placed.box for placed in self.placed if placed.part.name == "token")
        start = token.x if at.side == 1 else token.right
        self.wires.append(Wire(run((edge, box.middle), (x, box.middle), (x, token.middle), (start, token.middle)), "tie"))


def _around(boxes: list[Box]) -> Box:
    """The smallest box that holds them all."""
    left, top = min(box.x for box in boxes), min(box.y for box in boxes)
    return Box(left, top, max(box.right for box in boxes) - left, max(box.bottom for box in boxes) - top)

