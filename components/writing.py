"""A text being written, as the screen follows it: continued, written about a source, or its blanks filled one by one.

The text on the player is a value of the link: the prompt, the dials, how many steps, and which of them are *held*, that is,
are not what the dials as they stand would have chosen. Replaying is writing again.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components import branches, state
from components.canvas.distribution import SEEDS, Dials
from components.canvas.timeline import SPEEDS, Act
from components.page import Session
from components.state import Field
from model.config import Decoder, Encoder
from model.errors import Refusal
from model.generation import (
    ORDERS,
    Choose,
    Chosen,
    Continuation,
    Fill,
    Filler,
    Greedy,
    Guesses,
    Order,
    Picked,
    Step,
    Writer,
    fill_blanks,
    held,
    otherwise,
    rows,
)

FIRST = 12  # steps that stand ahead of a new text's cursor
AHEAD = 24  # steps that are written again at most when something changes before them
LONGEST = 1_024
WARM, COLD = 0.8, 0.0  # the temperature a text is continued with, and that of a translation or a blank, unless the reader turns it

OPENS = ("open", "blank_open", "pair_invented")
"""The examples that pages of writing open with: texts that leave the model a choice."""

# ---------------------------------------------------------------- the state


def _numbers(name: str, count: int) -> Field[tuple[Any, ...]]:
    """Groups of `count` whole numbers, joined by points, one group from the next by a dash."""

    def read(given: str) -> tuple[tuple[int, ...], ...]:
        groups = [group.split(".") for group in given.split("-")]
        plain = all(len(group) == count and all(number.isascii() and number.isdigit() and len(number) <= 7 for number in group) for group in groups)
        if len(given) > 20_000 or not plain:
            sentence = "tokens put in by hand are written as {count} numbers joined by points, and joined by -; got {given!r}"
            raise Refusal("link.picks", sentence, count=count, given=given[:40])
        return tuple(tuple(map(int, group)) for group in groups)

    return Field(name, (), read, lambda groups: "-".join(".".join(map(str, group)) for group in groups))


REPETITION = state.number("g.r", 1.0, 1.0, 2.0)
TEMPERATURE: Field[float | None] = Field("g.t", None, state.number("g.t", WARM, 0.0, 2.0, decimals=4).read, lambda value: format(value, ".12g"))
TOP_K = state.integer("g.k", 0, 0, 100)
TOP_P = state.number("g.p", 1.0, 0.05, 1.0)
MIN_P = state.number("g.m", 0.0, 0.0, 0.5)
FREQUENCY = state.number("g.freq", 0.0, 0.0, 2.0)
PRESENCE = state.number("g.pres", 0.0, 0.0, 2.0)
TYPICAL = state.number("g.typ", 1.0, 0.05, 1.0)
SEED = state.integer("g.seed", 0, 0, SEEDS - 1)
COUNT = state.integer("g.n", FIRST, 0, LONGEST)
AT = state.integer("g.at", 0, 0, LONGEST)
PICKS = _numbers("g.picks", 2)
"""Steps held, as number of the step and id."""
FILLS = _numbers("g.fills", 3)
"""Fillings held, as number of the step, place and id."""
ONWARD = state.option("g.on", "dials", ("dials", "greedy"))
"""How a text goes on after a token that it might have had."""
STOP = state.flag("g.stop", True)
ORDER: Field[Order] = state.option("g.order", ORDERS[0], ORDERS)
SPEED = state.option("g.speed", 2.0, SPEEDS)
TURNED: dict[str, Field[Any]] = {
    "repetition_penalty": REPETITION,
    "frequency_penalty": FREQUENCY,
    "presence_penalty": PRESENCE,
    "temperature": TEMPERATURE,
    "top_k": TOP_K,
    "top_p": TOP_P,
    "min_p": MIN_P,
    "typical": TYPICAL,
    "seed": SEED,
}
FIELDS = (*TURNED.values(), COUNT, AT, PICKS, FILLS, STOP, ORDER, SPEED, ONWARD, branches.BRANCHES)


# ---------------------------------------------------------------- what is known at the cursor


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What the model makes of the text at the cursor: the logits for the token to come (V,) and where it looked, (layers, heads, S), in
    `crossed` at the source (nothing where there is none). `history` is what a penalty counts; `place` the position the die is thrown
    for; `written` the token that stands there, if one does."""

    logits: NDArray[np.floating[Any]]
    pattern: NDArray[np.floating[Any]]
    crossed: NDArray[np.floating[Any]]
    history: tuple[int, ...]
    place: int
    written: int | None


