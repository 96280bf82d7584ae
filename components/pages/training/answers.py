"""The third lesson: instruction tuning with its loss mask and without. What is read but not counted is not learned."""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st

from components import lessons, state
from components.canvas.losscurve.following import guessing
from components.canvas.plate import visible
from components.figures import strips, weighing
from components.figures.strips import Token
from components.i18n import Words
from components.lessons import Replied, Trial
from components.page import Session, exhibit
from components.pages.training import curves
from components.pages.training.curves import Plot
from components.pages.training.stage import FEWEST, MOST, SEED, Lesson, table
from components.runs import BOUNDARY
from components.theme import PAIR
from model.text.instructions import InstructionStream
from model.text.tokenizer import BEGIN, Tokenizer

STEPS = state.integer("t.a.steps", 800, FEWEST, MOST)
SHOWN = 40
"""Tokens of a row whose loss mask is drawn."""


def _settings(words: Words) -> None:
    """This lesson has none of its own."""


def _trials(session: Session, budget: lessons.Budget, seed: int) -> Sequence[Trial[Replied]]:
    return lessons.answers(budget, seed)


def _plot(words: Words, trials: Sequence[Trial[Replied]]) -> Plot:
    names = LESSON.names(words)
    points = tuple(curves.measured(trial.seen, [seen.found.score.answer for seen in trial.seen]) for trial in trials)
    passages = tuple(
        curves.passage(words, line, names[line], seen, seen.found.score.answer, seen.found.prompt, f" {seen.found.reply}")
        for line, trial in enumerate(trials)
        for seen in trial.seen[::3]
    )
    return Plot(points, 0.0, passages, False)


def _told(words: Words, trials: Sequence[Trial[Replied]]) -> str:
    seen = lessons.last_looks(trials)
    if seen is None or not seen[1].tokens:
        return words("training.answers.before")
    masked, plain = seen[0].found.score, seen[1].found.score
    verdict = "more" if masked.right > plain.right + 0.02 else "less" if masked.right < plain.right - 0.02 else "same"
    told = words(
        "training.answers.reading",
        seconds=words.number(seen[0].seconds, 0),
        masked=words.percent(masked.right, 0),
        plain=words.percent(plain.right, 0),
        loss=words.number(masked.answer, 2),
        plain_loss=words.number(plain.answer, 2),
        count=masked.count,
    )
    return f"{told} {words(f'training.answers.verdict.{verdict}')}"


def _found(session: Session, trials: Sequence[Trial[Replied]]) -> None:
    """What each run answers rightly, kind by kind; what answers and prompts cost it, and what pulled at its weights."""
    words, seen = session.words, lessons.last_looks(trials)
    if seen is None:
        return
    found = [one.found for one in seen]
    st.header(words("training.answers.result"))
    exhibit(session, "training-result", lambda: _beside(words, found), _costs(words, found), lambda: _table(words, found))


def _beside(words: Words, found: Sequence[Replied]) -> None:
    rows = "".join(_bars(words, kind, [one.score.kinds[kind] for one in found]) for kind in found[0].score.kinds)
    st.html(f'<div class="v-plate v-skills">{rows}</div>')
    say, here = partial(words.number, digits=2), words("size.figures.measured")
    lines = [
        weighing.Row(words("training.answers.right"), here, tuple(words.percent(one.score.right, 0) for one in found)),
        weighing.Row(words("training.answers.cost_answer"), here, tuple(say(one.score.answer) for one in found)),
        weighing.Row(words("training.answers.cost_prompt"), here, tuple(say(one.score.prompt) for one in found)),
        weighing.Row(words("training.answers.pull"), here, (words.percent(0.0, 0), words.percent(found[1].pull.share, 0))),
    ]
    st.html(weighing.table(words, lines, LESSON.names(words)))


def _bars(words: Words, kind: str, shares: Sequence[float]) -> str:
    drawn = "".join(f'<i style="width:{share:.1%};background:{colour}"></i>' for share, colour in zip(shares, PAIR, strict=False))
    said = html.escape(" · ".join(words.percent(share, 0) for share in shares))
    return f'<div class="v-skill"><b>{html.escape(words(f"training.kinds.{kind}"))}</b><em>{said}</em><span>{drawn}</span></div>'


