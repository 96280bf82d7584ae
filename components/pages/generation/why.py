"""Why this token: what every layer would have said, what each filter removed, and how likely it was under other settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from components import compute, state
from components.canvas.distribution import Dials
from components.canvas.grid import Cell, Grid, grid_table
from components.canvas.lens import label
from components.canvas.plate import visible
from components.controls.arithmetic import door
from components.page import Session, block, exhibit, quoted
from components.pages.generation.pieces import piece, revision
from components.writing import Filled, Line
from model.analysis.lens import points
from model.analysis.step import StepLens, step_lens
from model.generation import pick
from model.generation.account import CUTS, TEMPERATURES, Removal, chances, removals


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One step, held still: what the model had read, the `place` it was asked at, its `logits` (V,), what a penalty counts, the dials, the
    `token` in question, whether that one is `written`, and a token that may not be chosen there, if there is one."""

    ids: tuple[int, ...]
    place: int
    logits: NDArray[np.floating[Any]]
    history: tuple[int, ...]
    dials: Dials
    token: int
    written: bool
    cut: int | None
    revision: str


def reasons(session: Session, line: Line) -> None:
    """The step at the cursor, taken apart; while the text plays, the one at which it was last at rest."""
    words, asked = session.words, held_still(session, line)
    st.header(words("generation.why.heading", token=quoted(visible(piece(session, asked.token)))))
    st.markdown(words(f"generation.why.{'written' if asked.written else 'drawn'}"))
    _parts(session, line, asked)


@block
def _parts(session: Session, line: Line, asked: Asked) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        _lens(session, asked)
        _removed(session, asked)
    with right:
        _settings(session, asked)


def held_still(session: Session, line: Line) -> Asked:
    """The step at the cursor; while the text plays, the one it had when it last stood still."""
    kept = state.remember("generation.asked", dict)
    if kept.get("key") != line.key or not line.playing or line.over:
        kept.update(key=line.key, asked=asked(session, line))
    return kept["asked"]


def asked(session: Session, line: Line) -> Asked:
    """The step at the cursor: the token that stands there, or else the one that the dials would take."""
    now, dials = line.moment(), line.dials
    token = pick(now.logits, dials.choose(), now.history, now.place) if now.written is None else now.written
    place, cut = (line.place, line.filler.blank) if isinstance(line, Filled) else (len(line.seen) - 1, None)
    ids = line.seen if not (isinstance(line, Filled) and line.over) else _before_last(line)
    return Asked(ids, place, now.logits, now.history, dials, token, now.written is not None, cut, revision(session, line))


def _before_last(line: Filled) -> tuple[int, ...]:
    """The text as it stood when its last blank was filled."""
    return tuple(line.filler.blank if place == line.place else id for place, id in enumerate(line.ids))


# ---------------------------------------------------------------- layer by layer


def _lens(session: Session, asked: Asked) -> None:
    found = lens_of(session, asked)
    exhibit(
        session,
        "why-lens",
        lambda: grid_table(session.words.language, "why-lens", lens_grid(session, asked, found)),
        lens_in_words(session, found),
        lambda: lens_table(session, found),
        lambda: lens_again(asked),
    )
    if stands_in_the_prompt(session, asked):
        door(session, f"logits[{asked.place},{asked.token}]", "why")


def lens_of(session: Session, asked: Asked) -> StepLens:
    """The lens of this step, computed once for all who ask."""
    specimen, source = session.specimen, session.prompt.source_ids

    def make() -> bytes:
        found = step_lens(specimen.loaded.model, asked.ids, asked.place, asked.token, source=source or None, cut=asked.cut)
        return np.stack([found.top, found.chance, found.rank, found.hit]).astype("<f8").tobytes()

    kept = compute.packed("generation.lens", specimen.id, asked.ids, asked.place, asked.token, source, asked.cut, make=make)
    top, chance, rank, hit = np.frombuffer(kept, "<f8").reshape(4, -1)
    return StepLens(points(specimen.config), asked.token, top.astype(np.int64), chance, rank.astype(np.int64), hit)


def stands_in_the_prompt(session: Session, asked: Asked) -> bool:
    """Whether the page that follows numbers back has this step before it: it reads the prompt, and nothing that was written after it."""
    ids = session.prompt.ids
    return asked.ids == ids if asked.cut is not None else asked.ids == ids[: len(asked.ids)]


def lens_grid(session: Session, asked: Asked, found: StepLens) -> Grid:
    """A row a layer: what it would have said, and where it had the token in question."""
    words, token = session.words, visible(piece(session, asked.token))
    rows = [
        (
            Cell(label(words, point)),
            Cell(visible(piece(session, int(found.top[at]))), "token"),
            Cell(words.percent(found.chance[at]), "bar", float(found.chance[at])),
            Cell(words.number(int(found.rank[at]), 0)),
            Cell(words.percent(found.hit[at]), "bar", float(found.hit[at])),
        )
        for at, point in enumerate(found.points)
    ]
    heads = tuple(words(f"generation.why.lens.{name}", token=token) for name in ("point", "says", "chance", "rank", "hit"))
    marked = tuple((row, 0) for row in range(found.settled, len(rows)))
    return Grid(words("generation.why.lens.title"), heads, tuple(rows), asked.revision, marked, remark=words("generation.why.lens.remark"))


