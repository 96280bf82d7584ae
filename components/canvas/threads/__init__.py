"""Threads: the tokens that ask in one column, those that are asked in another, a thread for each weight of the chosen heads; or the same as
arcs over the running text. Beside each token stands what the chosen ones add up to, a colour a head.

Of a short text every map is in the browser, so that any heads and tokens are painted without asking. Of a long one it has the strong weights
of the chosen heads (`pack_strong`), and the sums exactly (`pack_sums`). What the reader chose comes back as a `Choice`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from streamlit.components.v2 import component

from components import state, theme
from components.canvas import plate
from components.i18n import Words
from model.analysis.threads import Heads, Side, Strong, Threads
from model.errors import Refusal

HERE = Path(__file__).parent
SMALL = 64  # tokens a side up to which every map is sent whole …
CELLS = 1_200_000  # … if they are no more numbers than this
Draw = Literal["columns", "arcs"]

HUES = ("#ffb454", "#63c7ff", "#5fe0a1", "#ff86bd", "#b9a2ff", "#ff7a5c", "#e6e35a", "#3fd3d0", "#d8cfc0", "#c9995f")
"""One for each chosen head, its own if none chosen before it took that; more heads than these are coloured by layer."""

OWN = ("heads", "heads_note", "layer", "whole_layer", "cell", "all", "none", "opening", "by_layer", "chip", "colours", "layer_short", "head_short")
OWN += ("side", "query", "key", "draw", "columns", "arcs", "count", "sum", "mean", "sum_note", "mean_note", "sink", "floor", "bar", "sunk", "soon")
OWN += ("written", "label", "keys", "hint", "queries_title", "keys_title", "queries_across", "keys_across", "arcs_title", "clear", "closer", "wider")
OWN += ("said_query", "said_key", "every", "tokens_count", "heads_count", "head_named", "heads_named", "chosen", "not_chosen")
OWN += ("cursor", "cursor_alone", "no_heads", "nothing", "and", "share")



@dataclass(frozen=True, slots=True)
class Choice:
    """What the reader has on: heads in the order they were chosen, tokens of one side (none: all of them), and how it is drawn and counted.
    Everything counts from 0. `sink` says whether threads to the first key are drawn, `mean` whether sums are divided by heads and tokens."""

    heads: Heads
    tokens: tuple[int, ...]
    side: Side = "query"
    draw: Draw = "columns"
    sink: bool = True
    mean: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How many layers and heads there are, and tokens that ask and are asked."""

    layers: int
    heads: int
    queries: int
    keys: int

    @property
    def dense(self) -> bool:
        """Whether every map travels whole."""
        return max(self.queries, self.keys) <= SMALL and self.layers * self.heads * self.queries * self.keys <= CELLS


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is shown: `maps` are `pack_maps` of every head, or else `strong` is `pack_strong` of each chosen one and `sums` `pack_sums` of
    them together. `serial` grows when `choice` is the server's own and the browser's must give way; `opening` is what the page opens with.
    `keys` are the tokens that are asked, `None` where they are the `queries` themselves, the last `written` of which the model wrote."""

    revision: str
    serial: int
    limits: Limits
    queries: tuple[str, ...]
    keys: tuple[str, ...] | None = None
    written: int = 0
    choice: Choice
    opening: Choice
    maps: bytes = b""
    strong: tuple[bytes, ...] = ()
    sums: bytes = b""


# ---------------------------------------------------------------- colours


def by_layer(layers: int) -> tuple[str, ...]:
    """A colour a layer, from the first to the last around the circle of hues, neighbours told apart by their lightness too (OKLab)."""
    hues = np.radians(np.linspace(30, 330, layers) if layers > 1 else np.array([70.0]))
    lab = np.stack([np.where(np.arange(layers) % 2, 0.86, 0.73), 0.125 * np.cos(hues), 0.125 * np.sin(hues)], 1)
    return tuple("#" + bytes(colour).hex() for colour in np.round(255 * np.clip(theme.oklab_to_rgb(lab), 0, 1)).astype(np.uint8))


# ---------------------------------------------------------------- numbers, packed


def pack_maps(maps: NDArray[np.float32]) -> bytes:
    """Every head's map (L, H, T, S), sixteen bits a number."""
    return plate.squeeze(plate.rooted(maps, fine=True))


