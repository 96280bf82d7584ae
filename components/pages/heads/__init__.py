"""Which heads matter: found and confirmed, compared with each other, and followed together through all layers."""

from __future__ import annotations

import streamlit as st

from components import state
from components.controls import where as places
from components.jobs import tend
from components.page import Page, Session, note
from components.pages.heads import finder, reach
from components.pages.heads.study import Study
from components.pages.heads.wanted import FIELDS, WHERE, Place


def render(session: Session) -> None:
    """The page: the place, the heads in it one by one and beside each other, and all of them together."""
    words = session.words
    st.title(words("heads.title"))
    st.markdown(words("heads.lead"))
    study: Study = state.remember("heads.study", Study)
    tend(study.desk)
    where = places.choice(words, WHERE, session.specimen)
    place = Place(where, *places.pieces(session.prompt, where))
    if len(place.queries) < 2:
        note(session, words("heads.short"))
    finder.finder(session, place, study)
    if len(place.queries) > 1:
        reach.reached(session, place)


PAGE = Page("heads", render, FIELDS)
