"""What the sections share: a text as the reader reads it, and the way on to the generation page with it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from components import state
from components.canvas.plate import visible
from components.controls import arithmetic, prompt
from components.page import Session
from components.writing import AT, COUNT, LONGEST, PICKS, STOP, TEMPERATURE

SHOWN = 12  # tokens of a text that a sentence quotes


def written(session: Session, ids: Sequence[int]) -> str:
    """New tokens as one text."""
    return "".join(prompt.predicted(session.words, session.specimen, id) for id in ids).strip()


def spoken(session: Session, ids: Sequence[int]) -> str:
    """The same in a sentence: its beginning where it is long."""
    text = visible(written(session, ids[:SHOWN]))
    return text if len(ids) <= SHOWN else f"{text} …"


def tries(session: Session, key: str, texts: Sequence[str]) -> None:
    """Texts worth trying, each a button that puts it in the reader's field."""
    with st.container(key=f"tries-{key}", horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(session.words("strategies.tries"), width="content")
        for number, text in enumerate(texts):
            if st.button(text, key=f"try-{key}-{number}", width="content"):
                state.put(prompt.TEXT, text)
                state.reset(prompt.TARGET)
                st.rerun()


def door(session: Session, key: str, ids: Sequence[int]) -> None:
    """A button that goes on with a text on the generation page, where every token of it can be looked at; and the arithmetic of the logit
    that its first token came from, which is a number of the text as it was given."""
    if st.button(session.words("strategies.onward"), key=f"onward-{key}", width="content"):
        state.put(PICKS, tuple(enumerate(ids[:LONGEST])))
        state.put(COUNT, len(ids))
        state.put(AT, len(ids))
        state.put(STOP, False)
        state.reset(TEMPERATURE)
        state.forget("generation.line")
        st.switch_page(session.pages["generation"])
    if ids:
        arithmetic.door(session, f"logits[{len(session.prompt.given) - 1},{ids[0]}]", key)
