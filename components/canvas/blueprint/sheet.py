"""The sheet that a model is drawn on: how wide its columns and panels are, and where each stream runs.

On a wide sheet the two stacks of an encoder–decoder stand side by side, on a narrow one, a phone's, one above the other, and
everything is drawn smaller so that words stay as large as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from components.canvas.blueprint.pen import Anchor, Box
from model.config import Config, EncoderDecoder, Parallel

GUTTER = 60.0
STREAM = 44.0  # from the edge of a column to its stream
BETWEEN = 28.0  # from a stream in the middle to the panels on its sides


@dataclass(frozen=True, slots=True)
class Column:
    """Where a stack's stream runs, where its attention panels stand, and which way (1 to the right, -1 to the left) they lie from it."""

    stream: float
    panel: Box
    side: Literal[1, -1] = 1

    def beside(self, distance: float) -> float:
        """A place on the panels' side of the stream."""
        return self.stream + self.side * distance

    def reach(self, start: float, end: float, y: float, h: float) -> Box:
        """A box between two distances from the stream."""
        return Box(min(self.beside(start), self.beside(end)), y, abs(end - start), h)

    @property
    def anchor(self) -> Anchor:
        """How words that begin at the stream are anchored."""
        return "start" if self.side == 1 else "end"


@dataclass(frozen=True, slots=True)
class Sheet:
    """Widths in the drawing's units: a `column`, the `margin` around everything, the panels. `two` stacks, `stacked` one above the
    other; `parallel` branches stand on both sides of the stream."""

    column: float
    margin: float
    attention: float
    mlp: float
    two: bool
    stacked: bool
    parallel: bool

    @property
    def wide(self) -> float:
        """The whole, without its margins."""
        return 2 * self.column + GUTTER if self.two and not self.stacked else self.column

    @property
    def aisle(self) -> float:
        """Where a second stream runs down beside the first stack, or the encoder's result between the two."""
        return self.column + 8 if self.stacked else self.column + GUTTER / 2 + 4

    def columns(self) -> dict[str, Column]:
        """The stacks' columns, in the order of the pass. The decoder of a pair is drawn as in a mirror, so that what it is told by
        the encoder comes in from the encoder's side."""
        if self.parallel:
            stream = 4 + self.mlp + BETWEEN
            return {"main": Column(stream, Box(stream + BETWEEN, 0, self.attention, 0))}
        left = Column(STREAM, Box(STREAM + 40, 0, self.attention, 0))
        if not self.two:
            return {"main": left}
        shift = 0 if self.stacked else self.column + GUTTER
        return {"source": left, "main": Column(shift + self.column - STREAM, Box(shift + 12, 0, self.attention, 0), -1)}

    def entrances(self) -> Sequence[float]:
        """Where the streams begin; with one stack above the other, the second runs down beside the first."""
        streams = [at.stream for at in self.columns().values()]
        return [streams[0], self.aisle] if self.stacked else streams


def sheet(config: Config, *, narrow: bool) -> Sheet:
    """The sheet for a configuration."""
    two, parallel = isinstance(config.form, EncoderDecoder), isinstance(config.arrangement, Parallel)
    column = (302.0 if two else 322.0) if narrow else 400.0
    margin = (22.0 if two else 12.0) if narrow else 15.0
    if parallel:
        mlp = 92.0 if narrow else 168.0
        return Sheet(column, margin, column - 8 - mlp - 2 * BETWEEN, mlp, two, two and narrow, parallel)
    return Sheet(column, margin, column - 96, column - 96, two, two and narrow, parallel)
