"""Numbers by distance: a row per head (or pair, or position), a column per distance, lit on the plate; and, for positions that turn, a
clock per pair whose hand shows how far it has come at the distance under the mark.

The mark is moved by a slider in the browser, which redraws by itself; where it was left is told to Python for the link's sake.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from streamlit.components.v2 import component

from components import state
from components.canvas import plate
from components.i18n import Words
from model.errors import Refusal

HERE = Path(__file__).parent
Table = Literal["sequential", "diverging"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Grid:
    """`values` (R, D) at `rows` (R) and `columns` (D) numbers in ascending order; colours end at `low` and `high`, in a diverging table
    at ±`high`, and with `rooted` follow the square root of a number's size, so that small ones show. `speeds` are the clocks' hands in
    radians per column's number, as many as rows. `names` are the rows' title, the columns' title and the slider's."""

    revision: str
    title: str
    rows: tuple[str, ...]
    columns: NDArray[np.integer[Any]]
    values: NDArray[np.floating[Any]]
    table: Table
    low: float
    high: float
    rooted: bool
    names: tuple[str, str, str]
    about: str = ""
    speeds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.rows), len(self.columns)):
            raise Refusal(
                "canvas.distances",
                "{rows} rows at {columns} distances need as many numbers, got {given}",
                rows=len(self.rows),
                columns=len(self.columns),
                given=" × ".join(map(str, self.values.shape)),
            )


def pack(grid: Grid) -> bytes:
    """The numbers, row by row, as float32."""
    return plate.squeeze([np.ascontiguousarray(grid.values, "<f4")])


def header(words: Words, grid: Grid, at: int) -> dict[str, Any]:
    """What goes with the numbers; `at` is the column under the mark."""
    plain = {field.name: plate.plain(getattr(grid, field.name)) for field in dataclasses.fields(grid) if field.name not in ("values", "columns")}
    return plain | {
        "columns": grid.columns.tolist(),
        "at": min(max(at, 0), len(grid.columns) - 1),
        "language": words.language,
        "words": {name: words(f"positions.grid.{name}") for name in ("cell", "keys", "clocks", "clock")},
    }


_view = component(
    "vitrine.distances",
    html='<div class="distances plate"></div>',
    js=plate.script(HERE, "drawing.js"),
    css=plate.style(HERE, "plate.css"),
)


def distances(words: Words, key: str, grid: Grid, at: int, moved: Callable[[int], None]) -> None:
    """Mount the picture; `moved` is given the column on which the reader left the mark."""

    def left() -> None:
        with suppress(Refusal):
            moved(plate.index(state.sent(key, "mark"), "column", len(grid.columns)))

    _view(key=key, data=plate.envelope(header(words, grid, at), pack(grid)), on_mark_change=left)
