"""The text being written and the player under it: every token a door to the moment before it was chosen, lit by how probable
it was; play, pause, step and restart; and the KV cache filling up.

The browser keeps time: while it plays it asks for one step, waits for the answer, and asks again. Nothing loops in Python,
and a slow server slows the music down instead of piling up requests.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from streamlit.components.v2 import component

from components import state
from components.canvas import plate
from components.i18n import Words
from model.errors import Refusal

HERE = Path(__file__).parent
Act = Literal["step", "back", "restart", "go"]
SPEEDS = (0.5, 1.0, 2.0, 4.0, 8.0)
WORDS = (
    *("heading", "keys", "play", "pause", "step", "back", "restart"),
    *("speed", "per_second", "position", "stop", "scale", "ahead", "held", "token"),
)


@dataclass(frozen=True, slots=True)
class Token:
    """A new token as it can be seen: the model's own probability and rank, and whether it is *held*, that is, put there by
    hand or under other settings than the present ones."""

    piece: str
    probability: float
    rank: int
    held: bool


@dataclass(frozen=True, slots=True)
class Cache:
    """What the KV cache holds at the cursor, and what it would hold with the context full."""

    tokens: int
    capacity: int
    bytes: int
    layers: int

    @property
    def bytes_per_token(self) -> int:
        """A key and a value in every layer and key/value head."""
        return self.bytes // self.tokens


@dataclass(frozen=True, slots=True)
class Scene:
    """The prompt's pieces, the tokens written after it, and the cursor `at`: that many of them count as written so far.
    `ended` says why nothing more can be written, or is empty."""

    prompt: tuple[str, ...]
    tokens: tuple[Token, ...]
    at: int
    ended: str
    cache: Cache
    speed: float
    stop: bool
    revision: str


def layout(words: Words, scene: Scene) -> dict[str, Any]:
    """What the view draws."""
    cache = scene.cache
    each, full = cache.bytes_per_token, cache.bytes_per_token * cache.capacity
    sizes = {"now": words.bytes(cache.bytes), "each": words.bytes(each), "full": words.bytes(full)}
    return {
        "prompt": [plate.visible(piece) for piece in scene.prompt],
        "tokens": [_token(token) for token in scene.tokens],
        "at": scene.at,
        "ended": scene.ended,
        "cache": {"tokens": cache.tokens, "capacity": cache.capacity, "layers": cache.layers, "prompt": len(scene.prompt)},
        "speed": scene.speed,
        "speeds": SPEEDS,
        "stop": scene.stop,
        "language": words.language,
        "words": {name: words(f"generation.player.{name}") for name in WORDS}
        | {"cache": words("generation.player.cache", tokens=words.number(cache.tokens), capacity=words.number(cache.capacity), **sizes)},
        "revision": scene.revision,
    }


def _token(token: Token) -> dict[str, Any]:
    return {"piece": plate.visible(token.piece), "share": round(token.probability, 6), "rank": token.rank, "held": token.held}


# ---------------------------------------------------------------- what comes back


def act(sent: Any, tokens: int) -> tuple[Act, int]:
    """What the reader wants of the player, and at which of 0 … `tokens` places. Raises `Refusal` for anything else."""
    match sent:
        case {"act": "step" | "back" | "restart" | "go" as name}:
            return name, plate.index(sent, "at", tokens + 1)
    raise Refusal("timeline.act", "a player can {known}; got {given}", known=", ".join(get_args(Act)), given=repr(sent)[:60])


def tempo(sent: Any) -> float:
    """One of the speeds, in tokens per second. Raises `Refusal` for any other."""
    if sent not in SPEEDS:
        sentence = "the speeds are {known} tokens a second; got {given}"
        raise Refusal("timeline.speed", sentence, known=", ".join(map(str, SPEEDS)), given=repr(sent)[:40])
    return float(sent)


_view = component(
    "vitrine.timeline",
    html='<section class="timeline plate"></section>',
    js=plate.script(HERE),
    css=plate.style(HERE, "plate.css"),
)


def timeline(
    words: Words,
    key: str,
    scene: Scene,
    *,
    acted: Callable[[Act, int], None],
    paced: Callable[[float], None],
    stopped: Callable[[bool], None],
) -> None:
    """Mount the player. `acted` gets what the reader did and where, `paced` a new speed, `stopped` whether to end with the document."""

    def heard_act() -> None:
        with suppress(Refusal):
            acted(*act(state.sent(key, "act"), len(scene.tokens)))

    def heard_speed() -> None:
        with suppress(Refusal):
            paced(tempo(state.sent(key, "speed")))

    def heard_stop() -> None:
        stopped(state.sent(key, "stop") is True)

    _view(key=key, data=layout(words, scene), on_act_change=heard_act, on_speed_change=heard_speed, on_stop_change=heard_stop)
