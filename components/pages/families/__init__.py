"""Families: every published design drawn from its configuration, two of them held against each other, run in miniature, trained side by side."""

from __future__ import annotations

import streamlit as st

from components.page import Page, Session, block
from components.pages.families import choice, portrait, running


def render(session: Session) -> None:
    """The page: the line of families, the drawing, its story and sizes, the miniatures."""
    st.title(session.words("families.title"))
    st.markdown(session.words("families.lead"))
    _chosen(session)


@block
def _chosen(session: Session) -> None:
    """All that follows from which families are chosen."""
    names = choice.chosen()
    portrait.portrait(session, names)
    running.miniatures(session, names)


PAGE = Page("families", render, choice.FIELDS)
