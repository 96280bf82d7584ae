"""A text and its branches under one another: from where they part, every token lit by how probable it was, each row with what it comes to.

`Scene` is laid out in Python, words written; `view.js` draws it. What returns is what the reader does with a branch: go to it, drop it, pin it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
Act = Literal["visit", "drop", "pin"]
WORDS = ("title", "keys", "present", "branch", "visit", "drop", "pin", "unpin", "cell", "more", "beginning", "scale")
OF_BLANKS = ("title", "cell", "beginning")
"""Those that speak of fillings where blanks are filled."""


@dataclass(frozen=True, slots=True)
class Row:
    """One continuation: its `key` (`None` for the text on the player), the `pieces` shown with each one's probability, which of them is
    the first that the text on the player does not have (`None`: none of these), how many `more` there are, what it comes to, in two
    figures, and the sentence that names its first difference."""

    key: int | None
    pieces: tuple[str, ...]
    shares: tuple[float, ...]
    parting: int | None
    more: int
    figures: tuple[str, str]
    told: str
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """The `rows`, the text on the player first; `before` is how the beginning ends that all have in common, `first` the number of the
    first token shown. `filled` says that the tokens fill blanks, in the order they stand here."""

    rows: tuple[Row, ...]
    before: tuple[str, ...]
    first: int
    revision: str
    filled: bool = False


def layout(words: Words, scene: Scene) -> dict[str, Any]:
    """What the view draws."""
    return {
        "rows": [_row(row) for row in scene.rows],
        "before": [plate.visible(piece) for piece in scene.before],
        "first": scene.first,
        "language": words.language,
        "words": {name: words(f"generation.branches.{name}{'_blank' * (scene.filled and name in OF_BLANKS)}") for name in WORDS},
        "revision": scene.revision,
    }


def _row(row: Row) -> dict[str, Any]:
    shown = {"pieces": [plate.visible(piece) for piece in row.pieces], "shares": [round(share, 6) for share in row.shares]}
    facts = {"key": row.key, "parting": row.parting, "more": row.more, "figures": row.figures, "told": row.told, "pinned": row.pinned}
    return shown | facts


def received(sent: Any, keys: Sequence[int]) -> tuple[Act, int]:
    """What the reader does with which of the branches on show. Raises `Refusal` for anything else."""
    match sent:
        case {"act": "visit" | "drop" | "pin" as act, "key": int(key)} if key in keys and not isinstance(key, bool):
            return act, key
    raise Refusal("branches.act", "a branch on show can {known}; got {given}", known=", ".join(get_args(Act)), given=repr(sent)[:60])


_view = component(
    "vitrine.branches",
    html='<section class="branches plate"></section>',
    js=plate.script(HERE),
    css=plate.style(HERE, "plate.css"),
)


def branch_rows(words: Words, key: str, scene: Scene, acted: Callable[[Act, int], None]) -> None:
    """Mount the rows; `acted` gets what the reader does with a branch, and its key."""

    def heard() -> None:
        with suppress(Refusal):
            acted(*received(state.sent(key, "act"), [row.key for row in scene.rows if row.key is not None]))

    _view(key=key, data=layout(words, scene), on_act_change=heard)
