"""Steering: a direction between two sets of texts, added to the residual stream."""

from __future__ import annotations

from functools import partial

import streamlit as st

from components import changes, compute, page, state
from components.controls import prompt as texts
from components.pages.change.view import AWAY, DEPTH, TOWARD, View
from model.errors import Refusal
from model.interventions import Prompt as Given
from model.interventions import Residual, Steer

SETS = 8  # texts a side


def steering(session: page.Session, view: View) -> None:
    """Two lists of texts, the layer, and the button that makes an edit of their direction."""
    words, config = view.words, view.specimen.config
    st.header(words("change.steer.title"))
    st.markdown(words("change.steer.about"))
    depth = config.depths[config.main]
    sides = []
    for column, field, name in zip(st.columns(2), (TOWARD, AWAY), ("toward", "away"), strict=True):
        usual = words(f"change.steer.text_{name}_{config.main}" if not view.two else f"change.steer.text_{name}_both")
        shown = (_numbers(view, name) if view.specimen.loaded.tokenizer is None else usual) if state.get(field) is None else state.get(field)
        with column:
            bound = state.bind(field, shown=shown, accept=lambda given: given[:2_000])
            st.text_area(words(f"change.steer.{name}"), height=118, **bound)
        sides.append(_read(view, shown))
    layer = min(state.get(DEPTH) or depth, depth)
    st.segmented_control(words("change.steer.layer"), range(1, depth + 1), required=True, **state.bind(DEPTH, shown=layer))
    toward, away = sides
    if not toward or not away:
        page.note(session, words("change.steer.empty"))
        return
    part = Residual(layer - 1, "after", config.main)
    edit = Steer(part, 1.0, toward, away)
    refused = changes.unfit(edit, view.model, view.given)
    if refused is not None:
        page.note(session, words.refusal(refused))
        return
    norm, stream = compute.directed(view.specimen, part, toward, away, view.given)
    st.button(words("change.steer.add"), key="change-do-steer", on_click=partial(changes.add, edit), type="primary")
    lengths = {"norm": words.number(norm), "stream": words.number(stream), "share": words.percent(norm / stream)}
    page.read_aloud(words("change.steer.reading", layer=layer, **lengths))


def _numbers(view: View, name: str) -> str:
    """Something to begin with for a model without a tokenizer."""
    first = view.given.source or view.given.ids
    return " ".join(str((id + (name == "toward")) % view.specimen.config.vocabulary) for id in first[:8])


def _read(view: View, given: str) -> tuple[Given, ...]:
    """A text a line, as the machine reads them; of a translator sources, about the target as far as it is on the screen."""
    lines = [line for line in given.splitlines() if line.strip()][:SETS]
    if view.specimen.loaded.tokenizer is None and not all(one.isdecimal() and len(one) < 8 for line in lines for one in line.split()):
        raise Refusal("link.ids", "this model reads the numbers of tokens, such as 0 17 4; got {given!r}", given=given[:40])
    if view.two:
        start = view.given.ids[:1]
        return tuple(Given(start, texts.read(view.words, view.specimen, "", line).source_ids) for line in lines)
    return tuple(Given(_open(texts.read(view.words, view.specimen, line))) for line in lines)


def _open(prompt: page.Prompt) -> tuple[int, ...]:
    """A text left open at its end, where its last token has read it all."""
    return prompt.ids[: len(prompt.ids) - prompt.closing] if prompt.closing else prompt.ids
