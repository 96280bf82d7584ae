"""Points in the plane, each with its token: a stage under a slider, from which every point travels to the next on its own way; one chosen,
with lines to what is nearest to it in all dimensions, which the plane cannot show; zoomed and moved by wheel, finger, buttons or keys.

All stages and all neighbours are in the browser at once. The choice and the stage come back for the link's sake.
"""

from __future__ import annotations

from collections.abc import Callable
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
from model.errors import Refusal

HERE = Path(__file__).parent
WORDS = ("stage", "stages", "nearest", "none", "keys", "map", "point", "cosine", "zoom_in", "zoom_out", "fit", "before", "after", "scale", "groups")


@dataclass(frozen=True, slots=True)
class Group:
    """A kind of point: what it is called, and its colour as `#rrggbb`."""

    name: str
    colour: str


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Field:
    """`places` (stages, N, 2) from −1 to 1 of N `labels`; `details` tell more of each, `groups` which of `kinds` each is (−1: none of them), `marked`
    those whose labels matter most. `nearest` (stages, N, k) are indices of neighbours and `cosines` how near, (stages, N, k)."""

    revision: str
    title: str
    stages: tuple[str, ...]
    places: NDArray[np.float32]
    labels: tuple[str, ...]
    details: tuple[str, ...]
    groups: tuple[int, ...]
    kinds: tuple[Group, ...]
    marked: tuple[int, ...]
    nearest: NDArray[np.integer[Any]]
    cosines: NDArray[np.floating[Any]]

    def __post_init__(self) -> None:
        if self.places.shape != (len(self.stages), len(self.labels), 2):
            given = " × ".join(map(str, self.places.shape))
            sentence = "{points} points at {stages} stages need a place each, got {given}"
            raise Refusal("canvas.scatter", sentence, points=len(self.labels), stages=len(self.stages), given=given)


def pack(field: Field) -> bytes:
    """Places as float32, neighbours as uint16, cosines as float32: stage by stage, point by point."""
    return plate.squeeze([np.ascontiguousarray(field.places, "<f4"), np.ascontiguousarray(field.cosines, "<f4"), field.nearest.astype("<u2")])


def header(words: Words, field: Field, stage: int, chosen: int) -> dict[str, Any]:
    """What goes with the numbers: labels, groups, the stage and point the reader is at."""
    names = ("revision", "title", "stages", "labels", "details", "groups", "marked")
    return {name: plate.plain(getattr(field, name)) for name in names} | {
        "kinds": plate.plain(field.kinds),
        "neighbours": field.nearest.shape[2],
        "stage": min(max(stage, 0), len(field.stages) - 1),
        "chosen": min(max(chosen, 0), max(0, len(field.labels) - 1)),
        "language": words.language,
        "words": {name: words(f"embeddings.scatter.{name}") for name in WORDS},
    }


_view = component(
    "vitrine.scatter",
    html='<div class="scatter plate"></div>',
    js=plate.script(HERE),
    css=plate.style(HERE, "plate.css"),
)


Chosen = Callable[[int], None]


def scatter(words: Words, key: str, field: Field, packed: bytes, at: tuple[int, int], choose: Chosen, move: Chosen) -> None:
    """Mount the picture at a stage and a point; `packed` is `pack(field)`. `choose` is given the point, `move` the stage that the reader went to."""

    def chose() -> None:
        with suppress(Refusal):
            choose(plate.index(state.sent(key, "point"), "index", len(field.labels)))

    def moved() -> None:
        with suppress(Refusal):
            move(plate.index(state.sent(key, "stage"), "index", len(field.stages)))

    _view(key=key, data=plate.envelope(header(words, field, *at), packed), on_point_change=chose, on_stage_change=moved)
