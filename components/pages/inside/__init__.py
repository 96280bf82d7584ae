"""The whole pass."""

from __future__ import annotations

import streamlit as st

from components.page import Page, Session
from components.pages.inside import derivation


def render(session: Session) -> None:
    """The page."""
    st.title(session.words("inside.title"))
    st.markdown(session.words("inside.lead"))
    derivation.derived(session)


PAGE = Page("inside", render, (*derivation.FIELDS,))
