"""Speculative decoding on the page: a small model proposes, the model on show reads and judges; the proof that nothing changes, and two clocks."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from components import compute, state
from components.canvas.drafts import Scene, drafts, stages
from components.canvas.plate import visible
from components.compute import Specimen
from components.controls import prompt
from components.figures import drafting as figures
from components.page import Session, block, exhibit, layout, note, quoted
from components.pages.strategies.onward import door
from components.state import Field
from model.generation import Choose, Greedy, Round, Sample, Tally, Verdict, speculate, tally
from model.generation.agreement import Trial, trial
from model.generation.duel import Duel, duel

AHEAD = state.integer("b.ahead", 4, 1, 8)
LENGTH = state.integer("b.length", 24, 4, 64)
HEAT = state.number("b.heat", 0.8, 0.0, 2.0, decimals=4)
TOP_K = state.integer("b.top", 0, 0, 100)
TOP_P = state.number("b.p", 1.0, 0.05, 1.0)
MIN_P = state.number("b.min", 0.0, 0.0, 0.5)
SURE = state.number("b.sure", 0.0, 0.0, 0.95)
"""How probable the draft's likeliest token must be for it to propose at all."""
DICE = state.integer("b.dice", 0, 0, 9_999)
HELPER = state.text("b.draft", "", 80)
STAGE = state.integer("b.stage", 3, 0, 400)
TRIED = state.flag("b.try", False)
FIELDS = (AHEAD, LENGTH, HEAT, TOP_K, TOP_P, MIN_P, SURE, DICE, HELPER, STAGE, TRIED)
TIMES, LAPS = 2_000, 5


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What the page tells: the rounds that `draft` and the model on show wrote with these settings, and how many there are to come."""

    draft: Specimen
    choose: Choose
    ahead: int
    sure: float
    tokens: int
    rounds: tuple[Round, ...]

    @property
    def count(self) -> Tally:
        """All rounds together."""
        return tally(self.rounds)

    @property
    def ids(self) -> tuple[int, ...]:
        """The text they wrote."""
        return tuple(id for round in self.rounds for id in round.ids)


@block
def section(session: Session) -> None:
    """The dials, the story round by round, whether the distribution is the same, and how long it takes."""
    words = session.words
    st.markdown(words("strategies.drafts.lead"))
    found = compute.drafts(session.specimen)
    if len(found) == 1:
        note(session, words(f"strategies.drafts.alone_{'source' if session.prompt.source else 'text'}"))
    _controls(session, found)
    told = _found(session, found)
    exhibit(session, "drafts", lambda: _story(session, told), _sentence(session, told), lambda: _table(session, told), _recipe(session, told))
    with st.container(horizontal=True, vertical_alignment="center"):
        door(session, "drafts", told.ids)
        if isinstance(told.choose, Sample):
            st.button(words("strategies.drafts.again"), on_click=lambda: state.put(DICE, (state.get(DICE) + 1) % 10_000), key="drafts-draw")
    _tried(session, told)
    _timed(session, told)


def _controls(session: Session, found: Sequence[Specimen]) -> None:
    words = session.words

    def slider(name: str, field: Field[Any], low: float, high: float, step: float) -> None:
        label, help = (words(f"strategies.drafts.{name}{end}") for end in ("", "_help"))
        st.slider(label, low, high, step=step, width=120, format="localized", help=help, **state.bind(field))

    with st.container(key="drafts-controls", horizontal=True, gap="small", vertical_alignment="bottom"):
        names = {own.id: words("strategies.drafts.itself") if own is session.specimen else own.name for own in found}
        helper = {"help": words("strategies.drafts.helper_help"), **state.bind(HELPER, shown=_draft(found).id)}
        st.selectbox(words("strategies.drafts.helper"), [*names], format_func=names.__getitem__, width=200, **helper)
        slider("ahead", AHEAD, 1, 8, 1)
        slider("sure", SURE, 0.0, 0.95, 0.05)
        slider("heat", HEAT, 0.0, 2.0, 0.05)
        slider("k", TOP_K, 0, 100, 1)
        slider("p", TOP_P, 0.05, 1.0, 0.05)
        slider("min", MIN_P, 0.0, 0.5, 0.01)
        slider("length", LENGTH, 4, 64, 1)


# ---------------------------------------------------------------- what is found


def _draft(found: Sequence[Specimen]) -> Specimen:
    """The draft that was chosen, or else the first there is."""
    return next((own for own in found if own.id == state.get(HELPER)), found[0])


def _choose() -> Choose:
    heat = state.get(HEAT)
    cuts = {"top_k": state.get(TOP_K), "top_p": state.get(TOP_P), "min_p": state.get(MIN_P)}
    return Greedy() if heat == 0 else Sample(temperature=heat, **cuts, seed=state.get(DICE))


def _found(session: Session, found: Sequence[Specimen]) -> Told:
    specimen, given, source = session.specimen, session.prompt.given, session.prompt.source_ids
    draft, choose, ahead, sure, tokens = _draft(found), _choose(), state.get(AHEAD), state.get(SURE), state.get(LENGTH)
    stop = specimen.loaded.marks.stop if source else None
    model, helper = specimen.loaded.model, draft.loaded.model
    how = {"ahead": ahead, "sure": sure, "tokens": tokens, "stop": stop, "source": source or None}
    make = lambda: tuple(speculate(model, helper, given, choose, **how))  # noqa: E731
    rounds = compute.decoded("drafts", specimen, draft.id, given, source, choose, ahead, sure, tokens, make=make)
    return Told(draft, choose, ahead, sure, tokens, rounds)


def _story(session: Session, told: Told) -> None:
    shown = session.prompt.pieces[: len(session.prompt.given)]
    read = repr((session.prompt.given, session.prompt.source_ids, told.choose, told.ahead, told.sure, told.tokens)).encode()
    scene = Scene(
        revision=f"{session.specimen.id}.{told.draft.id}.{zlib.crc32(read):08x}.{session.words.language}",
        before=shown,
        rounds=told.rounds,
        at=state.get(STAGE),
        drawn=isinstance(told.choose, Sample),
        piece=lambda id: prompt.predicted(session.words, session.specimen, id),
    )
    drafts(session.words, "drafts", scene, lambda at: state.put(STAGE, at))


# ---------------------------------------------------------------- in words, as a table, in a notebook


def _sentence(session: Session, told: Told) -> str:
    words, count = session.words, told.count
    if count.rate is None or count.per_pass is None:
        return words("strategies.drafts.told_none", tokens=words.number(count.tokens))
    return words(
        "strategies.drafts.told",
        tokens=words.number(count.tokens),
        passes=words.number(count.rounds),
        each=words.number(count.per_pass, 2),
        proposed=words.number(count.proposed),
        judged=words.number(count.judged),
        accepted=words.number(count.accepted),
        rate=words.percent(count.rate),
    )


def _lines(session: Session, told: Told) -> Iterator[tuple[Any, ...]]:
    words = session.words
    for round in told.rounds:
        for place, draft in enumerate(round.drafts):
            verdict = round.verdicts[place] if place < len(round.verdicts) else None
            fate = "dropped" if verdict is None else "accepted" if verdict.accepted else "rejected"
            judged = (np.nan, np.nan) if verdict is None else (float(verdict.p[draft.id]), verdict.die)
            yield round.number + 1, draft.id, float(draft.q[draft.id]), *judged, words(f"strategies.drafts.{fate}")
        if round.added is not None:
            last = round.added
            yield round.number + 1, last.id, np.nan, float(last.probabilities[last.id]), last.die, words(f"strategies.drafts.{last.origin}")


def _table(session: Session, told: Told) -> pd.DataFrame:
    """Every token that was proposed or added, round by round."""
    lines = list(_lines(session, told))
    names = ("round", "id", "q", "p", "die", "fate")
    columns: dict[str, list[Any]] = {name: [line[place] for line in lines] for place, name in enumerate(names)}
    columns["token"] = [visible(prompt.predicted(session.words, session.specimen, id)) for id in columns["id"]]
    ordered = ("round", "token", *names[1:])
    return pd.DataFrame({session.words(f"strategies.drafts.table.{name}"): columns[name] for name in ordered})


def _recipe(session: Session, told: Told):
    if told.draft is session.specimen:
        helper = "model"
    elif told.draft.name == compute.DRAFTED:
        helper = "load(DRAFT).model"
    else:
        return None
    stop = session.specimen.loaded.marks.stop if session.prompt.source else None
    how = {"choose": told.choose, "ahead": told.ahead, "sure": told.sure, "tokens": told.tokens, "stop": stop}
    return lambda: AGAIN.format(helper=helper, given=list(session.prompt.given), **how)


AGAIN = """
import numpy as np