def _costs(words: Words, found: Sequence[Replied]) -> str:
    masked, plain = found
    tokens = plain.pull.prompt_tokens + plain.pull.answer_tokens
    return words(
        "training.answers.costs",
        prompt=words.number(masked.score.prompt, 2),
        plain=words.number(plain.score.prompt, 2),
        share=words.percent(plain.pull.share, 0),
        tokens=words.percent(plain.pull.prompt_tokens / tokens, 0),
        guess=words.number(guessing(), 2),
    )


def _table(words: Words, found: Sequence[Replied]) -> pd.DataFrame:
    kinds = list(found[0].score.kinds)
    columns = {"run": LESSON.names(words)}
    frame = table(words, columns)
    for kind in kinds:
        frame[words(f"training.kinds.{kind}")] = [one.score.kinds[kind] for one in found]
    more = {
        "right": [one.score.right for one in found],
        "loss_answer": [one.score.answer for one in found],
        "loss_prompt": [one.score.prompt for one in found],
        "pull_prompt": [one.pull.prompt for one in found],
        "pull_answer": [one.pull.answer for one in found],
    }
    return pd.concat([frame, table(words, more)], axis=1)


# ---------------------------------------------------------------- the loss mask


def _pictures(session: Session) -> None:
    """The first tokens of the first row, and which of them each run learns to say."""
    words, seed = session.words, state.get(SEED)
    st.header(words("training.answers.mask"))
    pieces, counted = row(seed)
    exhibit(
        session,
        "training-mask",
        lambda: _strips(words, pieces, counted),
        words("training.answers.counted", answer=words.percent(sum(counted) / len(counted), 0), tokens=len(counted), count=sum(counted)),
        lambda: _by_token(words, pieces, counted),
        lambda: MASK_AGAIN.format(seed=seed, row=lessons.ROW, shown=SHOWN, dials=lessons.ASKING_WORLD.weights, batch=lessons.LIVE.recipe.batch),
    )


def row(seed: int) -> tuple[tuple[str, ...], tuple[bool, ...]]:
    """The first tokens of a row behind its begin token, and which belong to an answer: of the first batch's rows, the one in which most
    instructions end there."""
    words = Tokenizer.for_world()
    rows = InstructionStream(words, lessons.ROW, seed=seed, dials=lessons.ASKING_WORLD).next(lessons.LIVE.recipe.batch)
    ids, answer = rows.ids[:, 1 : SHOWN + 1], rows.answer[:, 1 : SHOWN + 1]
    chosen = int((ids == words.begin).sum(1).argmax())
    return tuple(words.piece(number) for number in ids[chosen].tolist()), tuple(answer[chosen].tolist())


def _strips(words: Words, pieces: tuple[str, ...], counted: tuple[bool, ...]) -> None:
    text = [visible(piece).strip() if piece != BEGIN else BOUNDARY.strip() for piece in pieces]
    masked = [Token(piece, "counted" if on else "") for piece, on in zip(text, counted, strict=True)]
    plain = [Token(piece, "counted") for piece in text]
    drawn = strips.strip([masked, plain], LESSON.names(words))
    st.html(drawn + strips.legend([("counted", words("training.answers.legend"))]))


def _by_token(words: Words, pieces: tuple[str, ...], counted: tuple[bool, ...]) -> pd.DataFrame:
    columns = {"position": range(1, len(pieces) + 1), "token": [visible(piece) for piece in pieces], "learned": counted}
    return table(words, columns)


MASK_AGAIN = """
from model.text.instructions import InstructionStream
from model.text.tokenizer import Tokenizer
from model.text.world import Dials

rows = InstructionStream(Tokenizer.for_world(), {row}, seed={seed}, dials=Dials(weights={dials})).next({batch})
ids, answer = rows.ids[:, 1:{shown} + 1], rows.answer[:, 1:{shown} + 1]
chosen = int((ids == 0).sum(1).argmax())
numbers = {{"ids": ids[chosen].numpy(), "answer": answer[chosen].numpy()}}
"""

LESSON = Lesson("answers", 2, STEPS, (), _settings, _trials, _plot, _found, _pictures, _told)
