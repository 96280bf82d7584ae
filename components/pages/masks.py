"""Masks: choose a pattern, combine some or paint one, and see what it changes in the same model on the same text."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from components import compute, page, state
from components.canvas.map import Matrix, matrix_map, pack
from components.canvas.painter import Board, painter
from components.canvas.patterns import Picture, patterns
from components.canvas.plate import visible
from components.controls import mask
from components.figures import masking as figures
from components.page import Page, Session, block, exhibit
from model.analysis import masking
from model.analysis.attention import overview
from model.analysis.masking import LossReading, MapsReading, NextReading, Saving
from model.trace import Trace

Booleans = NDArray[np.bool_]

# Counted from 1, as the screen does; 0 leaves the choice to the page.
LAYER = state.integer("m.layer", 0, 0, 96)
HEAD = state.integer("m.head", 0, 0, 128)

BREATH = 0.05  # seconds between the canvases and the rest: what arrives together is painted together, at the pace of the slowest
LISTED = 256  # tokens up to which the table lists every pair
LEAST = 0.001  # above that, the change from which it does

# ---------------------------------------------------------------- the page


def render(session: Session) -> None:
    """The page: the patterns, the mask at hand, and the same text read by default and masked."""
    st.title(session.words("masks.title"))
    st.markdown(session.words("masks.lead"))
    bench(session)


@block
def bench(session: Session) -> None:
    """Everything that depends on the mask."""
    length = len(session.prompt.ids)
    shown = mask.current()
    name, number = mask.recognised(shown)
    mask.note_number(name, number, length)
    allowed = shown.build(length).numpy()
    pictures = [Picture(each, session.words(f"masks.pattern.{each}"), _picture(each, name, allowed)) for each in mask.NAMES]
    patterns("patterns", session.words("masks.gallery.title"), pictures, name, partial(mask.choose, length))
    left, right = st.columns([11, 10], gap="large")
    middle = st.container()
    with left:
        _painting(session, allowed)
    with middle:
        where(session, str(shown))
    time.sleep(BREATH)
    default, masked = _traces(session, str(shown))
    with right:
        _controls(session, name, length)
        _next(session, masking.next_tokens(default, masked))
    left, right = st.columns([11, 10], gap="large")
    with left:
        _losses(session, default, masked)
    with right:
        _saving(session, masking.saving(allowed, session.specimen.loaded.model.config))


def _traces(session: Session, spec: str) -> tuple[Trace, Trace]:
    """The text as the model was trained to read it, and under the mask."""
    return compute.traced(session.specimen, session.prompt.ids), compute.traced(session.specimen, session.prompt.ids, spec)


def _picture(each: str, chosen: str, allowed: Booleans) -> Booleans:
    if each == chosen:
        return allowed
    return mask.made(each, mask.number_for(each, len(allowed))).build(len(allowed)).numpy()


def _painting(session: Session, allowed: Booleans) -> None:
    words, pieces = session.words, session.prompt.pieces
    board: Board = state.remember("masks.board", Board)
    exhibit(
        session,
        "mask",
        lambda: painter("painter", words, allowed, pieces, board, mask.paint),
        _kept(session, allowed),
        lambda: _mask_table(session, allowed),
    )


def _kept(session: Session, allowed: Booleans) -> str:
    words, pieces = session.words, [visible(piece) for piece in session.prompt.pieces]
    pairs, ahead = int(allowed.sum()), np.argwhere(np.triu(allowed, 1))
    sentences = [words("masks.painter.reading", pairs=words.number(pairs), all=words.number(allowed.size), share=words.percent(pairs / allowed.size))]
    if len(ahead):
        row, column = (int(at) for at in ahead[0])
        key = f"masks.painter.ahead_{_plural(len(ahead))}"
        sentences.append(words(key, count=words.number(len(ahead)), row=row + 1, token=pieces[row], future=pieces[column]))
    sentences += _blind(session, allowed)
    return " ".join(sentences)


def _blind(session: Session, allowed: Booleans) -> list[str]:
    rows = np.flatnonzero(~allowed.any(1)) + 1
    if not len(rows):
        return []
    named = ", ".join(map(str, rows[:12])) + (" …" if len(rows) > 12 else "")
    return [session.words(f"masks.painter.blind_{_plural(len(rows))}", rows=named)]


def _plural(count: int) -> str:
    return "one" if count == 1 else "many"


def _mask_table(session: Session, allowed: Booleans) -> pd.DataFrame:
    words = session.words
    columns = {
        "row": np.arange(len(allowed)) + 1,
        "query": [visible(piece) for piece in session.prompt.pieces],
        "keys": allowed.sum(1),
        "ahead": np.triu(allowed, 1).sum(1),
        "bits": ["".join("01"[on] for on in row) for row in allowed.astype(int)],
    }
    return pd.DataFrame({words(f"masks.table.{name}"): values for name, values in columns.items()})


# ---------------------------------------------------------------- beside the painting


def _controls(session: Session, name: str, length: int) -> None:
    """The pattern's name, sentence and number, and the specification, each in a place of its own that never moves."""
    words = session.words
    with st.container(key="masks-pattern"):
        st.subheader(words(f"masks.pattern.{name}"))
        st.markdown(words(f"masks.about.{name}"))
        if name in mask.NUMBERS and length > 2:
            bound = state.bind(mask.NUMBERS[name], then=partial(mask.choose, length, name), shown=mask.number_for(name, length))
            st.slider(words(f"masks.parameter.{name}"), 1, length, **bound)
    with st.container(key="masks-spec"):
        _specification(session)


