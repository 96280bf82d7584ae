"""What a mask does to the answer: one head's map, the next token and the loss, each by default, masked, and the difference."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from components import compute, page, state
from components.canvas.map import Matrix, matrix_map, pack
from components.canvas.plate import visible
from components.controls.arithmetic import door
from components.controls.prompt import predicted
from components.figures import masking as figures
from components.page import Session, block, exhibit
from components.pages.masks.view import BLANK, COLUMN, HEAD, LAYER, ROW, Booleans, View, named_again, plural
from model.analysis import masking
from model.analysis.attention import overview
from model.analysis.masking import LossReading, MapsReading, NextReading
from model.analysis.places import CROSS
from model.trace import Trace

LISTED = 256  # tokens up to which the table lists every pair
LEAST = 0.001  # above that, the change from which it does

# ---------------------------------------------------------------- default | masked | difference


@block
def compared(session: Session, view: View) -> None:
    """One head's map, by default and under the mask at hand."""
    words, config = session.words, session.specimen.config
    st.header(words("masks.maps.title"))
    with st.container(horizontal=True, gap="medium"):
        telling = _telling(view)
        layer = _pick(words("masks.maps.layer"), LAYER, config.depths[view.where.stack], telling[0])
        head = _pick(words("masks.maps.head"), HEAD, config.attention.heads, telling[1])
    reading = masking.maps(*view.traces(), layer, head, view.where)
    recipe = partial(_maps_again, view, reading)
    cell = _cell(reading)
    exhibit(session, "maps", lambda: _maps(view, reading, cell), _moved(view, reading), lambda: _maps_table(view, reading), recipe)
    _weighed(view, reading, cell)


def _telling(view: View) -> bytes:
    """The layer and the head that the attention page would show first, each a byte."""
    specimen, prompt, at = view.session.specimen, view.session.prompt, _place(view) if view.encoder else None
    default, _ = view.traces()
    make = lambda: bytes(overview(default, where=view.where, at=at).telling[:2])  # noqa: E731
    return compute.packed("masks.telling", specimen.id, prompt.ids, prompt.source_ids, view.where, at, make=make)


def _pick(label: str, field: state.Field[int], count: int, telling: int) -> int:
    wanted = state.get(field)
    chosen = wanted if 0 < wanted <= count else telling + 1
    st.segmented_control(label, range(1, count + 1), required=True, **state.bind(field, shown=chosen))
    return chosen - 1


def _cell(reading: MapsReading) -> tuple[int, int]:
    """The query and key the reader chose, as far as the text goes; else the pair that changed most."""
    row, column = state.get(ROW), state.get(COLUMN)
    there = 0 < row <= reading.default.shape[0] and 0 < column <= reading.default.shape[1]
    return (row - 1, column - 1) if there else reading.strongest


def _choose(query: int, key: int) -> None:
    state.put(ROW, query + 1)
    state.put(COLUMN, key + 1)


def _weighed(view: View, reading: MapsReading, cell: tuple[int, int]) -> None:
    """One pair's weight both ways, each with the way to its arithmetic."""
    words, (query, key) = view.session.words, cell
    named = {"query": visible(view.queries[query]), "key": visible(view.keys[key])}
    before, after = (words.percent(float(values[cell])) for values in (reading.default, reading.masked))
    address = f"{view.where.site(reading.layer, 'pattern')}[{reading.head},{query},{key}]"
    with st.container(key="masks-weighed", horizontal=True, vertical_alignment="center", gap="small"):
        page.read_aloud(words("masks.maps.pair", **named))
        door(view.session, address, "masks-default", label=words("masks.maps.door_default", weight=before))
        door(view.session, address, "masks-masked", under=view.under, label=words("masks.maps.door_masked", weight=after))


def _maps(view: View, reading: MapsReading, cell: tuple[int, int]) -> None:
    sheets = (
        ("default", reading.default, reading.own),
        ("masked", reading.masked, reading.allowed),
        ("difference", reading.difference, reading.own | reading.allowed),
    )
    for column, (name, values, allowed) in zip(st.columns(3), sheets, strict=True):
        with column:
            _map(view, name, values, allowed, _revision(view, reading, name), cell)


