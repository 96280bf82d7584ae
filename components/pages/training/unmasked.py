"""The first lesson: the same miniature with its causal mask and without. The one that sees everything dives under the exact floor."""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from components import lessons, state
from components.canvas.losscurve.following import guessing
from components.canvas.plate import visible
from components.figures import strips, weighing
from components.i18n import Words
from components.lessons import Peek, Trial
from components.page import Session, exhibit
from components.pages.training import curves
from components.pages.training.curves import Plot
from components.pages.training.stage import FEWEST, MOST, SEED, Lesson, table
from components.runs import floor
from model.layers.masks import Bidirectional, Causal
from model.text.tokenizer import BEGIN, Tokenizer
from model.training import NextToken
from model.training.objective import source

STEPS = state.integer("t.u.steps", 320, FEWEST, MOST)
SHOWN = 12
"""Tokens of a row whose masks are drawn."""


def _settings(words: Words) -> None:
    """This lesson has none of its own."""


def _trials(session: Session, budget: lessons.Budget, seed: int) -> Sequence[Trial[Peek]]:
    prompt = session.prompt.source or session.prompt
    return lessons.unmasked(budget, seed, prompt.text)


def _plot(words: Words, trials: Sequence[Trial[Peek]]) -> Plot:
    names = LESSON.names(words)
    passages = tuple(
        curves.passage(words, line, names[line], seen, seen.loss, seen.found.opening, seen.found.text)
        for line, trial in enumerate(trials)
        for seen in trial.seen
    )
    return Plot(tuple(curves.trained(trial) for trial in trials), floor(), passages, True)


def _told(words: Words, trials: Sequence[Trial[Peek]]) -> str:
    """What each run pays, since when the second pays less than anyone can, and what it pays when it must read as writers do."""
    seen = lessons.last_looks(trials)
    if seen is None or not seen[1].tokens:
        return words("training.unmasked.before")
    honest, cheat = seen
    say = partial(words.number, digits=2)
    since = curves.under(curves.trained(trials[1]), floor())
    verdict = "above" if since is None else "under"
    began = {} if since is None else {"since": words.number(since[0], 1)}
    costs = cheat.found.cost
    first = words("training.unmasked.honest", loss=say(honest.loss), times=say(honest.loss / floor()), floor=words.number(floor(), 3))
    second = words(f"training.unmasked.{verdict}", loss=say(cheat.loss), **began)
    worse = "worse" if costs.causal > guessing() else "poor"
    third = words(f"training.unmasked.{worse}", open=say(costs.open), causal=say(costs.causal), honest=say(honest.found.cost.causal))
    return f"{first} {second} {third}"


def _found(session: Session, trials: Sequence[Trial[Peek]]) -> None:
    """The two continuations of the reader's text, and what held-out documents cost both ways."""
    words, seen = session.words, lessons.last_looks(trials)
    if seen is None:
        return
    found = [one.found for one in seen]
    st.header(words("training.unmasked.result"))
    exhibit(session, "training-result", lambda: _beside(words, found), _costs(words, found), lambda: _table(words, found))


def _beside(words: Words, found: Sequence[Peek]) -> None:
    names = LESSON.names(words)
    lines = "".join(
        f"<p><b>{html.escape(name)}</b> <span>{html.escape(peek.opening)}</span>{html.escape(peek.text)}</p>"
        for name, peek in zip(names, found, strict=True)
    )
    st.html(f'<div class="v-written v-continued">{lines}</div>')
    say = partial(words.number, digits=2)
    rows = [
        weighing.Row(words(f"training.unmasked.{way}"), words("size.figures.measured"), tuple(say(getattr(peek.cost, way)) for peek in found))
        for way in ("open", "causal")
    ]
    rows.append(weighing.Row(words("training.unmasked.least"), words("size.figures.computed"), tuple(say(peek.cost.floor) for peek in found)))
    st.html(weighing.table(words, rows, names))


