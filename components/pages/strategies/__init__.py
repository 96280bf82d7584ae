"""Strategies: ways to choose more than one token at a time: several texts at once, what resembles nothing before, a small model's guess."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from components import state
from components.page import Page, Session
from components.pages.strategies import beams, contrastive, filling, speculative
from components.state import Field
from components.writing import OPENS
from model.config import Encoder

SECTIONS: dict[str, Callable[[Session], None]] = {"beams": beams.section, "contrastive": contrastive.section, "speculative": speculative.section}
"""The ways of a model that writes, as the reader is offered them."""
WAY: Field[str] = state.option("b.way", "beams", tuple(SECTIONS))


def render(session: Session) -> None:
    """The page: which way, and that way on the reader's text; of a model that fills blanks, the ways to fill them."""
    words = session.words
    st.title(words("strategies.title"))
    if isinstance(session.specimen.config.form, Encoder):
        filling.section(session)
        return
    st.markdown(words("strategies.lead"))
    named = lambda way: words(f"strategies.way.{way}")  # noqa: E731
    label = words("strategies.way.label")
    st.segmented_control(label, list(SECTIONS), format_func=named, required=True, label_visibility="collapsed", **state.bind(WAY))
    SECTIONS[state.get(WAY)](session)


PAGE = Page("strategies", render, (WAY, *beams.FIELDS, *contrastive.FIELDS, *filling.FIELDS, *speculative.FIELDS), opens=OPENS)
