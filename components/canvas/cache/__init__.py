"""The KV cache of one head, pass by pass: the new token's query, the keys and values stored for every token as strips of their numbers,
how much each is looked at; below it every pass as a row: the keys it computed, and those it would have computed again without a cache.

The browser steps by itself: all passes travel at once, and where the reader stands is told to Python for the link's sake.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from streamlit.components.v2 import component

from components import state
from components.canvas import plate
from components.i18n import Words
from model.analysis.caching import Cached
from model.errors import Refusal

HERE = Path(__file__).parent
Part = Literal["k", "v", "q", "mixed", "pattern"]
PARTS: tuple[Part, ...] = get_args(Part)
WORDS = (
    *("keys", "first", "back", "play", "pause", "step", "position", "position_first", "counted", "counted_first", "counted_source"),
    *("k", "v", "q", "mixed", "weights", "scale", "window", "passes", "pass", "pass_first", "with", "without"),
    *("cell_k", "cell_v", "cell_q", "cell_mixed", "cell_pattern", "cell_pass", "new", "old", "source", "gone"),
    *("legend_new", "legend_old", "legend_gone", "later"),
)


@dataclass(frozen=True, slots=True)
class Spot:
    """One number of the picture: a key's or value's (`row` of its vector, `column` its token), the query's or the result's, or a weight."""

    part: Part
    row: int
    column: int


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """`cached`, one `head` of it, over tokens as `pieces` (S,) show them; `asking` (P,) are the last tokens of each pass. `at` is the pass
    on show, of a model of so many `layers`."""

    cached: Cached
    head: int
    pieces: tuple[str, ...]
    asking: tuple[str, ...]
    layers: int
    at: int
    revision: str
    chosen: Spot | None = None


def planes(cached: Cached, head: int) -> list[NDArray[np.float32]]:
    """One head's numbers as they travel: queries (P, size), keys and values (S, size), results (P, size), weights (P, S)."""
    group = cached.group(head)
    found = (cached.q[:, head], cached.k[group], cached.v[group], cached.mixed[:, head], cached.pattern[:, head])
    return [np.ascontiguousarray(each, "<f4") for each in found]


def pack(cached: Cached, head: int) -> bytes:
    """The numbers, one plane after the other, as float32."""
    return plate.squeeze(planes(cached, head))


def header(words: Words, scene: Scene) -> dict[str, Any]:
    """What goes with the numbers; the colours of queries and keys end where the largest of them does, those of values at theirs."""
    q, k, v, mixed, _ = planes(scene.cached, scene.head)
    return {
        "revision": scene.revision,
        "pieces": [plate.visible(piece) for piece in scene.pieces],
        "asking": [plate.visible(piece) for piece in scene.asking],
        "crosses": scene.cached.where.branch == "cross",
        "passes": [plate.plain(ledger) for ledger in scene.cached.ledgers],
        "size": k.shape[-1],
        "layer": scene.cached.layer + 1,
        "layers": scene.layers,
        "head": scene.head + 1,
        "at": scene.at,
        "most": [float(max(np.abs(q).max(), np.abs(k).max())) or 1.0, float(max(np.abs(v).max(), np.abs(mixed).max())) or 1.0],
        "chosen": None if scene.chosen is None else plate.plain(scene.chosen),
        "language": words.language,
        "words": {name: words(f"cache.view.{name}") for name in WORDS} | {"title": _title(words, scene)},
    }


def _title(words: Words, scene: Scene) -> str:
    kind = "title_source" if scene.cached.where.branch == "cross" else "title"
    return words(f"cache.view.{kind}", layer=scene.cached.layer + 1, head=scene.head + 1)


_view = component(
    "vitrine.cache",
    html='<section class="cache plate"></section>',
    js=plate.script(HERE, "drawing.js"),
    css=plate.style(HERE, "plate.css"),
)


def cache(words: Words, key: str, scene: Scene, numbers: bytes, *, stepped: Callable[[int], None], chosen: Callable[[Spot], None]) -> None:
    """Mount the picture of the `numbers` that `pack` made; `stepped` is given the pass the reader went to, `chosen` a number chosen."""

    def went() -> None:
        with suppress(Refusal):
            stepped(plate.index(state.sent(key, "step"), "at", len(scene.cached.ledgers)))

    def took() -> None:
        with suppress(Refusal):
            chosen(read(state.sent(key, "chosen"), scene))

    _view(key=key, data=plate.envelope(header(words, scene), numbers), on_step_change=went, on_chosen_change=took)


def read(sent: Any, scene: Scene) -> Spot:
    """The number a browser says was chosen. Raises `Refusal` for what is none of this scene's."""
    part = PARTS[plate.index(sent, "part", len(PARTS))]
    size = scene.cached.k.shape[-1]
    return Spot(part, plate.index(sent, "row", 1 if part == "pattern" else size), plate.index(sent, "column", len(scene.pieces)))