# ---------------------------------------------------------------- the text on the player


@dataclass
class Line(ABC):
    """The text one session is writing: the model and prompt it belongs to, where the reader stands among its steps, and which of them
    the dials as they stand would not have written. `usual` is its temperature until the reader turns the dial."""

    key: tuple[Any, ...]
    usual: float
    at: int = 0
    held: Mapping[int, Any] = field(default_factory=dict)
    changes: Iterator[int] = field(default_factory=itertools.count)
    revision: int = 0
    left: bool = False
    """Whether the reader has gone on to another prompt, which the whole page must hear of."""
    playing: bool = False
    """Whether the last step was one of many that the player asks for by itself."""

    @property
    @abstractmethod
    def steps(self) -> Sequence[Chosen]:
        """What was written, ahead of the cursor too."""

    @property
    @abstractmethod
    def ids(self) -> tuple[int, ...]:
        """Every token as the text stands at the cursor."""

    @property
    def seen(self) -> tuple[int, ...]:
        """The same as the model read it for the moment at the cursor."""
        return self.ids

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Whether nothing can be written after the last step."""

    @abstractmethod
    def moment(self) -> Moment:
        """What is known at the cursor, from the step kept there or from the model."""

    @property
    @abstractmethod
    def trail(self) -> tuple[int, ...]:
        """Every step, those ahead of the cursor too, as a branch keeps it: a number each."""

    @abstractmethod
    def token(self, number: int) -> int:
        """Which token a number of the trail puts in."""

    @abstractmethod
    def holds(self, trail: Sequence[int]) -> bool:
        """Whether this model could write such a trail here."""

    @abstractmethod
    def put(self, number: int) -> None:
        """Write one step of a trail by hand."""

    @abstractmethod
    def would(self, number: int, choose: Choose) -> tuple[int, ...]:
        """The trail that `choose` would leave, were this step put in at the cursor; the text itself stays as it is."""

    @abstractmethod
    def here(self, id: int) -> int:
        """The number of a trail that puts this token in at the cursor."""

    @abstractmethod
    def write(self, choose: Choose | Picked) -> None:
        """Write one step after the last, where the reader wants it."""

    @abstractmethod
    def follow(self, count: int, link: bool = False) -> None:
        """Write with the dials as they stand until there are `count` steps, or the text is over; at first, what the link holds."""

    @abstractmethod
    def rewind(self, count: int) -> None:
        """Keep the first `count` steps."""

    @abstractmethod
    def differing(self, start: int) -> Mapping[int, Any]:
        """The steps from `start` on that the dials as they stand would have written otherwise, and how they are."""

    @abstractmethod
    def note(self) -> None:
        """Put what is held into the link."""

    @property
    def dials(self) -> Dials:
        """The dials as they stand."""
        turned: dict[str, Any] = {name: state.get(kept) for name, kept in TURNED.items()}
        if turned["temperature"] is None:
            turned["temperature"] = self.usual
        return Dials(**turned)

    @property
    def course(self) -> Continuation:
        """What the model makes of every step, as each was chosen."""
        nats, rank = ([getattr(step, name) for step in self.steps] for name in ("log_probability", "rank"))
        return Continuation(self.trail, np.array(nats, np.float64), np.array(rank, np.int64))

    @property
    def over(self) -> bool:
        """Whether the cursor is at the end and nothing more can be written."""
        return self.at == len(self.steps) and self.finished

    @property
    def departing(self) -> bool:
        """Whether the next step is to be another than the one that stands ahead."""
        return False

    def keep(self) -> None:
        """Let the link say what the text is now."""
        self.look()
        state.put(COUNT, len(self.steps))
        state.put(AT, self.at)
        self.note()

    def look(self) -> None:
        """Note which steps the dials as they stand would not have written."""
        self.revision = next(self.changes)
        self.held = self.differing(0)


@dataclass(kw_only=True)
class Continued(Line):
    """A text that grows at its end: a decoder's, or an encoder–decoder's about its source. `end` is the token that ends it."""

    writer: Writer
    end: int | None

    @property
    def steps(self) -> Sequence[Step]:
        return self.writer.steps

    @property
    def ids(self) -> tuple[int, ...]:
        return (*self.writer.prompt, *(step.id for step in self.steps[: self.at]))

    @property
    def stop(self) -> int | None:
        """The token that ends the text, where the reader wants it to end."""
        return self.end if state.get(STOP) else None

    @property
    def finished(self) -> bool:
        return not self.writer.room or bool(self.steps and self.steps[-1].id == self.stop)

    @property
    def trail(self) -> tuple[int, ...]:
        return ids_of(self)

    def token(self, number: int) -> int:
        return number

    def here(self, id: int) -> int:
        return id

    def holds(self, trail: Sequence[int]) -> bool:
        return len(trail) <= self.writer.limit and max(trail) < self.writer.model.config.vocabulary

    def put(self, number: int) -> None:
        self.write(Picked(number))

    def would(self, number: int, choose: Choose) -> tuple[int, ...]:
        before = (*self.trail[: self.at], number)
        count = max(FIRST, len(self.steps) - self.at) - 1
        writer = Writer(self.writer.model, (*self.writer.prompt, *before), source=self.writer.source)
        ahead = () if number == self.stop else writer.follow(choose, count, stop=self.stop)
        return (*before, *(step.id for step in ahead))

    @property
    def cached(self) -> tuple[int, int]:
        """What the KV cache holds at the cursor: tokens of the text, and bytes, those of the source among them."""
        here = self.steps[self.at] if self.at < len(self.steps) else None
        return self.writer.cached if here is None else (here.cached, here.cache_bytes)

    def moment(self) -> Moment:
        if self.at < len(self.steps):
            step = self.steps[self.at]
            return Moment(step.logits, step.pattern, step.cross, step.history, len(step.history), step.id)
        reading, history = self.writer.reading, self.writer.history
        return Moment(reading.logits.cpu().numpy(), rows(reading.patterns), rows(reading.crossed), history, len(history), None)

    def write(self, choose: Choose | Picked) -> None:
        self.writer.write(choose)

    def follow(self, count: int, link: bool = False) -> None:
        vocabulary = self.writer.model.config.vocabulary
        picks = {number: id for number, id in state.get(PICKS) if id < vocabulary} if link else {}
        for _ in self.writer.follow(self.dials.choose(), count, picks, self.stop):
            pass

    def rewind(self, count: int) -> None:
        self.writer.rewind(count)

    def differing(self, start: int) -> Mapping[int, int]:
        return held(self.steps[start:], self.dials.choose())

    def note(self) -> None:
        state.put(PICKS, tuple(self.held.items()))


@dataclass(kw_only=True)
class Filled(Line):
    """A text whose blanks are filled. `chosen` is the place of the blank the reader wants filled next, `None` where the order decides."""

    filler: Filler
    chosen: int | None = None

    @property
    def steps(self) -> Sequence[Fill]:
        return self.filler.steps

    @property
    def ids(self) -> tuple[int, ...]:
        filled = {step.place: step.id for step in self.steps[: self.at]}
        return tuple(filled.get(place, id) for place, id in enumerate(self.filler.text))

    @property
    def seen(self) -> tuple[int, ...]:
        return tuple(self.filler.blank if place == self.place else id for place, id in enumerate(self.ids))

    @property
    def finished(self) -> bool:
        return not self.filler.open

    @property
    def trail(self) -> tuple[int, ...]:
        """One number for each filling, place × V + id, for the same token in another blank is another filling."""
        return tuple(self._number(step.place, step.id) for step in self.steps)

    def token(self, number: int) -> int:
        return self._filling(number)[1]

    def here(self, id: int) -> int:
        return self._number(self.place, id)

    def holds(self, trail: Sequence[int]) -> bool:
        places, ids = zip(*map(self._filling, trail), strict=True)
        return set(places) <= set(self.filler.blanks) and len(set(places)) == len(places) and self.filler.blank not in ids

    def put(self, number: int) -> None:
        self.chosen, id = self._filling(number)
        self.write(Picked(id))

    def would(self, number: int, choose: Choose) -> tuple[int, ...]:
        picks = dict(enumerate(map(self._filling, (*self.trail[: self.at], number))))
        steps = fill_blanks(self.filler.model, self.filler.text, self.filler.blank, choose, state.get(ORDER), picks)
        return tuple(self._number(step.place, step.id) for step in steps)

    def after(self, trail: Sequence[int]) -> tuple[int, ...]:
        """The text with these fillings, its other blanks open."""
        filled = dict(map(self._filling, trail))
        return tuple(filled.get(place, id) for place, id in enumerate(self.filler.text))

    def replayed(self, trail: Sequence[int]) -> Continuation:
        """What the model makes of every filling of a trail, put in by hand one after the other."""
        filler = Filler(self.filler.model, self.filler.text, self.filler.blank)
        steps = list(filler.follow(Greedy(), len(trail), picks=dict(enumerate(map(self._filling, trail)))))
        nats, rank = ([getattr(step, name) for step in steps] for name in ("log_probability", "rank"))
        return Continuation(tuple(trail), np.array(nats, np.float64), np.array(rank, np.int64))

    def _number(self, place: int, id: int) -> int:
        return place * self.filler.model.config.vocabulary + id

    def _filling(self, number: int) -> tuple[int, int]:
        return divmod(number, self.filler.model.config.vocabulary)

    @property
    def guesses(self) -> Guesses:
        """What the model expects at the blanks that are open at the cursor; at the very end, at the one that was filled last."""
        if self.at < len(self.steps):
            return self.steps[self.at].guesses
        return self.filler.guesses if self.filler.open else self.steps[-1].guesses

    @property
    def place(self) -> int:
        """The blank that is looked at: the reader's choice, the one filled next, at the very end the one filled last."""
        if self.chosen is not None:
            return self.chosen
        if self.over:
            return self.steps[-1].place
        return self.steps[self.at].place if self.at < len(self.steps) else self.guesses.next(state.get(ORDER))

    @property
    def departing(self) -> bool:
        return self.chosen is not None and self.at < len(self.steps) and self.steps[self.at].place != self.chosen

    @property
    def ahead(self) -> Mapping[int, Fill]:
        """What will stand in the blanks that are open at the cursor, by place, where that is written."""
        return {step.place: step for step in self.steps[self.at :]}

    def moment(self) -> Moment:
        place, guesses = self.place, self.guesses
        here = self.steps[-1] if self.over else self.ahead.get(place)
        history = tuple(id for id in self.ids if id != self.filler.blank) if not self.over else self.steps[-1].history
        return Moment(guesses.at(place), guesses.pattern(place), rows(()), history, place, None if here is None else here.id)

    def write(self, choose: Choose | Picked) -> None:
        self.filler.fill(choose, self.chosen, state.get(ORDER))
        self.chosen = None

    def follow(self, count: int, link: bool = False) -> None:
        picks = {number: (place, id) for number, place, id in state.get(FILLS)} if link else {}
        try:
            self._follow(count, picks)
        except Refusal:  # a link may say anything
            self.filler.rewind(0)
            self._follow(count, {})

    def _follow(self, count: int, picks: Mapping[int, tuple[int, int]]) -> None:
        for _ in self.filler.follow(self.dials.choose(), count, state.get(ORDER), picks):
            pass

    def rewind(self, count: int) -> None:
        self.filler.rewind(count)

    def differing(self, start: int) -> Mapping[int, tuple[int, int]]:
        return otherwise(self.steps[start:], self.dials.choose(), state.get(ORDER))

    def note(self) -> None:
        state.put(FILLS, tuple((number, *pair) for number, pair in self.held.items()))


