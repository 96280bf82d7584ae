"""What a mask costs and saves."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.pages.masks.view import View
from model.analysis.masking import Saving


def saved(view: View, saving: Saving) -> None:
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
    against = words("masks.saving.against", mask=view.own, value=own)
    column.metric(words(f"masks.saving.{name}"), value, against, delta_color="off", delta_arrow="off", help=view.told("saving", f"{name}_help"))
