"""What happens when: a row that sees nothing, uneven padding, a mask of another length. Three buttons set them; what is computed is told."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import streamlit as st

from components.canvas.plate import visible
from components.page import Session, block, read_aloud
from components.pages.masks.view import View, plural
from model.analysis.attention import one_head
from model.layers.masks import And, PadLeft, PadRight, Painted

CASES = ("blind", "uneven", "other")


@block
def edges(session: Session, view: View) -> None:
    """Three prepared cases, and what of them holds for the mask on the screen."""
    words = session.words
    st.header(words("masks.edges.title"))
    with st.container(key="masks-edges", horizontal=True, gap="small"):
        for case in CASES:
            told = words(f"masks.edges.{case}")
            st.button(told, key=f"edge-{case}", help=words(f"masks.edges.{case}_help"), on_click=partial(_set, view, case))
    sentences = [*_blind(view), *_uneven(view), *_other(view)]
    for sentence in sentences or [words("masks.edges.none")]:
        read_aloud(sentence)


def _set(view: View, case: str) -> None:
    """Bring the mask in hand into a case, in the words of its place."""
    desk, over = view.desk, "causal & " if view.ahead else ""
    most = max(1, min(view.desk.queries, view.desk.keys) // 2)
    if case == "other":
        desk.paint_square(np.ones((most, most), bool))
        return
    beginning = {"decoder": "causal & pad_left({})", "encoder": "causal & pad_left({})", "cross": "wait(0) & pad_left({})"}[view.where.name]
    desk.take(beginning.format(min(2, most)) if case == "blind" else f"{over}pad_left({min(2, most)}) & pad_right(1)")


def _blind(view: View) -> Iterator[str]:
    """Rows that may look at nothing: what their weights are, and that no number is lost."""
    words, desk = view.session.words, view.desk
    rows = np.flatnonzero(~desk.build(view.shaded).any(1))
    if not len(rows):
        return
    at = view.scope
    _, masked = view.traces()
    pattern = one_head(masked, at.layer if at else 0, (at.head or 0) if at else 0, view.where).pattern
    total, strange = float(np.abs(pattern[rows]).sum()), int((~np.isfinite(masked.logits.numpy())).sum())
    named = ", ".join(map(str, rows[:8] + 1)) + (" …" if len(rows) > 8 else "")
    sums = {"total": words.number(total), "numbers": words.number(masked.logits.numel()), "strange": words.number(strange)}
    yield words(f"masks.edges.blind_{plural(len(rows))}", rows=named, **sums)


def _uneven(view: View) -> Iterator[str]:
    """Filling on both sides: how much, and that nobody looks at it."""
    words, mask = view.session.words, view.shaded.mask
    parts = mask.parts if isinstance(mask, And) else (mask,)
    left = sum(part.count for part in parts if isinstance(part, PadLeft))
    right = sum(part.count for part in parts if isinstance(part, PadRight))
    if not left or not right or left + right >= view.desk.keys:
        return
    allowed = view.desk.build(view.shaded)
    looks = int(allowed[:, :left].sum() + allowed[:, view.desk.keys - right :].sum())
    last = view.desk.keys - right - 1
    values = {"left": left, "right": right, "looks": words.number(looks), "first": left + 1, "last": last + 1}
    yield words("masks.edges.uneven_reading", **values, first_token=visible(view.keys[left]), last_token=visible(view.keys[last]))


def _other(view: View) -> Iterator[str]:
    """A painting of another length than the text."""
    words, mask, desk = view.session.words, view.shaded.mask, view.desk
    side = max(desk.queries, desk.keys)
    if isinstance(mask, Painted) and mask.length < min(desk.queries, desk.keys):
        yield words("masks.edges.shorter", length=mask.length, next=mask.length + 1, text=desk.queries)
    elif isinstance(mask, Painted) and mask.length > side:
        yield words("masks.edges.longer", length=mask.length, text=desk.queries)
