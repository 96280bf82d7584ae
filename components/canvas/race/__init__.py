"""The race: some tokens at one position, from the embedding to the answer, by rank (1 on top, logarithmic) or by probability.

Each line carries its token's name at its end, and a mark of its own besides its colour. A token that the reader takes out comes back.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from streamlit.components.v2 import component

from components import state
from components.canvas import plate
from components.canvas.lens import key_of, label
from components.i18n import Words
from model.analysis.lens import Race
from model.errors import Refusal

HERE = Path(__file__).parent
MOST = 8
"""Lines there are inks for."""
Measure = Literal["rank", "probability"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Field:
    """What the race shows: `race` with the `names` of its tokens, the measure on its upright axis, how many tokens there are at all,
    which of the tokens the text really has (`None` where it is not among them), and the title."""

    revision: str
    title: str
    race: Race
    names: tuple[str, ...]
    measure: Measure
    vocabulary: int
    real: int | None


def pack(race: Race) -> bytes:
    """Ranks, point by point, as int32, then probabilities as float32."""
    return plate.squeeze([race.rank.astype("<i4"), race.chance.astype("<f4")])


def unpacked(part: bytes, points: int) -> tuple[np.ndarray, np.ndarray]:
    """What `pack` packed, inflated: ranks and probabilities, (P, n) each."""
    ranks, chances = np.split(np.frombuffer(part, "<i4"), 2)
    return ranks.reshape(points, -1), chances.view("<f4").reshape(points, -1)


def header(words: Words, field: Field) -> dict[str, Any]:
    """What goes with the numbers."""
    found = field.race.points
    return {
        "revision": field.revision,
        "title": field.title,
        "points": [{"name": label(words, point), "short": key_of(point) if point.layer else "0"} for point in found],
        "tokens": list(field.race.tokens),
        "names": [plate.visible(name) for name in field.names],
        "real": -1 if field.real is None else field.race.tokens.index(field.real),
        "measure": field.measure,
        "vocabulary": field.vocabulary,
        "language": words.language,
        "words": {name: words(f"layers.race.{name}") for name in ("keys", "cell", "take", "real", "first", "axis")}
        | {"measure": words(f"layers.race.axis_{field.measure}")},
    }


_view = component(
    "vitrine.race",
    html='<section class="race plate"></section>',
    js=plate.script(HERE, "drawing.js"),
    css=plate.style(HERE, "plate.css"),
)


def race_lines(words: Words, key: str, field: Field, take: Callable[[int], None]) -> None:
    """Mount the race; `take` is given the id of a token that the reader takes out."""

    def taken() -> None:
        with suppress(Refusal):
            take(field.race.tokens[plate.index(state.sent(key, "take"), "line", len(field.race.tokens))])

    _view(key=key, data=plate.envelope(header(words, field), pack(field.race)), on_take_change=taken)
