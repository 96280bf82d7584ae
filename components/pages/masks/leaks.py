"""Who knew the future: every token is exchanged in turn, and the predictions before it are watched."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from components import compute, page, state
from components.canvas.map import Matrix, matrix_map, pack
from components.canvas.plate import visible
from components.controls.prompt import piece
from components.page import Session, block, exhibit
from components.pages.masks.view import LEAKS, View, plural
from model.analysis.leaking import LONGEST, Leaks

QUICK = 24
"""Tokens up to which the experiment is made without being asked for, where some query looks ahead."""


@block
def leaked(session: Session, view: View) -> None:
    """Which future token changed which prediction."""
    words, length = session.words, view.desk.queries
    st.header(words("masks.leaks.title"))
    if length < 2:
        page.note(session, words("masks.leaks.short"))
    elif length > LONGEST:
        page.note(session, words("masks.leaks.long", most=LONGEST, count=words.number(length)))
    elif state.get(LEAKS) or (length <= QUICK and view.plan.looks_ahead(length)):
        _shown(view, compute.leaking(view.specimen, session.prompt.ids, view.spec, view.where, session.prompt.source_ids))
    else:
        ahead = "may" if view.plan.looks_ahead(length) else "cannot"
        st.markdown(words(f"masks.leaks.{ahead}"))
        st.button(words("masks.leaks.try", count=length), key="masks-leaks", on_click=state.put, args=(LEAKS, True))


def _shown(view: View, found: Leaks) -> None:
    draw, table = partial(_map, view, found), partial(_table, view, found)
    exhibit(view.session, "leaks", draw, _told(view, found), table, partial(_again, view))


def _map(view: View, found: Leaks) -> None:
    words = view.session.words
    names = {name: words(f"masks.leaks.{name}") for name in ("label", "cell", "blocked", "scale", "pooled", "rows", "columns")}
    values = np.where(found.future, found.moved, 0)
    most = max(float(values.max()), 1e-3)
    matrix = Matrix(words("masks.leaks.map"), values, view.queries, view.keys, "sequential", most, found.future, said=names, plain=2)
    revision = f"{view.revision}.leaks"
    matrix_map(words, "map-leaks", matrix, compute.packed("masks.leaks.map", revision, make=lambda: pack(matrix)), revision, height=380)


def _told(view: View, found: Leaks) -> str:
    words, worst = view.session.words, found.worst
    how = words("masks.leaks.how", count=len(found.by))
    if worst is None:
        return f"{words('masks.leaks.none')} {how}"
    at, token = worst
    named = {"at": at + 1, "last": visible(view.queries[at]), "place": token + 1, "token": visible(view.keys[token]), "by": _by(view, found, token)}
    told = words(f"masks.leaks.some_{plural(found.count)}", count=words.number(found.count), all=words.number(len(found.moved) - 1))
    return f"{told} {words('masks.leaks.worst', nats=words.number(float(found.moved[at, token]), 2), **named)} {how}"


def _by(view: View, found: Leaks, token: int) -> str:
    return visible(piece(view.session.words, view.specimen, int(found.by[token])))


def _table(view: View, found: Leaks) -> pd.DataFrame:
    """Every prediction and every token that came after it, the largest change first."""
    words = view.session.words
    at, token = np.nonzero(found.future)
    order = np.argsort(-found.moved[at, token], kind="stable")
    at, token = at[order], token[order]
    asking, asked = (np.array([visible(one) for one in pieces], object) for pieces in (view.queries, view.keys))
    exchanged = np.array([_by(view, found, each) for each in range(len(found.by))], object)
    columns = {
        "at": at + 1,
        "after": asking[at],
        "place": token + 1,
        "token": asked[token],
        "by": exchanged[token],
        "moved": found.moved[at, token],
        "reached": found.reached[at, token],
    }
    return pd.DataFrame({words(f"masks.leaks.table.{name}"): values for name, values in columns.items()})


def _again(view: View) -> str:
    lines = f"found = leaks(model, ids, plan, {view.where}, source)"
    counted = 'numbers = {"moved": found.moved, "by": found.by, "leaked": found.leaked}'
    return view.again(f"from model.analysis.leaking import leaks\n\n{lines}\n{counted}")
