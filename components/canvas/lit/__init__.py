"""A text lit token by token: the brighter, the more of it reached one chosen token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


@dataclass(frozen=True, slots=True, eq=False)
class Lit:
    """`shares` (N), from 0 to 1, of `pieces` (N); the first `source` of them stand in a line of their own. `chosen` is the piece that they
    reached, one of those after the source. `said`: title, cell, chosen, keys, source, text and scale."""

    revision: str
    shares: NDArray[np.floating[Any]]
    pieces: tuple[str, ...]
    source: int
    chosen: int
    said: Mapping[str, str]

    def __post_init__(self) -> None:
        if len(self.shares) != len(self.pieces):
            raise Refusal("canvas.lit", "{pieces} tokens need as many shares, got {given}", pieces=len(self.pieces), given=len(self.shares))


def layout(words: Words, lit: Lit) -> dict[str, Any]:
    """What the view draws."""
    return {
        "revision": lit.revision,
        "shares": [round(float(share), 6) for share in lit.shares],
        "pieces": [plate.visible(piece) for piece in lit.pieces],
        "source": lit.source,
        "chosen": lit.chosen,
        "language": words.language,
        "words": dict(lit.said),
    }


_view = component(
    "vitrine.lit",
    html='<section class="lit plate"></section>',
    js=plate.script(HERE),
    css=plate.style(HERE, "plate.css"),
)


def lit_text(words: Words, key: str, lit: Lit, choose: Callable[[int], None]) -> None:
    """Mount the text; `choose` is given the token that was chosen, counted without the source."""

    def chose() -> None:
        with suppress(Refusal):
            choose(plate.index(state.sent(key, "chosen"), "token", len(lit.pieces) - lit.source))

    _view(key=key, data=layout(words, lit), on_chosen_change=chose)
