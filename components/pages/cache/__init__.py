"""The KV cache: what is stored and what is reused, the bytes it grows by in each family, and the time it saves, measured."""

from __future__ import annotations

from components.page import Page, Session, note, titled
from components.pages.cache import growing, storing, timing
from components.writing import OPENS
from model.config import Encoder


def render(session: Session) -> None:
    """The page: a paragraph, the cache pass by pass, its bytes, its time. An encoder has none to show, so only what others hold."""
    titled(session, "cache")
    if isinstance(session.specimen.config.form, Encoder):
        note(session, session.words("cache.encoder"))
        growing.published(session)
        return
    line = storing.line_of(session)
    storing.stored(session, line)
    growing.growing(session, line)
    growing.published(session)
    timing.timed(session)


PAGE = Page("cache", render, (*storing.FIELDS, *growing.FIELDS), opens=OPENS)
