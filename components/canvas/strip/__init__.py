"""The tokens of a text one after the other, to choose from, or coloured by a number each: one choice, or as many as one likes."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

from components import state
from components.canvas import plate
from model.errors import Refusal

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Token:
    """A token: its text, what is written below it, what it is called aloud, and its colour by a share from -1 to 1, if it has one."""

    text: str
    below: str = ""
    told: str = ""
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Strip:
    """Tokens under a label, those that are chosen (counted from 0), and whether there may be `many`; `every` names the button that
    chooses none of them, where there is one."""

    label: str
    tokens: tuple[Token, ...]
    chosen: tuple[int, ...] = ()
    many: bool = False
    every: str = ""


def layout(strip: Strip) -> dict[str, Any]:
    """What the view draws."""
    tokens = [{"text": plate.visible(token.text), "below": token.below, "told": token.told, "code": _code(token.share)} for token in strip.tokens]
    named = {"label": strip.label, "chosen": list(strip.chosen), "many": strip.many, "every": strip.every, "tokens": tokens}
    return named | {"painted": f"{zlib.crc32(repr(strip).encode()):08x}"}


def _code(share: float | None) -> int | None:
    if share is None:
        return None
    root = min(1.0, abs(share)) ** 0.5
    return round(127.5 + 127.5 * (root if share > 0 else -root))


def received(sent: Any, strip: Strip) -> tuple[int, ...]:
    """The tokens a browser chose, in rising order. Raises `Refusal` for anything else."""
    places = sent.get("chosen") if isinstance(sent, dict) else None
    if isinstance(places, list) and all(type(at) is int and 0 <= at < len(strip.tokens) for at in places) and len(places) <= len(strip.tokens):
        found = tuple(sorted(set(places)))
        if strip.many or len(found) < 2:
            return found
    raise Refusal("strip.chosen", "tokens are chosen by their places; got {given}", given=repr(sent)[:60])


_view = component("vitrine.strip", html='<div class="strip"></div>', js=plate.script(HERE), css=(HERE / "view.css").read_text(encoding="utf-8"))


def strip(key: str, shown: Strip, then: Callable[[tuple[int, ...]], None]) -> None:
    """Show the tokens; `then` is given the places of those that are chosen now."""

    def chose() -> None:
        with suppress(Refusal):
            then(received(state.sent(key, "places"), shown))

    _view(key=key, data=layout(shown), on_places_change=chose)
