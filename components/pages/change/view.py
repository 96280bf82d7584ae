"""What all parts of the page share: the fields of its link, the session's model, text and edits as the machine reads them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from components import changes, state
from components.changes import Teller
from components.compute import Specimen
from components.controls import where as places
from components.controls.prompt import piece
from components.i18n import Words
from components.page import Prompt, Session
from model.analysis.places import Where
from model.config import Encoder, EncoderDecoder, Kind
from model.errors import Refusal
from model.interventions import Cell, Edit, Head, Part, Patch, Silence, Spread, Steer, parse
from model.interventions import Prompt as Given
from model.text.blanks import WRITTEN
from model.transformer import Transformer

FACTORS = (-2.0, 3.0)
STRENGTHS = (-4.0, 4.0)
LONGEST_TEXT = 2_000


def _part(given: str) -> Part | None:
    return _parted(given) if given else None


def _parted(given: str) -> Part:
    edit = parse(f"silence({given[:400]})")
    if not isinstance(edit, Silence) or str(edit.part) != given:
        raise Refusal("link.option", "{name} is one of {options}, got {given!r}", name="c.part", options="L2.H3, L2.attn …", given=given[:40])
    return edit.part


PART: state.Field[Part | None] = state.Field("c.part", None, _part, lambda part: "" if part is None else str(part))
# Counted from 1, as the screen does; 0 leaves the choice to the page.
AT = state.integer("c.at", 0, 0, 4_096)
WHERE = places.field("c.where")
LAYER = state.integer("c.layer", 0, 0, 96)
HEAD = state.integer("c.head", 0, 0, 128)
TOKENS = state.integer("c.tokens", 12, 0, 48)
OTHER = state.text("c.other", None, LONGEST_TEXT)
SITE = state.option("c.site", "after", ("after", "attn", "cross", "mlp"))
STACKS: tuple[Kind | Literal[""], ...] = ("", *get_args(Kind))
STACK: state.Field[Kind | Literal[""]] = state.option("c.stack", "", STACKS)
RIGHT, WRONG = (state.integer(name, 0, 0, 1_000_000) for name in ("c.right", "c.wrong"))
TOWARD, AWAY = (state.text(name, None, LONGEST_TEXT) for name in ("c.toward", "c.away"))
DEPTH = state.integer("c.depth", 0, 0, 96)
FIELDS = (changes.EDITS, changes.CHIP, PART, AT, WHERE, LAYER, HEAD, TOKENS, OTHER, SITE, STACK, RIGHT, WRONG, TOWARD, AWAY, DEPTH)


@dataclass(frozen=True)
class View:
    """A session, and its text as the machine reads it."""

    session: Session

    @property
    def words(self) -> Words:
        """The voice of this run."""
        return self.session.words

    @property
    def specimen(self) -> Specimen:
        """The model on show."""
        return self.session.specimen

    @property
    def model(self) -> Transformer:
        """Its machine."""
        return self.session.specimen.loaded.model

    @property
    def prompt(self) -> Prompt:
        """The reader's text."""
        return self.session.prompt

    @property
    def encoder(self) -> bool:
        """Whether the model fills in rather than writes."""
        return isinstance(self.specimen.config.form, Encoder)

    @property
    def two(self) -> bool:
        """Whether it has two stacks."""
        return isinstance(self.specimen.config.form, EncoderDecoder)

    @cached_property
    def given(self) -> Given:
        """The text as ids."""
        return Given(self.prompt.ids, self.prompt.source_ids or None)

    @cached_property
    def edits(self) -> tuple[Edit, ...]:
        """The edits that are on and have a place in this model and text."""
        return changes.effective(changes.chips(), self.model, self.given)

    @cached_property
    def tokens(self) -> dict[Kind, tuple[str, ...]]:
        """What each stack reads, as it is written."""
        main: dict[Kind, tuple[str, ...]] = {self.specimen.config.main: self.prompt.pieces}
        return main if self.prompt.source is None else {**main, "encoder": self.prompt.source.pieces}

    @cached_property
    def teller(self) -> Teller:
        """Who tells edits."""
        others = {other for chip in changes.chips() for other in _others(chip.edit)}
        return Teller(self.words, self.two, self.tokens, {other: self.text_of(other) for other in others})

    def text_of(self, given: Given) -> str:
        """Another text in letters, without what frames it."""
        tokenizer, ids = self.specimen.loaded.tokenizer, given.source or given.ids
        below = [id for id in ids if id < self.specimen.config.vocabulary]
        if tokenizer is None:
            return " ".join(map(str, below))
        framing = (*tokenizer.opening, *tokenizer.closing, tokenizer.begin)
        kept = [id for id in below if id not in framing or id == tokenizer.blank]
        return "".join(f" {WRITTEN}" if id == tokenizer.blank else piece(self.words, self.specimen, id) for id in kept).strip()

    @property
    def place(self) -> int:
        """The token that matters before anybody says so: an encoder's first blank, else the last one that is no frame."""
        last = max(0, len(self.prompt.ids) - 1 - self.prompt.closing)
        return self.prompt.blanks[0] if self.encoder and self.prompt.blanks else last

    def chosen(self, usual: int) -> int:
        """The token the reader chose to look at, where there is one, else the usual one."""
        wanted = state.get(AT)
        return wanted - 1 if 0 < wanted <= len(self.prompt.ids) else usual

    @property
    def hand(self) -> int | None:
        """Which chip is in hand, counted from 0."""
        held = state.get(changes.CHIP)
        return held - 1 if 0 < held <= len(changes.chips()) else None

    @property
    def part(self) -> Part | None:
        """The part in hand: that of the chip in hand, else the one chosen among the parts."""
        return changes.chips()[self.hand].edit.part if self.hand is not None else state.get(PART)

    @property
    def edited(self) -> tuple[Where, int, int] | None:
        """The head an edit is about, for the maps: that of the chip in hand, else of the part in hand, else of the last edit of a head."""
        parts = [self.part, *(edit.part for edit in reversed(self.edits))]
        return next(((Where(one.stack, one.branch), one.layer, one.head) for one in parts if isinstance(one, Head | Cell)), None)


def _others(edit: Edit) -> tuple[Given, ...]:
    return (edit.prompt,) if isinstance(edit, Patch) else (*edit.toward, *edit.away) if isinstance(edit, Steer) else ()


def bare(part: Part) -> Part:
    """A part at all positions."""
    return part.only_at() if isinstance(part, Spread) else part
