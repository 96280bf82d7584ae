"""What only the browser can do for the whole page: its language, its theme, and an address that changes without a history entry."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.components.v2 import component

_view = component("vitrine.frame", js=Path(__file__).with_name("view.js").read_text(encoding="utf-8"), isolate_styles=False)


def frame(language: str, scheme: str, page: int) -> None:
    """Set `<html lang>`, the theme (`light` or `dark`) and which link of the menu is the current page. Draws nothing."""
    with st.container(key="frame"):
        _view(key="frame-view", data={"language": language, "scheme": scheme, "page": page})
