"""Two buttons that make files of the whole page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from streamlit.components.v2 import component

from components import state
from components.i18n import Words
from components.takeaway.picture import STYLE, script
from model.errors import Refusal

Kind = Literal["handout", "notebook"]
NAMES: dict[Kind, str] = {"handout": "html", "notebook": "ipynb"}
_view = component("vitrine.page", js=script("page.js"), css=STYLE)


@dataclass(frozen=True, slots=True)
class Made:
    """A document for the browser to save; it saves each `serial` once."""

    serial: int
    kind: Kind
    name: str
    document: str


def asked(sent: object) -> Kind:
    """What a browser says it wants. Raises `Refusal` for anything else."""
    for kind in NAMES:
        if sent == kind:
            return kind
    raise Refusal("takeaway.kind", "a page leaves as a handout or as a notebook, not as {given}", given=repr(sent)[:40])


def buttons(words: Words, key: str, made: Made | None, want: Callable[[Kind], None]) -> None:
    """Offer the page as a hand-out and as a notebook: `want` hears which; what is then `made` is saved."""

    def wanted() -> None:
        want(asked(state.sent(key, "wanted")))

    told: dict[str, str] = {kind: words(f"takeaway.{kind}.button") for kind in NAMES}
    sent = {"serial": made.serial, "kind": made.kind, "name": made.name, "document": made.document} if made else None
    _view(key=key, data={"words": told, "made": sent}, on_wanted_change=wanted)
