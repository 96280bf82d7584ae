"""Generation: the text growing token by token, the distribution each one came from, and where the model looked to choose it.

The text on the player is a value of the link: the prompt, the dials, how many tokens, and which of them are *held*, that
is, are not what the dials as they stand would have chosen. Replaying is generating again.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from components import compute, state
from components.canvas import distribution, timeline
from components.canvas.distribution import SEEDS, Dials
from components.canvas.gaze import Gaze, gaze_rows
from components.canvas.plate import visible
from components.canvas.timeline import SPEEDS, Act, Cache, Token
from components.page import Page, Session, block, exhibit
from model.errors import Refusal
from model.generation import Picked, Writer, die, held, pick, rows, softmax, stages

FIRST = 12  # tokens that stand ahead of a new text's cursor
AHEAD = 24  # tokens that are written again at most when something changes before them
LONGEST = 1_024

# ---------------------------------------------------------------- the state


def _picks(given: str) -> tuple[tuple[int, int], ...]:
    pairs = [pair.partition(".") for pair in given.split("-")]
    if len(given) > 20_000 or not all(number.isascii() and number.isdigit() and len(number) <= 7 for place, _, id in pairs for number in (place, id)):
        raise Refusal("link.picks", "tokens put in by hand are written place.id, joined by -; got {given!r}", given=given[:40])
    return tuple((int(place), int(id)) for place, _, id in pairs)


REPETITION = state.number("g.r", 1.0, 1.0, 2.0)
TEMPERATURE = state.number("g.t", 0.8, 0.0, 2.0)
TOP_K = state.integer("g.k", 0, 0, 100)
TOP_P = state.number("g.p", 1.0, 0.05, 1.0)
MIN_P = state.number("g.m", 0.0, 0.0, 0.5)
SEED = state.integer("g.seed", 0, 0, SEEDS - 1)
COUNT = state.integer("g.n", FIRST, 0, LONGEST)
AT = state.integer("g.at", 0, 0, LONGEST)
PICKS = state.Field("g.picks", (), _picks, lambda picks: "-".join(f"{place}.{id}" for place, id in picks))
STOP = state.flag("g.stop", True)
SPEED = state.option("g.speed", 2.0, SPEEDS)
TURNED = {"repetition_penalty": REPETITION, "temperature": TEMPERATURE, "top_k": TOP_K, "top_p": TOP_P, "min_p": MIN_P, "seed": SEED}


def dials() -> Dials:
    """The dials as they stand."""
    return Dials(**{name: state.get(turned) for name, turned in TURNED.items()})


# ---------------------------------------------------------------- the text on the player


@dataclass(slots=True)
class Line:
    """The text one session is writing: on which model and prompt, its steps, and where the reader stands among them."""

    key: tuple[str, tuple[int, ...]]
    writer: Writer
    end: int
    at: int = 0
    held: Mapping[int, int] = field(default_factory=dict)
    changes: Iterator[int] = field(default_factory=itertools.count)
    revision: int = 0

    @property
    def stop(self) -> int | None:
        """The token that ends the text, where the reader wants it to end."""
        return self.end if state.get(STOP) else None

    @property
    def over(self) -> bool:
        """Whether the cursor is at the end and nothing more can be written."""
        steps = self.writer.steps
        return self.at == len(steps) and (not self.writer.room or bool(steps and steps[-1].id == self.stop))

    def keep(self) -> None:
        """Let the link say what the text is now."""
        self.look()
        state.put(COUNT, len(self.writer.steps))
        state.put(AT, self.at)
        state.put(PICKS, tuple(self.held.items()))

    def look(self) -> None:
        """Note which tokens the dials as they stand would not have written."""
        self.revision = next(self.changes)
        self.held = held(self.writer.steps, dials().choose())


def line_of(session: Session) -> Line:
    """This session's text, begun anew for another model or prompt, and once from the link."""
    key = (session.specimen.id, session.prompt.ids)
    line: Line = state.remember("generation.line", lambda: _begin(session, key))
    if line.key == key:
        return line
    for other in (COUNT, AT, PICKS):
        state.reset(other)
    state.forget("generation.line")
    return state.remember("generation.line", lambda: _begin(session, key))


