"""The arithmetic of one number: what it was made from, followed back as far as the embedding."""

from __future__ import annotations

from components import compute, state
from components.controls.arithmetic import CELL, FIELDS
from components.page import Session, block, read_aloud
from model.analysis.derivation import Number, value

__all__ = ["FIELDS", "derived"]


@block
def derived(session: Session) -> None:
    """The number that the link or the reader asks for."""
    trace = compute.traced(session.specimen, session.prompt.ids, source=session.prompt.source_ids)
    at = len(trace.ids) - 1
    number = state.get(CELL) or Number("logits", (at, int(trace.logits[at].argmax())))
    read_aloud(f"{number} = {session.words.number(value(trace, number))}")
