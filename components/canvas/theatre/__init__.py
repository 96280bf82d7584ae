"""The theatre of attention: every head as a thumbnail, one of them large, and the text lit by where one token looks and who looks at it.

Where a target looks across at its source the maps are as high as the one and as wide as the other, and each text is lit by itself.
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
OWN = ("heads", "heads_note", "layer", "head", "thumb", "stage", "sink_note", "looks", "looked", "column_note")
OWN += ("dense", "sink", "scale_sink", "pooled", "about", "map", "map_keys", "text_keys", "expected")
OWN += ("zoom", "zoom_in", "zoom_out", "zoom_fit", "zoom_hint", "gains", "gained")


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
    """How many layers and heads there are, and tokens that ask and are asked."""

    layers: int
    heads: int
    queries: int
    keys: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the theatre shows: `maps` are `pack_all` of every head, `revision` names them. `serial` grows when `choice` is the
    server's own and the browser's must give way. `stage` is the head whose exact map (`exact`, from `pack_one`) is sent
    beside the thumbnails; `None` where they are exact already. `keys` are the tokens that are asked, `None` where they are the
    `queries` themselves. `expected` says of each query, in words, what the model expects in its place or, where it `writes`, after it;
    nothing where it expects nothing."""

    revision: str
    serial: int
    queries: tuple[str, ...]
    keys: tuple[str, ...] | None = None
    expected: tuple[str, ...] = ()
    writes: bool = False
    maps: bytes
    choice: Choice
    stage: tuple[int, int] | None = None
    exact: bytes = b""


def pack_all(overview: Overview, allowed: NDArray[np.bool_]) -> bytes:
    """Every head's map, small (sixteen bits a number where nothing was pooled), then a bit per allowed cell; an envelope
    whose header says what is known of them."""
    layers, heads, high, wide = overview.maps.shape
    facts = {"layers": layers, "heads": heads, "high": high, "wide": wide, "block": overview.block, "sinks": np.round(overview.sinks, 4).tolist()}
    planes = [*plate.rooted(overview.maps, fine=overview.block == 1), np.packbits(allowed)]
    return plate.envelope(facts | {"telling": overview.telling}, plate.squeeze(planes))


def telling(maps: bytes) -> tuple[int, int, int]:
    """The layer, head and query that `pack_all` noted as worth looking at first."""
    layer, head, query = plate.split(maps)[0]["telling"]
    return layer, head, query


def whole(maps: bytes) -> bool:
    """Whether what `pack_all` wrote holds every map exactly, because the text is no longer than a small map is wide."""
    return plate.split(maps)[0]["block"] == 1


def pack_one(pattern: NDArray[np.float32], allowed: NDArray[np.bool_]) -> bytes:
    """One head's exact map (T, S), sixteen bits for each cell that is `allowed`, row by row: as it is, because whoever chose a head waits
    longer for the browser to inflate a megabyte than for the megabyte."""
    return plate.plainly(plate.rooted(pattern[allowed], fine=True))


def unpack_one(part: bytes, allowed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """What `pack_one` packed, as the browser reads it: (T, S)."""
    found = np.zeros(allowed.shape)
    found[allowed] = plate.unrooted(list(np.frombuffer(part, np.uint8, offset=1).reshape(2, -1)))
    return found


def header(words: Words, scene: Scene) -> dict[str, Any]:
    """What goes with the numbers: tokens, the choice, and the sentences the browser fills."""
    return {
        "revision": scene.revision,
        "serial": scene.serial,
        "queries": _row(scene.queries),
        "keys": None if scene.keys is None else _row(scene.keys),
        "expected": scene.expected,
        "choice": plate.plain(scene.choice),
        "stage": scene.stage,
        "language": words.language,
        "words": catalogue(words, across=scene.keys is not None, writes=scene.writes),
    }


def _row(pieces: tuple[str, ...]) -> dict[str, Any]:
    return {"texts": [plate.visible(piece) for piece in pieces], "apart": [int(piece[:1].isspace()) for piece in pieces]}


def catalogue(words: Words, *, across: bool = False, writes: bool = False) -> dict[str, str]:
    """The theatre's sentences, blanks unfilled."""
    own = {name: words(f"attention.theatre.{name}") for name in OWN}
    axes = {name: words(f"map.{name}_across" if across else f"map.{name}") for name in ("rows", "columns")}
    after = {"expected": words("attention.theatre.expected_next")} if writes else {}
    return own | after | axes | {name: words(f"map.{name}") for name in ("weight", "blocked", "scale_weight")}


def parse(sent: Any, limits: Limits) -> Choice:
    """What a browser says was chosen. Raises `Refusal` for anything that is no cell of this model and text."""
    layer, head = plate.index(sent, "layer", limits.layers), plate.index(sent, "head", limits.heads)
    key = None if sent.get("key") is None else plate.index(sent, "key", limits.keys)
    return Choice(layer, head, plate.index(sent, "query", limits.queries), key, sent.get("sink") is not False)


_view = component(
    "vitrine.theatre",
    html='<div class="theatre plate"></div>',
    js=plate.script(HERE, "matrix.js", "lens.js"),
    css=plate.style(HERE, "plate.css"),
)


def theatre(words: Words, key: str, scene: Scene, choose: Callable[[Choice], None]) -> None:
    """Mount the theatre. `choose` runs before the script does when the reader chooses."""
    facts, (maps,) = plate.split(scene.maps)
    limits = Limits(facts["layers"], facts["heads"], len(scene.queries), len(scene.keys or scene.queries))

    def chose() -> None:
        with suppress(Refusal):
            choose(parse(state.sent(key, "choice"), limits))

    parts = (maps, scene.exact) if scene.stage else (maps,)
    _view(key=key, data=plate.envelope(facts | header(words, scene), *parts), on_choice_change=chose)
