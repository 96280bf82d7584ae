"""The frame above every page: the menu, the model on show, the language, the theme, and Share."""

from __future__ import annotations

import html
from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from components import compute, permalink, state, theme
from components.canvas.share import share
from components.compute import Specimen
from components.i18n import LANGUAGES, Words, guess
from components.theme import Palette
from model.errors import Refusal

SHORT = {"pt-BR": "PT", "en": "EN"}
LONG_LINK = 8_000


def _digest(given: str) -> str:
    if len(given) > 32 or not all(character in "0123456789abcdef" for character in given):
        raise Refusal("link.model", "a model is named by up to 32 hexadecimal digits, got {given!r}", given=given[:40])
    return given


LANGUAGE: state.Field[str] = state.option("lang", "", ("", *LANGUAGES))
THEME: state.Field[str] = state.option("theme", "", ("", *theme.PALETTES))
MODEL: state.Field[str] = state.Field("model", "", _digest)
FIELDS = (LANGUAGE, THEME, MODEL)


# ---------------------------------------------------------------- what this run speaks, wears and shows


def words() -> Words:
    """The language chosen, or else the browser's."""
    return Words(state.get(LANGUAGE) or guess(st.context.locale))


def palette() -> Palette:
    """The theme chosen, or else the one the browser wears."""
    return theme.PALETTES.get(state.get(THEME)) or worn()


def worn() -> Palette:
    """What the browser wears before it is told otherwise: until then, everything is drawn in these colours."""
    return theme.PALETTES[st.context.theme.type or "light"]


def specimen() -> Specimen:
    """The model chosen, or the embedded one where this session has none such."""
    return compute.specimen_of(state.get(MODEL)) or compute.embedded()


def missing() -> bool:
    """Whether the link named a model that this session does not have."""
    return compute.specimen_of(state.get(MODEL)) is None


# ---------------------------------------------------------------- the row


def header(words: Words, palette: Palette, specimen: Specimen, pages: Mapping[str, Any]) -> None:
    """Draw the row; `pages` are the `st.Page` objects by name."""
    with st.container(key="header", horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<p class="v-brand">{words("shell.name")}</p>', width="content")
        with st.container(key="menu", horizontal=True, vertical_alignment="center", gap="small", width="content"):
            for name, page in pages.items():
                st.page_link(page, label=words(f"shell.menu.{name}"))
        with st.container(key="model", horizontal=True, vertical_alignment="center", horizontal_alignment="right"):
            _model(words, specimen)
        with st.container(key="tools", horizontal=True, vertical_alignment="center", gap="small", width="content"):
            _language(words)
            _theme(words, palette)
            _share(words, palette)


def _model(words: Words, specimen: Specimen) -> None:
    choices = {choice.id: _title(words, choice) for choice in compute.specimens()}
    if len(choices) == 1:
        st.html(f'<p class="v-model">{html.escape(choices[specimen.id])}</p>', width="content")
        return
    shown = state.bind(MODEL, shown=specimen.id)
    st.selectbox(words("shell.model.label"), list(choices), format_func=choices.__getitem__, label_visibility="collapsed", width=300, **shown)


def _title(words: Words, specimen: Specimen) -> str:
    key = "shell.model.millions" if specimen.parameters >= 1_000_000 else "shell.model.size"
    return words(key, name=specimen.name, parameters=words.count(specimen.parameters))


def _language(words: Words) -> None:
    st.segmented_control(
        words("shell.language.label"),
        LANGUAGES,
        format_func=SHORT.__getitem__,
        label_visibility="collapsed",
        required=True,
        **state.bind(LANGUAGE, shown=words.language),
    )


def _theme(words: Words, palette: Palette) -> None:
    other = "light" if palette is theme.DARK else "dark"
    st.button(words(f"shell.theme.to_{other}"), key="theme", on_click=partial(state.put, THEME, other))


@st.fragment
def _share(words: Words, palette: Palette) -> None:
    opened = st.popover(words("shell.share.button"), key="share", on_change="rerun")
    if not opened.open:
        return
    link = permalink.link(lang=words.language, theme=palette.name)
    with opened:
        st.caption(words("shell.share.lead"))
        share(words, link)
        if len(link) > LONG_LINK:
            st.caption(words("shell.share.too_long"))