def _map(view: View, name: str, values: masking.Floats, allowed: Booleans, revision: str, cell: tuple[int, int]) -> None:
    words = view.session.words
    title = words(f"masks.maps.{name}", mask=view.own)
    table, across = "diverging" if name == "difference" else "sequential", view.where == CROSS
    matrix = Matrix(title, values, view.queries, view.keys, table, 1.0, allowed, across)
    packed = compute.packed("masks.map", revision, make=lambda: pack(matrix))
    matrix_map(words, f"map-{name}", matrix, packed, revision, chosen=cell, choose=_choose, height=380)


def _revision(view: View, reading: MapsReading, name: str) -> str:
    place = f"{view.where.name}.{reading.layer}.{reading.head}.{name}"
    if name != "default":
        return f"{view.revision}.{place}"
    prompt = view.session.prompt
    return f"{view.specimen.id}.{zlib.crc32(repr((prompt.ids, prompt.source_ids)).encode()):08x}.{place}"


def _moved(view: View, reading: MapsReading) -> str:
    words = view.session.words
    place = {"layer": reading.layer + 1, "head": reading.head + 1}
    if reading.moved < 5e-5:
        return words("masks.maps.same", **place)
    query, key = reading.strongest
    return words(
        "masks.maps.reading",
        **place,
        moved=words.percent(reading.moved),
        query=query + 1,
        query_token=visible(view.queries[query]),
        key_token=visible(view.keys[key]),
        before=words.percent(float(reading.default[query, key])),
        after=words.percent(float(reading.masked[query, key])),
    )


def _maps_table(view: View, reading: MapsReading) -> pd.DataFrame:
    """Pair by pair, the largest change first; of a long text only the changes from `LEAST`."""
    words, short = view.session.words, max(reading.default.shape) <= LISTED
    query, key = np.nonzero(reading.own | reading.allowed if short else np.abs(reading.difference) >= LEAST)
    order = np.argsort(-np.abs(reading.difference[query, key]), kind="stable")
    query, key = query[order], key[order]
    asking, asked = (np.array([visible(piece) for piece in pieces], object) for pieces in (view.queries, view.keys))
    columns = {
        "row": query + 1,
        "query": asking[query],
        "column": key + 1,
        "key": asked[key],
        "default": reading.default[query, key],
        "masked": reading.masked[query, key],
    }
    title = words("masks.table.difference") if short else words("masks.table.difference_from", least=words.percent(LEAST))
    return pd.DataFrame({words(f"masks.table.{name}"): values for name, values in columns.items()} | {title: reading.difference[query, key]})


# ---------------------------------------------------------------- what the model says


def _place(view: View) -> int:
    """The token that matters: to an encoder the chosen blank or else the last token, to any other the last one."""
    prompt = view.session.prompt
    last = max(0, len(prompt.ids) - 1 - prompt.closing)
    if not view.encoder or not prompt.blanks:
        return last
    return prompt.blanks[min(state.get(BLANK) or 1, len(prompt.blanks)) - 1]


def _asked(view: View, default: Trace, masked: Trace) -> int:
    """The token to show: of a target that is there as a whole, the one after which the mask changes most what the model expects."""
    if view.session.prompt.source is None:
        return _place(view)
    moved = masking.shifts(default, masked)
    return moved.worst if moved.divergence[moved.worst] >= 0.005 else _place(view)


def next_token(view: View, default: Trace, masked: Trace) -> None:
    session, prompt = view.session, view.session.prompt
    words, say = session.words, partial(_said, view)
    st.header(say("title"))
    if view.encoder and len(prompt.blanks) > 1:
        numbers = range(1, len(prompt.blanks) + 1)
        bound = state.bind(BLANK, shown=min(state.get(BLANK) or 1, len(numbers)))
        st.segmented_control(words("masks.next.blank"), numbers, required=True, **bound)
    at = _asked(view, default, masked)
    reading = masking.next_tokens(default, masked, at=at)
    pieces = [predicted(words, session.specimen, int(id)) for id in reading.ids]

    def draw() -> None:
        labels = _labels(session, "next", "axis_token", "axis_probability", "default", "masked", "change") | {"axis_token": say("axis_token")}
        _chart("next", figures.next_tokens(reading, pieces, labels, page.layout(session)))

    lines = f"reading = masking.next_tokens(trace, masked, at={at})\n{named_again(('ids', 'default', 'masked'))}"
    recipe = partial(view.again, f'{lines} | {{"difference": reading.masked - reading.default}}')
    exhibit(session, "next", draw, _likeliest(view, at, reading, pieces), lambda: _next_table(session, reading, pieces), recipe)
    first = reading.first[1]
    label = words("masks.next.door", token=visible(pieces[first]))
    door(session, f"logits[{at},{int(reading.ids[first])}]", "masks-next", under=view.under, label=label)


