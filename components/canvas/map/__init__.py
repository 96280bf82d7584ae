"""A matrix of weights or of differences, large: queries in rows, keys in columns, every row and column with its token.

`Matrix` says what is drawn, `pack` makes its numbers bytes that may be shared by every reader, `matrix_map` mounts it.
Moving over it reads a cell out; a click, or Enter, chooses one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
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
FINE = 256  # tokens up to which every number travels with sixteen bits
Table = Literal["sequential", "diverging"]


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """`values` (queries, keys), from 0 to `most` ("sequential") or from −`most` to `most` ("diverging"); `most` is where the
    colours end, whatever the numbers are, so that two maps can be compared. `allowed` (queries, keys) hatches what is not.
    The colours follow the square root of a number's size, so that small ones show; the legend says so. `across` says that a target's
    queries look at a source's keys. `omit` is a column left in the dark (−1: none). `said` are other words than a map of attention's own:
    rows, columns, cell, blocked, label, scale. `plain` numbers are told as they are, with so many decimals; others are shares of 1."""

    title: str
    values: NDArray[np.floating[Any]]
    queries: tuple[str, ...]
    keys: tuple[str, ...]
    table: Table = "sequential"
    most: float = 1.0
    allowed: NDArray[np.bool_] | None = None
    across: bool = False
    omit: int = -1
    said: Mapping[str, str] = field(default_factory=dict)
    plain: int | None = None

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.queries), len(self.keys)):
            raise Refusal(
                "canvas.shape",
                "a map of {queries} queries and {keys} keys needs as many numbers, got {given}",
                queries=len(self.queries),
                keys=len(self.keys),
                given=" × ".join(map(str, self.values.shape)),
            )


def pack(matrix: Matrix) -> bytes:
    """The matrix's numbers and its allowed cells: planes of root codes, of signs where it is diverging, then a bit per cell."""
    fine = max(matrix.values.shape) <= FINE
    planes = plate.rooted(np.abs(matrix.values) / matrix.most, fine=fine)
    signs = [np.packbits(matrix.values < 0)] if matrix.table == "diverging" else []
    allowed = np.ones(matrix.values.shape, bool) if matrix.allowed is None else matrix.allowed
    return plate.squeeze([*planes, *signs, np.packbits(allowed)])


def header(words: Words, matrix: Matrix, revision: str, chosen: tuple[int, int] | None, height: int) -> dict[str, Any]:
    """What goes with the numbers: tokens, scale, the choice, and the sentences the browser fills."""
    kind, across = "weight" if matrix.table == "sequential" else "difference", "_across" if matrix.across else ""
    return {
        "revision": revision,
        "title": matrix.title,
        "queries": [plate.visible(piece) for piece in matrix.queries],
        "keys": [plate.visible(piece) for piece in matrix.keys],
        "table": matrix.table,
        "most": matrix.most,
        "omit": matrix.omit,
        "plain": matrix.plain,
        "fine": max(matrix.values.shape) <= FINE,
        "chosen": chosen,
        "height": height,
        "language": words.language,
        "words": {name: words(f"map.{name}") for name in ("blocked", "keys", "pooled")}
        | {name: words(f"map.{name}{across}") for name in ("rows", "columns")}
        | {"label": words("map.label", title=matrix.title), "cell": words(f"map.{kind}"), "scale": words(f"map.scale_{kind}")}
        | dict(matrix.said),
    }


def parse(sent: Any, rows: int, columns: int) -> tuple[int, int]:
    """The cell a browser says was chosen. Raises `Refusal` for anything that is no cell of this map."""
    return plate.index(sent, "row", rows), plate.index(sent, "column", columns)


_view = component(
    "vitrine.map",
    html='<div class="map plate"></div>',
    js=plate.script(HERE, "matrix.js"),
    css=plate.style(HERE, "plate.css"),
)


def matrix_map(
    words: Words,
    key: str,
    matrix: Matrix,
    packed: bytes,
    revision: str,
    *,
    chosen: tuple[int, int] | None = None,
    choose: Callable[[int, int], None] | None = None,
    height: int = 440,
) -> None:
    """Mount the map. `packed` is `pack(matrix)`, best kept with `compute.packed`; `revision` names it, and is what `data-painted`
    says once it is drawn. `choose(query, key)` runs before the script does when the reader chooses a cell."""

    def chose() -> None:
        with suppress(Refusal):
            cell = parse(state.sent(key, "cell"), *matrix.values.shape)
            if choose is not None:
                choose(*cell)

    _view(key=key, data=plate.envelope(header(words, matrix, revision, chosen, height), packed), on_cell_change=chose)
