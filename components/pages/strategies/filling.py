"""What a model that fills blanks has for strategies: in which order, or in how many rounds; what each makes of the same text."""

from __future__ import annotations

import zlib
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from components import compute, state
from components.canvas.fillings import Scene, fillings
from components.canvas.plate import visible
from components.controls import prompt
from components.page import Session, block, exhibit, note
from components.pages.strategies.onward import tries
from model.generation import WAYS, Filling, filled
from model.text.blanks import WRITTEN

ROUNDS = state.integer("b.rounds", 4, 2, 8)
FIELDS = (ROUNDS,)
LEANING = "EN: the _ _ is in the _ = PT: _ _ _ está no _.", "Count from _ to _: _ _ _ _.", "The _ is at the _. Q: Where is the _? A: at the _."
TRIED = tuple(text.replace("_", WRITTEN) for text in LEANING)
"""Texts whose blanks lean on each other."""


@block
def section(session: Session) -> None:
    """The same blanks filled in every way, or what is needed for it."""
    words, read, tokenizer = session.words, session.prompt, session.specimen.loaded.tokenizer
    st.markdown(words("strategies.filling.lead"))
    if len(read.blanks) < 2:
        spelled = tokenizer is not None and tokenizer.blank is not None
        note(session, words("strategies.filling.few" if spelled else "generation.no_blank_token"))
        if spelled:
            tries(session, "filling", TRIED)
        return
    st.slider(words("strategies.filling.rounds"), 2, 8, width=260, help=words("strategies.filling.rounds_help"), **state.bind(ROUNDS))
    found = _found(session)
    piece = partial(prompt.piece, words, session.specimen)
    scene = Scene(revision=_revision(session), title=words("strategies.filling.title"), pieces=read.pieces, fillings=found, piece=piece)
    drawn = lambda: fillings(words, "fillings", scene)  # noqa: E731
    exhibit(session, "fillings", drawn, _told(session, found), lambda: _table(session, found), lambda: _again(session))


def _found(session: Session) -> tuple[Filling, ...]:
    specimen, ids, rounds = session.specimen, session.prompt.ids, state.get(ROUNDS)
    blank = ids[session.prompt.blanks[0]]
    make = lambda: tuple(filled(specimen.loaded.model, ids, blank, way, rounds=rounds) for way in WAYS)  # noqa: E731
    return compute.decoded("filled", specimen, ids, blank, rounds, make=make)


def _revision(session: Session) -> str:
    return f"{session.specimen.id}.{zlib.crc32(repr((session.prompt.ids, state.get(ROUNDS))).encode()):08x}.{session.words.language}"


def _told(session: Session, found: tuple[Filling, ...]) -> str:
    words = session.words
    named = lambda one: words(f"strategies.filling.way.{one.way}")  # noqa: E731
    if len({tuple(put.id for put in one.last.values()) for one in found}) == 1:
        return words("strategies.filling.same")
    best, worst = (pick(found, key=lambda one: one.pseudo) for pick in (max, min))
    told = {"best": named(best), "nats": words.number(best.pseudo, 2), "worst": named(worst), "least": words.number(worst.pseudo, 2)}
    return words("strategies.filling.differ", **told)


def _table(session: Session, found: tuple[Filling, ...]) -> pd.DataFrame:
    """Everything that was put into a blank, pass by pass."""
    words = session.words
    lines = [(one, number, put) for one in found for number, puts in enumerate(one.passes, start=1) for put in puts]
    columns: dict[str, list[Any]] = {
        "way": [words(f"strategies.filling.way.{one.way}") for one, _, _ in lines],
        "pass": [number for _, number, _ in lines],
        "place": [put.place + 1 for _, _, put in lines],
        "token": [visible(prompt.piece(words, session.specimen, put.id)) for _, _, put in lines],
        "id": [put.id for _, _, put in lines],
        "nats": [put.log_probability for _, _, put in lines],
        "pseudo": [one.pseudo for one, _, _ in lines],
    }
    return pd.DataFrame({words(f"strategies.table.{name}"): values for name, values in columns.items()})


def _again(session: Session) -> str:
    blank = session.prompt.ids[session.prompt.blanks[0]]
    return AGAIN.format(blank=blank, rounds=state.get(ROUNDS))


AGAIN = """
import numpy as np

from model.generation import WAYS, filled

found = [filled(model, ids, {blank}, way, rounds={rounds}) for way in WAYS]
passes = [(one, number, put) for one in found for number, puts in enumerate(one.passes, start=1) for put in puts]
lines = [(number, put.place + 1, put.id, put.log_probability, one.pseudo) for one, number, put in passes]
numbers = dict(zip(("pass", "place", "id", "nats", "pseudo"), np.array(lines, float).T, strict=True))
"""
