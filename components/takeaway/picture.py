"""Two buttons that make files of the picture above them, in the browser."""

from __future__ import annotations

from pathlib import Path

from streamlit.components.v2 import component

from components.i18n import Words

HERE = Path(__file__).parent


def script(view: str) -> str:
    """A view's JavaScript behind what it shares with the other: the writer of SVG, and files."""
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in ("svg.js", "taking.js", view))


STYLE = (HERE / "view.css").read_text(encoding="utf-8")
_view = component("vitrine.takeaway", js=script("picture.js"), css=STYLE)


def buttons(words: Words, key: str, exhibit: str, name: str) -> None:
    """Offer the picture of an `exhibit` as PNG and as SVG, in a file called `name`."""
    told = {kind: words(f"takeaway.{kind}") for kind in ("png", "svg")}
    _view(key=key, data={"exhibit": exhibit, "name": name, "words": told})