def write_on(line: Line, count: int, picks: Mapping[int, int] | None = None) -> None:
    """Write with the dials as they stand until there are `count` tokens, or the text is over."""
    for _ in line.writer.follow(dials().choose(), count, picks or {}, line.stop):
        pass


def _begin(session: Session, key: tuple[str, tuple[int, ...]]) -> Line:
    model = session.specimen.loaded.model
    line = Line(key, Writer(model, session.prompt.ids), session.specimen.tokenizer.begin)
    vocabulary = model.config.vocabulary
    picks = {place: id for place, id in state.get(PICKS) if id < vocabulary}
    write_on(line, state.get(COUNT), picks)
    line.at = min(state.get(AT), len(line.writer.steps))
    line.look()
    return line


# ---------------------------------------------------------------- what the reader does


def act(line: Line, what: Act, at: int) -> None:
    """Move along the text; beyond its end, write."""
    match what:
        case "step":
            forward(line)
        case "back":
            line.at = max(0, line.at - 1)
        case "go":
            line.at = at
        case "restart":
            line.writer.rewind(0)
            line.at = 0
    line.keep()


def forward(line: Line) -> None:
    """One step on: to what is already written, or to a new token."""
    if line.over:
        return
    if line.at == len(line.writer.steps):
        line.writer.write(dials().choose())
    line.at += 1


def turn(line: Line, turned: Dials) -> None:
    """Other dials act from here on: what they would have written otherwise is written again, what came before is held."""
    for name, kept in TURNED.items():
        state.put(kept, getattr(turned, name))
    otherwise = held(line.writer.steps[line.at :], turned.choose())
    if otherwise:
        rewrite(line, min(otherwise))
    line.keep()


def branch(line: Line, id: int) -> None:
    """Put a token here by hand and go on from it."""
    if line.over:
        return
    rewrite(line, line.at, id)
    line.at += 1
    line.keep()


def throw_again(line: Line) -> None:
    """Another seed, from here on."""
    turn(line, replace(dials(), seed=(state.get(SEED) + 1) % SEEDS))


def rewrite(line: Line, start: int, id: int | None = None) -> None:
    """Take back everything from `start` on and write about as much again, beginning with a token put there by hand if one is given."""
    count = min(len(line.writer.steps), line.at + AHEAD)
    line.writer.rewind(start)
    if id is not None:
        line.writer.write(Picked(id))
    write_on(line, count)


def stop_with_document(line: Line, wanted: bool) -> None:
    """End at the end of the document, or write on into the next one."""
    state.put(STOP, wanted)
    line.keep()


# ---------------------------------------------------------------- the page


def render(session: Session) -> None:
    """The page: one paragraph, the player, and what lies behind the next token."""
    st.title(session.words("generation.title"))
    st.markdown(session.words("generation.lead"))
    stage(session)


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What is known at the cursor: the logits for the next token (V,), where the last one looked (layers, heads, S), all ids
    so far, what the cache holds, and the token written here, if one is."""

    logits: NDArray[np.floating[Any]]
    pattern: NDArray[np.floating[Any]]
    history: tuple[int, ...]
    cached: tuple[int, int]
    written: int | None


def moment(line: Line) -> Moment:
    """The moment at the cursor, from the step kept there or from the model."""
    writer = line.writer
    if line.at < len(writer.steps):
        step = writer.steps[line.at]
        return Moment(step.logits, step.pattern, step.history, (step.cached, step.cache_bytes), step.id)
    reading = writer.reading
    return Moment(reading.logits.cpu().numpy(), rows(reading.patterns), writer.history, writer.cached, None)


@block
def stage(session: Session) -> None:
    """Everything that depends on the text and the cursor."""
    line = line_of(session)
    now = moment(line)
    _player(session, line, now)
    left, right = st.columns([17, 10], gap="medium")
    with left:
        _next(session, line, now)
    with right:
        _looked(session, line, now)


def piece(session: Session, id: int) -> str:
    """A token as it is written; the one that opens and ends documents by its name."""
    tokenizer = session.specimen.tokenizer
    return session.words("generation.end_token") if id == tokenizer.begin else tokenizer.piece(id)


def pieces(session: Session, ids: tuple[int, ...]) -> tuple[str, ...]:
    """The prompt's pieces as the page shows them, then the new ones."""
    prompt = session.prompt.pieces
    return (*prompt, *(piece(session, id) for id in ids[len(prompt) :]))


