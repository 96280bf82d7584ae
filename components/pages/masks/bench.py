"""The workbench: every pattern of the field, the mask at hand to paint on, and how it is written."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from components import compute, page, state
from components.canvas import patterns as pictures
from components.canvas.painter import Board, Sheet, painter
from components.canvas.patterns import Group, Picture, patterns
from components.canvas.plate import visible
from components.canvas.scope import Chip, Reach, scope
from components.controls import mask
from components.controls.mask import Desk
from components.page import Session, exhibit
from components.pages.masks.view import HEAD, LAYER, Booleans, View, plural
from model.layers.masks import Shaded, Spot


def where(view: View) -> None:
    """All layers, one, or one head: where the mask in hand acts, and every mask of the plan."""
    desk, at = view.desk, view.scope
    chips = [_chip(view, spot, shaded) for spot, shaded in view.plan]
    layer, head = (-1, -1) if at is None else (at.layer, -1 if at.head is None else at.head)
    scope("scope", view.session.words, Reach(desk.layers, desk.heads, chips, layer, head), partial(_acted, desk))


def _chip(view: View, at: Spot | None, shaded: Shaded) -> Chip:
    name, numbers = mask.recognised(view.where, shaded)
    told = view.told("pattern", name) + (f" ({', '.join(map(str, numbers))})" if numbers else "")
    layer, head = (-1, -1) if at is None else (at.layer, -1 if at.head is None else at.head)
    return Chip(layer, head, view.session.words("masks.scope.chip", place=view.placed(at), mask=told))


def _acted(desk: Desk, act: str, layer: int, head: int) -> None:
    at = None if layer < 0 else Spot(layer, None if head < 0 else head)
    if act == "remove" and at is not None:
        desk.drop(at)
        return
    desk.go(at)
    for field, number in ((LAYER, layer + 1), (HEAD, head + 1)):
        state.put(field, number)


def gallery(view: View, chosen: str) -> None:
    """The patterns as one strip of pictures, in groups, each drawn for the text at hand."""
    words = view.session.words
    groups = [Group(words(f"masks.group.{group}"), tuple(_picture(view, name) for name in names)) for group, names in view.desk.sheet.groups]
    shape = view.desk.queries, view.desk.keys
    patterns("patterns", words("masks.gallery.title"), groups, chosen, shape, view.desk.choose, ahead=view.ahead)


def _picture(view: View, name: str) -> Picture:
    desk = view.desk
    made = desk.made(name, desk.numbers(name))
    make = lambda: pictures.cells(desk.build(made), desk.weight(made))  # noqa: E731
    cells = compute.packed("masks.picture", desk.where, desk.queries, desk.keys, desk.heads, str(made), make=make)
    return Picture(name, view.told("short", name), view.told("pattern", name), cells)


def painting(view: View, allowed: Booleans) -> None:
    board: Board = state.remember(f"masks.board.{view.where.name}", Board)
    scope = "" if view.scope is None else str(view.scope)
    sheet = Sheet(allowed, view.queries, view.keys, view.ahead, scope, view.desk.weight(view.shaded))
    exhibit(
        view.session,
        "mask",
        lambda: painter("painter", view.session.words, sheet, board, view.desk.paint),
        _kept(view, allowed),
        lambda: _mask_table(view, allowed),
        lambda: _again(view),
    )


def _again(view: View) -> str:
    at = view.scope
    mask = "plan.everywhere.mask" if at is None else f"plan.at({at.layer}, {at.head}).mask"
    lines = f"allowed = built({mask}, {view.where}, {view.queries_again}, len(source))"
    return view.again(f'from model.analysis.places import built\n\n{lines}\nnumbers = {{"allowed": allowed.numpy()}}')


def _kept(view: View, allowed: Booleans) -> str:
    words = view.session.words
    pairs, ahead = int(allowed.sum()), np.argwhere(np.triu(allowed, 1) & view.ahead)
    sentences = [words("masks.painter.reading", pairs=words.number(pairs), all=words.number(allowed.size), share=words.percent(pairs / allowed.size))]
    if len(ahead):
        row, column = (int(at) for at in ahead[0])
        names = {"token": visible(view.queries[row]), "future": visible(view.keys[column])}
        sentences.append(words(f"masks.painter.ahead_{plural(len(ahead))}", count=words.number(len(ahead)), row=row + 1, **names))
    sentences += _blind(view.session, allowed)
    return " ".join(sentences)


def _blind(session: Session, allowed: Booleans) -> list[str]:
    rows = np.flatnonzero(~allowed.any(1)) + 1
    if not len(rows):
        return []
    named = ", ".join(map(str, rows[:12])) + (" …" if len(rows) > 12 else "")
    return [session.words(f"masks.painter.blind_{plural(len(rows))}", rows=named)]


def _mask_table(view: View, allowed: Booleans) -> pd.DataFrame:
    words = view.session.words
    columns = {"row": np.arange(len(allowed)) + 1, "query": [visible(piece) for piece in view.queries], "keys": allowed.sum(1)}
    if view.ahead:
        columns["ahead"] = np.triu(allowed, 1).sum(1)
    columns["bits"] = ["".join("01"[on] for on in row) for row in allowed.astype(int)]
    return pd.DataFrame({words(f"masks.table.{name}"): values for name, values in columns.items()})


# ---------------------------------------------------------------- beside the painting


def controls(view: View, name: str, allowed: Booleans) -> None:
    """The pattern's name, sentence and numbers, and the specification, each in a place of its own that never moves."""
    with st.container(key="masks-pattern"):
        st.header(view.told("pattern", name))
        st.markdown(view.told("about", name))
        st.caption(_kind(view, allowed, name))
        if name in mask.NUMBERS and view.desk.keys > 2:
            _sliders(view, name)
    with st.container(key="masks-spec"):
        _specification(view.session, view.desk)
        _combining(view)


