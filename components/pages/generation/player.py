"""The text and its player: what was given, what was written, what is ahead, and the cache."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from components import state
from components.canvas import timeline
from components.canvas.plate import visible
from components.canvas.timeline import Act, Cache, Part, Slot, Source, Tally, Token
from components.controls import prompt
from components.page import Session, exhibit
from components.pages.generation.pieces import piece, revision
from components.writing import ORDER, SPEED, STOP, Continued, Filled, Line, Moment, act, toggle
from model.generation import ORDERS, Chosen, softmax

GUESSES = 5  # tokens that a blank shows under the pointer


def played(session: Session, line: Line, now: Moment) -> None:
    """The player with the text."""
    filled, source = isinstance(line, Filled), session.prompt.source
    scene = timeline.Scene(
        parts=tuple(parts(session, line)),
        count=len(line.steps),
        at=line.at,
        ended=ended(session, line),
        cache=_cache(session, line) if isinstance(line, Continued) else None,
        speed=state.get(SPEED),
        toggle=session.words(f"generation.player.toggle.{'blanks' if filled else 'source' if source else 'text'}"),
        toggled=state.get(ORDER) == ORDERS[0] if filled else state.get(STOP),
        revision=f"{revision(session, line)}.{len(line.steps)}",
        source=None if source is None else Source(source.pieces, tuple(now.crossed.mean((0, 1)).tolist())),
        total=len(line.filler.blanks) if isinstance(line, Filled) else None,
        uncached=session.words("generation.player.uncached", tokens=session.words.number(len(line.ids))),
        swaps=source is not None and bool(line.steps),
        tally=_tally(session, line),
    )
    acted, paced, toggled = partial(heard, session, line), partial(state.put, SPEED), partial(toggle, line)
    exhibit(
        session,
        "text",
        lambda: timeline.timeline(session.words, "player", scene, acted=acted, paced=paced, toggled=toggled),
        filled_in_words(session, line) if isinstance(line, Filled) else _written_in_words(session, line),
        lambda: steps_table(session, line),
        lambda: _steps_again(line),
    )


def _tally(session: Session, line: Line) -> Tally:
    """What the text comes to at the cursor: how probable all of it is together, and how surprised the model was on average."""
    course, words = line.course, session.words
    if not line.at:
        return Tally(tuple(course.nats), words("generation.player.tally_none"))
    figures = {"total": words.number(course.running[line.at - 1], 1), "perplexity": words.number(course.perplexities[line.at - 1], 2)}
    return Tally(tuple(course.nats), words("generation.player.tally", **figures))


def heard(session: Session, line: Line, what: Act, at: int) -> None:
    """What the reader did on the player."""
    if what == "swap":
        prompt.exchange(session.specimen, session.prompt, tuple(step.id for step in line.steps))
        line.left = True
    else:
        act(line, what, at)


def parts(session: Session, line: Line) -> Iterable[Part]:
    """The text as the player shows it."""
    if isinstance(line, Filled):
        return _blanks(session, line)
    given = session.prompt.pieces[: len(session.prompt.given)]
    return (*given, *(_token(session, line, step) for step in line.steps))


def _blanks(session: Session, line: Filled) -> Iterable[Part]:
    """The text with its blanks: those filled before the cursor as tokens, the others with what they could become."""
    done = {step.place: step for step in line.steps[: line.at]}
    for place, shown in enumerate(session.prompt.pieces):
        if place in done:
            yield _token(session, line, done[place])
        elif place in line.filler.blanks:
            ahead = line.ahead.get(place)
            yield Slot(place, _expected(session, line, place), None if ahead is None else _token(session, line, ahead), place == line.place)
        else:
            yield shown


def _expected(session: Session, line: Filled, place: int) -> tuple[tuple[str, float], ...]:
    """What the model would put into a blank first."""
    probabilities = softmax(line.guesses.at(place))
    likeliest = np.argpartition(-probabilities, range(min(GUESSES, len(probabilities) - 1)))[:GUESSES]
    return tuple((piece(session, int(id)), float(probabilities[id])) for id in likeliest)


def _token(session: Session, line: Line, step: Chosen) -> Token:
    return Token(piece(session, step.id), step.probability, step.rank, step.index in line.held, step.index)


def _cache(session: Session, line: Continued) -> Cache:
    (tokens, size), config = line.cached, session.specimen.config
    return Cache(tokens, config.context, size, config.layers, len(line.writer.prompt), len(session.prompt.source_ids))


def ended(session: Session, line: Line) -> str:
    """Why nothing more is written, if so."""
    if not line.over:
        return ""
    if isinstance(line, Filled):
        return session.words("generation.ended.blanks")
    kind = "source" if session.prompt.source else "document"
    full = session.words("generation.ended.context", context=session.words.number(session.specimen.config.context))
    return session.words(f"generation.ended.{kind}") if isinstance(line, Continued) and line.writer.room else full


def _written_in_words(session: Session, line: Line) -> str:
    words = session.words
    if line.at == 0:
        about = "nothing_source" if session.prompt.source else "nothing"
        counted = {"tokens": words.number(len(line.ids)), "source": words.number(len(session.prompt.source_ids))}
        return words(f"generation.reading.{about}", **counted)
    return words("generation.reading.written", **_chosen_in_words(session, line.steps[line.at - 1]))


def filled_in_words(session: Session, line: Filled) -> str:
    """What was filled last, and why there."""
    words = session.words
    if line.at == 0:
        counted = {"tokens": words.number(len(line.ids)), "blanks": words.number(len(line.filler.blanks))}
        return words("generation.reading.nothing_blank", **counted)
    step = line.steps[line.at - 1]
    by_hand = step.place != step.guesses.next(state.get(ORDER))
    told = {"open": words.number(len(step.guesses.places)), "place": words.number(step.place + 1)}
    why = "only" if len(step.guesses.places) == 1 else "hand" if by_hand else state.get(ORDER)
    said = words("generation.reading.filled", **_chosen_in_words(session, step))
    return f"{said} {words(f'generation.reading.why.{why}', **told)}"


def _chosen_in_words(session: Session, step: Any) -> dict[str, str]:
    """A token just chosen, how probable it was and how long it took."""
    words = session.words
    place = words("generation.reading.first") if step.rank == 1 else words("generation.reading.rank", rank=words.number(step.rank))
    told = {"token": visible(piece(session, step.id)), "share": words.percent(step.probability), "place": place}
    return told | {"milliseconds": words.number(1_000 * step.seconds, 1)}


def steps_table(session: Session, line: Line) -> pd.DataFrame:
    """Every step, a row each."""
    name = lambda column: session.words(f"generation.table.{column}")  # noqa: E731
    steps: list[Any] = list(line.steps)
    course = line.course
    columns: dict[str, Any] = {
        "step": [step.index + 1 for step in steps],
        "token": [piece(session, step.id) for step in steps],
        "id": [step.id for step in steps],
        "probability": [step.probability for step in steps],
        "nats": course.nats,
        "total": course.running,
        "perplexity": course.perplexities,
        "rank": [step.rank for step in steps],
        "held": [step.index in line.held for step in steps],
        "milliseconds": [1_000 * step.seconds for step in steps],
    }
    if isinstance(line, Filled):
        columns["position"] = [step.place + 1 for step in steps]
    else:
        columns |= {"cached": [step.cached for step in steps], "bytes": [step.cache_bytes for step in steps]}
    return pd.DataFrame({name(column): values for column, values in columns.items()})


def _steps_again(line: Line) -> str:
    """The lines that ask the model again for every token that was written, one forward pass each."""
    if isinstance(line, Filled):
        written = [(step.place, step.id) for step in line.steps]
        return STEPS_AGAIN.format(text=list(line.filler.text), written=written, place="place", then="text[place] = id")
    text = list(line.ids[: len(line.ids) - line.at])
    written = [(len(text) + at, step.id) for at, step in enumerate(line.steps)]
    return STEPS_AGAIN.format(text=text, written=written, place="place - 1", then="text.append(id)")


STEPS_AGAIN = """
import numpy as np
import torch

from model.trace import Tracer

text, found = {text}, []
for place, id in {written}:
    here = Tracer(model).trace(torch.tensor(text), source=torch.tensor(source) if source else None)
    nats = here.logits[{place}].double().log_softmax(-1)
    found.append((id, nats[id].exp().item(), nats[id].item(), 1 + int((nats > nats[id]).sum())))
    {then}
names = ("id", "probability", "nats", "rank")
numbers = dict(zip(names, np.array(found, float).reshape(-1, 4).T, strict=True))
numbers["total"] = numbers["nats"].cumsum()
numbers["perplexity"] = np.exp(-numbers["total"] / np.arange(1, len(found) + 1))
"""
