"""Masks: choose a pattern, combine some or paint one, and see what it changes in the same model on the same text."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from components import compute, page, state
from components.canvas.map import Matrix, matrix_map, pack
from components.canvas.painter import Board, Sheet, painter
from components.canvas.patterns import Picture, patterns
from components.canvas.plate import visible
from components.controls import mask
from components.controls import where as places
from components.controls.mask import Desk
from components.controls.prompt import predicted
from components.figures import masking as figures
from components.page import Page, Session, block, exhibit
from model.analysis import masking
from model.analysis.attention import overview
from model.analysis.masking import LossReading, MapsReading, NextReading, Saving
from model.analysis.places import CROSS, Where, own
from model.config import Encoder
from model.trace import Trace

Booleans = NDArray[np.bool_]

# Counted from 1, as the screen does; 0 leaves the choice to the page.
LAYER = state.integer("m.layer", 0, 0, 96)
HEAD = state.integer("m.head", 0, 0, 128)
BLANK = state.integer("m.blank", 0, 0, 1_024)
WHERE = places.field("m.where")

BREATH = 0.05  # seconds between the canvases and the rest: what arrives together is painted together, at the pace of the slowest
LISTED = 256  # tokens up to which the table lists every pair
LEAST = 0.001  # above that, the change from which it does

# ---------------------------------------------------------------- the page


@dataclass(frozen=True, slots=True)
class View:
    """What the page is about: a session, the mask at hand in one place, its specification, and the tokens that ask and are asked there."""

    session: Session
    desk: Desk
    queries: tuple[str, ...]
    keys: tuple[str, ...]

    @property
    def where(self) -> Where:
        """The attention whose mask is changed."""
        return self.desk.where

    @property
    def spec(self) -> str:
        """The mask at hand, written."""
        return str(self.desk.current)

    @property
    def encoder(self) -> bool:
        """Whether the model fills in rather than writes."""
        return isinstance(self.session.specimen.config.form, Encoder)

    @property
    def ahead(self) -> bool:
        """Whether looking at a later token is looking into the future."""
        return self.where == Where("decoder")


def render(session: Session) -> None:
    """The page: which attention, the patterns, the mask at hand, and the same text read by default and masked."""
    st.title(session.words("masks.title"))
    st.markdown(session.words("masks.lead"))
    bench(session, places.choice(session.words, WHERE, session.specimen))


@block
def bench(session: Session, where: Where) -> None:
    """Everything that depends on the mask."""
    queries, keys = places.pieces(session.prompt, where)
    desk = Desk(where, len(queries), len(keys))
    name, number = mask.recognised(where, desk.current)
    desk.note_number(name, number)
    view, allowed = View(session, desk, queries, keys), desk.build(desk.current)
    _gallery(view, name, allowed)
    left, right = st.columns([11, 10], gap="large")
    middle = st.container()
    with left:
        _painting(view, allowed)
    with middle:
        compared(session, view)
    time.sleep(BREATH)
    default, masked = _traces(view)
    with right:
        _controls(view, name)
        _next(view, default, masked)
    left, right = st.columns([11, 10], gap="large")
    with left:
        (_shifts if view.encoder else _losses)(view, default, masked)
    with right:
        _saving(view, masking.saving(allowed, session.specimen.config, where))


def _traces(view: View) -> tuple[Trace, Trace]:
    """The text as the model was trained to read it, and under the mask."""
    specimen, prompt = view.session.specimen, view.session.prompt
    default = compute.traced(specimen, prompt.ids, source=prompt.source_ids)
    return default, compute.traced(specimen, prompt.ids, view.spec, source=prompt.source_ids, where=view.where)


def _gallery(view: View, chosen: str, allowed: Booleans) -> None:
    desk, title = view.desk, view.session.words("masks.gallery.title")
    built = {name: allowed if name == chosen else desk.build(desk.made(name, desk.number_for(name))) for name in desk.sheet.names}
    pictures = [Picture(name, _told(view, "pattern", name), mask) for name, mask in built.items()]
    patterns("patterns", title, pictures, chosen, desk.choose, ahead=view.ahead)


def _told(view: View, what: str, name: str) -> str:
    """A pattern's words: its own in this place, where it has any."""
    words, own = view.session.words, f"masks.{what}_{view.where.name}.{name}"
    return words(own) if words.has(own) else words(f"masks.{what}.{name}")


