"""Generation: the text growing token by token, a source being translated, or blanks being filled; the distribution each token came
from, where the model looked to choose it, why it was this one, and what another would have led to.
"""

from __future__ import annotations

import streamlit as st

from components.page import Page, Session, block, note, titled
from components.pages.generation.beside import beside, swaps
from components.pages.generation.following import next_token
from components.pages.generation.looking import looked, looked_across
from components.pages.generation.player import played
from components.pages.generation.why import reasons
from components.writing import FIELDS, OPENS, line_of, no_blank
from model.config import Encoder


def render(session: Session) -> None:
    """The page: one paragraph, the player, and what lies behind the next token."""
    titled(session, "generation")
    if isinstance(session.specimen.config.form, Encoder) and not session.prompt.blanks:
        note(session, no_blank(session))
        return
    stage(session)


@block
def stage(session: Session) -> None:
    """Everything that depends on the text and the cursor."""
    line = line_of(session)
    if line.left:
        st.rerun()
    now = line.moment()
    played(session, line, now)
    swaps(session, line, now)
    beside(session, line)
    left, right = st.columns([17, 10], gap="medium")
    with left:
        next_token(session, line, now)
    with right:
        if now.crossed.size:
            looked_across(session, line, now)
        looked(session, line, now)
    reasons(session, line)


PAGE = Page("generation", render, FIELDS, opens=OPENS)
