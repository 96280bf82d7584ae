"""Edits as chips: each can be switched off and on, chosen, moved and removed; and what was done can be undone."""

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
from components.i18n import Words
from model.errors import Refusal

HERE = Path(__file__).parent
OF_ONE = ("toggle", "choose", "earlier", "later", "remove")
OF_ALL = ("undo", "redo", "clear")
WORDS = (*OF_ONE, *OF_ALL, "title", "empty")


@dataclass(frozen=True, slots=True)
class Switch:
    """A chip: its sentence, whether it is on, and why it has no place here, if it has none."""

    told: str
    on: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """The chips in their order, which one is in hand (counted from 1, 0 for none), and whether there are steps to undo and to redo."""

    switches: tuple[Switch, ...]
    chosen: int = 0
    undo: bool = False
    redo: bool = False

    @property
    def revision(self) -> str:
        """These chips in this order: what a browser says it acted on."""
        return f"{zlib.crc32(repr(self.switches).encode()):08x}"


def layout(words: Words, panel: Panel) -> dict[str, Any]:
    """What the view draws."""
    told = {name: words(f"change.chips.{name}") for name in WORDS}
    on = sum(switch.on and not switch.reason for switch in panel.switches)
    counted = words("change.chips.counted", on=on, all=len(panel.switches)) if panel.switches else ""
    facts = {"chosen": panel.chosen, "undo": panel.undo, "redo": panel.redo, "revision": panel.revision, "counted": counted, "words": told}
    return facts | {"switches": [plate.plain(switch) for switch in panel.switches], "painted": f"{panel.revision}/{panel.chosen}"}


def received(sent: Any, panel: Panel) -> tuple[str, int]:
    """What a browser did, and to which chip. Raises `Refusal` for anything else, and for chips that are no longer these."""
    match sent:
        case {"act": str(act), "revision": str(revision)} if revision == panel.revision and act in OF_ALL:
            return act, 0
        case {"act": str(act), "revision": str(revision)} if revision == panel.revision and act in OF_ONE:
            return act, plate.index(sent, "at", len(panel.switches))
    raise Refusal("switches.act", "a chip is switched, chosen, moved or removed; got {given}", given=repr(sent)[:60])


_view = component("vitrine.switches", html='<div class="switches"></div>', js=plate.script(HERE), css=(HERE / "view.css").read_text(encoding="utf-8"))


def switches(key: str, words: Words, panel: Panel, then: Callable[[str, int], None]) -> None:
    """Show the chips; `then` is given what was done and to which, counted from 0."""

    def acted() -> None:
        with suppress(Refusal):
            then(*received(state.sent(key, "act"), panel))

    _view(key=key, data=layout(words, panel), on_act_change=acted)
