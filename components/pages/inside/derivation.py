"""The arithmetic of one number: what it was made from, followed back as far as the embedding."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from components import state
from components.canvas.derivation import derivation, sheet
from components.canvas.derivation.notation import letter
from components.canvas.derivation.telling import Teller
from components.canvas.plate import visible
from components.controls import arithmetic
from components.controls.arithmetic import CELL, FIELDS, TRAIL
from components.controls.prompt import piece, predicted
from components.i18n import Words
from components.page import Session, block, exhibit, note, read_aloud
from model.analysis.derivation import (
    Activated,
    Axis,
    Constant,
    Derivation,
    Factor,
    Number,
    Share,
    derive,
    layout,
    recipe,
    recompute,
    shape_of,
    shown,
    value,
)
from model.config import Encoder
from model.errors import Refusal
from model.trace import Trace

__all__ = ["FIELDS", "derived"]

SPELLED = 2_000
"""Up to how many tokens a vocabulary is offered by name; of a larger one by number."""
AT = tuple(state.integer(f"i.at.{axis}", 0, 0, 999_999) for axis in range(3))
"""What the picker shows; this live in no link, `CELL` does."""
SITE = state.text("i.site", "", 96)


# ---------------------------------------------------------------- which number


def likeliest(session: Session, trace: Trace) -> Number:
    """The number the page opens with: the logit of the likeliest token, after the last one or, in an encoder, at the first blank."""
    at = len(trace.ids) - 1
    if isinstance(session.specimen.config.form, Encoder):
        at = session.prompt.blanks[0] if session.prompt.blanks else max(0, at - session.prompt.closing)
    return Number("logits", (at, int(trace.logits[at].argmax())))


def there(trace: Trace, number: Number) -> bool:
    """Whether this model and text have such a number."""
    try:
        value(trace, number)
    except Refusal:
        return False
    return True


def settle(session: Session, trace: Trace) -> tuple[Number, tuple[Number, ...]]:
    """The number on show and the way to it: what was asked for as far as it is there, else what the page opens with."""
    asked = state.get(CELL)
    if asked is None:
        return likeliest(session, trace), ()
    if not there(trace, asked):
        note(session, session.words("derivation.gone", address=str(asked)))
        return likeliest(session, trace), ()
    return asked, tuple(number for number in state.get(TRAIL) if there(trace, number))


# ---------------------------------------------------------------- the block


@block
def derived(session: Session) -> None:
    """The number that the link or the reader asks for, and everything it was made from."""
    words = session.words
    st.header(words("derivation.title"))
    st.markdown(words("derivation.lead"))
    trace = arithmetic.traced(session)
    number, trail = settle(session, trace)
    found, teller = derive(trace, number), teller_of(session)

    def follow(to: Number) -> None:
        state.put(TRAIL, trail)
        arithmetic.follow(number, to)

    def back(step: int) -> None:
        state.put(TRAIL, trail)
        arithmetic.back(step)

    exhibit(
        session,
        "derivation",
        lambda: derivation(words, "derivation", sheet(teller, found, trail, arithmetic.arrived()), follow, back),
        in_words(teller, found),
        lambda: terms(words, found),
        lambda: arithmetic.again(session) + recipe(trace.model.config, number),
    )
    picker(session, trace, teller, number)
    code(session, trace, number)
    again(session, trace, number)


def teller_of(session: Session) -> Teller:
    """The names of this text in this model; an output is spelled as it would be written."""
    config, prompt = session.specimen.config, session.prompt
    source = prompt.source.pieces if prompt.source else ()
    return Teller(session.words, config, prompt.pieces, source, lambda id: predicted(session.words, session.specimen, id))


# ---------------------------------------------------------------- any number, by hand


def picker(session: Session, trace: Trace, teller: Teller, number: Number) -> None:
    """A site and an index on each of its axes."""
    words, config = session.words, trace.model.config
    drawer = st.expander(words("derivation.picker.title"), key="derivation-picker", on_change="rerun")
    if not drawer.open:
        return
    with drawer:

        def moved(site: str) -> Number:
            return Number(site, tuple(min(at, size - 1) for at, size in zip((*number.index, 0, 0), shape_of(trace, site), strict=False)))

        bound = state.bind(SITE, then=lambda: arithmetic.stand(moved(state.get(SITE))), shown=number.site)
        st.selectbox(words("derivation.picker.site"), list(layout(config)), format_func=teller.site, **bound)
        axes = layout(config)[number.site]
        for column, (place, axis) in zip(st.columns(len(axes)), enumerate(axes), strict=True):
            with column:
                _index(session, teller, number, place, axis, shape_of(trace, number.site)[place])
        st.button(words("derivation.picker.open"), key="derivation-open", on_click=arithmetic.stand, args=(None,), type="tertiary")


def _index(session: Session, teller: Teller, number: Number, place: int, axis: Axis, size: int) -> None:
    """One axis: a list of names where they are few, else a number."""
    label, field = session.words(f"derivation.axis.{axis.meaning}"), AT[place]

    def moved() -> None:
        arithmetic.stand(Number(number.site, (*number.index[:place], min(state.get(field), size - 1), *number.index[place + 1 :])))

    bound = state.bind(field, then=moved, shown=number.index[place])
    if axis.meaning == "dimension" or size > SPELLED:
        st.number_input(label, min_value=0, max_value=size - 1, step=1, **bound)
    else:
        st.selectbox(label, list(range(size)), format_func=lambda at: _named(session, teller, axis, at), **bound)


def _named(session: Session, teller: Teller, axis: Axis, at: int) -> str:
    match axis.meaning:
        case "word":
            return f"{at} · {visible(piece(session.words, session.specimen, at))}"
        case "head" | "group":
            return str(at + 1)
        case _:
            return f"{at + 1} · {teller.token(axis.about, at)}"


# ---------------------------------------------------------------- the code, and once more


def code(session: Session, trace: Trace, number: Number) -> None:
    """The functions that computed it."""
    drawer = st.expander(session.words("derivation.code.title"), key="derivation-code", on_change="rerun")
    if drawer.open:
        with drawer:
            st.caption(session.words("derivation.code.note"))
            st.code(shown(trace.model.config, number.site), language="python")


def again(session: Session, trace: Trace, number: Number) -> None:
    """Everything at this site in plain torch, run when the drawer is opened, and how far it lies from the pass."""
    words = session.words
    drawer = st.expander(words("derivation.again.title"), key="derivation-again", on_change="rerun")
    if drawer.open:
        with drawer:
            found = recompute(trace, number)
            st.caption(words("derivation.again.note", site=number.site))
            st.code(found.code, language="python")
            read_aloud(_difference(words, found.largest, found.scale, found.relative))


def _difference(words: Words, largest: float, scale: float, relative: float) -> str:
    told = {"largest": largest, "scale": scale, "relative": relative}
    return words("derivation.again.found", **{name: words.number(each) for name, each in told.items()})


# ---------------------------------------------------------------- in words, in a table


def in_words(teller: Teller, found: Derivation) -> str:
    """What the number is and where most of it comes from."""
    words, first = teller.words, found.terms[0]
    match found.closing:
        case Share():
            kind = "share"
        case Activated():
            kind = "activated"
        case total:
            kind = total.operation if len(found.terms) > 1 or total.operation in ("copy", "lookup", "norm") else "single"
    told = {"place": teller.place(found.number), "value": words.number(found.value), "count": words.number(len(found.terms), 0)}
    return words(f"derivation.reading.{kind}", first=_first(teller, found, kind), amount=words.number(first.amount), **told)


def _first(teller: Teller, found: Derivation, kind: str) -> str:
    """The largest term: of many its letters, of few the place of the number in it."""
    factors = found.terms[0].factors
    if kind in ("dot", "scores", "mix"):
        letters = (letter(teller.config, factor) + teller.subscript(factor.source) for factor in factors if isinstance(factor.source, Number))
        return " × ".join(letters) or _address(factors[0])
    number = next((factor.source for factor in (*factors, *found.operands) if isinstance(factor.source, Number)), None)
    return _low(teller.place(number)) if number else _address(factors[0])


def _low(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def terms(words: Words, found: Derivation) -> pd.DataFrame:
    """Every term, the largest first: its operands by address, their values, and what it adds."""
    rows = [(" × ".join(map(_address, term.factors)), " × ".join(_exactly(factor) for factor in term.factors), term.amount) for term in found.terms]
    columns = zip(*rows, strict=True)
    titles = (words(f"derivation.table.{name}") for name in ("operands", "values", "adds"))
    numbered = {words("derivation.table.term"): range(1, len(rows) + 1)}
    return pd.DataFrame(numbered | dict(zip(titles, map(list, columns), strict=True)))


def _address(factor: Factor) -> str:
    return factor.source.name if isinstance(factor.source, Constant) else str(factor.source)


def _exactly(factor: Factor) -> str:
    return f"{factor.value:.6g}"
