"""The branches beside the text: what was left when the reader went another way, to compare and to go back to."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from components import branches, compute, state
from components.branches import Branch
from components.canvas.branches import Act, Row, Scene, branch_rows
from components.canvas.plate import visible
from components.page import Session, exhibit, quoted
from components.pages.generation.pieces import piece, pieces, revision
from components.writing import ONWARD, Filled, Line, Moment, visit, what_if
from model.generation import Continuation, Greedy, pick, softmax

SHOWN = 40  # tokens of a row, from where the first of them parts
OTHERS = 4  # tokens that might have stood here
BEFORE = 5  # tokens of what they have in common
WHOLE = 60  # tokens of a text with blanks


def swaps(session: Session, line: Line, now: Moment) -> None:
    """What if another token stood here: a button for each of the likeliest others, which keeps what would follow as a branch."""
    words, probabilities = session.words, softmax(now.logits)
    own = pick(now.logits, line.dials.choose(), now.history, now.place) if now.written is None else now.written
    others = [int(id) for id in np.argsort(-probabilities, kind="stable")[: OTHERS + 1] if id != own][:OTHERS]
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="what-if"):
        st.markdown(words("generation.what_if.asked", token=quoted(visible(piece(session, own)))), width="content")
        for number, id in enumerate(others):
            said = f"{quoted(visible(piece(session, id)))} · {words.percent(probabilities[id])}"
            st.button(said, key=f"what-if-{number}", on_click=partial(_swap, line, id), disabled=line.over)
        ways = {way: words(f"generation.what_if.{way}") for way in ("dials", "greedy")}
        bound = state.bind(ONWARD)
        st.segmented_control(
            words("generation.what_if.onward"), list(ways), format_func=ways.__getitem__, required=True, label_visibility="collapsed", **bound
        )


def _swap(line: Line, id: int) -> None:
    what_if(line, id, Greedy() if state.get(ONWARD) == "greedy" else line.dials.choose())


def beside(session: Session, line: Line) -> None:
    """The text and its branches, row under row; nothing while there are none. A branch that this model could not write is left out."""
    found = {each: _scored(session, line, each) for each in branches.of(line.key) if line.holds(each.ids)}
    if not found:
        return
    present = line.course
    exhibit(
        session,
        "branches",
        lambda: branch_rows(session.words, "branches", scene(session, line, present, found), partial(_act, line)),
        branches_in_words(session, line, present, found),
        lambda: branches_table(session, line, present, found),
        lambda: branches_again(line, found),
    )


def _scored(session: Session, line: Line, branch: Branch) -> Continuation:
    if isinstance(line, Filled):
        return compute.decoded("replayed", session.specimen, line.key, branch.ids, make=partial(line.replayed, branch.ids))
    return compute.scored(session.specimen, session.prompt.given, branch.ids, session.prompt.source_ids)


def _act(line: Line, what: Act, key: int) -> None:
    if what == "visit":
        visit(line, key)
    else:
        {"drop": branches.drop, "pin": branches.pin}[what](line.key, key)


def scene(session: Session, line: Line, present: Continuation, found: dict[Branch, Continuation]) -> Scene:
    """The rows from where the first branch parts."""
    start = min(branches.common(present.ids, each.ids) for each in found)
    start = min(start, *(len(each.ids) - 1 for each in found))
    before, most = _before(session, line, present.ids[:start]), WHOLE if isinstance(line, Filled) else BEFORE
    named = ("…", *before[-most:]) if len(before) > most else before
    drawn = [(None, present), *found.items()]
    rows = tuple(_row(session, line, present, scored, start, each) for each, scored in drawn)
    return Scene(rows, named, start + 1, f"{revision(session, line)}.{hash((present.ids, *found)) & 0xFFFFFFFF:x}", isinstance(line, Filled))


def _before(session: Session, line: Line, trail: tuple[int, ...]) -> tuple[str, ...]:
    """What all rows have in common: the text as far as that, or with those blanks filled."""
    if isinstance(line, Filled):
        return pieces(session, line.after(trail))
    return pieces(session, (*session.prompt.given, *trail))


def _row(session: Session, line: Line, present: Continuation, scored: Continuation, start: int, branch: Branch | None) -> Row:
    words, shown = session.words, scored.ids[start : start + SHOWN]
    parting = branches.common(present.ids, scored.ids) - start
    return Row(
        key=None if branch is None else branch.key,
        pieces=tuple(piece(session, line.token(number)) for number in shown),
        shares=tuple(np.exp(scored.nats[start : start + SHOWN]).tolist()),
        parting=parting if branch is not None and parting < len(shown) else None,
        more=len(scored.ids) - start - len(shown),
        figures=(
            words("generation.branches.total", total=words.number(scored.total, 1), tokens=words.number(len(scored.ids))),
            words("generation.branches.perplexity", perplexity=words.number(scored.perplexity, 2)),
        ),
        told="" if branch is None else difference(session, line, present, scored),
        pinned=branch is not None and branch.pinned,
    )


def difference(session: Session, line: Line, present: Continuation, scored: Continuation) -> str:
    """Where a branch parts from the text, and with what; of a text with blanks, all of it before that."""
    words, at = session.words, branches.common(present.ids, scored.ids)
    told = {"place": words.number(at + 1)} | _token(session, line, "here", present, at) | _token(session, line, "there", scored, at)
    kind = "on" if at == len(present.ids) else "held" if at == len(scored.ids) else "differs"
    if not isinstance(line, Filled):
        return words(f"generation.branches.{kind}", **told)
    text = "".join(pieces(session, line.after(scored.ids))[session.prompt.opening : len(session.prompt.ids) - session.prompt.closing]).strip()
    return f"“{visible(text)}” {words(f'generation.branches.{kind}_blank', **told)}"


def _token(session: Session, line: Line, name: str, scored: Continuation, at: int) -> dict[str, str]:
    if at == len(scored.ids):
        return {}
    return {name: visible(piece(session, line.token(scored.ids[at]))), f"{name}_share": session.words.percent(np.exp(scored.nats[at]))}


def branches_in_words(session: Session, line: Line, present: Continuation, found: dict[Branch, Continuation]) -> str:
    """Which of the rows the model would have been least surprised by, a token on average, and how the newest branch parts."""
    words, every = session.words, [present, *found.values()]
    best = min(range(len(every)), key=lambda row: every[row].perplexity if every[row].ids else np.inf)
    name = words("generation.branches.the_text") if best == 0 else words("generation.branches.the_branch", number=best)
    told = {"count": words.number(len(found)), "best": name, "perplexity": words.number(every[best].perplexity, 2)}
    newest = words("generation.branches.newest", told=difference(session, line, present, every[1]))
    return f"{words('generation.branches.reading_one' if len(found) == 1 else 'generation.branches.reading', **told)} {newest}"


def branches_table(session: Session, line: Line, present: Continuation, found: dict[Branch, Continuation]) -> pd.DataFrame:
    """Every token of every row."""
    words, rows = session.words, [present, *found.values()]
    columns: dict[str, list[Any]] = {name: [] for name in ("branch", "step", "token", "id", "probability", "nats", "total", "perplexity", "rank")}
    for number, row in enumerate(rows):
        columns["branch"] += [number] * len(row.ids)
        columns["step"] += range(1, len(row.ids) + 1)
        columns["token"] += [piece(session, line.token(number)) for number in row.ids]
        columns["id"] += [line.token(number) for number in row.ids]
        columns["probability"] += np.exp(row.nats).tolist()
        columns["nats"] += row.nats.tolist()
        columns["total"] += row.running.tolist()
        columns["perplexity"] += row.perplexities.tolist()
        columns["rank"] += row.rank.tolist()
    return pd.DataFrame({words(f"generation.table.{name}"): values for name, values in columns.items()})


def branches_again(line: Line, found: dict[Branch, Continuation]) -> str:
    """The lines that score every row again."""
    rows = [list(row) for row in (line.trail, *(each.ids for each in found))]
    if isinstance(line, Filled):
        return FILLINGS_AGAIN.format(text=list(line.filler.text), blank=line.filler.blank, rows=rows)
    return BRANCHES_AGAIN.format(prompt=list(line.key[1]), rows=rows)


BRANCHES_AGAIN = """
import numpy as np

from model.generation import continuation

rows = [continuation(model, {prompt}, row, source or None) for row in {rows}]  # the text first
numbers = {{
    "id": np.concatenate([row.ids for row in rows]),
    "nats": np.concatenate([row.nats for row in rows]),
    "total": np.concatenate([row.running for row in rows]),
    "perplexity": np.concatenate([row.perplexities for row in rows]),
    "rank": np.concatenate([row.rank for row in rows]),
}}
"""
FILLINGS_AGAIN = """
import numpy as np

from model.generation import Filler, Greedy

steps = []
for row in {rows}:  # the text first; a filling is place * vocabulary + id
    picks = dict(enumerate(divmod(number, model.config.vocabulary) for number in row))
    steps.append(list(Filler(model, {text}, {blank}).follow(Greedy(), len(row), picks=picks)))
totals = [np.cumsum([step.log_probability for step in row]) for row in steps]
numbers = {{
    "id": np.array([step.id for row in steps for step in row]),
    "nats": np.array([step.log_probability for row in steps for step in row]),
    "total": np.concatenate(totals),
    "perplexity": np.concatenate([np.exp(-total / np.arange(1, len(total) + 1)) for total in totals]),
    "rank": np.array([step.rank for row in steps for step in row]),
}}
"""