def _painting(view: View, allowed: Booleans) -> None:
    board: Board = state.remember(f"masks.board.{view.where.name}", Board)
    sheet = Sheet(allowed, view.queries, view.keys, view.ahead)
    exhibit(
        view.session,
        "mask",
        lambda: painter("painter", view.session.words, sheet, board, view.desk.paint),
        _kept(view, allowed),
        lambda: _mask_table(view, allowed),
        lambda: _again(view, 'numbers = {"allowed": allowed.numpy()}'),
    )


def _kept(view: View, allowed: Booleans) -> str:
    words = view.session.words
    pairs, ahead = int(allowed.sum()), np.argwhere(np.triu(allowed, 1) & view.ahead)
    sentences = [words("masks.painter.reading", pairs=words.number(pairs), all=words.number(allowed.size), share=words.percent(pairs / allowed.size))]
    if len(ahead):
        row, column = (int(at) for at in ahead[0])
        names = {"token": visible(view.queries[row]), "future": visible(view.keys[column])}
        sentences.append(words(f"masks.painter.ahead_{_plural(len(ahead))}", count=words.number(len(ahead)), row=row + 1, **names))
    sentences += _blind(view.session, allowed)
    return " ".join(sentences)


def _blind(session: Session, allowed: Booleans) -> list[str]:
    rows = np.flatnonzero(~allowed.any(1)) + 1
    if not len(rows):
        return []
    named = ", ".join(map(str, rows[:12])) + (" …" if len(rows) > 12 else "")
    return [session.words(f"masks.painter.blind_{_plural(len(rows))}", rows=named)]


def _plural(count: int) -> str:
    return "one" if count == 1 else "many"


def _mask_table(view: View, allowed: Booleans) -> pd.DataFrame:
    words = view.session.words
    columns = {"row": np.arange(len(allowed)) + 1, "query": [visible(piece) for piece in view.queries], "keys": allowed.sum(1)}
    if view.ahead:
        columns["ahead"] = np.triu(allowed, 1).sum(1)
    columns["bits"] = ["".join("01"[on] for on in row) for row in allowed.astype(int)]
    return pd.DataFrame({words(f"masks.table.{name}"): values for name, values in columns.items()})


# ---------------------------------------------------------------- beside the painting


def _controls(view: View, name: str) -> None:
    """The pattern's name, sentence and number, and the specification, each in a place of its own that never moves."""
    desk = view.desk
    with st.container(key="masks-pattern"):
        st.header(_told(view, "pattern", name))
        st.markdown(_told(view, "about", name))
        if name in mask.NUMBERS and desk.keys > 2:
            bound = state.bind(mask.NUMBERS[name], then=partial(desk.choose, name), shown=desk.number_for(name))
            st.slider(_told(view, "parameter", name), 1, desk.keys, **bound)
    with st.container(key="masks-spec"):
        _specification(view.session, desk)


def _specification(session: Session, desk: Desk) -> None:
    words = session.words
    text, refused = desk.draft
    bound = state.bind(desk.sheet.draft, then=desk.adopt, shown=text)
    st.text_input(words("masks.spec.label"), help=words("masks.spec.help"), max_chars=mask.LIMIT, **bound)
    if refused:
        page.note(session, words("masks.spec.kept", reason=words.refusal(refused), spec=state.get(desk.sheet.spec)))


def _saving(view: View, saving: Saving) -> None:
    words, kind = view.session.words, view.where.name
    st.header(words("masks.saving.title"))
    columns = st.columns(3)
    _metric(view, columns[0], "pairs", words.number(saving.pairs), words.number(saving.own))
    _metric(view, columns[1], "flops", words.count(saving.flops), words.count(saving.own_flops))
    if kind != "encoder":
        held = words("masks.saving.no_cache") if saving.cache_bytes is None else words.bytes(saving.cache_bytes)
        _metric(view, columns[2], "cache", held, words.bytes(saving.keys * saving.cache_bytes_per_key))
    st.caption(words("masks.saving.note"))


def _metric(view: View, column: DeltaGenerator, name: str, value: str, own: str) -> None:
    words = view.session.words
    against = words("masks.saving.against", mask=_own(view), value=own)
    column.metric(words(f"masks.saving.{name}"), value, against, delta_color="off", delta_arrow="off", help=_told(view, "saving", f"{name}_help"))


def _own(view: View) -> str:
    """The pattern that the model reads with by itself, as it is called within a sentence."""
    return _told(view, "pattern", mask.recognised(view.where, own(view.session.specimen.config, view.where))[0]).lower()


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
    reading = masking.maps(*_traces(view), layer, head, view.where)
    recipe = partial(_maps_again, view, reading)
    exhibit(session, "maps", lambda: _maps(view, reading), _moved(view, reading), lambda: _maps_table(view, reading), recipe)


