"""Beam search on the page: every text that was alive at every step, what became of it, and what greedy decoding wrote instead."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from components import state
from components.controls import prompt
from components.page import Session, block, exhibit
from model.generation import Beams, BeamStep, beam_search

WIDTH = state.integer("b.width", 4, 1, 8)
PENALTY = state.number("b.penalty", 1.0, -1.0, 2.0)
TOKENS = state.integer("b.tokens", 16, 1, 32)
STOP = state.flag("b.stop", True)
FIELDS = (WIDTH, PENALTY, TOKENS, STOP)


@block
def section(session: Session) -> None:
    """The controls and what they find."""
    words = session.words
    with st.container(horizontal=True, gap="large"):
        st.slider(words("strategies.beams.width"), 1, 8, width=260, **state.bind(WIDTH))
        st.slider(words("strategies.beams.tokens"), 1, 32, width=260, **state.bind(TOKENS))
        st.slider(words("strategies.beams.penalty"), -1.0, 2.0, step=0.1, width=260, **state.bind(PENALTY))
        st.toggle(words("strategies.beams.stop"), **state.bind(STOP))
    steps = _searched(session)
    exhibit(session, "found", lambda: st.dataframe(_table(session, steps), hide_index=True), _told(session, steps), lambda: _table(session, steps))


def _searched(session: Session) -> tuple[BeamStep, ...]:
    specimen, given = session.specimen, session.prompt
    stop = specimen.loaded.marks.stop if state.get(STOP) else None
    how = Beams(width=state.get(WIDTH), tokens=state.get(TOKENS), length_penalty=state.get(PENALTY), stop=stop)
    return tuple(beam_search(specimen.loaded.model, given.given, how, source=given.source_ids or None))


def _told(session: Session, steps: tuple[BeamStep, ...]) -> str:
    best = steps[-1].finished[0]
    return session.words("strategies.beams.best", text=_text(session, best.text.ids), score=session.words.number(best.score))


def _text(session: Session, ids: tuple[int, ...]) -> str:
    return "".join(prompt.predicted(session.words, session.specimen, id) for id in ids).strip()


def _table(session: Session, steps: tuple[BeamStep, ...]) -> pd.DataFrame:
    found = steps[-1].finished
    columns: dict[str, list[Any]] = {
        "text": [_text(session, one.text.ids) for one in found],
        "score": [one.score for one in found],
        "nats": [one.text.log_probability for one in found],
        "length": [len(one.text.ids) for one in found],
        "perplexity": [one.text.perplexity for one in found],
    }
    return pd.DataFrame({session.words(f"strategies.table.{name}"): values for name, values in columns.items()})
