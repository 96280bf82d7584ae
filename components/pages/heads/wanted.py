"""What the link and the reader ask of this page, and what is at hand: the place, its tokens, the text as the model reads it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from components import compute, state
from components.controls import where as places
from components.page import Session
from model.analysis.places import Where
from model.trace import Trace

MEASURES = ("previous", "first", "current", "duplicate", "induction", "agreement", "coreference", "distance", "entropy")

# Counted from 1, as the screen does; 0, or nothing, leaves the choice to the page.
WHERE = places.field("h.where")
MEASURE: state.Field[str] = state.option("h.measure", "", ("", *MEASURES))
LAYER = state.integer("h.layer", 0, 0, 96)
HEAD = state.integer("h.head", 0, 0, 128)
ROW = state.integer("h.row", 0, 0, 4_096)
COLUMN = state.integer("h.column", 0, 0, 4_096)
SINK = state.flag("h.sink", True)
KIN = state.option("h.kin", "looks", ("looks", "says"))
WAY = state.option("h.way", "rollout", ("rollout", "flow"))
WEIGH = state.option("h.weigh", "weights", ("weights", "norms"))
DEPTH = state.integer("h.depth", 0, 0, 96)
TOKEN = state.integer("h.token", 0, 0, 4_096)
FIELDS = (WHERE, MEASURE, LAYER, HEAD, ROW, COLUMN, SINK, KIN, WAY, WEIGH, DEPTH, TOKEN)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the page looks: the attention, the tokens that ask there and those that are asked."""

    where: Where
    queries: tuple[str, ...]
    keys: tuple[str, ...]


def traced(session: Session) -> Trace:
    """The text as this model reads it."""
    return compute.traced(session.specimen, session.prompt.ids, source=session.prompt.source_ids)


def revision(session: Session, place: Place, *more: object) -> str:
    """A short name for what a picture shows."""
    prompt = session.prompt
    seen = repr((prompt.ids, prompt.source_ids, place.where, more, session.words.language)).encode()
    return f"{session.specimen.id}.{zlib.crc32(seen):08x}"


def named(number: int, heads: int) -> str:
    """A head as it is written in pictures: layer · head, from 1."""
    return f"{number // heads + 1}·{number % heads + 1}"
