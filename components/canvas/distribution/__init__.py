"""The next token's distribution and the dials that act on it: every filter at once, in the browser, from stored logits.

The browser gets the logits of one step and applies the filters itself (filters.js), so a dial moves the bars without a
message; when it comes to rest its setting is sent to Python, which keeps it in the link and goes on writing with it.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from streamlit.components.v2 import component

from components import state
from components.canvas import plate
from components.i18n import Words
from model.errors import Refusal
from model.generation import Choose, Greedy, Sample

HERE = Path(__file__).parent
SEEDS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Dials:
    """What the reader turned. A temperature of 0 means the most probable token every time; a filter at its resting value (1, 0, 0, 1, 0, 1,
    0, 1) changes nothing."""

    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical: float = 1.0
    seed: int = 0

    def choose(self) -> Choose:
        """The chooser these dials describe. Raises `Refusal` for impossible values."""
        if self.temperature == 0:
            return Greedy(**{name: getattr(self, name) for name in GROUPS["penalties"]})
        return Sample(**asdict(self))


GROUPS = {
    "penalties": ("repetition_penalty", "frequency_penalty", "presence_penalty"),
    "shape": ("temperature",),
    "cuts": ("top_k", "top_p", "min_p", "typical"),
}
"""The dials as they stand under one another, which is the order in which they act."""


def _steps(low: float, high: float, step: float) -> list[float]:
    return [round(low + step * at, 6) for at in range(round((high - low) / step) + 1)]


STOPS: dict[str, list[float]] = {
    "repetition_penalty": _steps(1, 2, 0.05),
    "frequency_penalty": _steps(0, 2, 0.05),
    "presence_penalty": _steps(0, 2, 0.05),
    "temperature": _steps(0, 2, 0.05),
    "top_k": [*range(1, 11), 12, 15, 20, 25, 30, 40, 50, 75, 100, 0],
    "top_p": _steps(0.05, 1, 0.05),
    "min_p": [0, 0.001, 0.002, 0.005, *_steps(0.01, 0.5, 0.01)],
    "typical": _steps(0.05, 1, 0.05),
}
"""Where each dial can rest, from its left end to its right end."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One step's distribution and what it is called: `logits` (V,), the ids a penalty counts, the die for this place in [0, 1),
    the token that stands here if one is written, and whether the text may go on."""

    title: str
    logits: NDArray[np.floating[Any]]
    history: tuple[int, ...]
    die: float
    written: int | None
    live: bool
    revision: str


WORDS = (
    *("probability", "order", "lowers", "legend_after", "legend_before", "legend_cut", "legend_drawn", "legend_written", "others", "cuts", "off"),
    *("greedy", "no_effect", "die_falls", "no_die", "again", "seed", "reset", "pick", "row", "row_cut"),
)


def pack(logits: NDArray[np.floating[Any]]) -> bytes:
    """Logits as 32-bit numbers, little end first: exactly what Python chooses from."""
    return plate.squeeze([logits.astype("<f4")])


def pack_pieces(pieces: Sequence[str]) -> bytes:
    """Every token of the vocabulary as it can be seen."""
    return plate.squeeze([np.frombuffer(json.dumps([plate.visible(piece) for piece in pieces], ensure_ascii=False).encode(), np.uint8)])


def header(words: Words, scene: Scene, dials: Dials, answered: int) -> dict[str, Any]:
    """What goes with the numbers. `answered` is the number of the last message from the browser that `dials` takes account of."""
    names = {name: words(f"generation.dials.{name}") for name in STOPS}
    hints = {name: words(f"generation.dials.{name}_hint") for name in STOPS}
    groups = [{"name": words(f"generation.dials.groups.{name}"), "dials": dials} for name, dials in GROUPS.items()]
    return {
        "revision": scene.revision,
        "answered": answered,
        "seen": sorted(Counter(scene.history).items()),
        "title": scene.title,
        "die": scene.die,
        "written": scene.written,
        "live": scene.live,
        "dials": asdict(dials),
        "stops": STOPS,
        "groups": groups,
        "shorts": {name: words(f"generation.dials.short.{name}") for name in GROUPS["penalties"]},
        "resting": {name: getattr(Dials(temperature=1), name) for name in STOPS},
        "names": names,
        "hints": hints,
        "language": words.language,
        "words": {name: words(f"generation.distribution.{name}") for name in WORDS},
    }


# ---------------------------------------------------------------- what comes back


def parse(sent: Any) -> tuple[Dials, int]:
    """The dials a browser sent, and its message's number. Raises `Refusal` for anything that no dial can say."""
    match sent:
        case {"number": int(number), "seed": int(seed), **rest} if 0 <= seed < SEEDS and rest.keys() == STOPS.keys():
            if all(_resting(name, value) for name, value in rest.items()):
                whole = int(rest.pop("top_k"))
                return Dials(**{name: float(value) for name, value in rest.items()}, top_k=whole, seed=seed), number
    raise Refusal("distribution.dials", "dials are {names} and a seed; got {given}", names=", ".join(STOPS), given=repr(sent)[:80])


def _resting(name: str, value: Any) -> bool:
    low, high = min(STOPS[name]), max(STOPS[name])
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and low <= value <= high


_view = component(
    "vitrine.distribution",
    html='<section class="distribution plate"></section>',
    js=plate.script(HERE, "distribution/filters.js"),
    css=plate.style(HERE, "plate.css"),
)


def distribution(
    words: Words,
    key: str,
    scene: Scene,
    dials: Dials,
    pieces: bytes,
    *,
    turned: Callable[[Dials], None],
    picked: Callable[[int], None],
    again: Callable[[], None],
) -> None:
    """Mount the plate. `pieces` is `pack_pieces` of the vocabulary, best kept with `compute.packed`. `turned` gets new dials,
    `picked` the token the reader put here by hand, `again` asks for another throw of the die."""

    def heard_dials() -> None:
        with suppress(Refusal):
            turned(parse(state.sent(key, "dials"))[0])

    def heard_pick() -> None:
        with suppress(Refusal):
            picked(plate.index(state.sent(key, "pick"), "id", len(scene.logits)))

    try:
        answered = parse(state.sent(key, "dials"))[1]
    except Refusal:
        answered = 0
    data = plate.envelope(header(words, scene, dials, answered), pack(scene.logits), pieces)
    _view(key=key, data=data, on_dials_change=heard_dials, on_pick_change=heard_pick, on_again_change=again)
