"""default | changed | difference: the next token, the text token by token, one head's map, and what is written."""

from __future__ import annotations

import html
import zlib
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from components import changes, compute, page, state
from components.canvas.brush import WIDEST, Rows, brush
from components.canvas.map import Matrix, matrix_map, pack
from components.canvas.plate import visible
from components.canvas.strip import Strip, Token, strip
from components.controls import where as places
from components.controls.prompt import predicted
from components.figures import masking as figures
from components.page import exhibit
from components.pages.change.view import AT, HEAD, LAYER, PART, TOKENS, WHERE, View
from model.analysis import changing
from model.analysis.masking import MapsReading, NextReading
from model.analysis.places import CROSS, Where
from model.interventions import Cell, Comparison, Edit, Head, PaintPattern, spell
from model.interventions import Prompt as Given

FULL = 3.0  # nats at which the colours of a token's change end
SAME = 0.005
PASSES = 6_144  # tokens that may go through the model to write a continuation: of a long text it is shorter
LISTED, LEAST = 256, 0.001


def recipe(edits: Sequence[Edit], *lines: str) -> str:
    """Lines of Python, the edits spelled out first."""
    return "\n".join(["import numpy as np", "from model.interventions import *", f'edits = parse_all("{spell(edits)}")', *lines])


def compared(view: View) -> tuple[Comparison, int]:
    """The comparison, and the token it looks at: the chosen one; of a translation given as a whole, else the one that changes most."""
    make = partial(compute.compared, view.specimen, view.prompt.ids, view.edits, source=view.prompt.source_ids)
    usual = view.place
    if view.two:
        divergence = make().divergence
        usual = int(divergence.argmax()) if divergence.max() >= SAME else 0
    at = view.chosen(usual)
    return make(at=at), at


# ---------------------------------------------------------------- the next token


def next_token(view: View, found: Comparison, at: int) -> None:
    """Its distribution, both ways."""
    words, reading = view.words, changing.next_tokens(found)
    st.header(words("change.next.place" if view.encoder else "change.next.title"))
    pieces = [predicted(words, view.specimen, int(id)) for id in reading.ids]

    def draw() -> None:
        labels = {name: words(f"change.next.{key}") for name, key in _LABELS.items()}
        st.plotly_chart(figures.next_tokens(reading, pieces, labels, page.layout(view.session)), theme=None, key="chart-change-next", config=_BARE)

    def table() -> pd.DataFrame:
        columns = {"token": pieces, "default": reading.default, "changed": reading.masked, "difference": reading.masked - reading.default}
        return pd.DataFrame({words(f"change.table.{name}"): values for name, values in columns.items()})

    count = len(reading.ids)
    lines = recipe(
        view.edits,
        f"found = compare(model, ids, edits, source or None, at={at})",
        f"order = np.argsort(-np.maximum(found.next.default, found.next.changed), kind='stable')[:{count}]",
        "numbers = {'ids': order, 'default': found.next.default[order], 'changed': found.next.changed[order], 'kl': found.divergence[[found.at]]}",
    )
    exhibit(view.session, "change-next", draw, _likeliest(view, at, reading, pieces), table, lambda: lines)


_BARE = {"displayModeBar": False}
_LABELS = {"axis_token": "axis_token", "axis_probability": "axis_probability", "default": "default", "masked": "changed", "change": "points"}


def _likeliest(view: View, at: int, reading: NextReading, pieces: Sequence[str]) -> str:
    words, (was, now) = view.words, reading.first
    if not view.edits:
        before = words.percent(float(reading.default[was]))
        return words("change.next.untouched", last=visible(view.prompt.pieces[at]), token=visible(pieces[was]), before=before)
    told = {
        "last": visible(view.prompt.pieces[at]),
        "token": visible(pieces[was]),
        "before": words.percent(float(reading.default[was])),
        "after": words.percent(float(reading.masked[was])),
        "other": visible(pieces[now]),
        "other_after": words.percent(float(reading.masked[now])),
        "nats": words.number(reading.divergence, 2),
    }
    return words("change.next.kept" if was == now else "change.next.swapped", **told)


# ---------------------------------------------------------------- the text, token by token


