"""Contrastive search on the page: what each candidate resembled, and the text beside greedy decoding's, with how much each repeats itself."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from components import compute, state
from components.canvas.contrast import Scene, contrast
from components.canvas.plate import visible
from components.controls import prompt
from components.page import Session, block, exhibit
from components.pages.strategies.onward import door
from model.generation import Contrast, ContrastStep, contrastive_search, generate, variety

ALPHA = state.number("b.alpha", 0.45, 0.0, 1.0)
TOP = state.integer("b.k", 5, 1, 10)
LENGTH = state.integer("b.n", 24, 1, 64)
END = state.flag("b.end", False)
AT = state.integer("b.at", 0, 0, 64)
"""The step that is opened, counted from 1; 0 leaves it to the page."""
FIELDS = (ALPHA, TOP, LENGTH, END, AT)


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """What contrastive search wrote, and greedy decoding with the same room."""

    how: Contrast
    steps: tuple[ContrastStep, ...]
    greedy: tuple[int, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """The tokens of the first."""
        return tuple(step.id for step in self.steps)

    @property
    def moved(self) -> int:
        """How often another token than the likeliest was taken."""
        return sum(step.chosen > 0 for step in self.steps)


@block
def section(session: Session) -> None:
    """The controls, the two texts and the candidates of one step."""
    st.markdown(session.words("strategies.contrast.lead"))
    _controls(session)
    pair = _pair(session)
    words, given = session.words, session.prompt.pieces[: len(session.prompt.given)]
    piece = partial(prompt.predicted, words, session.specimen)
    alpha = words.number(pair.how.alpha, 2)
    scene = Scene(
        revision=_revision(session, pair.how),
        title=words("strategies.contrast.title"),
        formula=words("strategies.contrast.formula", keep=words.number(1 - pair.how.alpha, 2), alpha=alpha),
        given=given,
        steps=pair.steps,
        greedy=[piece(id) for id in pair.greedy],
        variety=(variety(pair.ids), variety(pair.greedy)),
        at=_opened(pair),
        piece=piece,
    )
    drawn = lambda: contrast(words, "contrast", scene, lambda step: state.put(AT, step + 1))  # noqa: E731
    exhibit(session, "contrast", drawn, _told(session, pair), lambda: _table(session, pair), lambda: _again(session, pair.how))
    with st.container(horizontal=True, vertical_alignment="center"):
        door(session, "contrast", pair.ids)


def _opened(pair: Pair) -> int:
    """The step the reader opened, or else the first in which the likeliest token was not taken."""
    moved = next((step.index for step in pair.steps if step.chosen), 0)
    return min(state.get(AT) - 1, len(pair.steps) - 1) if state.get(AT) else moved


def _controls(session: Session) -> None:
    words = session.words
    with st.container(key="contrast-controls", horizontal=True, gap="medium", vertical_alignment="bottom"):
        help = words("strategies.contrast.alpha_help")
        st.slider(words("strategies.contrast.alpha"), 0.0, 1.0, step=0.05, width=220, format="localized", help=help, **state.bind(ALPHA))
        st.slider(words("strategies.contrast.top_k"), 1, 10, width=220, **state.bind(TOP))
        st.slider(words("strategies.beams.tokens"), 1, 64, width=220, **state.bind(LENGTH))
        st.toggle(words(f"strategies.stop.{'source' if session.prompt.source else 'document'}"), **state.bind(END))


def _pair(session: Session) -> Pair:
    specimen, given, source = session.specimen, session.prompt.given, session.prompt.source_ids
    stop = specimen.loaded.marks.stop if state.get(END) else None
    how = Contrast(alpha=state.get(ALPHA), top_k=state.get(TOP), tokens=state.get(LENGTH), stop=stop)
    model, tokens = specimen.loaded.model, min(how.tokens, specimen.config.context - len(given))
    searched = lambda: tuple(contrastive_search(model, given, how, source=source or None))  # noqa: E731
    steps = compute.decoded("contrastive", specimen, given, source, how, make=searched)
    return Pair(how, steps, tuple(step.id for step in generate(model, given, tokens=tokens, stop=stop, source=source or None)))


def _revision(session: Session, how: Contrast) -> str:
    read = repr((session.prompt.given, session.prompt.source_ids, how)).encode()
    return f"{session.specimen.id}.{zlib.crc32(read):08x}.{session.words.language}"


def _told(session: Session, pair: Pair) -> str:
    words = session.words
    told = {"moved": words.number(pair.moved), "tokens": words.number(len(pair.steps))}
    shares = {"ours": words.percent(variety(pair.ids)), "greedy": words.percent(variety(pair.greedy))}
    said = words(f"strategies.contrast.{'same' if pair.ids == pair.greedy else 'moved'}", **told)
    return f"{said} {words('strategies.contrast.varied', **shares)}"


def _table(session: Session, pair: Pair) -> pd.DataFrame:
    """Every candidate of every step."""
    words, piece = session.words, partial(prompt.predicted, session.words, session.specimen)
    given = session.prompt.pieces[: len(session.prompt.given)]
    pieces = [visible(text) for text in (*given, *(piece(id) for id in pair.ids))]
    lines = [(step, number, trial) for step in pair.steps for number, trial in enumerate(step.trials)]
    columns: dict[str, list[Any]] = {
        "step": [step.index + 1 for step, _, _ in lines],
        "token": [visible(piece(trial.id)) for _, _, trial in lines],
        "id": [trial.id for _, _, trial in lines],
        "probability": [trial.probability for _, _, trial in lines],
        "likeness": [trial.likeness for _, _, trial in lines],
        "resembles": [pieces[trial.place] for _, _, trial in lines],
        "place": [trial.place + 1 for _, _, trial in lines],
        "score": [trial.score for _, _, trial in lines],
        "taken": [number == step.chosen for step, number, _ in lines],
    }
    return pd.DataFrame({words(f"strategies.table.{name}"): values for name, values in columns.items()})


def _again(session: Session, how: Contrast) -> str:
    return AGAIN.format(given=list(session.prompt.given), how=how)


AGAIN = """
import numpy as np

from model.generation import Contrast, contrastive_search

steps = list(contrastive_search(model, {given}, {how}, source=source or None))
trials = [(step.index + 1, one.id, one.probability, one.likeness, one.place + 1, one.score) for step in steps for one in step.trials]
names = ("step", "id", "probability", "likeness", "place", "score")
numbers = dict(zip(names, np.array(trials, float).T, strict=True))
"""
