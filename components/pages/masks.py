"""Masks: choose a pattern, combine some or paint one, and see what it changes in the same model on the same text."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from components import compute, page, state
from components.canvas.map import Matrix, matrix_map, pack
from components.canvas.painter import WIDEST, Board, painter
from components.canvas.patterns import Picture, patterns
from components.canvas.plate import visible
from components.figures import masking as figures
from components.page import Page, Session, block, exhibit
from model.analysis import masking
from model.analysis.masking import LossReading, MapsReading, NextReading, Saving
from model.errors import Refusal
from model.layers.masks import And, Bidirectional, Causal, Mask, Or, Packed, PadLeft, PadRight, Painted, Prefix, Window, parse
from model.trace import Trace

Booleans = NDArray[np.bool_]

# ---------------------------------------------------------------- the state

_SPEC = state.text("m.spec", "causal & window(2)", 20_000)


def _readable(given: str) -> str:
    text = _SPEC.read(given)
    parse(text, {"painted": Causal()})
    return text


def _painted(given: str) -> Painted:
    length, _, bits = given.partition(".")
    if not (length.isascii() and length.isdigit() and 0 < int(length[:4]) <= WIDEST):
        raise Refusal("link.painted", "a painted mask begins with its length, 1 to {widest}; got {given!r}", widest=WIDEST, given=given[:40])
    return Painted(int(length), state.unpack(bits, WIDEST**2 // 8).hex())


SPEC = state.Field("m.spec", _SPEC.default, _readable, _SPEC.write)
PAINT: state.Field[Any] = state.Field("m.paint", None, _painted, lambda mask: f"{mask.length}.{state.pack(bytes.fromhex(mask.bits))}")
LAYER = state.integer("m.layer", 0, 0, 95)
HEAD = state.integer("m.head", 0, 0, 127)
DRAFT = state.text("m.draft", "", 20_000)  # what stands in the specification's field, readable or not
NUMBERS = {name: state.integer(f"m.{name}", 0, 0, 1_024) for name in ("left", "right", "prefix", "window", "packed")}  # 0: follows the text
NAMES = ("causal", "bidirectional", "left", "right", "prefix", "window", "packed", "hand")


def current() -> Mask:
    """The mask on the screen."""
    return parse(state.get(SPEC), {"painted": state.get(PAINT) or Causal()})


def made(name: str, number: int) -> Mask:
    """A pattern of the gallery with its number; the hand-made one is the state's, or causal while nothing is painted."""
    match name:
        case "bidirectional":
            return Bidirectional()
        case "left":
            return Causal() & PadLeft(number)
        case "right":
            return Causal() & PadRight(number)
        case "prefix":
            return Causal() | Prefix(number)
        case "window":
            return Causal() & Window(max(number, 1))
        case "packed":
            return Causal() & Packed((max(number, 1),))
        case "hand":
            return state.get(PAINT) or Causal()
        case _:
            return Causal()


def recognised(mask: Mask) -> tuple[str, int]:
    """Which pattern of the gallery a mask is, and its number; "own" for any other combination."""
    match mask:
        case Causal():
            return "causal", 0
        case Bidirectional():
            return "bidirectional", 0
        case And((Causal(), PadLeft(number))):
            return "left", number
        case And((Causal(), PadRight(number))):
            return "right", number
        case Or((Causal(), Prefix(number))):
            return "prefix", number
        case And((Causal(), Window(number))):
            return "window", number
        case And((Causal(), Packed((number,)))):
            return "packed", number
        case Painted():
            return "hand", 0
        case _:
            return "own", 0


