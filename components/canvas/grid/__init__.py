"""A small table on a plate: cells of words, tokens, bars and colours, one row of it set off. A real table, read cell by cell as any other.

`Grid` is laid out in Python, words and numbers already written; `view.js` draws it. Nothing comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from streamlit.components.v2 import component

from components.canvas import plate

HERE = Path(__file__).parent
Kind = Literal["plain", "token", "bar", "heat"]


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a cell: `text` as it is, as a token, beside a bar as long as its `share` of 1, or on that share's colour."""

    text: str
    kind: Kind = "plain"
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Grid:
    """`rows` of cells under their `heads`, each row's first being its name. `marked` are the cells set off, as row and column; `scale` says
    what the colours mean, where there are any; `remark` what else is to be known."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    revision: str
    marked: tuple[tuple[int, int], ...] = ()
    scale: str = ""
    remark: str = ""


def layout(language: str, grid: Grid) -> dict[str, Any]:
    """What the view draws."""
    cells = [[_cell(cell) | {"marked": (row, column) in grid.marked} for column, cell in enumerate(each)] for row, each in enumerate(grid.rows)]
    facts = {"title": grid.title, "heads": grid.heads, "remark": grid.remark, "revision": grid.revision}
    return facts | {"rows": cells, "language": language, "words": {"scale": grid.scale}}


def _cell(cell: Cell) -> dict[str, Any]:
    return {"text": cell.text, "kind": cell.kind, "share": round(cell.share, 6)}


_view = component(
    "vitrine.grid",
    html='<section class="grid plate"></section>',
    js=plate.script(HERE),
    css=plate.style(HERE, "plate.css"),
)


def grid_table(language: str, key: str, grid: Grid) -> None:
    """Mount the table."""
    _view(key=key, data=layout(language, grid))
