"""Tiles in rows and columns to choose one from: the parts of a model, or what a patch does at each layer and token.

Travelled with the arrow keys; Enter or a click chooses; where a tile may be silenced at once, so does S.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from streamlit.components.v2 import component

from components import state
from components.canvas import plate
from components.canvas.map import Table
from model.errors import Refusal

HERE = Path(__file__).parent
Mark = Literal["", "on", "off"]
ACTS = ("choose", "silence")


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: the `name` it sends back, what stands on it, what it is called aloud; `share` from -1 to 1 colours it, none leaves it
    plain; `mark` says that it is changed, or would be if that were switched on; a `wide` one takes the room of several."""

    name: str
    text: str
    told: str
    share: float | None = None
    mark: Mark = ""
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """Rows of tiles, each with its label, under the columns' labels where they have any; `table` colours the shares."""

    label: str
    rows: tuple[tuple[str, tuple[Tile, ...]], ...]
    columns: tuple[str, ...] = ()
    chosen: str = ""
    table: Table = "diverging"
    help: str = ""
    silences: bool = False


def layout(board: Board) -> dict[str, Any]:
    """What the view draws; a share becomes a place in the colour table by its square root, as in every map."""
    return plain(board) | {"painted": f"{board.chosen}/{sum(tile.mark == 'on' for _, row in board.rows for tile in row)}"}


def plain(board: Board) -> dict[str, Any]:
    """The board as JSON can hold it."""
    rows = [{"label": label, "tiles": [plate.plain(tile) | {"code": _code(tile.share, board.table)} for tile in row]} for label, row in board.rows]
    named = {name: getattr(board, name) for name in ("label", "chosen", "table", "help", "silences")}
    return named | {"rows": rows, "columns": [plate.visible(column) for column in board.columns]}


def _code(share: float | None, table: Table) -> int | None:
    if share is None:
        return None
    root = min(1.0, abs(share)) ** 0.5
    return round(255 * root) if table == "sequential" else round(127.5 + 127.5 * (root if share > 0 else -root))


def received(sent: Any, names: Sequence[str]) -> tuple[str, str]:
    """The tile a browser names and what to do with it. Raises `Refusal` for anything else."""
    match sent:
        case {"name": str(name), "act": str(act)} if name in names and act in ACTS:
            return name, act
    raise Refusal("tiles.name", "a tile is named as it was sent; got {given}", given=repr(sent)[:60])


_view = component("vitrine.tiles", html='<div class="tiles plate"></div>', js=plate.script(HERE), css=plate.style(HERE, "plate.css"))


def tiles(key: str, board: Board, then: Callable[[str, str], None]) -> None:
    """Show the tiles; `then` is given the name of a chosen one, and whether to "choose" or to "silence" it."""

    def chose() -> None:
        with suppress(Refusal):
            then(*received(state.sent(key, "tile"), [tile.name for _, row in board.rows for tile in row]))

    _view(key=key, data=layout(board), on_tile_change=chose)
