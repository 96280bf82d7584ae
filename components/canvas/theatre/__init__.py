"""The theatre of attention: every head as a thumbnail, one of them large, and the text lit by where one token looks and who looks at it.

All maps of a short text are in the browser at once, so that another head is there before the server has heard of it; of a
long text the browser has every map small, and exactly only the one on stage. What the reader chose comes back as a `Choice`.
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
from model.analysis.attention import Overview
from model.errors import Refusal

HERE = Path(__file__).parent
SMALL = 64  # cells a side of a thumbnail, and so the tokens up to which every map is sent whole

OWN = ("heads", "heads_note", "layer", "head", "thumb", "stage", "sink_note", "looks", "looked", "column_note")
OWN += ("dense", "sink", "scale_sink", "pooled", "about", "map", "map_keys", "text_keys")


@dataclass(frozen=True, slots=True)
class Choice:
    """What the reader looks at, counted from 0. `key` is `None` when the browser left it to the server; `sink` says whether
    the first token takes part in the colours."""

    layer: int
    head: int
    query: int
    key: int | None
    sink: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """How many layers, heads and tokens there are."""

    layers: int
    heads: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the theatre shows: `maps` are `pack_all` of every head, `revision` names them. `serial` grows when `choice` is the
    server's own and the browser's must give way. `stage` is the head whose exact map (`exact`, from `pack_one`) is sent
    beside the thumbnails; `None` where they are exact already."""

    revision: str
    serial: int
    tokens: tuple[str, ...]
    maps: bytes
    choice: Choice
    stage: tuple[int, int] | None = None
    exact: bytes = b""


def pack_all(overview: Overview, allowed: NDArray[np.bool_]) -> bytes:
    """Every head's map, small (sixteen bits a number where nothing was pooled), then a bit per allowed cell; an envelope
    whose header says what is known of them."""
    layers, heads, side, _ = overview.maps.shape
    facts = {"layers": layers, "heads": heads, "side": side, "block": overview.block, "sinks": np.round(overview.sinks, 4).tolist()}
    planes = [*plate.rooted(overview.maps, fine=overview.block == 1), np.packbits(allowed)]
    return plate.envelope(facts | {"telling": overview.telling}, plate.squeeze(planes))


def telling(maps: bytes) -> tuple[int, int]:
    """The layer and head that `pack_all` noted as worth looking at first."""
    layer, head = plate.split(maps)[0]["telling"]
    return layer, head


def pack_one(pattern: NDArray[np.float32]) -> bytes:
    """One head's exact map (T, T), sixteen bits a number."""
    return plate.squeeze(plate.rooted(pattern, fine=True))


def header(words: Words, scene: Scene) -> dict[str, Any]:
    """What goes with the numbers: tokens, the choice, and the sentences the browser fills."""
    return {
        "revision": scene.revision,
        "serial": scene.serial,
        "tokens": [plate.visible(piece) for piece in scene.tokens],
        "apart": [int(piece[:1].isspace()) for piece in scene.tokens],
        "choice": plate.plain(scene.choice),
        "stage": scene.stage,
        "language": words.language,
        "words": catalogue(words),
    }


def catalogue(words: Words) -> dict[str, str]:
    """The theatre's sentences, blanks unfilled."""
    own = {name: words(f"attention.theatre.{name}") for name in OWN}
    return own | {name: words(f"map.{name}") for name in ("rows", "columns", "weight", "blocked", "scale_weight")}


def parse(sent: Any, limits: Limits) -> Choice:
    """What a browser says was chosen. Raises `Refusal` for anything that is no cell of this model and text."""
    layer, head = plate.index(sent, "layer", limits.layers), plate.index(sent, "head", limits.heads)
    key = None if sent.get("key") is None else plate.index(sent, "key", limits.tokens)
    return Choice(layer, head, plate.index(sent, "query", limits.tokens), key, sent.get("sink") is not False)


_view = component(
    "vitrine.theatre",
    html='<div class="theatre plate"></div>',
    js=plate.script(HERE, "matrix.js"),
    css=plate.style(HERE, "plate.css"),
)


def theatre(words: Words, key: str, scene: Scene, choose: Callable[[Choice], None]) -> None:
    """Mount the theatre. `choose` runs before the script does when the reader chooses."""
    facts, (maps,) = plate.split(scene.maps)
    limits = Limits(facts["layers"], facts["heads"], len(scene.tokens))

    def chose() -> None:
        with suppress(Refusal):
            choose(parse(state.sent(key, "choice"), limits))

    parts = (maps, scene.exact) if scene.stage else (maps,)
    _view(key=key, data=plate.envelope(facts | header(words, scene), *parts), on_choice_change=chose)