def number_for(name: str, length: int) -> int:
    """A pattern's number: the reader's, or one that shows something in a text of this length."""
    natural = {"left": max(length // 5, 1), "right": max(length // 5, 1), "prefix": max(length // 3, 2), "window": max(length // 5, 2), "packed": max(length // 2, 1)}
    return min(state.get(NUMBERS[name]) or natural[name], length) if name in NUMBERS else 0


# ---------------------------------------------------------------- what changes it


def _set(spec: str) -> None:
    state.put(SPEC, spec)
    state.put(DRAFT, spec)


def _choose(length: int, name: str) -> None:
    if name == "hand":
        if state.get(PAINT) is None:
            _paint(current().build(length).numpy())
        _set("painted")
    else:
        _set(str(made(name, number_for(name, length))))


def _paint(allowed: Booleans) -> None:
    if len(allowed) <= WIDEST:
        state.put(PAINT, Painted.of(allowed))
        _set("painted")


def _adopt() -> None:
    with suppress(Refusal):
        state.put(SPEC, state.get(DRAFT) or SPEC.default)


# ---------------------------------------------------------------- the page


def render(session: Session) -> None:
    """The page: the patterns, the mask at hand, and the same text read by default and masked."""
    st.header(session.words("masks.title"))
    st.markdown(session.words("masks.lead"))
    bench(session)


@block
def bench(session: Session) -> None:
    """Everything that depends on the mask."""
    length = len(session.prompt.ids)
    mask = current()
    name, number = recognised(mask)
    if name in NUMBERS and number:
        state.put(NUMBERS[name], min(number, 1_024))
    allowed = mask.build(length).numpy()
    pictures = [Picture(each, session.words(f"masks.pattern.{each}"), _picture(each, name, allowed)) for each in NAMES]
    patterns("patterns", session.words("masks.gallery.title"), pictures, name, partial(_choose, length))
    left, right = st.columns([11, 10], gap="large")
    with left:
        _painting(session, allowed)
    with right:
        _controls(session, name, allowed)
    effects(session, str(mask))


def _picture(each: str, chosen: str, allowed: Booleans) -> Booleans:
    if each == chosen:
        return allowed
    return made(each, number_for(each, len(allowed))).build(len(allowed)).numpy()


def _painting(session: Session, allowed: Booleans) -> None:
    words, pieces = session.words, session.prompt.pieces
    board: Board = state.remember("masks.board", Board)
    exhibit(
        session,
        "mask",
        lambda: painter("painter", words, allowed, pieces, board, _paint),
        _kept(session, allowed),
        lambda: _mask_table(session, allowed),
    )


def _kept(session: Session, allowed: Booleans) -> str:
    words, pieces = session.words, [visible(piece) for piece in session.prompt.pieces]
    pairs, ahead = int(allowed.sum()), np.argwhere(np.triu(allowed, 1))
    sentences = [words("masks.painter.reading", pairs=words.number(pairs), all=words.number(allowed.size), share=words.percent(pairs / allowed.size))]
    if len(ahead):
        row, column = (int(at) for at in ahead[0])
        sentences.append(words("masks.painter.ahead", count=words.number(len(ahead)), row=row + 1, token=pieces[row], future=pieces[column]))
    sentences += _blind(session, allowed)
    return " ".join(sentences)


def _blind(session: Session, allowed: Booleans) -> list[str]:
    rows = np.flatnonzero(~allowed.any(1)) + 1
    if not len(rows):
        return []
    named = ", ".join(map(str, rows[:12])) + (" …" if len(rows) > 12 else "")
    return [session.words(f"masks.painter.blind_{'one' if len(rows) == 1 else 'many'}", rows=named)]


def _mask_table(session: Session, allowed: Booleans) -> pd.DataFrame:
    words = session.words
    columns = {
        "row": np.arange(len(allowed)) + 1,
        "query": session.prompt.pieces,
        "keys": allowed.sum(1),
        "ahead": np.triu(allowed, 1).sum(1),
        "bits": ["".join("01"[on] for on in row) for row in allowed.astype(int)],
    }
    return pd.DataFrame({words(f"masks.table.{name}"): values for name, values in columns.items()})


# ---------------------------------------------------------------- beside the painting


def _controls(session: Session, name: str, allowed: Booleans) -> None:
    words, length = session.words, len(allowed)
    st.subheader(words(f"masks.pattern.{name}"))
    st.markdown(words(f"masks.about.{name}"))
    if name in NUMBERS and length > 2:
        then = partial(_choose, length, name)
        st.slider(words(f"masks.parameter.{name}"), 1, length, **state.bind(NUMBERS[name], then=then, shown=number_for(name, length)))
    _specification(session)
    _saving(session, masking.saving(allowed, session.specimen.loaded.model.config))


def _specification(session: Session) -> None:
    words, spec = session.words, state.get(SPEC)
    draft = state.get(DRAFT) or spec
    st.text_input(words("masks.spec.label"), help=words("masks.spec.help"), max_chars=20_000, **state.bind(DRAFT, then=_adopt, shown=draft))
    try:
        SPEC.read(SPEC.write(draft))
    except Refusal as refused:
        page.note(session, words("masks.spec.kept", reason=words.refusal(refused), spec=spec))


def _saving(session: Session, saving: Saving) -> None:
    words = session.words
    st.markdown(f"**{words('masks.saving.title')}**")
    share = saving.causal / saving.all
    full = saving.length * saving.cache_bytes_per_key
    columns = st.columns(3)
    _metric(session, columns[0], "pairs", words.number(saving.pairs), words.number(saving.causal))
    _metric(session, columns[1], "flops", _operations(session, saving.flops), _operations(session, saving.all_flops * share))
    held = words("masks.saving.no_cache") if saving.cache_bytes is None else words.bytes(saving.cache_bytes)
    _metric(session, columns[2], "cache", held, words.bytes(full))
    st.caption(words("masks.saving.note"))


def _metric(session: Session, column: DeltaGenerator, name: str, value: str, causal: str) -> None:
    words = session.words
    against = words("masks.saving.against", value=causal)
    column.metric(words(f"masks.saving.{name}"), value, against, delta_color="off", delta_arrow="off", help=words(f"masks.saving.{name}_help"))


def _operations(session: Session, flops: float) -> str:
    return session.words("masks.saving.operations", value=session.words.count(flops))


# ---------------------------------------------------------------- default | masked | difference


@block
def effects(session: Session, spec: str) -> None:
    """The same text read by default and under the mask of this specification."""
    default = compute.traced(session.specimen, session.prompt.ids)
    masked = compute.traced(session.specimen, session.prompt.ids, spec)
    _where(session, spec, default, masked)
    left, right = st.columns(2, gap="large")
    with left:
        _next(session, masking.next_tokens(default, masked))
    with right:
        _losses(session, default, masked)


def _where(session: Session, spec: str, default: Trace, masked: Trace) -> None:
    words, config = session.words, session.specimen.loaded.model.config
    st.subheader(words("masks.maps.title"))
    with st.container(horizontal=True, gap="large"):
        layer = _pick(words("masks.maps.layer"), LAYER, config.layers)
        head = _pick(words("masks.maps.head"), HEAD, config.attention.heads)
    reading = masking.maps(default, masked, layer, head)
    exhibit(session, "maps", lambda: _maps(session, spec, reading), _moved(session, reading), lambda: _maps_table(session, reading))


def _pick(label: str, field: state.Field[int], count: int) -> int:
    chosen = min(state.get(field), count - 1)
    st.segmented_control(label, range(count), format_func=lambda at: str(at + 1), required=True, **state.bind(field, shown=chosen))
    return chosen


def _maps(session: Session, spec: str, reading: MapsReading) -> None:
    causal = np.tri(len(reading.default), dtype=bool)
    sheets = (
        ("default", reading.default, causal),
        ("masked", reading.masked, reading.allowed),
        ("difference", reading.difference, causal | reading.allowed),
    )
    for column, (name, values, allowed) in zip(st.columns(3), sheets, strict=True):
        with column:
            _map(session, name, _revision(session, spec, reading, name), values, allowed)


def _map(session: Session, name: str, revision: str, values: masking.Floats, allowed: Booleans) -> None:
    pieces = session.prompt.pieces
    matrix = Matrix(session.words(f"masks.maps.{name}"), values, pieces, pieces, "diverging" if name == "difference" else "sequential", 1.0, allowed)
    packed = compute.packed("masks.map", revision, make=lambda: pack(matrix))
    matrix_map(session.words, f"map-{name}", matrix, packed, revision, height=380)


def _revision(session: Session, spec: str, reading: MapsReading, name: str) -> str:
    what = repr((session.prompt.ids, "" if name == "default" else spec)).encode()
    return f"{session.specimen.id}.{zlib.crc32(what):08x}.{reading.layer}.{reading.head}.{name}"


def _moved(session: Session, reading: MapsReading) -> str:
    words, pieces = session.words, session.prompt.pieces
    place = {"layer": reading.layer + 1, "head": reading.head + 1}
    if reading.moved < 5e-5:
        return words("masks.maps.same", **place)
    query, key = reading.strongest
    return words(
        "masks.maps.reading",
        **place,
        moved=words.percent(reading.moved),
        query=query + 1,
        query_token=visible(pieces[query]),
        key_token=visible(pieces[key]),
        before=words.percent(float(reading.default[query, key])),
        after=words.percent(float(reading.masked[query, key])),
    )


def _maps_table(session: Session, reading: MapsReading) -> pd.DataFrame:
    """All pairs of a text up to `WIDEST` tokens, of a longer one those that changed most; largest change first."""
    order = np.argsort(-np.abs(reading.difference), axis=None, kind="stable")[: WIDEST**2]
    query, key = np.unravel_index(order, reading.default.shape)
    pieces = np.array(session.prompt.pieces)
    columns = {
        "row": query + 1,
        "query": pieces[query],
        "column": key + 1,
        "key": pieces[key],
        "default": reading.default[query, key],
        "masked": reading.masked[query, key],
        "difference": reading.difference[query, key],
    }
    return pd.DataFrame({session.words(f"masks.table.{name}"): values for name, values in columns.items()})


# ---------------------------------------------------------------- what comes next


def _next(session: Session, reading: NextReading) -> None:
    words = session.words
    st.subheader(words("masks.next.title"))
    pieces = [_piece(session, int(id)) for id in reading.ids]

    def draw() -> None:
        labels = _labels(session, "next", "axis_token", "axis_probability", "default", "masked", "change")
        _chart("next", figures.next_tokens(reading, pieces, labels, page.layout(session)))

    exhibit(session, "next", draw, _likeliest(session, reading, pieces), lambda: _next_table(session, reading, pieces))


def _piece(session: Session, id: int) -> str:
    tokenizer = session.specimen.loaded.tokenizer
    return session.prompt.pieces[0] if id == session.prompt.ids[0] else tokenizer.piece(id) if tokenizer else str(id)


def _likeliest(session: Session, reading: NextReading, pieces: Sequence[str]) -> str:
    words, (was, now) = session.words, reading.first
    named = {"last": visible(session.prompt.pieces[-1]), "token": visible(pieces[was])}
    before, after = words.percent(float(reading.default[was])), words.percent(float(reading.masked[was]))
    if was == now:
        return words("masks.next.same" if before == after else "masks.next.kept", **named, before=before, after=after)
    other = {
        "other": visible(pieces[now]),
        "other_before": words.percent(float(reading.default[now])),
        "other_after": words.percent(float(reading.masked[now])),
    }
    return words("masks.next.changed", **named, before=before, after=after, **other)


def _next_table(session: Session, reading: NextReading, pieces: Sequence[str]) -> pd.DataFrame:
    columns = {"token": pieces, "default": reading.default, "masked": reading.masked, "difference": reading.masked - reading.default}
    return pd.DataFrame({session.words(f"masks.table.{name}"): values for name, values in columns.items()})


# ---------------------------------------------------------------- how surprising it was


def _losses(session: Session, default: Trace, masked: Trace) -> None:
    words = session.words
    st.subheader(words("masks.loss.title"))
    if len(session.prompt.ids) < 2:
        page.note(session, words("masks.loss.short"))
        return
    reading, pieces = masking.losses(default, masked), session.prompt.pieces[1:]

    def draw() -> None:
        labels = _labels(session, "loss", "axis_position", "axis_loss", "default", "masked", "told")
        _chart("loss", figures.losses(reading, pieces, labels, page.layout(session)))

    exhibit(session, "loss", draw, _surprise(session, reading, pieces), lambda: _loss_table(session, reading, pieces))


def _surprise(session: Session, reading: LossReading, pieces: Sequence[str]) -> str:
    words, at = session.words, reading.worst
    say = partial(words.number, digits=2)
    before, after = (say(mean) for mean in reading.means)
    worst_before, worst_after = (say(float(values[at])) for values in (reading.default, reading.masked))
    grew = float(reading.masked[at] - reading.default[at]) >= 0.005
    same = np.abs(reading.masked - reading.default).max() < 0.005
    key = "same" if same else "reading" if grew else "better"
    told = words("masks.loss.leak", count=words.number(int(reading.told.sum()))) if reading.told.any() else ""
    sentence = words(
        f"masks.loss.{key}", before=before, after=after, token=visible(pieces[at]), place=at + 2, worst_before=worst_before, worst_after=worst_after
    )
    return f"{sentence} {told}".strip()


def _loss_table(session: Session, reading: LossReading, pieces: Sequence[str]) -> pd.DataFrame:
    columns = {
        "position": np.arange(len(pieces)) + 2,
        "token": pieces,
        "default_nats": reading.default,
        "masked_nats": reading.masked,
        "told": reading.told,
    }
    return pd.DataFrame({session.words(f"masks.table.{name}"): values for name, values in columns.items()})


def _labels(session: Session, place: str, *names: str) -> dict[str, str]:
    return {name: session.words(f"masks.{place}.{name}") for name in names}


def _chart(key: str, figure: object) -> None:
    st.plotly_chart(figure, theme=None, key=f"chart-{key}", config={"displayModeBar": False})


PAGE = Page("masks", render, (SPEC, PAINT, LAYER, HEAD))
