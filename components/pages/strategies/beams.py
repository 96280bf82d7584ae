"""Beam search on the page: every text that was alive at every step, what became of it, and what greedy decoding wrote instead."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import exp
from typing import Any

import pandas as pd
import streamlit as st

from components import compute, state
from components.canvas.beams import Kind, Row, Scene, beams
from components.canvas.plate import visible
from components.controls import prompt
from components.page import Session, block, exhibit
from components.pages.strategies.onward import door, spoken, tries, written
from model.generation import HALTS, Beams, BeamStep, Chosen, Halt, Sample, Text, beam_search, generate
from model.text.reference import translation

WIDTH = state.integer("b.width", 4, 1, 8)
PENALTY = state.number("b.penalty", 1.0, -1.0, 2.0)
TOKENS = state.integer("b.tokens", 16, 1, 32)
STOP = state.flag("b.stop", True)
SEED = state.integer("b.seed", 0, 0, 9_999)
LIT = state.integer("b.lit", 0, 0, 9)
HALT: state.Field[Halt] = state.option("b.halt", HALTS[0], HALTS)
FIELDS = (WIDTH, PENALTY, TOKENS, STOP, SEED, LIT, HALT)
TRIED = ("Repeat: pesiné", "De", "The jar is", "Ana lost")
TRIED_SOURCES = ("the red keys are in the garden", "Feche: { [ ( ( ) ) ] [ ] } { { } { } } ( ).")
"""Texts on which a search finds what greedy decoding does not, or where the two nearly part."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a search, greedy decoding and a draw wrote with the same room: all of them from the same text."""

    how: Beams
    steps: tuple[BeamStep, ...]
    greedy: Text
    drawn: Text

    @property
    def best(self) -> Text:
        """The text the search would give."""
        return self.steps[-1].finished[0].text

    @property
    def died(self) -> int:
        """How many texts were alive once and then crowded out."""
        return sum(len(step.dead) for step in self.steps)


