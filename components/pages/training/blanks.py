"""The second lesson: an encoder learns to fill blanks. Its rate, what becomes of the tokens asked for, and how long the spans are."""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from components import lessons, state
from components.canvas.plate import visible
from components.figures import strips
from components.figures.strips import Token
from components.i18n import Words
from components.lessons import Guessed, Hidden, Trial, blank_words, hidden
from components.page import Session, exhibit
from components.pages.training import curves
from components.pages.training.curves import Plot
from components.pages.training.stage import FEWEST, MOST, SEED, Lesson, table
from components.theme import PAIR
from model.training import Masked

STEPS = state.integer("t.b.steps", 1_300, FEWEST, MOST)
RATE = state.integer("t.rate", 15, 5, 60)
BLANK = state.integer("t.blank", 80, 0, 100)
RANDOM = state.integer("t.random", 10, 0, 100)
SPAN = state.number("t.span", 1.0, 1.0, 6.0)
FATES = ("hidden", "exchanged", "kept")


def objective() -> Masked:
    """The objective on the page now. What blanks and exchanges leave is kept; a link whose shares are more than all loses exchanges."""
    blank = state.get(BLANK)
    return Masked(rate=state.get(RATE) / 100, blank=blank / 100, random=min(state.get(RANDOM), 100 - blank) / 100, span=state.get(SPAN))


def _settings(words: Words) -> None:
    """Three shares and a length. The shares of blanks and exchanges give way to each other, so that they are never more than all."""
    with st.container(key="training-blanks", gap="small"):
        st.slider(words("training.blanks.rate"), 5, 60, step=5, format="%d%%", help=words("training.blanks.rate_help"), **state.bind(RATE))
        yielding = partial(_yield, RANDOM, BLANK), partial(_yield, BLANK, RANDOM)
        st.slider(words("training.blanks.hidden"), 0, 100, step=5, format="%d%%", **state.bind(BLANK, then=yielding[0]))
        exchanged = min(state.get(RANDOM), 100 - state.get(BLANK))
        st.slider(words("training.blanks.exchanged"), 0, 100, step=5, format="%d%%", **state.bind(RANDOM, then=yielding[1], shown=exchanged))
        st.html(_shares(words, objective()))
        st.slider(words("training.blanks.span"), 1.0, 6.0, step=0.5, format="localized", help=words("training.blanks.span_help"), **state.bind(SPAN))


def _yield(other: state.Field[int], moved: state.Field[int]) -> None:
    """Leave the other share what the moved one leaves."""
    state.put(other, min(state.get(other), 100 - state.get(moved)))


def _shares(words: Words, masked: Masked) -> str:
    """What becomes of the tokens asked for, as one bar."""
    shares = (masked.blank, masked.random, max(0.0, 1 - masked.blank - masked.random))
    parts = "".join(f'<i class="v-{fate}" style="width:{share:.1%}"></i>' for fate, share in zip(FATES, shares, strict=True))
    told = html.escape(
        words("training.blanks.shares", **{fate: words.percent(share, 0) for fate, share in zip(FATES, shares, strict=True)}),
    )
    return f'<div class="v-shares" role="img" aria-label="{told}">{parts}</div><p class="v-plan">{told}</p>'


def _trials(session: Session, budget: lessons.Budget, seed: int) -> Sequence[Trial[Guessed]]:
    return lessons.blanks(budget, seed, objective())


def _plot(words: Words, trials: Sequence[Trial[Guessed]]) -> Plot:
    least = _floor(trials)
    points = tuple(curves.measured(trial.seen, [seen.found.filled.loss for seen in trial.seen]) for trial in trials)
    return Plot(points, least, (), False)


def _floor(trials: Sequence[Trial[Guessed]]) -> float:
    """The exact floor on held-out blanks: once a run has measured it, or anyone before."""
    seen = trials[0].last if trials else None
    return seen.found.filled.floor if seen else float(np.mean([blank.entropy for kind in lessons.examined().values() for blank in kind]))


