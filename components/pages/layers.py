"""What it thinks at each layer."""

from __future__ import annotations

import streamlit as st

from components.page import Page, Session


def render(session: Session) -> None:
    """The page."""
    st.title(session.words("layers.title"))
    st.markdown(session.words("layers.lead"))


PAGE = Page("layers", render, ())
