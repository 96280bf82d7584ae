"""The tree: the most probable continuations of a text, opened node by node, pruned by a threshold; and whether the likeliest token every
time makes the most probable text.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from components import branches, compute, state, writing
from components.canvas.plate import visible
from components.canvas.tree import WIDEST, Scene, spell, tree
from components.controls import arithmetic, prompt
from components.controls.header import MODEL
from components.page import Page, Session, block, exhibit, note, titled
from components.pages.tree import growing, telling
from components.pages.tree.growing import AT, BY_HAND, DEPTH, DEPTHS, FIELDS, FLIPS, LEAST, OF, THRESHOLD, WIDTH, Grown, grown
from components.writing import OPENS, ORDER, STOP, no_blank
from model.config import Encoder
from model.generation import ORDERS
from model.generation.tree import Filled, ripest

__all__ = ["PAGE"]


def render(session: Session) -> None:
    """The page: one paragraph, the dials, the tree, and the texts it has found."""
    titled(session, "tree")
    if isinstance(session.specimen.config.form, Encoder) and not session.prompt.blanks:
        note(session, no_blank(session))
        return
    stage(session)


@block
def stage(session: Session) -> None:
    """Everything that depends on the tree."""
    _dials(session)
    now = grown(session)
    _acts(session, now)
    _picture(session, now)
    _leaves(session, now)


# ---------------------------------------------------------------- the dials


def _dials(session: Session) -> None:
    words, form = session.words, session.specimen.config.form
    with st.container(key="tree-dials", horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.slider(words("tree.dials.width"), 1, WIDEST, width=170, help=words("tree.dials.width_help"), **state.bind(WIDTH))
        named = {least: words.percent(least, 1 if 0 < least < 0.01 else 0) if least else words("tree.dials.none") for least in LEAST}
        st.select_slider(words("tree.dials.least"), LEAST, format_func=named.__getitem__, width=230, **state.bind(THRESHOLD))
        of = {name: words(f"tree.dials.{name}") for name in ("step", "whole")}
        st.segmented_control(words("tree.dials.of"), list(of), format_func=of.__getitem__, required=True, **state.bind(OF))
        opened = state.bind(DEPTH, then=growing.restart)
        st.segmented_control(words("tree.dials.depth"), DEPTHS, required=True, help=words("tree.dials.depth_help"), **opened)
        if isinstance(form, Encoder):
            order = {name: words(f"tree.dials.order.{name}") for name in ORDERS}
            st.segmented_control(words("tree.dials.order.label"), ORDERS, format_func=order.__getitem__, required=True, **state.bind(ORDER))
        elif session.specimen.loaded.marks.stop is not None:
            label = words("generation.player.toggle.source" if session.prompt.source else "generation.player.toggle.text")
            st.toggle(label, **state.bind(STOP))


# ---------------------------------------------------------------- what can be done with a node


def _acts(session: Session, now: Grown) -> None:
    words, chosen = session.words, now.chosen
    with st.container(key="tree-acts", horizontal=True, vertical_alignment="center", gap="small"):
        full = ripest(now.root) is None or len(state.get(FLIPS)) >= BY_HAND
        st.button(words("tree.acts.ripen"), key="tree-ripen", type="primary", disabled=full, on_click=growing.ripen, args=(now.root,))
        if st.button(words("tree.acts.write"), key="tree-write", disabled=not chosen.path):
            _write_on(session, now)
        trail = _trail(session, now)
        kept = any(branches.begins(each.ids, trail) for each in branches.of(branches.owner(session)))
        label = words("tree.acts.kept" if kept and trail else "tree.acts.keep")
        _button(label, "keep", partial(branches.keep, branches.owner(session), trail), disabled=kept or not trail)
        _button(words("tree.acts.restart"), "restart", growing.restart, disabled=not state.get(FLIPS) and not state.get(AT))
        if chosen.depth == 1:
            arithmetic.door(session, f"logits[{telling.asked_at(session, chosen)},{chosen.path[0]}]", "tree")


def _button(label: str, key: str, act: Callable[[], None], *, disabled: bool = False) -> None:
    st.button(label, key=f"tree-{key}", disabled=disabled, on_click=act)


def _trail(session: Session, now: Grown) -> tuple[int, ...]:
    """The chosen path as a branch keeps it: its tokens, or each with the blank it fills."""
    path = now.chosen.path
    if not isinstance(now.asked, Filled):
        return path
    return tuple(place * session.specimen.config.vocabulary + id for place, id in zip(now.asked.places(path), path, strict=True))


def _write_on(session: Session, now: Grown) -> None:
    """Open the page that writes, with the chosen path put in by hand."""
    writing.unwritten()
    places = now.asked.places(now.chosen.path) if isinstance(now.asked, Filled) else ()
    writing.go_on(writing.line_of(session), now.chosen.path, places)
    st.switch_page(session.pages["generation"])


# ---------------------------------------------------------------- the tree


def _picture(session: Session, now: Grown) -> None:
    scene = Scene(
        root=now.root,
        given=telling.ending(session),
        name=partial(prompt.predicted, session.words, session.specimen),
        chosen=now.chosen,
        text=telling.whole(session, now.asked, now.chosen),
        greedy=now.greedy,
        best=now.best,
        filled=isinstance(now.asked, Filled),
        revision=_revision(session, now),
    )
    exhibit(
        session,
        "tree",
        lambda: tree(session.words, "grown", scene, growing.press),
        telling.reading(session, now),
        lambda: telling.nodes_table(session, now),
        lambda: telling.nodes_again(now),
    )
    if now.root.closed is not None:
        note(session, session.words("tree.room", context=session.words.number(session.specimen.config.context)))
    if len(state.get(FLIPS)) >= BY_HAND:
        note(session, session.words("tree.full", limit=session.words.number(BY_HAND)))


def _revision(session: Session, now: Grown) -> str:
    opened = "-".join(spell(node.ranks) for node in now.root.walk() if node.branches is not None)
    dials = f"{state.get(WIDTH)}/{state.get(THRESHOLD)}/{state.get(OF)}/{state.get(STOP)}/{state.get(ORDER)}/{session.words.language}"
    given = hash((session.prompt.given, session.prompt.source_ids))
    return f"{session.specimen.id[:12]}.{given}.{opened}.{spell(now.chosen.ranks)}.{dials}"


# ---------------------------------------------------------------- the texts it has found


def _leaves(session: Session, now: Grown) -> None:
    if now.found is None:
        return
    exhibit(
        session,
        "leaves",
        lambda: st.html(telling.listed(session, now)),
        telling.verdict_in_words(session, now.found),
        lambda: telling.leaves_table(session, now),
        lambda: telling.leaves_again(now),
    )
    st.caption(session.words("tree.search"))
    example = session.words("tree.example.text")
    if session.prompt.text != example and not now.found.better and state.get(MODEL) == "" and session.specimen == compute.embedded():
        _button(session.words("tree.example.label", text=visible(example)), "example", partial(state.put, prompt.TEXT, example))


PAGE = Page("tree", render, FIELDS, opens=OPENS)
