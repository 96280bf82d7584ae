"""The whole pass."""

from __future__ import annotations

import streamlit as st

from components.page import Page, Session


def render(session: Session) -> None:
    """The page."""
    st.title(session.words("inside.title"))
    st.markdown(session.words("inside.lead"))


PAGE = Page("inside", render, ())
