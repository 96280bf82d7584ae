"""Change it and compare: edits of a live model as chips, and what becomes of its answer."""

from __future__ import annotations

import time

import streamlit as st

from components.page import Page, Session, block, guarded
from components.pages.change import bench, examples, results, second, steering
from components.pages.change.view import FIELDS, View

BREATH = 0.05  # seconds between the canvases and the rest: a slider that goes on moving interrupts what comes after


def render(session: Session) -> None:
    """The page."""
    st.title(session.words("change.title"))
    st.markdown(session.words("change.lead"))
    examples.examples(View(session))
    workbench(session)


@block
def workbench(session: Session) -> None:
    """Everything that depends on the edits."""
    view = View(session)
    left, right = st.columns([13, 10], gap="medium")
    with left:
        bench.board(view)
    with right:
        bench.chips(view)
        bench.hand(view)
    found, at = results.compared(view)
    left, right = st.columns([11, 10], gap="large")
    with left:
        results.text(view, found, at)
        written = st.container()
    with right:
        results.next_token(view, found, at)
    results.head_maps(session, view, found)
    for part in (second.patching, steering.steering):
        with guarded(session.words):
            part(session, view)
    time.sleep(BREATH)
    with written:
        (results.filled if view.encoder else results.written)(view)


PAGE = Page("change", render, FIELDS)