def lens_in_words(session: Session, found: StepLens) -> str:
    """From which layer on the token was the likeliest, or what was."""
    words, token = session.words, visible(piece(session, found.token))
    told = {"token": token, "share": words.percent(found.hit[-1]), "rank": words.number(int(found.rank[-1]), 0)}
    if found.settled == 0:
        return words("generation.why.lens.always", **told)
    if found.settled < len(found.points):
        before = visible(piece(session, int(found.top[found.settled - 1])))
        return words("generation.why.lens.from", point=label(words, found.points[found.settled]), before=before, **told)
    return words("generation.why.lens.never", best=visible(piece(session, int(found.top[-1]))), **told)


def lens_table(session: Session, found: StepLens) -> pd.DataFrame:
    """The same numbers, a row a point."""
    columns = {
        "point": [label(session.words, point) for point in found.points],
        "token": [piece(session, int(id)) for id in found.top],
        "id": found.top,
        "probability": found.chance,
        "rank": found.rank,
        "asked": found.hit,
    }
    return pd.DataFrame({session.words(f"generation.table.{name}"): values for name, values in columns.items()})


# ---------------------------------------------------------------- filter by filter


def _removed(session: Session, asked: Asked) -> None:
    found = removals(asked.logits, asked.dials.choose(), asked.history, asked.token)
    exhibit(
        session,
        "why-filters",
        lambda: grid_table(session.words.language, "why-filters", filters_grid(session, asked, found)),
        filters_in_words(session, asked, found),
        lambda: filters_table(session, found),
        lambda: account_again(asked, "removals", FILTER_NUMBERS),
    )


def _acting(asked: Asked, found: list[Removal]) -> list[Removal]:
    """The filters that are not at rest."""
    rest = Dials(temperature=1)
    return [each for each in found if each.name == "greedy" or getattr(asked.dials, each.name) != getattr(rest, each.name)]


def filters_grid(session: Session, asked: Asked, found: list[Removal]) -> Grid:
    """The model's own distribution, then a row for every filter at work."""
    words, acting = session.words, _acting(asked, found)
    own = removals(asked.logits, Dials(temperature=1).choose(), (), asked.token)[0]
    first = (Cell(words("generation.why.filters.own")), Cell("–"), Cell("–"), Cell("–"), _share(session, own.after))
    rows = [first, *(_filter_row(session, each) for each in acting)]
    token = visible(piece(session, asked.token))
    heads = tuple(words(f"generation.why.filters.{name}", token=token) for name in ("filter", "removed", "mass", "likeliest", "after"))
    remark = words("generation.why.filters.rest") if not acting else ""
    return Grid(words("generation.why.filters.title"), heads, tuple(rows), asked.revision, ((len(rows) - 1, 0),), remark=remark)


def _filter_row(session: Session, each: Removal) -> tuple[Cell, ...]:
    words, name = session.words, session.words(f"generation.dials.{each.name}")
    if each.likeliest is None:
        return Cell(name), Cell(words.number(0, 0)), Cell("–"), Cell("–"), _share(session, each.after)
    gone = f"{visible(piece(session, each.likeliest))} · {words.percent(each.lost)}"
    return Cell(name), Cell(words.number(each.removed, 0)), Cell(words.percent(each.mass)), Cell(gone, "token"), _share(session, each.after)


def _share(session: Session, share: float) -> Cell:
    return Cell(session.words.percent(share), "bar", share)


def filters_in_words(session: Session, asked: Asked, found: list[Removal]) -> str:
    """What was cut in all, and what became of the token."""
    words, left = session.words, found[-1].left
    token = visible(piece(session, asked.token))
    told = {"token": token, "left": words.number(left), "all": words.number(len(asked.logits)), "after": words.percent(found[-1].after)}
    cutter = next((each.name for each in found if each.after == 0), None)
    if cutter is not None:
        return words("generation.why.filters.cut", filter=words(f"generation.dials.{cutter}"), **told)
    return words("generation.why.filters.reading", **told)


def filters_table(session: Session, found: list[Removal]) -> pd.DataFrame:
    """Every filter, those at rest too."""
    columns = {
        "filter": [session.words(f"generation.dials.{each.name}") for each in found],
        "removed": [each.removed for each in found],
        "mass": [each.mass for each in found],
        "token": [None if each.likeliest is None else piece(session, each.likeliest) for each in found],
        "probability": [each.lost for each in found],
        "left": [each.left for each in found],
        "asked": [each.after for each in found],
    }
    return pd.DataFrame({session.words(f"generation.table.{name}"): values for name, values in columns.items()})


