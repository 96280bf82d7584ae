"""What the masks at hand cost and save: counted here, at every length, and measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from components import compute, page, state
from components.figures import masking as figures
from components.i18n import Words
from components.page import Session, block, exhibit
from components.pages.masks.view import COUNTED, View
from model.analysis import masking
from model.analysis.mask_costs import Times, costs, times
from model.analysis.places import CROSS

LENGTHS = (1, 16, 32, 64, 128, 192, 256, 384, 512, 768, 1_024)
LINES = ("this", "own", "all")
MEASURED = 512
"""Tokens of a pass that is timed, where the model holds as many."""
SECONDS = 1.0
KEPT = 16
"""Measurements a session remembers."""

Integers = NDArray[np.int64]

# ---------------------------------------------------------------- in this text


@block
def costly(session: Session, view: View) -> None:
    """What is kept in this text, what that is at every length, and what time it takes."""
    st.header(session.words("masks.saving.title"))
    _saved(view)
    _grown(view)
    _measured(session, view)


def _saved(view: View) -> None:
    words, kind = view.session.words, view.where.name
    pairs, own, flops, own_flops, cache, own_cache = _counted(view)
    columns = st.columns(3)
    _metric(view, columns[0], "pairs", words.number(pairs), words.number(own))
    _metric(view, columns[1], "flops", words.count(flops), words.count(own_flops))
    if kind != "encoder":
        held = words("masks.saving.no_cache") if cache is None else words.bytes(cache)
        _metric(view, columns[2], "cache", held, words.bytes(own_cache))


def _counted(view: View) -> tuple[int, int, int, int, int | None, int]:
    """Pairs in a map on average, FLOPs in all and bytes of the cache, each of these masks and of the model's own."""
    desk, config = view.desk, view.specimen.config
    plan = view.plan
    apart = Counter(plan.at(layer, head) for layer in range(desk.layers) for head in range(desk.heads))
    savings = [(masking.saving(desk.build(shaded), config, view.where), count) for shaded, count in apart.items()]
    maps, one = desk.layers * desk.heads, savings[0][0]
    pairs, flops = (round(sum(getattr(saving, name) * count for saving, count in savings) / maps) for name in ("pairs", "flops"))
    cache = one.cache_bytes if len(savings) == 1 else None
    if len(savings) > 1 and view.ahead:
        found = int(costs(plan, config, view.where, (desk.keys,)).cache_bytes[0])
        cache = None if found < 0 else found
    elif len(savings) > 1:
        cache = max(saving.cache_bytes or 0 for saving, _ in savings)
    return pairs, one.own, flops, one.own_flops, cache, one.keys * one.cache_bytes_per_key


def _metric(view: View, column: DeltaGenerator, name: str, value: str, own: str) -> None:
    words = view.session.words
    against = words("masks.saving.against", mask=view.own, value=own)
    column.metric(words(f"masks.saving.{name}"), value, against, delta_color="off", delta_arrow="off", help=view.told("saving", f"{name}_help"))


# ---------------------------------------------------------------- at every length


def _grown(view: View) -> None:
    """Pairs, FLOPs or bytes against the length of a text, and where this text stands."""
    words, session = view.session.words, view.session
    names = [name for name in ("pairs", "flops", "maps", "cache") if name != "cache" or view.where.name != "encoder"]
    what = state.get(COUNTED) if state.get(COUNTED) in names else "pairs"
    spelled = {name: words(f"masks.costs.{name}") for name in names}
    bound = state.bind(COUNTED, shown=what)
    st.segmented_control(words("masks.costs.what"), names, format_func=spelled.__getitem__, required=True, label_visibility="collapsed", **bound)
    lengths = tuple(sorted({*LENGTHS, view.desk.queries}))
    lines, say = _lines(view, lengths, what), _say(words, what)

    def draw() -> None:
        labels = {name: words(f"masks.costs.{name}") for name in ("axis_length", "here", "this", "all")} | {"own": view.own, "axis": spelled[what]}
        figure = figures.grown(lengths, lines, view.desk.queries, labels, page.layout(session), say)
        st.plotly_chart(figure, theme=None, key="chart-costs", config={"displayModeBar": False})

    recipe = partial(_again, view, lengths, what)
    exhibit(session, "costs", draw, _told(view, lengths, lines, what), lambda: _table(view, lengths, lines), recipe)


FIELDS = {
    "pairs": ("pairs", "own", "all"),
    "flops": ("flops", "own_flops", "all_flops"),
    "maps": ("map_bytes", "", "all_map_bytes"),
    "cache": ("cache_bytes", "own_cache_bytes", ""),
}