def _telling(view: View) -> bytes:
    """The layer and the head that the attention page would show first, each a byte."""
    specimen, prompt, at = view.session.specimen, view.session.prompt, _place(view) if view.encoder else None
    default, _ = _traces(view)
    make = lambda: bytes(overview(default, where=view.where, at=at).telling[:2])  # noqa: E731
    return compute.packed("masks.telling", specimen.id, prompt.ids, prompt.source_ids, view.where, at, make=make)


def _pick(label: str, field: state.Field[int], count: int, telling: int) -> int:
    wanted = state.get(field)
    chosen = wanted if 0 < wanted <= count else telling + 1
    st.segmented_control(label, range(1, count + 1), required=True, **state.bind(field, shown=chosen))
    return chosen - 1


def _maps(view: View, reading: MapsReading) -> None:
    sheets = (
        ("default", reading.default, reading.own),
        ("masked", reading.masked, reading.allowed),
        ("difference", reading.difference, reading.own | reading.allowed),
    )
    for column, (name, values, allowed) in zip(st.columns(3), sheets, strict=True):
        with column:
            _map(view, name, values, allowed, _revision(view, reading, name))


def _map(view: View, name: str, values: masking.Floats, allowed: Booleans, revision: str) -> None:
    words = view.session.words
    title = words(f"masks.maps.{name}", mask=_own(view))
    table, across = "diverging" if name == "difference" else "sequential", view.where == CROSS
    matrix = Matrix(title, values, view.queries, view.keys, table, 1.0, allowed, across)
    packed = compute.packed("masks.map", revision, make=lambda: pack(matrix))
    matrix_map(words, f"map-{name}", matrix, packed, revision, height=380)


def _revision(view: View, reading: MapsReading, name: str) -> str:
    prompt = view.session.prompt
    what = repr((prompt.ids, prompt.source_ids, view.where, "" if name == "default" else view.spec)).encode()
    return f"{view.session.specimen.id}.{zlib.crc32(what):08x}.{reading.layer}.{reading.head}.{name}"


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


def _next(view: View, default: Trace, masked: Trace) -> None:
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

    lines = f"reading = masking.next_tokens(trace, masked, at={at})\n{_named_again('ids', 'default', 'masked')}"
    recipe = partial(_again, view, f'{lines} | {{"difference": reading.masked - reading.default}}')
    exhibit(session, "next", draw, _likeliest(view, at, reading, pieces), lambda: _next_table(session, reading, pieces), recipe)


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


def _losses(view: View, default: Trace, masked: Trace) -> None:
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

    recipe = partial(_again, view, f"reading = masking.losses(trace, masked)\n{_named_again('default', 'masked', 'told')}")
    exhibit(session, "loss", draw, _surprise(session, reading, pieces), lambda: _loss_table(session, reading, pieces), recipe)


def _shifts(view: View, default: Trace, masked: Trace) -> None:
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
    recipe = partial(_again, view, f"reading = masking.shifts(trace, masked)\n{_named_again('divergence')}")
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


# ---------------------------------------------------------------- in a notebook


def _again(view: View, lines: str) -> str:
    """The lines that read the text under the mask at hand, then these."""
    where, config = view.where, view.session.specimen.config
    queries = "len(source)" if where.stack != config.main else "len(ids)"
    return AGAIN.format(spec=view.spec, where=where, queries=queries, name=compute.named(config, where)) + lines


def _maps_again(view: View, reading: MapsReading) -> str:
    lines = f"reading = masking.maps(trace, masked, {reading.layer}, {reading.head}, {view.where})"
    return _again(view, f"{lines}\n{_named_again('default', 'masked', 'difference')}")


def _named_again(*names: str) -> str:
    return f"numbers = {{name: np.asarray(getattr(reading, name)) for name in {names!r}}}"


AGAIN = """
import numpy as np
import torch

from model.analysis import masking
from model.analysis.places import Where, built
from model.layers.masks import parse
from model.trace import Tracer

about = torch.tensor(source) if source else None
allowed = built(parse({spec!r}), {where}, {queries}, len(source))
masked = Tracer(model).trace(torch.tensor(ids), source=about, {name}=allowed)
"""


PAGE = Page("masks", render, (WHERE, *mask.FIELDS, LAYER, HEAD, BLANK))