def _kind(view: View, allowed: Booleans, name: str) -> str:
    """Whether the mask on the screen is causal, and who reads under one like it."""
    words, causal = view.session.words, "not_causal" if np.triu(allowed, 1).any() else "causal"
    told = [words(f"masks.kind.{causal}")] if view.ahead or view.encoder else []
    return " ".join([*told, *([view.told("used", name)] if view.tells("used", name) else [])])


def _sliders(view: View, name: str) -> None:
    desk, fields = view.desk, mask.NUMBERS[name]
    for column, field, shown in zip(st.columns(len(fields)), fields, desk.numbers(name), strict=True):
        part = field.name.removeprefix("m.")
        with column:
            st.slider(view.told("parameter", part), 1, desk.most(name), **state.bind(field, then=partial(desk.choose, name), shown=shown))


def _combining(view: View) -> None:
    """The mask on the screen and, or, without another pattern of the gallery."""
    words, desk = view.session.words, view.desk
    with st.container(key="masks-combine", horizontal=True, vertical_alignment="bottom", gap="small"):
        bound = state.bind(mask.OTHER, shown=desk.other)
        st.selectbox(words("masks.combine.label"), desk.sheet.names, format_func=partial(view.told, "pattern"), **bound)
        for how in mask.WAYS:
            told, then = words(f"masks.combine.{how}"), partial(desk.combine, desk.other, how)
            st.button(told, key=f"combine-{how}", help=words(f"masks.combine.{how}_help"), on_click=then)


def _specification(session: Session, desk: Desk) -> None:
    words = session.words
    text, refused = desk.draft
    bound = state.bind(desk.sheet.draft, then=desk.adopt, shown=text)
    st.text_input(words("masks.spec.label"), help=words("masks.spec.help"), max_chars=mask.LIMIT, **bound)
    if desk.beyond:
        page.note(session, words("masks.spec.beyond", places=", ".join(map(str, desk.beyond))))
    if refused:
        page.note(session, words("masks.spec.kept", reason=words.refusal(refused), spec=state.get(desk.sheet.spec)))


