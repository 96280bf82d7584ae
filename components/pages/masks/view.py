"""What all parts of the page share: the fields of its link, a mask in its place with the tokens there, and how it is told and written."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components import compute, state
from components.compute import Specimen
from components.controls import mask
from components.controls import where as places
from components.controls.arithmetic import Under
from components.controls.mask import Desk
from components.page import Session
from model.analysis.places import CROSS, Where, named, own
from model.config import Encoder
from model.layers.masks import Plan, Shaded, Spot
from model.trace import Trace

Booleans = NDArray[np.bool_]

# Counted from 1, as the screen does; 0 leaves the choice to the page.
LAYER = state.integer("m.layer", 0, 0, 96)
HEAD = state.integer("m.head", 0, 0, 128)
ROW = state.integer("m.row", 0, 0, 1_024)
COLUMN = state.integer("m.column", 0, 0, 1_024)
BLANK = state.integer("m.blank", 0, 0, 1_024)
WHERE = places.field("m.where")
LEAKS = state.flag("m.leaks", False)
"""Whether the experiment that finds leaks was asked for."""
COUNTED = state.option("m.counted", "pairs", ("pairs", "flops", "maps", "cache"))
"""What the curve of costs counts."""
FIELDS = (WHERE, *mask.FIELDS, LAYER, HEAD, ROW, COLUMN, BLANK, LEAKS, COUNTED)


@dataclass(frozen=True, slots=True)
class View:
    """What the page is about: a session, a place with the masks of its layers and heads, which of them is on the screen (`scope`, `shaded`),
    and the tokens that ask and are asked there. `spec` is the whole plan, written."""

    session: Session
    desk: Desk
    queries: tuple[str, ...]
    keys: tuple[str, ...]
    plan: Plan
    scope: Spot | None
    shaded: Shaded
    spec: str

    @property
    def specimen(self) -> Specimen:
        """The model on show."""
        return self.session.specimen

    @property
    def where(self) -> Where:
        """The attention whose mask is changed."""
        return self.desk.where

    @property
    def revision(self) -> str:
        """Names this text in this model under this plan: what a picture of them is known by."""
        prompt = self.session.prompt
        return f"{self.specimen.id}.{zlib.crc32(repr((prompt.ids, prompt.source_ids, self.where, self.spec)).encode()):08x}"

    @property
    def encoder(self) -> bool:
        """Whether the model fills in rather than writes."""
        return isinstance(self.specimen.config.form, Encoder)

    @property
    def ahead(self) -> bool:
        """Whether looking at a later token is looking into the future."""
        return self.where == Where("decoder")

    # ------------------------------------------------------------ the text, read twice

    def traces(self) -> tuple[Trace, Trace]:
        """The text as the model was trained to read it, and under the mask."""
        prompt = self.session.prompt
        default = compute.traced(self.specimen, prompt.ids, source=prompt.source_ids)
        return default, compute.traced(self.specimen, prompt.ids, self.spec, source=prompt.source_ids, where=self.where)

    @property
    def size(self) -> tuple[int, int]:
        """How many tokens ask, and how many are asked."""
        return self.desk.queries, self.desk.keys

    @property
    def under(self) -> Under:
        """The mask as its arithmetic is asked for."""
        return Under(self.where.name, self.spec)

    # ------------------------------------------------------------ in words

    def told(self, what: str, name: str) -> str:
        """A pattern's words: its own in this place, where it has any."""
        words, own = self.session.words, f"masks.{what}_{self.where.name}.{name}"
        return words(own) if words.has(own) else words(f"masks.{what}.{name}")

    def tells(self, what: str, name: str) -> bool:
        """Whether there are such words."""
        return any(self.session.words.has(f"masks.{place}.{name}") for place in (what, f"{what}_{self.where.name}"))

    def placed(self, at: Spot | None) -> str:
        """A layer, a head or all layers, counted from 1."""
        if at is None:
            return self.session.words("masks.scope.all_layers")
        kind = "layer" if at.head is None else "head"
        return self.session.words(f"masks.scope.at_{kind}", layer=at.layer + 1, head=(at.head or 0) + 1)

    @property
    def own(self) -> str:
        """The pattern that the model reads with by itself, as it is called within a sentence."""
        return self.told("pattern", mask.recognised(self.where, Shaded(own(self.specimen.config, self.where)))[0]).lower()

    # ------------------------------------------------------------ in a notebook

    def again(self, lines: str) -> str:
        """The lines that read the text under the mask at hand, then these."""
        return AGAIN.format(spec=self.spec, where=self.where, queries=self.queries_again, name=named(self.specimen.config, self.where)) + lines

    @property
    def queries_again(self) -> str:
        """How many tokens ask, as a notebook counts them."""
        return "len(ids)" if self.where.stack == self.specimen.config.main else "len(source)"

    @property
    def keys_again(self) -> str:
        """How many are asked."""
        return "len(source)" if self.where == CROSS else self.queries_again


def view(session: Session, where: Where) -> View:
    """The mask of this session at a place."""
    (queries, keys), config = places.pieces(session.prompt, where), session.specimen.config
    desk = Desk(where, len(queries), len(keys), config.depths[where.stack], config.attention.heads)
    plan, scope = desk.plan, desk.scope
    shaded = plan.everywhere if scope is None else plan.at(scope.layer, scope.head)
    return View(session, desk, queries, keys, plan, scope, shaded, str(plan))


def plural(count: int) -> str:
    """Which form of a sentence speaks of so many."""
    return "one" if count == 1 else "many"


def named_again(names: Sequence[str]) -> str:
    """The line that leaves these parts of `reading` as `numbers`."""
    return f"numbers = {{name: np.asarray(getattr(reading, name)) for name in {tuple(names)!r}}}"


AGAIN = """
import numpy as np
import torch

from model.analysis import masking
from model.analysis.places import Where, sighted
from model.layers.masks import parse_plan
from model.trace import Tracer

plan = parse_plan({spec!r})
seen = sighted(plan, model.config, {where}, {queries}, len(source))
masked = Tracer(model).trace(torch.tensor(ids), source=torch.tensor(source) if source else None, {name}=seen)
"""
