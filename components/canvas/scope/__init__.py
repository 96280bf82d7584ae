"""Where a mask acts: in all layers, in one, in one head; and every mask that differs, as a chip to go to or to take away."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
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
WORDS = ("title", "layer", "head", "all_layers", "all_heads", "one_layer", "one_head", "remove")


@dataclass(frozen=True, slots=True)
class Chip:
    """A mask of the plan: the layer and the head it acts in, counted from 0 and −1 for all, and what it is."""

    layer: int
    head: int
    told: str


@dataclass(frozen=True, slots=True)
class Reach:
    """How many layers and heads there are, the masks in them, that of all layers first, and which layer and head are in hand."""

    layers: int
    heads: int
    chips: Sequence[Chip]
    layer: int = -1
    head: int = -1


def layout(words: Words, reach: Reach) -> dict[str, Any]:
    """What the view draws."""
    facts = plate.plain(reach)
    return facts | {"words": {name: words(f"masks.scope.{name}") for name in WORDS}, "painted": f"{zlib.crc32(repr(facts).encode()):08x}"}


def received(sent: Any, reach: Reach) -> tuple[str, int, int]:
    """What a browser did, `go` or `remove`, and for which layer and head. Raises `Refusal` for anything else."""
    match sent:
        case {"act": "go" | "remove" as act, "layer": int(layer), "head": int(head)} if -1 <= layer < reach.layers and -1 <= head < reach.heads:
            if head < 0 or layer >= 0:
                return act, layer, head
    raise Refusal("scope.act", "a layer or a head is gone to or removed; got {given}", given=repr(sent)[:60])


_view = component("vitrine.scope", html='<div class="scope"></div>', js=plate.script(HERE), css=(HERE / "view.css").read_text(encoding="utf-8"))


def scope(key: str, words: Words, reach: Reach, then: Callable[[str, int, int], None]) -> None:
    """Show where the mask in hand acts; `then` is given what was done, the layer and the head (−1: all)."""

    def acted() -> None:
        with suppress(Refusal):
            then(*received(state.sent(key, "act"), reach))

    _view(key=key, data=layout(words, reach), on_act_change=acted)
