"""Vitrine: a transformer behind glass. The menu: it loads the session, lists the pages and runs one."""

from __future__ import annotations

import importlib
import importlib.util

import streamlit as st

from components import permalink, theme, warmup
from components.canvas.frame import frame
from components.controls import header, prompt
from components.i18n import Words
from components.page import Page, Session, guarded, note

NAMES = ("attention", "masks", "generation", "size")
PAGES: tuple[Page, ...] = tuple(
    importlib.import_module(f"components.pages.{name}").PAGE for name in NAMES if importlib.util.find_spec(f"components.pages.{name}")
)


def main() -> None:
    """One run: the link is read, the frame drawn, the text read, the page opened, the address brought up to date."""
    st.set_page_config(page_title="Vitrine", page_icon=theme.mark(), layout="wide")
    refused = permalink.restore((*header.FIELDS, *prompt.FIELDS, *(field for page in PAGES for field in page.fields)))
    words = header.words()
    with guarded(words):
        show(words, refused)
    permalink.publish()


def show(words: Words, refused: tuple[str, ...]) -> None:
    """Draw the frame and, in it, the page that was chosen."""
    palette = header.palette()
    st.html(f"<style>{theme.css(header.worn())}</style>")
    warmup.warm()
    specimen = header.specimen()
    titles = {page: words(f"shell.menu.{page.name}") for page in PAGES}
    menu = {
        page.name: st.Page(lambda page=page: page.render(session), title=title, url_path=page.name, default=page is PAGES[0])
        for page, title in titles.items()
    }
    chosen = st.navigation(list(menu.values()), position="hidden")
    frame(words.language, palette.name, list(menu.values()).index(chosen))
    header.header(words, palette, specimen, menu)
    session = Session(words, palette, specimen, prompt.prompt(words, specimen), menu)
    if refused:
        note(session, words("shell.link.refused", names=", ".join(refused)))
    if header.missing():
        note(session, words("shell.model.missing", name=specimen.name))
    chosen.run()


main()
