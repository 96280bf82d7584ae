"""Stacked windows: how far information travels, layer by layer, under the masks at hand."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from components import compute
from components.canvas.map import Matrix, matrix_map, pack
from components.canvas.plate import visible
from components.page import Session, block, exhibit
from components.pages.masks.view import View
from model.analysis.leaking import travel
from model.analysis.places import CROSS

NEVER = 255
TOLD = 6  # layers of which the sentence tells

Arrivals = NDArray[np.uint8]
"""After how many layers a token first knows of another, (T, S); `NEVER` where it does not."""


@block
def travelled(session: Session, view: View) -> None:
    """After how many layers each token hears from each other."""
    words, found = session.words, _arrivals(view)
    st.header(words("masks.travel.title"))
    draw, table, recipe = partial(_map, view, found), partial(_table, view, found), partial(_again, view)
    exhibit(session, "travel", draw, _told(view, found), table, recipe)


def _arrivals(view: View) -> Arrivals:
    desk, config = view.desk, view.specimen.config

    def make() -> bytes:
        known = travel(view.plan, config, view.where, desk.queries, desk.keys).reached
        return np.where(known[-1], known.argmax(0), NEVER).astype(np.uint8).tobytes()

    raw = compute.packed("masks.travel", view.specimen.id, view.where, desk.queries, desk.keys, view.spec, make=make)
    return np.frombuffer(raw, np.uint8).reshape(desk.queries, desk.keys)


def _map(view: View, found: Arrivals) -> None:
    words, heard = view.session.words, found < NEVER
    across = view.where == CROSS
    names = {name: words(f"masks.travel.{name}") for name in ("label", "cell", "blocked", "scale", "pooled")}
    axes = {name: words(f"map.{name}{'_across' if across else ''}") for name in ("rows", "columns")}
    values = np.where(heard, found, 0).astype(np.float32)
    matrix = Matrix(
        words("masks.travel.map"), values, view.queries, view.keys, "sequential", float(view.desk.layers), heard, across, said=names | axes, plain=0
    )
    revision = f"{view.revision}.travel"
    matrix_map(words, "map-travel", matrix, compute.packed("masks.travel.map", revision, make=lambda: pack(matrix)), revision, height=380)


def _told(view: View, found: Arrivals) -> str:
    """From where on the last token hears, layer by layer, as long as it hears of more."""
    words, at = view.session.words, view.desk.queries - 1
    row, parts = found[at], list[str]()
    before = int((row == 0).sum())
    for layer in range(1, view.desk.layers + 1):
        known = np.flatnonzero(row <= layer)
        if len(known) > before and len(parts) < TOLD:
            values = {"layer": layer, "first": known[0] + 1, "token": visible(view.keys[known[0]]), "count": words.number(len(known))}
            parts.append(words(f"masks.travel.{'after_one' if layer == 1 else 'after'}", **values))
        before = len(known)
    named = {"place": at + 1, "token": visible(view.queries[at])}
    if not parts:
        return words("masks.travel.deaf", **named)
    rest = int((row == NEVER).sum() if view.where != CROSS else 0)
    never = "" if view.ahead and not (row[: at + 1] == NEVER).any() else words("masks.travel.never", count=words.number(rest)) if rest else ""
    return f"{words('masks.travel.reading', told='; '.join(parts), **named)} {never}".strip()


def _table(view: View, found: Arrivals) -> pd.DataFrame:
    """A row a token: how many it knows of after each layer."""
    words = view.session.words
    layers = range(1, view.desk.layers + 1)
    columns = {words("masks.table.row"): np.arange(len(found)) + 1, words("masks.table.query"): [visible(piece) for piece in view.queries]}
    return pd.DataFrame(columns | {words("masks.travel.column", layer=layer): (found <= layer).sum(1) for layer in layers})


def _again(view: View) -> str:
    lines = f"reached = travel(plan, model.config, {view.where}, {view.queries_again}, {view.keys_again}).reached"
    counted = f'numbers = {{"arrival": np.where(reached[-1], reached.argmax(0), {NEVER})}}'
    return view.again(f"from model.analysis.leaking import travel\n\n{lines}\n{counted}")
