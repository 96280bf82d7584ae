"""The lens: a column a token, a row a point of the residual stream, the embedding at the bottom and the model's answer on top; in each
cell the likeliest token, its plate lit by how likely, how undecided or how far from the answer it is.

However long the text, every number of it is in the browser at once, five tokens a cell, and only the cells in view are drawn. What the
reader chose comes back as a `Spot`, or as a token to follow.
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

from components import state
from components.canvas import plate
from components.i18n import Words
from model.analysis.lens import NOBODY, Lens, Point
from model.errors import Refusal

HERE = Path(__file__).parent
Light = Literal["probability", "entropy", "divergence"]
OWN = ("title", "about", "keys", "cell", "real", "real_none", "entropy", "divergence", "follow", "text", "goes_on", "bar")
LETTER = {"before": "", "middle": "a", "crossed": "c", "after": ""}


@dataclass(frozen=True, slots=True)
class Spot:
    """A cell: which of the points, which position; both count from 0."""

    point: int
    position: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """What the lens shows: `numbers` from `pack`, `names` of the tokens whose ids `named` lists, the text's own `pieces`, the `light` in
    the cells, `choice` with the `serial` that grows when it is the server's own. `writes` says that what is read comes after the token
    rather than in its place."""

    revision: str
    serial: int
    numbers: bytes
    names: tuple[str, ...]
    pieces: tuple[str, ...]
    light: Light
    vocabulary: int
    choice: Spot
    writes: bool = True


def key_of(point: Point) -> str:
    """What a link calls a point: the number of layers behind it, with a letter half way: `2`, `3a` after its attention, `3c` across."""
    return f"{point.layer}{LETTER[point.leaf]}"


def label(words: Words, point: Point) -> str:
    """What the screen calls a point."""
    return words(f"layers.point.{point.leaf}", layer=point.layer)


def pack(found: Lens) -> bytes:
    """The numbers of a lens as the browser receives them: an envelope whose header lists the ids of all tokens in it. Parts: tokens as
    places in that list, their probabilities (roots, two bytes); entropies then divergences; real tokens, as places or −1, then their
    ranks; real tokens' probabilities."""
    ids = np.unique(np.concatenate([found.top.ravel(), found.real[found.real != NOBODY]]))
    own = np.where(found.real == NOBODY, -1, np.searchsorted(ids, found.real))
    facts = {
        "ids": ids.tolist(),
        "length": found.top.shape[1],
        "count": found.top.shape[2],
        "points": [[point.layer, point.site] for point in found.points],
        "most": round(float(found.divergence.max()), 4),
    }
    return plate.envelope(
        facts,
        plate.squeeze([np.searchsorted(ids, found.top).astype("<u4")]),
        plate.squeeze(plate.rooted(found.chance, fine=True)),
        plate.squeeze([found.entropy.astype("<f4"), found.divergence.astype("<f4")]),
        plate.squeeze([own.astype("<i4"), found.rank.astype("<i4")]),
        plate.squeeze(plate.rooted(found.hit, fine=True)),
    )


def unpacked(data: bytes) -> Lens:
    """What `pack` packed, as the browser reads it."""
    facts, (tokens, chances, measures, ranks, hits) = plate.opened(data)
    ids, shape = np.array(facts["ids"], np.int64), (len(facts["points"]), facts["length"])
    own, rank = np.split(np.frombuffer(ranks, "<i4"), [facts["length"]])
    entropy, divergence = np.frombuffer(measures, "<f4").reshape(2, *shape)
    return Lens(
        points=tuple(Point(layer, site) for layer, site in facts["points"]),
        top=ids[np.frombuffer(tokens, "<u4")].reshape(*shape, facts["count"]),
        chance=_unrooted(chances, (*shape, facts["count"])),
        entropy=entropy,
        divergence=divergence,
        real=np.where(own < 0, NOBODY, ids[own]),
        rank=rank.reshape(shape).astype(np.int64),
        hit=_unrooted(hits, shape),
    )


def _unrooted(part: bytes, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return plate.unrooted(np.split(np.frombuffer(part, np.uint8), 2)).reshape(shape).astype(np.float32)


def named(numbers: bytes) -> list[int]:
    """The ids of all tokens in a packed lens, in the order their names are wanted."""
    return plate.split(numbers)[0]["ids"]


def header(words: Words, scene: Scene) -> dict[str, Any]:
    """What goes with the numbers."""
    facts = plate.split(scene.numbers)[0]
    found = [Point(layer, site) for layer, site in facts["points"]]
    place = {} if scene.writes else {"goes_on": words("layers.lens.in_place")}
    return {
        **{name: facts[name] for name in ("ids", "length", "count", "most")},
        "revision": scene.revision,
        "serial": scene.serial,
        "points": [{"key": key_of(point), "name": label(words, point), "short": key_of(point) if point.layer else "0"} for point in found],
        "names": [plate.visible(name) for name in scene.names],
        "pieces": [plate.visible(piece) for piece in scene.pieces],
        "light": scene.light,
        "ends": _ends(words, scene.light, scene.vocabulary, facts["most"]),
        "scale": words(f"layers.lens.scale_{scene.light}"),
        "choice": plate.plain(scene.choice),
        "language": words.language,
        "words": {name: words(f"layers.lens.{name}") for name in OWN} | place,
    }


def _ends(words: Words, light: Light, vocabulary: int, most: float) -> dict[str, Any]:
    """Where the colours end, and what stands along their bar."""
    end = {"probability": 1.0, "entropy": float(np.log(vocabulary)), "divergence": most or 1.0}[light]
    say = words.percent if light == "probability" else lambda value: words.number(value, 2)
    return {"most": end, "marks": [say(end * part / 4) for part in range(5)]}


def parse(sent: Any, points: int, length: int) -> Spot:
    """What a browser says was chosen. Raises `Refusal` for anything that is no cell."""
    return Spot(plate.index(sent, "point", points), plate.index(sent, "position", length))


_view = component(
    "vitrine.lens",
    html='<section class="lens plate"></section>',
    js=plate.script(HERE, "drawing.js"),
    css=plate.style(HERE, "plate.css"),
)


def lens_rows(words: Words, key: str, scene: Scene, choose: Callable[[Spot], None], follow: Callable[[int], None]) -> None:
    """Mount the lens. `choose` is given the cell, `follow` the id of the token that the reader chose."""
    (facts, parts), limit = plate.split(scene.numbers), scene.vocabulary

    def chose() -> None:
        with suppress(Refusal):
            choose(parse(state.sent(key, "choice"), len(facts["points"]), facts["length"]))

    def followed() -> None:
        with suppress(Refusal):
            follow(plate.index(state.sent(key, "follow"), "token", limit))

    _view(key=key, data=plate.envelope(header(words, scene), *parts), on_choice_change=chose, on_follow_change=followed)