def pack_strong(found: Strong) -> bytes:
    """One head's strong weights: how many a query has and their keys as little-endian pairs of bytes, the weights in sixteen bits."""
    numbers = [found.counts.astype("<u2"), found.keys.astype("<u2"), *plate.rooted(found.weights, fine=True)]
    return plate.envelope({"floor": found.floor, "count": len(found.keys)}, plate.squeeze(numbers))


def unpacked_strong(data: bytes) -> Strong:
    """What `pack_strong` packed, as the browser reads it."""
    facts, (part,) = plate.opened(data)
    count = facts["count"]
    room = (len(part) - 4 * count) // 2
    counts, keys = np.frombuffer(part, "<u2", room), np.frombuffer(part, "<u2", count, 2 * room)
    planes = np.frombuffer(part, np.uint8, 2 * count, 2 * room + 2 * count)
    return Strong(facts["floor"], counts, keys, plate.unrooted([planes[:count], planes[count:]]).astype(np.float32))


def pack_sums(found: Threads) -> bytes:
    """What the chosen tokens add up to, head by head, as it is: float32."""
    return plate.squeeze([found.by_head.astype("<f4")])


# ---------------------------------------------------------------- to the browser and back


def header(words: Words, scene: Scene) -> dict[str, Any]:
    """What goes with the numbers: tokens, colours, the choice, and the sentences the browser fills."""
    limits, kept = scene.limits, [plate.split(part)[0] for part in scene.strong]
    return {
        "revision": scene.revision,
        "serial": scene.serial,
        "layers": limits.layers,
        "heads": limits.heads,
        "dense": limits.dense,
        "queries": _row(scene.queries),
        "keys": None if scene.keys is None else _row(scene.keys),
        "written": scene.written,
        "choice": plate.plain(scene.choice),
        "opening": plate.plain(scene.opening),
        "strong": kept,
        "hues": HUES,
        "by_layer": by_layer(limits.layers),
        "language": words.language,
        "words": {name: words(f"threads.{name}") for name in OWN},
    }


def _row(pieces: tuple[str, ...]) -> dict[str, Any]:
    return {"texts": [plate.visible(piece) for piece in pieces], "apart": [int(piece[:1].isspace()) for piece in pieces]}


def parse(sent: Any, limits: Limits) -> Choice:
    """What a browser says was chosen. Raises `Refusal` for anything that is not of this model and text."""
    given = sent if isinstance(sent, dict) else {}
    side: Side = "key" if given.get("side") == "key" else "query"
    heads = tuple(_head(pair, limits) for pair in _listed(given, "heads", limits.layers * limits.heads))
    among = limits.keys if side == "key" else limits.queries
    tokens = tuple(sorted({plate.index({"token": token}, "token", among) for token in _listed(given, "tokens", among)}))
    draw: Draw = "arcs" if given.get("draw") == "arcs" else "columns"
    return Choice(tuple(dict.fromkeys(heads)), tokens, side, draw, given.get("sink") is not False, given.get("mean") is True)


def _listed(given: dict[str, Any], name: str, most: int) -> list[Any]:
    found = given.get(name)
    if not isinstance(found, list) or len(found) > most:
        raise Refusal("threads.listed", "{name} is a list of at most {most}, got {given}", name=name, most=most, given=repr(found)[:40])
    return found


def _head(pair: Any, limits: Limits) -> tuple[int, int]:
    named = dict(zip(("layer", "head"), pair, strict=False)) if isinstance(pair, list) else {}
    return plate.index(named, "layer", limits.layers), plate.index(named, "head", limits.heads)


_view = component(
    "vitrine.threads",
    html='<div class="threads plate"></div>',
    js=plate.script(HERE),
    css=plate.style(HERE, "plate.css"),
)


def threads(words: Words, key: str, scene: Scene, choose: Callable[[Choice], None]) -> None:
    """Mount the threads. `choose` runs before the script does when the reader chooses."""

    def chose() -> None:
        with suppress(Refusal):
            choose(parse(state.sent(key, "choice"), scene.limits))

    parts = (scene.maps,) if scene.limits.dense else (scene.sums, *(plate.split(part)[1][0] for part in scene.strong))
    _view(key=key, data=plate.envelope(header(words, scene), *parts), on_choice_change=chose)
