"""From runs under way to their picture, its reading and its numbers. A run is only looked at; nothing here waits for one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from components.canvas.losscurve import Axis, Chart, Level, Line, Passage, axis, heights, round_up, smooth
from components.i18n import Words
from components.runs import Attempt, Plan, Written, least
from model.text.tokenizer import Tokenizer
from model.training import Budget, Seconds, Tokens

NAMES = ("A", "B")


def names(attempts: Sequence[Attempt]) -> tuple[str, ...]:
    """What runs are called: letters where there are two, nothing where there is one."""
    return NAMES[: len(attempts)] if len(attempts) > 1 else ("",) * len(attempts)


def chart(words: Words, attempts: Sequence[Attempt], plans: Sequence[Plan], across: str, up: str) -> Chart:
    """The runs so far: their curves, the two heights known beforehand, what they wrote. Where nothing has run yet, `plans` say how
    far the axis goes. `across` is "seconds" or "tokens", `up` "log" or "linear"."""
    floor = _floor(attempts, plans)
    lines = tuple(_line(words, name, attempt.curve.points(), across, floor) for name, attempt in zip(names(attempts), attempts, strict=True))
    levels, say = _levels(words, floor), partial(_short, words)
    low, high = heights(levels, lines, up == "log")
    multiples = axis(words("size.curve.times"), low, high, say, up == "log", unit=floor) if floor else Axis("", low, high, up == "log", ())
    return Chart(
        revision=f"{'-'.join(str(attempt.steps) for attempt in attempts)}/{across}/{up}/{words.language}",
        label=words("size.curve.label"),
        empty=words("size.curve.empty" if floor else "size.curve.empty_alone"),
        x=axis(words(f"size.curve.{across}"), 0, reach(attempts, plans, across), words.count if across == "tokens" else say),
        left=axis(words("size.curve.nats"), low, high, say, up == "log"),
        right=multiples,
        lines=lines,
        levels=levels,
        passages=_passages(words, attempts, across, floor),
        log_title=words("size.curve.written"),
        language=words.language,
    )


def _floor(attempts: Sequence[Attempt], plans: Sequence[Plan] = ()) -> float | None:
    """The exact floor of what runs, or, where nothing has run yet, of what is planned."""
    return least([attempt.plan for attempt in attempts] or plans)


def _line(words: Words, name: str, points: np.ndarray, across: str, floor: float | None) -> Line:
    x, losses = points[:, 2 if across == "seconds" else 1], points[:, 3]
    smoothed = smooth(losses)
    return Line(name or words("size.curve.loss"), x, smoothed, losses, _height(words, float(smoothed[-1]), floor) if len(losses) else "")


def _levels(words: Words, floor: float | None) -> tuple[Level, ...]:
    guess = guessing()
    if floor is None:
        return (Level(words("size.levels.guess_alone", nats=words.number(guess, 2)), guess),)
    below = words("size.levels.floor", nats=words.number(floor, 3))
    above = words("size.levels.guess", nats=words.number(guess, 2), times=words.number(guess / floor, 1))
    return Level(below, floor, floor=True), Level(above, guess)


def guessing() -> float:
    """What a token costs whoever finds every token of the vocabulary equally likely, in nats."""
    return math.log(Tokenizer.for_world().size)


def reach(attempts: Sequence[Attempt], plans: Sequence[Plan], across: str) -> float:
    """Where the horizontal axis ends: at the budget where that is known, else where the pace so far leads, rounded up so that it
    moves seldom."""
    budgets = [plan.recipe.budget for plan in [attempt.plan for attempt in attempts] or plans]
    known = [_end(budget, across) for budget in budgets]
    paced = [_pace(attempt, across) for attempt, end in zip(attempts, known, strict=False) if end is None]
    return max([end for end in known if end is not None] + paced, default=0.0) or (30.0 if across == "seconds" else 1e6)


def _end(budget: Budget, across: str) -> float | None:
    """Where a budget ends on this axis, if it is counted in its unit."""
    match budget:
        case Seconds(length=end) if across == "seconds":
            return end
        case Tokens(count=end) if across == "tokens":
            return end
        case _:
            return None


def _pace(attempt: Attempt, across: str) -> float:
    step = attempt.step
    return round_up((step.seconds if across == "seconds" else step.tokens) / max(step.fraction, 0.01)) if step else 0.0


def _passages(words: Words, attempts: Sequence[Attempt], across: str, floor: float | None) -> tuple[Passage, ...]:
    """What the runs wrote, in the order of their training."""
    found = [
        _passage(words, number, name, written, across, floor)
        for number, (name, attempt) in enumerate(zip(names(attempts), attempts, strict=True))
        for written in attempt.written
    ]
    return tuple(sorted(found, key=lambda passage: passage.x))


def _passage(words: Words, number: int, name: str, written: Written, across: str, floor: float | None) -> Passage:
    seconds, tokens = words.number(written.seconds, 1), words.count(written.tokens)
    spent = words("size.curve.after_seconds", seconds=seconds) if across == "seconds" else words("size.curve.after_tokens", tokens=tokens)
    x = written.seconds if across == "seconds" else written.tokens
    return Passage(number, float(x), f"{name} · {spent}" if name else spent, _height(words, written.loss, floor), written.opening, written.text)


def reading(words: Words, attempts: Sequence[Attempt], plans: Sequence[Plan] = ()) -> str:
    """The picture in a sentence. It changes only when a model has written again, for it is read aloud."""
    floor, guess = _floor(attempts, plans), guessing()
    said = [_told(words, name, attempt.written[-1], floor) for name, attempt in zip(names(attempts), attempts, strict=True) if attempt.written]
    if len({type(attempt.plan.config.form) for attempt in attempts}) > 1:
        said.append(words("size.reading.tasks"))
    if said:
        return " ".join(said)
    if floor is None:
        return words("size.reading.none_alone", guess=words.number(guess, 2))
    return words("size.reading.none", guess=words.number(guess, 2), times=words.number(guess / floor, 1), floor=words.number(floor, 3))


def _told(words: Words, name: str, written: Written, floor: float | None) -> str:
    given = {"name": name or words("size.reading.model"), "tokens": words.count(written.tokens), "loss": words.number(written.loss, 2)}
    if floor is None:
        return words("size.reading.run_alone", **given)
    return words("size.reading.run", **given, times=words.number(written.loss / floor, 2))


def numbers(words: Words, attempts: Sequence[Attempt]) -> pd.DataFrame:
    """Every point of every curve; as a multiple of the floor too, where there is one."""
    floor = _floor(attempts)
    columns = [words(f"size.table.{name}") for name in ("run", "step", "tokens", "seconds", "loss", *(("times",) if floor else ()))]
    rows = [
        (name, *point, *((point[-1] / floor,) if floor else ()))
        for name, attempt in zip(names(attempts), attempts, strict=True)
        for point in attempt.curve.points().tolist()
    ]
    return pd.DataFrame(rows, columns=pd.Index(columns))


def _height(words: Words, loss: float, floor: float | None) -> str:
    """How high a loss stands: as a multiple of the floor, or in nats where there is none."""
    if floor is None:
        return words("size.curve.tip_nats", nats=words.number(loss, 2))
    return words("size.curve.tip", times=words.number(loss / floor, 2))


def _short(words: Words, value: float) -> str:
    """A round number on an axis, with no more decimals than it has."""
    return words.number(value, next(digits for digits in range(4) if digits == 3 or math.isclose(value, round(value, digits), abs_tol=1e-4)))