from model.checkpoints import DRAFT, load
from model.generation import Greedy, Sample, speculate

draft = {helper}
rounds = list(speculate(model, draft, {given}, {choose}, ahead={ahead}, sure={sure}, tokens={tokens}, stop={stop}, source=source or None))
verdicts = [(round.number + 1, verdict) for round in rounds for verdict in round.verdicts]
judged = [(number, one.draft.id, one.draft.q[one.draft.id], one.p[one.draft.id], one.die, one.accepted) for number, one in verdicts]
numbers = dict(zip(("round", "id", "q", "p", "die", "accepted"), np.array(judged, float).reshape(-1, 6).T, strict=True))
numbers["written"] = np.array([id for round in rounds for id in round.ids])
"""


# ---------------------------------------------------------------- the same distribution?


def _tried(session: Session, told: Told) -> None:
    """The rule tried many times where the round on show begins."""
    words, verdict = session.words, _at_hand(told)
    if verdict is None:
        return
    st.subheader(words("strategies.drafts.proved"))
    st.toggle(words("strategies.drafts.try", times=words.number(TIMES), token=quoted(_before(session, told))), **state.bind(TRIED))
    if not state.get(TRIED):
        return
    tried = trial(verdict.p, verdict.draft.q, times=TIMES)
    shown = lambda id: visible(prompt.predicted(words, session.specimen, id))  # noqa: E731
    chart = figures.figure(words, layout(session), tried, verdict.draft.q, shown)
    draw = lambda: st.plotly_chart(chart, theme=None, key="drafts-trial", config={"displayModeBar": False})  # noqa: E731
    exhibit(session, "trial", draw, _tried_in_words(session, tried), lambda: figures.table(words, tried, verdict.draft.q, shown))


def _at_hand(told: Told) -> Verdict | None:
    """The first verdict of the round on show, or the first of all."""
    order = stages(told.rounds)
    at = order[min(state.get(STAGE), len(order)) - 1].round if order and state.get(STAGE) else 0
    verdicts = [round.verdicts[0] for round in (*told.rounds[at:], *told.rounds) if round.verdicts]
    return verdicts[0] if verdicts else None


def _before(session: Session, told: Told) -> str:
    verdict = _at_hand(told)
    place = 0 if verdict is None else verdict.draft.index
    ids = (*session.prompt.given, *told.ids[:place])
    return visible(prompt.predicted(session.words, session.specimen, ids[-1]))


def _tried_in_words(session: Session, tried: Trial) -> str:
    words = session.words
    told = {"times": words.number(tried.times), "statistic": words.number(tried.statistic, 2), "freedom": words.number(tried.freedom)}
    if not tried.freedom:
        return words("strategies.drafts.trial_sure", **told)
    return words(f"strategies.drafts.trial_{'fits' if tried.chance >= 0.001 else 'odd'}", **told, chance=words.percent(tried.chance))


# ---------------------------------------------------------------- two clocks


def _timed(session: Session, told: Told) -> None:
    """Both ways in turns, when the reader asks."""
    words = session.words
    st.subheader(words("strategies.drafts.clocks"))
    key = (session.specimen.id, told.draft.id, session.prompt.given, session.prompt.source_ids, told.choose, told.ahead, told.sure, told.tokens)
    kept: dict[Any, Duel] = state.remember("drafts.duels", dict)
    if st.button(words("strategies.drafts.time"), key="drafts-time"):
        model, helper, source = session.specimen.loaded.model, told.draft.loaded.model, session.prompt.source_ids or None
        how = {"ahead": told.ahead, "sure": told.sure, "tokens": told.tokens, "source": source}
        kept[key] = duel(model, helper, session.prompt.given, told.choose, **how, laps=LAPS)
    if key not in kept:
        st.caption(words("strategies.drafts.untimed"))
        return
    found = kept[key]
    chart = figures.clocks(words, layout(session), found)
    draw = lambda: st.plotly_chart(chart, theme=None, key="drafts-clocks", config={"displayModeBar": False})  # noqa: E731
    exhibit(session, "clocks", draw, _timed_in_words(session, found), lambda: _clocks(session, found))


def _timed_in_words(session: Session, found: Duel) -> str:
    words = session.words
    told = words(
        f"strategies.drafts.timed_{'faster' if found.speed_up >= 1 else 'slower'}",
        alone=words.number(found.alone, 0),
        together=words.number(found.together, 0),
        factor=words.number(found.speed_up, 2),
        laps=words.number(found.laps),
    )
    why = words(
        "strategies.drafts.timed_why",
        promised=words.number(found.promised, 2),
        rate=words.percent(found.count.rate or 0.0),
        cost=words.number(found.cost, 2),
        reading=words.number(found.reading / found.step, 2),
        explained=words.number(found.explained, 2),
        ahead=words.number(found.ahead + 1),
    )
    return f"{told} {why}"


def _clocks(session: Session, found: Duel) -> pd.DataFrame:
    words = session.words
    values: dict[str, float] = {
        "alone": found.alone,
        "together": found.together,
        "factor": found.speed_up,
        "rate": found.count.rate or 0.0,
        "expected": found.expected,
        "per_pass": found.count.per_pass or 0.0,
        "step": 1_000 * found.step,
        "proposal": 1_000 * found.proposal,
        "reading": 1_000 * found.reading,
        "promised": found.promised,
        "explained": found.explained,
    }
    named = [words(f"strategies.drafts.clock.{name}", ahead=words.number(found.ahead + 1)) for name in values]
    rounded = [round(value, 3) for value in values.values()]
    return pd.DataFrame({words("strategies.drafts.clock.what"): named, words("strategies.drafts.clock.value"): rounded})
