"""The text being written and the player under it: every token a door to the moment before it was chosen, lit by how probable
it was, every blank showing what could fill it; above it its source, lit by where the next token looks; play, pause, step and
restart; and the KV cache filling up.

The browser keeps time: while it plays it asks for one step, waits for the answer, and asks again. Nothing loops in Python,
and a slow server slows the music down instead of piling up requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
Act = Literal["step", "play", "rest", "back", "restart", "go", "choose", "swap"]
"""What a reader does; `play` is a step that the playing asks for, `rest` ends it."""
SPEEDS = (0.5, 1.0, 2.0, 4.0, 8.0)
WORDS = (
    "heading",
    "keys",
    "play",
    "pause",
    "step",
    "back",
    "restart",
    "speed",
    "per_second",
    "scale",
    "held",
    "swap",
    "source",
    "target",
    "looked",
    "blank",
)
OF_FORM = ("position", "ahead", "token")
"""What is said otherwise of a text that grows (`written`) and of one whose blanks are filled (`filled`)."""


@dataclass(frozen=True, slots=True)
class Token:
    """A new token as it can be seen: the model's own probability and rank, and whether it is *held*, that is, put there by
    hand or under other settings than the present ones. `number` counts the new ones."""

    piece: str
    probability: float
    rank: int
    held: bool
    number: int


@dataclass(frozen=True, slots=True)
class Slot:
    """A blank that is open at the cursor: its place, what the model expects there with each probability, the likeliest first, the token
    that will stand there if one does, and whether it is the one looked at."""

    place: int
    guesses: tuple[tuple[str, float], ...]
    ahead: Token | None
    current: bool


Part = str | Token | Slot
"""What a text is made of: pieces that were given, tokens that were written, and blanks."""


@dataclass(frozen=True, slots=True)
class Cache:
    """What the KV cache holds at the cursor, and what it would hold with the context full: `tokens` of the text, and those of the source."""

    tokens: int
    capacity: int
    bytes: int
    layers: int
    prompt: int
    source: int = 0

    @property
    def bytes_per_token(self) -> int:
        """A key and a value in every layer and key/value head."""
        return self.bytes // (self.tokens + self.source)


@dataclass(frozen=True, slots=True)
class Source:
    """What is written about, and how much the token to come looks at each piece of it, on average over all heads."""

    pieces: tuple[str, ...]
    looked: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """What the new tokens come to: the log-probability of each in nats, those ahead of the cursor too, and what is `told` of those before it."""

    nats: tuple[float, ...]
    told: str


@dataclass(frozen=True, slots=True)
class Scene:
    """A text and the cursor `at`: that many of its `count` new tokens count as written so far, of `total` that there may be (`None`:
    no telling). `ended` says why nothing more can be written, or is empty; without a `cache`, `uncached` says why. `toggle` is
    the choice beside the player, `toggled` whether it is made. `swaps` offers to make what was written the source."""

    parts: tuple[Part, ...]
    count: int
    at: int
    ended: str
    cache: Cache | None
    speed: float
    toggle: str
    toggled: bool
    revision: str
    source: Source | None = None
    total: int | None = None
    uncached: str = ""
    swaps: bool = False
    tally: Tally = Tally((), "")


def layout(words: Words, scene: Scene) -> dict[str, Any]:
    """What the view draws."""
    form = "written" if scene.total is None else "filled"
    return {
        "parts": list(_parts(scene)),
        "count": scene.count,
        "total": scene.count if scene.total is None else scene.total,
        "at": scene.at,
        "ended": scene.ended,
        "cache": None if scene.cache is None else plate.plain(scene.cache),
        "source": None if scene.source is None else _source(scene.source),
        "speed": scene.speed,
        "speeds": SPEEDS,
        "toggle": scene.toggle,
        "toggled": scene.toggled,
        "swaps": scene.swaps,
        "tally": {"nats": [round(each, 4) for each in scene.tally.nats], "told": scene.tally.told},
        "language": words.language,
        "words": {name: words(f"generation.player.{name}") for name in WORDS}
        | {name: words(f"generation.player.{form}.{name}") for name in OF_FORM}
        | {"cache": scene.uncached if scene.cache is None else _cached(words, scene.cache)},
        "revision": scene.revision,
    }


def _parts(scene: Scene) -> Iterator[dict[str, Any]]:
    """The text in reading order; where it grows at its end, a caret stands at the cursor."""
    waiting = scene.total is None
    for part in scene.parts:
        if waiting and isinstance(part, Token) and part.number == scene.at:
            waiting = False
            yield {"kind": "caret"}
        match part:
            case str():
                yield {"kind": "given", "piece": plate.visible(part)}
            case Token():
                yield {"kind": "token", **_token(part)}
            case Slot():
                guesses = [{"piece": plate.visible(piece), "share": round(share, 6)} for piece, share in part.guesses]
                ahead = None if part.ahead is None else _token(part.ahead)
                yield {"kind": "slot", "place": part.place, "current": part.current, "ahead": ahead, "guesses": guesses}
    if waiting:
        yield {"kind": "caret"}


def _token(token: Token) -> dict[str, Any]:
    shown = {"piece": plate.visible(token.piece), "share": round(token.probability, 6), "rank": token.rank}
    return shown | {"held": token.held, "number": token.number}


def _source(source: Source) -> list[dict[str, Any]]:
    return [{"piece": plate.visible(piece), "share": round(share, 6)} for piece, share in zip(source.pieces, source.looked, strict=True)]


def _cached(words: Words, cache: Cache) -> str:
    each = cache.bytes_per_token
    sizes = {"now": words.bytes(cache.bytes), "each": words.bytes(each), "full": words.bytes(each * (cache.capacity + cache.source))}
    kind = "cache_source" if cache.source else "cache"
    told = {"tokens": words.number(cache.tokens), "capacity": words.number(cache.capacity), "source": words.number(cache.source)}
    return words(f"generation.player.{kind}", **told, **sizes)


# ---------------------------------------------------------------- what comes back


def act(sent: Any, steps: int, length: int) -> tuple[Act, int]:
    """What the reader wants of the player: at which of 0 … `steps` moments, or for which of the text's `length` places. Raises
    `Refusal` for anything else."""
    match sent:
        case {"act": "choose"}:
            return "choose", plate.index(sent, "at", length)
        case {"act": "step" | "play" | "rest" | "back" | "restart" | "go" | "swap" as name}:
            return name, plate.index(sent, "at", steps + 1)
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
    toggled: Callable[[bool], None],
) -> None:
    """Mount the player. `acted` gets what the reader did and where, `paced` a new speed, `toggled` the choice beside the player."""

    def heard_act() -> None:
        with suppress(Refusal):
            acted(*act(state.sent(key, "act"), scene.count, len(scene.parts)))

    def heard_speed() -> None:
        with suppress(Refusal):
            paced(tempo(state.sent(key, "speed")))

    def heard_toggle() -> None:
        toggled(state.sent(key, "toggle") is True)

    _view(key=key, data=layout(words, scene), on_act_change=heard_act, on_speed_change=heard_speed, on_toggle_change=heard_toggle)