def _lines(view: View, lengths: tuple[int, ...], what: str) -> dict[str, Integers]:
    """The curves by name, (N,) each; −1 where nothing can be counted."""

    def make() -> bytes:
        found = costs(view.plan, view.specimen.config, view.where, lengths, view.size)
        chosen = [getattr(found, field) if field else None for fields in FIELDS.values() for field in fields]
        chosen[FIELDS_AT["maps"] + 1] = 4 * found.own
        return np.stack([np.full(len(lengths), -1) if line is None else line for line in chosen]).astype(np.int64).tobytes()

    raw = compute.packed("masks.costs", view.specimen.id, view.where, lengths, view.size, view.spec, make=make)
    table = np.frombuffer(raw, np.int64).reshape(-1, len(lengths))
    first = FIELDS_AT[what]
    return {name: line for name, line in zip(LINES, table[first : first + 3], strict=True) if (line >= 0).any()}


FIELDS_AT = {what: 3 * at for at, what in enumerate(FIELDS)}


def _say(words: Words, what: str) -> Callable[[float], str]:
    """How what is counted is written."""
    return words.bytes if what in ("maps", "cache") else words.count


def _told(view: View, lengths: tuple[int, ...], lines: dict[str, Integers], what: str) -> str:
    words, last = view.session.words, lengths[-1]
    say = _say(words, what)
    if "this" not in lines:
        return words("masks.costs.no_cache")
    this, own = (int(lines[name][-1]) for name in ("this", "own"))
    key = "same" if this == own else "less" if this < own else "more"
    values = {"length": words.number(last), "this": say(this), "own": say(own), "mask": view.own}
    told = words(f"masks.costs.{key}", **values, share=words.percent(this / max(own, 1)))
    if view.where != CROSS:
        return told
    targets, asked = view.size
    return f"{told} {words('masks.costs.source', targets=words.number(targets), sources=words.number(asked))}"


def _table(view: View, lengths: tuple[int, ...], lines: dict[str, Integers]) -> pd.DataFrame:
    words = view.session.words
    named = {"this": words("masks.costs.this"), "own": view.own, "all": words("masks.costs.all")}
    return pd.DataFrame({words("masks.costs.axis_length"): lengths} | {named[name]: line for name, line in lines.items()})


def _again(view: View, lengths: tuple[int, ...], what: str) -> str:
    named = {name: field for name, field in zip(LINES, FIELDS[what], strict=True) if field}
    counted = ", ".join(f'"{name}": found.{field}' for name, field in named.items())
    lines = f"found = costs(plan, model.config, {view.where}, {lengths}, {view.size})\nnumbers = {{{counted}}}"
    return view.again(f"from model.analysis.mask_costs import costs\n\n{lines}")


# ---------------------------------------------------------------- measured


def _measured(session: Session, view: View) -> None:
    """Seconds of a pass, on this machine, when the reader asks for them."""
    words, key = session.words, (view.specimen.id, view.where, view.spec)
    kept: dict[object, Times] = state.remember("masks.times", dict)
    tokens = min(MEASURED, view.specimen.config.context)
    told = words("masks.times.again" if key in kept else "masks.times.measure", tokens=tokens)
    if st.button(told, key="masks-measure"):
        with st.spinner(words("masks.times.going")):
            kept[key] = times(view.specimen.loaded.model, view.plan, MEASURED, view.where, SECONDS)
        while len(kept) > KEPT:
            kept.pop(next(iter(kept)))
    if key in kept:
        _timed(view, kept[key])


def _timed(view: View, found: Times) -> None:
    words, session = view.session.words, view.session
    milliseconds = {name: 1_000 * getattr(found, name) for name in ("plain", "hidden", "skipped")}
    labels = {name: words(f"masks.times.{name}") for name in milliseconds}

    def draw() -> None:
        axis = words("masks.times.axis")
        figure = figures.timed(list(milliseconds.values()), list(labels.values()), axis, page.layout(session))
        st.plotly_chart(figure, theme=None, key="chart-times", config={"displayModeBar": False})

    def table() -> pd.DataFrame:
        return pd.DataFrame({words("masks.times.way"): list(labels.values()), words("masks.times.axis"): list(milliseconds.values())})

    values = {name: words.number(value, 1) for name, value in milliseconds.items()}
    blocks = {name: words.number(getattr(found, name)) for name in ("tokens", "laps", "kept", "blocks")}
    told = words("masks.times.faster" if found.skipped < found.hidden else "masks.times.slower", **values)
    exhibit(session, "times", draw, f"{told} {words('masks.times.how', **blocks)}", table)