# ---------------------------------------------------------------- one line a session


def line_of(session: Session) -> Line:
    """This session's text, begun anew for another model or prompt, and once from the link. Raises `Refusal` for an encoder's text
    without blanks."""
    key = (session.specimen.id, session.prompt.given, session.prompt.source_ids)
    line: Line = state.remember("generation.line", lambda: _begin(session, key))
    if line.key == key:
        return line
    for other in (COUNT, AT, PICKS, FILLS):
        state.reset(other)
    state.forget("generation.line")
    branches.of(key)
    return state.remember("generation.line", lambda: _begin(session, key))


def _begin(session: Session, key: tuple[Any, ...]) -> Line:
    line = _line(session, key)
    line.follow(state.get(COUNT), link=True)
    line.at = min(state.get(AT), len(line.steps))
    line.look()
    return line


def _line(session: Session, key: tuple[Any, ...]) -> Line:
    specimen, prompt = session.specimen, session.prompt
    model, form = specimen.loaded.model, specimen.config.form
    if isinstance(form, Encoder):
        return Filled(key, COLD, filler=Filler(model, prompt.ids, prompt.ids[prompt.blanks[0]] if prompt.blanks else -1))
    writer = Writer(model, prompt.given, source=prompt.source_ids or None)
    return Continued(key, WARM if isinstance(form, Decoder) else COLD, writer=writer, end=specimen.loaded.marks.stop)


