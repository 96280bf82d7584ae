"""Which heads matter."""

from __future__ import annotations

import streamlit as st

from components.page import Page, Session


def render(session: Session) -> None:
    """The page."""
    st.title(session.words("heads.title"))
    st.markdown(session.words("heads.lead"))


PAGE = Page("heads", render, ())
