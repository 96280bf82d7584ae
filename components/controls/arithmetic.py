"""Where any number on the screen leads to its arithmetic, and how far a reader has followed it back."""

from __future__ import annotations

import time
from dataclasses import dataclass

import streamlit as st

from components import compute, state
from components.controls import prompt
from components.page import Session, note
from model.analysis.derivation import Number
from model.analysis.places import named, places
from model.config import Config
from model.errors import Refusal
from model.layers.masks import parse_plan
from model.trace import Trace

LONGEST = 40
"""How many steps back a link remembers; the oldest are forgotten first."""
SPELLED = 120
"""Characters of a mask that the page spells out."""
JUST_NOW = 10.0
"""Seconds."""
_LIMIT = 4_096
_MASKS = 1_000_000
"""Characters of a mask in a link, before they are packed: sixty painted by hand."""
_ARRIVED = "arithmetic.arrived"


def _numbers(given: str) -> tuple[Number, ...]:
    written = _TEXT.read(given)
    if written.count("~") >= LONGEST:
        raise Refusal("link.trail", "a trail holds at most {limit} numbers", limit=LONGEST)
    return tuple(Number.parse(part) for part in written.split("~")) if written else ()


_TEXT = state.text("i.trail", "", _LIMIT)
@dataclass(frozen=True, slots=True)
class Under:
    """A mask that a number's pass was read under, where it is not the model's own: the place it stands in, as `Where.name` calls it, and
    its specification."""

    place: str
    spec: str

    def fits(self, config: Config) -> bool:
        """Whether a model has this place, and the layers and heads of the specification."""
        where = places(config).get(self.place)
        try:
            return where is not None and parse_plan(self.spec).refuse_beyond(config.depths[where.stack], config.attention.heads) is None
        except Refusal:
            return False

    def again(self, config: Config) -> str:
        """Lines for a notebook after which `trace` is that of the text read under this mask."""
        where = places(config)[self.place]
        queries = "len(ids)" if where.stack == config.main else "len(source)"
        return AGAIN.format(spec=self.spec, where=where, queries=queries, name=named(config, where))


AGAIN = """
import torch

from model.analysis.places import Where, sighted
from model.layers.masks import parse_plan
from model.trace import Tracer

seen = sighted(parse_plan({spec!r}), model.config, {where}, {queries}, len(source))
trace = Tracer(model).trace(torch.tensor(ids), source=torch.tensor(source) if source else None, {name}=seen)
"""


def _under(given: str) -> Under:
    place, _, spec = _MASK.read(given).partition(": ")
    parse_plan(spec)
    return Under(_PLACE.read(place), spec)


_PLACE = state.option("i.mask", "decoder", ("encoder", "decoder", "cross"))
_MASK = state.text("i.mask", "", _MASKS)
UNDER: state.Field[Under | None] = state.Field("i.mask", None, _under, lambda under: _MASK.write(f"{under.place}: {under.spec}" if under else ""))
CELL: state.Field[Number | None] = state.Field("i.cell", None, Number.parse)
TRAIL: state.Field[tuple[Number, ...]] = state.Field("i.trail", (), _numbers, lambda trail: _TEXT.write("~".join(map(str, trail))))
FIELDS = (CELL, TRAIL, UNDER)


def start(number: Number, under: Under | None = None) -> None:
    """Come to a number from another picture: there is no way back on the trail, and the page brings the reader to it. The pass it is of
    was read under a mask, or, with `None`, as the model reads by itself."""
    stand(number)
    state.put(UNDER, under)
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


# ---------------------------------------------------------------- the pass it is of


def held(session: Session) -> Under | None:
    """The mask that the numbers on show were read under; `None` for the model's own, and where this model has no place for it."""
    under = state.get(UNDER)
    return under if under is not None and under.fits(session.specimen.config) else None


def traced(session: Session) -> Trace:
    """The text as this model reads it, under the mask in hand."""
    text, under = session.prompt, held(session)
    if under is None:
        return compute.traced(session.specimen, text.ids, source=text.source_ids)
    where = places(session.specimen.config)[under.place]
    return compute.traced(session.specimen, text.ids, under.spec, source=text.source_ids, where=where)


def again(session: Session) -> str:
    """Lines for a notebook that bring its `trace` under the mask in hand; none where the model reads by itself."""
    under = held(session)
    return "" if under is None else under.again(session.specimen.config)


def under_which(session: Session) -> None:
    """Say which mask the page reads under, where it is not the model's own, and offer the way back to that."""
    under, words = state.get(UNDER), session.words
    if under is None:
        return
    with st.container(key="arithmetic-under", horizontal=True, vertical_alignment="center", gap="small"):
        spec = under.spec if len(under.spec) <= SPELLED else f"{under.spec[:SPELLED]} …"
        note(session, words("derivation.under" if held(session) else "derivation.under_none", spec=spec))
        st.button(words("derivation.own"), key="arithmetic-own", type="tertiary", on_click=state.reset, args=(UNDER,))


# ---------------------------------------------------------------- the way there


def door(session: Session, address: str, key: str, *, under: Under | None = None, label: str = "") -> None:
    """A small button that opens a number's arithmetic on the page that follows it back: `address` as `Number` writes it, `key` unique
    on the page, `under` the mask that was read under, `label` what it says instead of its usual words. Raises `Refusal` for what is no
    address."""
    number = Number.parse(address)
    said = label or session.words("derivation.door")
    if st.button(said, key=f"arithmetic-{key}", type="tertiary", help=session.words("derivation.door_help")):
        start(number, under)
        prompt.carry(session)
        st.switch_page(session.pages["inside"])
