"""The foot of a page: all of it to take away, as a hand-out and as a notebook."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from datetime import date
from urllib.parse import urlsplit, urlunsplit

import streamlit as st

from components import compute, permalink, state
from components.controls.header import MODEL, missing, named
from components.page import Prompt, Session, block
from components.takeaway import whole
from components.takeaway.gallery import Exhibit
from components.takeaway.handout import handout
from components.takeaway.notebook import notebook
from components.takeaway.view import Reading, View
from components.takeaway.whole import NAMES, Kind, Made

WRITERS: dict[Kind, Callable[[View, Iterable[Exhibit]], str]] = {"handout": handout, "notebook": notebook}


@block
def foot(session: Session, name: str) -> None:
    """Offer the page called `name` as files, once it shows any picture."""
    if not len(session.gallery):
        return
    with st.container(key="foot", horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<p class="v-foot">{session.words("takeaway.page")}</p>', width="content")
        whole.buttons(session.words, "whole", _made(session, name), _want)


def _want(kind: Kind) -> None:
    state.forget("takeaway.wanted")
    state.remember("takeaway.wanted", lambda: kind)


def _made(session: Session, name: str) -> Made | None:
    """What the reader asked for a moment ago, written now."""
    kind: Kind | None = state.remember("takeaway.wanted", lambda: None)
    state.forget("takeaway.wanted")
    if kind is None:
        return None
    serial = next(state.remember("takeaway.serial", lambda: itertools.count(1)))
    return Made(serial, kind, f"vitrine-{name}.{NAMES[kind]}", WRITERS[kind](seen(session, name), session.gallery))


# ---------------------------------------------------------------- what is on the screen


def seen(session: Session, name: str) -> View:
    """The page called `name` as its files describe it."""
    words, specimen, address = session.words, session.specimen, urlsplit(permalink.link(lang=session.words.language))
    called = "" if missing() else state.get(MODEL)
    offer = next((offer for offer in compute.offers() if offer.id == called), None)
    return View(
        words=words,
        title=words(f"shell.menu.{name}"),
        address=urlunsplit(("", "", *address[2:])),
        model=words("takeaway.model", name=named(words, offer) if offer else specimen.name, parameters=words.number(specimen.parameters, 0)),
        folder=(called or compute.EMBEDDED.name) if called in ("", *compute.BESIDE) else "",
        texts=texts(session.prompt, specimen.loaded.tokenizer is not None),
        day=date.today().isoformat(),
    )


def texts(prompt: Prompt, read: bool) -> tuple[Reading, ...]:
    """What the model read, a source before its target; nothing on a page that reads no text. `read` says that a tokenizer did."""
    if not prompt.ids:
        return ()
    return tuple(_reading(side, read) for side in (prompt.source, prompt) if side is not None)


def _reading(prompt: Prompt, read: bool) -> Reading:
    """A text, and how its ids come from it: framed as the model reads every text. What the model wrote itself, and numbers of tokens,
    come from no text."""
    room = len(prompt.ids) - prompt.opening - prompt.closing
    frame = [str(id) for id in prompt.ids[: prompt.opening]], [str(id) for id in prompt.ids[prompt.opening + room :]]
    spell = f"[{', '.join([*frame[0], f'*blanks.encode(tokenizer, text).ids[:{room}]', *frame[1]])}]"
    return Reading(text=prompt.text, ids=prompt.ids, spell=spell if read and not prompt.own else "")
