"""Where any number on the screen leads to its arithmetic, and how far a reader has followed it back."""

from __future__ import annotations

import time

import streamlit as st

from components import state
from components.controls import prompt
from components.page import Session
from model.analysis.derivation import Number
from model.errors import Refusal

LONGEST = 40
"""How many steps back a link remembers; the oldest are forgotten first."""
JUST_NOW = 10.0
"""Seconds."""
_LIMIT = 4_096
_ARRIVED = "arithmetic.arrived"


def _numbers(given: str) -> tuple[Number, ...]:
    written = _TEXT.read(given)
    if written.count("~") >= LONGEST:
        raise Refusal("link.trail", "a trail holds at most {limit} numbers", limit=LONGEST)
    return tuple(Number.parse(part) for part in written.split("~")) if written else ()


_TEXT = state.text("i.trail", "", _LIMIT)
CELL: state.Field[Number | None] = state.Field("i.cell", None, Number.parse)
TRAIL: state.Field[tuple[Number, ...]] = state.Field("i.trail", (), _numbers, lambda trail: _TEXT.write("~".join(map(str, trail))))
FIELDS = (CELL, TRAIL)


def start(number: Number) -> None:
    """Come to a number from another picture: there is no way back on the trail, and the page brings the reader to it."""
    stand(number)
    state.forget(_ARRIVED)
    state.remember(_ARRIVED, time.monotonic)


def stand(number: Number | None) -> None:
    """Stand before a number (`None`: the one the page opens with), with no way back on the trail."""
    state.put(CELL, number)
    state.reset(TRAIL)


def arrived() -> float:
    """When the reader came from another picture; 0 unless that was just now."""
    when = state.remember(_ARRIVED, float)
    return when if time.monotonic() - when < JUST_NOW else 0.0


def follow(here: Number, to: Number) -> None:
    """Go from the number on show to one it was made from."""
    state.put(TRAIL, (*state.get(TRAIL), here)[-LONGEST:])
    state.put(CELL, to)


def back(step: int) -> None:
    """Return to the number at this step of the trail."""
    trail = state.get(TRAIL)
    state.put(TRAIL, trail[:step])
    state.put(CELL, trail[step])


def door(session: Session, address: str, key: str) -> None:
    """A small button that opens a number's arithmetic on the page that follows it back: `address` as `Number` writes it, `key` unique
    on the page. Raises `Refusal` for what is no address."""
    number = Number.parse(address)
    if st.button(session.words("derivation.door"), key=f"arithmetic-{key}", type="tertiary", help=session.words("derivation.door_help")):
        start(number)
        prompt.carry(session)
        st.switch_page(session.pages["inside"])
