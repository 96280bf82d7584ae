"""From trials under way to their picture and its numbers. A trial is only looked at; nothing here waits for one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.canvas.losscurve import Axis, Chart, Level, Line, Passage, axis, heights, smooth
from components.canvas.losscurve.following import guessing
from components.i18n import Words
from components.lessons import Seen, Trial


@dataclass(frozen=True, slots=True, eq=False)
class Plot:
    """What a lesson draws: of each run the seconds, tokens and loss of its points `(n, 3)`, the exact `floor` of that loss, what was
    written on the way by run, and whether losses stand on a logarithmic axis."""

    points: tuple[np.ndarray, ...]
    floor: float
    passages: tuple[Passage, ...]
    log: bool


def trained(trial: Trial) -> np.ndarray:
    """The loss of training, `(n, 3)`."""
    return trial.curve.points()[:, [2, 1, 3]]


def measured(seen: Sequence[Seen], losses: Sequence[float]) -> np.ndarray:
    """Losses that were measured at the looks, `(n, 3)`."""
    rows = [(one.seconds, one.tokens, loss) for one, loss in zip(seen, losses, strict=False)]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def passage(words: Words, line: int, name: str, seen: Seen, reached: float, opening: str, text: str) -> Passage:
    """What a run wrote when it was looked at."""
    spent = words("size.curve.after_seconds", seconds=words.number(seen.seconds, 1))
    return Passage(line, seen.seconds, f"{name} · {spent}", words("size.curve.tip_nats", nats=words.number(reached, 2)), opening, text)


def under(points: np.ndarray, floor: float) -> tuple[float, int] | None:
    """The seconds and tokens after which the smoothed loss first lay below the floor; `None` if it never did."""
    below = np.flatnonzero(smooth(points[:, 2]) < floor) if len(points) else np.array([], int)
    return (float(points[below[0], 0]), int(points[below[0], 1])) if len(below) else None


def chart(words: Words, lesson: str, names: Sequence[str], plot: Plot, end: float) -> Chart:
    """The runs so far, the two heights known beforehand, and what was written."""
    drawn = plot.points or tuple(np.zeros((0, 3)) for _ in names)
    lines = tuple(_line(words, name, points, plot) for name, points in zip(names, drawn, strict=True))
    guess = Level(words("size.levels.guess_alone", nats=words.number(guessing(), 2)), guessing())
    floor = Level(words(f"training.{lesson}.floor", nats=words.number(plot.floor, 3)), plot.floor, floor=True)
    low, high = heights((floor, guess), lines, plot.log)
    low = low if plot.floor > 0 else -high / 12
    bare, counts = plot.floor <= 0, "-".join(f"{len(points)}.{points[:, 1].sum():.0f}" for points in drawn)
    return Chart(
        revision=f"{lesson}/{counts}/{words.language}",
        label=words(f"training.{lesson}.label"),
        empty=words(f"training.{lesson}.empty"),
        x=axis(words("size.curve.seconds"), 0, end, lambda value: _short(words, value)),
        left=axis(words(f"training.{lesson}.axis"), low, high, lambda value: _short(words, value), plot.log),
        right=Axis("", low, high, plot.log, ()) if bare else _multiples(words, low, high, plot),
        lines=lines,
        levels=(floor, guess),
        passages=tuple(sorted(plot.passages, key=lambda passage: passage.x)),
        log_title=words(f"training.{lesson}.written"),
        language=words.language,
    )


def _multiples(words: Words, low: float, high: float, plot: Plot) -> Axis:
    return axis(words("size.curve.times"), low, high, lambda value: _short(words, value), plot.log, unit=plot.floor)


def _line(words: Words, name: str, points: np.ndarray, plot: Plot) -> Line:
    losses = points[:, 2].astype(np.float32)
    smoothed = smooth(losses) if len(losses) else losses
    return Line(name, points[:, 0], smoothed, losses, words("size.curve.tip_nats", nats=words.number(float(smoothed[-1]), 2)) if len(losses) else "")


def numbers(words: Words, names: Sequence[str], plot: Plot) -> pd.DataFrame:
    """Every point of every curve; as a multiple of the floor too, where it is above 0."""
    rows = [
        (name, *point, *((point[-1] / plot.floor,) if plot.floor > 0 else ()))
        for name, points in zip(names, plot.points, strict=False)
        for point in points.tolist()
    ]
    columns = ("run", "seconds", "tokens", "loss", *(("times",) if plot.floor > 0 else ()))
    return pd.DataFrame(rows, columns=pd.Index([words(f"size.table.{name}") for name in columns]))


def _short(words: Words, value: float) -> str:
    return words.number(value, next(digits for digits in range(4) if digits == 3 or math.isclose(value, round(value, digits), abs_tol=1e-4)))