def _specification(session: Session) -> None:
    words = session.words
    text, refused = mask.draft()
    bound = state.bind(mask.DRAFT, then=mask.adopt, shown=text)
    st.text_input(words("masks.spec.label"), help=words("masks.spec.help"), max_chars=mask.LIMIT, **bound)
    if refused:
        page.note(session, words("masks.spec.kept", reason=words.refusal(refused), spec=state.get(mask.SPEC)))


def _saving(session: Session, saving: Saving) -> None:
    words = session.words
    st.subheader(words("masks.saving.title"))
    share = saving.causal / saving.all
    full = saving.length * saving.cache_bytes_per_key
    columns = st.columns(3)
    _metric(session, columns[0], "pairs", words.number(saving.pairs), words.number(saving.causal))
    _metric(session, columns[1], "flops", words.count(saving.flops), words.count(saving.all_flops * share))
    held = words("masks.saving.no_cache") if saving.cache_bytes is None else words.bytes(saving.cache_bytes)
    _metric(session, columns[2], "cache", held, words.bytes(full))
    st.caption(words("masks.saving.note"))


def _metric(session: Session, column: DeltaGenerator, name: str, value: str, causal: str) -> None:
    words = session.words
    against = words("masks.saving.against", value=causal)
    column.metric(words(f"masks.saving.{name}"), value, against, delta_color="off", delta_arrow="off", help=words(f"masks.saving.{name}_help"))


# ---------------------------------------------------------------- default | masked | difference


@block
def where(session: Session, spec: str) -> None:
    """One head's map, by default and under the mask of this specification."""
    words, config = session.words, session.specimen.loaded.model.config
    st.subheader(words("masks.maps.title"))
    with st.container(horizontal=True, gap="medium"):
        telling = _telling(session)
        layer = _pick(words("masks.maps.layer"), LAYER, config.layers, telling[0])
        head = _pick(words("masks.maps.head"), HEAD, config.attention.heads, telling[1])
    reading = masking.maps(*_traces(session, spec), layer, head)
    exhibit(session, "maps", lambda: _maps(session, spec, reading), _moved(session, reading), lambda: _maps_table(session, reading))


def _telling(session: Session) -> bytes:
    """The layer and the head that the attention page would show first, each a byte."""
    specimen, ids = session.specimen, session.prompt.ids
    return compute.packed("masks.telling", specimen.id, ids, make=lambda: bytes(overview(compute.traced(specimen, ids)).telling))


def _pick(label: str, field: state.Field[int], count: int, telling: int) -> int:
    wanted = state.get(field)
    chosen = wanted if 0 < wanted <= count else telling + 1
    st.segmented_control(label, range(1, count + 1), required=True, **state.bind(field, shown=chosen))
    return chosen - 1


def _maps(session: Session, spec: str, reading: MapsReading) -> None:
    causal = _causal(reading)
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
    """Pair by pair, the largest change first; of a long text only the changes from `LEAST`."""
    words, short = session.words, len(reading.default) <= LISTED
    query, key = np.nonzero(_causal(reading) | reading.allowed if short else np.abs(reading.difference) >= LEAST)
    order = np.argsort(-np.abs(reading.difference[query, key]), kind="stable")
    query, key, pieces = query[order], key[order], np.array([visible(piece) for piece in session.prompt.pieces], object)
    columns = {
        "row": query + 1,
        "query": pieces[query],
        "column": key + 1,
        "key": pieces[key],
        "default": reading.default[query, key],
        "masked": reading.masked[query, key],
    }
    title = words("masks.table.difference") if short else words("masks.table.difference_from", least=words.percent(LEAST))
    return pd.DataFrame({words(f"masks.table.{name}"): values for name, values in columns.items()} | {title: reading.difference[query, key]})


def _causal(reading: MapsReading) -> Booleans:
    return np.tri(len(reading.default), dtype=bool)


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
    count = int(reading.told.sum())
    told = words(f"masks.loss.leak_{_plural(count)}", count=words.number(count)) if count else ""
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


PAGE = Page("masks", render, (mask.SPEC, mask.PAINT, *mask.NUMBERS.values(), LAYER, HEAD))
