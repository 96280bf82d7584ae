"""Embeddings."""

from __future__ import annotations

import streamlit as st

from components.page import Page, Session


def render(session: Session) -> None:
    """The page."""
    st.title(session.words("embeddings.title"))
    st.markdown(session.words("embeddings.lead"))


PAGE = Page("embeddings", render, ())
