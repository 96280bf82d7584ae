"""The reader's text as the model reads it: one chip a token, with its number in the vocabulary; of a source and a target a row each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

from components import state
from components.canvas import plate
from components.i18n import Words
from components.page import Prompt
from model.errors import Refusal

_HERE = Path(__file__).parent
_view = component(
    "vitrine.chips",
    js=(_HERE / "view.js").read_text(encoding="utf-8"),
    css=(_HERE / "view.css").read_text(encoding="utf-8"),
)
KINDS = ("begin", "known", "outside", "blank")


@dataclass(frozen=True, slots=True)
class Group:
    """A row of chips: what it is to those who hear it, the tokens, and a title where there are several rows."""

    label: str
    prompt: Prompt
    title: str = ""


def chips(
    words: Words, groups: Sequence[Group], remarks: Sequence[str] = (), key: str = "chips", hide: Callable[[int], None] | None = None
) -> None:
    """Show the tokens of one prompt or of several, and remarks below them; `hide` is given the place of a token that was tapped. Pieces
    are data: the view sets them as text, never as markup."""

    def tapped() -> None:
        with suppress(Refusal):
            if hide is not None:
                hide(plate.index(state.sent(key, "tap"), "position", len(groups[0].prompt.ids)))

    _view(key=key, data=layout(words, groups, remarks, taps=hide is not None), on_tap_change=tapped)


def layout(words: Words, groups: Sequence[Group], remarks: Sequence[str] = (), *, taps: bool = False) -> dict[str, Any]:
    """What the view draws: pieces with their kind and number, group by group, and the words around them."""
    rows = [_row(group) for group in groups]
    outside = any(token["kind"] == "outside" for row in rows for token in row["tokens"])
    return {
        "groups": rows,
        "titles": {kind: words(f"shell.chips.{kind}") for kind in KINDS},
        "taps": words("shell.chips.tap") if taps else "",
        "legend": words("shell.chips.legend") if outside else "",
        "remarks": list(remarks),
    }


def _row(group: Group) -> dict[str, Any]:
    prompt = group.prompt
    every = enumerate(zip(prompt.pieces, prompt.ids, strict=True))
    tokens = [{"piece": piece, "kind": _kind(prompt, place), "id": id} for place, (piece, id) in every]
    return {"tokens": tokens, "label": group.label, "title": group.title, "own": prompt.own}


def _kind(prompt: Prompt, place: int) -> str:
    if place < prompt.opening or place >= len(prompt.ids) - prompt.closing:
        return "begin"
    return "blank" if place in prompt.blanks else "known" if prompt.known[place] else "outside"