def no_blank(session: Session) -> str:
    """What the reader of an encoder is told whose text has no blanks: that it needs some, or that this model's texts have no token for them."""
    tokenizer = session.specimen.loaded.tokenizer
    return session.words("generation.no_blank" if tokenizer is not None and tokenizer.blank is not None else "generation.no_blank_token")


# ---------------------------------------------------------------- what the reader does


def act(line: Line, what: Act, at: int) -> None:
    """Move along the text, look at one of its blanks; beyond its end, write."""
    chosen = at if what == "choose" else None
    line.playing = what == "play"
    match what:
        case "step" | "play":
            forward(line)
        case "back":
            line.at = max(0, line.at - 1)
        case "go":
            line.at = at
        case "restart":
            before = line.trail
            line.rewind(0)
            line.at = 0
            abandon(line, before)
    if isinstance(line, Filled):
        line.chosen = chosen if chosen in line.guesses.places and not line.over else None
    line.keep()


def forward(line: Line) -> None:
    """One step on: to what is already written, or to a new one."""
    if line.over:
        return
    if line.departing:
        rewrite(line, line.at, line.dials.choose())
    elif line.at == len(line.steps):
        line.write(line.dials.choose())
    line.at += 1


def turn(line: Line, turned: Dials) -> None:
    """Other dials act from here on: what they would have written otherwise is written again, what came before is held."""
    for name, kept in TURNED.items():
        if getattr(turned, name) != getattr(line.dials, name):
            state.put(kept, getattr(turned, name))
    reconsider(line)


