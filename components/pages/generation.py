"""Generation: the text growing token by token, a source being translated, or blanks being filled; the distribution each token came
from, and where the model looked to choose it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from components import compute, state
from components.canvas import distribution, timeline
from components.canvas.distribution import Dials
from components.canvas.gaze import Gaze, gaze_rows
from components.canvas.plate import visible
from components.canvas.timeline import Act, Cache, Part, Slot, Source, Token
from components.controls import prompt
from components.page import Page, Session, block, exhibit, note
from components.writing import FIELDS, ORDER, SPEED, STOP, Continued, Filled, Line, Moment, act, branch, line_of, throw_again, toggle, turn
from model.config import Decoder, Encoder
from model.generation import ORDERS, Chosen, die, pick, softmax, stages

GUESSES = 5  # tokens that a blank shows under the pointer
BLANK = "▁▁▁"


def render(session: Session) -> None:
    """The page: one paragraph, the player, and what lies behind the next token."""
    form = session.specimen.config.form
    st.title(session.words("generation.title"))
    st.markdown(session.words("generation.lead" if isinstance(form, Decoder) else f"generation.lead_{type(form).__name__.lower()}"))
    if isinstance(form, Encoder) and not session.prompt.blanks:
        spelled = session.specimen.loaded.tokenizer is not None and session.specimen.tokenizer.blank is not None
        note(session, session.words("generation.no_blank" if spelled else "generation.no_blank_token"))
        return
    stage(session)


@block
def stage(session: Session) -> None:
    """Everything that depends on the text and the cursor."""
    line = line_of(session)
    if line.left:
        st.rerun()
    now = line.moment()
    _player(session, line, now)
    left, right = st.columns([17, 10], gap="medium")
    with left:
        _next(session, line, now)
    with right:
        if now.crossed.size:
            _looked_across(session, line, now)
        _looked(session, line, now)


# ---------------------------------------------------------------- tokens as the page writes them


def piece(session: Session, id: int) -> str:
    """A token of the vocabulary as the model says it."""
    return prompt.predicted(session.words, session.specimen, id)


def pieces(session: Session, ids: tuple[int, ...]) -> tuple[str, ...]:
    """A text's pieces: as the prompt shows them where they are the prompt's, else as the model says them."""
    given = session.prompt
    shown = (given.pieces[place] if id == given.ids[place] else None for place, id in enumerate(ids[: len(given.given)]))
    return tuple(piece(session, id) if own is None else own for id, own in zip(ids, [*shown, *[None] * len(ids)], strict=False))


def around(session: Session, line: Filled) -> str:
    """The blank that is looked at, between what stands before it and after it."""
    shown = [visible(text) for text in pieces(session, line.seen)]
    return " ".join([*shown[max(0, line.place - 1) : line.place], BLANK, *shown[line.place + 1 : line.place + 2]])


# ---------------------------------------------------------------- the player


def _player(session: Session, line: Line, now: Moment) -> None:
    filled, source = isinstance(line, Filled), session.prompt.source
    scene = timeline.Scene(
        parts=tuple(_parts(session, line)),
        count=len(line.steps),
        at=line.at,
        ended=_ended(session, line),
        cache=_cache(session, line) if isinstance(line, Continued) else None,
        speed=state.get(SPEED),
        toggle=session.words(f"generation.player.toggle.{'blanks' if filled else 'source' if source else 'text'}"),
        toggled=state.get(ORDER) == ORDERS[0] if filled else state.get(STOP),
        revision=f"{_revision(session, line)}.{len(line.steps)}",
        source=None if source is None else Source(source.pieces, tuple(now.crossed.mean((0, 1)).tolist())),
        total=len(line.filler.blanks) if isinstance(line, Filled) else None,
        uncached=session.words("generation.player.uncached", tokens=session.words.number(len(line.ids))),
        swaps=source is not None and bool(line.steps),
    )
    acted, paced, toggled = partial(_act, session, line), partial(state.put, SPEED), partial(toggle, line)
    exhibit(
        session,
        "text",
        lambda: timeline.timeline(session.words, "player", scene, acted=acted, paced=paced, toggled=toggled),
        _filled_in_words(session, line) if isinstance(line, Filled) else _written_in_words(session, line),
        lambda: _steps_table(session, line),
        lambda: _steps_again(line),
    )


def _revision(session: Session, line: Line) -> str:
    return f"{session.specimen.id}.{line.revision}.{line.at}"


def _act(session: Session, line: Line, what: Act, at: int) -> None:
    if what == "swap":
        prompt.exchange(session.specimen, session.prompt, tuple(step.id for step in line.steps))
        line.left = True
    else:
        act(line, what, at)


def _parts(session: Session, line: Line) -> Iterable[Part]:
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


def _ended(session: Session, line: Line) -> str:
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


def _filled_in_words(session: Session, line: Filled) -> str:
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


def _steps_table(session: Session, line: Line) -> pd.DataFrame:
    name = lambda column: session.words(f"generation.table.{column}")  # noqa: E731
    steps: list[Any] = list(line.steps)
    columns: dict[str, list[Any]] = {
        "step": [step.index + 1 for step in steps],
        "token": [piece(session, step.id) for step in steps],
        "id": [step.id for step in steps],
        "probability": [step.probability for step in steps],
        "nats": [step.log_probability for step in steps],
        "rank": [step.rank for step in steps],
        "held": [step.index in line.held for step in steps],
        "milliseconds": [1_000 * step.seconds for step in steps],
    }
    if isinstance(line, Filled):
        columns["position"] = [step.place + 1 for step in steps]
    else:
        columns |= {"cached": [step.cached for step in steps], "bytes": [step.cache_bytes for step in steps]}
    return pd.DataFrame({name(column): values for column, values in columns.items()})


# ---------------------------------------------------------------- the next token


def _next(session: Session, line: Line, now: Moment) -> None:
    words, turned = session.words, line.dials
    scene = distribution.Scene(
        title=_title(session, line),
        logits=now.logits,
        history=now.history,
        die=die(turned.seed, now.place),
        written=now.written,
        live=not line.over,
        revision=f"{_revision(session, line)}.{now.place}",
    )
    heard, picked, again = partial(turn, line), partial(branch, line), partial(throw_again, line)
    exhibit(
        session,
        "distribution",
        lambda: distribution.distribution(words, "dials", scene, turned, _vocabulary(session), turned=heard, picked=picked, again=again),
        _next_in_words(session, line, now),
        lambda: _distribution_table(session, now, turned),
        lambda: _read_again(line) + NEXT_AGAIN.format(choose=turned.choose(), history=now.history),
    )


def _title(session: Session, line: Line) -> str:
    if isinstance(line, Filled):
        return session.words("generation.distribution.title_blank", context=around(session, line))
    return session.words("generation.distribution.title", before=visible(pieces(session, line.ids)[-1]))


def _vocabulary(session: Session) -> bytes:
    make = lambda: distribution.pack_pieces([piece(session, id) for id in range(session.specimen.config.vocabulary)])  # noqa: E731
    return compute.packed("generation.vocabulary", session.specimen.id, session.words.language, make=make)


def _next_in_words(session: Session, line: Line, now: Moment) -> str:
    words, turned = session.words, line.dials
    choose = turned.choose()
    before, after = softmax(now.logits), stages(now.logits, choose, now.history)[-1].after
    best, drawn = int(before.argmax()), pick(now.logits, choose, now.history, now.place)
    told = {"best": visible(piece(session, best)), "share": words.percent(before[best])}
    left = {"kept": words.number(int(np.count_nonzero(after))), "all": words.number(len(after)), "drawn": visible(piece(session, drawn))}
    where, how = "blank" if isinstance(line, Filled) else "after", "greedy" if turned.temperature == 0 else "drawn"
    asked = words(f"generation.reading.{where}", **told, last=visible(pieces(session, line.ids)[-1]))
    said = f"{asked} {words(f'generation.reading.{how}', **left, chance=words.percent(after[drawn]))}"
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
    filled = isinstance(line, Filled)
    title = session.words("generation.gaze.title_blank") if filled else ""
    gaze = Gaze(now.pattern, pieces(session, line.seen), _revision(session, line), title)
    said = _looked_in_words(session, gaze, "looked_blank" if filled else "looked")
    recipe = partial(_gaze_again, session, line, "attn")
    exhibit(session, "gaze", lambda: gaze_rows(session.words, "gaze", gaze), said, lambda: _gaze_table(session, gaze), recipe)


def _looked_across(session: Session, line: Line, now: Moment) -> None:
    source = session.prompt.source.pieces if session.prompt.source else ()
    last = visible(pieces(session, line.ids)[-1])
    gaze = Gaze(now.crossed, source, _revision(session, line), session.words("generation.gaze.title_source", token=last))
    exhibit(
        session,
        "across",
        lambda: gaze_rows(session.words, "across", gaze),
        _looked_in_words(session, gaze, "looked_source", last),
        lambda: _gaze_table(session, gaze),
        lambda: _gaze_again(session, line, "cross"),
    )


def _looked_in_words(session: Session, gaze: Gaze, kind: str = "looked", token: str = "") -> str:
    """Where the heads look on average, and the strongest gaze apart from the first token, which many heads look at for want of another."""
    words, shown = session.words, [visible(text) for text in gaze.pieces]
    most = int(gaze.mean.argmax())
    told = {"token": token or shown[-1], "most": shown[most], "share": words.percent(gaze.mean[most])}
    if len(shown) == 1:
        return words("generation.reading.looked_alone", token=shown[-1])
    layer, head, column = (int(at) for at in np.unravel_index(gaze.pattern[:, :, 1:].argmax(), gaze.pattern[:, :, 1:].shape))
    weight = words.percent(gaze.pattern[layer, head, column + 1])
    return words(f"generation.reading.{kind}", **told, layer=layer + 1, head=head + 1, at=shown[column + 1], weight=weight)


def _gaze_table(session: Session, gaze: Gaze) -> pd.DataFrame:
    layers, heads, length = gaze.pattern.shape
    layer, head, column = (index.ravel() for index in np.indices((layers, heads, length)))
    names = ("layer", "head", "position", "token", "weight")
    values = (layer + 1, head + 1, column + 1, np.array(gaze.pieces, dtype=object)[column], gaze.pattern.ravel())
    return pd.DataFrame({session.words(f"generation.table.{name}"): each for name, each in zip(names, values, strict=True)})


# ---------------------------------------------------------------- in a notebook


def _read_again(line: Line) -> str:
    """The lines that read the text as it stands at the cursor; `place` is where the model is asked."""
    return READ_AGAIN.format(text=list(line.seen), place=line.place if isinstance(line, Filled) else len(line.seen) - 1)


def _gaze_again(session: Session, line: Line, branch: str) -> str:
    layers = session.specimen.config.depths[session.specimen.config.main]
    return _read_again(line) + f"numbers = {{'weight': np.stack([here.pattern(layer, {branch!r})[:, place] for layer in range({layers})])}}"


def _steps_again(line: Line) -> str:
    """The lines that ask the model again for every token that was written, one forward pass each."""
    if isinstance(line, Filled):
        written = [(step.place, step.id) for step in line.steps]
        return STEPS_AGAIN.format(text=list(line.filler.text), written=written, place="place", then="text[place] = id")
    text = list(line.ids[: len(line.ids) - line.at])
    written = [(len(text) + at, step.id) for at, step in enumerate(line.steps)]
    return STEPS_AGAIN.format(text=text, written=written, place="place - 1", then="text.append(id)")


READ_AGAIN = """
import numpy as np
import torch

from model.trace import Tracer

text, place = {text}, {place}  # as it stands at the cursor, and where the model is asked
here = Tracer(model).trace(torch.tensor(text), source=torch.tensor(source) if source else None)
"""
NEXT_AGAIN = """\
from model.generation import Greedy, Sample, stages

line = stages(here.logits[place].numpy(), {choose}, {history})
numbers = {{"model": line[0].before}} | {{stage.name: stage.after for stage in line}}
"""
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
"""


PAGE = Page("generation", render, FIELDS)
