"""Where one token looked: a row for every head of every layer, a column for every token so far, and their mean on top."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from streamlit.components.v2 import component

from components.canvas import plate
from components.i18n import Words

HERE = Path(__file__).parent
ROOM = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_024)
"""How many columns there is room for, whatever the text's length: a growing text moves its columns only when a room is full."""


@dataclass(frozen=True, slots=True, eq=False)
class Gaze:
    """`pattern` (layers, heads, S): the weights that one token put on each of the `pieces` (S); it is the last of them unless a `title`
    says otherwise, as where a target looks at its source."""

    pattern: NDArray[np.floating[Any]]
    pieces: tuple[str, ...]
    revision: str
    title: str = ""

    @property
    def mean(self) -> NDArray[np.floating[Any]]:
        """The average of all heads: (S,)."""
        return self.pattern.mean((0, 1))


def pack(gaze: Gaze) -> bytes:
    """The mean's row, then every head's, as planes of root codes."""
    rows = np.concatenate([gaze.mean[None], gaze.pattern.reshape(-1, gaze.pattern.shape[-1])])
    return plate.squeeze(plate.rooted(rows, fine=True))


def header(words: Words, gaze: Gaze) -> dict[str, Any]:
    """What goes with the numbers."""
    layers, heads, length = gaze.pattern.shape
    return {
        "revision": gaze.revision,
        "layers": layers,
        "heads": heads,
        "pieces": [plate.visible(piece) for piece in gaze.pieces],
        "room": next((room for room in ROOM if room >= length), length),
        "language": words.language,
        "words": {name: words(f"generation.gaze.{name}") for name in ("rows", "columns", "mean", "layer", "cell", "cell_mean", "scale", "keys")}
        | {"title": gaze.title or words("generation.gaze.title", token=plate.visible(gaze.pieces[-1]))},
    }


_view = component(
    "vitrine.gaze",
    html='<section class="gaze plate"></section>',
    js=plate.script(HERE),
    css=plate.style(HERE, "plate.css"),
)


def gaze_rows(words: Words, key: str, gaze: Gaze) -> None:
    """Mount the picture."""
    _view(key=key, data=plate.envelope(header(words, gaze), pack(gaze)))