def _costs(words: Words, found: Sequence[Peek]) -> str:
    say = partial(words.number, digits=2)
    honest, cheat = found[0].cost, found[1].cost
    verdict = "cheat" if cheat.open < cheat.floor else "honest"
    return words(
        f"training.unmasked.costs_{verdict}", open=say(cheat.open), causal=say(cheat.causal), floor=say(cheat.floor), honest=say(honest.causal)
    )


def _table(words: Words, found: Sequence[Peek]) -> pd.DataFrame:
    columns = {
        "run": LESSON.names(words),
        "opening": [peek.opening for peek in found],
        "text": [peek.text for peek in found],
        "loss_open": [peek.cost.open for peek in found],
        "loss_causal": [peek.cost.causal for peek in found],
        "floor": [peek.cost.floor for peek in found],
    }
    return table(words, columns)


# ---------------------------------------------------------------- the masks


def _pictures(session: Session) -> None:
    """Who may look at whom on the first tokens of the first row, and where the answer stands."""
    words, seed = session.words, state.get(SEED)
    st.header(words("training.unmasked.masks"))
    pieces, answers = row(seed)
    exhibit(
        session,
        "training-masks",
        lambda: _maps(words, pieces),
        words("training.unmasked.sight", token=visible(pieces[1]), answer=visible(answers[1])),
        lambda: _sight(words, pieces, answers),
        lambda: MASKS_AGAIN.format(seed=seed, row=lessons.ROW, shown=SHOWN),
    )


def row(seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The first tokens of the first row that both runs read, and what each is to say."""
    preset = lessons.preset(NextToken(), lessons.LIVE.recipe.budget, seed)
    dealt, words = source(preset.task, lessons.ROW, seed=seed, dials=preset.dials).next(1), Tokenizer.for_world()
    said = [tuple(words.piece(number) for number in ids[0, :SHOWN].tolist()) for ids in (dealt.ids, dealt.targets)]
    return said[0], said[1]


def masks() -> tuple[np.ndarray, np.ndarray]:
    """The causal mask and the one that hides nothing: (tokens, tokens)."""
    return Causal().build(SHOWN).numpy(), Bidirectional().build(SHOWN).numpy()


def _maps(words: Words, pieces: tuple[str, ...]) -> None:
    said = {name: words(f"training.unmasked.map.{name}") for name in ("yes", "ahead", "no", "answer", "way")}
    shown = [words("shell.prompt.begin") if piece == BEGIN else visible(piece).strip() for piece in pieces]
    for column, name, allowed in zip(st.columns(2, gap="medium"), LESSON.names(words), masks(), strict=True):
        with column:
            st.html(strips.grid(name, shown, allowed, np.eye(SHOWN, k=1, dtype=bool), said))
    st.html(strips.legend([(kind, said[kind]) for kind in ("yes", "ahead", "answer", "no")]))


def _sight(words: Words, pieces: tuple[str, ...], answers: tuple[str, ...]) -> pd.DataFrame:
    causal, everything = masks()
    columns = {
        "row": range(1, SHOWN + 1),
        "token": [visible(piece) for piece in pieces],
        "answer": [visible(piece) for piece in answers],
        "seen_causal": causal.sum(1),
        "seen_open": everything.sum(1),
    }
    return table(words, columns)


MASKS_AGAIN = """
from model.layers.masks import Bidirectional, Causal
from model.text.world import Dials
from model.text.tokenizer import BEGIN
from model.training import NextToken
from model.training.objective import source

batch = source(NextToken(), {row}, seed={seed}, dials=Dials()).next(1)
numbers = {{"ids": batch.ids[0, :{shown}].numpy(), "answers": batch.targets[0, :{shown}].numpy()}}
numbers |= {{"causal": Causal().build({shown}).numpy(), "open": Bidirectional().build({shown}).numpy()}}
"""

LESSON = Lesson("unmasked", 2, STEPS, (), _settings, _trials, _plot, _found, _pictures, _told)
