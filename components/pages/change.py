"""Change it and compare."""

from __future__ import annotations

import streamlit as st

from components.page import Page, Session


def render(session: Session) -> None:
    """The page."""
    st.title(session.words("change.title"))
    st.markdown(session.words("change.lead"))


PAGE = Page("change", render, ())