# ---------------------------------------------------------------- the player


def _player(session: Session, line: Line, now: Moment) -> None:
    steps, config = line.writer.steps, session.specimen.loaded.model.config
    tokens = tuple(Token(piece(session, step.id), step.probability, step.rank, step.index in line.held) for step in steps)
    scene = timeline.Scene(
        prompt=session.prompt.pieces,
        tokens=tokens,
        at=line.at,
        ended=_ended(session, line),
        cache=Cache(now.cached[0], config.context, now.cached[1], config.layers),
        speed=state.get(SPEED),
        stop=state.get(STOP),
        revision=f"{session.specimen.id}.{line.revision}.{line.at}.{len(steps)}",
    )
    acted, paced, stopped = partial(act, line), partial(state.put, SPEED), partial(stop_with_document, line)
    exhibit(
        session,
        "text",
        lambda: timeline.timeline(session.words, "player", scene, acted=acted, paced=paced, stopped=stopped),
        _written_in_words(session, line),
        lambda: _steps_table(session, line, tokens),
    )


def _ended(session: Session, line: Line) -> str:
    if not line.over:
        return ""
    if line.writer.room:
        return session.words("generation.ended.document")
    return session.words("generation.ended.context", context=session.words.number(session.specimen.loaded.model.config.context))


def _written_in_words(session: Session, line: Line) -> str:
    words = session.words
    if line.at == 0:
        return words("generation.reading.nothing", tokens=words.number(len(session.prompt.ids)))
    step = line.writer.steps[line.at - 1]
    place = words("generation.reading.first") if step.rank == 1 else words("generation.reading.rank", rank=words.number(step.rank))
    told = {"token": visible(piece(session, step.id)), "share": words.percent(step.probability), "place": place}
    return words("generation.reading.written", **told, milliseconds=words.number(1_000 * step.seconds, 1))


def _steps_table(session: Session, line: Line, tokens: tuple[Token, ...]) -> pd.DataFrame:
    steps, name = line.writer.steps, lambda column: session.words(f"generation.table.{column}")
    return pd.DataFrame(
        {
            name("step"): [step.index + 1 for step in steps],
            name("token"): [token.piece for token in tokens],
            name("id"): [step.id for step in steps],
            name("probability"): [step.probability for step in steps],
            name("nats"): [step.log_probability for step in steps],
            name("rank"): [step.rank for step in steps],
            name("held"): [token.held for token in tokens],
            name("milliseconds"): [1_000 * step.seconds for step in steps],
            name("cached"): [step.cached for step in steps],
            name("bytes"): [step.cache_bytes for step in steps],
        }
    )


# ---------------------------------------------------------------- the next token


def _next(session: Session, line: Line, now: Moment) -> None:
    turned = dials()
    scene = distribution.Scene(
        logits=now.logits,
        history=now.history,
        before=pieces(session, now.history)[-1],
        die=die(turned.seed, len(now.history)),
        written=now.written,
        live=not line.over,
        revision=f"{session.specimen.id}.{line.revision}.{line.at}",
    )
    heard, picked, again = partial(turn, line), partial(branch, line), partial(throw_again, line)
    exhibit(
        session,
        "distribution",
        lambda: distribution.distribution(session.words, "dials", scene, turned, _vocabulary(session), turned=heard, picked=picked, again=again),
        _next_in_words(session, now, turned),
        lambda: _distribution_table(session, now, turned),
    )


