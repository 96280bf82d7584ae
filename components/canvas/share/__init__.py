"""A link to take away: the address in a field, and a button that copies it."""

from __future__ import annotations

from pathlib import Path

from streamlit.components.v2 import component

from components.i18n import Words

_HERE = Path(__file__).parent
_view = component(
    "vitrine.share",
    js=(_HERE / "view.js").read_text(encoding="utf-8"),
    css=(_HERE / "view.css").read_text(encoding="utf-8"),
)


def share(words: Words, link: str) -> None:
    """Show `link` and offer to copy it."""
    copied = {"label": words("shell.share.label"), "copy": words("shell.share.copy"), "copied": words("shell.share.copied")}
    _view(key="share-view", data=copied | {"link": link})
