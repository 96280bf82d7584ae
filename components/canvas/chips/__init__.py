"""The reader's text as the model reads it: one chip a token, with its number in the vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

from components.i18n import Words
from components.page import Prompt

_HERE = Path(__file__).parent
_view = component(
    "vitrine.chips",
    js=(_HERE / "view.js").read_text(encoding="utf-8"),
    css=(_HERE / "view.css").read_text(encoding="utf-8"),
)


def chips(words: Words, prompt: Prompt, remarks: Sequence[str] = (), key: str = "chips") -> None:
    """Show the tokens of a prompt, and remarks below them. Pieces are data: the view sets them as text, never as markup."""
    _view(key=key, data=layout(words, prompt, remarks))


def layout(words: Words, prompt: Prompt, remarks: Sequence[str] = ()) -> dict[str, Any]:
    """What the view draws: pieces with their kind (`begin`, `known`, `outside`) and number, and the words around them."""
    kinds = ["begin", *("known" if known else "outside" for known in prompt.known[1:])]
    return {
        "tokens": [{"piece": piece, "kind": kind, "id": id} for piece, kind, id in zip(prompt.pieces, kinds, prompt.ids, strict=True)],
        "label": words("shell.chips.label", count=len(prompt.ids)),
        "titles": {kind: words(f"shell.chips.{kind}") for kind in ("begin", "known", "outside")},
        "legend": words("shell.chips.legend") if "outside" in kinds else "",
        "remarks": list(remarks),
    }