def text(view: View, found: Comparison, at: int) -> None:
    """What the edits cost, token by token; one of them is the one looked at."""
    words, number = view.words, partial(view.words.number, digits=2)
    st.header(words("change.text.shift" if view.encoder else "change.text.title"))
    tokens = tuple(_token(view, found, place) for place in range(len(view.prompt.ids)))
    label = words("change.text.legend_encoder" if view.encoder else "change.text.legend", full=words.number(FULL, 0))
    shown = Strip(label, tokens, (at,))

    def table() -> pd.DataFrame:
        columns = {"position": np.arange(len(tokens)) + 1, "token": [visible(piece) for piece in view.prompt.pieces]}
        if found.losses is not None:
            nothing = [np.nan]
            columns |= {f"{name}_nats": np.concatenate([nothing, getattr(found.losses, name)]) for name in ("default", "changed", "difference")}
        columns["kl"] = found.divergence
        return pd.DataFrame({words(f"change.table.{name}"): values for name, values in columns.items()})

    kept = "{'kl': found.divergence}"
    if found.losses is not None:
        kept = "{'default': found.losses.default, 'changed': found.losses.changed, 'kl': found.divergence}"
    lines = recipe(view.edits, f"found = compare(model, ids, edits, source or None, at={at})", f"numbers = {kept}")
    exhibit(view.session, "change-text", lambda: strip("change-text", shown, _look), _cost(view, found, number), table, lambda: lines)


def _look(places: tuple[int, ...]) -> None:
    state.put(AT, places[0] + 1 if places else 0)


def _token(view: View, found: Comparison, place: int) -> Token:
    words, piece = view.words, view.prompt.pieces[place]
    name, number = {"token": visible(piece), "place": place + 1}, partial(words.number, digits=2)
    if found.losses is None:
        moved = float(found.divergence[place])
        return Token(piece, number(moved), words("change.text.token_shift", **name, nats=number(moved)), moved / FULL)
    if place == 0:
        return Token(piece, "", words("change.text.token_first", **name))
    before, after = float(found.losses.default[place - 1]), float(found.losses.changed[place - 1])
    told = words("change.text.token", **name, before=number(before), after=number(after))
    same = abs(after - before) < SAME
    return Token(piece, number(before) if same else f"{number(before)} → {number(after)}", told, (after - before) / FULL)


def _cost(view: View, found: Comparison, number: partial[str]) -> str:
    words = view.words
    worst = int(found.divergence.argmax())
    moved = words("change.text.worst", token=visible(view.prompt.pieces[worst]), place=worst + 1, nats=number(float(found.divergence[worst])))
    if found.losses is None or not len(found.losses.default):
        return moved if found.divergence.max() >= SAME else words("change.text.still")
    before, after = (float(side.mean()) for side in (found.losses.default, found.losses.changed))
    sums = {"sum_before": number(float(found.losses.default.sum())), "sum_after": number(float(found.losses.changed.sum()))}
    perplexity = {"perplexity_before": number(float(np.exp(before))), "perplexity_after": words.number(float(np.exp(after)), 2)}
    told = words("change.text.cost", before=number(before), after=number(after), **sums, **perplexity)
    return f"{told} {moved}" if found.divergence.max() >= SAME else told


# ---------------------------------------------------------------- one head's map


def head_maps(session: page.Session, view: View, found: Comparison) -> None:
    """One head's map, default, changed and the difference; a click on a cell takes it in hand."""
    words, config = view.words, view.specimen.config
    st.header(words("change.maps.title"))
    where, layer, head = _asked(view)
    with st.container(horizontal=True, gap="medium"):
        if len(config.depths) > 1:
            names = list(places.places(config))
            bound = state.bind(WHERE, shown=where.name)
            st.segmented_control(words("change.maps.where"), names, format_func=lambda name: words(f"where.{name}"), required=True, **bound)
        for name, field, count, shown in (("layer", LAYER, config.depths[where.stack], layer), ("head", HEAD, config.attention.heads, head)):
            st.segmented_control(words(f"change.maps.{name}"), range(1, count + 1), required=True, **state.bind(field, shown=shown + 1))
    reading = changing.maps(found, where, layer, head)
    lines = recipe(
        view.edits,
        "found = compare(model, ids, edits, source or None)",
        f"pair = found.patterns({layer}, '{where.branch}', '{where.stack}')",
        f"numbers = {{'default': pair.default[{head}], 'changed': pair.changed[{head}], 'difference': pair.difference[{head}]}}",
    )
    exhibit(session, "change-maps", lambda: _draw_maps(view, reading), _moved(view, reading), lambda: _maps_table(view, reading), lambda: lines)


def _asked(view: View) -> tuple[Where, int, int]:
    config, own = view.specimen.config, view.edited
    found = places.places(config)
    usual = (Where(config.main), config.depths[config.main] - 1, 0)
    edited = own if own is not None and own[0].name in found and own[1] < config.depths[own[0].stack] else usual
    named = state.get(WHERE)
    where = found.get(named, edited[0])
    wanted = [state.get(LAYER), state.get(HEAD)]
    most = [config.depths[where.stack], config.attention.heads]
    layer, head = (want - 1 if 0 < want <= top else min(was, top - 1) for want, top, was in zip(wanted, most, edited[1:], strict=True))
    return where, layer, head


