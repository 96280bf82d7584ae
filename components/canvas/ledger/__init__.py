"""A ledger: an arithmetic in numbered lines, each with its term, the vectors it works on drawn as strips, and its equation.

`Ledger` is laid out in Python, words and numbers already written; `view.js` draws it and lets a lecturer light one line after
the other. Nothing comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from streamlit.components.v2 import component

from components.canvas import plate
from components.i18n import Words

HERE = Path(__file__).parent
Kind = Literal["cells", "bars"]


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """A vector as coloured cells or as bars. Its colours end at `most` either way; `names` are what its numbers belong to
    (tokens; none for plain dimensions), `chosen` is the one the line is about, `blocked` marks those that do not count."""

    name: str
    values: NDArray[np.floating[Any]]
    kind: Kind = "cells"
    most: float = 1.0
    names: tuple[str, ...] = ()
    chosen: int | None = None
    blocked: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One step: `term` in the field's own notation, `remark` in words, `strips`, and the `equations` with their numbers."""

    term: str
    remark: str
    equations: tuple[str, ...]
    strips: tuple[Strip, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Ledger:
    """A whole calculation; `revision` is what `data-painted` says once it is drawn."""

    revision: str
    title: str
    legend: str
    lines: tuple[Line, ...]


def layout(words: Words, ledger: Ledger) -> dict[str, Any]:
    """What the view draws, in plain JSON values; a strip's numbers are only counted here, `pack` sends them."""
    return {
        "revision": ledger.revision,
        "title": ledger.title,
        "legend": ledger.legend,
        "language": words.language,
        "lines": [_line(words, line) for line in ledger.lines],
        "words": {name: words(f"ledger.{name}") for name in ("steps", "previous", "next", "all")},
    }


def pack(words: Words, ledger: Ledger) -> bytes:
    """The layout, and every strip's numbers one after the other as float32 (little endian)."""
    numbers = np.concatenate([strip.values for line in ledger.lines for strip in line.strips]).astype("<f4")
    return plate.envelope(layout(words, ledger), plate.squeeze([numbers]))


def _line(words: Words, line: Line) -> dict[str, Any]:
    return {"term": line.term, "remark": line.remark, "equations": list(line.equations), "strips": [_strip(words, strip) for strip in line.strips]}


def _strip(words: Words, strip: Strip) -> dict[str, Any]:
    signed = strip.kind == "cells" or bool((strip.values < 0).any())
    return {
        "name": strip.name,
        "count": len(strip.values),
        "kind": strip.kind,
        "most": strip.most or 1.0,
        "signed": signed,
        "scale": ("±" if signed else "0 – ") + words.number(strip.most),
        "names": [plate.visible(name) for name in strip.names],
        "chosen": strip.chosen,
        "blocked": [] if strip.blocked is None else np.flatnonzero(strip.blocked).tolist(),
    }


_view = component(
    "vitrine.ledger",
    html='<section class="ledger"></section>',
    js=plate.script(HERE),
    css=plate.style(HERE),
)


def ledger(words: Words, key: str, ledger: Ledger) -> None:
    """Mount the ledger."""
    _view(key=key, data=pack(words, ledger))
