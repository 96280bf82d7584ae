"""The frame above every page: the menu, the model on show, the language, the theme, and Share."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from components import compute, permalink, state, theme
from components.canvas.share import share
from components.compute import Offer, Specimen
from components.i18n import LANGUAGES, Words, guess
from components.theme import Palette
from model.errors import Refusal

SHORT = {"pt-BR": "PT", "en": "EN"}
LONG_LINK = 8_000


def _called(given: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]{0,32}", given):
        raise Refusal("link.model", "a model is named by up to 32 small letters and digits, got {given!r}", given=given[:40])
    return given


LANGUAGE: state.Field[str] = state.option("lang", "", ("", *LANGUAGES))
THEME: state.Field[str] = state.option("theme", "", ("", *theme.PALETTES))
MODEL: state.Field[str] = state.Field("model", "", _called)
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


# ---------------------------------------------------------------- the rows


def header(words: Words, palette: Palette, groups: Sequence[Mapping[str, Any]], door: Callable[[Words], None]) -> None:
    """Draw both rows; `groups` are the `st.Page` objects by name as they belong together, `door` draws what stands beside the model."""
    with st.container(key="header", horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<p class="v-brand">{words("shell.name")}</p>', width="content")
        with st.container(key="model", horizontal=True, vertical_alignment="center", horizontal_alignment="right"):
            _model(words)
            door(words)
        with st.container(key="tools", horizontal=True, vertical_alignment="center", gap="small", width="content"):
            _language(words)
            _theme(words, palette)
            _share(words, palette)
        with st.container(key="menu", horizontal=True, vertical_alignment="center", gap="small"):
            _menu(words, groups)


def _menu(words: Words, groups: Sequence[Mapping[str, Any]]) -> None:
    for number, pages in enumerate(groups):
        if number:
            st.html('<i class="v-gap" aria-hidden="true"></i>', width="content")
        for name, page in pages.items():
            st.page_link(page, label=words(f"shell.menu.{name}"))


def _model(words: Words) -> None:
    choices = {offer.id: _title(words, offer) for offer in compute.offers()}
    if len(choices) == 1:
        st.html(f'<p class="v-model">{html.escape(choices[""])}</p>', width="content")
        return
    shown = state.bind(MODEL, shown="" if missing() else state.get(MODEL))
    st.selectbox(words("shell.model.label"), list(choices), format_func=choices.__getitem__, label_visibility="collapsed", width=340, **shown)


def _title(words: Words, offer: Offer) -> str:
    key = "shell.model.millions" if offer.parameters >= 1_000_000 else "shell.model.size"
    return words(key, name=named(words, offer), parameters=words.count(offer.parameters))


def named(words: Words, offer: Offer) -> str:
    """What a model is called in this language."""
    shipped = f"shell.model.shipped.{offer.id}"
    return words(shipped) if words.has(shipped) else offer.name


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