def branch(line: Line, id: int) -> None:
    """Put a token here by hand and go on from it."""
    if line.over:
        return
    if isinstance(line, Filled):
        line.chosen = line.place
    before = line.trail
    rewrite(line, line.at, Picked(id))
    line.at += 1
    line.keep()
    abandon(line, before)


def throw_again(line: Line) -> None:
    """Another seed, from here on."""
    before = line.trail
    turn(line, replace(line.dials, seed=(state.get(SEED) + 1) % SEEDS))
    abandon(line, before)


def ids_of(line: Line) -> tuple[int, ...]:
    """Every new token, those ahead of the cursor too."""
    return tuple(step.id for step in line.steps)


def abandon(line: Line, before: tuple[int, ...]) -> None:
    """Keep what stood here `before`, a trail, as a branch, unless the text still holds it."""
    if not branches.begins(line.trail, before):
        branches.keep(line.key, before)


def what_if(line: Line, id: int, choose: Choose) -> None:
    """Keep as a branch what `choose` would write, were this token put at the cursor; the text itself stays as it is."""
    branches.keep(line.key, line.would(line.here(id), choose))


def visit(line: Line, key: int) -> None:
    """Go to a kept branch, to where it parts from the text, which is kept in its place. One that this model cannot write is passed over."""
    found = next((each for each in branches.of(line.key) if each.key == key), None)
    if found is None or not line.holds(found.ids):
        return
    before = line.trail
    parting = branches.common(before, found.ids)
    line.rewind(parting)
    for number in found.ids[parting:]:
        line.put(number)
    line.at = parting
    line.keep()
    if not found.pinned:
        branches.drop(line.key, key)
    abandon(line, before)


def toggle(line: Line, wanted: bool) -> None:
    """End at the end of the document, or write on into the next one; fill the surest blank first, or the first from the left."""
    if isinstance(line, Filled):
        state.put(ORDER, ORDERS[0] if wanted else ORDERS[1])
        reconsider(line)
    else:
        state.put(STOP, wanted)
        line.keep()


def reconsider(line: Line) -> None:
    """Write again what would now be written otherwise, from the cursor on."""
    differing = line.differing(line.at)
    if differing:
        rewrite(line, min(differing))
    line.keep()


def rewrite(line: Line, start: int, first: Choose | Picked | None = None) -> None:
    """Take back everything from `start` on and write about as much again, the first of it as told where it is."""
    count = min(len(line.steps), line.at + AHEAD)
    line.rewind(start)
    if first is not None:
        line.write(first)
    line.follow(count)


def go_on(line: Line, path: Sequence[int], places: Sequence[int] = ()) -> None:
    """Stand after tokens put in by hand, in blanks at these `places`, with a few more written ahead; what stood here before is kept as
    a branch. Raises `Refusal` for tokens that this text has no room for."""
    before = line.trail
    line.rewind(0 if isinstance(line, Filled) else branches.common(before, path))
    for number in range(len(line.steps), len(path)):
        if isinstance(line, Filled):
            line.chosen = places[number]
        line.write(Picked(path[number]))
    line.at = len(path)
    line.follow(line.at + FIRST)
    line.keep()
    abandon(line, before)


def unwritten() -> None:
    """Let the next line begin with nothing written ahead, where there is none yet and the link holds none."""
    if state.remember("generation.line", lambda: None) is None:
        state.forget("generation.line")
        if state.get(COUNT) == COUNT.default:
            state.put(COUNT, 0)