# ---------------------------------------------------------------- under other settings


def _settings(session: Session, asked: Asked) -> None:
    found = chances_of(session, asked)
    exhibit(
        session,
        "why-settings",
        lambda: grid_table(session.words.language, "why-settings", settings_grid(session, asked, found)),
        settings_in_words(session, asked, found),
        lambda: settings_table(session, found),
        lambda: account_again(asked, "chances", "{'temperature': np.array(account.TEMPERATURES), 'probability': found}"),
    )


def chances_of(session: Session, asked: Asked) -> NDArray[np.float64]:
    """How likely the token would have been, (temperatures, cuts), computed once for all who ask."""
    choose, source = asked.dials.choose(), session.prompt.source_ids
    make = lambda: chances(asked.logits, choose, asked.history, asked.token).astype("<f8").tobytes()  # noqa: E731
    kept = compute.packed("generation.chances", session.specimen.id, asked.ids, asked.place, source, choose, asked.token, make=make)
    return np.frombuffer(kept, "<f8").reshape(len(TEMPERATURES), len(CUTS))


def _named(session: Session, cut: dict[str, float]) -> str:
    words = session.words
    if not cut:
        return words("generation.why.settings.uncut")
    ((name, value),) = cut.items()
    return f"{words(f'generation.dials.{name}')} {words.number(value) if name == 'top_k' else words.number(value, 1)}"


def settings_grid(session: Session, asked: Asked, found: NDArray[np.float64]) -> Grid:
    """A row a temperature, a column a cut; the temperature nearest to the one in force is set off."""
    words = session.words
    rows = [
        (Cell(words.number(temperature, 1)), *(Cell(words.percent(share), "heat", float(share)) for share in found[row]))
        for row, temperature in enumerate(TEMPERATURES)
    ]
    near = int(np.abs(np.array(TEMPERATURES) - asked.dials.temperature).argmin())
    heads = (words("generation.why.settings.temperature"), *(_named(session, cut) for cut in CUTS))
    scale, title = words("generation.why.settings.scale"), words("generation.why.settings.title")
    return Grid(title, heads, tuple(rows), asked.revision, ((near, 0),), scale, words("generation.why.settings.remark"))


def settings_in_words(session: Session, asked: Asked, found: NDArray[np.float64]) -> str:
    """Where the token would have been likeliest, and where impossible."""
    words = session.words
    row, column = (int(at) for at in np.unravel_index(found.argmax(), found.shape))
    told = {"token": visible(piece(session, asked.token)), "share": words.percent(found[row, column]), "cut": _named(session, CUTS[column])}
    said = words("generation.why.settings.reading", temperature=words.number(TEMPERATURES[row], 1), **told)
    never = int((found == 0).sum())
    return f"{said} {words('generation.why.settings.never', count=never, all=found.size)}" if never else said


def settings_table(session: Session, found: NDArray[np.float64]) -> pd.DataFrame:
    """The same numbers."""
    columns = {_named(session, cut): found[:, at] for at, cut in enumerate(CUTS)}
    return pd.DataFrame({session.words("generation.why.settings.temperature"): TEMPERATURES} | columns)


# ---------------------------------------------------------------- in a notebook


def lens_again(asked: Asked) -> str:
    """The lines that read every layer again."""
    return LENS_AGAIN.format(text=list(asked.ids), place=asked.place, token=asked.token, cut=asked.cut)


def account_again(asked: Asked, name: str, numbers: str) -> str:
    """The lines that ask the model once more and account for its choice."""
    text = {"text": list(asked.ids), "place": asked.place, "cut": asked.cut, "token": asked.token, "history": asked.history}
    return ACCOUNT_AGAIN.format(name=name, choose=asked.dials.choose(), numbers=numbers, **text)


LENS_AGAIN = """
from model.analysis.step import step_lens

found = step_lens(model, {text}, {place}, {token}, source=source or None, cut={cut})
numbers = {{"id": found.top, "probability": found.chance, "rank": found.rank, "asked": found.hit}}
"""
ACCOUNT_AGAIN = """
import numpy as np
import torch

from model.generation import Greedy, Sample, account
from model.trace import Tracer

text, place, cut = {text}, {place}, {cut}  # the text as it stood, where the model is asked, and what may not be chosen there
logits = Tracer(model).trace(torch.tensor(text), source=torch.tensor(source) if source else None).logits[place].numpy().copy()
logits[[] if cut is None else [cut]] = -np.inf
found = account.{name}(logits, {choose}, {history}, {token})
numbers = {numbers}
"""
FILTER_NUMBERS = "{name: np.array([getattr(each, name) for each in found]) for name in ('removed', 'mass', 'lost', 'left', 'after')}"