def _vocabulary(session: Session) -> bytes:
    size = session.specimen.loaded.model.config.vocabulary
    make = lambda: distribution.pack_pieces([piece(session, id) for id in range(size)])  # noqa: E731
    return compute.packed("generation.vocabulary", session.specimen.id, session.words.language, make=make)


def _next_in_words(session: Session, now: Moment, turned: Dials) -> str:
    words, choose = session.words, turned.choose()
    before, after = softmax(now.logits), stages(now.logits, choose, now.history)[-1].after
    best, drawn = int(before.argmax()), pick(now.logits, choose, now.history)
    told = {"last": visible(pieces(session, now.history)[-1]), "best": visible(piece(session, best)), "share": words.percent(before[best])}
    left = {"kept": words.number(int(np.count_nonzero(after))), "all": words.number(len(after)), "drawn": visible(piece(session, drawn))}
    kind = "greedy" if turned.temperature == 0 else "drawn"
    said = words(f"generation.reading.{kind}", **told, **left, chance=words.percent(after[drawn]))
    if now.written in (None, drawn):
        return said
    return f"{said} {words('generation.reading.otherwise', written=visible(piece(session, now.written)))}"


def _distribution_table(session: Session, now: Moment, turned: Dials) -> pd.DataFrame:
    words, line = session.words, stages(now.logits, turned.choose(), now.history)
    order = np.argsort(-now.logits, kind="stable")
    name = lambda column: words(f"generation.table.{column}")  # noqa: E731
    columns: dict[str, Any] = {
        name("rank"): np.arange(len(order)) + 1,
        name("token"): [piece(session, id) for id in order],
        name("id"): order,
        name("model"): line[0].before[order],
    }
    for stage in line:
        columns[words("generation.table.after", filter=words(f"generation.dials.{stage.name}"))] = stage.after[order]
    return pd.DataFrame(columns)


# ---------------------------------------------------------------- where it looked


def _looked(session: Session, line: Line, now: Moment) -> None:
    gaze = Gaze(now.pattern, pieces(session, now.history), f"{session.specimen.id}.{line.revision}.{line.at}")
    exhibit(session, "gaze", lambda: gaze_rows(session.words, "gaze", gaze), _looked_in_words(session, gaze), lambda: _gaze_table(session, gaze))


def _looked_in_words(session: Session, gaze: Gaze) -> str:
    words, shown = session.words, [visible(text) for text in gaze.pieces]
    most = int(gaze.mean.argmax())
    told = {"token": shown[-1], "most": shown[most], "share": words.percent(gaze.mean[most])}
    if len(shown) == 1:
        return words("generation.reading.looked_alone", token=shown[-1])
    layer, head, column = (int(at) for at in np.unravel_index(gaze.pattern[:, :, 1:].argmax(), gaze.pattern[:, :, 1:].shape))
    weight = words.percent(gaze.pattern[layer, head, column + 1])
    return words("generation.reading.looked", **told, layer=layer + 1, head=head + 1, at=shown[column + 1], weight=weight)


def _gaze_table(session: Session, gaze: Gaze) -> pd.DataFrame:
    layers, heads, length = gaze.pattern.shape
    layer, head, column = (index.ravel() for index in np.indices((layers, heads, length)))
    names = ("layer", "head", "position", "token", "weight")
    values = (layer + 1, head + 1, column + 1, np.array(gaze.pieces, dtype=object)[column], gaze.pattern.ravel())
    return pd.DataFrame({session.words(f"generation.table.{name}"): each for name, each in zip(names, values, strict=True)})


PAGE = Page("generation", render, (*TURNED.values(), COUNT, AT, PICKS, STOP, SPEED))