@block
def section(session: Session) -> None:
    """The controls and what they find."""
    st.markdown(session.words("strategies.beams.lead"))
    _controls(session)
    found = _found(session)
    rows = _rows(session, found)
    scene = Scene(
        revision=_revision(session, found.how),
        title=session.words("strategies.beams.title"),
        before=prompt.piece(session.words, session.specimen, session.prompt.given[-1]),
        steps=found.steps,
        rows=rows,
        chosen=min(state.get(LIT), len(rows) - 1),
        piece=lambda id: prompt.predicted(session.words, session.specimen, id),
    )
    exhibit(
        session,
        "beams",
        lambda: beams(session.words, "beams", scene, lambda row: state.put(LIT, row)),
        _told(session, found),
        lambda: _table(session, found),
        lambda: _again(session, found.how),
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        door(session, "beams", rows[scene.chosen].text.ids)
        st.button(session.words("strategies.beams.again"), on_click=lambda: state.put(SEED, (state.get(SEED) + 1) % 10_000), key="beams-draw")
    if session.specimen.loaded.tokenizer is not None:
        tries(session, "beams", TRIED_SOURCES if session.prompt.source else TRIED)


def _controls(session: Session) -> None:
    words, anew = session.words, partial(state.reset, LIT)
    with st.container(key="beams-controls", horizontal=True, gap="medium", vertical_alignment="bottom"):
        st.slider(words("strategies.beams.width"), 1, 8, width=170, help=words("strategies.beams.width_help"), **state.bind(WIDTH, then=anew))
        st.slider(words("strategies.beams.tokens"), 1, 32, width=170, **state.bind(TOKENS, then=anew))
        help = words("strategies.beams.penalty_help")
        st.slider(words("strategies.beams.penalty"), -1.0, 2.0, step=0.1, width=170, format="localized", help=help, **state.bind(PENALTY, then=anew))
        st.toggle(words(f"strategies.stop.{'source' if session.prompt.source else 'document'}"), **state.bind(STOP, then=anew))
        if state.get(STOP):
            named = lambda halt: words(f"strategies.beams.halt.{halt}")  # noqa: E731
            help = words("strategies.beams.halt.help")
            st.selectbox(words("strategies.beams.halt.label"), HALTS, format_func=named, width=230, help=help, **state.bind(HALT, then=anew))


# ---------------------------------------------------------------- what is found


def _how(session: Session) -> Beams:
    stop = session.specimen.loaded.marks.stop if state.get(STOP) else None
    return Beams(width=state.get(WIDTH), tokens=state.get(TOKENS), length_penalty=state.get(PENALTY), stop=stop, halt=state.get(HALT))


def _found(session: Session) -> Found:
    specimen, given, source, how = session.specimen, session.prompt.given, session.prompt.source_ids, _how(session)
    model, tokens = specimen.loaded.model, min(how.tokens, specimen.config.context - len(given))
    searched = lambda: tuple(beam_search(model, given, how, source=source or None))  # noqa: E731
    drawn = Sample(seed=state.get(SEED))
    return Found(
        how,
        compute.decoded("beams", specimen, given, source, how, make=searched),
        _alone(list(generate(model, given, tokens=tokens, stop=how.stop, source=source or None))),
        _alone(list(generate(model, given, drawn, tokens=tokens, stop=how.stop, source=source or None))),
    )


def _alone(steps: Sequence[Chosen]) -> Text:
    return Text(tuple(step.id for step in steps), tuple(step.log_probability for step in steps))


def _rows(session: Session, found: Found) -> list[Row]:
    texts = [Row("found", one.text, one.score, written(session, one.text.ids)) for one in found.steps[-1].finished]
    beside: tuple[tuple[Kind, Text], ...] = (("greedy", found.greedy), ("drawn", found.drawn))
    scored = lambda text: found.how.score(text.log_probability, len(text.ids))  # noqa: E731
    return [*texts, *(Row(kind, text, scored(text), written(session, text.ids)) for kind, text in beside)]


def _revision(session: Session, how: Beams) -> str:
    read = repr((session.prompt.given, session.prompt.source_ids, how, state.get(SEED))).encode()
    return f"{session.specimen.id}.{zlib.crc32(read):08x}.{session.words.language}"


# ---------------------------------------------------------------- in words, as a table, in a notebook


def _told(session: Session, found: Found) -> str:
    """What beams found against greedy decoding, and, of a translation, which of them the grammar agrees with."""
    return f"{_compared(session, found)} {_judged(session, found)}".rstrip()


def _reference(session: Session) -> str | None:
    """The one right translation of the source, where there is a source and the grammar can read it."""
    return translation(session.prompt.source.text) if session.prompt.source else None


def _right(session: Session, text: Text, reference: str) -> bool:
    return written(session, [id for id in text.ids if id != session.specimen.loaded.marks.stop]) == reference


def _judged(session: Session, found: Found) -> str:
    reference = _reference(session)
    if reference is None or len(session.prompt.given) > session.prompt.opening:
        return ""
    best, greedy = (_right(session, text, reference) for text in (found.best, found.greedy))
    who = "both" if best and greedy else "best" if best else "greedy" if greedy else "neither"
    return session.words(f"strategies.beams.right_{who}", reference=reference)


def _compared(session: Session, found: Found) -> str:
    words, best, greedy = session.words, found.best, found.greedy
    told = {"best": spoken(session, best.ids), "greedy": spoken(session, greedy.ids), "width": words.number(found.how.width)}
    lost = words(f"strategies.beams.died_{_plural(found.died)}", died=words.number(found.died))
    if found.how.width == 1:
        return words("strategies.beams.alone", **told)
    if best.ids == greedy.ids:
        return f"{words('strategies.beams.same', **told)} {lost}"
    nats = best.log_probability - greedy.log_probability
    lengths = {"length": words.number(len(best.ids)), "other": words.number(len(greedy.ids))}
    factor = words.number(exp(min(abs(nats), 300)))
    said = words(f"strategies.beams.{'more' if nats > 0 else 'less'}", **told, factor=factor)
    longer = "" if len(best.ids) == len(greedy.ids) else words("strategies.beams.lengths", **lengths)
    return " ".join(filter(None, (said, longer, lost)))


def _plural(count: int) -> str:
    return "none" if count == 0 else "one" if count == 1 else "many"


def _table(session: Session, found: Found) -> pd.DataFrame:
    """Every continuation that was weighed, step by step."""
    words = session.words
    lines = [(step, one) for step in found.steps for one in step.candidates]
    columns: dict[str, list[Any]] = {
        "step": [step.index + 1 for step, _ in lines],
        "before": [written(session, step.beams[one.parent].ids) for step, one in lines],
        "token": [visible(prompt.predicted(words, session.specimen, one.id)) for _, one in lines],
        "id": [one.id for _, one in lines],
        "probability": [exp(one.log_probability) for _, one in lines],
        "nats": [one.log_probability for _, one in lines],
        "total": [one.total for _, one in lines],
        "fate": [words(f"strategies.fate.{one.fate}") for _, one in lines],
    }
    return pd.DataFrame({words(f"strategies.table.{name}"): values for name, values in columns.items()})


def _again(session: Session, how: Beams) -> str:
    return AGAIN.format(given=list(session.prompt.given), how=how)


AGAIN = """
import numpy as np

from model.generation import Beams, beam_search

steps = list(beam_search(model, {given}, {how}, source=source or None))
weighed = [(step.index + 1, one.id, one.log_probability, one.total) for step in steps for one in step.candidates]
numbers = dict(zip(("step", "id", "nats", "total"), np.array(weighed, float).T, strict=True))
"""
