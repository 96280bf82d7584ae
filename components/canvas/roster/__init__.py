"""Every head by one measure: a cell each, layers in rows, and a list of those that lead, with what silencing each of them cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from streamlit.components.v2 import component

from components import state
from components.canvas import plate
from components.i18n import Words
from model.errors import Refusal

HERE = Path(__file__).parent
Standing = Literal["named", "close", "none"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One head, by its number counted layer by layer: its score as a share of the scale's end and as it is written; what silencing it
    `lost` in nats with its standard `error`, and both as written, `None` where nothing was silenced; and what it is called, if anything."""

    number: int
    share: float
    written: str
    lost: float | None = None
    error: float | None = None
    told: str = ""
    standing: Standing = "none"
    chip: str = ""


@dataclass(frozen=True, slots=True)
class Roster:
    """`entries` of all heads in the order they are numbered, `ranked` the numbers that are listed; `chosen` is a number. `said` are the
    words: title, grid, list, layers, heads, score, lost, cell, keys and, for the scale, its name and its two ends."""

    revision: str
    layers: int
    heads: int
    entries: tuple[Entry, ...]
    ranked: tuple[int, ...]
    chosen: int
    said: Mapping[str, str]

    def __post_init__(self) -> None:
        if len(self.entries) != self.layers * self.heads:
            sentence = "{layers} layers of {heads} heads need as many entries, got {given}"
            raise Refusal("canvas.roster", sentence, layers=self.layers, heads=self.heads, given=len(self.entries))


def layout(roster: Roster) -> dict[str, Any]:
    """What the view draws; the bars of what was lost end at the farthest tip of a whisker among those listed."""
    listed = [roster.entries[number] for number in roster.ranked]
    tips = [abs(entry.lost) + (entry.error or 0) for entry in listed if entry.lost is not None]
    return {
        "revision": roster.revision,
        "layers": roster.layers,
        "heads": roster.heads,
        "entries": [{"share": entry.share, "written": entry.written, "named": entry.standing == "named"} for entry in roster.entries],
        "ranked": [plate.plain(entry) for entry in listed],
        "farthest": max(tips, default=0) or 1,
        "below": any(entry.lost is not None and entry.lost - (entry.error or 0) < 0 for entry in listed),
        "silenced": bool(tips),
        "chosen": roster.chosen,
        "words": dict(roster.said),
    }


_view = component(
    "vitrine.roster",
    html='<section class="roster plate"></section>',
    js=plate.script(HERE),
    css=plate.style(HERE, "plate.css"),
)


def roster(words: Words, key: str, shown: Roster, choose: Callable[[int], None]) -> None:
    """Mount the picture; `choose` is given the number of the head that was chosen."""

    def chose() -> None:
        with suppress(Refusal):
            choose(plate.index(state.sent(key, "chosen"), "head", len(shown.entries)))

    _view(key=key, data=layout(shown) | {"language": words.language}, on_chosen_change=chose)