def _told(words: Words, trials: Sequence[Trial[Guessed]]) -> str:
    seen = trials[0].last if trials else None
    if seen is None or not seen.tokens:
        return words("training.blanks.before")
    filled = seen.found.filled
    return words(
        "training.blanks.reading",
        seconds=words.number(seen.seconds, 0),
        right=words.percent(filled.accuracy, 0),
        best=words.percent(filled.best, 0),
        loss=words.number(filled.loss, 2),
        floor=words.number(filled.floor, 2),
        count=filled.blanks,
        tokens=words.count(seen.tokens),
    )


# ---------------------------------------------------------------- blanks and guesses


def _found(session: Session, trials: Sequence[Trial[Guessed]]) -> None:
    """Held-out documents as the model sees them, with its guesses once it has any; and at the end how well each kind is filled."""
    words = session.words
    seen = trials[0].last if trials else None
    given = hidden(trials[0].preset.task, trials[0].preset.recipe.seed) if trials and isinstance(trials[0].preset.task, Masked) else None
    shown = given or hidden(objective(), state.get(SEED))
    guessed = seen.found if seen else None
    st.header(words("training.blanks.batch"))
    exhibit(
        session,
        "training-blanks",
        lambda: _drawn(words, shown, guessed),
        _right(words, shown, guessed),
        lambda: _guesses(words, shown, guessed),
        lambda: _again(trials),
    )
    if guessed is not None and guessed.kinds:
        st.header(words("training.blanks.result"))
        exhibit(session, "training-kinds", lambda: st.html(_bars(words, guessed)), _kinds(words, guessed), lambda: _by_kind(words, guessed))


def fates(given: Hidden) -> list[list[str]]:
    """What became of each token of each document: "" where it is not asked for."""
    blank = blank_words().blank
    return [
        ["" if not asked else "hidden" if now == blank else "kept" if now == was else "exchanged" for was, now, asked in zip(*row, strict=True)]
        for row in zip(given.ids, given.shown, given.asked, strict=True)
    ]


def _drawn(words: Words, given: Hidden, guessed: Guessed | None) -> None:
    place, rows = 0, []
    for ids, shown, kinds in zip(given.ids, given.shown, fates(given), strict=True):
        row = []
        for was, now, kind in zip(ids[1:], shown[1:], kinds[1:], strict=True):
            row.append(_token(words, was, now, kind, guessed, place))
            place += bool(kind)
        rows.append(row)
    st.html(strips.strip(rows) + strips.legend([(fate, words(f"training.blanks.legend.{fate}")) for fate in FATES]))


def _token(words: Words, was: int, now: int, kind: str, guessed: Guessed | None, place: int) -> Token:
    tokenizer = blank_words()
    text = "___" if kind == "hidden" else visible(tokenizer.piece(now)).strip()
    if not kind or guessed is None:
        return Token(text, kind, visible(tokenizer.piece(was)).strip() if kind else "")
    guess, truth = int(guessed.guesses[place]), visible(tokenizer.piece(was)).strip()
    told = visible(tokenizer.piece(guess)).strip()
    sure, fair = words.percent(float(guessed.probability[place]), 0), words.percent(float(guessed.truth[place]), 0)
    right = guess == was
    return Token(text, kind, f"✓ {told} {sure}" if right else f"{told} {sure} · {truth} {fair}", right)


def _right(words: Words, given: Hidden, guessed: Guessed | None) -> str:
    count = sum(map(sum, given.asked))
    tokens = sum(len(row) - 1 for row in given.ids)
    share = words.percent(count / max(1, tokens), 0)
    if guessed is None or not count:
        return words("training.blanks.none", count=count, tokens=tokens, share=share)
    truths = [was for ids, asked in zip(given.ids, given.asked, strict=True) for was, is_asked in zip(ids, asked, strict=True) if is_asked]
    right = int((guessed.guesses == np.array(truths)).sum())
    return words("training.blanks.guessed", right=right, count=count, tokens=tokens)