def _draw_maps(view: View, reading: MapsReading) -> None:
    sheets = (
        ("default", reading.default, reading.own),
        ("changed", reading.masked, reading.allowed),
        ("difference", reading.difference, reading.own | reading.allowed),
    )
    for column, (name, values, allowed) in zip(st.columns(3), sheets, strict=True):
        with column:
            _map(view, reading, name, values, allowed)


def _map(view: View, reading: MapsReading, name: str, values: changing.Floats, allowed: np.ndarray) -> None:
    painted = name == "changed" and max(values.shape) <= WIDEST
    words, queries = view.words, view.tokens[reading.where.stack]
    keys = view.tokens["encoder"] if reading.where == CROSS else queries
    table = "diverging" if name == "difference" else "sequential"
    title = words("change.maps.changed_long" if name == "changed" and not painted else f"change.maps.{name}")
    matrix = Matrix(title, values, queries, keys, table, 1.0, allowed, reading.where == CROSS)
    if painted:
        brush("change-map-changed", words, matrix, partial(_paint, reading))
        return
    what = repr((view.given, "" if name == "default" else spell(view.edits))).encode()
    revision = f"{view.specimen.id}.{zlib.crc32(what):08x}.{reading.where.name}.{reading.layer}.{reading.head}.{name}"
    packed = compute.packed("change.map", revision, make=lambda: pack(matrix))
    matrix_map(words, f"change-map-{name}", matrix, packed, revision, choose=partial(_take, reading), height=380)


def _paint(reading: MapsReading, rows: Rows) -> None:
    """Put painted rows into this head's chip, or into a new one; to four decimals, so that a link can hold many."""
    where = reading.where
    head, kept = Head(reading.layer, reading.head, where.branch, where.stack), changes.chips()
    painted = {at: chip.edit for at, chip in enumerate(kept) if isinstance(chip.edit, PaintPattern) and chip.edit.part == head}
    at = next(iter(painted), None)
    before = {} if at is None else dict(painted[at].rows)
    edit = PaintPattern(head, tuple(sorted((before | {query: _brief(weights) for query, weights in rows.items()}).items())))
    if at is None:
        changes.add(edit)
    else:
        changes.rewrite(at, edit)


def _brief(weights: Sequence[float]) -> tuple[float, ...]:
    rounded = [round(weight, 4) for weight in weights]
    last = max((at for at, weight in enumerate(rounded) if weight), default=0)
    return tuple(rounded[: last + 1]) if any(rounded) else tuple(weights)


def _take(reading: MapsReading, query: int, key: int) -> None:
    where = reading.where
    state.put(changes.CHIP, 0)
    state.put(PART, Cell(reading.layer, reading.head, query, key, where.branch, where.stack))


def _moved(view: View, reading: MapsReading) -> str:
    words, place = view.words, {"layer": reading.layer + 1, "head": reading.head + 1}
    if reading.moved < 5e-5:
        return words("change.maps.same" if view.edits else "change.maps.untouched", **place)
    query, key = reading.strongest
    queries = view.tokens[reading.where.stack]
    keys = view.tokens["encoder"] if reading.where == CROSS else queries
    told = {"query": query + 1, "query_token": visible(queries[query]), "key_token": visible(keys[key])}
    sides = {name: words.percent(float(values[query, key])) for name, values in (("before", reading.default), ("after", reading.masked))}
    return words("change.maps.reading", **place, **told, **sides, moved=words.percent(reading.moved))


def _maps_table(view: View, reading: MapsReading) -> pd.DataFrame:
    words, short = view.words, max(reading.default.shape) <= LISTED
    query, key = np.nonzero(reading.own | reading.allowed if short else np.abs(reading.difference) >= LEAST)
    order = np.argsort(-np.abs(reading.difference[query, key]), kind="stable")
    query, key = query[order], key[order]
    queries = view.tokens[reading.where.stack]
    keys = view.tokens["encoder"] if reading.where == CROSS else queries
    columns = {
        "row": query + 1,
        "query": [visible(queries[at]) for at in query],
        "column": key + 1,
        "key": [visible(keys[at]) for at in key],
        "default": reading.default[query, key],
        "changed": reading.masked[query, key],
        "difference": reading.difference[query, key],
    }
    return pd.DataFrame({words(f"change.table.{name}"): values for name, values in columns.items()})


# ---------------------------------------------------------------- what is written


