"""Inside: the whole pass as one picture, and below it what any number in it was made from."""

from __future__ import annotations

import streamlit as st

from components.controls import arithmetic
from components.page import Page, Session
from components.pages.inside import derivation, passing


def render(session: Session) -> None:
    """The page."""
    st.title(session.words("inside.title"))
    st.markdown(session.words("inside.lead"))
    arithmetic.under_which(session)
    passing.flow(session)
    derivation.derived(session)


PAGE = Page("inside", render, (*passing.FIELDS, *derivation.FIELDS))
