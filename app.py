"""Vitrine: a transformer behind glass. The menu: it loads the session, lists the pages and runs one."""

from __future__ import annotations

import importlib
import importlib.util
from functools import partial

import streamlit as st

from components import permalink, theme, warmup
from components.canvas.frame import frame
from components.controls import header, prompt
from components.page import Page, Session, guarded, note

NAMES = ("attention", "masks", "generation", "size")
PAGES: tuple[Page, ...] = tuple(
    importlib.import_module(f"components.pages.{name}").PAGE for name in NAMES if importlib.util.find_spec(f"components.pages.{name}")
)


def main() -> None:
    st.set_page_config(page_title="Vitrine", page_icon=theme.mark(), layout="wide")
    warmup.warm()
    refused = permalink.restore((*header.FIELDS, *prompt.FIELDS, *(field for page in PAGES for field in page.fields)))
    words, palette, specimen = header.words(), header.palette(), header.specimen()
    st.html(f"<style>{theme.css(palette)}</style>")
    menu = {page.name: st.Page(partial(_open, page), title=words(f"shell.menu.{page.name}"), url_path=page.name, default=page is PAGES[0]) for page in PAGES}
    chosen = st.navigation(list(menu.values()), position="hidden")
    header.header(words, palette, specimen, menu)
    frame(words.language, palette.name, list(menu.values()).index(chosen))
    st.session_state["session"] = session = Session(words, palette, specimen, prompt.prompt(words, specimen), menu)
    if refused:
        note(session, words("shell.link.refused", names=", ".join(refused)))
    if header.missing():
        note(session, words("shell.model.missing", name=specimen.name))
    chosen.run()
    permalink.publish()


def _open(page: Page) -> None:
    session = st.session_state["session"]
    with guarded(session):
        page.render(session)


main()
