"""The flow: the whole pass as one picture, to go into from the model to a block, a head and a vector; every width and colour a number.

`layout` says where everything stands, `payload` packs what one token is on its way, `place` names where the reader is; `view.js` moves
between the pictures that `scenes.js` paints. What comes back is a `Choice`, or the address of a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

from components import state
from components.canvas import plate
from components.canvas.flow.layout import pictures
from components.canvas.flow.payload import facts
from components.canvas.flow.place import Place
from components.i18n import Words
from components.i18n import catalogue as sentences
from model.analysis.derivation import Number
from model.config import Config, EncoderDecoder
from model.errors import Refusal

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Choice:
    """What the reader follows and where they stand, counted from 0: a token of the text, one of the source, one of the vocabulary
    (`None`: the likeliest), and the place."""

    at: int
    source: int
    token: int | None
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the flow shows: `maps` and `numbers` as `payload` packs them, the text's `pieces` and the source's, and the `names` of the
    vocabulary's tokens that can be followed. `serial` grows when `choice` is the server's own and the browser's must give way."""

    revision: str
    serial: int
    pieces: tuple[str, ...]
    source: tuple[str, ...]
    names: tuple[str, ...]
    choice: Choice
    maps: bytes
    numbers: bytes


def header(words: Words, config: Config, scene: Scene) -> dict[str, Any]:
    """What goes with the numbers."""
    layouts = {name: plate.plain(picture) for name, picture in pictures(config, len(scene.pieces), len(scene.source)).items()}
    return {
        "revision": scene.revision,
        "serial": scene.serial,
        "pieces": [plate.visible(piece) for piece in scene.pieces],
        "sourcePieces": [plate.visible(piece) for piece in scene.source],
        "names": [plate.visible(name) for name in scene.names],
        "choice": plate.plain(scene.choice) | {"place": str(scene.choice.place)},
        "config": facts(config),
        "layouts": layouts,
        "language": words.language,
        "words": dict(_sentences(words)),
    }


def _sentences(words: Words) -> Iterator[tuple[str, str]]:
    """Every sentence of the picture, blanks unfilled."""
    for key in sentences(words.language):
        if key.startswith("inside.flow."):
            yield key.removeprefix("inside.flow."), words(key)


@dataclass(frozen=True, slots=True)
class Limits:
    """What may come back: a place of this model, a token of these texts, a token of the vocabulary."""

    config: Config
    tokens: int
    source: int


def parse(sent: Any, limits: Limits) -> Choice:
    """What a browser says was chosen. Raises `Refusal` for what this model and text have not."""
    at = plate.index(sent, "at", limits.tokens)
    source = plate.index(sent, "source", limits.source) if isinstance(limits.config.form, EncoderDecoder) else 0
    token = None if sent.get("token") is None else plate.index(sent, "token", limits.config.vocabulary)
    given = sent.get("place")
    return Choice(at, source, token, Place.parse(given if isinstance(given, str) else "?").within(limits.config))


_view = component(
    "vitrine.flow",
    html='<section class="flow plate"></section>',
    js=plate.script(HERE, "flow/scenes.js"),
    css=plate.style(HERE, "plate.css"),
)


def flow(words: Words, key: str, config: Config, scene: Scene, choose: Callable[[Choice], None], follow: Callable[[Number], None]) -> None:
    """Mount the flow. `choose` runs before the script does when the reader goes elsewhere, `follow` when they open a number."""
    limits = Limits(config, len(scene.pieces), len(scene.source))

    def chose() -> None:
        with suppress(Refusal):
            choose(parse(state.sent(key, "choice"), limits))

    def followed() -> None:
        given = state.sent(key, "cell")
        with suppress(Refusal):
            follow(Number.parse(given if isinstance(given, str) else ""))

    (maps, (map_part,)), (numbers, (number_part,)) = plate.split(scene.maps), plate.split(scene.numbers)
    known = {"maps": maps["maps"], "arrays": numbers["arrays"], "layers": numbers["layers"], "tokens": numbers["tokens"]}
    data = plate.envelope(header(words, config, scene) | known, map_part, number_part)
    _view(key=key, data=data, on_choice_change=chose, on_cell_change=followed)
