"""The families by the year they appeared: choose one, or two to be held against each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

from components import state
from components.canvas import plate
from components.i18n import Words
from components.theme import PAIR
from model.errors import Refusal

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Entry:
    """A family on the line: its name to send back, its title to read, the year of its first model."""

    name: str
    title: str
    year: int


def layout(words: Words, entries: Sequence[Entry], chosen: Sequence[str]) -> dict[str, Any]:
    """What the view draws: the years in order, and the one or two families chosen."""
    ordered = sorted(entries, key=lambda entry: entry.year)
    titles = {entry.name: entry.title for entry in entries}
    return {
        "title": words("families.lineage.title"),
        "years": [
            {"year": year, "families": [{"name": entry.name, "title": entry.title} for entry in group]}
            for year, group in groupby(ordered, key=lambda entry: entry.year)
        ],
        "chosen": list(chosen),
        "titles": [titles[name] for name in chosen],
        "colours": list(PAIR),
        "words": {name: words(f"families.lineage.{name}") for name in ("first", "second", "compare", "remove")},
        "painted": ".".join(chosen),
    }


_view = component(
    "vitrine.lineage",
    html='<div class="room"><div class="lineage" role="group"></div></div>',
    js=plate.script(HERE),
    css=(HERE / "view.css").read_text(encoding="utf-8"),
)


def lineage(words: Words, key: str, entries: Sequence[Entry], chosen: Sequence[str], then: Callable[[int, str], None]) -> None:
    """Show the line; `then` is given which of the two (0 or 1) shall be which family, "" for none."""

    def heard() -> None:
        try:
            then(*received(state.sent(key, "choice"), entries))
        except Refusal:
            return

    _view(key=key, data=layout(words, entries, chosen), on_choice_change=heard)


def received(given: Any, entries: Sequence[Entry]) -> tuple[int, str]:
    """Which one shall be what. Raises `Refusal` for anything that the view cannot have sent; only the second can be taken away."""
    slot, names = plate.index(given, "slot", 2), {entry.name for entry in entries}
    family = given.get("family")
    if family not in names and (slot, family) != (1, ""):
        raise Refusal("lineage.choice", "a family is one of {names}; got {given}", names=", ".join(sorted(names)), given=repr(family)[:40])
    return slot, family
