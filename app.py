"""Vitrine: a transformer behind glass. The menu: it loads the session, lists the pages and runs one."""

from __future__ import annotations

from typing import Any

import streamlit as st

from components import library, permalink, state, theme, warmup
from components.canvas.frame import frame
from components.compute import Specimen
from components.controls import header, leaving, opening, prompt
from components.i18n import Words
from components.page import UNREAD, Page, Prompt, Session, guarded, note
from components.pages import (
    attention,
    cache,
    change,
    embeddings,
    families,
    generation,
    heads,
    inside,
    layers,
    masks,
    paper,
    positions,
    size,
    strategies,
    training,
    tree,
)

GROUPS = (
    (attention.PAGE, inside.PAGE, layers.PAGE, heads.PAGE, embeddings.PAGE),
    (change.PAGE, masks.PAGE, training.PAGE),
    (generation.PAGE, tree.PAGE, strategies.PAGE, cache.PAGE),
    (size.PAGE, families.PAGE, positions.PAGE, paper.PAGE),
)
"""The pages as the menu has them: to look, to change, to write, to build."""
PAGES = tuple(page for group in GROUPS for page in group)


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
    library.recall(state.get(header.MODEL))
    specimen = header.specimen()

    def opened(page: Page, **at: Any) -> st.Page:
        return st.Page(lambda: page.render(session), title=words(f"shell.menu.{page.name}"), **at)

    menu = {page.name: opened(page, url_path=page.name) for page in PAGES}
    front = opened(PAGES[0], default=True, url_path="")  # the first page once more: Streamlit's default answers at the bare address only
    chosen = st.navigation([front, *menu.values()], position="hidden")
    st.set_page_config(page_title=f"{chosen.title} · {words('shell.name')}")
    place = 0 if chosen is front else list(menu.values()).index(chosen)
    frame(words.language, palette.name, place)
    header.header(words, palette, [{page.name: menu[page.name] for page in group} for group in GROUPS], opening.door)
    opening.opening(words)
    session = Session(words, palette, specimen, _prompt(words, specimen, PAGES[place]), menu)
    if refused:
        note(session, words("shell.link.refused", names=", ".join(refused)))
    if header.missing():
        note(session, words("shell.model.missing", name=specimen.name))
    chosen.run()
    leaving.foot(session, PAGES[place].name)


def _prompt(words: Words, specimen: Specimen, page: Page) -> Prompt:
    return prompt.prompt(words, specimen, page.opens) if page.reads else UNREAD


main()