def filled(view: View) -> None:
    """What an encoder puts into each blank, both ways."""
    words, places = view.words, view.prompt.blanks
    st.header(words("change.filled.title"))
    if not places:
        page.note(view.session, words("change.filled.none"))
        return
    look = partial(compute.compared, view.specimen, view.prompt.ids, view.edits)
    found = [look(at=at).next for at in places]
    default, changed = ([int(getattr(one, name).argmax()) for one in found] for name in ("default", "changed"))
    ways = [[predicted(words, view.specimen, id) for id in way] for way in (default, changed)]
    at = changing.parted(tuple(default), tuple(changed))

    def draw() -> None:
        rows = [_line(words(f"change.written.{name}"), "", way, at) for name, way in zip(("default", "changed"), ways, strict=True)]
        st.html(f'<div class="v-written">{"".join(rows)}</div>')

    def table() -> pd.DataFrame:
        chances = {name: [float(getattr(one, name).max()) for one in found] for name in ("default", "changed")}
        columns = {"position": np.array(places) + 1, "token": list(map(visible, ways[0])), "default": chances["default"]}
        columns |= {"instead": list(map(visible, ways[1])), "changed": chances["changed"]}
        return pd.DataFrame({words(f"change.table.{name}"): values for name, values in columns.items()})

    lines = recipe(
        view.edits,
        f"found = [compare(model, ids, edits, at=at).next for at in {list(places)!r}]",
        "numbers = {name: np.array([getattr(one, name).argmax() for one in found]) for name in ('default', 'changed')}",
    )
    told = words("change.filled.same") if at is None else words("change.filled.parted", default=visible(ways[0][at]), changed=visible(ways[1][at]))
    exhibit(view.session, "change-filled", draw, told, table, lambda: lines)


def written(view: View) -> None:
    """The likeliest tokens one after the other, both ways; it comes last, because every token is a whole pass."""
    words, specimen, prompt = view.words, view.specimen, view.prompt
    st.header(words("change.written.translation" if view.two else "change.written.title"))
    st.slider(words("change.written.tokens"), 0, 48, **state.bind(TOKENS))
    start = prompt.given if view.two else prompt.ids
    tokens = min(state.get(TOKENS), max(1, PASSES // len(start)), max(0, specimen.config.context - len(start)))
    if 0 < tokens < state.get(TOKENS):
        page.note(view.session, words("change.written.bounded", tokens=tokens))
    edits = changes.effective(changes.chips(), view.model, Given(start, view.given.source))
    if len(edits) < len(view.edits):
        page.note(view.session, words("change.written.without"))
    own = specimen.loaded.marks.stop if view.two else None
    ways = [_until(compute.continued(specimen, start, way, tokens, source=prompt.source_ids), own) for way in ((), edits)]
    default, changed = ways
    at = changing.parted(default, changed)
    pieces = [[predicted(words, specimen, id) for id in way] for way in ways]

    def draw() -> None:
        given = "… " + "".join(html.escape(visible(piece)) + " " for piece in prompt.pieces[max(0, len(start) - 6) : len(start)])
        rows = [_line(words(f"change.written.{name}"), given, way, at) for name, way in zip(("default", "changed"), pieces, strict=True)]
        st.html(f'<div class="v-written">{"".join(rows)}</div>')

    def table() -> pd.DataFrame:
        longest = max(map(len, pieces), default=0)
        columns = {name: [*map(visible, way), *[""] * (longest - len(way))] for name, way in zip(("default", "changed"), pieces, strict=True)}
        frame = {words("change.table.position"): np.arange(longest) + 1}
        return pd.DataFrame(frame | {words(f"change.table.{name}"): values for name, values in columns.items()})

    lines = recipe(
        edits,
        f"start = ids[:{len(start)}]",
        f"ways = {{name: follow(model, start, way, source or None, tokens={tokens}) for name, way in (('default', ()), ('changed', edits))}}",
        f"stop = {own!r}",
        "numbers = {name: np.array(way[: way.index(stop)] if stop in way else way, dtype=int) for name, way in ways.items()}",
    )
    told = words("change.written.none") if not tokens else words("change.written.same") if at is None else _parting(view, pieces, at)
    exhibit(view.session, "change-written", draw, told, table, lambda: lines)


def _until(ids: tuple[int, ...], stop: int | None) -> tuple[int, ...]:
    return ids[: ids.index(stop)] if stop in ids else ids


def _line(name: str, given: str, pieces: Sequence[str], at: int | None) -> str:
    told = (f"<mark>{html.escape(visible(piece))}</mark>" if place == at else html.escape(visible(piece)) for place, piece in enumerate(pieces))
    end = "<mark>∎</mark>" if at == len(pieces) else ""
    return f"<p><b>{html.escape(name)}</b> <span>{given}</span>{' '.join(told)} {end}</p>"


def _parting(view: View, pieces: Sequence[Sequence[str]], at: int) -> str:
    end = view.words("shell.prompt.end")
    default, changed = (visible(way[at]) if at < len(way) else end for way in pieces)
    return view.words("change.written.parted", place=at + 1, default=default, changed=changed)
