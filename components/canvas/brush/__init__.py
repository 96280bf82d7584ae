"""A head's pattern to paint on: drag over the cells, or steer with the keyboard; every row keeps its sum of 1.

The rows a reader painted stay as the browser has them until Python has answered that very stroke, so a late answer wipes nothing.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from streamlit.components.v2 import component

from components import state
from components.canvas import plate
from components.canvas.map import Matrix
from components.i18n import Words
from model.errors import Refusal

HERE = Path(__file__).parent
WIDEST = 128
"""Tokens up to which a pattern can be painted."""
MODES = ("paint", "erase", "only")
Rows = Mapping[int, tuple[float, ...]]


def layout(words: Words, matrix: Matrix, strokes: int) -> dict[str, Any]:
    """What the view draws: every weight as a float, the cells the mask allows as bits, and how many strokes Python has seen."""
    allowed = np.ones(matrix.values.shape, bool) if matrix.allowed is None else matrix.allowed
    weights = np.ascontiguousarray(matrix.values, "<f4").tobytes()
    across = "_across" if matrix.across else ""
    told = {name: words(f"map.{name}{across}") for name in ("rows", "columns")} | {name: words(f"map.{name}") for name in ("blocked",)}
    told |= {"cell": words("map.weight"), "scale": words("map.scale_weight"), "label": words("map.label", title=matrix.title)}
    told |= {name: words(f"change.brush.{name}") for name in (*MODES, "modes", "help")}
    return {
        "title": matrix.title,
        "queries": [plate.visible(piece) for piece in matrix.queries],
        "keys": [plate.visible(piece) for piece in matrix.keys],
        "weights": base64.b64encode(weights).decode(),
        "allowed": base64.b64encode(np.packbits(allowed).tobytes()).decode(),
        "most": matrix.most,
        "table": matrix.table,
        "language": words.language,
        "strokes": strokes,
        "words": told,
        "painted": f"{zlib.crc32(weights):08x}",
    }


def received(sent: Any, queries: int, keys: int) -> tuple[int, Rows]:
    """The number of a stroke, and the rows painted so far: weights for each query. Raises `Refusal` for anything else."""
    match sent:
        case {"strokes": int(strokes), "rows": dict(rows)} if 0 < len(rows) <= queries:
            return strokes, {_query(query, queries): _weights(row, keys) for query, row in sorted(rows.items(), key=lambda row: int(row[0]))}
    raise _refused(sent)


def _query(given: Any, queries: int) -> int:
    if isinstance(given, str) and given.isascii() and given.isdigit() and int(given) < queries:
        return int(given)
    raise _refused(given)


def _weights(given: Any, keys: int) -> tuple[float, ...]:
    fits = isinstance(given, list) and len(given) == keys and all(type(weight) in (int, float) and 0 <= weight <= 1 for weight in given)
    if not fits or not 0 < math.fsum(given) < math.inf:
        raise _refused(given)
    return tuple(map(float, given))


def _refused(given: Any) -> Refusal:
    return Refusal("brush.rows", "a stroke has a number and rows of weights from 0 to 1; got {given}", given=repr(given)[:60])


_view = component("vitrine.brush", html='<div class="brush plate"></div>', js=plate.script(HERE, "matrix.js"), css=plate.style(HERE, "plate.css"))


def brush(key: str, words: Words, matrix: Matrix, then: Callable[[Rows], None]) -> None:
    """Show a pattern to paint on; `then` is given the rows that were painted, each adding up to 1."""
    seen: dict[str, int] = state.remember(f"brush.{key}", dict)

    def stroke() -> None:
        with suppress(Refusal, ValueError):
            strokes, rows = received(state.sent(key, "stroke"), *matrix.values.shape)
            seen["strokes"] = strokes
            then(rows)

    _view(key=key, data=layout(words, matrix, seen.get("strokes", 0)), on_stroke_change=stroke)