def _said(view: View, name: str, **values: str) -> str:
    """A sentence about what follows a token; of an encoder, about what belongs in its place."""
    return view.session.words(f"masks.next{'_place' if view.encoder else ''}.{name}", **values)


def _likeliest(view: View, at: int, reading: NextReading, pieces: Sequence[str]) -> str:
    words, (was, now) = view.session.words, reading.first
    named = {"last": visible(view.session.prompt.pieces[at]), "token": visible(pieces[was])}
    before, after = words.percent(float(reading.default[was])), words.percent(float(reading.masked[was]))
    if was == now:
        return _said(view, "same" if before == after else "kept", **named, before=before, after=after)
    other = {
        "other": visible(pieces[now]),
        "other_before": words.percent(float(reading.default[now])),
        "other_after": words.percent(float(reading.masked[now])),
    }
    return _said(view, "changed", **named, before=before, after=after, **other)


def _next_table(session: Session, reading: NextReading, pieces: Sequence[str]) -> pd.DataFrame:
    columns = {"token": pieces, "default": reading.default, "masked": reading.masked, "difference": reading.masked - reading.default}
    return pd.DataFrame({session.words(f"masks.table.{name}"): values for name, values in columns.items()})


# ---------------------------------------------------------------- how surprising it was


def losses(view: View, default: Trace, masked: Trace) -> None:
    session = view.session
    words = session.words
    st.header(words("masks.loss.title"))
    if len(session.prompt.ids) < 2:
        page.note(session, words("masks.loss.short"))
        return
    reading, pieces = masking.losses(default, masked), session.prompt.pieces[1:]

    def draw() -> None:
        labels = _labels(session, "loss", "axis_position", "axis_loss", "default", "masked", "told")
        _chart("loss", figures.losses(reading, pieces, labels, page.layout(session)))

    recipe = partial(view.again, f"reading = masking.losses(trace, masked)\n{named_again(('default', 'masked', 'told'))}")
    exhibit(session, "loss", draw, _surprise(session, reading, pieces), lambda: _loss_table(session, reading, pieces), recipe)


def shifts(view: View, default: Trace, masked: Trace) -> None:
    """How far the mask moved what an encoder says at each token."""
    session, reading = view.session, masking.shifts(default, masked)
    words, pieces = session.words, session.prompt.pieces
    st.header(words("masks.shift.title"))

    def draw() -> None:
        _chart("shift", figures.shifts(reading, pieces, _labels(session, "shift", "axis_position", "axis_shift"), page.layout(session)))

    def table() -> pd.DataFrame:
        columns = {"position": np.arange(len(pieces)) + 1, "token": [visible(piece) for piece in pieces], "shift": reading.divergence}
        return pd.DataFrame({words(f"masks.table.{name}"): values for name, values in columns.items()})

    most, at = float(reading.divergence.max()), reading.worst
    told = words("masks.shift.reading", token=visible(pieces[at]), place=at + 1, nats=words.number(most, 2))
    recipe = partial(view.again, f"reading = masking.shifts(trace, masked)\n{named_again(('divergence',))}")
    exhibit(session, "shift", draw, told if most >= 0.005 else words("masks.shift.same"), table, recipe)


def _surprise(session: Session, reading: LossReading, pieces: Sequence[str]) -> str:
    words, at = session.words, reading.worst
    say = partial(words.number, digits=2)
    before, after = (say(mean) for mean in reading.means)
    worst_before, worst_after = (say(float(values[at])) for values in (reading.default, reading.masked))
    grew = float(reading.masked[at] - reading.default[at]) >= 0.005
    same = np.abs(reading.masked - reading.default).max() < 0.005
    key = "same" if same else "reading" if grew else "better"
    count = int(reading.told.sum())
    told = words(f"masks.loss.leak_{plural(count)}", count=words.number(count)) if count else ""
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


def _maps_again(view: View, reading: MapsReading) -> str:
    lines = f"reading = masking.maps(trace, masked, {reading.layer}, {reading.head}, {view.where})"
    return view.again(f"{lines}\n{named_again(('default', 'masked', 'difference'))}")


