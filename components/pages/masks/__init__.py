"""Masks: choose a pattern, combine some or paint one, and see what it changes in the same model on the same text."""

from __future__ import annotations

import time

import streamlit as st

from components.controls import mask
from components.controls import where as places
from components.page import Page, Session, block
from components.pages.masks import answer, bench, costs, edges, leaks, travel
from components.pages.masks.view import FIELDS, WHERE, view

BREATH = 0.05  # seconds between the canvases and the rest: what arrives together is painted together, at the pace of the slowest


def render(session: Session) -> None:
    """The page: where, the patterns, the mask at hand, and the same text read by default and masked."""
    st.title(session.words("masks.title"))
    workbench(session)


@block
def workbench(session: Session) -> None:
    """Everything that depends on the mask."""
    top = st.container(key="masks-top", horizontal=True, vertical_alignment="center")
    where = places.choice(session.words, WHERE, session.specimen)
    at = view(session, where)
    name, numbers = mask.recognised(where, at.shaded)
    at.desk.note_numbers(name, numbers)
    allowed = at.desk.build(at.shaded)
    with top:
        st.markdown(session.words("masks.lead"))
        bench.where(at)
    bench.gallery(at, name)
    left, right = st.columns([11, 10], gap="large")
    middle = st.container()
    with left:
        bench.painting(at, allowed)
    with middle:
        answer.compared(session, at)
    time.sleep(BREATH)
    default, masked = at.traces()
    with right:
        bench.controls(at, name, allowed)
        answer.next_token(at, default, masked)
    left, right = st.columns([11, 10], gap="large")
    with left:
        (answer.shifts if at.encoder else answer.losses)(at, default, masked)
    with right:
        (leaks.leaked if at.ahead else travel.travelled)(session, at)
    left, right = st.columns([11, 10], gap="large")
    with left:
        costs.costly(session, at)
    with right:
        if at.ahead:
            travel.travelled(session, at)
        edges.edges(session, at)


OPENS = ("gift",)
"""What the window that the page opens with hides is far back here, and the answer hangs on it."""
PAGE = Page("masks", render, FIELDS, opens=OPENS)
