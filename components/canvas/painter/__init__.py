"""A mask painted by hand: drag over the cells, or steer with the keyboard; one message to Python per stroke.

While a stroke is on its way the browser's copy is the truth: Python's copy replaces it only under a new revision number,
so that a late answer never wipes what was painted meanwhile. `Board` keeps that number.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from streamlit.components.v2 import component

from components import state
from components.canvas import plate
from components.i18n import Words
from model.analysis.masking import shrunk
from model.errors import Refusal

Booleans = NDArray[np.bool_]

SIDE = 64  # cells a side; a longer text is painted by square regions
WIDEST = 256  # tokens up to which it can be painted at all
HERE = Path(__file__).parent
WORDS = (
    *("heading", "title", "help", "read_only", "brush", "cell", "row", "column", "diagonal", "way", "either", "allow", "hide"),
    *("undo", "redo", "invert", "rows", "columns", "will_allow", "will_hide"),
    *("past", "future", "hidden", "mixed", "blind", "cell_state", "region_state", "row_blind", "softened", "may", "may_ahead", "may_not", "partly"),
)


# ---------------------------------------------------------------- who owns the picture


@dataclass(slots=True)
class Board:
    """The picture as the browser has it: its revision number, the mask it holds, and where in the model that mask acts."""

    revision: int = 0
    allowed: Booleans | None = None
    subject: str = ""

    def show(self, allowed: Booleans, subject: str = "") -> int:
        """The revision under which to send this mask: a new one unless the browser already has it, for the same `subject`."""
        if self.allowed is None or self.subject != subject or not np.array_equal(self.allowed, allowed):
            self.revision += 1
            self.allowed, self.subject = allowed, subject
        return self.revision

    def take(self, given: Any) -> Booleans | None:
        """The mask a stroke made, or `None` if it was painted on a picture that has been replaced. Raises `Refusal` for rubbish."""
        painted, revision = received(given)
        if self.allowed is None or revision != self.revision or painted.shape != self.allowed.shape:
            return None
        self.allowed = painted
        return painted


def received(given: Any) -> tuple[Booleans, int]:
    """A stroke as the browser sends it, `{rows, columns, revision, bits}`: the mask (rows, columns) and its revision.

    Raises `Refusal` for anything that does not have that shape."""
    match given:
        case {"rows": int(rows), "columns": int(columns), "revision": int(revision), "bits": str(bits)}:
            raw = _decoded(bits) if 0 < rows <= WIDEST and 0 < columns <= WIDEST else None
            if raw is not None and len(raw) == -(-rows * columns // 8):
                return unpacked(raw, rows, columns), revision
    sentence = "a stroke has rows and columns up to {widest}, a revision and that many bits; got {given}"
    raise Refusal("painter.stroke", sentence, widest=WIDEST, given=repr(given)[:60])


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def packed(allowed: Booleans) -> bytes:
    """A mask as bits by rows, first bit highest, filled up to whole bytes."""
    return np.packbits(allowed).tobytes()


def unpacked(raw: bytes, rows: int, columns: int) -> Booleans:
    """What `packed` wrote, as (rows, columns)."""
    return np.unpackbits(np.frombuffer(raw, np.uint8), count=rows * columns).astype(bool).reshape(rows, columns)


# ---------------------------------------------------------------- what is sent


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """A mask (T, S) with the tokens that ask and those that are asked; `ahead` says whether a column beyond its row is the future.
    `subject` names where in the model it acts: what was done to one subject's mask cannot be undone in another's. `weight` (T, S), 0 to 1,
    is what a soft mask leaves of each pair."""

    allowed: Booleans
    queries: Sequence[str]
    keys: Sequence[str]
    ahead: bool = True
    subject: str = ""
    weight: NDArray[np.float32] | None = None


def layout(sheet: Sheet, revision: int, words: Mapping[str, str]) -> dict[str, Any]:
    """What the view draws. Up to `WIDEST` tokens it gets every bit; above, only the shares of `SIDE` × `SIDE` regions, to look at."""
    rows, columns = sheet.allowed.shape
    editable = max(rows, columns) <= WIDEST
    shares, block = shrunk(sheet.allowed, SIDE)
    shades = b"" if sheet.weight is None else np.round(sheet.weight[::block, ::block] * 255).astype(np.uint8).tobytes()
    raw = packed(sheet.allowed) if editable else np.round(shares * 255).astype(np.uint8).tobytes()
    return {
        "rows": rows,
        "columns": columns,
        "block": block,
        "ahead": sheet.ahead,
        "editable": editable,
        "revision": revision,
        "subject": sheet.subject,
        "cells": base64.b64encode(raw).decode(),
        "shades": base64.b64encode(shades).decode(),
        "blind": base64.b64encode(np.packbits(~sheet.allowed.any(1)).tobytes()).decode(),
        "queries": [plate.visible(piece) for piece in sheet.queries],
        "keys": [plate.visible(piece) for piece in sheet.keys],
        "words": dict(words),
        "painted": f"{revision}.{zlib.crc32(raw + shades):08x}",
    }


HTML = """
<section class="painter plate">
  <div class="top">
    <h2></h2>
    <span class="bar ways" role="radiogroup"></span>
  </div>
  <div class="bar">
    <span class="brushes" role="radiogroup"></span>
    <span class="acts"></span>
  </div>
  <div class="matrix" tabindex="0" role="application" aria-describedby="help"><canvas></canvas><canvas></canvas></div>
  <div class="aside">
    <ul class="legend"></ul>
    <p class="help" id="help"></p>
  </div>
  <p class="readout" aria-hidden="true"></p>
  <p class="said" role="status"></p>
</section>
"""

_view = component("vitrine.painter", html=HTML, js=plate.script(HERE, "matrix.js"), css=plate.style(HERE, "plate.css"))


def painter(key: str, words: Words, sheet: Sheet, board: Board, then: Callable[[Booleans], None]) -> None:
    """Show a mask to paint on; `then` is given the new mask after each stroke. Pieces are data: they are drawn as text."""

    def stroke() -> None:
        with suppress(Refusal):
            painted = board.take(state.sent(key, "stroke"))
            if painted is not None:
                then(painted)

    _view(key=key, data=layout(sheet, board.show(sheet.allowed, sheet.subject), sentences(words, sheet)), on_stroke_change=stroke)


def sentences(words: Words, sheet: Sheet) -> dict[str, str]:
    """The painter's words; where nothing lies ahead, none of it is told."""
    told = {name: words(f"masks.painter.{name}") for name in WORDS}
    if sheet.ahead:
        return told
    axes = {} if sheet.queries is sheet.keys else {name: words(f"map.{name}_across") for name in ("rows", "columns")}
    return told | {"may_ahead": told["may"]} | axes
