"""A second text: patched in, layer by layer and token by token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from components import changes, compute, page, state
from components.canvas.plate import visible
from components.canvas.tiles import Board, Tile, tiles
from components.controls import prompt as texts
from components.controls.prompt import piece, predicted
from components.page import exhibit
from components.pages.change.view import OTHER, RIGHT, SITE, STACK, WRONG, View
from model.analysis.changing import Restoring
from model.config import Kind
from model.errors import Refusal
from model.interventions import Output, Part, Patch, Residual, Spread
from model.interventions import Prompt as Given
from model.interventions.parts import Writer
from model.text import blanks

WIDEST = 96  # tokens up to which every layer and token is patched by itself
OFFERED = 12  # answers to choose between


def second_text(view: View) -> tuple[str, Given]:
    """The second text as it is written, and as the machine reads it: of a translation another source, about the same target.

    Raises `Refusal` where there is nothing to read."""
    usual = view.words(f"change.second.text_{view.specimen.config.main}" if not view.two else "change.second.text_both")
    if view.specimen.loaded.tokenizer is None:
        usual = " ".join(str((id + 1) % view.specimen.config.vocabulary) for id in (view.given.source or view.given.ids))
    wanted = state.get(OTHER)
    text = (usual if _as_long(view, usual) else view.text_of(view.given)) if wanted is None else wanted
    if view.specimen.loaded.tokenizer is None and not all(one.isdecimal() and len(one) < 8 for one in text.split()):
        raise Refusal("link.ids", "this model reads the numbers of tokens, such as 0 17 4; got {given!r}", given=text[:40])
    if view.two:
        about = texts.read(view.words, view.specimen, "", text).source_ids
        return text, Given(view.given.ids, about)
    return text, Given(texts.read(view.words, view.specimen, text).ids)


def _as_long(view: View, text: str) -> bool:
    """Whether a text has as many tokens as the reader's, or its source; if not, the reader's own is where a second text begins."""
    tokenizer = view.specimen.loaded.tokenizer
    own = view.prompt.source or view.prompt
    return tokenizer is None or len(blanks.encode(tokenizer, text).ids) == len(own.ids) - own.opening - own.closing


def patching(session: page.Session, view: View) -> None:
    """The second text, and what each of its places brings with it."""
    words = view.words
    st.header(words("change.second.title"))
    st.markdown(words("change.second.about"))
    text, other = second_text(view)
    label, bound = words("change.second.label"), state.bind(OTHER, shown=text, accept=lambda given: given[:2_000])
    st.text_input(label, placeholder=words("change.second.placeholder"), **bound)
    _patch_hand(view, other)
    if max(len(view.given.ids), len(view.given.source or ())) > WIDEST:
        page.note(session, words("change.second.long", most=WIDEST))
        return
    _grid(view, other)


def _patch_hand(view: View, other: Given) -> None:
    """The part in hand, from the second text: wherever that text has it."""
    part = view.part
    if part is None:
        return
    edit = Patch(part, other)
    shared = min(len(view.tokens.get(part.stack, ())), other.lengths(view.model).get(part.stack, 0))
    if changes.unfit(edit, view.model, view.given) is not None and isinstance(part, Spread):
        edit = Patch(part.only_at(*(tuple(at for at in part.positions if at < shared) or range(shared))), other)
    if changes.unfit(edit, view.model, view.given) is None:
        told = view.words("change.second.patch", part=view.teller.part(edit.part))
        st.button(told, key="change-do-patch", on_click=partial(changes.add, edit))


# ---------------------------------------------------------------- layers and tokens


def _grid(view: View, other: Given) -> None:
    words = view.words
    with st.container(horizontal=True, gap="medium"):
        stack = _stack(view)
        names = ["after", "attn", *(["cross"] if view.two and stack == "decoder" else []), "mlp"]
        name = state.get(SITE) if state.get(SITE) in names else "after"
        spelled = {one: words(f"change.second.{one}") for one in names}
        st.segmented_control(words("change.second.site"), names, format_func=spelled.__getitem__, required=True, **state.bind(SITE, shown=name))
    site = _site(name, stack)
    try:
        found = compute.restored(view.specimen, view.given, other, site, None if view.two else view.chosen(view.place), _answer(view))
    except Refusal as refused:
        page.note(view.session, words.refusal(refused))
        return
    _answers(view, found)
    pieces = [visible(one) for one in view.tokens[stack]]
    draw, told = (lambda: _draw(view, found, other, pieces)), _told(view, found, pieces)
    exhibit(view.session, "change-grid", draw, told, lambda: _table(view, found, pieces), _recipe(other, found))
    st.caption(words("change.second.source"))


def _stack(view: View) -> Kind:
    stacks: list[Kind] = list(view.specimen.config.depths)
    wanted = state.get(STACK)
    shown: Kind = wanted if wanted != "" and wanted in stacks else stacks[0]
    if len(stacks) > 1:
        spelled = {stack: view.words(f"change.stack.{stack}") for stack in stacks}
        label, bound = view.words("change.second.stack"), state.bind(STACK, shown=shown)
        st.segmented_control(label, stacks, format_func=spelled.__getitem__, required=True, **bound)
    return shown


def _site(name: str, stack: Kind) -> Output | Residual:
    writers: dict[str, Writer] = {"attn": "attn", "cross": "cross", "mlp": "mlp"}
    return Output(0, writers[name], stack) if name in writers else Residual(0, "after", stack)


def _answer(view: View) -> tuple[int | None, int | None]:
    vocabulary = view.specimen.config.vocabulary
    right, wrong = (wanted - 1 if 0 < wanted <= vocabulary else None for wanted in (state.get(RIGHT), state.get(WRONG)))
    return right, wrong


def _answers(view: View, found: Restoring) -> None:
    """The two tokens whose logits are compared, each to be chosen among the likeliest."""
    words = view.words
    first = compute.compared(view.specimen, view.given.ids, (), source=view.given.source or (), at=found.at).next.default
    offered = list(dict.fromkeys([*found.answer, *map(int, np.argsort(-first, kind="stable")[:OFFERED])]))
    with st.container(horizontal=True, gap="medium"):
        for field, name, token in ((RIGHT, "right", found.answer[0]), (WRONG, "wrong", found.answer[1])):
            bound = state.bind(field, shown=token + 1)
            options = [one + 1 for one in offered]
            label = words(f"change.second.{name}")
            st.selectbox(label, options, format_func=lambda one: visible(predicted(words, view.specimen, one - 1)), **bound)


def _draw(view: View, found: Restoring, other: Given, pieces: list[str]) -> None:
    words, shares, stack = view.words, found.shares, found.site.stack
    rows = []
    for layer in range(len(shares)):
        row = [_tile(view, replace(found.site, layer=layer, positions=(at,)), float(shares[layer, at])) for at in range(shares.shape[1])]
        rows.append((words("change.board.layer", layer=layer + 1), tuple(row)))
    theirs = (other.source or ()) if view.two and stack == "encoder" else other.ids
    columns = tuple(_heading(view, mine, id) for mine, id in zip(pieces, theirs, strict=True))
    board = Board(words("change.second.board"), tuple(rows), columns, table="diverging", help=words("change.second.help"))
    tiles("change-grid", board, lambda name, act: changes.add(Patch(_named(found, name), other)))


def _heading(view: View, mine: str, id: int) -> str:
    theirs = visible(piece(view.words, view.specimen, id))
    return mine if mine == theirs else f"{mine} ← {theirs}"


def _named(found: Restoring, name: str) -> Part:
    layer, at = map(int, name.split("."))
    return replace(found.site, layer=layer, positions=(at,))


def _tile(view: View, part: Spread, share: float) -> Tile:
    brief = view.words.number(share, 2) if abs(share) >= 0.005 else ""
    told = view.words("change.second.cell", part=view.teller.part(part), share=view.words.percent(share))
    return Tile(f"{part.layer}.{part.positions[0]}", brief, told, share)


def _told(view: View, found: Restoring, pieces: list[str]) -> str:
    words, (layer, at) = view.words, found.best
    right, wrong = (visible(predicted(words, view.specimen, id)) for id in found.answer)
    return words(
        "change.second.reading",
        right=right,
        wrong=wrong,
        first=words.number(found.first, 2),
        second=words.number(found.second, 2),
        layer=layer + 1,
        place=at + 1,
        token=pieces[at],
        share=words.percent(float(found.shares[layer, at])),
    )


def _table(view: View, found: Restoring, pieces: list[str]) -> pd.DataFrame:
    layers, positions = (grid.ravel() for grid in np.indices(found.shares.shape))
    columns = {
        "layer": layers + 1,
        "position": positions + 1,
        "token": [pieces[at] for at in positions],
        "effect": found.effects.ravel(),
        "share": found.shares.ravel(),
    }
    return pd.DataFrame({view.words(f"change.table.{name}"): values for name, values in columns.items()})


def _recipe(other: Given, found: Restoring) -> Callable[[], str]:
    kind, site = type(found.site).__name__, found.site
    what = f"Output(0, {site.writer!r}, {site.stack!r})" if isinstance(site, Output) else f"{kind}(0, 'after', {site.stack!r})"
    second = f"Prompt({other.ids!r}, {other.source!r})"
    lines = (
        "import numpy as np",
        "from model.analysis.changing import restoring",
        "from model.interventions import *",
        "first = Prompt(tuple(ids), tuple(source) or None)",
        f"found = restoring(model, first, {second}, {what}, at={found.at}, answer={found.answer!r})",
        "numbers = {'effects': found.effects, 'shares': found.shares}",
    )
    return lambda: "\n".join(lines)
