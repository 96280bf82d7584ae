"""The next token: every token's probability, and the dials."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from components import compute
from components.canvas import distribution
from components.canvas.distribution import Dials
from components.canvas.plate import visible
from components.page import Session, exhibit
from components.pages.generation.pieces import around, piece, pieces, read_again, revision
from components.writing import Filled, Line, Moment, branch, throw_again, turn
from model.generation import die, pick, softmax, stages


def next_token(session: Session, line: Line, now: Moment) -> None:
    """The distribution of the token to come, with its dials."""
    words, turned = session.words, line.dials
    scene = distribution.Scene(
        title=_title(session, line),
        logits=now.logits,
        history=now.history,
        die=die(turned.seed, now.place),
        written=now.written,
        live=not line.over,
        revision=f"{revision(session, line)}.{now.place}",
    )
    heard, picked, again = partial(turn, line), partial(branch, line), partial(throw_again, line)
    exhibit(
        session,
        "distribution",
        lambda: distribution.distribution(words, "dials", scene, turned, _vocabulary(session), turned=heard, picked=picked, again=again),
        _next_in_words(session, line, now),
        lambda: distribution_table(session, now, turned),
        lambda: read_again(line) + NEXT_AGAIN.format(choose=turned.choose(), history=now.history),
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


def distribution_table(session: Session, now: Moment, turned: Dials) -> pd.DataFrame:
    """Every token, before and after each filter."""
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


NEXT_AGAIN = """\
from model.generation import Greedy, Sample, stages

line = stages(here.logits[place].numpy(), {choose}, {history})
numbers = {{"model": line[0].before}} | {{stage.name: stage.after for stage in line}}
"""