def _guesses(words: Words, given: Hidden, guessed: Guessed | None) -> pd.DataFrame:
    """A row a token that is asked for."""
    piece = lambda number: visible(blank_words().piece(number))  # noqa: E731
    every = [
        (number + 1, place, kind, piece(was), piece(now))
        for number, (ids, shown, kinds) in enumerate(zip(given.ids, given.shown, fates(given), strict=True))
        for place, (was, now, kind) in enumerate(zip(ids, shown, kinds, strict=True))
        if kind
    ]
    columns: dict[str, Any] = {name: [row[n] for row in every] for n, name in enumerate(("document", "position", "fate", "truth", "shown"))}
    columns["fate"] = [words(f"training.blanks.fate.{kind}") for kind in columns["fate"]]
    columns["best"] = given.best
    if guessed is not None:
        columns |= {"guess": [piece(int(guess)) for guess in guessed.guesses], "probability": guessed.probability, "truth_probability": guessed.truth}
    return table(words, columns)


def _bars(words: Words, guessed: Guessed) -> str:
    """A row a kind: how often the guess is right, and how often the best possible guess is."""
    rows = []
    for kind, filled in guessed.kinds.items():
        said = words("training.blanks.of", right=words.percent(filled.accuracy, 0), best=words.percent(filled.best, 0))
        drawn = f'<i style="width:{filled.accuracy:.1%};background:{PAIR[0]}"></i><i style="width:{filled.best:.1%};background:var(--dim)"></i>'
        name = html.escape(words(f"training.kinds.{kind}"))
        rows.append(f'<div class="v-skill"><b>{name}</b><em>{html.escape(said)}</em><span>{drawn}</span></div>')
    return f'<div class="v-plate v-skills">{"".join(rows)}</div>'


def _kinds(words: Words, guessed: Guessed) -> str:
    best = max(guessed.kinds, key=lambda kind: guessed.kinds[kind].accuracy / guessed.kinds[kind].best)
    least = min(guessed.kinds, key=lambda kind: guessed.kinds[kind].accuracy / guessed.kinds[kind].best)
    told = {}
    for name, kind in (("best", best), ("least", least)):
        filled = guessed.kinds[kind]
        shares = {f"{name}_right": words.percent(filled.accuracy, 0), f"{name}_most": words.percent(filled.best, 0)}
        told |= {name: words(f"training.kinds.{kind}")} | shares
    return words("training.blanks.by_kind", **told)


def _by_kind(words: Words, guessed: Guessed) -> pd.DataFrame:
    filled = guessed.kinds.values()
    columns = {
        "kind": [words(f"training.kinds.{kind}") for kind in guessed.kinds],
        "blanks": [one.blanks for one in filled],
        "right": [one.accuracy for one in filled],
        "best": [one.best for one in filled],
        "loss": [one.loss for one in filled],
        "floor": [one.floor for one in filled],
    }
    return table(words, columns)


def _again(trials: Sequence[Trial[Guessed]]) -> str:
    task = trials[0].preset.task if trials else objective()
    seed = trials[0].preset.recipe.seed if trials else state.get(SEED)
    return HIDDEN_AGAIN.format(objective=task, seed=seed, dials=lessons.BLANK_WORLD.weights, shown=lessons.SHOWN)


HIDDEN_AGAIN = """
import numpy as np
import torch

from model.text.tokenizer import BLANK, Tokenizer
from model.text.world import Dials, World
from model.training import Masked
from model.training.objective import hide

words, dice = Tokenizer.for_world(BLANK), torch.Generator().manual_seed({seed})
world = World("shown {seed}", Dials(weights={dials}))
rows = [torch.tensor([[words.begin, *words.ids(world.document(kind).text)]]) for kind, count in {shown} for _ in range(count)]
pairs = [hide(row, {objective}, words, dice) for row in rows]
numbers = {{"truth": np.concatenate([row[0].numpy() for row in rows])}}
numbers |= {{name: np.concatenate([pair[n][0].numpy() for pair in pairs]) for n, name in enumerate(("shown", "asked"))}}
"""

LESSON = Lesson("blanks", 1, STEPS, (RATE, BLANK, RANDOM, SPAN), _settings, _trials, _plot, _found, lambda session: None, _told)
