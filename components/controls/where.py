"""Which of a model's attentions is looked at: in its encoder, in its decoder, or across from the one to the other."""

from __future__ import annotations

import streamlit as st

from components import state
from components.compute import Specimen
from components.i18n import Words
from components.page import Prompt
from model.analysis.places import Where, main, places

NAMES = ("", "encoder", "decoder", "cross")


def field(name: str) -> state.Field[str]:
    """A page's choice; empty leaves it to the page."""
    return state.option(name, "", NAMES)


def chosen(field: state.Field[str], specimen: Specimen) -> Where:
    """The place this session looks at: the one chosen, where the model has it."""
    return places(specimen.config).get(state.get(field), main(specimen.config))


def choice(words: Words, field: state.Field[str], specimen: Specimen) -> Where:
    """Draw the choice where there is one; return the place."""
    names, where = list(places(specimen.config)), chosen(field, specimen)
    if len(names) > 1:
        bound = state.bind(field, shown=where.name)
        label, spelled = words("where.label"), {name: words(f"where.{name}") for name in names}
        st.segmented_control(label, names, format_func=spelled.__getitem__, required=True, label_visibility="collapsed", **bound)
    return where


def pieces(prompt: Prompt, where: Where) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tokens that ask and those that are asked there, as they are written."""
    source = prompt.source.pieces if prompt.source else prompt.pieces
    queries = source if where.stack == "encoder" else prompt.pieces
    return queries, source if where.branch == "cross" else queries
